"""Find where a condition changes along one symbol, by bisection on a slack that grows or shrinks all the way."""

import math
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, Literal, TypeAlias

from attrs import frozen

from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.scenario.checks import LARGEST

Sense = Literal["largest", "smallest", "every", "none"]
Slack: TypeAlias = Callable[[Any], Any]
"""By how much a condition is met at a value; negative where it is not."""
# Allowed whole numbers are no farther apart than this.
_REACH = 2048
# How far all values are looked at.
_FARTHEST = 10**9
# Formulas with powers are in float64: differences below this share of the slack are noise.
_NOISE = 1e-12
# How far beside a boundary other changes are looked for: some doublings above, more below.
_DOUBLINGS = 8


@frozen(kw_only=True)
class WholeDomain:
    """Whole numbers, those that rules allow.

    Attributes
    ----------
    start : int
        An allowed value.
    least : int
        No value is smaller.
    allowed : callable
        Whether a value is allowed.
    """

    start: int
    least: int
    allowed: Callable[[int], bool]

    def above(self, value: int, step: int) -> int | None:
        """Return the next allowed value from a step above on."""
        first = value + step
        return self._first(range(first, min(first + _REACH, LARGEST + 1)))

    def below(self, value: int, step: int) -> int | None:
        """Return the next allowed value from a step below down."""
        first = value - step
        return self._first(range(first, max(first - _REACH, self.least - 1), -1))

    def lowest(self) -> int:
        """Return the least allowed value, or where to begin if it is far from the least one."""
        least = self._first(range(self.least, self.least + _REACH))
        return self.start if least is None else least

    def onward(self, value: int) -> int | None:
        """Return an allowed value that is larger by about a quarter, up to a billion."""
        step = max(1, value // 4)
        larger = self.above(value, step) or (self.above(value, 1) if step > 1 else None)
        return None if larger is None or larger > _FARTHEST else larger

    def between(self, low: int, high: int) -> int | None:
        """Return the allowed value that is nearest to the middle, None if there is none between."""
        middle = (low + high) // 2
        down = self._first(range(middle, low, -1))
        return self._first(range(middle + 1, high)) if down is None else down

    def _first(self, values: range) -> int | None:
        return next((value for value in values if value >= self.least and self.allowed(value)), None)


@frozen(kw_only=True)
class RealDomain:
    """Float64 numbers.

    Attributes
    ----------
    start, least, most : float
        A value to begin with, the smallest and the largest one.
    """

    start: float
    least: float
    most: float = float(LARGEST)

    def above(self, value: float, step: int) -> float | None:
        """Return a multiple, the next float for a step of 1 near the end."""
        further = min(max(value, self.least or 1 / LARGEST) * (1 + step), self.most)
        return further if further > value else None

    def below(self, value: float, step: int) -> float | None:
        """Return a fraction; the least value behind the smallest one."""
        further = max(value / (1 + step), self.least)
        if further < 1 / LARGEST:
            further = self.least
        return further if further < value else None

    def lowest(self) -> float:
        """Return a billionth of the start."""
        return max(self.least, self.start / _FARTHEST)

    def onward(self, value: float) -> float | None:
        """Return a number larger by a quarter, up to a billion times the start."""
        return value * 5 / 4 if value < min(self.start * _FARTHEST, self.most / 2) else None

    def between(self, low: float, high: float) -> float | None:
        """Return the middle, by ratio where they are far apart."""
        return halfway(low, high)


def halfway(low: float, high: float) -> float | None:
    """Return the middle of two numbers, by ratio where they are far apart; None where there is none between."""
    middle = math.sqrt(low * high) if low > 0 and high > 2 * low else (low + high) / 2
    return middle if low < middle < high else None


Domain: TypeAlias = WholeDomain | RealDomain


class NotMonotoneError(Exception):
    """The slack rises and falls along the symbol; carries three points that show it."""

    def __init__(self, points: Sequence[tuple[Exact, Exact]]) -> None:
        super().__init__("not monotone")
        self.points = tuple(points)


@frozen(kw_only=True)
class Run:
    """Neighbouring values that meet a condition, those that are not allowed left out.

    Attributes
    ----------
    first, last : int, int or None
        The ends; None where there is no last one.
    """

    first: int
    last: int | None


@frozen(kw_only=True)
class Looked:
    """What was looked at value by value, and no more, where nothing is proven.

    Attributes
    ----------
    count, first, last : int
        How many values, and from which to which one.
    """

    count: int
    first: int
    last: int


@frozen(kw_only=True)
class Boundary:
    """Where a condition changes.

    Attributes
    ----------
    sense : str
        ``largest`` or ``smallest``: which end of the values that meet it; ``every`` or ``none`` of those tried.
    value : number or None
        The last value that meets it; of ``none`` the one that comes closest; of ``every`` None.
    beyond : number or None
        The next value, which does not meet it.
    runs, apart : tuple of Run, bool
        Of whole numbers, where it is met, and whether values that do not lie between them, or on both sides.
    looked : Looked or None
        None where the answer is proven.
    """

    sense: Sense
    value: Any
    beyond: Any
    runs: tuple[Run, ...] = ()
    apart: bool = False
    looked: Looked | None = None


def find_boundary(slack: Slack, domain: Domain) -> Boundary:
    """Find the last value at which a slack is not negative; the value and the next one are evaluated.

    Raise where the slack is seen to rise and to fall, at values at growing distances from start and boundary.
    """
    tried: dict[Exact, Any] = {}

    def met(value: Exact) -> bool:
        if value not in tried:
            tried[value] = slack(value)
        return bool(tried[value] >= 0)

    here = met(domain.start)
    ups, downs = (_walk(domain, met, here, move) for move in (domain.above, domain.below))
    _check(tried)
    if ups is None and downs is None:
        best = max(tried, key=lambda value: tried[value])
        return Boundary(sense="every" if here else "none", value=None if here else best, beyond=None)
    low, high = ups or (downs[1], downs[0])
    low, high = _bisected(low, high, domain, met)
    for value in (*_steps(low, domain.below, 2 * _DOUBLINGS), *_steps(high, domain.above, _DOUBLINGS)):
        met(value)
    _check(tried)
    if met(low):
        return Boundary(sense="largest", value=low, beyond=high)
    return Boundary(sense="smallest", value=high, beyond=low)


def find_changes(slack: Slack, domain: Domain) -> tuple[Boundary, ...]:
    """Find all values at which a slack changes its sign, from the least one up, among values that grow by a quarter.

    One of ``every`` or ``none`` with the least value if it never changes.
    """

    @cache
    def met(value: Exact) -> bool:
        return bool(slack(value) >= 0)

    values: list[Any] = [domain.lowest()]
    while (following := domain.onward(values[-1])) is not None:
        values.append(following)
    boundaries = []
    for low, high in pairwise(values):
        if met(low) != met(high):
            last, first = _bisected(low, high, domain, met)
            ends = {"value": last, "beyond": first} if met(last) else {"value": first, "beyond": last}
            boundaries.append(Boundary(sense="largest" if met(last) else "smallest", **ends))
    if not boundaries:
        return (Boundary(sense="every" if met(values[0]) else "none", value=values[0], beyond=None),)
    return tuple(boundaries)


def _bisected(low: Any, high: Any, domain: Domain, met: Callable[[Any], bool]) -> tuple[Any, Any]:
    """Bring two values between which the condition changes next to each other."""
    while (middle := domain.between(low, high)) is not None:
        low, high = (middle, high) if met(middle) == met(low) else (low, middle)
    return low, high


def _walk(domain: Domain, met: Callable[[Any], bool], here: bool, move: Callable[[Any, int], Any]) -> Any:
    """Walk away in growing steps until the condition changes; return the last two values, or None."""
    value = domain.start
    for following in _steps(value, move):
        if met(following) != here:
            return value, following
        value = following
    return None


def _steps(value: Any, move: Callable[[Any, int], Any], most: int | None = None) -> Iterator[Any]:
    """Yield values ever farther away, up to the end or to so many of them."""
    step, growing, count = 1, True, 0
    while most is None or count < most:
        following = move(value, step)
        if following is None and step == 1:
            return
        if following is None:
            step, growing = step // 2, False
            continue
        yield following
        value, step, count = following, step * 2 if growing else step, count + 1


def _check(tried: dict[Exact, Any]) -> None:
    """Check that all slacks seen so far rise, or all fall."""
    points = sorted(tried.items())
    rises = falls = None
    for left, right in pairwise(points):
        change = right[1] - left[1]
        if abs(change) <= _NOISE * max(abs(float(left[1])), abs(float(right[1]))):
            continue
        rises, falls = ((left, right), falls) if change > 0 else (rises, (left, right))
        if rises is not None and falls is not None:
            raise NotMonotoneError(sorted({*rises, *falls}))
