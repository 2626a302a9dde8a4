"""Numbers with the prefix and the unit that people read them in; units are those of the registry and of symbols."""

import math
from typing import Any

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.language.registry import load_metrics

_PREFIXES = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_TIMES = ((1.0, "s"), (1e-3, "ms"), (1e-6, "us"), (1e-9, "ns"))
_POWERS = {"": "", "k": "10³ ", "M": "10⁶ ", "G": "10⁹ ", "T": "10¹² ", "P": "10¹⁵ "}
# Units that take a prefix; a time has units of its own.
_SCALED = ("byte", "byte/s", "FLOP", "FLOP/s", "op/s", "Hz", "J")
_SMALLEST_RATIO = 0.01
_FEWEST, _MOST = 4, 15
# Beyond it zeros would be read one by one.
_FAR = 1e15


def amount(value: Any) -> str:
    """Print a plain number."""
    return f"{value:.4f}" if isinstance(value, float) else str(value)


def prefixed(value: Any) -> tuple[float, str]:
    """Return the factor and the letter of the prefix that a number takes."""
    return next(((factor, prefix) for factor, prefix in _PREFIXES if value >= factor), (1, ""))


def scaled(value: Any, unit: str, digits: int = 4) -> str:
    """Print a number with a decimal prefix: ``3.464 T``, ``797.5 MB``."""
    factor, prefix = prefixed(value)
    return f"{_rounded(value / factor, digits)} {prefix}{unit}".rstrip()


def seconds(value: Any, digits: int = 4) -> str:
    """Print a time with its unit."""
    factor, unit = next((each for each in _TIMES if value >= each[0]), _TIMES[0])
    return f"{_rounded(value / factor, digits)} {unit}"


def duration(value: Any, digits: int = 4) -> str:
    """Print a time as text that is set does: ``12.3 µs``."""
    return seconds(value, digits).replace(" us", " µs")


def axis_unit(largest: Any, unit: str) -> tuple[float, str]:
    """Return factor and name of the unit of an axis up to a number: ``(1e9, "GB")``, ``(1e3, "10³ launch")``."""
    if unit == "s":
        factor, name = next((each for each in _TIMES if largest >= each[0]), _TIMES[0])
        return factor, name.replace("u", "µ")
    factor, prefix = (1, "") if "/" in unit and unit not in _SCALED else prefixed(largest)
    return factor, f"{prefix}{short(unit)}" if unit in _SCALED else f"{_POWERS[prefix]}{unit}"


def letters(unit: str) -> str:
    """Return what of a unit may stand behind a prefix: ``B``, ``FLOP``, ``s``; nothing of a thing that is counted."""
    return short(unit) if unit in (*_SCALED, "s") else ""


def short(unit: str) -> str:
    """Return a unit with its letter for bytes: ``B/s``."""
    return unit.replace("byte", "B")


def _rounded(value: float, digits: int) -> str:
    """Round to significant digits without an exponent."""
    text = f"{value:.{digits}g}"
    return f"{float(text):.0f}" if "e" in text and 1 <= value < _FAR else text


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
        case "J":
            return scaled(value, "J", digits)
        case "page/s" | "token/s" | "currency":
            return _rounded(value, digits)
        case _:
            return f"{value:,.0f}"


def measured(value: Any, unit: str = "", digits: int = 4) -> str:
    """Print a number with its unit, of the registry or of a symbol; only units that take a prefix are said."""
    value = arithmetic.whole(value)
    if value < 0:
        return f"-{measured(-value, unit, digits)}"
    if unit == "s":
        return seconds(value, digits)
    if unit in _SCALED:
        return scaled(value, short(unit), digits)
    return str(value) if isinstance(value, int) else f"{value:.{max(digits, 6)}g}"


def compared(left: Any, right: Any, unit: str = "") -> str:
    """Print two numbers with the sign between them, in as many digits as tell them apart."""
    sign = "<" if left < right else "=" if left == right else ">"
    apart = abs(float(left - right)) / max(abs(float(left)), abs(float(right)), 1e-300)
    digits = _FEWEST if apart == 0 else min(_MOST, max(_FEWEST, 2 - math.floor(math.log10(apart))))
    texts = [measured(side, unit, digits) for side in (left, right)]
    if sign != "=" and texts[0] == texts[1]:
        return f"{texts[0]}, {measured(abs(left - right), unit)} {'below' if left < right else 'above'} the other side"
    return f"{texts[0]} {sign} {texts[1]}"
