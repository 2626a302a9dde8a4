"""Draw one panel of a sweep's picture: lines, bars or a heat map, and marks on points that are no answer to go by."""

from typing import Any

import numpy as np

from dsocr_symbolic.questions.sweep.chart import (
    DOTS,
    GREY,
    HATCH,
    LOG_RATIO,
    ORANGE,
    PALE,
    SMALL,
    UNFIT,
    WARNED,
    Chart,
    is_line,
    is_numeric,
    series_of,
    shown,
)
from dsocr_symbolic.questions.sweep.extras import extra
from dsocr_symbolic.writing.lettering import filled, shown_apart

_MOST_MARKERS = 32
_MOST_TICKS = 12
_MOST_VECTORS = 1000
# Points on paper: what stands above and below axes, and a tick with its number.
_WORDS, _TICK = 120.0, 60.0


def draw(axes: Any, chart: Chart) -> None:
    """Draw a chart without its legend."""
    if chart.mapped:
        _heat_map(axes, chart)
    elif is_line(chart.values, chart.across):
        _lines(axes, chart)
    else:
        _bars(axes, chart)


def _lines(axes: Any, chart: Chart) -> None:
    """Draw one line per label of the series, from 0 or on a logarithmic scale of a unit with prefixes.

    Where a point does not fit, the line to it is dotted and its marker hollow. At the foot stands what has no value,
    and what is warned of, a row per line where lines differ.
    """
    ticker = extra("matplotlib.ticker")
    along = chart.values[chart.across].values
    marker = "o" if len(along) <= _MOST_MARKERS else None
    feet: dict[tuple[bytes, bytes], tuple[Any, Any, Any]] = {}
    foot = {"transform": axes.get_xaxis_transform(), "linestyle": "none", "clip_on": False, "zorder": 4}
    drawn = list(series_of(chart))
    for place, series in enumerate(drawn):
        numbers, unfit, warned, label, colour = series.numbers, series.unfit, series.warned, series.label, series.colour
        width, above = (2.0, 3) if label == "total" else (1.4, 2)
        # Of lines that lie on one another the lower ones are wider, and what does not fit lies on top.
        hidden = sum(np.array_equal(other.numbers, numbers, equal_nan=True) for other in drawn[place + 1 :])
        how = {"color": colour, "linewidth": width + 2.2 * min(hidden, 4), "zorder": above}
        fitting = np.where(unfit, np.nan, numbers)
        axes.plot(along, fitting, label=label, marker=marker, markersize=3, **how)
        if unfit.any():
            beside = unfit.copy()
            beside[:-1] |= unfit[1:]
            beside[1:] |= unfit[:-1]
            on_top = {**how, "linewidth": width, "zorder": 3.2}
            axes.plot(along, np.where(beside, numbers, np.nan), linestyle=":", **on_top)
            hollow = {"linestyle": "none", "marker": marker, "markersize": 3.4, "markerfacecolor": "white"}
            axes.plot(along, np.where(unfit, numbers, np.nan), **{**on_top, **hollow, "zorder": 3.5})
        nothing = np.isnan(numbers)
        if nothing.any() or warned.any():
            feet.setdefault((nothing.tobytes(), warned.tobytes()), (nothing, warned, colour))
    for place, (nothing, warned, colour) in enumerate(feet.values()):
        for which, mark, ink in ((nothing, "x", GREY), (warned, "|", ORANGE)):
            if which.any():
                height, shade = np.full(which.sum(), 0.015 + 0.03 * place), colour if len(feet) > 1 else ink
                axes.plot(along[which], height, marker=mark, markersize=5, markeredgewidth=1.4, color=shade, **foot)
    if chart.logarithmic:
        axes.set_yscale("log", nonpositive="mask")
        axes.yaxis.set_major_formatter(ticker.EngFormatter(chart.unit))
    else:
        axes.set_ylim(*_from_nought(chart))
        axes.yaxis.set_major_formatter(_tick)
    wide, high = _size(axes)
    axes.set(xlabel=filled(chart.title(chart.across), wide, 8), ylabel=filled(chart.label, high, 8))
    numbers = along.astype(np.float64)
    evenly = np.allclose(np.diff(numbers), numbers[1] - numbers[0])
    factors = not evenly and numbers.min() > 0 and numbers.max() / numbers.min() >= 10  # noqa: PLR2004 - by factors
    if factors:
        axes.set_xscale("log")
        axes.xaxis.set_minor_locator(ticker.NullLocator())
    if len(numbers) <= _MOST_TICKS:
        labels, spread = chart.labels(chart.across), np.log(numbers) if factors else numbers
        spots = (spread - spread[0]) / (spread[-1] - spread[0]) * wide
        kept = shown_apart(labels, spots.tolist(), SMALL)
        axes.xaxis.set_ticks(numbers[kept], [labels[place] for place in kept])
    else:
        axes.xaxis.set_major_formatter(lambda value, _: shown(value))


def _bars(axes: Any, chart: Chart) -> None:
    """Draw horizontal bars with names along them, those of the series side by side; hatched where it does not fit."""
    names = chart.labels(chart.across)
    groups = series_of(chart)
    height = 0.8 / len(groups)
    beside = {"transform": axes.get_yaxis_transform(), "linestyle": "none", "clip_on": False, "markersize": 4}
    for place, group in enumerate(groups):
        numbers, colour = group.numbers, group.colour
        rows = np.arange(len(names)) + (place - (len(groups) - 1) / 2) * height
        bars = axes.barh(rows, numbers, height * 0.92, label=group.label, color=colour)
        for bar, hatched in zip(bars, group.unfit, strict=True):
            if hatched:
                bar.set(hatch=HATCH, edgecolor=colour, facecolor="white", linewidth=0.8)
        for which, mark, ink in ((np.isnan(numbers), "x", GREY), (group.warned, "|", ORANGE)):
            if which.any():
                axes.plot(np.full(which.sum(), 1.008), rows[which], marker=mark, color=ink, **beside)
    axes.set_yticks(range(len(names)), names)
    air = max(0.55, 1.6 - len(names) / 2)
    axes.set_ylim(len(names) - 1 + air, -air)
    axes.set_xlim(*_from_nought(chart))
    wide, high = _size(axes)
    axes.set(xlabel=filled(chart.label, wide, 8), ylabel=filled(chart.title(chart.across), high, 8))
    axes.xaxis.set_major_locator(extra("matplotlib.ticker").MaxNLocator(max(2, int(wide / _TICK))))
    axes.xaxis.set_major_formatter(_tick)
    axes.grid(visible=False, axis="y")


def _from_nought(chart: Chart) -> tuple[float, float]:
    """Return limits from 0, or what is below it, to a little above the largest number."""
    numbers = chart.values.values[np.isfinite(chart.values.values)]
    return 1.06 * numbers.min(initial=0.0), 1.06 * numbers.max(initial=0.0) or 1.0


def _size(axes: Any) -> tuple[float, float]:
    """Return about how wide and high axes will be, in points: the layout is made when words are known."""
    rows, columns = axes.get_subplotspec().get_gridspec().get_geometry()
    width, height = axes.figure.get_size_inches() * 72
    return 0.65 * width / columns, (height - _WORDS) / rows - _WORDS * (rows > 1) / 2


def _heat_map(axes: Any, chart: Chart) -> None:
    """Draw a cell per number; colours are logarithmic where numbers span orders of magnitude.

    Cells are hatched where the workload does not fit, dotted where it is warned of, and grey without a value.
    """
    values, across, down = chart.values, chart.across, chart.series
    if not is_numeric(values, across):
        across, down = down, across
    numbers = values.transpose(down, across).values
    finite = numbers[np.isfinite(numbers)]
    spans = finite.size and finite.min() > 0 and finite.max() / finite.min() > LOG_RATIO
    axes.grid(visible=False)
    axes.set_facecolor(PALE)
    mesh = axes.pcolormesh(
        np.ma.masked_invalid(numbers),
        cmap="viridis",
        norm=extra("matplotlib.colors").LogNorm() if spans else None,
        edgecolors="face",
        linewidth=0.4,
        rasterized=numbers.size > _MOST_VECTORS,
    )
    for name, hatch in ((UNFIT, HATCH), (WARNED, DOTS)):
        _hatch(axes, chart.marked(name).transpose(down, across).values & np.isfinite(numbers), hatch)
    wide, high = _size(axes)
    for axis, name, long in ((axes.xaxis, across, wide), (axes.yaxis, down, high)):
        labels = chart.labels(name)
        step = -(-len(labels) // _MOST_TICKS) if is_numeric(values, name) else 1
        kept = list(range(0, len(labels), step))
        if axis is axes.xaxis:
            spots = [place * wide / len(labels) for place in kept]
            kept = [kept[place] for place in shown_apart([labels[place] for place in kept], spots, SMALL)]
        axis.set_ticks(np.array(kept) + 0.5, [labels[place] for place in kept])
        axis.set_label_text(filled(chart.title(name), long, 8))
    if not is_numeric(values, down):
        axes.invert_yaxis()
    bar = axes.figure.colorbar(mesh, ax=axes, label=filled(chart.label, high, 8), pad=0.02)
    bar.ax.yaxis.set_major_formatter(_tick)


def _hatch(axes: Any, cells: Any, hatch: str) -> None:
    """Hatch cells, run by run of a row, in white."""
    rectangle = extra("matplotlib.patches").Rectangle
    runs = []
    for row, line in enumerate(cells):
        ends = np.flatnonzero(np.diff(np.concatenate([[False], line, [False]]).astype(int)))
        runs += [rectangle((start, row), stop - start, 1) for start, stop in ends.reshape(-1, 2)]
    if runs:
        collection = extra("matplotlib.collections").PatchCollection
        how = {"facecolor": "none", "edgecolor": "white", "linewidth": 0, "hatch": hatch, "zorder": 3}
        axes.add_collection(collection(runs, **how), autolim=False)


def _tick(value: float, _: int) -> str:
    return f"{value:,.10g}"
