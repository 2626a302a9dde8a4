"""Regime boundaries for a terminal: each with its formula and numbers, or by machine; and for a notebook."""

from collections.abc import Sequence

from dsocr_symbolic.questions.bounds.regimes import Bounds, Change, RegimeBound
from dsocr_symbolic.questions.question import Question
from dsocr_symbolic.writing.amounts import measured
from dsocr_symbolic.writing.notebook import Page, TextGrid, warned
from dsocr_symbolic.writing.terminal import indented, on_terminal, table


def bounds_text(question: Question, bounds: Bounds) -> str:
    """Print the bounds of one machine: condition, formula, numbers, and where it changes."""
    parts = [indented([question.heading()])]
    if bounds.ridge_points:
        ridges = [f"{ridge.name}: {ridge.formula} = {ridge.value:.5g} {ridge.unit}" for ridge in bounds.ridge_points]
        parts.append(indented(["ridge points", *ridges]))
    parts += [indented(_lines(bound)) for bound in bounds.bounds]
    return "\n\n".join(parts) + "\n"


def _lines(bound: RegimeBound) -> list[str]:
    lines = [f"{bound.name}: {bound.summary}", bound.condition]
    lines += [f"  {name}: {said}" for name, said in bound.terms.items()]
    lines += [f"in symbols: {bound.formula}"] if bound.formula else []
    for change in bound.changes:
        lines += [_where(bound.symbol, change), *(f"  {numbers}" for numbers in change.numbers)]
    return lines if bound.changes else [*lines, ": ".join([_constant(bound), *bound.numbers])]


def _where(symbol: str, change: Change) -> str:
    value = measured(change.value)
    where = f"from {symbol} = {value} on" if change.holds else f"up to {symbol} = {value}"
    told = ", ".join(f"{name} {measured(number)}" for name, number in change.tells.items())
    return f"{where} ({told})" if told else where


def _constant(bound: RegimeBound) -> str:
    return f"at {'every' if bound.holds_first else 'no'} {bound.symbol}"


def bounds_table(machines: Sequence[Bounds]) -> str:
    """Print a table of machines: a row each, a column for each bound."""
    first = machines[0]
    titles = [f"ridge of {ridge.name}" for ridge in first.ridge_points] + [bound.name for bound in first.bounds]
    made = table("gpu", *(f">{title.replace('_', ' ')}" for title in titles))
    for machine in machines:
        ridges = (f"{ridge.value:.4g}" for ridge in machine.ridge_points)
        made.add_row(machine.gpu, *ridges, *(_cell(bound) for bound in machine.bounds))
    symbols = ", ".join(f"{bound.name} in {bound.symbol}" for bound in first.bounds)
    legend = f"{symbols}. n+: from n on; -n: up to n. Ridge points in FLOP/byte."
    return f"{on_terminal(made)}\n{indented([legend])}\n"


def _cell(bound: RegimeBound) -> str:
    if not bound.changes:
        return "always" if bound.holds_first else "never"
    ends = ((change.holds, measured(change.value)) for change in bound.changes)
    return ", ".join(f"{value}+" if holds else f"-{value}" for holds, value in ends)


def line(bounds: Bounds) -> str:
    """Say the machine, and where each condition holds."""
    return f"{bounds.gpu}: {', '.join(f'{bound.name} {_cell(bound)}' for bound in bounds.bounds)}"


def page(bounds: Bounds) -> Page:
    """Say the ridge points, and where each condition holds."""
    ridges = tuple((ridge.name, ridge.formula, f"{ridge.value:.5g}", ridge.unit) for ridge in bounds.ridge_points)
    holds = [", ".join(_where(bound.symbol, change) for change in bound.changes) for bound in bounds.bounds]
    rows = tuple(
        (bound.name, where or _constant(bound), bound.summary, bound.condition)
        for bound, where in zip(bounds.bounds, holds, strict=True)
    )
    grid = TextGrid(columns=("bound", "holds", "what", "condition"), rows=rows)
    above = [TextGrid(columns=("ridge point", "formula", "value", "unit"), rows=ridges)] if ridges else []
    return Page(head=bounds.gpu_title, blocks=(*above, grid, *warned(bounds.warnings)))
