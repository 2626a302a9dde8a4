"""Calls of every module in a real forward of the reference, on the meta device."""

from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from attrs import frozen

if TYPE_CHECKING:
    from torch import nn

    from dsocr_symbolic.verification.reference.deepseek_ocr import DeepseekOCRForCausalLM

COLUMNS, ROWS, CROP_SIDE, VIEW_SIDE = 2, 3, 640, 1024


PROMPT_TOKENS = 903
"""Image tokens of these crops and the whole image; text would not change a call."""


# Aten operator -> the attribute and the class under which the network's own code holds the function.
FUNCTIONS: Mapping[str, tuple[str, str]] = {"silu": ("act_fn", "torch.nn.modules.activation.SiLU")}


PARTS: Mapping[str, str] = {
    "SAM": "model.sam_model",
    "CLIP": "model.vision_model",
    "projector": "model.projector",
    "decoder layers": "model.layers",
    "lm_head": "lm_head",
}


@frozen
class Call:
    """One call of a module by another; the network itself has no parent."""

    parent: str | None
    path: str
    shape: tuple[int, ...] = ()


@frozen(kw_only=True)
class Forward:
    """One forward of the network.

    Attributes
    ----------
    name : str
        ``prefill`` or ``decode``.
    calls : tuple of Call
        Modules in order of their calls, then functions.
    functions : mapping of str to str
        Path -> qualified class of what was called as a function.
    tensor_core_flops : mapping of str to int
        By part of the network, and ``total``.
    """

    name: str
    calls: tuple[Call, ...]
    functions: Mapping[str, str]
    tensor_core_flops: Mapping[str, int]


class CallRecorder:
    """Record the calls of a network's modules within the block.

    ``forward`` is wrapped rather than hooked: the network's own code calls some ``forward`` directly, which
    passes every hook by.

    Parameters
    ----------
    network : nn.Module
        The network.

    Attributes
    ----------
    calls : list of Call
        In order.
    """

    def __init__(self, network: "nn.Module") -> None:
        self.calls: list[Call] = []
        self._network = network
        self._stack: list[str] = []
        self._before: dict[str, Any] = {}

    def __enter__(self) -> Self:
        for path, module in self._network.named_modules():
            if "forward" in module.__dict__:
                self._before[path] = module.__dict__["forward"]
            module.__dict__["forward"] = self._recorded(path, module.forward)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for path, module in self._network.named_modules():
            del module.__dict__["forward"]
            if path in self._before:
                module.__dict__["forward"] = self._before.pop(path)

    def _recorded(self, path: str, forward: Callable[..., Any]) -> Callable[..., Any]:
        def recorded(*args: Any, **kwargs: Any) -> Any:
            parent = self._stack[-1] if self._stack else None
            self.calls.append(Call(parent, path, _first_shape((*args, *kwargs.values()))))
            self._stack.append(path)
            try:
                return forward(*args, **kwargs)
            finally:
                self._stack.pop()

        return recorded


def _first_shape(values: Iterable[object]) -> tuple[int, ...]:
    import torch

    return next((tuple(value.shape) for value in values if isinstance(value, torch.Tensor)), ())


def inputs() -> dict[str, Any]:
    """Return a prompt that is one image, cut into crops.

    Returns
    -------
    dict
        Arguments of the reference's forward, on the meta device.
    """
    import torch

    from dsocr_symbolic.verification.reference.deepseek_ocr import Views

    with torch.device("meta"):
        crops = torch.empty(COLUMNS * ROWS, 3, CROP_SIDE, CROP_SIDE, dtype=torch.bfloat16)
        whole = torch.empty(1, 3, VIEW_SIDE, VIEW_SIDE, dtype=torch.bfloat16)
        return {
            "input_ids": torch.zeros(1, PROMPT_TOKENS, dtype=torch.int64),
            "images": [Views(whole=whole, crops=crops, columns=COLUMNS, rows=ROWS)],
            "image_mask": torch.ones(1, PROMPT_TOKENS, dtype=torch.bool),
        }


def record_forwards(network: "DeepseekOCRForCausalLM") -> tuple[Forward, Forward]:
    """Run a prefill with an image and one decode step.

    Parameters
    ----------
    network : DeepseekOCRForCausalLM
        The reference, on the meta device.

    Returns
    -------
    tuple of Forward
        Prefill and decode.
    """
    import torch

    from dsocr_symbolic.verification.reference.llama import KeyValueCache

    cache = KeyValueCache()
    prefill = _record(network, "prefill", {**inputs(), "cache": cache})
    token = torch.zeros(1, 1, dtype=torch.int64, device="meta")
    return prefill, _record(network, "decode", {"input_ids": token, "cache": cache})


def _record(network: "DeepseekOCRForCausalLM", name: str, arguments: Mapping[str, Any]) -> Forward:
    import torch

    from dsocr_symbolic.verification.reference.trace import OperatorTrace
    from dsocr_symbolic.verification.torchinfo.naming import qualified_name

    with torch.no_grad(), CallRecorder(network) as recorder, OperatorTrace(network) as trace:
        network(**arguments)
    calls, functions = list(recorder.calls), {}
    for path, operators in trace.by_module.items():
        for operator, (attribute, kind) in FUNCTIONS.items():
            if operator in operators and qualified_name(type(network.get_submodule(path))) != kind:
                functions[f"{path}.{attribute}"] = kind
                calls += [Call(path, f"{path}.{attribute}")] * operators[operator].launches
    flops = {part: trace.under(path).tensor_core_flops for part, path in PARTS.items()}
    return Forward(
        name=name,
        calls=tuple(calls),
        functions=functions,
        tensor_core_flops={**flops, "total": trace.total.tensor_core_flops},
    )
