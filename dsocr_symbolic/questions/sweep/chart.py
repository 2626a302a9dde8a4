"""What one panel of a sweep's picture shows, before it is drawn: numbers, how they are laid out, what is marked."""

from typing import TYPE_CHECKING, Any

import numpy as np
from attrs import frozen

from dsocr_symbolic.questions.sweep.extras import extra
from dsocr_symbolic.writing.amounts import prefixed
from dsocr_symbolic.writing.lettering import fitted

if TYPE_CHECKING:
    import xarray

UNFIT, WARNED = "does_not_fit", "is_warned_of"
HATCH, DOTS = "/////", "...."
GREY, PALE, ORANGE = "#777777", "#dddddd", "#d55e00"
# Points on paper: letters of labels, and labels of rows and legends at most.
SMALL, LONGEST = 7.0, 150.0
_BLUE, _BLACK = "#1f5fa8", "#222222"
_MOST_SERIES = 8
_MOST_BARS = 60
LOG_RATIO = 100
_LONGEST_WHOLE = 10**7


@frozen(kw_only=True, eq=False)
class Chart:
    """What is drawn.

    Attributes
    ----------
    values : xarray.DataArray
        The numbers, already divided by the prefix of their unit; what is marked are two coordinates.
    across, series : str
        The dimension along the picture; the other one, empty if there is none.
    label, unit : str
        The metric and its unit; the unit's letters that may stand behind a prefix.
    mapped, logarithmic : bool
        Whether it is a heat map; whether its scale is logarithmic.
    room : str
        What points that are marked do not fit, in words.
    """

    values: "xarray.DataArray"
    across: str
    series: str
    label: str
    unit: str
    mapped: bool
    logarithmic: bool
    room: str

    def labels(self, name: str) -> list[str]:
        """Return the labels of a dimension as they are shown."""
        return [fitted(shown(label), LONGEST, SMALL) for label in self.values[name].values.tolist()]

    def title(self, name: str) -> str:
        """Return what stands along the axis of a dimension."""
        meaning = self.values[name].attrs.get("long_name", "")
        return name if meaning in ("", name) else f"{name}: {meaning}"

    def marked(self, name: str) -> "xarray.DataArray":
        """Return for every number whether it is marked."""
        return self.values[name].broadcast_like(self.values).transpose(*self.values.dims)


def is_numeric(values: "xarray.DataArray", name: str) -> bool:
    """Return whether the labels of a dimension are numbers."""
    return bool(values[name].dtype.kind in "iuf")


def shown(value: Any) -> str:
    """Print a label: names as they are, numbers in short."""
    if isinstance(value, str):
        return value
    number = float(value)
    if number.is_integer() and abs(number) < _LONGEST_WHOLE:
        return f"{number:,.0f}"
    factor, prefix = prefixed(abs(number))
    return f"{number / factor:,.6g}{prefix}"


def is_line(values: "xarray.DataArray", across: str) -> bool:
    """Whether a dimension is drawn as lines: numbers, and more than one."""
    return is_numeric(values, across) and values.sizes[across] > 1


def is_mapped(values: "xarray.DataArray", across: str, series: str) -> bool:
    """Whether two dimensions are too long for lines or bars."""
    crowded = not is_numeric(values, across) and values.size > _MOST_BARS
    return bool(series) and (values.sizes[series] > _MOST_SERIES or crowded)


def is_far_apart(values: "xarray.DataArray", series: str) -> bool:
    """Return whether an even scale would flatten some of several lines."""
    rows = values.transpose(series, ...).values.tolist() if series else []
    tops = [max(above) for row in rows if (above := [value for value in row if value > 0])]
    return len(tops) > 1 and max(tops) / min(tops) > LOG_RATIO


@frozen(kw_only=True, eq=False)
class Series:
    """A line or a group of bars: what it is called, its colour and numbers, and which of them are marked."""

    label: str
    colour: Any
    numbers: Any
    unfit: Any
    warned: Any


def series_of(chart: Chart) -> list[Series]:
    """Return every line or group of bars."""
    rows = {"numbers": chart.values, "unfit": chart.marked(UNFIT), "warned": chart.marked(WARNED)}
    if not chart.series:
        return [Series(label="", colour=_BLUE, **{name: row.values for name, row in rows.items()})]
    colormaps, labels = extra("matplotlib").colormaps, chart.labels(chart.series)
    if is_numeric(chart.values, chart.series):
        colours = list(colormaps["viridis"](np.linspace(0.0, 0.85, len(labels))))
    else:
        colours = list(colormaps["tab10"].colors)
    return [
        Series(
            label=label,
            colour=_BLACK if label == "total" else colour,
            **{name: row.isel({chart.series: place}).values for name, row in rows.items()},
        )
        for place, (label, colour) in enumerate(zip(labels, colours, strict=False))
    ]
