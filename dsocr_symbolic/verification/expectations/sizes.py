"""Numbers of the machine, bytes of elements, sizes of the network, tokens of a page, said once more."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import cache
from typing import Any

import torch
from attrs import evolve

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.language.registry import load_conventions
from dsocr_symbolic.language.strict_yaml import read_yaml
from dsocr_symbolic.paths import data_files
from dsocr_symbolic.scenario.checks import check_setting
from dsocr_symbolic.scenario.hardware import Number, load_gpu
from dsocr_symbolic.scenario.origins import origins
from dsocr_symbolic.scenario.values import Resolver, choose, chosen_slots
from dsocr_symbolic.verification.reference.config import ClipConfig, DecoderConfig, SamConfig

Fact = tuple[str, Any, Any]
REFUSED = "refused"

# Number of a datasheet -> what one of it is in SI.
_SI = {"tflops": 10**12, "gb_per_s": 10**9, "mhz": 10**6, "mib": 2**20, "gib": 2**30, "kib": 2**10}
# A Tensor Core's peak by the dtype of activations: that which accumulates in fp32.
PEAKS = {
    "bf16": "tensor_bf16_tflops",
    "fp16": "tensor_fp16_tflops",
    "fp32": "tensor_tf32_tflops",
    "fp8": "tensor_fp8_tflops",
}
BYTES = {
    "bf16": torch.bfloat16.itemsize,
    "fp16": torch.float16.itemsize,
    "fp32": torch.float32.itemsize,
    "fp8": torch.float8_e4m3fn.itemsize,
    "int8": torch.int8.itemsize,
    "int4": torch.int8.itemsize / 2,
}
# Symbol of the machine -> numbers of a datasheet, the first that it has; or a number where it has none.
NUMBERS: Mapping[str, tuple[Any, ...]] = {
    "cuda_core_peak": ("cuda_fp32_tflops",),
    "memory_bandwidth": ("memory_bandwidth_gb_per_s",),
    "compute_efficiency": (1,),
    "bandwidth_efficiency": (1,),
    "rated_clock": ("boost_clock_mhz", 1),
    "highest_clock": ("highest_clock_mhz", "boost_clock_mhz", 1),
    "usable_memory": ("usable_memory_mib", "memory_capacity_gib", "memory_capacity_gb"),
    "reserve": (2**30,),
}


@cache
def network() -> Definition:
    """Read the network once for all statements; a changed file is read anew."""
    return default_definition(None)


_machine = cache(load_gpu)


def values(settings: Mapping[str, Any], gpu: str = "", **chosen: str) -> Resolver:
    """Return what works symbols out, rules and ranges left out; choices with underscores."""
    definition = network()
    options = choose(definition, {name.replace("_", "-"): option for name, option in chosen.items()})
    machine = _machine(gpu or definition.default_gpu)
    return Resolver(definition, origins(definition, options, settings, machine), machine)


def _datasheet(raw: Mapping[str, Any], keys: tuple[Any, ...]) -> Any:
    for key in keys:
        if not isinstance(key, str):
            return key
        if key in raw:
            factor = next(factor for unit, factor in _SI.items() if key.endswith(unit))
            return float(Fraction(str(raw[key]["value"])) * factor)
    return REFUSED


def _value(resolver: Resolver, name: str) -> Any:
    try:
        return float(resolver.value(name))
    except UserError:
        return REFUSED


def machine_numbers() -> Iterator[Fact]:
    """Read every datasheet again, and ask for each symbol of the machine, at each dtype."""
    known = {name for name, quantity in network().quantities.items() if quantity.group == "machine"}
    yield "symbols of the machine", known, {*NUMBERS, "tensor_core_peak", "capacity"}
    for gpu, path in data_files("hardware").items():
        raw = read_yaml(path)["numbers"]
        for name, keys in NUMBERS.items():
            yield f"{name} of {gpu}", _value(values({}, gpu), name), _datasheet(raw, keys)
        usable = _datasheet(raw, NUMBERS["usable_memory"])
        yield f"capacity of {gpu}", _value(values({}, gpu), "capacity"), usable - float(2**30)
        for dtype, key in PEAKS.items():
            peak = _value(values({}, gpu, activation_dtype=dtype), "tensor_core_peak")
            yield f"{dtype} peak of {gpu}", peak, _datasheet(raw, (key,))


def bare() -> Iterator[Fact]:
    """Ask a network without choices, and GPUs that lack numbers: clocks are then equal, memory is what chips hold."""
    machine = _machine("rtx5090")
    raw = read_yaml(data_files("hardware")["rtx5090"])["numbers"]
    needed = ("tensor_bf16_tflops", "cuda_fp32_tflops", "memory_bandwidth_gb_per_s")
    least = _without_choices({name: number for name, number in machine.numbers.items() if number.key in needed})
    for name in ("rated_clock", "highest_clock", "usable_memory"):
        yield f"{name} of a GPU without it", _value(least, name), 1.0
    numbers = {name: number for name, number in machine.numbers.items() if number.key != "usable_memory_mib"}
    yield (
        "memory of chips",
        _value(_without_choices(numbers), "usable_memory"),
        _datasheet(raw, ("memory_capacity_gib",)),
    )
    yield "peak without choices", _value(least, "tensor_core_peak"), _datasheet(raw, ("tensor_bf16_tflops",))


def _without_choices(numbers: Mapping[str, Number]) -> Resolver:
    gpu = evolve(_machine("rtx5090"), numbers=numbers)
    return Resolver(network(), origins(network(), {}, {}, gpu), gpu)


def conventions() -> Iterator[Fact]:
    """State bytes of elements, and that a function costs 1 FLOP unless somebody says otherwise."""
    resolver = _without_choices(_machine("rtx5090").numbers)
    sizes = {"fp32": torch.float32, "int64": torch.int64, "bool": torch.bool}
    sizes |= dict.fromkeys(("activation", "weight", "kv"), torch.bfloat16)
    for name, dtype in sizes.items():
        yield name, resolver.value(name), dtype.itemsize
    for name in ("autocast", "training"):
        yield name, resolver.value(name), 0
    functions = ("div", "sqrt", "rsqrt", "exp", "log", "erf", "tanh", "sigmoid", "sin", "cos")
    stated = {*sizes, "autocast", "training", "wide", *(f"flops_per_{name}" for name in functions)}
    yield "symbols of all networks", set(load_conventions().symbols), stated
    for name in functions:
        yield name, resolver.value(f"flops_per_{name}"), 1
    for autocast in (0, 1):
        for width in (1, 2, 4):
            wide = torch.float32.itemsize if autocast else width
            mixed = Resolver(network(), {**resolver.m_origins}, resolver.m_gpu)
            mixed.m_values |= {"autocast": autocast, "activation": width}
            yield f"wide at {autocast}, {width}", mixed.value("wide"), wide


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
    for name in ("crop_columns", "crop_rows"):
        yield name, resolver.value(name), 0


def options() -> Iterator[Fact]:
    """State what each option puts in: bytes of elements, flags, formulas of slots."""
    definition = network()
    dtypes = {"weight-dtype": "weight", "activation-dtype": "activation", "kv-dtype": "kv"}
    widths = {"weight-dtype": tuple(BYTES), "activation-dtype": tuple(PEAKS), "kv-dtype": ("bf16", "fp32", "fp8")}
    for choice, symbol in dtypes.items():
        yield f"options of {choice}", set(definition.choices[choice].options), set(widths[choice])
        for dtype in widths[choice]:
            yield f"{choice} {dtype}", values({}, **{choice: dtype}).value(symbol), BYTES[dtype]
    flags = {"logits": ("logits_of_all", {"all": 1, "last": 0}), "precision": ("autocast", {"plain": 0, "autocast": 1})}
    for choice, (symbol, stated) in flags.items():
        yield f"options of {choice}", set(definition.choices[choice].options), set(stated)
        for option, flag in stated.items():
            yield f"{choice} {option}", values({}, **{choice: option}).value(symbol), flag
    slots = {
        "attention": {
            "flash": {"attention": "llama_flash_attention2", "attention_mask": "no_mask"},
            "eager": {"attention": "llama_attention", "attention_mask": "causal_mask"},
        },
        "experts": {"loop": {"experts": "experts_loop"}, "grouped": {"experts": "experts_grouped"}},
    }
    for choice, fillings in slots.items():
        yield f"options of {choice}", set(definition.choices[choice].options), set(fillings)
        for option, filling in fillings.items():
            chosen = chosen_slots(definition, choose(definition, {choice: option}))
            yield f"{choice} {option}", {slot: chosen.get(slot) for slot in filling}, filling


# Symbols whose least value is not that of their group, 1 for sizes of the network and 0 else.
_LEAST = {
    **dict.fromkeys(("n_shared_experts", "sam_windowed_blocks", "sam_global_blocks", "clip_layers"), 0),
    **dict.fromkeys(
        ("batch", "base_size", "image_size", "prompt_tokens", "prefill_experts_hit", "decode_experts_hit"), 1
    ),
}
_FIXED = {"fp32", "int64", "bool", "training", "capacity"}
FRACTIONS = {"prefill_experts_hit", "decode_experts_hit"}


def limits() -> Iterator[Fact]:
    """Set every symbol to the least value, to less, to a fraction and to 0: what may be set may be no other."""
    definition = network()
    for name, quantity in definition.quantities.items():
        machine = quantity.group == "machine"
        least = _LEAST.get(name, int(quantity.group == "constant"))
        fractions = quantity.group not in ("constant", "workload", "derived") or name in FRACTIONS
        free = name not in _FIXED
        for value, allowed in ((least, not machine or name == "reserve"), (least - 1, False), (least + 1.5, fractions)):
            yield f"{name} = {value}", _allowed(name, value), free and allowed


def _allowed(name: str, value: Any) -> bool:
    try:
        check_setting(network(), name, value)
    except UserError:
        return False
    return True
