"""Amounts and paragraphs as a terminal shows them."""

import math
from typing import Any

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.writing.terminal import _FEWEST, _MOST

_PREFIXES = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))


_SMALLEST_RATIO = 0.01


_SCALED = ("byte", "byte/s", "FLOP", "FLOP/s", "op/s", "Hz")


def amount(value: Any) -> str:
    """Print a plain number."""
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def scaled(value: Any, unit: str, digits: int = 4) -> str:
    """Print a number with a decimal prefix: ``3.464 T``, ``797.5 MB``."""
    for factor, prefix in _PREFIXES:
        if value >= factor:
            return f"{_rounded(value / factor, digits)} {prefix}{unit}"
    return f"{_rounded(value, digits)} {unit}".rstrip()


def seconds(value: Any, digits: int = 4) -> str:
    """Print a time with its unit."""
    for factor, unit in ((1, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns")):
        if value >= factor:
            return f"{_rounded(value / factor, digits)} {unit}"
    return f"{_rounded(value, digits)} s"


def _rounded(value: float, digits: int) -> str:
    """Round to significant digits without an exponent."""
    text = f"{value:.{digits}g}"
    return f"{float(text):.0f}" if "e" in text and value >= 1 else text


def cell(metric: str, value: Any, digits: int = 4) -> str:
    """Print a metric in a table; ``-`` where it does not exist."""
    if value is None:
        return "-"
    match load_metrics()[metric].unit:
        case "s":
            return seconds(value, digits)
        case "byte":
            return scaled(value, "B", digits)
        case "FLOP":
            return scaled(value, "", digits)
        case "FLOP/byte":
            return _rounded(value, digits) if value == 0 or value >= _SMALLEST_RATIO else f"{value:.0e}"
        case _:
            return f"{value:,.0f}"


def measured(value: Any, unit: str = "", digits: int = 4) -> str:
    """Print a number with its unit, of the registry or of a machine's number."""
    value = arithmetic.whole(value)
    if value < 0:
        return f"-{measured(-value, unit, digits)}"
    if unit == "s":
        return seconds(value, digits)
    if unit in _SCALED:
        return scaled(value, unit.replace("byte", "B"), digits)
    return str(value) if isinstance(value, int) else f"{value:.{max(digits, 6)}g}"


def compared(left: Any, right: Any, unit: str = "") -> str:
    """Print two numbers with the sign between them, in as many digits as tell them apart."""
    sign = "<" if left < right else "=" if left == right else ">"
    apart = abs(float(left - right)) / max(abs(float(left)), abs(float(right)), 1e-300)
    digits = _FEWEST if apart == 0 else min(_MOST, max(_FEWEST, 2 - math.floor(math.log10(apart))))
    return f"{measured(left, unit, digits)} {sign} {measured(right, unit, digits)}"
