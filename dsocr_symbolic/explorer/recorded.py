"""The recording algebra: what a formula would compute, written down as instructions, each once.

An algebra like :mod:`~dsocr_symbolic.algebras.arithmetic`. Plain numbers are worked out at once; where a recorded value
takes part, an instruction is added to its book.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias

from attrs import frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.algebras.value import Exact

Instruction: TypeAlias = tuple[Any, ...]
"""An operation by name, then the places of what it works on; of ``number`` the number, of ``symbol`` its name."""


@frozen(eq=False)
class Recorded:
    """A value that an instruction gives."""

    book: "Book"
    place: int

    def __add__(self, other: Any) -> Any:
        return _both("add", self, other)

    def __radd__(self, other: Any) -> Any:
        return _both("add", other, self)

    def __sub__(self, other: Any) -> Any:
        return _both("subtract", self, other)

    def __rsub__(self, other: Any) -> Any:
        return _both("subtract", other, self)

    def __mul__(self, other: Any) -> Any:
        return _both("multiply", self, other)

    def __rmul__(self, other: Any) -> Any:
        return _both("multiply", other, self)

    def __mod__(self, other: Any) -> Any:
        return _both("modulo", self, other)

    def __rmod__(self, other: Any) -> Any:
        return _both("modulo", other, self)

    def __pow__(self, exponent: int) -> Any:
        return self if exponent == 1 else self.book.made("raise", self, exponent)

    def __neg__(self) -> "Recorded":
        return self.book.made("negate", self)


class Book:
    """Instructions in order; equal ones stand once."""

    def __init__(self) -> None:
        self.m_places: dict[Any, int] = {}
        self.m_instructions: list[Instruction] = []

    @property
    def instructions(self) -> Sequence[Instruction]:
        """What was recorded, each after what it works on."""
        return self.m_instructions

    def symbol(self, name: str) -> Recorded:
        """Return the value of a symbol."""
        return self._at(("symbol", name))

    def made(self, operation: str, *arguments: Any) -> Recorded:
        """Return what an operation gives."""
        return self._at((operation, *(self.place(argument) for argument in arguments)))

    def place(self, value: Any) -> int:
        """Return where a value stands; a number is written down first."""
        if isinstance(value, Recorded):
            return value.place
        return self._at(("number", value)).place

    def _at(self, instruction: Instruction) -> Recorded:
        # 1 and 1.0 are equal, and not the same number here.
        key = (*instruction, type(instruction[-1]))
        if key not in self.m_places:
            self.m_places[key] = len(self.m_instructions)
            self.m_instructions.append(instruction)
        return Recorded(self, self.m_places[key])


_NEUTRAL = {("add", 0), ("subtract", 0), ("multiply", 1)}
_NUMBERS: dict[str, Callable[[Any, Any], Any]] = {
    "add": lambda left, right: left + right,
    "subtract": lambda left, right: left - right,
    "multiply": lambda left, right: left * right,
    "modulo": lambda left, right: left % right,
    "divide": arithmetic.divide,
}


def _both(operation: str, left: Any, right: Any) -> Any:
    """Join two values: what changes nothing leaves no instruction."""
    if left is None or right is None:
        return NotImplemented
    if _is_number(right) and (operation, right) in _NEUTRAL:
        return left
    if _is_number(left) and operation in ("add", "multiply") and (operation, left) in _NEUTRAL:
        return right
    if operation == "multiply" and any(_is_number(side) and side == 0 for side in (left, right)):
        return 0
    return _call(operation, _NUMBERS[operation], left, right)


def _is_number(value: Any) -> bool:
    return not isinstance(value, Recorded)


def _call(operation: str, on_numbers: Callable[..., Any], *values: Any) -> Any:
    book = next((value.book for value in values if isinstance(value, Recorded)), None)
    return on_numbers(*values) if book is None else book.made(operation, *values)


def number(value: Exact) -> Exact:
    """Return a literal as it is."""
    return value


def divide(left: Any, right: Any) -> Any:
    """Divide; by a recorded 0 there is no value."""
    return left if _is_number(right) and right == 1 else _call("divide", arithmetic.divide, left, right)


def ceiling(value: Any) -> Any:
    """Round up."""
    return _call("ceiling", arithmetic.ceiling, value)


def floor(value: Any) -> Any:
    """Round down."""
    return _call("floor", arithmetic.floor, value)


def positive(value: Any) -> Any:
    """Return 1 if the value is greater than 0, else 0."""
    return _call("positive", arithmetic.positive, value)


def nonzero(value: Any) -> Any:
    """Return 1 if the value differs from 0, else 0."""
    return _call("nonzero", arithmetic.nonzero, value)


def power(base: Any, exponent: Any) -> Any:
    """Raise to any real power."""
    return _call("power", arithmetic.power, base, exponent)


def maximum(*values: Any) -> Any:
    """Return the largest value."""
    return _nested("maximum", arithmetic.maximum, values)


def minimum(*values: Any) -> Any:
    """Return the smallest value."""
    return _nested("minimum", arithmetic.minimum, values)


def _nested(operation: str, on_numbers: Callable[..., Any], values: Sequence[Any]) -> Any:
    result, *others = values
    for value in others:
        same = isinstance(value, Recorded) and isinstance(result, Recorded) and value.place == result.place
        result = result if same else _call(operation, on_numbers, result, value)
    return result


def total(values: Iterable[Any]) -> Any:
    """Add values up, one after the other."""
    result: Any = 0
    for value in values:
        result = result + value
    return result


def highest(values: Iterable[Any]) -> Any:
    """Return the largest of any number of values, 0 if there is none."""
    distinct = {value.place if isinstance(value, Recorded) else ("number", value): value for value in values}
    return maximum(*distinct.values()) if distinct else 0


def sum_maxima(lines: Sequence[tuple[Any, Any]], last: Any) -> Any:
    """Sum the maximum of straight lines over the steps 1 to last."""
    ends = [end for line in lines for end in line]

    def on_numbers(last: Any, *ends: Any) -> Any:
        return arithmetic.sum_maxima(list(zip(ends[::2], ends[1::2], strict=True)), last)

    return _call("sum_maxima", on_numbers, last, *ends)
