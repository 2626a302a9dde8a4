"""Find where a condition changes along one symbol, by bisection on a slack that grows or shrinks all the way."""

from collections.abc import Callable, Iterator, Sequence
from functools import cache
from itertools import pairwise
from typing import Any, Literal

from attrs import frozen

from dsocr_symbolic.questions.solve.domain import Domain

Sense = Literal["largest", "smallest", "every", "none"]


Slack = Callable[[Any], Any]


# Formulas with powers are in float64: differences below this share of the slack are noise.
_NOISE = 1e-12


# How far beside a boundary other changes are looked for: some doublings above, more below.
_DOUBLINGS = 8


class NotMonotoneError(Exception):
    """The slack rises and falls along the symbol; carries three points that show it."""

    def __init__(self, points: Sequence[tuple[Any, Any]]) -> None:
        super().__init__("not monotone")
        self.points = tuple(points)


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
    """

    sense: Sense
    value: Any
    beyond: Any


def find_boundary(slack: Slack, domain: Domain) -> Boundary:
    """Find the last value at which a slack is not negative.

    Parameters
    ----------
    slack : callable
        By how much the condition is met at a value.
    domain : Domain
        The values.

    Returns
    -------
    Boundary
        Exact: the value and the next one are evaluated.

    Raises
    ------
    NotMonotoneError
        If the slack is seen to rise and to fall, at values at growing distances from the start and from the boundary.
    """
    tried: dict[Any, Any] = {}

    def met(value: Any) -> bool:
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
    """Find all values at which a slack changes its sign, from the least one up.

    Parameters
    ----------
    slack : callable
        By how much the condition is met at a value.
    domain : Domain
        The values; looked at are those that grow by a quarter.

    Returns
    -------
    tuple of Boundary
        In rising order, ``smallest`` where the condition begins to hold, ``largest`` where it ceases; one of
        ``every`` or ``none`` with the least value if it never changes.
    """

    @cache
    def met(value: Any) -> bool:
        return bool(slack(value) >= 0)

    values = [domain.lowest()]
    while (following := domain.onward(values[-1])) is not None:
        values.append(following)
    found = []
    for low, high in pairwise(values):
        if met(low) != met(high):
            last, first = _bisected(low, high, domain, met)
            ends = {"value": last, "beyond": first} if met(last) else {"value": first, "beyond": last}
            found.append(Boundary(sense="largest" if met(last) else "smallest", **ends))
    if not found:
        return (Boundary(sense="every" if met(values[0]) else "none", value=values[0], beyond=None),)
    return tuple(found)


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


def _check(tried: dict[Any, Any]) -> None:
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
