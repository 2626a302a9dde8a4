"""Sections between waits of the host: within one, host and GPU work side by side; over one, neither goes on alone.

Seconds stand for all calls of a row together. A section that a row begins or ends may go on in what stands around it.
"""

from collections.abc import Callable, Iterable
from functools import reduce
from types import ModuleType
from typing import Any

from attrs import frozen


@frozen(kw_only=True)
class Section:
    """What the host and the GPU need between two waits, in seconds."""

    host: Any = 0
    device: Any = 0

    def __add__(self, other: "Section") -> "Section":
        return Section(host=self.host + other.host, device=self.device + other.device)

    def over(self, times: Any, algebra: ModuleType) -> "Section":
        """Return the section of one of several calls."""
        return Section(host=algebra.divide(self.host, times), device=algebra.divide(self.device, times))


Longer = Callable[[Section, Any], Any]
"""Seconds of sections from what host and GPU need for all of them together, and how many there are."""


@frozen(kw_only=True)
class Timeline:
    """Sections in a row: the first one, the seconds of those between, the last one; None if the host never waits."""

    first: Section = Section()
    between: Any = 0
    last: Section | None = None


def ended(timeline: Timeline, calls: Any, longer: Longer) -> Any:
    """Return the seconds of a timeline whose calls each stand between two waits."""
    if timeline.last is None:
        return longer(timeline.first, calls)
    return longer(timeline.first, calls) + timeline.between + longer(timeline.last, calls)


def after_another(timelines: Iterable[Timeline], calls: Any, longer: Longer) -> Timeline:
    """Join timelines: what ends one and begins the next one is one section in each call."""

    def join(left: Timeline, right: Timeline) -> Timeline:
        if left.last is None:
            return Timeline(first=left.first + right.first, between=right.between, last=right.last)
        if right.last is None:
            return Timeline(first=left.first, between=left.between, last=left.last + right.first)
        between = left.between + longer(left.last + right.first, calls) + right.between
        return Timeline(first=left.first, between=between, last=right.last)

    return reduce(join, timelines, Timeline())


def again(timeline: Timeline, times: Any, calls: Any, longer: Longer, algebra: ModuleType) -> Timeline:
    """Let calls that a timeline stands for together follow one another, so many in one call of what calls them."""
    if timeline.last is None:
        return timeline
    runs = algebra.maximum(times, 1)
    first, last = timeline.first.over(runs, algebra), timeline.last.over(runs, algebra)
    between = timeline.between + (times - 1) * longer(last + first, algebra.divide(calls, runs))
    return Timeline(first=first, between=between, last=last)


def apart(timeline: Timeline, calls: Any, longer: Longer) -> Timeline:
    """Let the host wait before and after each call."""
    return Timeline(between=ended(timeline, calls, longer), last=Section())


WAIT = Timeline(last=Section())
"""The host waits for the GPU."""
