"""Sections between waits of the host: within one, host and GPU work side by side; over one, neither goes on alone.

Seconds stand for all calls of a row together. A section that a row begins or ends may go on in what stands around it.
"""

from collections.abc import Callable, Iterable
from functools import reduce
from types import ModuleType
from typing import Any

from attrs import frozen

Longer = Callable[[Any, Any], Any]
"""Seconds of a section from what host and GPU need for it."""


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


@frozen(kw_only=True)
class Timeline:
    """Sections in a row: the first one, the seconds of those between, the last one; None if the host never waits."""

    first: Section = Section()
    between: Any = 0
    last: Section | None = None


def ended(timeline: Timeline, longer: Longer) -> Any:
    """Return the seconds of a timeline between two waits."""
    if timeline.last is None:
        return longer(timeline.first.host, timeline.first.device)
    ends = [longer(section.host, section.device) for section in (timeline.first, timeline.last)]
    return ends[0] + timeline.between + ends[1]


def after_another(timelines: Iterable[Timeline], longer: Longer) -> Timeline:
    """Join timelines: what ends one and begins the next one is one section."""

    def join(left: Timeline, right: Timeline) -> Timeline:
        if left.last is None:
            return Timeline(first=left.first + right.first, between=right.between, last=right.last)
        if right.last is None:
            return Timeline(first=left.first, between=left.between, last=left.last + right.first)
        middle = left.last + right.first
        between = left.between + longer(middle.host, middle.device) + right.between
        return Timeline(first=left.first, between=between, last=right.last)

    return reduce(join, timelines, Timeline())


def again(timeline: Timeline, times: Any, longer: Longer, algebra: ModuleType) -> Timeline:
    """Let calls that a timeline stands for together follow one another."""
    if timeline.last is None:
        return timeline
    runs = algebra.maximum(times, 1)
    first, last = timeline.first.over(runs, algebra), timeline.last.over(runs, algebra)
    middle = last + first
    between = timeline.between + (times - 1) * longer(middle.host, middle.device)
    return Timeline(first=first, between=between, last=last)


def apart(timeline: Timeline, longer: Longer) -> Timeline:
    """Let the host wait before and after each call."""
    return Timeline(between=ended(timeline, longer), last=Section())


WAIT = Timeline(last=Section())
"""The host waits for the GPU."""
