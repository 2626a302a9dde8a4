"""A ranking of symbols as tables for a terminal."""

from typing import Any

from dsocr_symbolic.questions.question import Question
from dsocr_symbolic.questions.sensitivity.effects import Effect, Sensitivity
from dsocr_symbolic.writing.amounts import measured
from dsocr_symbolic.writing.notebook import Grid, Page
from dsocr_symbolic.writing.terminal import on_terminal

VIEWS = ("symbol", "group")


_LEGEND = """elasticity: percent of the metric per percent of the symbol. order: the degree in which the metric
grows with the symbol in the end, everything else held; - where it is no power of it. What follows
from a symbol follows: prompt_tokens from crop_rows, experts hit from batch. Derivatives are exact,
of the branch of each maximum that leads here; guards and roundings are constant around a point."""


_EDGES = "At a kink or a jump: > holds for larger values alone, < for smaller ones, ! for this very value."


_MARKS = {"both": " ", "above": ">", "below": "<", "neither": "!"}


def sensitivity_text(question: Question, found: Sensitivity, view: str) -> str:
    """Print what a metric hangs on.

    Parameters
    ----------
    question : Question
        What was asked about.
    found : Sensitivity
        The ranking.
    view : str
        ``symbol`` for one table, ``group`` for one of each group of symbols.

    Returns
    -------
    str
        Lines.
    """
    head = f"{_head(found)}\n  {question.heading()}"
    groups = dict.fromkeys(each.group for each in found.effects) if view == "group" else {"": None}
    tables = []
    for group in groups:
        effects = [each for each in found.effects if group in ("", each.group)]
        tables.append((f"{group}\n" if group else "") + on_terminal(_table(effects, found.unit)).rstrip())
    return "\n\n".join([head, *tables, _legend(found)]) + "\n"


def _table(effects: list[Effect], unit: str) -> Any:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    symbol, *numbers, meaning = _columns(unit)
    table.add_column(symbol)
    for title in numbers:
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column(meaning, overflow="fold")
    for each in effects:
        table.add_row(*map(escape, _cells(each)))
    return table


def _columns(unit: str) -> tuple[str, ...]:
    return ("symbol", "value", f"derivative ({unit} per 1)", "elasticity", "order", "meaning")


def _cells(effect: Effect) -> tuple[str, ...]:
    long = isinstance(effect.value, float) or abs(effect.value) >= _LONG
    return (
        effect.symbol,
        f"{effect.value:.6g}" if long else str(effect.value),
        f"{effect.derivative:.5g}{_MARKS[effect.side]}",
        "-" if effect.elasticity is None else f"{effect.elasticity:.4f}",
        "-" if effect.order is None else str(effect.order),
        effect.meaning,
    )


def line(found: Sensitivity) -> str:
    """Say the metric and what moves it most, with elasticities."""
    strongest = [f"{each.symbol} {each.elasticity:.3g}" for each in found.effects if each.elasticity is not None]
    return f"{_head(found)}{': ' if strongest else ''}{', '.join(strongest)}"


def page(found: Sensitivity) -> Page:
    """Say what a metric hangs on, all symbols in one table."""
    rows = tuple(_cells(effect) for effect in found.effects)
    return Page(head=_head(found), blocks=(Grid(columns=_columns(found.unit), rows=rows), _legend(found)))


def _head(found: Sensitivity) -> str:
    return f"{found.metric}{f' of {found.part}' if found.part else ''} = {measured(found.value, found.unit)}"


def _legend(found: Sensitivity) -> str:
    return _LEGEND + (f"\n{_EDGES}" if any(effect.side != "both" for effect in found.effects) else "")


_LONG = 10**9
