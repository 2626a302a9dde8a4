"""A measured case and what was found of it, as data and in one line of text."""

from typing import Any

from attrs import define

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.measurement.components import TimedCase

_ERROR_LETTERS = 300


@define(kw_only=True)
class MeasuredLine:
    """A case and what was found of it."""

    case: TimedCase
    found: dict[str, Any]


def empty(case: TimedCase) -> dict[str, Any]:
    """Return what stands of a case before anything is found."""
    return {
        "component": case.component,
        "mode": case.mode,
        "settings": dict(case.settings),
        "choices": dict(case.choices),
        "device_s": None,
        "device_least_s": None,
        "kernels": None,
        "wall_s": [],
        "experts_hit": [],
        "peak_bytes": None,
        "operators": [],
    }


def said(line: MeasuredLine) -> str:
    """Say what was found of a case."""
    found = line.found
    if "error" in found:
        return f"{line.case.label}: {found['error']}"
    return f"{line.case.label}: {found['device_s'] * 1e3:.3f} ms in {found['kernels']} kernels"


def one_line(error: Exception) -> str:
    """Say an error in one line; what the user can mend says so by itself."""
    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
    said = first if isinstance(error, UserError) else f"{type(error).__name__}: {first}"
    return said[:_ERROR_LETTERS]
