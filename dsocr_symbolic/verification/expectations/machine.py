"""Numbers of the machine: datasheets read again, by whatever source says most, at each dtype."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from functools import cache
from typing import Any

from attrs import evolve

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.language.schema import structure
from dsocr_symbolic.language.strict_yaml import read_yaml
from dsocr_symbolic.paths import data_files
from dsocr_symbolic.scenario.hardware import Gpu, Number, load_gpu
from dsocr_symbolic.scenario.origins import lacks, origins
from dsocr_symbolic.scenario.values import Resolver, choose

Fact = tuple[str, Any, Any]
REFUSED, UNCLAIMED = "refused", "unclaimed"


# Number of a datasheet -> what one of it is in SI.
_SI: dict[str, Any] = {
    "tflops": 10**12,
    "gb_per_s": 10**9,
    "mhz": 10**6,
    "mib": 2**20,
    "gib": 2**30,
    "mb": 10**6,
    "gb": 10**9,
}
_SI |= {"kib_per_sm": 2**10, "multiprocessors": 1, "power_w": 1, "percent": Fraction(1, 100)}
_SI |= {"us": Fraction(1, 10**6), "ns": Fraction(1, 10**9), "ps": Fraction(1, 10**12), "gelements_per_s": 10**9}
MEASURED = "h200"
"""The GPU whose constants all others follow from."""
# A Tensor Core's peak by the dtype of activations: that which accumulates in fp32.
PEAKS = {
    "bf16": "tensor_bf16_tflops",
    "fp16": "tensor_fp16_tflops",
    "fp32": "tensor_tf32_tflops",
    "fp8": "tensor_fp8_tflops",
}
# What is the fastest that activations of a dtype run at: both ways to accumulate where there are two, and products of
# fp32 on CUDA cores; elementwise work of a narrow dtype is done in it or in fp32.
FASTEST = {
    "bf16": ("tensor_bf16_tflops",),
    "fp16": ("tensor_fp16_tflops", "tensor_fp16_acc16_tflops"),
    "fp32": ("tensor_tf32_tflops", "cuda_fp32_tflops"),
    "fp8": ("tensor_fp8_tflops", "tensor_fp8_acc16_tflops"),
}
FASTEST_CORES = {
    "bf16": ("cuda_fp32_tflops", "cuda_bf16_tflops"),
    "fp16": ("cuda_fp32_tflops", "cuda_fp16_tflops"),
    "fp32": ("cuda_fp32_tflops",),
    "fp8": ("cuda_fp32_tflops", "cuda_fp16_tflops", "cuda_bf16_tflops"),
}


_MEMORY = ("usable_memory_mib", "memory_capacity_gib", "memory_capacity_gb")
# Bytes of weights of one part of the network: those of all weights unless somebody says otherwise.


# Symbol of the machine -> numbers of a datasheet, the first that it has; or a number where it has none.
NUMBERS: Mapping[str, tuple[Any, ...]] = {
    "cuda_core_peak": ("cuda_fp32_tflops",),
    "memory_bandwidth": ("memory_bandwidth_gb_per_s",),
    "compute_efficiency": (1,),
    "bandwidth_efficiency": (1,),
    "usable_memory": _MEMORY,
    "installed_memory": (*_MEMORY[1:], *_MEMORY),
    "process_memory": ("process_memory_mib", "process_memory_gib", *_MEMORY),
    "reserve": (2**30,),
    "board_power": ("board_power_w", 0),
    "price_per_hour": (0,),
}
# Symbol of bounds -> which of all that sources say, of which numbers; the last one is what chips without it have.
EXTREMES: Mapping[str, tuple[Any, ...]] = {
    "rated_clock": (min, "boost_clock_mhz"),
    "highest_clock": (max, "highest_clock_mhz"),
    "fastest_memory_bandwidth": (max, "memory_bandwidth_gb_per_s"),
    "multiprocessors": (max, "streaming_multiprocessors"),
    "l1_cache": (max, "l1_kib_per_sm"),
    "l2_cache": (max, "l2_cache_mib"),
    "l3_cache": (max, "l3_cache_mib", 0),
    "registers": (max, "registers_kib_per_sm"),
    "tensor_memory": (max, "tensor_memory_kib_per_sm", 0),
}
# What stands in bounds for a peak or bandwidth that somebody sets.
IN_BOUNDS = {
    "tensor_core_peak": "fastest_tensor_core_peak",
    "cuda_core_peak": "fastest_cuda_core_peak",
    "memory_bandwidth": "fastest_memory_bandwidth",
}


@cache
def network() -> Definition:
    """Read the network once for all statements; a changed file is read anew."""
    return default_definition(None)


_machine = cache(load_gpu)


def values(settings: Mapping[str, Any], gpu: str | Gpu = "", **chosen: str) -> Resolver:
    """Return what works symbols out, rules and ranges left out; choices with underscores."""
    definition = network()
    options = choose(definition, {name.replace("_", "-"): option for name, option in chosen.items()})
    machine = gpu if isinstance(gpu, Gpu) else _machine(gpu or definition.default_gpu)
    return Resolver(definition, origins(definition, options, settings, machine), machine)


def _datasheet(raw: Mapping[str, Any], keys: tuple[Any, ...]) -> Any:
    for key in keys:
        if not isinstance(key, str):
            return key
        if key in raw:
            return _in_si(key, raw[key]["value"])
    return REFUSED


def _in_si(key: str, value: Any) -> float:
    factor = next(factor for unit, factor in _SI.items() if key.endswith(f"_{unit}"))
    return float(Fraction(str(value)) * factor)


def _extreme(raw: Mapping[str, Any], extreme: Any, *keys: Any) -> Any:
    """Return the largest or smallest of all that sources say of all numbers; nothing is claimed where one lacks."""
    numbers = [key for key in keys if isinstance(key, str)]
    if any(key not in raw for key in numbers):
        return keys[-1] if keys[-1] not in numbers else UNCLAIMED
    sources = ((key, source) for key in numbers for source in (raw[key], *raw[key].get("disagree", ())))
    return extreme(_in_si(key, source["value"]) for key, source in sources)


def _value(resolver: Resolver, name: str) -> Any:
    """Return what a symbol is, unless that is not claimed."""
    try:
        value = float(resolver.value(name))
    except UserError:
        return REFUSED
    return UNCLAIMED if lacks(resolver.m_origins[name], resolver.m_origins) else value


# What a page takes of the host, which no datasheet says: what is opened or drawn, then what every page goes through.
OF_PAGES = frozenset(
    {
        *("page_open", "png_byte", "png_sample", "png_pixel", "jpeg_byte", "jpeg_sample", "jpeg_pixel"),
        *("progressive_byte", "progressive_sample", "progressive_pixel", "webp_byte", "webp_pixel"),
        *("tiff_sample", "tiff_pixel", "lzw_byte", "lzw_sample", "lzw_pixel", "deflate_byte", "deflate_sample"),
        *("deflate_pixel", "fax_byte", "fax_pixel", "pdf_page", "pdf_pixel", "pdf_character", "pdf_image_byte"),
        *("pdf_image_pixel", "pdf_image_sample", "pdf_stretch_pixel", "pdf_stretch_sample"),
        *("across_tap", "across_pixel", "down_pixel", "copy_pixel", "view_start", "view_pixel", "view_large_pixel"),
    }
)


def machine_numbers() -> Iterator[Fact]:
    """Read every datasheet again, and ask for each symbol of the machine, at each dtype."""
    symbols = {name: known for name, known in network().quantities.items() if known.group == "machine"}
    measured = {name for name, quantity in symbols.items() if quantity.scales is not None}
    known = symbols.keys() - measured
    yield "constants of pages", OF_PAGES - measured, set()
    stated = {*NUMBERS, *EXTREMES, *IN_BOUNDS, *IN_BOUNDS.values(), "capacity", "on_chip", "price_per_hour"}
    yield "symbols of the machine", known, stated
    sheets = {gpu: read_yaml(path)["numbers"] for gpu, path in data_files("hardware").items()}
    made_up = {gpu: _made_up(sheets, falling=falling) for gpu, falling in (("rising", False), ("falling", True))}
    for name, raw in {**sheets, **made_up}.items():
        gpu = name if name in sheets else structure(Gpu, {"title": name, "numbers": raw}, name, name=name)
        yield from _of_machine(name, gpu, raw)
        if isinstance(gpu, Gpu):
            cores = _value(_without_choices(gpu.numbers), "fastest_cuda_core_peak")
            yield f"cores of {name} without choices", cores, _extreme(raw, max, *FASTEST_CORES["bf16"])
    kept = read_yaml(data_files("hardware")[MEASURED])["measured"]["constants"]
    asked = _without_choices(_machine(MEASURED).numbers)
    stated_numbers = sorted(_in_si(key, constant["value"]) for key, constant in kept.items())
    yield (
        f"what was measured on {MEASURED}",
        sorted(_value(asked, each) for each in measured - OF_PAGES),
        stated_numbers,
    )
    yield "pages on a machine that measured none", {_value(asked, each) for each in OF_PAGES}, {UNCLAIMED}
    yield from _in_bounds()


def _made_up(sheets: Mapping[str, Mapping[str, Any]], *, falling: bool) -> dict[str, Any]:
    """Return a machine that has every number, no two of them equal, and sources that say less and more."""
    keys = dict.fromkeys(key for raw in sheets.values() for key in raw if not key.startswith("process_memory"))
    made_up: dict[str, Any] = {}
    for place, key in enumerate(sorted(keys, reverse=falling)):
        others = [{"value": value, "source": "made up"} for value in (90 + place, 400 + 3 * place)]
        made_up[key] = {"value": 200 + 2 * place, "source": "made up", "disagree": others}
    return made_up


def _of_machine(gpu: str, machine: str | Gpu, raw: Mapping[str, Any]) -> Iterator[Fact]:
    resolver = values({}, machine)
    for name, keys in NUMBERS.items():
        yield f"{name} of {gpu}", _value(resolver, name), _datasheet(raw, keys)
    extremes = {name: _extreme(raw, *extreme) for name, extreme in EXTREMES.items()}
    for name, number in extremes.items():
        yield f"{name} of {gpu}", _value(resolver, name), number
    yield f"on_chip of {gpu}", _value(resolver, "on_chip"), _on_chip(extremes)
    usable = _datasheet(raw, NUMBERS["usable_memory"])
    yield f"capacity of {gpu}", _value(resolver, "capacity"), usable - float(2**30)
    for dtype, key in PEAKS.items():
        chosen = values({}, machine, activation_dtype=dtype)
        yield f"{dtype} peak of {gpu}", _value(chosen, "tensor_core_peak"), _datasheet(raw, (key,))
        fastest = _extreme(raw, max, *FASTEST[dtype])
        yield f"fastest {dtype} peak of {gpu}", _value(chosen, "fastest_tensor_core_peak"), fastest
        fastest = _extreme(raw, max, *FASTEST_CORES[dtype])
        yield f"fastest {dtype} cores of {gpu}", _value(chosen, "fastest_cuda_core_peak"), fastest


def _on_chip(numbers: Mapping[str, Any]) -> Any:
    """Add up what a chip holds: its caches, and what each of its multiprocessors holds."""
    if UNCLAIMED in [number for name, number in numbers.items() if name not in ("rated_clock", "highest_clock")]:
        return UNCLAIMED
    each = sum(numbers[name] for name in ("l1_cache", "registers", "tensor_memory"))
    return numbers["l2_cache"] + numbers["l3_cache"] + numbers["multiprocessors"] * each


def _in_bounds() -> Iterator[Fact]:
    """Set a peak: bounds take that one instead of the fastest, and the other ones stay."""
    shipped = values({})
    for name, bounding in IN_BOUNDS.items():
        resolver = values({name: 123})
        stated = {other: 123 if other == bounding else shipped.value(other) for other in IN_BOUNDS.values()}
        yield f"in bounds for {name}", {other: resolver.value(other) for other in stated}, stated


def bare() -> Iterator[Fact]:
    """Ask a network without choices, and GPUs that lack numbers: bounds are not claimed, memory is what chips hold."""
    machine = _machine("rtx5090")
    raw = read_yaml(data_files("hardware")["rtx5090"])["numbers"]
    needed = ("tensor_bf16_tflops", "cuda_fp32_tflops", "memory_bandwidth_gb_per_s")
    least = _without_choices({name: number for name, number in machine.numbers.items() if number.key in needed})
    for name, (_, *keys) in EXTREMES.items():
        if keys[0] not in needed:
            yield f"{name} of a GPU without it", _value(least, name), keys[1] if len(keys) > 1 else UNCLAIMED
    for name in ("usable_memory", "process_memory", "installed_memory"):
        yield f"{name} of a GPU without it", _value(least, name), 1.0
    yield "chip of a GPU without it", _value(least, "on_chip"), UNCLAIMED
    yield "cores of a GPU without their rates", _value(least, "fastest_cuda_core_peak"), UNCLAIMED
    numbers = {name: number for name, number in machine.numbers.items() if number.key != "usable_memory_mib"}
    chips = _datasheet(raw, ("memory_capacity_gib",))
    yield "memory of chips", _value(_without_choices(numbers), "usable_memory"), chips
    yield "peak without choices", _value(least, "tensor_core_peak"), _datasheet(raw, ("tensor_bf16_tflops",))
    yield "fastest without choices", _value(least, "fastest_tensor_core_peak"), _datasheet(raw, ("tensor_bf16_tflops",))
    whole = _without_choices(machine.numbers)
    yield "cores without choices", _value(whole, "fastest_cuda_core_peak"), _extreme(raw, max, *FASTEST_CORES["bf16"])


def _without_choices(numbers: Mapping[str, Number]) -> Resolver:
    gpu = evolve(_machine("rtx5090"), numbers=numbers)
    return Resolver(network(), origins(network(), {}, {}, gpu), gpu)
