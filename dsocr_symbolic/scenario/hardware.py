"""GPUs as data: one YAML file each, the datasheet's own numbers, converted to SI once."""

from collections.abc import Mapping
from decimal import Decimal
from math import inf
from typing import Any

from attrs import field, frozen

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.schema import Reader, entry, follows, listed, structure
from dsocr_symbolic.language.strict_yaml import read_yaml
from dsocr_symbolic.paths import data_files, find_file

# Unit suffix of a key in the file -> suffix of the SI name, factor, SI unit.
_UNITS = {
    "_tflops": ("_flops_per_s", Decimal("1e12"), "FLOP/s"),
    "_tops": ("_ops_per_s", Decimal("1e12"), "op/s"),
    "_gops": ("_ops_per_s", Decimal("1e9"), "op/s"),
    "_gb_per_s": ("_bytes_per_s", Decimal("1e9"), "byte/s"),
    "_gib": ("_bytes", Decimal(2**30), "byte"),
    "_gb": ("_bytes", Decimal("1e9"), "byte"),
    "_mib": ("_bytes", Decimal(2**20), "byte"),
    "_mb": ("_bytes", Decimal("1e6"), "byte"),
    "_kib": ("_bytes", Decimal(2**10), "byte"),
    "_kib_per_sm": ("_bytes_per_sm", Decimal(2**10), "byte/SM"),
    "_mhz": ("_hz", Decimal("1e6"), "Hz"),
    "_us": ("_s", Decimal("1e-6"), "s"),
    "_w": ("_w", Decimal(1), "W"),
}
_COUNTS = ("streaming_multiprocessors",)  # listed, so that a misspelt unit is not taken for no unit
_REQUIRED = ("cuda_fp32_tflops", "memory_bandwidth_gb_per_s")


def _positive(raw: Any, where: str) -> int | float:
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not 0 < raw < inf:
        raise UserError(f"{where} is {raw!r}; write a positive number, its unit stands in the key")
    return raw


def _sentence(raw: Any, where: str) -> str:
    if not isinstance(raw, str) or not raw.strip():
        raise UserError(f"{where} is {raw!r}; write a sentence")
    return raw


SENTENCE = Reader(_sentence, {"type": "string", "pattern": r"\S"})
_POSITIVE = Reader(_positive, {"type": "number", "exclusiveMinimum": 0})


@frozen(kw_only=True)
class OtherSource:
    """What another source says of a number.

    Attributes
    ----------
    value, source : int or float, str
        In the unit of the number's key, and where it is from.
    """

    value: int | float = entry("in the unit of the number's key", _POSITIVE)
    source: str = entry("where it is from", SENTENCE)


@frozen(kw_only=True)
class Number:
    """One number of a datasheet, in SI.

    Attributes
    ----------
    key : str
        The key in the file, with the datasheet's unit: ``"tensor_bf16_tflops"``.
    unit, factor : str, Decimal
        ``FLOP/s``, ``op/s``, ``byte/s``, ``byte``, ``byte/SM``, ``Hz``, ``s``, ``W``, or ``1`` for a count; from the
        datasheet's unit to that one.
    value_si, said_si : int or float, tuple of int or float
        The value in `unit`, and all that sources say of it; an exact int if it is whole.
    """

    key: str
    unit: str
    factor: Decimal
    value: int | float = entry("in the unit of its key", _POSITIVE)
    source: str = entry("where it is from: a document and its table, or a derivation", SENTENCE)
    unverified: bool = entry("whether it was recalled, inferred or disputed", default=False)
    disagree: tuple[OtherSource, ...] = entry("what other sources say of it", default=())
    value_si: int | float = field(init=False, default=follows(lambda number: _scaled(number.value, number.factor)))
    said_si: tuple[int | float, ...] = field(
        init=False,
        default=follows(lambda number: tuple(_scaled(s.value, number.factor) for s in (number, *number.disagree))),
    )


def _numbers(raw: Any, where: str) -> dict[str, Number]:
    if not isinstance(raw, dict):
        raise UserError(f"{where}: must map a key with its unit to {{value: ..., source: ...}}")
    numbers: dict[str, Number] = {}
    for key, content in raw.items():
        place = f"{where}: {key!r}"
        si_name, factor, unit = _si(place, str(key))
        number = structure(Number, content, place, key=str(key), factor=factor, unit=unit)
        if si_name in numbers:
            raise UserError(f"{place} gives '{si_name}' as '{numbers[si_name].key}' does; keep one")
        numbers[si_name] = number
    for key in _REQUIRED:
        if key not in raw:
            raise UserError(f"{where}: '{key}' is missing; every GPU needs it, add its value and source")
    return numbers


_NUMBERS = {
    "type": "object",
    "patternProperties": {f"^([A-Za-z_]\\w*({'|'.join(_UNITS)})|{'|'.join(_COUNTS)})$": {"$ref": Number}},
    "additionalProperties": False,
    "required": list(_REQUIRED),
}


def _si(where: str, key: str) -> tuple[str, Decimal, str]:
    """Return the SI name, the factor to SI and the SI unit of a key."""
    if key in _COUNTS:
        return key, Decimal(1), "1"
    for suffix, (si_suffix, factor, unit) in _UNITS.items():
        stem = key.removesuffix(suffix)
        if stem != key and stem.isidentifier():
            return stem + si_suffix, factor, unit
    raise UserError(f"{where} has no known unit; end it in {', '.join(_UNITS)} (counts: {', '.join(_COUNTS)})")


def _scaled(value: float, factor: Decimal) -> int | float:
    """Convert to SI in decimal: 209.5 TFLOPS is the int 209500000000000, not a rounded float."""
    exact = Decimal(repr(value)) * factor
    return int(exact) if exact == exact.to_integral_value() else float(exact)


@frozen(kw_only=True)
class Gpu:
    """One GPU: dense peaks per engine, memory, clocks and links.

    Attributes
    ----------
    numbers : mapping of str to Number
        By SI name: ``tensor_bf16_flops_per_s`` [FLOP/s], ``memory_capacity_bytes`` [byte], ...
        What is missing is not known, or an engine that the GPU lacks.
    """

    name: str
    title: str = entry("the product's name", SENTENCE)
    chip: str = entry("the chip and its compute capability", SENTENCE, default="")
    numbers: Mapping[str, Number] = entry(
        "the datasheet's numbers, units at the end of keys", Reader(_numbers, _NUMBERS)
    )
    notes: tuple[str, ...] = entry("what a reader must know", listed(SENTENCE), default=())


def load_gpu(name: str) -> Gpu:
    """Load one GPU by name, such as ``"rtx5090"``, or by the path of a YAML file."""
    path = find_file("hardware", name, "GPU")
    return structure(Gpu, read_yaml(path), str(path), name=path.stem)


def load_gpus() -> list[Gpu]:
    """Load every known GPU, those of ``DSOCR_PATH`` and our own, sorted by name."""
    return [load_gpu(str(path)) for path in data_files("hardware").values()]
