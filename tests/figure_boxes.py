"""What lies on what in a drawn figure: texts on texts, over the edge, and under lines, markers and edges of shapes."""

import math
from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import Any

import numpy as np
from attrs import frozen
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection, PolyCollection
from matplotlib.lines import Line2D
from matplotlib.patches import FancyArrowPatch, Patch
from matplotlib.text import Annotation, Text

# Words have air above and below their letters, and a little aside: so much of a box's height, and so many points.
_AIR, _ASIDE = 0.16, 0.5
_EDGE = 0.5


@frozen(eq=False)
class Box:
    """A text as a rectangle on paper, turned as the text is: its four corners in points."""

    words: str
    corners: Any

    @property
    def axes(self) -> Any:
        """The directions of its sides."""
        sides = self.corners[1:3] - self.corners[:2]
        return sides / np.linalg.norm(sides, axis=1, keepdims=True)


def faults(figure: Any) -> list[str]:
    """Say every fault of a figure, in words; the figure is laid out as it is for a file."""
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    texts = [(text, _box(text)) for text in _texts(figure)]
    width, height = figure.get_size_inches() * 72
    found = []
    for _, box in texts:
        left, bottom, right, top = *box.corners.min(axis=0), *box.corners.max(axis=0)
        if left < -_EDGE or bottom < -_EDGE or right > width + _EDGE or top > height + _EDGE:
            found.append(f"over the edge: {box.words!r}")
    found += [
        f"on one another: {one.words!r} and {other.words!r}"
        for (_, one), (_, other) in combinations(texts, 2)
        if _meet(one, other.corners)
    ]
    shapes = list(_shapes(figure))
    for text, box in texts:
        if text.get_bbox_patch() is None and not text.get_path_effects():
            found += [f"{kind} through: {box.words!r}" for kind in sorted({*_through(text, box, shapes)})]
    return found


def _through(text: Any, box: Box, shapes: list[tuple[Any, str, Any]]) -> Iterator[str]:
    low, high = box.corners.min(axis=0), box.corners.max(axis=0)
    for owner, kind, points in shapes:
        if owner is text or (points.max(axis=0) <= low).any() or (points.min(axis=0) >= high).any():
            continue
        met = _meet(box, points) if kind == "marker" else any(_meet(box, np.stack(pair)) for pair in pairwise(points))
        if met:
            yield kind


def _visible(artist: Any) -> Iterator[Any]:
    """Yield what is drawn: of an axis the ticks inside its limits, of a hidden artist nothing that it holds."""
    if not artist.get_visible():
        return
    yield artist
    children = artist.get_children()
    if isinstance(artist, Axis):
        yield from (artist.label, artist.offsetText)
        for tick in artist._update_ticks():
            yield from (label for label in (tick.label1, tick.label2) if label.get_visible())
        return
    if not getattr(artist, "axison", True):
        children = [child for child in children if not isinstance(child, Axis)]
    for child in children:
        yield from _visible(child)


def _texts(figure: Any) -> Iterator[Any]:
    for artist in _visible(figure):
        if isinstance(artist, Text) and artist.get_text().strip():
            yield artist


def _box(text: Any) -> Box:
    """Return the rectangle of a text: its box when it stands level, turned around the middle of its box as it is."""
    scale = 72 / text.get_figure(root=True).dpi
    if isinstance(text, Annotation):
        text.update_positions(text.get_figure(root=True).canvas.get_renderer())
    around = Text.get_window_extent(text)
    angle = text.get_rotation()
    text.set_rotation(0)
    level = Text.get_window_extent(text)
    text.set_rotation(angle)
    middle = np.array([around.x0 + around.x1, around.y0 + around.y1]) / 2
    lines = text.get_text().count("\n") + 1
    wide = level.width / 2 - _ASIDE / scale
    high = level.height / 2 - _AIR * level.height / lines
    corners = np.array([[-wide, -high], [wide, -high], [wide, high], [-wide, high]])
    turn = math.radians(angle)
    turned = corners @ np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])
    return Box(" ".join(text.get_text().split()), (turned + middle) * scale)


def _meet(box: Box, points: Any) -> bool:
    """Whether a rectangle meets a convex shape: no side of either parts them."""
    axes = list(box.axes)
    if len(points) == 4:
        axes += list(Box("", points).axes)
    elif len(points) > 2:
        axes.append(points.mean(axis=0) - box.corners.mean(axis=0) + 1e-9)
    else:
        along = points[1] - points[0]
        if not along.any():
            along = np.array([1.0, 0.0])
        axes.append(np.array([-along[1], along[0]]) / np.linalg.norm(along))
    for axis in axes:
        mine, theirs = box.corners @ axis, points @ axis
        if mine.max() <= theirs.min() or theirs.max() <= mine.min():
            return False
    return True


def _shapes(figure: Any) -> Iterator[tuple[Any, str, Any]]:
    """Yield what may spoil a text, with what it belongs to and its outline in points; a grid does not."""
    scale = 72 / figure.dpi
    for artist in _visible(figure):
        if isinstance(artist, Annotation) and artist.arrow_patch is not None and artist.arrowprops:
            path = artist.arrow_patch.get_path()
            yield (
                artist,
                "leader",
                artist.arrow_patch.get_transform().transform_path(path).to_polygons(closed_only=False)[0] * scale,
            )
        elif isinstance(artist, Line2D):
            yield from ((None, kind, points * scale) for kind, points in _line(artist))
        elif isinstance(artist, PathCollection):
            for (x, y), size in zip(
                artist.get_offset_transform().transform(artist.get_offsets()), artist.get_sizes(), strict=False
            ):
                yield None, "marker", _circle(x * scale, y * scale, math.sqrt(size) / 2)
        elif isinstance(artist, PolyCollection):
            for path in artist.get_paths():
                yield from (
                    (None, "edge", shape * scale) for shape in artist.get_transform().transform_path(path).to_polygons()
                )
        elif isinstance(artist, Patch) and not isinstance(artist, FancyArrowPatch):
            if artist is figure.patch or any(artist is axes.patch for axes in figure.axes) or artist.get_alpha() == 0:
                continue
            if artist.get_facecolor()[3] == 0 and artist.get_edgecolor()[3] == 0:
                continue
            path = artist.get_transform().transform_path(artist.get_path())
            for shape in path.to_polygons():
                if artist.axes is not None and artist.get_clip_on():
                    box = artist.axes.bbox
                    yield None, "edge", np.clip(shape, (box.x0, box.y0), (box.x1, box.y1)) * scale
                else:
                    yield None, "edge", shape * scale


def _line(line: Any) -> Iterator[tuple[str, Any]]:
    points = line.get_transform().transform(line.get_xydata())
    points = points[np.isfinite(points).all(axis=1)]
    if not len(points):
        return
    if line.get_linestyle() not in ("None", "", " ") and line.get_linewidth():
        if line.axes is not None and line.get_clip_on():
            box = line.axes.bbox
            points_in = list(_clipped(points, box))
            yield from (("line", pair) for pair in points_in)
        else:
            yield "line", points
    if line.get_marker() not in ("None", "", " ", None):
        half = line.get_markersize() / 2 * line.get_figure(root=True).dpi / 72
        for x, y in points:
            if not line.get_clip_on() or line.axes is None or line.axes.bbox.padded(2).contains(x, y):
                yield "marker", _circle(x, y, half)


def _clipped(points: Any, box: Any) -> Iterator[Any]:
    """Cut the pieces of a line to a box."""
    for one, other in pairwise(points):
        first, last, along = 0.0, 1.0, other - one
        for place, (low, high) in enumerate(((box.x0, box.x1), (box.y0, box.y1))):
            if along[place] == 0:
                if not low <= one[place] <= high:
                    first, last = 1.0, 0.0
                continue
            ends = sorted(((low - one[place]) / along[place], (high - one[place]) / along[place]))
            first, last = max(first, ends[0]), min(last, ends[1])
        if first < last:
            yield np.stack([one + first * along, one + last * along])


def _circle(x: float, y: float, radius: float) -> Any:
    turns = np.linspace(0, 2 * math.pi, 24, endpoint=False)
    return np.stack([x + radius * np.cos(turns), y + radius * np.sin(turns)], axis=1)
