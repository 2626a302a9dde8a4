"""The roofline of operators: every one that is launched at what it reaches, whatever its share of the time."""

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from attrs import frozen

from dsocr_symbolic.reports.performance import figure_style as look
from dsocr_symbolic.reports.performance.figure_roofs import (
    MARGIN,
    NUMBER,
    Dot,
    Frame,
    key_of_roofs,
    label,
    numbered,
    panel,
    roofs,
    room_beside,
)
from dsocr_symbolic.reports.performance.numbers import Performance
from dsocr_symbolic.writing.amounts import scaled
from dsocr_symbolic.writing.lettering import fitted, measured

# Inches: left end and width of the panels, height of the upper one, of a row of the lower one, below and above panels.
_LEFT, _WIDE, _HIGH, _ROW = 0.6, 4.0, 3.1, 0.2
_BELOW, _BETWEEN, _ABOVE = 0.42, 0.62, 0.25
_KEY: tuple[float, float] = (4.75, 2.35)
_LINE, _ROOFS, _GAP = 0.15, 0.55, 0.05
_NUMBERED = 10
# Radii on paper, in points: the largest, the least, and their steps, so that a file names few sizes.
_LARGEST, _LEAST, _STEP = 9.0, 1.0, 0.25


@frozen(kw_only=True)
class Launched:
    """A launched operator with all its calls.

    Attributes
    ----------
    name, category : str
        Its path, and the kind of work that it does.
    flops, moved, seconds : float
        FLOPs of both kinds, bytes moved, and the time for all of it: the forecast for the GPU where there is one, else
        the roofline's.
    """

    name: str
    category: str
    flops: float
    moved: float
    seconds: float


@frozen(kw_only=True)
class Mark(Dot):
    """An operator in the figure."""

    operator: Launched


def operators(numbers: Performance) -> list[Launched]:
    """Return every operator that is launched and moves bytes in some time, the slowest first."""
    clock = "roofline_s" if numbers.whole.metrics["device_s"] is None else "device_s"
    launched = [
        Launched(
            name=node.label or node.row.path,
            category=node.row.category or "other",
            flops=float(node.metrics["forward_tensor_core_flops"] + node.metrics["forward_cuda_core_flops"]),
            moved=float(node.metrics["forward_io_bytes"]),
            seconds=float(node.metrics[clock]),
        )
        for node in numbers.result.nodes
        if node.row.aten and node.calls
    ]
    return sorted((each for each in launched if each.moved and each.seconds), key=lambda each: -each.seconds)


def draw(numbers: Performance) -> Any:
    """Draw operators below the machine's roofs, and those without FLOPs by the bytes that they move in a second."""
    all_of_them = operators(numbers)
    known = look.category_colours()
    seen = {operator.category for operator in all_of_them}
    colours = {name: colour for name, colour in known.items() if name in seen}
    rows = [name for name in colours if any(each.category == name and not each.flops for each in all_of_them)]
    marks = list(_marks(all_of_them, rows))
    low = _BELOW + (_ROW * len(rows) + _BETWEEN if rows else 0)
    figure = look.new_figure(low + _HIGH + _ABOVE)
    above = [mark for mark in marks if mark.operator.flops]
    frame = _frame(numbers, above)
    place = panel(figure, frame, (_LEFT, low, _WIDE, _HIGH), f"a  {len(above):,} operators with FLOPs")
    place.set_xlabel("arithmetic intensity [FLOP per byte moved]")
    _put(place, frame, above, colours, lines=roofs(place, frame, numbers))
    if rows:
        _strip(figure, numbers, [mark for mark in marks if not mark.operator.flops], rows, colours)
    _key(figure, numbers, marks, colours, low + _HIGH)
    return figure


def _marks(all_of_them: Sequence[Launched], rows: Sequence[str]) -> Iterator[Mark]:
    """Give each operator its place: FLOP/byte and FLOP/s, or byte/s and the row of its category."""
    for place, each in enumerate(all_of_them, start=1):
        radius = _LARGEST * math.sqrt(each.seconds / all_of_them[0].seconds)
        at = (
            (each.flops / each.moved, each.flops / each.seconds)
            if each.flops
            else (each.moved / each.seconds, float(rows.index(each.category)))
        )
        yield Mark(
            operator=each,
            at=at,
            radius=max(_LEAST, round(radius / _STEP) * _STEP),
            number=place if place <= _NUMBERED else 0,
        )


def _frame(numbers: Performance, marks: Sequence[Mark]) -> Frame:
    """Return limits that show every operator and the roofs."""
    peak, ridge = max(numbers.rates[name] for name in numbers.ridges), max(numbers.ridges.values())
    across, up = ([mark.at[axis] for mark in marks] for axis in (0, 1))
    least, most = min([*across, ridge]), max([*across, ridge])
    return Frame(left=least / 3, right=most * 4, bottom=min([*up, peak / 100]) / 3, top=max([*up, peak]) * 3)


def _put(
    place: Any,
    frame: Frame,
    marks: Sequence[Mark],
    colours: Mapping[str, str],
    *,
    lines: Sequence[Any],
    margin: float = MARGIN,
) -> None:
    """Draw marks, the large ones below the small ones, and numbers beside them."""

    def alike(mark: Mark) -> tuple[float, str]:
        return -mark.radius, mark.operator.category

    for (radius, category), members in groupby(sorted(marks, key=alike), key=alike):
        how = {"marker": "o", "linestyle": "none", "markeredgecolor": look.INK, "markeredgewidth": 0.25, "zorder": 3}
        places = zip(*(mark.at for mark in members), strict=True)
        place.plot(*places, color=colours[category], markersize=-2 * radius, **how)
    label(place, numbered(marks, place), room_beside(place, frame, marks, lines, margin))


def _strip(
    figure: Any, numbers: Performance, marks: Sequence[Mark], rows: Sequence[str], colours: Mapping[str, str]
) -> None:
    """Draw operators without FLOPs, a row for each category, under the one limit that they have."""
    limit = numbers.rates["io_bytes"]
    rates = [*(mark.at[0] for mark in marks), limit]
    frame = Frame(left=min(rates) / 3, right=max(rates) * 4, bottom=len(rows) - 0.4, top=-0.6)
    title = f"b  {len(marks):,} operators without FLOPs"
    place = look.axes(figure, (_LEFT, _BELOW, _WIDE, _ROW * len(rows)), title)
    place.set(xscale="log", xlim=(frame.left, frame.right), ylim=(frame.bottom, frame.top), yticks=[])
    place.set(xticks=look.log_ticks(frame.left, frame.right), xlabel="reached [B/s]")
    place.minorticks_off()
    place.xaxis.set_major_formatter(lambda value, _: scaled(value, "") if value >= 1 else f"{value:g}")
    line = [(limit, frame.bottom), (limit, frame.top)]
    place.plot(*zip(*line, strict=True), linestyle=(0, (1, 1)), color=look.INK, linewidth=1.0, zorder=2)
    _put(place, frame, marks, colours, lines=[line], margin=0.0)


def _key(figure: Any, numbers: Performance, marks: Sequence[Mark], colours: Mapping[str, str], top: float) -> None:
    """Say which operator each number is and its share of the time, which colour is which category, and the roofs."""
    left, wide = _KEY
    named = [mark for mark in marks if mark.number]
    whole = sum(mark.operator.seconds for mark in marks)
    high = _LINE * (len(named) + 1)
    key = look.axes(figure, (left, top - high, wide, high))
    key.set_axis_off()
    key.set(xlim=(0, 1), ylim=(len(named) + 1, 0))
    how = {"fontsize": NUMBER, "va": "center"}
    time = "roofline time" if numbers.whole.metrics["device_s"] is None else "device time"
    key.text(0.1, 0.5, "operator", fontweight="bold", **how)
    key.text(1, 0.5, f"of the {time}", fontweight="bold", ha="right", **how)
    for line, mark in enumerate(named, start=1):
        share = f"{mark.operator.seconds / whole:.1%}"
        room = 0.9 * wide * 72 - measured(share, NUMBER)[0] - 3 * MARGIN
        key.text(0.07, line + 0.5, str(mark.number), ha="right", fontweight="bold", **how)
        key.text(0.1, line + 0.5, fitted(mark.operator.name, room, NUMBER), **how)
        key.text(1, line + 0.5, share, ha="right", **how)
    look.legend(figure, colours, (left, top - high - 2 * _GAP), wide)
    below = top - high - 3 * _GAP - look.legend_height(list(colours), wide)
    key_of_roofs(figure, numbers, (left, below), wide)
