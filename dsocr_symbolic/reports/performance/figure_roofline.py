"""The roofline: what parts of the network reach, under what the machine allows."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from dsocr_symbolic.reports.performance import figure_style as look
from dsocr_symbolic.reports.performance.figure_labels import Point
from dsocr_symbolic.reports.performance.figure_roofs import (
    LEAST_RADIUS,
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
from dsocr_symbolic.reports.performance.numbers import Performance, Spender
from dsocr_symbolic.writing.lettering import fitted, measured

SMALLEST_SHARE = 0.0005
_HEIGHT = 4.9
_WHOLE: look.Box = (0.6, 2.72, 3.75, 1.93)
_CROWD: look.Box = (0.6, 0.42, 3.75, 1.75)
_KEY: look.Box = (4.55, 1.2, 2.55, 3.45)
_KEY_OF_ROOFS, _GAP = 0.58, 0.05
_NUMBERED = 18
_LARGEST_RADIUS = 11.0


@frozen(kw_only=True)
class PartDot(Dot):
    """A part in the figure, at its FLOP per byte and FLOP/s."""

    part: Spender


def draw(numbers: Performance) -> Any:
    """Draw parts as dots whose area is their time, numbered by time, under the machine's roofs; the crowd enlarged."""
    colours = look.stage_colours(stage.name for stage in numbers.stages)
    dots = _dots(numbers)
    seen = {dot.part.stage for dot in dots}
    stages = {stage: colour for stage, colour in colours.items() if stage in seen}
    # Many stages take more room than there is below the key.
    more = max(0.0, look.legend_height(list(stages), _KEY[2]) + _KEY_OF_ROOFS + 2 * _GAP - _KEY[1])
    figure = look.new_figure(_HEIGHT + more)
    whole, crowd = _frames(numbers, dots)
    for frame, box, title in (
        (whole, _WHOLE, "a  All parts"),
        (crowd, _CROWD, "b  The framed corner of a"),
    ):
        place = panel(figure, frame, _raised(box, more), title)
        lines = roofs(place, frame, numbers)
        for dot in filter(frame.holds, dots):
            area, colour = (2 * dot.radius) ** 2, colours[dot.part.stage]
            place.scatter(
                *([value] for value in dot.at), s=area, color=colour, edgecolor="white", linewidth=0.5, zorder=3
            )
        inside = [dot for dot in dots if frame.holds(dot)]
        room = room_beside(place, frame, inside, [*lines, *(_mark_crowd(place, crowd) if frame is whole else [])])
        named = numbered([dot for dot in inside if crowd.holds(dot) == (frame is crowd)], place)
        if frame is whole:
            named.insert(0, ("b", (crowd.left, crowd.top), 0.0))
        label(place, named, room)
    place.set_xlabel("arithmetic intensity [FLOP per byte moved]")
    _key(look.axes(figure, _raised(_KEY, more)), dots, colours)
    look.legend(figure, stages, (_KEY[0], _KEY[1] + more - _GAP), _KEY[2])
    key_of_roofs(figure, numbers, (_KEY[0], _KEY_OF_ROOFS), _KEY[2])
    return figure


def _raised(box: look.Box, more: float) -> look.Box:
    return (box[0], box[1] + more, *box[2:])


def _dots(numbers: Performance) -> list[PartDot]:
    parts = [part for part in numbers.parts if part.share >= SMALLEST_SHARE and part.flops]
    return [
        PartDot(
            part=part,
            at=(
                float(part.flops / part.metrics["forward_io_bytes"]),
                float(part.flops / part.metrics["roofline_s"]),
            ),
            radius=max(LEAST_RADIUS, _LARGEST_RADIUS * math.sqrt(part.share / parts[0].share)),
            number=place if place <= _NUMBERED else 0,
        )
        for place, part in enumerate(parts, start=1)
    ]


def _frames(numbers: Performance, dots: Sequence[PartDot]) -> tuple[Frame, Frame]:
    """Return limits that show every dot and the ridge, and those of the surroundings of the ridge."""
    peak, ridge = numbers.rates["tensor_core_flops"], numbers.ridges["tensor_core_flops"]
    least, most = (end([*(dot.at[0] for dot in dots), ridge]) for end in (min, max))
    lowest = min([*(dot.at[1] for dot in dots), peak / 100])
    left = min(ridge, max((dot.at[0] for dot in dots), default=ridge)) / 3
    bottom = left * numbers.rates["io_bytes"] / 1.15
    whole = Frame(left=least / 2.5, right=most * 4, bottom=lowest / 4, top=peak * 3)
    return whole, Frame(left=left, right=most * 1.5, bottom=bottom, top=peak * 1.3)


def _mark_crowd(place: Any, crowd: Frame) -> list[Sequence[Point]]:
    """Frame what is enlarged; return the frame."""
    (left, bottom), (right, top) = crowd.ends
    corners = [(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)]
    place.plot(*zip(*corners, strict=True), color=look.GREY, linewidth=0.6, zorder=1)
    return [corners]


def _key(key: Any, dots: Sequence[PartDot], colours: Mapping[str, str]) -> None:
    """Say which part each number is, and its part of the time."""
    key.set_axis_off()
    key.set(xlim=(0, 1), ylim=(_NUMBERED + 1.2, 0))
    how = {"fontsize": NUMBER, "va": "center"}
    key.text(0.1, 0.4, "part of the network", fontweight="bold", **how)
    key.text(1, 0.4, "of the time", fontweight="bold", ha="right", **how)
    wide = _KEY[2] * 72
    for dot in (dot for dot in dots if dot.number):
        line, share = dot.number + 0.5, f"{dot.part.share:.1%}"
        room = 0.9 * wide - measured(share, NUMBER)[0] - 3 * MARGIN
        name = fitted(dot.part.name.partition("/")[2] or dot.part.name, room, NUMBER)
        key.text(0.07, line, str(dot.number), ha="right", fontweight="bold", **how)
        key.text(0.1, line, name, color=colours[dot.part.stage], **how)
        key.text(1, line, share, ha="right", **how)
