"""The figures of a performance report, as SVG text: the rooflines, time, crops, tokens and memory."""

from collections.abc import Callable, Iterator, Mapping
from enum import StrEnum, auto
from typing import Any

from dsocr_symbolic.language.roles import Roles
from dsocr_symbolic.reports.performance import figure_curves, figure_operators, figure_roofline, figure_time
from dsocr_symbolic.reports.performance.curves import Curves
from dsocr_symbolic.reports.performance.numbers import Performance
from dsocr_symbolic.writing.svg import style, svg


class Figure(StrEnum):
    """The figures by the names of their files, in the report's order."""

    ROOFLINE = auto()
    OPERATORS = auto()
    TIME = auto()
    CROPS = auto()
    TOKENS = auto()
    MEMORY = auto()


_NEEDS = {Figure.CROPS: "grids", Figure.TOKENS: "steps", Figure.MEMORY: "batches"}


def figures(numbers: Performance, curves: Curves, advance: Callable[[str], Any]) -> dict[str, str]:
    """Write every figure that there is something to draw of, see :func:`missing`; ``advance`` is told which one.

    Raises
    ------
    UserError
        If matplotlib is not installed.
    """
    return {name.value: svg(figure, _title(name, numbers.roles)) for name, figure in drawn(numbers, curves, advance)}


def drawn(
    numbers: Performance, curves: Curves, advance: Callable[[str], Any] = lambda _: None
) -> Iterator[tuple[Figure, Any]]:
    """Draw the figures one after the other."""
    drawings: Mapping[str, Callable[[], Any]] = {
        Figure.ROOFLINE: lambda: figure_roofline.draw(numbers),
        Figure.OPERATORS: lambda: figure_operators.draw(numbers),
        Figure.TIME: lambda: figure_time.draw(numbers),
        Figure.CROPS: lambda: figure_curves.draw_crops(numbers, curves.grids),
        Figure.TOKENS: lambda: figure_curves.draw_tokens(numbers, curves.steps),
        Figure.MEMORY: lambda: figure_curves.draw_memory(numbers, curves),
    }
    absent = missing(numbers, curves)
    with style():
        for name in (name for name in Figure if name not in absent):
            advance(f"figure {name}")
            yield name, drawings[name]()


def _title(name: Figure, roles: Roles) -> str:
    """Say what a figure shows, in the network's own words."""
    match name:
        case Figure.ROOFLINE:
            return "Roofline: FLOP/s reached by parts of the network against their arithmetic intensity"
        case Figure.OPERATORS:
            return "Roofline: FLOP/s reached by every launched operator against its arithmetic intensity"
        case Figure.TIME:
            return "Roofline time by category of operators and stage"
        case Figure.CROPS:
            return f"FLOPs and bytes moved by stage for every grid of {roles.crops.number if roles.crops else ''}"
        case Figure.TOKENS:
            return f"Time of a decode step and tokens per second against context and {roles.batch}"
        case Figure.MEMORY:
            return f"Memory at the worst moment against the {roles.batch}"


def missing(numbers: Performance, curves: Curves) -> dict[str, str]:
    """Return the figures that cannot be drawn, and why."""
    why = {name.value: curves.missing[points] for name, points in _NEEDS.items() if points in curves.missing}
    if not numbers.whole.metrics["roofline_s"]:
        why |= dict.fromkeys((Figure.ROOFLINE.value, Figure.OPERATORS.value, Figure.TIME.value), "nothing is launched")
    return why
