"""A ranking of symbols as tables for a terminal."""

from typing import Any

from dsocr_symbolic.questions.question import Question
from dsocr_symbolic.questions.sensitivity.effects import Effect, Sensitivity
from dsocr_symbolic.writing.amounts import measured
from dsocr_symbolic.writing.terminal import on_terminal, table

VIEWS = ("symbol", "group")

_LEGEND = """elasticity: percent of the metric per percent of the symbol. order: the degree in which the metric
grows with the symbol in the end, everything else held; - where it is no power of it. What follows
from a symbol follows: prompt_tokens from crop_rows, experts hit from batch. Derivatives are exact,
of the branch of each maximum that leads here; guards and roundings are constant around a point."""
_EDGES = "At a kink or a jump: > holds for larger values alone, < for smaller ones, ! for this very value."
_MARKS = {"both": " ", "above": ">", "below": "<", "neither": "!"}
_LONG = 10**9


def sensitivity_text(question: Question, sensitivity: Sensitivity, view: str) -> str:
    """Print what a metric hangs on: ``symbol`` in one table, ``group`` in one of each group of symbols."""
    where = f" of {sensitivity.part}" if sensitivity.part else ""
    value = measured(sensitivity.value, sensitivity.unit)
    parts = [f"{sensitivity.metric}{where} = {value}\n  {question.heading()}"]
    for group in dict.fromkeys(effect.group for effect in sensitivity.effects) if view == "group" else ("",):
        effects = [effect for effect in sensitivity.effects if group in ("", effect.group)]
        parts.append((f"{group}\n" if group else "") + on_terminal(_table(effects, sensitivity.unit)).rstrip())
    edges = any(effect.side != "both" for effect in sensitivity.effects)
    return "\n\n".join([*parts, _LEGEND + (f"\n{_EDGES}" if edges else "")]) + "\n"


def _table(effects: list[Effect], unit: str) -> Any:
    from rich.markup import escape

    made = table("symbol", ">value", f">derivative ({unit} per 1)", ">elasticity", ">order", "meaning")
    for effect in effects:
        exact = not isinstance(effect.value, float) and abs(effect.value) < _LONG
        made.add_row(
            effect.symbol,
            str(effect.value) if exact else f"{effect.value:.6g}",
            f"{effect.derivative:.5g}{_MARKS[effect.side]}",
            "-" if effect.elasticity is None else f"{effect.elasticity:.4f}",
            "-" if effect.order is None else str(effect.order),
            escape(effect.meaning),
        )
    return made
