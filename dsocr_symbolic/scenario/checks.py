"""What a number may be: as text, for a symbol, and for all symbols together."""

import math
import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.language.definition import BRACES, Definition
from dsocr_symbolic.language.expression import evaluate, names
from dsocr_symbolic.language.registry import Quantity

_NUMBER = re.compile(r"[-+]?(\d+(_\d+)*(\.\d*)?|\.\d+)([eE][-+]?\d{1,2})?(/\d+)?", re.ASCII)


_LONGEST_NUMBER = 40


LARGEST = 10**18


def parse_number(text: str, name: str) -> Any:
    """Read a number that a user typed; nothing is evaluated.

    Parameters
    ----------
    text : str
        ``"8"``, ``"0.85"``, ``"1.8e12"`` or ``"1/2"``.
    name : str
        The symbol, for the error.

    Returns
    -------
    int, float or Fraction
        The value, exact where it can be.

    Raises
    ------
    UserError
        If it is no finite number.
    """
    text = text.strip()
    if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        raise UserError(f"{name}: '{text}' is not a number that can be read; write for example {name}=8")
    above, _, below = text.partition("/")
    if below and int(below) == 0:
        raise UserError(f"{name}: '{text}' divides by zero")
    value = Fraction(above) / (int(below) if below else 1)
    return arithmetic.whole(value) if value.denominator == 1 else (value if below else float(value))


def check_setting(definition: Definition, name: str, value: Any) -> None:
    """Check a number that somebody gives a symbol.

    Raises
    ------
    UserError
        If the symbol is unknown or cannot be set, or the number is out of its range or not whole where it must be.
    """
    quantity = definition.quantities.get(name)
    if quantity is None:
        raise UserError(f"unknown symbol '{name}': {nearest(name, definition.quantities)}")
    check_free(quantity, name)
    infinite: bool = isinstance(value, float) and not math.isfinite(value)
    if isinstance(value, bool) or not isinstance(value, int | float | Fraction) or infinite:
        raise UserError(f"{name}: {value!r} is not a number")
    if not -LARGEST <= value <= LARGEST:
        raise UserError(f"{name}: the value is larger than {LARGEST:.0e} ({quantity.meaning})")
    if not quantity.real and not isinstance(value, int):
        raise UserError(f"{name}: {value} is not a whole number ({quantity.meaning})")
    if quantity.group == "machine" and value <= 0 and not quantity.zero:
        raise UserError(f"{name}: {value} is not greater than 0 ({quantity.meaning})")
    if value < quantity.least:
        raise UserError(f"{name}: {value} is less than {quantity.least} ({quantity.meaning})")


def check_free(quantity: Quantity, name: str) -> None:
    """Refuse to put anything in for a definition."""
    if quantity.fixed:
        raise UserError(f"{name}: {quantity.meaning} is a definition and cannot be set")


def check_rules(definition: Definition, numbers: Mapping[str, Any], waived: frozenset[str]) -> None:
    """Check the rules of a model on numbers for all symbols.

    Raises
    ------
    UserError
        If a rule is broken that no switch lifts.
    """
    for rule in definition.rules:
        if rule.waived_by in waived or evaluate(rule.require, numbers, arithmetic):
            continue

        parts = [str(arithmetic.whole(evaluate(each, numbers, arithmetic))) for each in rule.parts]
        said = BRACES.sub("{}", rule.say).format(*parts)
        used = sorted(name for name in names(rule.require))
        found = ", ".join(f"{name} = {arithmetic.whole(numbers[name])}" for name in used)
        raise UserError(f"{said}; got {found}")
