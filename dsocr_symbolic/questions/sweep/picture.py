"""A sweep as a picture: one metric over one or two axes, as SVG that is the same every time."""

import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.questions.sweep.extras import extra
from dsocr_symbolic.questions.sweep.marks import LOG_RATIO, PREFIXES, Chart, bars, heat_map, is_numeric, lines, shown
from dsocr_symbolic.writing.files import written_whole

if TYPE_CHECKING:
    import xarray

MOST_NUMBERS = 10**6


_MOST_SERIES = 8


_MOST_BARS = 60


_WIDTH, _HEIGHT, _ROW = 8.0, 5.0, 0.22  # inches


_GREY = "#555555"


_STYLE = {
    "svg.fonttype": "none",
    "svg.hashsalt": "dsocr_symbolic",
    "font.family": "DejaVu Sans",
    "font.size": 9.0,
    "text.parse_math": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": False,
}


_TAG = re.compile(r"<[^>]*>")


_LONG_DECIMAL = re.compile(r"-?\d+\.\d{3,}")


_SHORT = {"byte": "B", "FLOP": "FLOP", "s": "s"}


_SECONDS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))


def write_picture(data: "xarray.Dataset", path: Path) -> None:
    """Draw a sweep and write it as SVG, text as text.

    Parameters
    ----------
    data : xarray.Dataset
        What :func:`~dsocr_symbolic.questions.sweep.dataset.sweep` returned, with one metric.
    path : Path
        The file; one that exists is replaced. It is there whole or not at all.

    Raises
    ------
    UserError
        If it cannot be drawn, see :func:`draw`.
    """
    matplotlib = extra("matplotlib")
    with matplotlib.rc_context(_STYLE), written_whole(path) as draft:
        draw(data).savefig(draft, format="svg", dpi=200, metadata={"Date": None, "Creator": None})
        text = draft.read_text(encoding="utf-8")
        draft.write_text(_TAG.sub(lambda tag: _LONG_DECIMAL.sub(_rounded, tag[0]), text), encoding="utf-8")


def draw(data: "xarray.Dataset") -> Any:
    """Draw a sweep.

    An axis of numbers gives a line, one of names bars; a second axis of a few labels (or the stages) a family of
    them; a second long axis a heat map.

    Parameters
    ----------
    data : xarray.Dataset
        What :func:`~dsocr_symbolic.questions.sweep.dataset.sweep` returned, with one metric.

    Returns
    -------
    matplotlib.figure.Figure
        The picture.

    Raises
    ------
    UserError
        If there are several metrics, no axis, more than two, or more numbers than a picture can show.
    """
    metric, values = _one_metric(data)
    fixed = {str(name): values[name].values[0] for name in values.dims if values.sizes[name] == 1}
    values = values.isel(dict.fromkeys(fixed, 0))
    _check_drawable(values)
    unit = values.attrs["units"]
    across, series = _roles(values)
    crowded = not is_numeric(values, across) and values.size > _MOST_BARS
    mapped = bool(series) and (values.sizes[series] > _MOST_SERIES or crowded)
    logarithmic = not mapped and is_numeric(values, across) and _far_apart(values, series)
    factor, prefixed = (1.0, _SHORT.get(unit, unit)) if logarithmic else _scale(values.values, unit)
    chart = Chart(values=values / factor, across=across, series=series, label=f"{metric} [{prefixed}]")
    figure = extra("matplotlib.figure").Figure(figsize=(_WIDTH, _height(values)), layout="constrained")
    axes = figure.add_subplot()
    if mapped:
        heat_map(axes, chart)
    elif is_numeric(values, across):
        lines(axes, chart, _SHORT.get(unit, ""), logarithmic=logarithmic)
    else:
        bars(axes, chart)
    _captions(figure, data, metric, fixed)
    return figure


def _one_metric(data: "xarray.Dataset") -> tuple[str, "xarray.DataArray"]:
    """Return the only metric; numbers along its axes ascend."""
    names = [str(name) for name in data.data_vars]
    if len(names) != 1:
        raise UserError(f"a picture shows one metric, not {', '.join(names)}; ask for one")
    values = data[names[0]]
    return names[0], values.sortby([name for name in values.dims if is_numeric(values, str(name))])


def _check_drawable(values: "xarray.DataArray") -> None:
    varied = [str(name) for name in values.dims]
    if not varied:
        raise UserError(f"{values.name}: a single number is no picture; let an axis have more values")
    if len(varied) > 2:  # noqa: PLR2004
        raise UserError(f"a picture shows two axes, not {', '.join(varied)}; fix one of them, or write .csv")
    check_numbers(values.size)


def check_numbers(count: int) -> None:
    """Check that a picture can show so many numbers.

    Raises
    ------
    UserError
        If it cannot.
    """
    if count > MOST_NUMBERS:
        raise UserError(f"{count:,} numbers; a picture shows at most {MOST_NUMBERS:,}: take larger steps")


def _roles(values: "xarray.DataArray") -> tuple[str, str]:
    """Return the dimension that runs along the picture, and the other one, if there is one."""
    names = [str(name) for name in values.dims]
    ranked = sorted(names, key=lambda name: (is_numeric(values, name), values.sizes[name]), reverse=True)
    return ranked[0], ranked[1] if len(ranked) > 1 else ""


def _far_apart(values: "xarray.DataArray", series: str) -> bool:
    """Return whether an even scale would flatten some of several lines."""
    found = values.transpose(series, ...).values.tolist() if series else []
    tops = [max(above) for line in found if (above := [value for value in line if value > 0])]
    return len(tops) > 1 and max(tops) / min(tops) > LOG_RATIO


def _scale(values: Any, unit: str) -> tuple[float, str]:
    """Choose the prefix of a unit by the largest number; return its factor, and the unit with it."""
    finite = np.abs(values[np.isfinite(values)])
    largest = finite.max() if finite.size else 0.0
    if unit == "s":
        return next(((factor, name) for factor, name in _SECONDS if largest >= factor), (1.0, unit))
    short = _SHORT.get(unit)
    for factor, prefix, power in PREFIXES:
        if largest >= factor and "/" not in unit:
            return factor, f"{prefix}{short}" if short else f"{power} {unit}"
    return 1.0, short or unit


def _height(values: "xarray.DataArray") -> float:
    """Give every name a row of its own."""
    rows = [values.sizes[name] for name in values.dims if not is_numeric(values, str(name))]
    return max(_HEIGHT, 2.0 + _ROW * max(rows, default=0))


def _captions(figure: Any, data: "xarray.Dataset", metric: str, fixed: dict[str, Any]) -> None:
    """Say what is drawn above the picture, and what the metric means below it."""
    about = {str(name): str(value) for name, value in data.attrs.items()}
    about |= {name: shown(value) for name, value in fixed.items()}
    model, settings = about.pop("model"), about.pop("settings", "")
    part = about.pop("stage", about.pop("part", "total"))
    bound = [f"{name} {value}".replace(" ", "\u00a0") for name, value in about.items()]
    wrapped = textwrap.wrap(", ".join([*bound, *([settings] if settings else [])]), 125)
    of = "" if part == "total" else f" of {part}"
    figure.suptitle(f"{model}: {metric}{of}", x=0.01, ha="left", fontsize=12, fontweight="bold")
    small = {"fontsize": 7.5, "color": _GREY}
    figure.axes[0].set_title("\n".join(wrapped).replace("\u00a0", " "), loc="left", **small)
    meaning = textwrap.wrap(f"{metric}: {data[metric].attrs['long_name']}", 135)
    figure.supxlabel("\n".join(meaning), x=0.01, ha="left", **small)


def _rounded(found: re.Match[str]) -> str:
    """Keep two decimals: a hundredth of a point is not seen."""
    return f"{float(found[0]):.2f}".rstrip("0").rstrip(".")
