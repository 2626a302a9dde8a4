"""A sweep as a picture: one metric over one or two axes, as SVG that is the same every time."""

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.questions.sweep.extras import extra
from dsocr_symbolic.writing.amounts import axis_unit, letters, prefixed
from dsocr_symbolic.writing.files import written_whole
from dsocr_symbolic.writing.svg import style, svg

if TYPE_CHECKING:
    import xarray

MOST_NUMBERS = 10**6
_MOST_SERIES = 8
_MOST_BARS = 60
_WIDTH, _HEIGHT, _ROW = 8.0, 5.0, 0.22  # inches
_BLUE, _BLACK, _GREY = "#1f5fa8", "#222222", "#555555"
_LOG_RATIO = 100
_MOST_MARKERS = 32
_MOST_TICKS = 12
_MOST_VECTORS = 1000
_LONGEST_WHOLE = 10**7


@frozen(kw_only=True, eq=False)
class Chart:
    """What is drawn.

    Attributes
    ----------
    values : xarray.DataArray
        The numbers, already divided by the prefix of their unit.
    across, series : str
        The dimension along the picture; the other one, empty if there is none.
    label : str
        The metric and its unit.
    """

    values: "xarray.DataArray"
    across: str
    series: str
    label: str

    def labels(self, name: str) -> list[str]:
        """Return the labels of a dimension as they are shown."""
        return [_shown(label) for label in self.values[name].values.tolist()]

    def title(self, name: str) -> str:
        """Return what stands along the axis of a dimension."""
        meaning = self.values[name].attrs.get("long_name", "")
        return name if meaning in ("", name) else f"{name}: {meaning}"


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
    if len(data.data_vars) != 1:
        raise UserError(f"a picture shows one metric, not {', '.join(map(str, data.data_vars))}; ask for one")
    (metric,) = map(str, data.data_vars)
    values = data[metric]
    values = values.sortby([name for name in values.dims if _is_numeric(values, str(name))])
    fixed = {str(name): values[name].values[0] for name in values.dims if values.sizes[name] == 1}
    values = values.isel(dict.fromkeys(fixed, 0))
    names = [str(name) for name in values.dims]
    if not names:
        raise UserError(f"{metric}: a single number is no picture; let an axis have more values")
    if len(names) > 2:  # noqa: PLR2004
        raise UserError(f"a picture shows two axes, not {', '.join(names)}; fix one of them, or write .csv")
    check_numbers(values.size)
    # What has the most numbers runs along the picture, and every name has a row of its own.
    rows = [values.sizes[name] for name in names if not _is_numeric(values, name)]
    height = max(_HEIGHT, 2.0 + _ROW * max(rows, default=0))
    ranked = sorted(names, key=lambda name: (_is_numeric(values, name), values.sizes[name]), reverse=True)
    across, series = (*ranked, "")[:2]
    numeric = _is_numeric(values, across)
    crowded = not numeric and values.size > _MOST_BARS
    mapped = bool(series) and (values.sizes[series] > _MOST_SERIES or crowded)
    logarithmic = not mapped and numeric and _far_apart(values, series)
    unit = values.attrs["units"]
    largest = np.abs(values.values[np.isfinite(values.values)]).max(initial=0.0)
    factor, scaled = (1.0, letters(unit) or unit) if logarithmic else axis_unit(largest, unit)
    chart = Chart(values=values / factor, across=across, series=series, label=f"{metric} [{scaled}]")
    figure = extra("matplotlib.figure").Figure(figsize=(_WIDTH, height), layout="constrained")
    axes = figure.add_subplot()
    if mapped:
        _heat_map(axes, chart)
    elif numeric:
        _lines(axes, chart, letters(unit), logarithmic=logarithmic)
    else:
        _bars(axes, chart)
    _captions(figure, data, metric, fixed)
    return figure


def check_numbers(count: int) -> None:
    """Raise where a picture cannot show so many numbers."""
    if count > MOST_NUMBERS:
        raise UserError(f"{count:,} numbers; a picture shows at most {MOST_NUMBERS:,}: take larger steps")


def _far_apart(values: "xarray.DataArray", series: str) -> bool:
    """Return whether an even scale would flatten some of several lines."""
    rows = values.transpose(series, ...).values.tolist() if series else []
    tops = [max(above) for row in rows if (above := [value for value in row if value > 0])]
    return len(tops) > 1 and max(tops) / min(tops) > _LOG_RATIO


def _captions(figure: Any, data: "xarray.Dataset", metric: str, fixed: dict[str, Any]) -> None:
    """Say what is drawn above the picture, and what the metric means below it."""
    about = {str(name): str(value) for name, value in data.attrs.items()}
    about |= {name: _shown(value) for name, value in fixed.items()}
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


def _is_numeric(values: "xarray.DataArray", name: str) -> bool:
    """Return whether the labels of a dimension are numbers."""
    return values[name].dtype.kind in "iuf"


def _shown(value: Any) -> str:
    """Print a label: names as they are, numbers in short."""
    if isinstance(value, str):
        return value
    number = float(value)
    if number.is_integer() and abs(number) < _LONGEST_WHOLE:
        return f"{number:,.0f}"
    factor, prefix = prefixed(abs(number))
    return f"{number / factor:,.6g}{prefix}"


def _lines(axes: Any, chart: Chart, unit: str, *, logarithmic: bool) -> None:
    """Draw one line per label of the series, from 0 or on a logarithmic scale of a unit with prefixes."""
    ticker = extra("matplotlib.ticker")
    along = chart.values[chart.across].values
    marker = "o" if len(along) <= _MOST_MARKERS else None
    for name, colour, numbers in _series(chart):
        width, above = (2.0, 3) if name == "total" else (1.4, 2)
        axes.plot(along, numbers, label=name, color=colour, marker=marker, markersize=3, linewidth=width, zorder=above)
    if logarithmic:
        axes.set_yscale("log", nonpositive="mask")
        axes.yaxis.set_major_formatter(ticker.EngFormatter(unit))
    else:
        axes.set_ylim(bottom=0.0)
        axes.yaxis.set_major_formatter(_tick)
    axes.set(xlabel=chart.title(chart.across), ylabel=chart.label)
    numbers = along.astype(np.float64)
    evenly = np.allclose(np.diff(numbers), numbers[1] - numbers[0])
    if not evenly and numbers.min() > 0 and numbers.max() / numbers.min() >= 10:  # noqa: PLR2004 - they grow by factors
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(ticker.NullLocator())
    if len(numbers) <= _MOST_TICKS:
        axes.xaxis.set_ticks(numbers, chart.labels(chart.across))
    else:
        axes.xaxis.set_major_formatter(lambda value, _: _shown(value))
    _legend(axes, chart)


def _bars(axes: Any, chart: Chart) -> None:
    """Draw horizontal bars with names along them, those of the series side by side."""
    names = chart.labels(chart.across)
    groups = _series(chart)
    height = 0.8 / len(groups)
    for place, (name, colour, numbers) in enumerate(groups):
        offset = (place - (len(groups) - 1) / 2) * height
        axes.barh(np.arange(len(names)) + offset, numbers, height * 0.92, label=name, color=colour)
    axes.set_yticks(range(len(names)), names)
    axes.invert_yaxis()
    axes.margins(y=0.02)
    axes.set(xlabel=chart.label, ylabel=chart.title(chart.across))
    axes.xaxis.set_major_formatter(_tick)
    axes.grid(visible=False, axis="y")
    _legend(axes, chart)


def _heat_map(axes: Any, chart: Chart) -> None:
    """Draw a cell per number; colours are logarithmic where numbers span orders of magnitude."""
    values, across, down = chart.values, chart.across, chart.series
    if not _is_numeric(values, across):
        across, down = down, across
    numbers = values.transpose(down, across).values
    finite = numbers[np.isfinite(numbers)]
    spans = finite.size and finite.min() > 0 and finite.max() / finite.min() > _LOG_RATIO
    axes.grid(visible=False)
    mesh = axes.pcolormesh(
        numbers,
        cmap="viridis",
        norm=extra("matplotlib.colors").LogNorm() if spans else None,
        edgecolors="face",
        linewidth=0.4,
        rasterized=numbers.size > _MOST_VECTORS,
    )
    for axis, name in ((axes.xaxis, across), (axes.yaxis, down)):
        labels = chart.labels(name)
        step = -(-len(labels) // _MOST_TICKS) if _is_numeric(values, name) else 1
        axis.set_ticks(np.arange(0, len(labels), step) + 0.5, labels[::step])
        axis.set_label_text(chart.title(name))
    if not _is_numeric(values, down):
        axes.invert_yaxis()
    axes.figure.colorbar(mesh, ax=axes, label=chart.label, pad=0.02).ax.yaxis.set_major_formatter(_tick)


def _tick(value: float, _: int) -> str:
    return f"{value:,.10g}"


def _series(chart: Chart) -> list[tuple[str, Any, Any]]:
    """Return the label, colour and numbers of every line or group of bars."""
    if not chart.series:
        return [("", _BLUE, chart.values.values)]
    colormaps, labels = extra("matplotlib").colormaps, chart.labels(chart.series)
    if _is_numeric(chart.values, chart.series):
        colours = list(colormaps["viridis"](np.linspace(0.0, 0.85, len(labels))))
    else:
        colours = list(colormaps["tab10"].colors)
    return [
        (label, _BLACK if label == "total" else colours[place], chart.values.isel({chart.series: place}).values)
        for place, label in enumerate(labels)
    ]


def _legend(axes: Any, chart: Chart) -> None:
    if chart.series:
        axes.legend(title=chart.series, loc="upper left", bbox_to_anchor=(1.01, 1.0))
