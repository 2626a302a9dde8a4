"""A ranking of symbols as tables for a terminal, and as a page for a notebook."""

from typing import Any

from dsocr_symbolic.questions.question import Question
from dsocr_symbolic.questions.sensitivity.effects import Effect, Sensitivity
from dsocr_symbolic.writing.amounts import measured
from dsocr_symbolic.writing.notebook import Page, TextGrid, warned
from dsocr_symbolic.writing.terminal import flowed, indented, on_terminal, table

VIEWS = ("symbol", "group")
_LEGEND = (
    "elasticity: percent of the metric per percent of the symbol. order: the degree in which the metric grows with the"
    " symbol in the end, everything else held; - where it is no power of it. What follows from a symbol follows: tokens"
    " of a prompt from its image, experts hit from requests. Derivatives are exact, of the branch of each maximum that"
    " leads here; guards and roundings are constant around a point."
)
_EDGES = "At a kink or a jump: > holds for larger values alone, < for smaller ones, ! for this very value."
_MARKS = {"both": " ", "above": ">", "below": "<", "neither": "!"}
_LONG = 10**9


def sensitivity_text(question: Question, sensitivity: Sensitivity, view: str) -> str:
    """Print what a metric hangs on: ``symbol`` in one table, ``group`` in one of each group of symbols."""
    parts = [indented([_head(sensitivity), question.heading(sensitivity.metric)])]
    for group in dict.fromkeys(effect.group for effect in sensitivity.effects) if view == "group" else ("",):
        effects = [effect for effect in sensitivity.effects if group in ("", effect.group)]
        parts.append(
            (f"{group}\n" if group else "") + on_terminal(_table(effects, sensitivity.unit), spare=["meaning"]).rstrip()
        )
    return "\n\n".join([*parts, *map(flowed, _legend(sensitivity))]) + "\n"


def _table(effects: list[Effect], unit: str) -> Any:
    symbol, *numbers, meaning = _columns(unit)
    made = table(symbol, *(f">{title}" for title in numbers), meaning)
    for effect in effects:
        made.add_row(*_cells(effect))
    return made


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


def line(sensitivity: Sensitivity) -> str:
    """Say the metric and what moves it most, with elasticities."""
    effects = (effect for effect in sensitivity.effects if effect.elasticity is not None)
    strongest = ", ".join(f"{effect.symbol} {effect.elasticity:.3g}" for effect in effects)
    return f"{_head(sensitivity)}{': ' if strongest else ''}{strongest}"


def page(sensitivity: Sensitivity) -> Page:
    """Say what a metric hangs on, all symbols in one table."""
    rows = tuple(_cells(effect) for effect in sensitivity.effects)
    grid = TextGrid(columns=_columns(sensitivity.unit), rows=rows)
    return Page(head=_head(sensitivity), blocks=(grid, *_legend(sensitivity), *warned(sensitivity.warnings)))


def _head(sensitivity: Sensitivity) -> str:
    where = f" of {sensitivity.part}" if sensitivity.part else ""
    return f"{sensitivity.metric}{where} = {measured(sensitivity.value, sensitivity.unit)}"


def _legend(sensitivity: Sensitivity) -> list[str]:
    edges = any(effect.side != "both" for effect in sensitivity.effects)
    return [_LEGEND, _EDGES] if edges else [_LEGEND]
