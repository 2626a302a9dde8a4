"""What all figures share: size, type, colours, axes, and SVG text that is the same on every run."""

import io
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.registry import load_conventions
from dsocr_symbolic.writing.amounts import seconds

Box = tuple[float, float, float, float]


WIDTH = 7.2


TEXT = 8.0


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


_STYLE: Mapping[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": GREY,
    "axes.grid": True,
    "axes.labelcolor": INK,
    "axes.labelsize": TEXT,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": TEXT,
    "axes.titleweight": "bold",
    "font.family": ["DejaVu Sans"],
    "font.size": TEXT,
    "grid.color": PALE,
    "grid.linewidth": 0.5,
    "legend.borderaxespad": 0.0,
    "legend.fontsize": SMALL,
    "legend.frameon": False,
    "legend.handlelength": 1.2,
    "lines.linewidth": 1.3,
    "lines.markersize": 3.5,
    "svg.fonttype": "none",
    "svg.hashsalt": "dsocr_symbolic",
    "text.color": INK,
    "xtick.color": GREY,
    "xtick.labelcolor": INK,
    "xtick.labelsize": SMALL,
    "xtick.major.width": 0.6,
    "ytick.color": GREY,
    "ytick.labelcolor": INK,
    "ytick.labelsize": SMALL,
    "ytick.major.width": 0.6,
}


_TAG = re.compile(r"<[^>]+>")


_LONG_FRACTION = re.compile(r"-?\d+\.\d{3,}")


_HASHED_ID = re.compile(r'id="([A-Za-z]?[0-9a-f]{10,})"')


def stage_colours(stages: Iterable[str]) -> dict[str, str]:
    """Give each stage its colour, the same in every figure."""
    return {stage: _STAGES[place % len(_STAGES)] for place, stage in enumerate(stages)}


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
        found = [step * 10.0**power for power in powers for step in steps if least <= step * 10.0**power <= most]
        if len(found) > 3:  # noqa: PLR2004 - enough to read a scale by
            break
    return found


def duration(value: float) -> str:
    """Print a time to three digits."""
    return seconds(value, 3).replace(" us", " µs")


def time_unit(most: float) -> tuple[float, str]:
    """Return how many of a unit a second is, and the unit, for an axis up to a time."""
    return (1.0, "s") if most >= 1 else (1e3, "ms") if most >= 1e-3 else (1e6, "µs")  # noqa: PLR2004 - units of time


def category_colours() -> dict[str, str]:
    """Give each category of operators its colour, the same in every report."""
    return {name: _CATEGORIES[place % len(_CATEGORIES)] for place, name in enumerate(load_conventions().categories)}


@contextmanager
def style() -> Iterator[None]:
    """Draw in our style, whatever the user's own settings are.

    Raises
    ------
    UserError
        If matplotlib is not installed.
    """
    try:
        import matplotlib as mpl
    except ModuleNotFoundError as error:
        raise UserError("figures need matplotlib; pip install 'dsocr_symbolic[report]'") from error
    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(_STYLE)
        yield


def new_figure(height: float) -> Any:
    """Return an empty figure of the common width; inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(WIDTH, height), facecolor="white")


def axes(figure: Any, box: Box, title: str = "") -> Any:
    """Add axes at a place given as left, bottom, width and height in inches."""
    width, height = figure.get_size_inches()
    left, bottom, wide, high = box
    found = figure.add_axes((left / width, bottom / height, wide / width, high / height))
    found.set_title(title)
    return found


def legend(
    place: Any, colours: Mapping[str, str], at: tuple[float, float], *, columns: int = 1, corner: str = "upper left"
) -> None:
    """Put a legend of coloured squares; `at` is in parts of the axes or figure."""
    from matplotlib.patches import Patch

    squares = [Patch(facecolor=colour, label=name) for name, colour in colours.items()]
    place.legend(
        handles=squares,
        loc=corner,
        bbox_to_anchor=at,
        ncols=columns,
        handleheight=0.9,
        columnspacing=1.0,
        handletextpad=0.5,
    )


def stacked(
    place: Any, where: Sequence[float], rows: Mapping[str, Sequence[float]], colours: Mapping[str, str], **how: Any
) -> None:
    """Stack vertical bars, one colour per row."""
    base = [0.0] * len(where)
    for name, values in rows.items():
        place.bar(where, values, bottom=base, color=colours[name], edgecolor="white", linewidth=0.4, **how)
        base = [low + value for low, value in zip(base, values, strict=True)]


def svg(figure: Any, title: str) -> str:
    """Write a figure as SVG: text as text, no date, coordinates to a hundredth of a point, ids in order.

    Parameters
    ----------
    figure : matplotlib Figure
        Drawn in our style.
    title : str
        What a screen reader says of it.

    Returns
    -------
    str
        The same text for the same figure, on any machine.
    """
    buffer = io.StringIO()
    kept = {"Title": title, "Date": None, "Creator": None, "Format": None, "Type": None}
    figure.savefig(buffer, format="svg", metadata=kept)
    text = _TAG.sub(lambda tag: _LONG_FRACTION.sub(_rounded, tag.group()), buffer.getvalue())
    for place, name in enumerate(dict.fromkeys(_HASHED_ID.findall(text))):
        text = text.replace(name, f"shape{place}")
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def _rounded(found: re.Match[str]) -> str:
    text = f"{float(found.group()):.2f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text
