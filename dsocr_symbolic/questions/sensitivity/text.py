"""A ranking of symbols as tables for a terminal."""

from typing import Any

from dsocr_symbolic.questions.question import Question
from dsocr_symbolic.questions.sensitivity.effects import Effect, Sensitivity
from dsocr_symbolic.writing.amounts import measured
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
    where = f" of {found.part}" if found.part else ""
    head = f"{found.metric}{where} = {measured(found.value, found.unit)}\n  {question.heading()}"
    groups = dict.fromkeys(each.group for each in found.effects) if view == "group" else {"": None}
    tables = []
    for group in groups:
        effects = [each for each in found.effects if group in ("", each.group)]
        tables.append((f"{group}\n" if group else "") + on_terminal(_table(effects, found.unit)).rstrip())
    edges = any(each.side != "both" for each in found.effects)
    parts = [head, *tables, _LEGEND + (f"\n{_EDGES}" if edges else "")]
    return "\n\n".join(parts) + "\n"


def _table(effects: list[Effect], unit: str) -> Any:
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("symbol")
    for title in ("value", f"derivative ({unit} per 1)", "elasticity", "order"):
        table.add_column(title, justify="right", no_wrap=True)
    table.add_column("meaning", overflow="fold")
    for each in effects:
        table.add_row(
            each.symbol,
            f"{each.value:.6g}" if isinstance(each.value, float) or abs(each.value) >= _LONG else str(each.value),
            f"{each.derivative:.5g}{_MARKS[each.side]}",
            "-" if each.elasticity is None else f"{each.elasticity:.4f}",
            "-" if each.order is None else str(each.order),
            escape(each.meaning),
        )
    return table


_LONG = 10**9
