"""Read a budget: assertions over metrics that must hold, each on a machine and with settings of its own."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.pairs import read_pairs
from dsocr_symbolic.language.schema import BLANK, PROSE, Reader, entry, listed, structure, table
from dsocr_symbolic.language.strict_yaml import read_yaml

FORM = "METRIC <= NUMBER, then 'on GPU' and 'with KEY=VALUE, KEY=VALUE' if need be"
_PARTS = re.compile(r"(?P<constraint>.*?)(?:\s+on\s+(?P<gpu>\S+))?(?:\s+with\s+(?P<given>.*))?")
_WORDS = re.compile(r"\b(on|with)\b")


@frozen(kw_only=True)
class Assertion:
    """One constraint and what it is asked of.

    Attributes
    ----------
    text, constraint : str
        As it was written, and the comparison in it.
    given : mapping of str to str
        Symbols, choices, ``gpu`` and ``workload`` of its own.
    """

    text: str
    constraint: str
    given: Mapping[str, str]


def read_assertion(raw: Any, where: str) -> Assertion:
    """Read ``ttft_s <= 0.3 on rtx5090 with attention=eager``; names are checked where it is asked."""
    if not isinstance(raw, str) or not raw.strip():
        raise UserError(f"{where}: expected {FORM}, found {raw!r}")
    text = " ".join(raw.split())
    parts = _PARTS.fullmatch(text)
    if parts is None or _WORDS.search(parts["constraint"]):
        raise UserError(f"{where}: '{text}': write {FORM}")
    words = [] if parts["given"] is None else parts["given"].split(",")
    given = read_pairs(words, f"{where}: '{text}'", "KEY=VALUE, several of them with commas")
    if parts["gpu"] is not None:
        if "gpu" in given:
            raise UserError(f"{where}: '{text}': the GPU is given twice; give it once")
        given = {"gpu": parts["gpu"], **given}
    return Assertion(text=text, constraint=parts["constraint"], given=given)


def _value(raw: Any, where: str) -> int | float | str:
    if isinstance(raw, bool) or not isinstance(raw, int | float | str):
        raise UserError(f"{where}: expected a number or a name, found {raw!r}")
    return raw


_VALUES = table(Reader(_value, {"type": ["number", "string"]}))
_ASSERTIONS = listed(Reader(read_assertion, {"type": "string"}))


@frozen(kw_only=True)
class BudgetFile:
    """What must hold of a network: assertions over metrics."""

    summary: str = entry("what it is for", PROSE, default="")
    given: Mapping[str, int | float | str] = entry(
        "symbols, choices, gpu and workload of all assertions that say nothing else", _VALUES, key="with", default=BLANK
    )
    assertions: tuple[Assertion, ...] = entry(
        "comparisons of metrics, as in ttft_s <= 0.3 on rtx5090 with attention=eager",
        Reader(_ASSERTIONS.read, {**_ASSERTIONS.form, "minItems": 1, "uniqueItems": True}),
    )

    def __attrs_post_init__(self) -> None:
        """Refuse a budget of nothing, and what stands twice."""
        if not self.assertions:
            raise UserError(f"assertions: there is none; write {FORM}")
        seen: set[str] = set()
        for assertion in self.assertions:
            if assertion.text in seen:
                raise UserError(f"assertions: '{assertion.text}' stands twice; keep one")
            seen.add(assertion.text)


def read_budget(path: Path) -> BudgetFile:
    """Read a budget file."""
    if not path.is_file():
        raise UserError(f"{path}: no such budget file")
    raw = read_yaml(path)
    if raw is None:
        raise UserError(f"{path}: is empty; write 'assertions:' and a list, each {FORM}")
    return structure(BudgetFile, raw, str(path))
