"""Numbers with their slope in one free symbol: what differentiates a formula at a point, branch by branch.

An algebra like :mod:`~dsocr_symbolic.algebras.branches` without expressions: exact but for real powers, which have 150
digits, so that it takes no longer where powers are huge. Guards and roundings count as constant around the point.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, TypeAlias

import sympy
from attrs import frozen

from dsocr_symbolic.algebras import arithmetic, branches
from dsocr_symbolic.algebras.branches import DIGITS, as_sympy, exact
from dsocr_symbolic.algebras.value import Exact


@frozen(kw_only=True, eq=False)
class Tangent:
    """A value that depends on the free symbol.

    Attributes
    ----------
    value, slope : int or Fraction
        At the point: the number, and its change per 1 of the symbol on the branch that leads.
    tied : bool
        Whether another branch leads right beside the point: a kink, or a jump of a guard or a rounding.
    """

    value: Any
    slope: Any
    tied: bool = False

    def __add__(self, other: Any) -> "Tangent":
        right = _tangent(other)
        return Tangent(value=self.value + right.value, slope=self.slope + right.slope, tied=self.tied or right.tied)

    __radd__ = __add__

    def __sub__(self, other: Any) -> "Tangent":
        return self + -_tangent(other)

    def __rsub__(self, other: Any) -> "Tangent":
        return _tangent(other) + -self

    def __neg__(self) -> "Tangent":
        return Tangent(value=-self.value, slope=-self.slope, tied=self.tied)

    def __mul__(self, other: Any) -> Any:
        if not isinstance(other, Tangent) and other == 0:
            return 0
        right = _tangent(other)
        return Tangent(
            value=self.value * right.value,
            slope=self.slope * right.value + self.value * right.slope,
            tied=self.tied or right.tied,
        )

    __rmul__ = __mul__

    def __pow__(self, exponent: int) -> "Tangent":
        steep = exponent * self.value ** (exponent - 1) * self.slope if exponent else 0
        return Tangent(value=self.value**exponent, slope=steep, tied=self.tied)

    def __mod__(self, other: Any) -> Any:
        return self - other * floor(divide(self, other))

    def __rmod__(self, other: Any) -> Any:
        return _tangent(other) % self


Near: TypeAlias = Exact | Tangent
"""A number, or one that depends on the free symbol."""


def free(value: Exact) -> Tangent:
    """Return the free symbol at a point."""
    return Tangent(value=exact(value), slope=1)


def value_of(value: Near) -> Exact:
    """Return the number of a tangent, or the number itself."""
    return value.value if isinstance(value, Tangent) else value


def number(value: Any) -> Any:
    """Return a literal as it is."""
    return value


def divide(left: Any, right: Any) -> Any:
    """Divide exactly."""
    if not isinstance(left, Tangent) and not isinstance(right, Tangent):
        return arithmetic.divide(left, right)
    above, below = _tangent(left), _tangent(right)
    ratio = arithmetic.divide(above.value, below.value)
    slope = arithmetic.divide(above.slope - ratio * below.slope, below.value)
    return Tangent(value=ratio, slope=slope, tied=above.tied or below.tied)


def ceiling(value: Any) -> Any:
    """Round up."""
    return -floor(-value)


def floor(value: Any) -> Any:
    """Round down."""
    if not isinstance(value, Tangent):
        return value // 1
    return _stepped(value, value.value // 1, edge=value.value == value.value // 1)


def positive(value: Any) -> Any:
    """Return 1 if the value is greater than 0, else 0."""
    if not isinstance(value, Tangent):
        return int(value > 0)
    return _stepped(value, int(value.value > 0), edge=value.value == 0)


def nonzero(value: Any) -> Any:
    """Return 1 if the value differs from 0, else 0."""
    if not isinstance(value, Tangent):
        return int(value != 0)
    return _stepped(value, int(value.value != 0), edge=value.value == 0)


def maximum(*values: Any) -> Any:
    """Return the largest value, which leads."""
    return _leading(values, max(values, key=value_of))


def minimum(*values: Any) -> Any:
    """Return the smallest value, which leads."""
    return _leading(values, min(values, key=value_of))


def power(base: Any, exponent: Any) -> Any:
    """Raise to any real power, to 150 digits."""
    if not isinstance(base, Tangent) and not isinstance(exponent, Tangent):
        return branches.power(base, exponent)
    below, above = _tangent(base), _tangent(exponent)
    value = branches.power(below.value, above.value)
    slope: Any = 0
    if below.slope and above.value:
        slope += above.value * branches.power(below.value, above.value - 1) * below.slope
    if above.slope and value:
        slope += value * _logarithm(below.value) * above.slope
    return Tangent(value=value, slope=slope, tied=below.tied or above.tied)


def sum_maxima(lines: Sequence[tuple[Any, Any]], last: Any) -> Any:
    """Sum the maximum of straight lines over the steps 1 to last, as arithmetic does, line by line where it leads.

    Without a step the first line stands ready, so that the slope tells what one more step would add.
    """
    total: Any = 0
    step: Any = 1
    while True:
        here = [(intercept + slope * step, slope) for intercept, slope in lines]
        ahead, steepness = max(here, key=lambda line: (value_of(line[0]), value_of(line[1])))
        leader = _leading([line for line, _ in here], ahead)
        end = last
        for line, slope in here:
            if value_of(slope) > value_of(steepness):
                crossing = step + divide(leader - line, slope - steepness)
                before = maximum(step, ceiling(crossing) - 1)
                end = before if value_of(before) < value_of(end) else end
        count = end - step + 1
        total = total + count * leader + steepness * divide(count * (count - 1), 2)
        if value_of(end) >= value_of(last):
            return total
        step = end + 1


def _tangent(value: Near) -> Tangent:
    return value if isinstance(value, Tangent) else Tangent(value=value, slope=0)


def _stepped(value: Tangent, level: Exact, *, edge: bool) -> Tangent:
    """Return what is constant around a point, unless the point is on the edge of a step."""
    return Tangent(value=level, slope=0, tied=value.tied or bool(edge and value.slope))


def _leading(values: Sequence[Any], leader: Any) -> Any:
    """Return what leads; it is tied where what is as large moves in another way."""
    if not any(isinstance(value, Tangent) for value in values):
        return leader
    ahead, known = _tangent(leader), [_tangent(value) for value in values]
    kink = any(value.value == ahead.value and value.slope != ahead.slope for value in known)
    return Tangent(value=ahead.value, slope=ahead.slope, tied=kink or any(value.tied for value in known))


def _logarithm(value: Exact) -> Fraction:
    if value <= 0:
        raise OverflowError(f"a power of {value} has no slope")
    ratio = sympy.Rational(sympy.log(sympy.Float(as_sympy(value), DIGITS)))
    return Fraction(int(ratio.p), int(ratio.q))
