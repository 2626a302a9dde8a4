"""Intervals, many at once: between what a formula lies while its symbols run through ranges, rounded outwards.

An algebra like :mod:`~dsocr_symbolic.algebras.arrays`; what it says of a range holds for every value within. A formula
that has no value somewhere in a range lies between minus and plus infinity there.
"""

import math
from collections.abc import Callable, Sequence
from functools import reduce
from itertools import product
from operator import and_
from typing import Any

import numpy as np
from attrs import frozen

from dsocr_symbolic.algebras import arithmetic, arrays
from dsocr_symbolic.algebras.value import Exact

_ROUNDING = 2.0**-52
# Whole numbers up to it are what they are in float64.
_LARGEST_WHOLE = 2.0**53
# Real powers are a few units in the last place off; sums of maxima add up in closed form.
_LOOSE = 1e-14
_TINY = 1e-300
_NOISE = 1e-12


@frozen(kw_only=True, eq=False)
class Span:
    """A value within a range, at each place.

    Attributes
    ----------
    low, high : ndarray
        float64; infinite where nothing is known.
    whole : ndarray
        Whether both ends are whole numbers of few digits, so that sums and products need no rounding.
    """

    low: Any
    high: Any
    whole: Any = False

    def __add__(self, other: Any) -> "Span":
        right = span(other)
        low, high = _plus(self.low, right.low, -np.inf), _plus(self.high, right.high, np.inf)
        return Span(low=low, high=high, whole=self.whole & right.whole & _few_digits(low, high))

    __radd__ = __add__

    def __sub__(self, other: Any) -> "Span":
        return self + -span(other)

    def __rsub__(self, other: Any) -> "Span":
        return span(other) + -self

    def __neg__(self) -> "Span":
        return Span(low=-self.high, high=-self.low, whole=self.whole)

    def __mul__(self, other: Any) -> "Span":
        right = span(other)
        ends = [(self.low, right.low), (self.high, right.high)]
        if (self.low < 0).any() or (right.low < 0).any():
            ends = list(product((self.low, self.high), (right.low, right.high)))
        low, high = _hull([_times(left, end) for left, end in ends])
        return _outward(low, high, whole=self.whole & right.whole)

    __rmul__ = __mul__

    def __pow__(self, exponent: int) -> "Span":
        result = span(1)
        for _ in range(exponent):
            result = result * self
        # An even power of what may have either sign is not negative.
        low = result.low if exponent % 2 else np.maximum(result.low, 0.0)
        return Span(low=low, high=result.high, whole=result.whole)

    def __mod__(self, other: Any) -> "Span":
        right = span(other)
        with np.errstate(all="ignore"):
            # In float64 the floor of a quotient is exact, unlike the quotient.
            ends = [
                np.floor_divide(end, under) for end, under in product((self.low, self.high), (right.low, right.high))
            ]
        turns, most = _hull(ends)
        rest = self - right * Span(low=turns, high=turns, whole=np.isfinite(turns))
        proper = right.low > 0
        known = (turns == most) & proper & np.isfinite(turns)
        low, high = np.where(proper, 0.0, -np.inf), np.where(proper, right.high, np.inf)
        return Span(
            low=np.where(known, np.maximum(rest.low, low), low), high=np.where(known, np.minimum(rest.high, high), high)
        )

    def __rmod__(self, other: Any) -> "Span":
        return span(other) % self


def span(value: Any) -> Span:
    """Return a number as a range that holds it, a range as it is."""
    return value if isinstance(value, Span) else between([value], [value], scalar=True)


def between(low: Sequence[Exact], high: Sequence[Exact], *, scalar: bool = False) -> Span:
    """Return the ranges between numbers, however large."""
    ends = [_beside(value, -1) for value in low], [_beside(value, 1) for value in high]
    whole = [_is_whole(first) and _is_whole(last) for first, last in zip(low, high, strict=True)]
    if scalar:
        return Span(low=np.float64(ends[0][0]), high=np.float64(ends[1][0]), whole=np.bool_(whole[0]))
    first, last = (np.array(end, dtype=np.float64) for end in ends)
    return Span(low=first, high=last, whole=np.array(whole))


def below(value: Any, limit: float, count: int) -> list[bool]:
    """Say at each of some places whether a value is surely less than a limit."""
    mask: list[bool] = np.broadcast_to(span(value).high < limit, count).tolist()
    return mask


def signs(value: Span, noise: Any, count: int) -> tuple[list[bool], list[bool]]:
    """Say at each of some places whether a value is surely not negative, and whether it surely is."""
    sure = (value.low >= noise, value.high < -noise)
    met, unmet = (np.broadcast_to(mask, count).tolist() for mask in sure)
    return met, unmet


def noise(*values: Any) -> Any:
    """Return what numbers with real powers in them may be off where they are evaluated one by one, in float64."""
    known = list(map(span, values))
    sizes = (np.maximum(np.abs(value.low), np.abs(value.high)) for value in known)
    off = _NOISE * np.nan_to_num(arrays.maximum(*sizes), nan=np.inf)
    return np.where(reduce(and_, (value.whole for value in known)), 0.0, off)


def number(value: Any) -> Any:
    """Return a literal as it is."""
    return value


def divide(left: Any, right: Any) -> Any:
    """Divide; by what may be 0 gives anything."""
    if _plain(left, right) and right:
        return arithmetic.divide(left, right)
    above, below = span(left), span(right)
    corners = list(product((above.low, above.high), (below.low, below.high)))
    with np.errstate(all="ignore"):
        quotients = [end / under for end, under in corners]
        exact = above.whole & below.whole
        for ratio, (end, under) in zip(quotients, corners, strict=True):
            exact = exact & (np.rint(ratio) * under == end)
    low, high = _hull(quotients)
    ratio = _outward(low, high, whole=exact)
    anything = (below.low <= 0) & (below.high >= 0)
    return Span(
        low=np.where(anything, -np.inf, ratio.low),
        high=np.where(anything, np.inf, ratio.high),
        whole=ratio.whole,
    )


def ceiling(value: Any) -> Any:
    """Round up to whole numbers."""
    return _stepwise(np.ceil, value) if isinstance(value, Span) else arithmetic.ceiling(value)


def floor(value: Any) -> Any:
    """Round down to whole numbers."""
    return _stepwise(np.floor, value) if isinstance(value, Span) else arithmetic.floor(value)


def maximum(*values: Any) -> Any:
    """Return the largest value at each place."""
    if _plain(*values):
        return arithmetic.maximum(*values)
    known = list(map(span, values))
    return Span(
        low=arrays.maximum(*(value.low for value in known)),
        high=arrays.maximum(*(value.high for value in known)),
        whole=reduce(and_, (value.whole for value in known)),
    )


def minimum(*values: Any) -> Any:
    """Return the smallest value at each place."""
    return -maximum(*(-value for value in values))


def positive(value: Any) -> Any:
    """Return 1 where the value is greater than 0, else 0; between them where it may be either."""
    return _stepwise(arrays.positive, value) if isinstance(value, Span) else arithmetic.positive(value)


def nonzero(value: Any) -> Any:
    """Return 1 where the value differs from 0, else 0; between them where it may be either."""
    if not isinstance(value, Span):
        return arithmetic.nonzero(value)
    surely, never = (value.low > 0) | (value.high < 0), (value.low == 0) & (value.high == 0)
    return Span(low=arrays.float64(surely), high=arrays.float64(~never), whole=np.ones_like(never))


def power(base: Any, exponent: Any) -> Any:
    """Raise to any real power; of what may be negative gives anything."""
    below, above = span(base), span(exponent)
    with np.errstate(all="ignore"):
        corners = product((np.maximum(below.low, 0.0), below.high), (above.low, above.high))
        low, high = _hull([np.power(left, right) for left, right in corners])
        slack = _LOOSE * high + _TINY
    anything = (below.low < 0) | np.isnan(low) | np.isnan(high)
    most = np.where((below.high <= 1) & (above.low >= 0), np.minimum(high + slack, 1.0), high + slack)
    return Span(low=np.where(anything, -np.inf, np.maximum(low - slack, 0.0)), high=np.where(anything, np.inf, most))


def sum_maxima(lines: Sequence[tuple[Any, Any]], last: Any) -> Any:
    """Sum the maximum of straight lines over the steps 1 to last; nothing is known where a step may take away."""
    known, steps = [(span(intercept), span(slope)) for intercept, slope in lines], span(last)
    with np.errstate(all="ignore"):
        low = arrays.sum_maxima([(start.low, slope.low) for start, slope in known], steps.low)
        high = arrays.sum_maxima([(start.high, slope.high) for start, slope in known], steps.high)
        slack = _LOOSE * np.abs(high)
    # Where one line is never negative, no maximum is: more steps are more.
    grows = np.any(np.broadcast_arrays(*((start.low >= 0) & (slope.low >= 0) for start, slope in known)), axis=0)
    return Span(
        low=np.where(grows & ~np.isnan(low), low - slack, -np.inf),
        high=np.where(grows & ~np.isnan(high), high + slack, np.inf),
    )


def _plain(*values: Any) -> bool:
    return not any(isinstance(value, Span) for value in values)


def _stepwise(step: Callable[[Any], Any], value: Span) -> Span:
    """Take a function to whole numbers that never falls, at both ends."""
    low, high = step(value.low), step(value.high)
    return Span(low=low, high=high, whole=_few_digits(low, high))


def _outward(low: Any, high: Any, *, whole: Any) -> Span:
    """Round outwards what float64 may have rounded; what is no number may be anything."""
    few = whole & _few_digits(low, high)
    with np.errstate(invalid="ignore"):
        first, last = low - np.abs(low) * _ROUNDING, high + np.abs(high) * _ROUNDING
    first, last = np.where(few, low, first), np.where(few, high, last)
    return Span(low=np.where(np.isnan(low), -np.inf, first), high=np.where(np.isnan(high), np.inf, last), whole=few)


def _few_digits(low: Any, high: Any) -> Any:
    return (low > -_LARGEST_WHOLE) & (high < _LARGEST_WHOLE)


def _is_whole(value: Exact) -> bool:
    return isinstance(value, int) and abs(value) < _LARGEST_WHOLE


def _plus(left: Any, right: Any, towards: float) -> Any:
    """Add, rounded to one side; what is no number may be anything."""
    with np.errstate(invalid="ignore", over="ignore"):
        total = left + right
        # What rounding took away, exactly.
        shifted = total - left
        lost = (left - (total - shifted)) + (right - shifted)
        off = lost > 0 if towards > 0 else lost < 0
    return np.where(np.isnan(total), towards, np.where(off, np.nextafter(total, towards), total))


def _hull(ends: Sequence[Any]) -> tuple[Any, Any]:
    low, high = ends[0], ends[0]
    for end in ends[1:]:
        low, high = np.minimum(low, end), np.maximum(high, end)
    return low, high


def _times(left: Any, right: Any) -> Any:
    """Multiply; nothing times no matter how much is nothing."""
    with np.errstate(invalid="ignore", over="ignore"):
        return np.where((left == 0) | (right == 0), 0.0, left * right)


def _beside(value: Exact, direction: int) -> float:
    """Return the float64 at a number, or next to it, that is not on the wrong side; infinity for what is too large."""
    try:
        near = float(value)
    except OverflowError:
        return math.inf if value > 0 else -math.inf
    # Python compares numbers of all kinds exactly.
    outside = near >= value if direction > 0 else near <= value
    return near if outside else math.nextafter(near, direction * math.inf)
