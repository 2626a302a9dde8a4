"""A real forward of the reference on the meta device: the calls of every module, and TorchInfo's word on the same."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import torch
import torchinfo
from torch import nn

from dsocr_symbolic.verification.reference.deepseek_ocr import DeepseekOCRForCausalLM, Views
from dsocr_symbolic.verification.reference.llama import KeyValueCache
from dsocr_symbolic.verification.reference.trace import OperatorTrace
from dsocr_symbolic.verification.torchinfo.analysis import (
    COLUMNS,
    PROMPT_TOKENS,
    ROWS,
    STAGES,
    Forwards,
    ModuleCall,
    MultiplyAdds,
    TorchinfoNumbers,
)
from dsocr_symbolic.verification.torchinfo.naming import qualified_name

CROP_SIDE, VIEW_SIDE = 640, 1024
DEPTH = 3  # of TorchInfo's table
# Aten operator -> the attribute and the class under which the network's own code holds the function.
FUNCTIONS: Mapping[str, tuple[str, str]] = {"silu": ("act_fn", "torch.nn.modules.activation.SiLU")}
PARTS: Mapping[str, str] = {
    "SAM": "model.sam_model",
    "CLIP": "model.vision_model",
    "projector": "model.projector",
    "decoder layers": "model.layers",
    "lm_head": "lm_head",
}


@contextmanager
def recorded_calls(network: nn.Module) -> Iterator[list[ModuleCall]]:
    """Record the calls of a network's modules within the block, in order.

    ``forward`` is wrapped rather than hooked: the network's own code calls some ``forward`` directly, which
    passes every hook by.
    """
    calls: list[ModuleCall] = []
    callers: list[str | None] = [None]
    modules = dict(network.named_modules())
    before = {path: module.__dict__["forward"] for path, module in modules.items() if "forward" in module.__dict__}

    def recorded(path: str, forward: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            tensors = (value for value in (*args, *kwargs.values()) if isinstance(value, torch.Tensor))
            calls.append(ModuleCall(callers[-1], path, next((tuple(tensor.shape) for tensor in tensors), ())))
            callers.append(path)
            try:
                return forward(*args, **kwargs)
            finally:
                callers.pop()

        return call

    for path, module in modules.items():
        module.__dict__["forward"] = recorded(path, module.forward)
    try:
        yield calls
    finally:
        for path, module in modules.items():
            del module.__dict__["forward"]
            if path in before:
                module.__dict__["forward"] = before[path]


def _inputs() -> dict[str, Any]:
    """Return arguments of the reference's forward: a prompt that is one image, cut into crops."""
    with torch.device("meta"):
        crops = torch.empty(COLUMNS * ROWS, 3, CROP_SIDE, CROP_SIDE, dtype=torch.bfloat16)
        whole = torch.empty(1, 3, VIEW_SIDE, VIEW_SIDE, dtype=torch.bfloat16)
        return {
            "input_ids": torch.zeros(1, PROMPT_TOKENS, dtype=torch.int64),
            "images": [Views(whole=whole, crops=crops, columns=COLUMNS, rows=ROWS)],
            "image_mask": torch.ones(1, PROMPT_TOKENS, dtype=torch.bool),
        }


def record_forwards(network: DeepseekOCRForCausalLM) -> Forwards:
    """Run a prefill with an image and one decode step."""
    token = torch.zeros(1, 1, dtype=torch.int64, device="meta")
    cache, functions, flops = KeyValueCache(), {}, {}
    by_stage: dict[str, list[ModuleCall]] = {stage: [] for stage in STAGES}
    for name, arguments in (("prefill", _inputs()), ("decode", {"input_ids": token})):
        with torch.no_grad(), recorded_calls(network) as calls, OperatorTrace(network) as trace:
            network(**arguments, cache=cache)
        for path, operators in trace.by_module.items():
            for operator, (attribute, kind) in FUNCTIONS.items():
                if operator in operators and qualified_name(type(network.get_submodule(path))) != kind:
                    functions[f"{path}.{attribute}"] = kind
                    calls += [ModuleCall(path, f"{path}.{attribute}")] * operators[operator].launches
        for call in calls:
            by_stage[_stage_of(name, call.path)].append(call)
        flops[name] = {part: trace.under(path).tensor_core_flops for part, path in {**PARTS, "total": ""}.items()}
    return Forwards(calls=by_stage, functions=functions, tensor_core_flops=flops["prefill"])


def _stage_of(forward: str, path: str) -> str:
    if path.startswith((PARTS["SAM"], PARTS["CLIP"])):
        return "vision"
    return "projector" if path.startswith(PARTS["projector"]) else forward


def torchinfo_numbers(network: nn.Module, flops: Mapping[str, int]) -> TorchinfoNumbers:
    """Ask TorchInfo, without a forward, and with one where there is our count of the same by part."""
    static = torchinfo.summary(
        network, depth=DEPTH, verbose=0, col_names=("num_params",), row_settings=("depth", "var_names")
    )
    return TorchinfoNumbers(
        version=torchinfo.__version__,
        table="\n".join(line.rstrip() for line in str(static).splitlines()),
        parameters=static.total_params,
        **(_with_forward(network, flops) if flops else {}),
    )


def _with_forward(network: nn.Module, flops: Mapping[str, int]) -> dict[str, Any]:
    arguments = _inputs()
    with torch.no_grad():
        ran = torchinfo.summary(network, input_data=[arguments.pop("input_ids")], device="meta", verbose=0, **arguments)
    part_of = {module: part for part, path in PARTS.items() for module in network.get_submodule(path).modules()}
    theirs = Counter({"total": ran.total_mult_adds})
    for row in ran.summary_list:
        if row.is_leaf_layer and row.module in part_of:
            theirs[part_of[row.module]] += row.macs
    return {
        "rows": dict(Counter(row.class_name for row in ran.summary_list)),
        "shown_parameters": sum(_shown(row) for row in ran.summary_list if row.depth <= DEPTH),
        "multiply_adds": tuple(
            MultiplyAdds(part=part, torchinfo=theirs[part], counted=count // 2) for part, count in flops.items()
        ),
    }


def _shown(row: Any) -> int:
    """Return the number that a row shows: a parent of shown rows what they leave, a repetition nothing."""
    if row.is_recursive:
        return 0
    return int(row.leftover_params() if row.depth < DEPTH and row.children else row.num_params)
