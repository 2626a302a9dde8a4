"""Where a condition holds among whole numbers: ranges are judged at once, and split where it may change."""

from collections.abc import Callable, Sequence
from enum import IntEnum
from itertools import groupby, pairwise
from typing import Any

from attrs import evolve, frozen

from dsocr_symbolic.questions.solve.search import Looked

# Ranges that are judged in all, and single values that are evaluated exactly: some seconds of a large network.
_MOST_RANGES, _MOST_VALUES = 1 << 14, 512
# The first ranges are this share of where they lie.
_SHARE = 32
_PIECES = 8
# Ranges in which the next allowed value is looked for at once, and how often.
_AHEAD, _MOST_LOOKS = 256, 400
_MOST_STRETCHES = 64
# Values that are looked at in a range that stayed open, and in how many of these.
_SAMPLES, _MOST_OPEN = 16, 8


class TooFarError(Exception):
    """No allowed value was found among so many."""


class Judgement(IntEnum):
    """What is known of a range: no value is allowed, none of the allowed meets the condition, all do, or it is open."""

    BARRED = 0
    UNMET = 1
    MET = 2
    OPEN = 3


Ends = tuple[int, int]
Judge = Callable[[Sequence[Ends]], Sequence[Judgement]]
Decide = Callable[[int], Judgement]


@frozen(kw_only=True)
class Stretch:
    """Neighbouring values of one verdict; those at both ends are allowed, unless it is open."""

    first: int
    last: int
    verdict: Judgement


@frozen(kw_only=True)
class Judged:
    """What judges ranges and single values.

    Attributes
    ----------
    judge : callable
        Verdicts of ranges, whatever is allowed in them.
    bars : callable
        Verdicts by the rules alone: ``BARRED`` or ``OPEN``.
    decide : callable
        The verdict of one value, exactly; never open.
    """

    judge: Judge
    bars: Judge
    decide: Decide


def survey(judged: Judged, least: int, most: int) -> tuple[Stretch, ...]:
    """Find the stretches of allowed values that meet a condition or do not, in rising order, and what stays open."""
    stretches = _merged(_decided(judged, least, most))
    if len(stretches) > _MOST_STRETCHES:
        rest = stretches[_MOST_STRETCHES - 1 :]
        opened = Stretch(first=rest[0].first, last=rest[-1].last, verdict=Judgement.OPEN)
        stretches = [*stretches[: _MOST_STRETCHES - 1], opened]
    tight = (_tightened(judged, stretch) for stretch in stretches)
    return tuple(_merged(stretch for stretch in tight if stretch is not None))


def next_allowed(judged: Judged, first: int, last: int, *, down: bool = False) -> int | None:
    """Return the first allowed value of a range, or its last one; None where it has none. TooFarError if it is far."""
    edge = last if down else first
    if first <= last and judged.decide(edge) != Judgement.BARRED:
        return edge
    waiting = _growing(first, last)
    waiting = waiting[::-1] if down else waiting
    values = _MOST_VALUES
    for _ in range(_MOST_LOOKS):
        if not waiting:
            return None
        ahead, waiting = waiting[:_AHEAD], waiting[_AHEAD:]
        split: list[Ends] = []
        for (low, high), verdict in zip(ahead, judged.bars(ahead), strict=True):
            if verdict == Judgement.BARRED:
                continue
            if low < high:
                split += _split(low, high)[::-1] if down else _split(low, high)
            elif split:
                # What stands ahead of it is not yet known.
                split.append((low, high))
            elif judged.decide(low) != Judgement.BARRED:
                return low
            elif (values := values - 1) < 0:
                raise TooFarError
        waiting = split + waiting
    raise TooFarError


def looked_at(judged: Judged, stretches: Sequence[Stretch]) -> tuple[tuple[Stretch, ...], Looked | None]:
    """Look at some values of what stayed open, and for changes between them; say how many that were."""
    opened = [stretch for stretch in stretches if stretch.verdict == Judgement.OPEN]
    if not opened:
        return tuple(stretches), None
    if len(opened) > _MOST_OPEN:
        # From the last of them on it is one range that is open, whatever is known in between.
        rest = evolve(opened[_MOST_OPEN - 1], last=opened[-1].last)
        stretches = [stretch for stretch in stretches if not rest.first <= stretch.first <= rest.last]
        opened = [*opened[: _MOST_OPEN - 1], rest]
    seen: dict[int, Judgement] = {}
    for stretch in opened:
        step = max(1, (stretch.last - stretch.first) // _SAMPLES)
        values = {*range(stretch.first, stretch.last + 1, step), stretch.last}
        known = [(value, verdict) for value in sorted(values) if (verdict := judged.decide(value)) != Judgement.BARRED]
        seen |= known
        for (low, before), (high, after) in pairwise(known):
            while before != after and len(seen) < _MOST_VALUES and (middle := _between(judged, low, high)) is not None:
                seen[middle] = judged.decide(middle)
                low, high = (middle, high) if seen[middle] == before else (low, middle)  # noqa: PLW2901
    points = (Stretch(first=value, last=value, verdict=verdict) for value, verdict in seen.items())
    closed = _merged([*(stretch for stretch in stretches if stretch.verdict != Judgement.OPEN), *points])
    return tuple(closed), Looked(count=len(seen), first=opened[0].first, last=opened[-1].last)


def _between(judged: Judged, low: int, high: int) -> int | None:
    """Return the allowed value that is nearest to the middle of two; None where there is none, or it is far."""
    middle = (low + high) // 2
    try:
        above = next_allowed(judged, max(middle, low + 1), high - 1)
        return next_allowed(judged, low + 1, middle - 1, down=True) if above is None else above
    except TooFarError:
        return None


def _decided(judged: Judged, least: int, most: int) -> list[Stretch]:
    """Judge ranges, and split those that are open from the least value up, as long as there are not too many."""
    waiting, done = _growing(least, most), []
    ranges, values = _MOST_RANGES, _MOST_VALUES
    while waiting and ranges > 0:
        batch, later = waiting[:ranges], waiting[ranges:]
        ranges -= len(batch)
        split: list[Ends] = []
        for (low, high), verdict in zip(batch, judged.judge(batch), strict=True):
            if verdict == Judgement.OPEN and low < high:
                split += _split(low, high)
                continue
            if verdict == Judgement.OPEN and values > 0:
                values, verdict = values - 1, judged.decide(low)  # noqa: PLW2901
            done.append(Stretch(first=low, last=high, verdict=verdict))
        waiting = split + later
    return done + [Stretch(first=low, last=high, verdict=Judgement.OPEN) for low, high in waiting]


def _growing(least: int, most: int) -> list[Ends]:
    """Cut a range into such as grow with where they lie."""
    ranges, first = [], least
    while first <= most:
        last = min(most, first + max(0, abs(first) // _SHARE))
        ranges.append((first, last))
        first = last + 1
    return ranges


def _split(low: int, high: int) -> list[Ends]:
    step = -(-(high - low + 1) // _PIECES)
    return [(first, min(first + step - 1, high)) for first in range(low, high + 1, step)]


def _merged(stretches: Any) -> list[Stretch]:
    """Join neighbours of one verdict; where nothing is allowed there is nothing between them."""
    known = sorted(
        (stretch for stretch in stretches if stretch.verdict != Judgement.BARRED), key=lambda known: known.first
    )
    groups = (list(group) for _, group in groupby(known, key=lambda stretch: stretch.verdict))
    return [evolve(group[0], last=group[-1].last) for group in groups]


def _tightened(judged: Judged, stretch: Stretch) -> Stretch | None:
    """Let a stretch begin and end with values that are allowed; None where it has none."""
    if stretch.verdict == Judgement.OPEN:
        return stretch
    try:
        first = next_allowed(judged, stretch.first, stretch.last)
        if first is None:
            return None
        last = next_allowed(judged, first, stretch.last, down=True)
    except TooFarError:
        return evolve(stretch, verdict=Judgement.OPEN)
    return evolve(stretch, first=first, last=first if last is None else last)
