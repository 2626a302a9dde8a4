"""What figures of a roofline share: the machine's roofs, dots below them, their numbers beside them."""

import math
import textwrap
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

from attrs import frozen

from dsocr_symbolic.reports.performance import figure_style as look
from dsocr_symbolic.reports.performance.figure_labels import Point, Rectangle, Room, ranges
from dsocr_symbolic.reports.performance.numbers import RESOURCES, Performance
from dsocr_symbolic.writing.amounts import scaled
from dsocr_symbolic.writing.lettering import measured

# Sizes on paper, in points: letters of numbers, the least radius of a dot, how far words stay from the ends of an axis.
NUMBER = look.SMALL - 0.5
LEAST_RADIUS, MARGIN = 1.8, 3.0
_FAR = 9.0
_LONGEST = 16
_ROOFS = {"io_bytes": (0, (1, 1)), "tensor_core_flops": "-", "cuda_core_flops": (0, (4, 2))}


@frozen(kw_only=True)
class Dot:
    """Something in a figure: its place in the data, radius on paper in points, its number in the key or 0."""

    at: Point
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
        return self.left < dot.at[0] < self.right and self.bottom < dot.at[1] < self.top


def panel(figure: Any, frame: Frame, box: look.Box, title: str) -> Any:
    """Add axes of a roofline: FLOP/s against FLOP per byte, both logarithmic."""
    place = look.axes(figure, box, title)
    place.set(xscale="log", yscale="log", xlim=(frame.left, frame.right), ylim=(frame.bottom, frame.top))
    place.set(ylabel="reached [FLOP/s]", xticks=look.log_ticks(frame.left, frame.right))
    place.set_yticks(look.log_ticks(frame.bottom, frame.top))
    place.minorticks_off()
    for axis in (place.xaxis, place.yaxis):
        axis.set_major_formatter(lambda value, _: scaled(value, "") if value >= 1 else f"{value:g}")
    return place


def roofs(place: Any, frame: Frame, numbers: Performance) -> list[Sequence[tuple[float, float]]]:
    """Draw one roof for memory and each kind of cores; return their ends."""
    ends = [min(frame.left, *numbers.ridges.values()), max(numbers.ridges.values())]
    lines = {"io_bytes": [(end, end * numbers.rates["io_bytes"]) for end in ends]}
    for resource, ridge in numbers.ridges.items():
        lines[resource] = [(x, numbers.rates[resource]) for x in (ridge, max(ridge, frame.right))]
    for resource, line in lines.items():
        place.plot(*zip(*line, strict=True), linestyle=_ROOFS[resource], color=look.INK, linewidth=1.0, zorder=2)
    return list(lines.values())


def on_paper(place: Any, at: Point) -> Point:
    """Return where a point of the data lies, in points."""
    across, up = place.transData.transform(at) * 72 / place.figure.dpi
    return float(across), float(up)


def room_beside(
    place: Any, frame: Frame, dots: Iterable[Dot], lines: Sequence[Sequence[Point]], margin: float = MARGIN
) -> Room:
    """Return the room for words inside the axes, beside dots and lines."""
    (left, bottom), (right, top) = (on_paper(place, end) for end in frame.ends)
    inside = Rectangle(left=left + margin, bottom=bottom + margin, right=right, top=top)
    circles = tuple((*on_paper(place, dot.at), dot.radius) for dot in dots)
    drawn = [[on_paper(place, end) for end in line] for line in lines]
    return Room(inside=inside, circles=circles, lines=tuple(pair for line in drawn for pair in pairwise(line)))


def numbered(dots: Sequence[Dot], place: Any) -> list[tuple[str, Point, float]]:
    """Return the number of each dot, where it is and how large; dots on one spot share a label."""
    spots = {dot.number: on_paper(place, dot.at) for dot in dots if dot.number}
    labels: dict[int, list[int]] = {}
    for number, spot in spots.items():
        near = (first for first in labels if math.dist(spots[first], spot) < LEAST_RADIUS)
        labels.setdefault(next(near, number), []).append(number)
    return [
        ("\n".join(textwrap.wrap(ranges(labels[dot.number]), _LONGEST)), dot.at, dot.radius)
        for dot in dots
        if dot.number in labels
    ]


def label(place: Any, labels: Sequence[tuple[str, Point, float]], room: Room) -> None:
    """Write words at free spots beside their dots, with a line to those that are far."""
    dots = [on_paper(place, at) for _, at, _ in labels]
    sizes = [measured(words, NUMBER, bold=True) for words, _, _ in labels]
    radii = [radius for _, _, radius in labels]
    wanted = [((*dot, radius), size) for dot, radius, size in zip(dots, radii, sizes, strict=True)]
    line = {"arrowstyle": "-", "color": look.INK, "linewidth": 0.4, "shrinkA": 0, "relpos": (0.5, 0.5)}
    how = {"ha": "center", "va": "center", "fontweight": "bold", "fontsize": NUMBER, "zorder": 5}
    for (words, at, radius), dot, size, spot in zip(labels, dots, sizes, room.place(wanted), strict=True):
        away = spot[0] - dot[0], spot[1] - dot[1]
        far = math.hypot(*away) - radius > _FAR + math.hypot(*size) / 2
        look.write(place, words, at, away, arrowprops={**line, "shrinkB": radius} if far else None, **how)


def key_of_roofs(figure: Any, numbers: Performance, at: Point, wide: float) -> None:
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
    look.keyed(figure, lines, at, wide, level=False)
