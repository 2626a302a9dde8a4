"""The figures of a performance report, as SVG text."""

from collections.abc import Callable
from typing import Any

from dsocr_symbolic.reports.performance import (
    figure_crops,
    figure_memory,
    figure_roofline,
    figure_style,
    figure_time,
    figure_tokens,
)
from dsocr_symbolic.reports.performance.curves import Curves
from dsocr_symbolic.reports.performance.numbers import Performance

NAMES = ("roofline", "time", "crops", "tokens", "memory")


_NEEDS = {"crops": "grids", "tokens": "steps", "memory": "batches"}


def figures(numbers: Performance, curves: Curves, advance: Callable[[str], Any]) -> dict[str, str]:
    """Draw every figure that there is something to draw of.

    Parameters
    ----------
    numbers : Performance
        The numbers of the report.
    curves : Curves
        The points of its curves.
    advance : callable
        Is told what is being drawn.

    Returns
    -------
    dict of str to str
        SVG by name, see ``NAMES``; what :func:`missing` names is left out.

    Raises
    ------
    UserError
        If matplotlib is not installed.
    """
    drawings: dict[str, tuple[str, Callable[[], Any]]] = {
        "roofline": (figure_roofline.TITLE, lambda: figure_roofline.draw(numbers)),
        "time": (figure_time.TITLE, lambda: figure_time.draw(numbers)),
        "crops": (figure_crops.TITLE, lambda: figure_crops.draw(numbers, curves)),
        "tokens": (figure_tokens.TITLE, lambda: figure_tokens.draw(numbers, curves)),
        "memory": (figure_memory.TITLE, lambda: figure_memory.draw(numbers, curves)),
    }
    absent = missing(numbers, curves)
    found = {}
    with figure_style.style():
        for name, (title, draw) in drawings.items():
            if name not in absent:
                advance(f"figure {name}")
                found[name] = figure_style.svg(draw(), title)
    return found


def missing(numbers: Performance, curves: Curves) -> dict[str, str]:
    """Return the figures that cannot be drawn, and why."""
    found = {name: curves.missing[points] for name, points in _NEEDS.items() if points in curves.missing}
    if not numbers.whole.metrics["roofline_s"]:
        found |= dict.fromkeys(("roofline", "time"), "nothing is launched")
    return found
