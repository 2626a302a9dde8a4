"""Exact numbers: the primitives that expressions evaluate to outside of sympy and numpy."""

import math
from collections.abc import Iterable, Sequence
from fractions import Fraction
from functools import reduce
from operator import add
from typing import Any

Number = int | float | Fraction


def whole(value: Any) -> Any:
    """Turn a number without a fractional part into an int, and any other Fraction into a float.

    Parameters
    ----------
    value : int, float or Fraction
        A finite number.

    Returns
    -------
    int or float
        An int wherever the value is whole.
    """
    if isinstance(value, int):
        return value
    if isinstance(value, Fraction):
        return value.numerator if value.denominator == 1 else float(value)
    return int(value) if value.is_integer() else value


def number(value: Any) -> Any:
    """Return a literal as it is."""
    return value


def divide(left: Any, right: Any) -> Any:
    """Divide exactly: ints give an int or a Fraction, a float gives a float."""
    if isinstance(left, float) or isinstance(right, float):
        return left / right
    if isinstance(left, int) and isinstance(right, int) and left % right == 0:
        return left // right
    ratio = Fraction(left, right)
    return ratio.numerator if ratio.denominator == 1 else ratio


def ceiling(value: Any) -> int:
    """Round up to a whole number."""
    result: int = math.ceil(value)
    return result


def floor(value: Any) -> int:
    """Round down to a whole number."""
    result: int = math.floor(value)
    return result


def maximum(*values: Any) -> Any:
    """Return the largest value."""
    return max(values)


def total(values: Iterable[Any]) -> Any:
    """Add values up, one after the other."""
    return reduce(add, values, 0)


def highest(values: Iterable[Any]) -> Any:
    """Return the largest of any number of values, 0 if there is none."""
    return max(values, default=0)


def minimum(*values: Any) -> Any:
    """Return the smallest value."""
    return min(values)


def positive(value: Any) -> int:
    """Return 1 if the value is greater than 0, else 0."""
    return int(value > 0)


def nonzero(value: Any) -> int:
    """Return 1 if the value differs from 0, else 0."""
    return int(value != 0)


def power(base: Any, exponent: Any) -> float:
    """Raise to any real power, in float64: exact digits of a huge power help nobody."""
    return math.pow(base, exponent)


def sum_maxima(lines: Sequence[tuple[Any, Any]], last: int) -> Any:
    """Sum the maximum of straight lines over the steps 1 to last.

    Parameters
    ----------
    lines : sequence of (intercept, slope)
        Each line is ``intercept + slope*t`` for step ``t``.
    last : int
        The last step; 0 sums nothing.

    Returns
    -------
    int, float or Fraction
        The same as adding ``max(...)`` step by step: between two crossings one line leads, and its
        steps add up in closed form.
    """
    total: Any = 0
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
