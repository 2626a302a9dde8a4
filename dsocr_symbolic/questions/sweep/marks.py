"""The marks of a picture of a sweep: lines, bars and heat maps on matplotlib axes."""

from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen

from dsocr_symbolic.questions.sweep.extras import extra
from dsocr_symbolic.writing.amounts import prefixed

if TYPE_CHECKING:
    import xarray

LOG_RATIO = 100
_MOST_MARKERS = 32
_MOST_TICKS = 12
_MOST_VECTORS = 1000
_LONGEST_WHOLE = 10**7
_BLUE, _BLACK = "#1f5fa8", "#222222"


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
        return [shown(label) for label in self.values[name].values.tolist()]

    def title(self, name: str) -> str:
        """Return what stands along the axis of a dimension."""
        meaning = self.values[name].attrs.get("long_name", "")
        return name if meaning in ("", name) else f"{name}: {meaning}"


def is_numeric(values: "xarray.DataArray", name: str) -> bool:
    """Return whether the labels of a dimension are numbers."""
    return values[name].dtype.kind in "iuf"


def shown(value: Any) -> str:
    """Print a label: names as they are, numbers in short."""
    if isinstance(value, str):
        return value
    number = float(value)
    if number.is_integer() and abs(number) < _LONGEST_WHOLE:
        return f"{number:,.0f}"
    factor, prefix = prefixed(abs(number))
    return f"{number / factor:,.6g}{prefix}"


def lines(axes: Any, chart: Chart, unit: str, *, logarithmic: bool) -> None:
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
        axes.xaxis.set_major_formatter(lambda value, _: shown(value))
    _legend(axes, chart)


def bars(axes: Any, chart: Chart) -> None:
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


def heat_map(axes: Any, chart: Chart) -> None:
    """Draw a cell per number; colours are logarithmic where numbers span orders of magnitude."""
    values, across, down = chart.values, chart.across, chart.series
    if not is_numeric(values, across):
        across, down = down, across
    numbers = values.transpose(down, across).values
    finite = numbers[np.isfinite(numbers)]
    spans = finite.size and finite.min() > 0 and finite.max() / finite.min() > LOG_RATIO
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
        step = -(-len(labels) // _MOST_TICKS) if is_numeric(values, name) else 1
        axis.set_ticks(np.arange(0, len(labels), step) + 0.5, labels[::step])
        axis.set_label_text(chart.title(name))
    if not is_numeric(values, down):
        axes.invert_yaxis()
    axes.figure.colorbar(mesh, ax=axes, label=chart.label, pad=0.02).ax.yaxis.set_major_formatter(_tick)


def _tick(value: float, _: int) -> str:
    return f"{value:,.10g}"


def _series(chart: Chart) -> list[tuple[str, Any, Any]]:
    """Return the label, colour and numbers of every line or group of bars."""
    if not chart.series:
        return [("", _BLUE, chart.values.values)]
    colormaps, labels = extra("matplotlib").colormaps, chart.labels(chart.series)
    if is_numeric(chart.values, chart.series):
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
