"""The roofline: what parts of the network reach, under what the machine allows."""

import math
from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from attrs import frozen

from dsocr_symbolic.reports.performance import figure_style as look
from dsocr_symbolic.reports.performance.numbers import RESOURCES, Performance, Spender
from dsocr_symbolic.writing.amounts import scaled

SMALLEST_SHARE = 0.0005
_HEIGHT = 4.9
_WHOLE: look.Box = (0.6, 2.72, 3.75, 1.93)
_CROWD: look.Box = (0.6, 0.42, 3.75, 1.75)
_KEY: look.Box = (4.55, 0.8, 2.55, 3.85)
_NUMBERED = 18
# Sizes on paper, in points: radii of dots, half a number's height, a letter's width, distances of numbers.
_LARGEST_RADIUS, _LEAST_RADIUS = 11.0, 1.8
_NUMBER = 4.2
_LETTER = 0.6 * look.SMALL
_DISTANCES = (6.5, 9.0, 12.0, 16.0, 21.0, 27.0)
_TURNS = tuple(math.radians(-45 + 15 * turn) for turn in sorted(range(-12, 12), key=lambda turn: (abs(turn), -turn)))

_Circle = tuple[float, float, float]


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

    def holds(self, dot: Dot) -> bool:
        """Whether a dot lies inside."""
        return self.left < dot.intensity < self.right and self.bottom < dot.rate < self.top


def draw(numbers: Performance) -> Any:
    """Draw parts as dots whose area is their time, numbered by time, under the machine's roofs; the crowd enlarged."""
    figure = look.new_figure(_HEIGHT)
    colours = look.stage_colours(stage.name for stage in numbers.stages)
    dots = _dots(numbers)
    whole, crowd = _frames(numbers, dots)
    # The roof of the CUDA cores may lie below the crowd.
    low = numbers.rates["cuda_core_flops"] <= crowd.bottom
    for frame, box, title, roofs in (
        (whole, _WHOLE, "a  All parts", ["cuda_core_flops"] if low else []),
        (crowd, _CROWD, "b  The framed corner of a", ["tensor_core_flops"] + ([] if low else ["cuda_core_flops"])),
    ):
        place = _panel(figure, frame, box, title)
        _roofs(place, frame, numbers)
        for dot in filter(frame.holds, dots):
            area, colour = (2 * dot.radius) ** 2, colours[dot.part.stage]
            place.scatter([dot.intensity], [dot.rate], s=area, color=colour, edgecolor="white", linewidth=0.5, zorder=3)
        names = [circle for resource in roofs for circle in _name_roof(place, frame, numbers, resource)]
        _number(place, [dot for dot in dots if crowd.holds(dot) == (frame is crowd)], numbers, names)
        if frame is whole:
            _mark_crowd(place, crowd)
            _name_slope(place, frame, numbers, dots)
    place.set_xlabel("arithmetic intensity [FLOP per byte moved]")
    _key(figure, dots, colours)
    return figure


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


def _roofs(place: Any, frame: Frame, numbers: Performance) -> None:
    """Draw one roof for memory and each kind of cores."""
    how = {"color": look.INK, "linewidth": 1.0, "zorder": 2}
    for resource, dashes in (("tensor_core_flops", "-"), ("cuda_core_flops", (0, (4, 2)))):
        peak = numbers.rates[resource]
        place.plot([numbers.ridges[resource], frame.right], [peak, peak], linestyle=dashes, **how)
    ends = [min(frame.left, *numbers.ridges.values()), max(numbers.ridges.values())]
    place.plot(ends, [end * numbers.rates["io_bytes"] for end in ends], **how)


def _on_paper(place: Any, x: float, y: float) -> tuple[float, float]:
    """Return where a point of the data lies, in points."""
    across, up = place.transData.transform((x, y)) * 72 / place.figure.dpi
    return float(across), float(up)


def _circle(place: Any, dot: Dot) -> _Circle:
    return (*_on_paper(place, dot.intensity, dot.rate), dot.radius)


def _name_roof(place: Any, frame: Frame, numbers: Performance, resource: str) -> list[_Circle]:
    """Write on the roof of one kind of cores what it is; return the room that the words take."""
    peak = numbers.rates[resource]
    away, side = (2.5, "bottom") if resource == "tensor_core_flops" else (-2.5, "top")
    words = f"{RESOURCES[resource]} {scaled(peak, 'FLOP/s')}"
    look.write(place, words, (frame.right, peak), (-2, away), ha="right", va=side, zorder=4)
    right, height = _on_paper(place, frame.right, peak)
    return [(right - back, height + 2.5 * away, _NUMBER) for back in range(0, round(_LETTER * len(words)), 4)]


def _name_slope(place: Any, frame: Frame, numbers: Performance, dots: Sequence[Dot]) -> None:
    """Write on the roof of the memory what it is, where dots are farthest."""
    bandwidth, ridge = numbers.rates["io_bytes"], min(numbers.ridges.values())
    (left, low), (right, high) = (_on_paper(place, x, x * bandwidth) for x in (1.0, 2.0))
    angle = math.atan2(high - low, right - left)
    circles = [_circle(place, dot) for dot in dots]

    def room(x: float) -> float:
        """Return how far the nearest dot is from words centred here."""
        across, up = _on_paper(place, x, x * bandwidth)
        spots = [(across + by * math.cos(angle), up + by * math.sin(angle)) for by in (-40, -20, 0, 20, 40)]
        return min((math.dist(spot, (u, v)) - radius for spot in spots for u, v, radius in circles), default=0.0)

    x = max((frame.left * (ridge / frame.left) ** (step / 40) for step in range(10, 33)), key=room)
    turned = {"ha": "center", "rotation": math.degrees(angle), "rotation_mode": "anchor", "zorder": 4}
    look.write(place, f"memory {scaled(bandwidth, 'B/s')}", (x, x * bandwidth), (-3, 3), **turned)


def _mark_crowd(place: Any, crowd: Frame) -> None:
    """Frame what is enlarged."""
    across = [crowd.left, crowd.right, crowd.right, crowd.left, crowd.left]
    up = [crowd.bottom, crowd.bottom, crowd.top, crowd.top, crowd.bottom]
    place.plot(across, up, color=look.GREY, linewidth=0.6, zorder=1)
    how = {"ha": "left", "va": "bottom", "fontweight": "bold", "color": look.GREY, "zorder": 4}
    look.write(place, "b", (crowd.left, crowd.top), (0, 2), **how)


def _number(place: Any, dots: Sequence[Dot], numbers: Performance, taken: Sequence[_Circle]) -> None:
    """Write numbers beside their dots, where nothing else is; dots on one spot share a label."""
    roofs = [_on_paper(place, 1.0, numbers.rates[resource])[1] for resource in numbers.ridges]
    circles = {dot.number: _circle(place, dot) for dot in dots if dot.number}
    labels: dict[int, list[int]] = {}
    for number, (x, y, _) in circles.items():
        near = (first for first in labels if math.dist(circles[first][:2], (x, y)) < _LEAST_RADIUS)
        labels.setdefault(next(near, number), []).append(number)
    obstacles = [*(_circle(place, dot) for dot in dots), *taken]
    for dot in (dot for dot in dots if dot.number in labels):
        words = ", ".join(str(number) for number in labels[dot.number])
        half, (x, y, radius) = _NUMBER * (0.4 + 0.55 * len(words)), circles[dot.number]
        away = _free((x, y, radius), half, obstacles, roofs)
        obstacles.append((x + away[0], y + away[1], half))
        far = math.hypot(*away) - radius > 2 * _NUMBER
        line = {"arrowstyle": "-", "color": look.INK, "linewidth": 0.4, "shrinkA": half, "shrinkB": radius}
        how = {"ha": "center", "va": "center", "fontweight": "bold", "fontsize": look.SMALL - 0.5, "zorder": 5}
        look.write(place, words, (dot.intensity, dot.rate), away, arrowprops=line if far else None, **how)


def _free(dot: _Circle, half: float, obstacles: Sequence[_Circle], roofs: Sequence[float]) -> tuple[float, float]:
    """Return the nearest offset at which a label meets no circle or roof, to the lower right if it can be."""
    x, y, radius = dot
    for distance, angle in product(_DISTANCES, _TURNS):
        reach = radius + distance + half - _NUMBER
        away = reach * math.cos(angle), reach * math.sin(angle)
        spot = x + away[0], y + away[1]
        meets = any(math.dist(spot, circle[:2]) < circle[2] + half for circle in obstacles)
        if not meets and all(abs(spot[1] - roof) >= _NUMBER for roof in roofs):
            return away
    return 0.0, -radius - half


def _key(figure: Any, dots: Sequence[Dot], colours: Mapping[str, str]) -> None:
    """Say which part each number is, and its part of the time."""
    key = look.axes(figure, _KEY)
    key.set_axis_off()
    key.set(xlim=(0, 1), ylim=(_NUMBERED + 2.5, 0))
    how = {"fontsize": look.SMALL - 0.5, "va": "center"}
    key.text(0.1, 0.4, "part of the network", fontweight="bold", **how)
    key.text(1, 0.4, "of the time", fontweight="bold", ha="right", **how)
    for dot in (dot for dot in dots if dot.number):
        line = dot.number + 0.5
        name = look.shortened(dot.part.name.partition("/")[2] or dot.part.name, 40)
        key.text(0.07, line, str(dot.number), ha="right", fontweight="bold", **how)
        key.text(0.1, line, name, color=colours[dot.part.stage], **how)
        key.text(1, line, f"{dot.part.share:.1%}", ha="right", **how)
    seen = {dot.part.stage for dot in dots}
    shown = {stage: colour for stage, colour in colours.items() if stage in seen}
    look.legend(key, shown, (0.0, 0.0), columns=4, corner="lower left")
