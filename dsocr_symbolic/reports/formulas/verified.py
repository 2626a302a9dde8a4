"""What verification found of each formula, from its committed results."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from attrs import frozen

from dsocr_symbolic.paths import PACKAGE

_COUNTED_ON = {
    "reference": "the torch reference",
    "transformers": "`transformers`",
    "checkpoint": "the checkpoint's own modules",
}


@frozen(kw_only=True)
class Comparison:
    """Calls of one formula compared with one source of modules: how many, and how many differ."""

    counted_on: str
    calls: int
    plain: int
    autocast: int
    differing: int


@frozen(kw_only=True)
class Record:
    """How a formula is known to be right.

    Attributes
    ----------
    comparisons : tuple of Comparison
        Calls counted on real modules.
    proven : tuple of str
        Families of calls on which it holds for all sizes.
    killed, mutants : int
        Mutants that a count tells from it, of how many.
    uncounted : str
        Why no call stands for it, or where it is counted instead.
    """

    comparisons: tuple[Comparison, ...]
    proven: tuple[str, ...]
    killed: int
    mutants: int
    uncounted: str


def record_of(name: str) -> Record:
    """Return what is known of a formula.

    Parameters
    ----------
    name : str
        Its folder and name: ``vision/attention``.

    Returns
    -------
    Record
        Empty where nothing was counted, or where no results lie beside the package.
    """
    from dsocr_symbolic.verification.calls.cases import uncounted

    found = {part: _layers(part).get(name) for part in (*_COUNTED_ON, "mutants")}
    comparisons = tuple(
        Comparison(
            counted_on=title,
            calls=row["calls"],
            plain=row["plain"],
            autocast=row["autocast"],
            differing=row["differing"],
        )
        for part, title in _COUNTED_ON.items()
        if (row := found[part])
    )
    mutants = found["mutants"] or {"killed": 0, "total": 0}
    return Record(
        comparisons=comparisons,
        proven=tuple((found["reference"] or {}).get("proven", ())),
        killed=mutants["killed"],
        mutants=mutants["total"],
        uncounted=uncounted().get(name, ""),
    )


@cache
def _layers(part: str) -> Mapping[str, Any]:
    """Read one part of the results; an installed package has none."""
    path = PACKAGE.parent / "reports" / "verification" / f"{part}.json"
    if not path.is_file():
        return {}
    layers: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))["layers"]
    return layers
