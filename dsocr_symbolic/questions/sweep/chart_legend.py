"""The legend of a sweep's picture: what colours and marks mean."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from attrs import evolve

from dsocr_symbolic.questions.sweep.chart import (
    DOTS,
    GREY,
    HATCH,
    LONGEST,
    ORANGE,
    PALE,
    UNFIT,
    WARNED,
    Chart,
    is_line,
    series_of,
)
from dsocr_symbolic.questions.sweep.extras import extra
from dsocr_symbolic.writing.lettering import fitted

_NO_VALUE, _IS_WARNED = "no value", "warned of: see the words"


def merged(panels: Sequence[Chart]) -> Chart:
    """Return a chart whose legend is that of several: marks of any of them."""
    first = next((chart for chart in panels if chart.series and not chart.mapped), panels[0])
    marks = {name: any(bool(chart.values[name].any()) for chart in panels) for name in (UNFIT, WARNED)}
    nothing = any(bool(np.isnan(chart.values.values).any()) for chart in panels)
    values = first.values.assign_coords({name: (first.values[name] | marked) for name, marked in marks.items()})
    return evolve(first, values=values.where(False) if nothing else values)


def add_legend(figure: Any, chart: Chart, *, single: bool) -> None:
    """Say what colours and marks mean, beside the only panel or all of them."""
    lines, patches = extra("matplotlib.lines"), extra("matplotlib.patches")
    lined = is_line(chart.values, chart.across)
    handles: list[Any] = []
    if chart.series and not chart.mapped:
        for series in series_of(chart):
            how = {"color": series.colour, "label": series.label}
            handles.append(lines.Line2D([], [], marker="o", markersize=3, **how) if lined else patches.Patch(**how))
    if chart.values[UNFIT].any():
        words = f"does not fit\n{chart.room}"
        if lined and not chart.mapped:
            hollow = {"marker": "o", "markersize": 3.4, "markerfacecolor": "white", "linestyle": ":"}
            handles.append(lines.Line2D([], [], color=GREY, label=words, **hollow))
        else:
            handles.append(patches.Patch(facecolor="white", edgecolor=GREY, hatch=HATCH, label=words))
    for there, mark, colour, hatch, words in (
        (np.isnan(chart.values.values).any(), "x", GREY, "", _NO_VALUE),
        (bool(chart.values[WARNED].any()), "|", ORANGE, DOTS, _IS_WARNED),
    ):
        if there and chart.mapped:
            colours = {"facecolor": "white" if hatch else PALE, "edgecolor": GREY}
            handles.append(patches.Patch(**colours, hatch=hatch, label=words))
        elif there:
            how = {"markersize": 5, "markeredgewidth": 1.4, "linestyle": "none"}
            handles.append(lines.Line2D([], [], color=colour, marker=mark, label=words, **how))
    if not handles:
        return
    title = fitted(chart.series, LONGEST, 8) if chart.series and not chart.mapped else None
    if single and not chart.mapped:
        figure.axes[0].legend(handles=handles, title=title, loc="upper left", bbox_to_anchor=(1.025, 1.0))
    else:
        figure.legend(handles=handles, title=title, loc="outside right upper")
