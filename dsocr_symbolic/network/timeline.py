"""Sections between waits of the host: within one, host and GPU work side by side; over one, neither goes on alone.

Seconds stand for all calls of a row together. A section that a row begins or ends may go on in what stands around it.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import ModuleType
from typing import Any

from dsocr_symbolic.language.expression import Expression, evaluate
from dsocr_symbolic.network.per_row import RowByRow
from dsocr_symbolic.records import frozen

CALLS, HOST, DEVICE, REPLAYS, REPEATS = "calls", "host", "device", "replays", "repeats"


@frozen(kw_only=True)
class TimeSection:
    """What the host and the GPU need between two waits, in seconds."""

    host: Any = 0
    device: Any = 0

    def __add__(self, other: "TimeSection") -> "TimeSection":
        return TimeSection(host=self.host + other.host, device=self.device + other.device)

    def over(self, times: Any, algebra: ModuleType) -> "TimeSection":
        """Return the section of one of several calls."""
        return TimeSection(host=algebra.divide(self.host, times), device=algebra.divide(self.device, times))


@frozen(kw_only=True)
class Longer:
    """Seconds of sections from what host and GPU need for all of them together, and how many there are.

    Attributes
    ----------
    formula : Expression
        Of ``host``, ``device`` and ``calls``, and of symbols of the machine.
    scope, algebra : mapping of str to Value, module
        Values of those, and where they are from.
    """

    formula: Expression
    scope: Mapping[str, Any]
    algebra: ModuleType

    def of(self, section: TimeSection, calls: Any) -> Any:
        """Return the seconds."""
        own = {HOST: section.host, DEVICE: section.device, CALLS: calls}
        return evaluate(self.formula, {**self.scope, **own}, self.algebra)


@frozen(kw_only=True)
class Timeline:
    """Sections in a row: the first one, the seconds of those between, the last one; None if the host never waits."""

    first: TimeSection = TimeSection()
    between: Any = 0
    last: TimeSection | None = None


def ended(timeline: Timeline, calls: Any, longer: Longer) -> Any:
    """Return the seconds of a timeline whose calls each stand between two waits."""
    if timeline.last is None:
        return longer.of(timeline.first, calls)
    return longer.of(timeline.first, calls) + timeline.between + longer.of(timeline.last, calls)


def after_another(timelines: Iterable[Timeline], calls: Any, longer: Longer) -> Timeline:
    """Join timelines: what ends one and begins the next one is one section in each call."""
    first, between, last = TimeSection(), 0, None
    for right in timelines:
        if last is None:
            first, between, last = first + right.first, right.between, right.last
        elif right.last is None:
            last += right.first
        else:
            between = between + longer.of(last + right.first, calls) + right.between
            last = right.last
    return Timeline(first=first, between=between, last=last)


def again(timeline: Timeline, times: Any, calls: Any, longer: Longer) -> Timeline:
    """Let calls that a timeline stands for together follow one another, so many in one call of what calls them."""
    if timeline.last is None:
        return timeline
    runs = longer.algebra.maximum(times, 1)
    first, last = timeline.first.over(runs, longer.algebra), timeline.last.over(runs, longer.algebra)
    between = timeline.between + (times - 1) * longer.of(last + first, longer.algebra.divide(calls, runs))
    return Timeline(first=first, between=between, last=last)


def apart(timeline: Timeline, calls: Any, longer: Longer) -> Timeline:
    """Let the host wait before and after each call."""
    return Timeline(between=ended(timeline, calls, longer), last=TimeSection())


WAIT = Timeline(last=TimeSection())
"""The host waits for the GPU."""


@frozen(kw_only=True)
class Line:
    """A row: whether the host waits for what it runs itself, and whether it repeats over steps, each after a wait."""

    waits: bool
    steps: bool


def walls(
    rows: Sequence[Line], below: Sequence[Sequence[int]], columns: Mapping[str, Sequence[Any]], longer: Longer
) -> Sequence[Any]:
    """Return the seconds that pass in all calls of each row, each call between two waits.

    Parameters
    ----------
    rows, below : sequence of Line, sequence of sequence of int
        Parents before children, the whole first; the children of each, in order.
    columns : mapping of str to sequence of Value
        By row: all its calls, seconds of host and GPU on what it runs itself, seconds of its replays, and how often it
        runs in one call of its parent.
    longer : Longer
        Seconds of a section.

    Returns
    -------
    list of Value
        In seconds; parts need not add up.
    """

    def line(index: int) -> Timeline:
        """Join what one call of a row runs."""
        work = Timeline(first=TimeSection(host=columns[HOST][index], device=columns[DEVICE][index]))
        if not below[index] and not rows[index].waits:
            return work
        inside = [work, *([WAIT] * rows[index].waits), *(repeated[child] for child in below[index])]
        return after_another(inside, columns[CALLS][index], longer)

    def repeat(index: int) -> Timeline:
        """Join what all calls of a row in one of its parent run."""
        calls = columns[CALLS][index]
        if rows[index].steps:
            return apart(lines[index], calls, longer)
        return again(lines[index], columns[REPEATS][index], calls, longer)

    def seconds(index: int) -> Any:
        replays = (columns[REPLAYS][child] for child in ((index,) if index else below[0]))
        return longer.algebra.total((ended(lines[index], columns[CALLS][index], longer), *replays))

    lines, repeated = RowByRow(len(rows), line), RowByRow(len(rows), repeat)
    return RowByRow(len(rows), seconds)
