"""Errors of every case as a figure: how long the GPU is busy, forward and backward, and what a caller waits for."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from attrs import frozen

from dsocr_symbolic.measurement.comparison.pairs import CaseError, Errors, SecondsComparison
from dsocr_symbolic.measurement.comparison.text import by_component, percent
from dsocr_symbolic.reports.performance import figure_style as look
from dsocr_symbolic.writing.lettering import fitted
from dsocr_symbolic.writing.svg import style, svg

BAND = 0.1
"""Errors up to here, either way, are marked."""
_TITLE = "Predicted over measured seconds, less 1, of every case"
_SHADE = "#eeeeee"
# Inches: names, the two columns of panels, a line, what stands above and below a panel.
_NAMES, _WIDE, _APART = 2.15, 2.35, 0.25
_LINE, _ABOVE, _BELOW, _EDGE = 0.135, 0.3, 0.45, 0.1
_LEGEND = 1.0


@frozen
class _Row:
    """A line of a panel: a component, or a case of it."""

    component: str
    case: CaseError | None = None


Value = Callable[[CaseError], float | None]


def comparison_figure(comparison: SecondsComparison) -> str:
    """Draw every case's error, as SVG text that is the same on every run.

    Raises
    ------
    UserError
        If matplotlib is not installed.
    """
    with style():
        return svg(_drawn(comparison), _TITLE)


def _drawn(comparison: SecondsComparison) -> Any:
    forward = _rows(comparison, lambda case: case.mode != "backward")
    backward = _rows(comparison, lambda case: case.mode == "backward")
    tall, low = (_LINE * (len(rows) + 0.5) for rows in (forward, backward))
    under = max(low if backward else 0.0, _LEGEND) + _BELOW + _EDGE + (_ABOVE if backward else 0.0)
    figure = look.new_figure(tall + _ABOVE + _BELOW + under)
    right = _NAMES + _WIDE + _APART
    colours = look.stage_colours(each.component for each in comparison.components)
    if forward:
        busy = look.axes(figure, (_NAMES, under + _BELOW, _WIDE, tall), "a  GPU busy, forward")
        _errors(busy, forward, lambda case: case.error, colours)
        _name(busy, forward, {each.component: each.forward for each in comparison.components})
        wall = look.axes(figure, (right, under + _BELOW, _WIDE, tall), "b  What a caller waits for")
        _ranges(wall, forward, colours)
        _errors(wall, forward, lambda case: case.wall_error, colours)
        _name(wall, [], {})
    if backward:
        place = look.axes(figure, (_NAMES, under - _ABOVE - low, _WIDE, low), "c  GPU busy, backward")
        _errors(place, backward, lambda case: case.error, colours)
        _name(place, backward, {each.component: each.backward for each in comparison.components})
    look.keyed(figure, _key(), (right, under - _ABOVE / 2), _WIDE, level=False)
    return figure


def _rows(comparison: SecondsComparison, wanted: Callable[[CaseError], bool]) -> list[_Row]:
    rows: list[_Row] = []
    for name, cases in by_component(comparison).items():
        own = [_Row(name, case) for case in cases if wanted(case)]
        rows += [_Row(name), *own] if own else []
    return rows


def _errors(place: Any, rows: Sequence[_Row], value: Value, colours: Mapping[str, str]) -> None:
    """Draw a dot per case, tied to zero; those of graphs are hollow."""
    place.axvspan(-BAND, BAND, color=_SHADE, linewidth=0, zorder=0)
    place.axvline(0, color=look.INK, linewidth=0.8, zorder=1)
    for line, row in enumerate(rows):
        error = value(row.case) if row.case else None
        if row.case is None or error is None:
            continue
        colour = colours[row.component]
        place.plot([0, error], [line, line], color=colour, linewidth=0.9, zorder=2)
        filled = "white" if row.case.mode == "graph" else colour
        place.plot([error], [line], "o", markersize=3.6, markeredgewidth=0.9, color=colour, markerfacecolor=filled)
    _scale(place, len(rows))


def _ranges(place: Any, rows: Sequence[_Row], colours: Mapping[str, str]) -> None:
    """Draw how far a prediction is off what any round took."""
    for line, row in enumerate(rows):
        if row.case and row.case.wall_error is not None and row.case.slowest_error is not None:
            ends = [row.case.slowest_error, row.case.wall_error]
            place.plot(ends, [line, line], color=colours[row.component], alpha=0.3, linewidth=4, zorder=1.5)


def _scale(place: Any, count: int) -> None:
    """Put the first row at the top, and show the band whatever the errors are."""
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    least, most = place.get_xlim()
    place.set(ylim=(count - 0.25, -0.75), xlim=(min(least, -1.3 * BAND), max(most, 1.3 * BAND)))
    place.xaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]))
    place.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:+.0f} %" if value else "0"))
    place.set_xlabel("predicted / measured - 1")
    place.grid(visible=False, axis="y")


def _name(place: Any, rows: Sequence[_Row], means: Mapping[str, Errors | None]) -> None:
    """Write the names of rows at the left, those of components in bold and with their mean error."""
    place.set_yticks([])
    across = place.get_yaxis_transform()
    for line, row in enumerate(rows):
        how = {"fontsize": look.SMALL, "transform": across, "va": "center"}
        errors = means[row.component]
        if row.case:
            words = fitted(row.case.call.removesuffix(", backward"), (_NAMES - 2 * _EDGE) * 72, look.SMALL)
        else:
            words = f"mean {percent(errors.mean, sign=False)}" if errors else ""
            place.text(-_NAMES / _WIDE + 0.04, line, row.component, ha="left", fontweight="bold", **how)
        place.text(-0.02, line, words, ha="right", color=look.INK if row.case else look.GREY, **how)


def _key() -> list[Any]:
    """Return what explains the marks."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    dot: dict[str, Any] = {"marker": "o", "markersize": 3.6, "color": look.GREY, "linewidth": 0.9}
    return [
        Line2D([], [], label="launched by the host", **dot),
        Line2D([], [], label="replayed as a graph", markerfacecolor="white", **dot),
        Line2D([], [], color=look.GREY, alpha=0.3, linewidth=4, label="b: slowest to quietest round"),
        Patch(facecolor=_SHADE, label=f"within {BAND:.0%}".replace("%", " %")),
    ]
