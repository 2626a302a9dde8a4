"""Predicted seconds against measured ones as a page and its figure."""

from dsocr_symbolic.measurement.comparison import text as words
from dsocr_symbolic.measurement.comparison.figure import BAND, comparison_figure
from dsocr_symbolic.measurement.comparison.operators import DETAILED, TOGETHER
from dsocr_symbolic.measurement.comparison.pairs import SecondsComparison
from dsocr_symbolic.writing.templates import template

PAGE, FIGURE = "comparison.md", "comparison.svg"


def comparison_files(comparison: SecondsComparison, source: str) -> dict[str, str]:
    """Return the page and the figure by the names of their files.

    Parameters
    ----------
    comparison : SecondsComparison
        What they show.
    source : str
        Name of the measured file, which the page tells.

    Returns
    -------
    dict of str to str
        ``comparison.md``, of templates/measured_seconds.md.jinja, and ``comparison.svg``.

    Raises
    ------
    UserError
        If matplotlib is not installed.
    """
    return {PAGE: _page(comparison, source), FIGURE: comparison_figure(comparison)}


def _page(comparison: SecondsComparison, source: str) -> str:
    within, of = words.inside(comparison.cases)
    bounds = [case.bound_holds for case in comparison.cases if case.bound_holds is not None]
    together: dict[str, list[str]] = {}
    for name, group in TOGETHER.items():
        together.setdefault(group, []).append(name)
    rendered: str = template("measured_seconds.md.jinja").render(
        found=comparison,
        groups=words.by_component(comparison),
        operators=words.shown(comparison.operators),
        by_component={
            each.component: {operator.operator: operator for operator in words.shown(each.operators)}
            for each in comparison.components
        },
        kinds=words.KINDS,
        detailed=DETAILED,
        together=together,
        source=source,
        figure=FIGURE,
        band=BAND,
        inside=within,
        walls=of,
        holding=sum(bounds),
        bounds=len(bounds),
        percent=words.percent,
        time=words.time,
        count=words.count,
        cause=words.cause_words,
    )
    return rendered
