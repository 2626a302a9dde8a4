"""A sweep as a picture: one metric over one or two axes, as SVG that is the same every time."""

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.questions.sweep.extras import extra
from dsocr_symbolic.questions.sweep.marks import LOG_RATIO, Chart, bars, heat_map, is_numeric, lines, shown
from dsocr_symbolic.writing.amounts import axis_unit, letters
from dsocr_symbolic.writing.files import written_whole
from dsocr_symbolic.writing.svg import style, svg

if TYPE_CHECKING:
    import xarray

MOST_NUMBERS = 10**6
_MOST_SERIES = 8
_MOST_BARS = 60
_WIDTH, _HEIGHT, _ROW = 8.0, 5.0, 0.22  # inches
_GREY = "#555555"


def write_picture(data: "xarray.Dataset", path: Path) -> None:
    """Draw a sweep of one metric, see :func:`draw`, and write it as SVG, whole or not at all."""
    extra("matplotlib")
    with style():
        (metric,) = data.data_vars if len(data.data_vars) == 1 else ("",)
        text = svg(draw(data), f"{metric} of {data.attrs.get('model', '')}", dpi=200)
    with written_whole(path) as draft:
        draft.write_text(text, encoding="utf-8")


def draw(data: "xarray.Dataset") -> Any:
    """Draw what :func:`~dsocr_symbolic.questions.sweep.dataset.sweep` returned, of one metric, as a matplotlib figure.

    An axis of numbers gives a line, one of names bars; a second axis of a few labels (or the stages) a family of
    them; a second long axis a heat map.
    """
    metric, values = _one_metric(data)
    fixed = {str(name): values[name].values[0] for name in values.dims if values.sizes[name] == 1}
    values = values.isel(dict.fromkeys(fixed, 0))
    _check_drawable(values)
    # What has the most numbers runs along the picture.
    names = [str(name) for name in values.dims]
    ranked = sorted(names, key=lambda name: (is_numeric(values, name), values.sizes[name]), reverse=True)
    across, series = (*ranked, "")[:2]
    numeric = is_numeric(values, across)
    crowded = not numeric and values.size > _MOST_BARS
    mapped = bool(series) and (values.sizes[series] > _MOST_SERIES or crowded)
    logarithmic = not mapped and numeric and _far_apart(values, series)
    unit = values.attrs["units"]
    largest = np.abs(values.values[np.isfinite(values.values)]).max(initial=0.0)
    factor, scaled = (1.0, letters(unit) or unit) if logarithmic else axis_unit(largest, unit)
    chart = Chart(values=values / factor, across=across, series=series, label=f"{metric} [{scaled}]")
    figure = extra("matplotlib.figure").Figure(figsize=(_WIDTH, _height(values)), layout="constrained")
    axes = figure.add_subplot()
    if mapped:
        heat_map(axes, chart)
    elif numeric:
        lines(axes, chart, letters(unit), logarithmic=logarithmic)
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
    """Raise where a picture cannot show so many numbers."""
    if count > MOST_NUMBERS:
        raise UserError(f"{count:,} numbers; a picture shows at most {MOST_NUMBERS:,}: take larger steps")


def _far_apart(values: "xarray.DataArray", series: str) -> bool:
    """Return whether an even scale would flatten some of several lines."""
    rows = values.transpose(series, ...).values.tolist() if series else []
    tops = [max(above) for row in rows if (above := [value for value in row if value > 0])]
    return len(tops) > 1 and max(tops) / min(tops) > LOG_RATIO


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
    said = textwrap.wrap(", ".join([*bound, *([settings] if settings else [])]), 125)
    of = "" if part == "total" else f" of {part}"
    figure.suptitle(f"{model}: {metric}{of}", x=0.01, ha="left", fontsize=12, fontweight="bold")
    small = {"fontsize": 7.5, "color": _GREY}
    how = {"loc": "left", "fontweight": "normal", **small}
    figure.axes[0].set_title("\n".join(said).replace("\u00a0", " "), **how)
    meaning = textwrap.wrap(f"{metric}: {data[metric].attrs['long_name']}", 135)
    figure.supxlabel("\n".join(meaning), x=0.01, ha="left", **small)
