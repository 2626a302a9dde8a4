"""Totals of stages as formulas that a person can read: few symbols stay free."""

from collections.abc import Collection, Mapping

import sympy

from dsocr_symbolic.algebras import arithmetic, symbolic
from dsocr_symbolic.algebras.value import Expr
from dsocr_symbolic.language.expression import evaluate, names
from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.network.builder import model_tree, stage_guards
from dsocr_symbolic.network.leaves import metric_expression
from dsocr_symbolic.network.node import Node
from dsocr_symbolic.scenario.scenario import Scenario
from dsocr_symbolic.scenario.values import Values, chosen_slots
from dsocr_symbolic.writing.formula_text import as_text
from dsocr_symbolic.writing.latex import as_latex


def closed_forms(
    scenario: Scenario, values: Values, kept: Collection[str], *, latex: bool
) -> dict[str, dict[str, str | None]]:
    """Print every metric of every stage and of the whole with few symbols free; None for what has no closed form."""
    stages = model_tree(scenario.definition, chosen_slots(scenario.definition, scenario.options))
    numbers = {
        symbolic.symbol(name): sympy.Float(value) if isinstance(value, float) else sympy.Rational(value)
        for name, value in values.numbers.items()
        if name not in kept
    }
    # Which stages run is decided: a form is that of a workload in which the same ones do.
    numbers = stage_guards(scenario.definition, values.numbers) | numbers
    letters = {name: quantity.letter for name, quantity in scenario.definition.quantities.items()} if latex else None
    parts: dict[str, tuple[Node, ...]] = {stage.path[0]: (stage,) for stage in stages}
    parts["total"] = stages
    return {
        name: {metric: _closed_form(nodes, metric, numbers, letters) for metric in load_metrics()}
        for name, nodes in parts.items()
    }


def held_where(scenario: Scenario, values: Values, kept: Collection[str]) -> list[str]:
    """Say where closed forms hold: the guards of stages that run here, as far as they move with what stays free."""
    guards = (call.when for call in scenario.definition.stages if call.when is not None)
    moving = (guard for guard in guards if names(guard) & {*kept})
    said = {guard.text: evaluate(guard, values.numbers, arithmetic) for guard in moving}
    return [text if runs else f"not {text}" for text, runs in said.items()]


def _closed_form(
    nodes: tuple[Node, ...], metric: str, numbers: Mapping[Expr, Expr], letters: Mapping[str, str] | None
) -> str | None:
    """Print one metric; times and ratios of sums are no closed forms that a person could read."""
    if load_metrics()[metric].kind not in ("flow", "stock"):
        return None
    expression = metric_expression(nodes, metric)
    if expression is None:
        return None
    form = sympy.sympify(expression).xreplace(numbers)
    return as_text(form) if letters is None else as_latex(form, letters)
