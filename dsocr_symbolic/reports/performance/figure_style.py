"""What all figures of a report share: width, colours, axes, legends, ticks."""

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import accumulate
from typing import Any

from dsocr_symbolic.language.registry import load_conventions
from dsocr_symbolic.writing.lettering import fitted, measured

Box = tuple[float, float, float, float]
"""Left, bottom, width and height in inches."""

WIDTH = 7.2
SMALL = 7.0
# Of a legend in points: a square with the air around it, and a line.
_HANDLE, _LINE = 20.0, 11.0
INK, GREY, PALE = "#222222", "#777777", "#dddddd"
# Okabe and Ito's colours, told apart with any colour vision; stages take them in order of execution.
_STAGES = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#cc79a7", "#56b4e9")
# Tol's light scheme and lavender for categories, so that they are never taken for stages; grey for the rest.
_CATEGORIES = ("#99ddff", "#77aadd", "#eedd88", "#44bb99", "#ffaabb", "#bbcc33", "#aaaa00", "#bbaadd", "#ee8866")
REST = "#dddddd"
# What memory holds: weights, KV cache, activations.
MEMORY = ("#bbbbbb", "#56b4e9", "#cc79a7")
# One hue from light to dark, for an order such as batches.
_SHADES = ("#6baed6", "#4292c6", "#2171b5", "#08519c", "#08306b", "#000000")
_MOST_POWERS = 10
MARKS = ("o", "s", "^", "D", "v", "P")


def stage_colours(stages: Iterable[str]) -> dict[str, str]:
    """Give each stage its colour, the same in every figure."""
    return {stage: _STAGES[place % len(_STAGES)] for place, stage in enumerate(stages)}


def category_colours() -> dict[str, str]:
    """Give each category of operators its colour, the same in every report."""
    return {name: _CATEGORIES[place % len(_CATEGORIES)] for place, name in enumerate(load_conventions().categories)}


def shades(count: int) -> list[str]:
    """Return colours from light to dark."""
    last = len(_SHADES) - 1
    return [_SHADES[round(place * last / (count - 1)) if count > 1 else last] for place in range(count)]


def log_ticks(least: float, most: float) -> list[float]:
    """Return powers of ten between two values, some where they are many, 1, 2 and 5 times those where they are few."""
    powers = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
    powers = powers[:: 1 + len(powers) // _MOST_POWERS]
    for steps in ((1,), (1, 2, 5)):
        ticks = [step * 10.0**power for power in powers for step in steps if least <= step * 10.0**power <= most]
        if len(ticks) > 3:  # noqa: PLR2004 - enough to read a scale by
            break
    return ticks


def new_figure(height: float) -> Any:
    """Return an empty figure of the common width; inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, height), facecolor="white")


def axes(figure: Any, box: Box, title: str = "") -> Any:
    """Add axes at a place."""
    width, height = figure.get_size_inches()
    left, bottom, wide, high = box
    made = figure.add_axes((left / width, bottom / height, wide / width, high / height))
    made.set_title(title)
    return made


def write(place: Any, words: str, at: tuple[float, float], away: tuple[float, float], **how: Any) -> None:
    """Write in small letters at a point of the data, moved away by some points of paper."""
    place.annotate(words, at, xytext=away, textcoords="offset points", **{"fontsize": SMALL, **how})


def legend(figure: Any, colours: Mapping[str, str], at: tuple[float, float], wide: float) -> None:
    """Put a legend of coloured squares, see :func:`keyed`."""
    from matplotlib.patches import Patch

    keyed(figure, [Patch(facecolor=colour, label=name) for name, colour in colours.items()], at, wide)


def keyed(figure: Any, handles: Sequence[Any], at: tuple[float, float], wide: float, *, level: bool = True) -> None:
    """Put a legend whose upper left corner is at a place, in inches, and that is so wide at most.

    Names stand side by side where they may and can, and those that are too long for a line are cut.
    """
    width, height = figure.get_size_inches()
    for handle in handles:
        handle.set_label(fitted(handle.get_label(), wide * 72 - _HANDLE, SMALL))
    columns = _columns([handle.get_label() for handle in handles], wide) if level else 1
    spacing = {"handleheight": 0.9, "columnspacing": 1.0, "handletextpad": 0.5}
    corner = (at[0] / width, at[1] / height)
    figure.legend(handles=handles, loc="upper left", bbox_to_anchor=corner, ncols=columns, **spacing)


def legend_height(names: Sequence[str], wide: float) -> float:
    """Return how high the legend of some names is, in inches."""
    return -(-len(names) // _columns(names, wide)) * _LINE / 72


def _columns(names: Sequence[str], wide: float) -> int:
    widths = [_HANDLE + measured(name, SMALL)[0] for name in names]
    return next((count for count in range(len(names), 1, -1) if _across(widths, count) <= wide * 72), 1)


def _across(widths: Sequence[float], columns: int) -> float:
    """Return the width of all columns; they are filled one after the other, the first ones with one more."""
    each, more = divmod(len(widths), columns)
    sizes = [each + (place < more) for place in range(columns)]
    return sum(max(widths[end - size : end]) for size, end in zip(sizes, accumulate(sizes), strict=True))


def stacked(
    place: Any,
    where: Sequence[float],
    rows: Mapping[str, Sequence[float]],
    colours: Mapping[str, str],
    *,
    thick: float,
    level: bool = False,
) -> None:
    """Stack bars that stand, or lie, at some places, one colour per row."""
    draw, start, size = (place.barh, "left", "height") if level else (place.bar, "bottom", "width")
    base = [0.0] * len(where)
    for name, values in rows.items():
        draw(where, values, color=colours[name], edgecolor="white", linewidth=0.4, **{start: base, size: thick})
        base = [low + value for low, value in zip(base, values, strict=True)]
