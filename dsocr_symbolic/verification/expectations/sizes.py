"""Numbers of the machine, bytes of elements, sizes of the network, tokens of a page, said once more."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from typing import Any

import torch

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.registry import load_conventions
from dsocr_symbolic.scenario.checks import check_setting
from dsocr_symbolic.scenario.values import Resolver
from dsocr_symbolic.verification.expectations.machine import (
    IN_BOUNDS,
    OF_PAGES,
    Fact,
    _machine,
    _without_choices,
    network,
    values,
)
from dsocr_symbolic.verification.reference.config import ClipConfig, DecoderConfig, SamConfig

BYTES: Mapping[str, Any] = {
    "bf16": torch.bfloat16.itemsize,
    "fp16": torch.float16.itemsize,
    "fp32": torch.float32.itemsize,
    "fp8": torch.float8_e4m3fn.itemsize,
    "int8": torch.int8.itemsize,
    "int4": torch.int8.itemsize / 2,
}
RATES = ("tensor_core_peak", "fastest_tensor_core_peak", "fastest_cuda_core_peak")
_SWITCHES = (
    "training",
    "trains_encoder",
    "captured",
    "begins",
    "reach",
    "serves",
    "engine_kernels",
    "prefix",
    "routed",
)
PARTS = ("encoder_weight", "norm_weight", "router_weight")
# Blocks of 32 weights and a scale in fp16: bytes of a weight of the decoder's products. All else is kept wider.
BLOCKS = {"q8_0": Fraction(32 * 8 + 16, 32 * 8), "q4_0": Fraction(32 * 4 + 16, 32 * 8)}
WIDER = {"encoder_weight": torch.float16, "norm_weight": torch.float32, "router_weight": torch.float32}


def conventions() -> Iterator[Fact]:
    """State bytes of elements, and that a function costs 1 FLOP unless somebody says otherwise."""
    resolver = _without_choices(_machine("rtx5090").numbers)
    sizes = {"fp32": torch.float32, "int64": torch.int64, "int32": torch.int32, "bool": torch.bool}
    sizes |= dict.fromkeys(("activation", "weight", "kv"), torch.bfloat16)
    for name, dtype in sizes.items():
        yield name, resolver.value(name), dtype.itemsize
    for name in ("autocast", *_SWITCHES):
        yield name, resolver.value(name), 0
    yield "trained", resolver.value("trained"), 1
    functions = ("div", "sqrt", "rsqrt", "exp", "log", "erf", "tanh", "sigmoid", "sin", "cos")
    for name in ("cache_grows", "chunk"):
        yield name, values({}).value(name), 1
    stated = {*sizes, "autocast", "trained", "cache_grows", "chunk", *_SWITCHES, "wide", *PARTS}
    stated |= {f"flops_per_{name}" for name in functions}
    yield "symbols of all networks", set(load_conventions().symbols), stated
    for name in functions:
        yield name, resolver.value(f"flops_per_{name}"), 1
    for autocast in (0, 1):
        for width in (1, 2, 4):
            wide = torch.float32.itemsize if autocast else width
            mixed = Resolver(network(), {**resolver.m_origins}, resolver.m_gpu)
            mixed.m_values |= {"autocast": autocast, "activation": width, "weight": 3 * width}
            yield f"wide at {autocast}, {width}", mixed.value("wide"), wide
            for name in PARTS:
                yield f"{name} at {width}", mixed.value(name), 3 * width


_SHIPPED = (DecoderConfig(), SamConfig(), ClipConfig())


def published() -> dict[str, int]:
    """Return the sizes of the published network, as its modules have them."""
    decoder, sam, clip = _SHIPPED
    names: tuple[str, ...] = (
        "hidden_size",
        "num_hidden_layers",
        "first_k_dense_replace",
        "num_attention_heads",
        "intermediate_size",
    )
    names = (
        *names,
        "moe_intermediate_size",
        "n_routed_experts",
        "n_shared_experts",
        "num_experts_per_tok",
        "vocab_size",
    )
    return {
        **{name: getattr(decoder, name) for name in names},
        "max_position_embeddings": 8192,
        "sam_patch_size": sam.patch_size,
        "sam_width": sam.hidden_size,
        "sam_heads": sam.num_heads,
        "sam_mlp_width": sam.mlp_size,
        "sam_windowed_blocks": sam.num_layers - len(sam.global_layers),
        "sam_global_blocks": len(sam.global_layers),
        "sam_window_size": sam.window_size,
        "sam_table_grid": sam.table_grid,
        "sam_neck_channels": sam.neck_channels,
        "clip_width": clip.hidden_size,
        "clip_heads": clip.num_heads,
        "clip_mlp_width": clip.mlp_size,
        "clip_layers": clip.num_layers,
        "clip_table_grid": clip.table_grid,
        "clip_patch_size": clip.patch_size,
    }


def constants() -> Iterator[Fact]:
    """Compare the network's sizes with those of its modules."""
    known = network().constants
    yield "constants", set(known), set(published())
    resolver = values({})
    for name, size in published().items():
        yield name, resolver.value(name), size
    for name, size in {"batch": 1, "base_size": 1024, "image_size": 640, "text_tokens": 10, "new_tokens": 512}.items():
        yield name, resolver.value(name), size
    yield "max_crops", resolver.value("max_crops"), 9
    for name in ("crop_columns", "crop_rows"):
        yield name, resolver.value(name), 0


# Symbols whose least value is not that of their group, 1 for sizes of the network and 0 else.
_LEAST = {
    **dict.fromkeys(("n_shared_experts", "sam_windowed_blocks", "sam_global_blocks", "clip_layers"), 0),
    **dict.fromkeys(("batch", "base_size", "image_size", "chunk_tokens", "decode_experts_hit"), 1),
    "max_crops": 2,
    **dict.fromkeys(("page_tokens", "max_num_seqs", "max_num_batched_tokens", "max_model_len"), 1),
}
# Whole numbers of a server.
_WHOLE = ("page_tokens", "max_num_seqs", "max_num_batched_tokens", "max_model_len", "cached_tokens")
_FIXED = {
    "fp32",
    "int64",
    "int32",
    "bool",
    "trained",
    "cache_grows",
    "chunk",
    *_SWITCHES,
    "capacity",
    "installed_memory",
    *IN_BOUNDS.values(),
}
_FIXED |= {"view_tokens", "vision_tokens", "compression", "fewest_prefill_experts_hit", "fewest_decode_experts_hit"}
_MAY_LACK = (
    "reserve",
    "l3_cache",
    "tensor_memory",
    "on_chip",
    "board_power",
    "price_per_hour",
    "section_wait",
    "stream_gap",
    "graph_gap",
    "graph_replay",
    *("compiled_frame", "compiled_launch", "compiled_call", "sort_passes", "between_launch"),
    *OF_PAGES,
)
FRACTIONS = {"prefill_experts_hit", "decode_experts_hit"}


def limits() -> Iterator[Fact]:
    """Set every symbol to the least value, to less, to a fraction and to 0: what may be set may be no other."""
    definition = network()
    for name, quantity in definition.quantities.items():
        machine = quantity.group == "machine"
        least = _LEAST.get(name, int(quantity.group == "constant"))
        fractions = quantity.group not in ("constant", "workload", "derived") and name not in _WHOLE
        fractions = fractions or name in FRACTIONS
        free = name not in _FIXED
        # A server that takes nothing of the memory serves nothing.
        may_be_least = (not machine or name in _MAY_LACK) and name != "memory_utilisation"
        for value, allowed in ((least, may_be_least), (least - 1, False), (least + 1.5, fractions)):
            yield f"{name} = {value}", _allowed(name, value), free and allowed


def _allowed(name: str, value: Any) -> bool:
    try:
        check_setting(network(), name, value)
    except UserError:
        return False
    return True
