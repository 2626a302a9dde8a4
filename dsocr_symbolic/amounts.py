"""Amounts and paragraphs as a terminal shows them."""

import math
from collections.abc import Sequence
from typing import Any

from dsocr_symbolic import arithmetic
from dsocr_symbolic.rendering import scaled, seconds

_SCALED = ("byte", "byte/s", "FLOP", "FLOP/s", "op/s", "Hz")
_WIDTH = 100
_FEWEST, _MOST = 4, 15


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


def indented(lines: Sequence[str]) -> str:
    """Join lines to a paragraph, those behind the first indented, long ones broken at spaces."""
    import textwrap

    broken = []
    for place, line in enumerate(lines):
        start = "" if place == 0 else "  " + " " * (len(line) - len(line.lstrip()))
        further = f"{start}    "
        broken += textwrap.wrap(
            line.strip(),
            _WIDTH,
            initial_indent=start,
            subsequent_indent=further,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "\n".join(broken)
