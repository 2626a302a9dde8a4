"""What all figures of a report share: width, colours, axes, legends, ticks."""

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from dsocr_symbolic.language.registry import load_conventions

Box = tuple[float, float, float, float]
"""Left, bottom, width and height in inches."""

WIDTH = 7.2
SMALL = 7.0
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


def shortened(name: str, most: int) -> str:
    """Leave out the middle of a path that is too long."""
    parts = name.split("/")
    while len("/".join(parts)) > most and len(parts) > 2:  # noqa: PLR2004 - its ends say most
        middle = len(parts) // 2
        parts = [*parts[:middle], *parts[middle + 1 :]]
        name = "/".join([*parts[:middle], "\u2026", *parts[middle:]])
    return name


def log_ticks(least: float, most: float) -> list[float]:
    """Return powers of ten between two values, or 1, 2 and 5 times those where they are few."""
    powers = range(math.floor(math.log10(least)), math.ceil(math.log10(most)) + 1)
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


def legend(
    place: Any, colours: Mapping[str, str], at: tuple[float, float], *, columns: int = 1, corner: str = "upper left"
) -> None:
    """Put a legend of coloured squares; ``at`` is in parts of the axes or figure."""
    from matplotlib.patches import Patch

    squares = [Patch(facecolor=colour, label=name) for name, colour in colours.items()]
    spacing = {"handleheight": 0.9, "columnspacing": 1.0, "handletextpad": 0.5}
    place.legend(handles=squares, loc=corner, bbox_to_anchor=at, ncols=columns, **spacing)


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
