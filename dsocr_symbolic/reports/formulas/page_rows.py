"""The rows of a page's tables: symbols, calls, and what verification found, from its committed results."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from attrs import frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.language.call import Call
from dsocr_symbolic.paths import PACKAGE
from dsocr_symbolic.reports.formulas.alone import Alone, Group
from dsocr_symbolic.reports.formulas.places import Places, file_name

RESULTS = PACKAGE.parent / "reports" / "verification"
"""The results that pages tell; an installed package has none."""
_COUNTED_ON = {
    "reference": "the torch reference",
    "transformers": "`transformers`",
    "checkpoint": "the checkpoint's own modules",
}


@frozen(kw_only=True)
class SymbolRow:
    """A symbol: its letter, name and meaning, its value here, its key in config.json."""

    letter: str
    name: str
    meaning: str
    value: str
    config: str


@frozen(kw_only=True)
class CallRow:
    """A line of a layer: the page of what it calls, the symbols that it renames or passes on, when and how often."""

    call: Call
    page: str
    renamed: tuple[tuple[str, str], ...]
    same: tuple[str, ...]
    runs: str


@frozen(kw_only=True)
class Evidence:
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
    evidence : tuple of Evidence
        Calls counted on real modules.
    proven : tuple of str
        Families of calls on which it holds for all sizes.
    killed, mutants : int
        Mutants that a count tells from it, of how many.
    uncounted : str
        Why no call stands for it, or where it is counted instead.
    """

    evidence: tuple[Evidence, ...]
    proven: tuple[str, ...]
    killed: int
    mutants: int
    uncounted: str


def symbol_row(alone: Alone, places: Places, name: str) -> SymbolRow:
    """Return the row of a symbol, its own meaning before the model's."""
    quantity = places.scenario.definition.quantities.get(name)
    own = alone.formula.symbols.get(name) or alone.filled.get(name)
    number = arithmetic.whole(alone.numbers[name])
    return SymbolRow(
        letter=alone.letters[name],
        name=name,
        meaning=own.meaning if own else quantity.meaning if quantity else "",
        value=f"{number:,}" if isinstance(number, int) else f"{number:.6g}",
        config=quantity.config if quantity else "",
    )


def call_row(group: Group) -> CallRow:
    """Return the row of a layer's line."""
    call = group.call
    same = tuple(name for name, expression in call.given.items() if expression.text == name)
    return CallRow(
        call=call,
        page=file_name(group.formula),
        renamed=tuple((name, expression.text) for name, expression in call.given.items() if name not in same),
        same=same,
        runs=_runs(call),
    )


def _runs(call: Call) -> str:
    """Say when a line runs, and how often."""
    words = ["inline"] if call.inline else []
    if call.when is not None:
        words.append(f"if `{call.when.text}`")
    copies, calls = call.repeat.copies.text, call.repeat.calls.text
    if copies != "1":
        words.append(f"`{copies}` modules")
    if calls != copies:
        words.append(f"`{calls}` calls")
    if call.needed.text != "1":
        words.append(f"bounds need `{call.needed.text}` of its FLOPs")
    return ", ".join(words)


def record_of(name: str) -> Record:
    """Return what is known of a formula, by folder and name; empty where no results lie beside the package."""
    from dsocr_symbolic.verification.calls.cases import uncounted

    counted = {title: _layers(part).get(name) for part, title in _COUNTED_ON.items()}
    keys = ("calls", "plain", "autocast", "differing")
    mutants = _layers("mutants").get(name, {"killed": 0, "total": 0})
    evidence = [Evidence(counted_on=title, **{key: row[key] for key in keys}) for title, row in counted.items() if row]
    return Record(
        evidence=tuple(evidence),
        proven=tuple(_layers("reference").get(name, {}).get("proven", ())),
        killed=mutants["killed"],
        mutants=mutants["total"],
        uncounted=uncounted().get(name, ""),
    )


@cache
def _layers(part: str) -> Mapping[str, Any]:
    """Read one part of the results; an installed package has none."""
    path = RESULTS / f"{part}.json"
    layers: Mapping[str, Any] = json.loads(path.read_text(encoding="utf-8"))["layers"] if path.is_file() else {}
    return layers
