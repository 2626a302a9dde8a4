"""Regime boundaries for a terminal: each with its formula and numbers, or by machine."""

from collections.abc import Sequence
from typing import Any

from dsocr_symbolic.questions.bounds.regimes import Bounds, Change, RegimeBound
from dsocr_symbolic.questions.question import Question
from dsocr_symbolic.writing.amounts import measured
from dsocr_symbolic.writing.notebook import Grid, Page
from dsocr_symbolic.writing.terminal import indented, on_terminal


def bounds_text(question: Question, found: Bounds) -> str:
    """Print the bounds of one machine: condition, formula, numbers, and where it changes."""
    parts = [question.heading()]
    if found.ridge_points:
        ridges = [f"{each.name}: {each.formula} = {each.value:.5g} {each.unit}" for each in found.ridge_points]
        parts.append(indented(["ridge points", *ridges]))
    parts += [indented(_lines(each)) for each in found.bounds]
    return "\n\n".join(parts) + "\n"


def _lines(bound: RegimeBound) -> list[str]:
    lines = [f"{bound.name}: {bound.summary}", bound.condition]
    lines += [f"  {name}: {said}" for name, said in bound.terms.items()]
    lines += [f"in symbols: {bound.formula}"] if bound.formula else []
    for change in bound.changes:
        lines.append(f"{_where(bound.symbol, change)}{_told(change)}")
        lines += [f"  {each}" for each in change.numbers]
    if not bound.changes:
        lines.append(f"{_constant(bound)}{bound.symbol}" + "".join(f": {each}" for each in bound.numbers))
    return lines


def _where(symbol: str, change: Change) -> str:
    value = measured(change.value)
    return f"from {symbol} = {value} on" if change.holds else f"up to {symbol} = {value}"


def _told(change: Change) -> str:
    said = ", ".join(f"{name} {measured(value)}" for name, value in change.tells.items())
    return f" ({said})" if said else ""


def _constant(bound: RegimeBound) -> str:
    return "at every " if bound.holds_first else "at no "


def bounds_table(found: Sequence[Bounds], names: Sequence[str]) -> str:
    """Print a table of machines: a row each, a column for each bound.

    Parameters
    ----------
    found : sequence of Bounds
        One for each machine.
    names : sequence of str
        The bounds.

    Returns
    -------
    str
        Lines.
    """
    from rich.table import Table

    table: Any = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("gpu")
    ridges = [each.name for each in found[0].ridge_points]
    for title in (*(f"ridge of {name}" for name in ridges), *names):
        table.add_column(title.replace("_", " "), justify="right", overflow="fold")
    for each in found:
        cells = [*(f"{ridge.value:.4g}" for ridge in each.ridge_points), *(_cell(bound) for bound in each.bounds)]
        table.add_row(each.gpu, *cells)
    symbols = ", ".join(f"{bound.name} in {bound.symbol}" for bound in found[0].bounds)
    legend = f"{symbols}. n+: from n on; -n: up to n. Ridge points in FLOP/byte."
    return f"{on_terminal(table, _WIDE)}\n{indented([legend])}\n"


_WIDE = 140


def _cell(bound: RegimeBound) -> str:
    if not bound.changes:
        return "always" if bound.holds_first else "never"
    return ", ".join(f"{measured(each.value)}+" if each.holds else f"-{measured(each.value)}" for each in bound.changes)


def line(found: Bounds) -> str:
    """Say the machine, and where each condition holds."""
    return f"{found.gpu}: {', '.join(f'{bound.name} {_cell(bound)}' for bound in found.bounds)}"


def page(found: Bounds) -> Page:
    """Say the ridge points, and where each condition holds."""
    ridges = tuple((each.name, each.formula, f"{each.value:.5g}", each.unit) for each in found.ridge_points)
    rows = tuple((bound.name, _holds(bound), bound.summary, bound.condition) for bound in found.bounds)
    return Page(
        head=found.gpu_title,
        blocks=(
            *([Grid(columns=("ridge point", "formula", "value", "unit"), rows=ridges)] if ridges else []),
            Grid(columns=("bound", "holds", "what", "condition"), rows=rows),
        ),
    )


def _holds(bound: RegimeBound) -> str:
    changes = ", ".join(f"{_where(bound.symbol, change)}{_told(change)}" for change in bound.changes)
    return changes or f"{_constant(bound)}{bound.symbol}"
