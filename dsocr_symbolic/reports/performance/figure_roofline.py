"""The roofline: what parts of the network reach, under what the machine allows."""

import math
import textwrap
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from attrs import frozen

from dsocr_symbolic.reports.performance import figure_style as look
from dsocr_symbolic.reports.performance.figure_labels import Point, Rectangle, Room, ranges
from dsocr_symbolic.reports.performance.numbers import RESOURCES, Performance, Spender
from dsocr_symbolic.writing.amounts import scaled
from dsocr_symbolic.writing.lettering import fitted, measured

SMALLEST_SHARE = 0.0005
_HEIGHT = 4.9
_WHOLE: look.Box = (0.6, 2.72, 3.75, 1.93)
_CROWD: look.Box = (0.6, 0.42, 3.75, 1.75)
_KEY: look.Box = (4.55, 1.2, 2.55, 3.45)
_KEY_OF_ROOFS, _GAP = 0.58, 0.05
_NUMBERED = 18
# Sizes on paper, in points: radii of dots, letters of numbers, how far words stay from the ends of an axis.
_LARGEST_RADIUS, _LEAST_RADIUS = 11.0, 1.8
_NUMBER = look.SMALL - 0.5
_MARGIN = 3.0
_FAR = 9.0
_LONGEST = 16
_ROOFS = {"io_bytes": (0, (1, 1)), "tensor_core_flops": "-", "cuda_core_flops": (0, (4, 2))}


@frozen(kw_only=True)
class Dot:
    """A part in the figure: FLOP per byte, FLOP/s, radius on paper in points, its number in the key or 0."""

    part: Spender
    intensity: float
    rate: float
    radius: float
    number: int


@frozen(kw_only=True)
class Frame:
    """Limits of axes: FLOP per byte, FLOP/s."""

    left: float
    right: float
    bottom: float
    top: float

    @property
    def ends(self) -> tuple[Point, Point]:
        """The lower left and the upper right corner."""
        return (self.left, self.bottom), (self.right, self.top)

    def holds(self, dot: Dot) -> bool:
        """Whether a dot lies inside."""
        return self.left < dot.intensity < self.right and self.bottom < dot.rate < self.top


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
        place = _panel(figure, frame, _raised(box, more), title)
        roofs = _roofs(place, frame, numbers)
        for dot in filter(frame.holds, dots):
            area, colour = (2 * dot.radius) ** 2, colours[dot.part.stage]
            place.scatter([dot.intensity], [dot.rate], s=area, color=colour, edgecolor="white", linewidth=0.5, zorder=3)
        inside = [dot for dot in dots if frame.holds(dot)]
        room = _room(place, frame, inside, [*roofs, *(_mark_crowd(place, crowd) if frame is whole else [])])
        named = _numbered([dot for dot in inside if crowd.holds(dot) == (frame is crowd)], place)
        if frame is whole:
            named.insert(0, ("b", (crowd.left, crowd.top), 0.0))
        _label(place, named, room)
    place.set_xlabel("arithmetic intensity [FLOP per byte moved]")
    _key(look.axes(figure, _raised(_KEY, more)), dots, colours)
    look.legend(figure, stages, (_KEY[0], _KEY[1] + more - _GAP), _KEY[2])
    _key_of_roofs(figure, numbers)
    return figure


def _raised(box: look.Box, more: float) -> look.Box:
    return (box[0], box[1] + more, *box[2:])


def _dots(numbers: Performance) -> list[Dot]:
    parts = [part for part in numbers.parts if part.share >= SMALLEST_SHARE and part.flops]
    return [
        Dot(
            part=part,
            intensity=float(part.flops / part.metrics["forward_io_bytes"]),
            rate=float(part.flops / part.metrics["roofline_s"]),
            radius=max(_LEAST_RADIUS, _LARGEST_RADIUS * math.sqrt(part.share / parts[0].share)),
            number=place if place <= _NUMBERED else 0,
        )
        for place, part in enumerate(parts, start=1)
    ]


def _frames(numbers: Performance, dots: Sequence[Dot]) -> tuple[Frame, Frame]:
    """Return limits that show every dot and the ridge, and those of the surroundings of the ridge."""
    peak, ridge = numbers.rates["tensor_core_flops"], numbers.ridges["tensor_core_flops"]
    least, most = (end([*(dot.intensity for dot in dots), ridge]) for end in (min, max))
    lowest = min([*(dot.rate for dot in dots), peak / 100])
    left = min(ridge, max((dot.intensity for dot in dots), default=ridge)) / 3
    bottom = left * numbers.rates["io_bytes"] / 1.15
    whole = Frame(left=least / 2.5, right=most * 4, bottom=lowest / 4, top=peak * 3)
    return whole, Frame(left=left, right=most * 1.5, bottom=bottom, top=peak * 1.3)


def _panel(figure: Any, frame: Frame, box: look.Box, title: str) -> Any:
    place = look.axes(figure, box, title)
    place.set(xscale="log", yscale="log", xlim=(frame.left, frame.right), ylim=(frame.bottom, frame.top))
    place.set(ylabel="reached [FLOP/s]", xticks=look.log_ticks(frame.left, frame.right))
    place.set_yticks(look.log_ticks(frame.bottom, frame.top))
    place.minorticks_off()
    for axis in (place.xaxis, place.yaxis):
        axis.set_major_formatter(lambda value, _: scaled(value, "") if value >= 1 else f"{value:g}")
    return place


def _roofs(place: Any, frame: Frame, numbers: Performance) -> list[Sequence[tuple[float, float]]]:
    """Draw one roof for memory and each kind of cores; return their ends."""
    ends = [min(frame.left, *numbers.ridges.values()), max(numbers.ridges.values())]
    lines = {"io_bytes": [(end, end * numbers.rates["io_bytes"]) for end in ends]}
    for resource, ridge in numbers.ridges.items():
        lines[resource] = [(x, numbers.rates[resource]) for x in (ridge, max(ridge, frame.right))]
    for resource, line in lines.items():
        place.plot(*zip(*line, strict=True), linestyle=_ROOFS[resource], color=look.INK, linewidth=1.0, zorder=2)
    return list(lines.values())


def _on_paper(place: Any, x: float, y: float) -> Point:
    """Return where a point of the data lies, in points."""
    across, up = place.transData.transform((x, y)) * 72 / place.figure.dpi
    return float(across), float(up)


def _room(place: Any, frame: Frame, dots: Sequence[Dot], lines: Sequence[Sequence[Point]]) -> Room:
    """Return the room for words inside the axes, beside dots and lines."""
    (left, bottom), (right, top) = (_on_paper(place, *end) for end in frame.ends)
    inside = Rectangle(left=left + _MARGIN, bottom=bottom + _MARGIN, right=right, top=top)
    circles = tuple((*_on_paper(place, dot.intensity, dot.rate), dot.radius) for dot in dots)
    drawn = [[_on_paper(place, *end) for end in line] for line in lines]
    return Room(inside=inside, circles=circles, lines=tuple(pair for line in drawn for pair in pairwise(line)))


def _mark_crowd(place: Any, crowd: Frame) -> list[Sequence[Point]]:
    """Frame what is enlarged; return the frame."""
    (left, bottom), (right, top) = crowd.ends
    corners = [(left, bottom), (right, bottom), (right, top), (left, top), (left, bottom)]
    place.plot(*zip(*corners, strict=True), color=look.GREY, linewidth=0.6, zorder=1)
    return [corners]


def _numbered(dots: Sequence[Dot], place: Any) -> list[tuple[str, Point, float]]:
    """Return the number of each dot, where it is and how large; dots on one spot share a label."""
    spots = {dot.number: _on_paper(place, dot.intensity, dot.rate) for dot in dots if dot.number}
    labels: dict[int, list[int]] = {}
    for number, spot in spots.items():
        near = (first for first in labels if math.dist(spots[first], spot) < _LEAST_RADIUS)
        labels.setdefault(next(near, number), []).append(number)
    return [
        ("\n".join(textwrap.wrap(ranges(labels[dot.number]), _LONGEST)), (dot.intensity, dot.rate), dot.radius)
        for dot in dots
        if dot.number in labels
    ]


def _label(place: Any, labels: Sequence[tuple[str, Point, float]], room: Room) -> None:
    """Write words at free spots beside their dots, with a line to those that are far."""
    dots = [_on_paper(place, *at) for _, at, _ in labels]
    sizes = [measured(words, _NUMBER, bold=True) for words, _, _ in labels]
    radii = [radius for _, _, radius in labels]
    wanted = [((*dot, radius), size) for dot, radius, size in zip(dots, radii, sizes, strict=True)]
    line = {"arrowstyle": "-", "color": look.INK, "linewidth": 0.4, "shrinkA": 0, "relpos": (0.5, 0.5)}
    how = {"ha": "center", "va": "center", "fontweight": "bold", "fontsize": _NUMBER, "zorder": 5}
    for (words, at, radius), dot, size, spot in zip(labels, dots, sizes, room.place(wanted), strict=True):
        away = spot[0] - dot[0], spot[1] - dot[1]
        far = math.hypot(*away) - radius > _FAR + math.hypot(*size) / 2
        look.write(place, words, at, away, arrowprops={**line, "shrinkB": radius} if far else None, **how)


def _key(key: Any, dots: Sequence[Dot], colours: Mapping[str, str]) -> None:
    """Say which part each number is, and its part of the time."""
    key.set_axis_off()
    key.set(xlim=(0, 1), ylim=(_NUMBERED + 1.2, 0))
    how = {"fontsize": _NUMBER, "va": "center"}
    key.text(0.1, 0.4, "part of the network", fontweight="bold", **how)
    key.text(1, 0.4, "of the time", fontweight="bold", ha="right", **how)
    wide = _KEY[2] * 72
    for dot in (dot for dot in dots if dot.number):
        line, share = dot.number + 0.5, f"{dot.part.share:.1%}"
        room = 0.9 * wide - measured(share, _NUMBER)[0] - 3 * _MARGIN
        name = fitted(dot.part.name.partition("/")[2] or dot.part.name, room, _NUMBER)
        key.text(0.07, line, str(dot.number), ha="right", fontweight="bold", **how)
        key.text(0.1, line, name, color=colours[dot.part.stage], **how)
        key.text(1, line, share, ha="right", **how)


def _key_of_roofs(figure: Any, numbers: Performance) -> None:
    """Say which line is which roof, and how high."""
    from matplotlib.lines import Line2D

    units = {resource: "B/s" if resource == "io_bytes" else "FLOP/s" for resource in _ROOFS}
    lines = [
        Line2D(
            [],
            [],
            color=look.INK,
            linewidth=1.0,
            linestyle=dashes,
            label=f"{RESOURCES[resource]} {scaled(numbers.rates[resource], units[resource])}",
        )
        for resource, dashes in _ROOFS.items()
    ]
    look.keyed(figure, lines, (_KEY[0], _KEY_OF_ROOFS), _KEY[2], level=False)
