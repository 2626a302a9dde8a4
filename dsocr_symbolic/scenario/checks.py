"""What a number may be: as text, for a symbol, and for all symbols together."""

import math
import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import EMPTY, evaluate, names
from dsocr_symbolic.language.files.server_file import unknown_symbol
from dsocr_symbolic.language.lookup import symbols_of_layer
from dsocr_symbolic.language.registry import Quantity
from dsocr_symbolic.language.rules import BRACES, Rule

_NUMBER = re.compile(r"[-+]?(\d+(_\d+)*(\.\d*)?|\.\d+)([eE][-+]?\d{1,2})?(/\d+)?", re.ASCII)
_LONGEST_NUMBER = 40
LARGEST = 10**18


def parse_number(text: str, name: str) -> Exact:
    """Read a number that a user typed, exact where it can be (``8``, ``1.8e12``, ``1/2``); nothing is evaluated."""
    text = text.strip()
    if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        raise UserError(f"{name}: '{text}' is not a number that can be read; write for example {name}=8")
    above, _, below = text.partition("/")
    if below and int(below) == 0:
        raise UserError(f"{name}: '{text}' divides by zero")
    value = Fraction(above) / (int(below) if below else 1)
    return arithmetic.whole(value) if value.denominator == 1 else (value if below else float(value))


def quantity_of(definition: Definition, name: str) -> Quantity:
    """Return what a symbol is; an unknown one is a UserError."""
    if name not in definition.quantities:
        raise unknown_symbol(name, definition.quantities)
    return definition.quantities[name]


def check_setting(definition: Definition, name: str, value: Any) -> None:
    """Check a number that somebody gives a symbol: known, free to set, in its range, whole where it must be."""
    quantity = quantity_of(definition, name)
    check_free(quantity, name)
    infinite: bool = isinstance(value, float) and not math.isfinite(value)
    if isinstance(value, bool) or not isinstance(value, int | float | Fraction) or infinite:
        raise UserError(f"{name}: {value!r} is not a number")
    if not -LARGEST <= value <= LARGEST:
        raise UserError(f"{name}: the value is larger than {LARGEST:.0e} ({quantity.meaning})")
    if not quantity.real and not isinstance(value, int):
        raise UserError(f"{name}: {value} is not a whole number ({quantity.meaning})")
    if quantity.above_zero and value <= 0:
        raise UserError(f"{name}: {value} is not greater than 0 ({quantity.meaning})")
    if value < quantity.least:
        raise UserError(f"{name}: {value} is less than {quantity.least} ({quantity.meaning})")


def check_whole(definition: Definition, numbers: Mapping[str, Exact]) -> None:
    """Refuse sizes that do not go together: what follows from them, and what runs needs, would be no whole number."""
    needed = needed_symbols(definition)
    for name, quantity in definition.quantities.items():
        derived = quantity.group == "derived" and not quantity.real and name in needed
        if derived and not isinstance(arithmetic.whole(numbers[name]), int):
            of = ", ".join(f"{used} = {arithmetic.whole(numbers[used])}" for used in sorted(names(quantity.formula)))
            raise UserError(
                f"{name}: {of} give {float(numbers[name]):g}, which is not a whole number; set others, or {name}"
            )


@lru_cache(maxsize=32)
def needed_symbols(definition: Definition) -> frozenset[str]:
    """List the symbols that the stages are called with, and those that they follow from: a layer alone needs few."""
    waiting = [name for call in definition.stages for given in call.given.values() for name in names(given)]
    needed: set[str] = set()
    while waiting:
        name = waiting.pop()
        if name in definition.quantities and name not in needed:
            needed.add(name)
            waiting += names(definition.quantities[name].formula)
    return frozenset(needed)


def check_free(quantity: Quantity, name: str) -> None:
    """Refuse to put anything in for a definition."""
    if quantity.fixed:
        raise UserError(f"{name}: {quantity.meaning} is a definition and cannot be set")


def check_layer(definition: Definition, settings: Iterable[str]) -> None:
    """Refuse to set what a layer alone has no use for; symbols that every formula shares are always of use."""
    own = symbols_of_layer(definition)
    known, used, waiting = definition.quantities, set[str](), [*own]
    while waiting:
        name = waiting.pop()
        if name in known and name not in used:
            used.add(name)
            waiting += names(known[name].formula)
    for name in settings:
        if quantity_of(definition, name).group not in ("machine", "convention") and name not in used:
            shown = ", ".join([*own, *(name for name in known if name in used - {*own} and not known[name].fixed)])
            raise UserError(
                f"{name}: the layer {definition.stages[0].name} has no such symbol; it has {shown or 'none'},"
                " and those of conventions and machine; drop it"
            )


def check_rules(
    rules: Iterable[Rule], numbers: Mapping[str, Exact], waived: frozenset[str], files: Mapping[str, str] = EMPTY
) -> None:
    """Check rules of a model on numbers for all their symbols; refuse what breaks one that no switch lifts.

    ``files`` names the file that gave a symbol its number, where one did.
    """
    for rule in rules:
        if rule.waived_by in waived or evaluate(rule.require, numbers, arithmetic):
            continue
        got = ", ".join(f"{name} = {arithmetic.whole(numbers[name])}" for name in sorted(names(rule.require)))
        file = next((f"{files[name]}: " for name in sorted(names(rule.require)) if name in files), "")
        raise UserError(f"{file}{rule_says(rule, numbers)}; got {got}")


def warnings_of(definition: Definition, numbers: Mapping[str, Exact]) -> tuple[str, ...]:
    """Return the warnings that numbers for all symbols deserve."""
    return tuple(rule_says(rule, numbers) for rule in broken_warnings(definition, numbers))


def broken_warnings(definition: Definition, numbers: Mapping[str, Exact]) -> list[Rule]:
    """Return what numbers for all symbols break with a warning."""
    return [rule for rule in definition.warnings if not evaluate(rule.require, numbers, arithmetic)]


def rule_says(rule: Rule, numbers: Mapping[str, Exact]) -> str:
    """Put numbers into what a rule says."""
    parts = [str(arithmetic.whole(evaluate(part, numbers, arithmetic))) for part in rule.parts]
    return BRACES.sub("{}", rule.say).format(*parts)
