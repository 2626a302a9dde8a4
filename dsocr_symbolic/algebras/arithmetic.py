"""Exact numbers: the primitives that expressions evaluate to outside of sympy and numpy."""

import math
from collections.abc import Iterable, Sequence
from decimal import Context, Decimal
from fractions import Fraction
from functools import reduce
from operator import add

from dsocr_symbolic.algebras.value import Exact

_NEAR_ONE = Fraction(1, 2**20)
_DIGITS = Context(prec=50, traps=[])


def whole(value: Exact) -> int | float:
    """Turn a finite number without a fractional part into an int, and any other Fraction into a float."""
    if isinstance(value, int):
        return value
    if isinstance(value, Fraction):
        return value.numerator if value.denominator == 1 else float(value)
    return int(value) if value.is_integer() else value


def counted(value: Exact) -> Exact:
    """Turn a float without a fractional part into an int: what is counted with it stays exact. A Fraction stays one."""
    return int(value) if isinstance(value, float) and value.is_integer() else value


def number(value: Exact) -> Exact:
    """Return a literal as it is."""
    return value


def divide(left: Exact, right: Exact) -> Exact:
    """Divide exactly: ints give an int or a Fraction, a float gives a float."""
    if isinstance(left, float) or isinstance(right, float):
        return left / right
    if isinstance(left, int) and isinstance(right, int) and left % right == 0:
        return left // right
    ratio = Fraction(left, right)
    return ratio.numerator if ratio.denominator == 1 else ratio


def ceiling(value: Exact) -> int:
    """Round up to a whole number."""
    return math.ceil(value)


def floor(value: Exact) -> int:
    """Round down to a whole number."""
    return math.floor(value)


def maximum(*values: Exact) -> Exact:
    """Return the largest value."""
    return max(values)


def total(values: Iterable[Exact]) -> Exact:
    """Add values up, one after the other."""
    return reduce(add, values, 0)


def highest(values: Iterable[Exact]) -> Exact:
    """Return the largest of any number of values, 0 if there is none."""
    return max(values, default=0)


def minimum(*values: Exact) -> Exact:
    """Return the smallest value."""
    return min(values)


def positive(value: Exact) -> int:
    """Return 1 if the value is greater than 0, else 0."""
    return int(value > 0)


def nonzero(value: Exact) -> int:
    """Return 1 if the value differs from 0, else 0."""
    return int(value != 0)


def power(base: Exact, exponent: Exact) -> Exact:
    """Raise to any real power, in float64: exact digits of a huge power help nobody.

    Where float64 would take a fraction for 1, so that 1 less the power was nothing, the power has 50 digits.
    """
    if isinstance(base, Fraction) and 0 < abs(1 - base) < _NEAR_ONE:
        raised = _DIGITS.power(_decimal(base), _decimal(Fraction(exponent)))
        return Fraction(raised) if raised.is_finite() else math.pow(base, exponent)
    return math.pow(base, exponent)


def _decimal(value: Fraction) -> Decimal:
    return _DIGITS.divide(Decimal(value.numerator), Decimal(value.denominator))


def sum_maxima(lines: Sequence[tuple[Exact, Exact]], last: int) -> Exact:
    """Sum the maximum of straight lines over the steps 1 to last, as adding step by step does; 0 steps sum nothing.

    A line is (intercept, slope): ``intercept + slope*t`` at step ``t``. Between two crossings one line leads, and its
    steps add up in closed form.
    """
    total: Exact = 0
    step = 1
    while step <= last:
        value, slope = max((intercept + gradient * step, gradient) for intercept, gradient in lines)
        end = last
        for intercept, gradient in lines:
            if gradient > slope:
                # The first step at which the steeper line leads.
                ahead = (value - slope * step - intercept) / (gradient - slope)
                end = min(end, max(step, math.ceil(ahead) - 1))
        count = end - step + 1
        total += count * value + slope * divide(count * (count - 1), 2)
        step = end + 1
    return total
