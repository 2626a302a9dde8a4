"""Numbers with a unit at the end of their key: read in the datasheet's unit, kept in SI."""

from decimal import Decimal
from math import inf
from typing import Any

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.schema import Reader

# Unit suffix of a key in the file -> suffix of the SI name, factor, SI unit.
UNITS = {
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
    "_ns": ("_s", Decimal("1e-9"), "s"),
    "_ps": ("_s", Decimal("1e-12"), "s"),
    "_gelements_per_s": ("_elements_per_s", Decimal("1e9"), "element/s"),
    "_percent": ("_ratio", Decimal("0.01"), "1"),
    "_w": ("_w", Decimal(1), "W"),
}
COUNTS = ("streaming_multiprocessors",)  # listed, so that a misspelt unit is not taken for no unit


def _positive(raw: Any, where: str) -> int | float:
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not 0 < raw < inf:
        raise UserError(f"{where} is {raw!r}; write a positive number, its unit stands in the key")
    return raw


def _not_negative(raw: Any, where: str) -> int | float:
    if isinstance(raw, bool) or not isinstance(raw, int | float) or not 0 <= raw < inf:
        raise UserError(f"{where} is {raw!r}; write a number from 0 on, its unit stands in the key")
    return raw


def _sentence(raw: Any, where: str) -> str:
    if not isinstance(raw, str) or not raw.strip():
        raise UserError(f"{where} is {raw!r}; write a sentence")
    return raw


NOT_NEGATIVE = Reader(_not_negative, {"type": "number", "minimum": 0})
SENTENCE = Reader(_sentence, {"type": "string", "pattern": r"\S"})
POSITIVE = Reader(_positive, {"type": "number", "exclusiveMinimum": 0})


def in_si(where: str, key: str) -> tuple[str, Decimal, str]:
    """Return the SI name, the factor to SI and the SI unit of a key."""
    if key in COUNTS:
        return key, Decimal(1), "1"
    for suffix, (si_suffix, factor, unit) in UNITS.items():
        stem = key.removesuffix(suffix)
        if stem != key and stem.isidentifier():
            return stem + si_suffix, factor, unit
    raise UserError(f"{where} has no known unit; end it in {', '.join(UNITS)} (counts: {', '.join(COUNTS)})")


def scaled(value: float, factor: Decimal) -> int | float:
    """Convert to SI in decimal: 209.5 TFLOPS is the int 209500000000000, not a rounded float."""
    exact = Decimal(repr(value)) * factor
    return int(exact) if exact == exact.to_integral_value() else float(exact)
