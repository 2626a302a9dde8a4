"""The roofline: what parts of the network reach, under what the machine allows."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from attrs import frozen

from dsocr_symbolic.reports.performance import figure_style as look
from dsocr_symbolic.reports.performance.numbers import RESOURCES, Part, Performance
from dsocr_symbolic.writing.amounts import scaled

TITLE = "Roofline: FLOP/s reached by parts of the network against their arithmetic intensity"


_HEIGHT = 4.9


_WHOLE: look.Box = (0.6, 2.72, 3.75, 1.93)


_CROWD: look.Box = (0.6, 0.42, 3.75, 1.75)


_KEY: look.Box = (4.55, 0.8, 2.55, 3.85)


SMALLEST_SHARE = 0.0005


_NUMBERED = 18


_LARGEST_RADIUS = 11.0


_LEAST_RADIUS = 1.8


_NUMBER = 4.2


_CHARACTER = 0.6 * look.SMALL


_POINTS_PER_INCH = 72


_DISTANCES = (6.5, 9.0, 12.0, 16.0, 21.0, 27.0)


_TURNS = 24


_Point = tuple[float, float]


_Circle = tuple[float, float, float]


@frozen(kw_only=True)
class Dot:
    """A part in the figure: FLOP per byte, FLOP/s, radius on paper in points, its number in the key or 0."""

    part: Part
    intensity: float
    rate: float
    radius: float
    number: int


@frozen(kw_only=True)
class Frame:
    """Limits of axes, and their size on paper in inches."""

    left: float
    right: float
    bottom: float
    top: float
    box: look.Box

    def holds(self, dot: Dot) -> bool:
        """Whether a dot lies inside."""
        return self.left < dot.intensity < self.right and self.bottom < dot.rate < self.top

    def on_paper(self, x: float, y: float) -> _Point:
        """Return where a point lies, in points from the lower left corner."""
        across = math.log(x / self.left) / math.log(self.right / self.left)
        up = math.log(y / self.bottom) / math.log(self.top / self.bottom)
        return across * self.box[2] * _POINTS_PER_INCH, up * self.box[3] * _POINTS_PER_INCH


def draw(numbers: Performance) -> Any:
    """Draw parts as dots whose area is their time, numbered by time, under the machine's roofs; the crowd enlarged."""
    figure = look.new_figure(_HEIGHT)
    colours = look.stage_colours(stage.name for stage in numbers.stages)
    dots = _dots(numbers)
    whole, crowd = _frames(numbers, dots)
    inside = [dot for dot in dots if crowd.holds(dot)]
    # The roof of the CUDA cores may lie below the crowd.
    lower = "cuda_core_flops" if numbers.rates["cuda_core_flops"] > crowd.bottom else ""
    for frame, title, mine, named in (
        (whole, "a  All parts", [dot for dot in dots if dot not in inside], () if lower else ("cuda_core_flops",)),
        (crowd, "b  The framed corner of a", inside, ("tensor_core_flops", lower) if lower else ("tensor_core_flops",)),
    ):
        place = _panel(figure, frame, title)
        _roofs(place, frame, numbers)
        for dot in filter(frame.holds, dots):
            area, colour = (2 * dot.radius) ** 2, colours[dot.part.stage]
            place.scatter([dot.intensity], [dot.rate], s=area, color=colour, edgecolor="white", linewidth=0.5, zorder=3)
        taken = [spot for resource in named for spot in _name_roof(place, frame, numbers, resource)]
        _numbers(place, frame, mine, [numbers.rates[each] for each in numbers.ridges], taken)
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
    intensities = [dot.intensity for dot in dots]
    rates = [dot.rate for dot in dots]
    whole = Frame(
        left=min([*intensities, ridge]) / 2.5,
        right=max([*intensities, ridge]) * 4,
        bottom=min([*rates, peak / 100]) / 4,
        top=peak * 3,
        box=_WHOLE,
    )
    left = min(ridge, max(intensities, default=ridge)) / 3
    crowd = Frame(
        left=left,
        right=max([*intensities, ridge]) * 1.5,
        bottom=left * numbers.rates["io_bytes"] / 1.15,
        top=peak * 1.3,
        box=_CROWD,
    )
    return whole, crowd


def _panel(figure: Any, frame: Frame, title: str) -> Any:
    place = look.axes(figure, frame.box, title)
    place.set_ylabel("reached [FLOP/s]")
    place.set(xscale="log", yscale="log", xlim=(frame.left, frame.right), ylim=(frame.bottom, frame.top))
    place.set_xticks(look.log_ticks(frame.left, frame.right))
    place.set_yticks(look.log_ticks(frame.bottom, frame.top))
    place.minorticks_off()
    place.xaxis.set_major_formatter(_plain)
    place.yaxis.set_major_formatter(_plain)
    return place


def _plain(value: float, _: Any) -> str:
    return scaled(value, "") if value >= 1 else f"{value:g}"


def _roofs(place: Any, frame: Frame, numbers: Performance) -> None:
    """Draw one roof for memory and each kind of cores."""
    bandwidth = numbers.rates["io_bytes"]
    for resource, dashes in (("tensor_core_flops", "-"), ("cuda_core_flops", (0, (4, 2)))):
        peak, ridge = numbers.rates[resource], numbers.ridges[resource]
        place.plot([ridge, frame.right], [peak, peak], color=look.INK, linestyle=dashes, linewidth=1.0, zorder=2)
    ridge, low = max(numbers.ridges.values()), min(frame.left, *numbers.ridges.values())
    place.plot([low, ridge], [low * bandwidth, ridge * bandwidth], color=look.INK, linewidth=1.0, zorder=2)


def _name_roof(place: Any, frame: Frame, numbers: Performance, resource: str) -> list[_Circle]:
    """Write on the roof of one kind of cores what it is; return the room that the words take."""
    peak = numbers.rates[resource]
    away, side = (2.5, "bottom") if resource == "tensor_core_flops" else (-2.5, "top")
    words = f"{RESOURCES[resource]} {scaled(peak, 'FLOP/s')}"
    _write(place, words, (frame.right, peak), (-2, away), ha="right", va=side)
    right, height = frame.on_paper(frame.right, peak)
    return [(right - back, height + 2.5 * away, _NUMBER) for back in range(0, round(_CHARACTER * len(words)), 4)]


def _name_slope(place: Any, frame: Frame, numbers: Performance, dots: Sequence[Dot]) -> None:
    """Write on the roof of the memory what it is, where dots are farthest."""
    bandwidth, ridge = numbers.rates["io_bytes"], min(numbers.ridges.values())
    start, end = frame.on_paper(1.0, bandwidth), frame.on_paper(2.0, 2 * bandwidth)
    angle = math.atan2(end[1] - start[1], end[0] - start[0])
    spots = [(*frame.on_paper(dot.intensity, dot.rate), dot.radius) for dot in dots]

    def room(x: float) -> float:
        """Return how far the nearest dot is from words centred here."""
        u, v = frame.on_paper(x, x * bandwidth)
        along = [(u + reach * math.cos(angle), v + reach * math.sin(angle)) for reach in (-40, -20, 0, 20, 40)]
        return min((math.dist(each, spot[:2]) - spot[2] for each in along for spot in spots), default=0.0)

    x = max((frame.left * (ridge / frame.left) ** (part / 40) for part in range(10, 33)), key=room)
    words = f"memory {scaled(bandwidth, 'B/s')}"
    _write(place, words, (x, x * bandwidth), (-3, 3), ha="center", rotation=math.degrees(angle), rotation_mode="anchor")


def _write(place: Any, words: str, at: _Point, away: _Point, **how: Any) -> None:
    place.annotate(words, at, xytext=away, textcoords="offset points", fontsize=look.SMALL, zorder=4, **how)


def _mark_crowd(place: Any, crowd: Frame) -> None:
    """Frame what is enlarged."""
    across = [crowd.left, crowd.right, crowd.right, crowd.left, crowd.left]
    up = [crowd.bottom, crowd.bottom, crowd.top, crowd.top, crowd.bottom]
    place.plot(across, up, color=look.GREY, linewidth=0.6, zorder=1)
    _write(place, "b", (crowd.left, crowd.top), (0, 2), ha="left", va="bottom", fontweight="bold", color=look.GREY)


def _numbers(place: Any, frame: Frame, dots: Sequence[Dot], levels: Sequence[float], taken: Sequence[_Circle]) -> None:
    """Write numbers beside their dots, where nothing else is; dots on one spot share a label."""
    lines = [frame.on_paper(frame.right, level)[1] for level in levels]
    circles = [(*frame.on_paper(dot.intensity, dot.rate), dot.radius) for dot in dots]
    labels: list[tuple[str, int]] = []
    for index, (dot, (x, y, _)) in enumerate(zip(dots, circles, strict=True)):
        if not dot.number:
            continue
        near = [spot for spot, (_, first) in enumerate(labels) if math.dist(circles[first][:2], (x, y)) < _LEAST_RADIUS]
        if near:
            labels[near[0]] = f"{labels[near[0]][0]}, {dot.number}", labels[near[0]][1]
        else:
            labels.append((str(dot.number), index))
    taken = list(taken)
    for words, index in labels:
        half = _NUMBER * (0.4 + 0.55 * len(words))
        x, y, radius = circles[index]
        away = _free(circles[index], half, circles, taken, lines)
        taken.append((x + away[0], y + away[1], half))
        line = {"arrowstyle": "-", "color": look.INK, "linewidth": 0.4, "shrinkA": half, "shrinkB": radius}
        place.annotate(
            words,
            (dots[index].intensity, dots[index].rate),
            xytext=away,
            textcoords="offset points",
            ha="center",
            va="center",
            fontsize=look.SMALL - 0.5,
            fontweight="bold",
            zorder=5,
            arrowprops=line if math.hypot(*away) - radius > 2 * _NUMBER else None,
        )


def _free(
    dot: _Circle, half: float, circles: Sequence[_Circle], taken: Sequence[_Circle], lines: Sequence[float]
) -> _Point:
    """Return the nearest offset at which a label meets no dot, label or line, to the lower right if it can be."""
    x, y, radius = dot
    for distance in _DISTANCES:
        for turn in range(_TURNS):
            angle = math.radians(-45 + (1 if turn % 2 else -1) * ((turn + 1) // 2) * 360 / _TURNS)
            reach = radius + distance + half - _NUMBER
            away = reach * math.cos(angle), reach * math.sin(angle)
            spot = x + away[0], y + away[1]
            meets = any(math.dist(spot, each[:2]) < each[2] + half for each in (*circles, *taken))
            if not meets and all(abs(spot[1] - line) >= _NUMBER for line in lines):
                return away
    return 0.0, -radius - half


def _key(figure: Any, dots: Sequence[Dot], colours: Mapping[str, str]) -> None:
    """Say which part each number is, and its part of the time."""
    key = look.axes(figure, _KEY)
    key.set_axis_off()
    key.set(xlim=(0, 1), ylim=(_NUMBERED + 2.5, 0))
    size = look.SMALL - 0.5
    key.text(0.1, 0.4, "part of the network", fontsize=size, fontweight="bold", va="center")
    key.text(1, 0.4, "of the time", fontsize=size, fontweight="bold", va="center", ha="right")
    for dot in dots:
        if dot.number:
            line, colour = dot.number + 0.5, colours[dot.part.stage]
            name = look.shortened(dot.part.name.partition("/")[2] or dot.part.name, 40)
            key.text(0.07, line, str(dot.number), fontsize=size, va="center", ha="right", fontweight="bold")
            key.text(0.1, line, name, fontsize=size, va="center", color=colour)
            key.text(1, line, f"{dot.part.share:.1%}", fontsize=size, va="center", ha="right")
    seen = {dot.part.stage for dot in dots}
    shown = {stage: colour for stage, colour in colours.items() if stage in seen}
    look.legend(key, shown, (0.0, 0.0), columns=4, corner="lower left")
