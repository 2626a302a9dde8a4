"""A sweep as a picture: panels of one metric over one or two axes each, as SVG that is the same every time."""

import textwrap
from collections.abc import Iterator
from itertools import product
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.questions.sweep import charts
from dsocr_symbolic.questions.sweep.chart import (
    UNFIT,
    WARNED,
    Chart,
    is_far_apart,
    is_line,
    is_mapped,
    is_numeric,
    shown,
)
from dsocr_symbolic.questions.sweep.chart_legend import add_legend, merged
from dsocr_symbolic.questions.sweep.extras import extra
from dsocr_symbolic.questions.sweep.marks import Marks
from dsocr_symbolic.writing.amounts import axis_unit, letters
from dsocr_symbolic.writing.files import written_whole
from dsocr_symbolic.writing.lettering import filled
from dsocr_symbolic.writing.svg import style, svg

if TYPE_CHECKING:
    import xarray

MOST_NUMBERS = 10**6
_MOST_PANELS = 12
_WIDTH, _HEIGHT, _ROW = 8.0, 5.0, 0.22  # inches
_SMALL_WIDTH, _SMALL_HEIGHT = 10.0, 2.9
_GREY = "#555555"
_ALONG = 2
_BOUND = 40
_HEAD, _TEXT = 12.0, 7.5  # points


def write_picture(data: "xarray.Dataset", path: Path, marks: Marks | None = None) -> None:
    """Draw a sweep, see :func:`draw`, and write it as SVG, whole or not at all."""
    extra("matplotlib")
    with style():
        title = f"{', '.join(map(str, data.data_vars))} of {data.attrs.get('model', '')}"
        text = svg(draw(data, marks), title, dpi=200)
    with written_whole(path) as draft:
        draft.write_text(text, encoding="utf-8")


def draw(data: "xarray.Dataset", marks: Marks | None = None) -> Any:
    """Draw what :func:`~dsocr_symbolic.questions.sweep.dataset.sweep` returned as a matplotlib figure.

    An axis of numbers gives a line, one of names, or a single point, bars; a second axis of a few labels (or the
    stages) a family of them; a second long axis a heat map. Several metrics, and what a third axis has, are panels.
    """
    check_numbers(sum(values.size for values in data.data_vars.values()))
    fixed = {str(name): data[name].values[0] for name in data.dims if data.sizes[name] == 1}
    panels = list(_panels(data, fixed, marks))
    single = len(panels) == 1
    # What has the most numbers runs along the picture, and every name has a row of its own.
    rows = max(_rows(chart) for _, chart in panels)
    if single:
        size = _WIDTH, max(_HEIGHT, 2.0 + _ROW * rows)
    else:
        size = _SMALL_WIDTH, 1.4 + -(-len(panels) // 2) * max(_SMALL_HEIGHT, 0.9 + _ROW * rows)
    figure = extra("matplotlib.figure").Figure(figsize=size, layout="constrained")
    places = list(figure.subplots(-(-len(panels) // 2), 1 if single else 2, squeeze=False).flat)
    for place, (name, chart) in zip(places, panels, strict=False):
        charts.draw(place, chart)
        if not single:
            place.set_title("\n".join(textwrap.wrap(name, 60)))
    for place in places[len(panels) :]:
        place.set_axis_off()
    add_legend(figure, panels[0][1] if single else merged([chart for _, chart in panels]), single=single)
    _captions(figure, data, {name: label for name, label in fixed.items() if name not in panels[0][1].values.dims})
    return figure


def _panels(data: "xarray.Dataset", fixed: dict[str, Any], marks: Marks | None) -> Iterator[tuple[str, Chart]]:
    """Yield the name of each panel and what is in it."""
    for number, (metric, numbers) in enumerate(data.data_vars.items()):
        values = numbers.assign_coords(_marked(marks))
        values = values.sortby([name for name in values.dims if is_numeric(values, str(name))])
        # A single number is a bar of its first axis.
        names = [str(name) for name in values.dims if str(name) not in fixed] or [str(values.dims[0])]
        values = values.isel({name: 0 for name in fixed if name not in names})
        ranked = sorted(names, key=lambda name: (is_numeric(values, name), values.sizes[name]), reverse=True)
        across, facets = ranked[:_ALONG], ranked[_ALONG:]
        count = prod(values.sizes[name] for name in facets) * len(data.data_vars)
        if count > _MOST_PANELS:
            more = f"{len(data.data_vars)} metrics over {', '.join(names)}" if number or facets else "so many metrics"
            raise UserError(
                f"{more}: {count} panels; a picture has at most {_MOST_PANELS}: fix or shorten an axis, ask for fewer"
                " metrics, or write .csv"
            )
        for labels in product(*(range(values.sizes[name]) for name in facets)):
            where = dict(zip(facets, labels, strict=True))
            panel = values.isel(where)
            said = [f"{name} {shown(panel[name].item())}" for name in facets]
            title = ", ".join([str(metric)] * (len(data.data_vars) > 1) + said)
            yield title, _chart(panel, str(metric), (*across, "")[:_ALONG], marks)


def _marked(marks: Marks | None) -> dict[str, Any]:
    """Return what is marked, as coordinates along the axes."""
    if marks is None:
        unmarked = extra("xarray").DataArray(False)
        return {UNFIT: unmarked, WARNED: unmarked}
    return {UNFIT: marks.unfit, WARNED: marks.warned}


def _chart(values: "xarray.DataArray", metric: str, along: tuple[str, ...], marks: Marks | None) -> Chart:
    across, series = along
    mapped = is_mapped(values, across, series)
    logarithmic = not mapped and is_line(values, across) and is_far_apart(values, series)
    unit = values.attrs["units"]
    largest = np.abs(values.values[np.isfinite(values.values)]).max(initial=0.0)
    factor, scaled = (1.0, letters(unit) or unit) if logarithmic else axis_unit(largest, unit)
    return Chart(
        values=values / factor,
        across=across,
        series=series,
        label=f"{metric} [{scaled}]",
        unit=letters(unit),
        mapped=mapped,
        logarithmic=logarithmic,
        room=marks.room if marks else "",
    )


def _rows(chart: Chart) -> int:
    """Return how many rows of names a chart has."""
    values = chart.values
    return max((values.sizes[name] for name in values.dims if not is_numeric(values, str(name))), default=0)


def check_numbers(count: int) -> None:
    """Raise where a picture cannot show so many numbers."""
    if count > MOST_NUMBERS:
        raise UserError(f"{count:,} numbers; a picture shows at most {MOST_NUMBERS:,}: take larger steps")


def _captions(figure: Any, data: "xarray.Dataset", fixed: dict[str, Any]) -> None:
    """Say what is drawn above the picture, and what the metrics mean below it."""
    about = {str(name): str(value) for name, value in data.attrs.items()}
    about |= {name: shown(value) for name, value in fixed.items()}
    model, settings = about.pop("model"), about.pop("settings", "")
    part = about.pop("stage", about.pop("part", "total"))
    spoken = [f"{name} {value}" for name, value in about.items()]
    bound = [words.replace(" ", "\u00a0") if len(words) < _BOUND else words for words in spoken]
    wide = 0.95 * 72 * figure.get_size_inches()[0]
    # A legend beside colours stands in the corner.
    beside = 0.8 * wide if figure.legends else wide
    said = ", ".join([*bound, *([settings] if settings else [])])
    of = "" if part == "total" else f" of {part}"
    metrics = [str(metric) for metric in data.data_vars]
    head = filled(f"{model}: {', '.join(metrics)}{of}", beside, _HEAD, bold=True)
    figure.suptitle(head, x=0.01, ha="left", fontsize=_HEAD, fontweight="bold")
    small = {"fontsize": _TEXT, "color": _GREY}
    meaning = [filled(f"{metric}: {data[metric].attrs['long_name']}", wide, _TEXT) for metric in metrics]
    if len(figure.axes) and not figure.axes[0].get_title(loc="left"):
        # Where the chart begins is known when its own names have found their room.
        figure.draw_without_rendering()
        begins = 72 * figure.get_size_inches()[0] * figure.axes[0].get_position().x0
        said = filled(said, beside - begins, _TEXT)
        figure.axes[0].set_title(said, loc="left", fontweight="normal", **small)
    else:
        meaning = [filled(said, wide, _TEXT), *meaning]
    figure.supxlabel("\n".join(meaning), x=0.01, ha="left", **small)
