"""Totals of stages as formulas that a person can read: few symbols stay free."""

from collections.abc import Collection, Mapping

import sympy

from dsocr_symbolic.algebras import arithmetic, symbolic
from dsocr_symbolic.algebras.value import Expr
from dsocr_symbolic.language.expression import evaluate, names
from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.network.fold import Fold
from dsocr_symbolic.network.leaves import leaves_of
from dsocr_symbolic.network.model_tree import model_tree, stage_guards
from dsocr_symbolic.scenario.overrides import as_rational
from dsocr_symbolic.scenario.scenario import Scenario
from dsocr_symbolic.scenario.values import Values, chosen_slots
from dsocr_symbolic.writing.formula_text import as_text
from dsocr_symbolic.writing.latex import as_latex


def closed_forms(
    scenario: Scenario, values: Values, kept: Collection[str], *, latex: bool
) -> dict[str, dict[str, str | None]]:
    """Print every metric of every stage and of the whole with few symbols free; None for what has no closed form."""
    definition = scenario.definition
    # What is decided is put in at once, which stages run included: a form holds where the same ones do. Expectations
    # come last, so that whatever does not hang on them stays exact.
    expected = {name: value for name, value in values.numbers.items() if isinstance(value, float) and name not in kept}
    free = {*kept, *expected}
    scope = {
        name: symbolic.symbol(name) if name in free else as_rational(value) for name, value in values.numbers.items()
    }
    numbers = stage_guards(definition, values.numbers, scope)
    numbers |= {symbolic.symbol(name): sympy.Float(value) for name, value in expected.items()}
    fold = Fold(leaves_of(model_tree(definition, chosen_slots(definition, scenario.options), scope=scope)))
    rows = {**{fold.leaves.rows[row].path: row for row in fold.below[0]}, "total": 0}
    letters = {name: quantity.letter for name, quantity in definition.quantities.items()} if latex else None
    return {
        name: {metric: _closed_form(fold, row, metric, numbers, letters) for metric in load_metrics()}
        for name, row in rows.items()
    }


def held_where(scenario: Scenario, values: Values, kept: Collection[str]) -> list[str]:
    """Say where closed forms hold: the guards of stages that run here, as far as they move with what stays free."""
    guards = (call.when for call in scenario.definition.stages if call.when is not None)
    moving = (guard for guard in guards if names(guard) & {*kept})
    said = {guard.text: evaluate(guard, values.numbers, arithmetic) for guard in moving}
    return [text if runs else f"not {text}" for text, runs in said.items()]


def _closed_form(
    fold: Fold, row: int, metric: str, numbers: Mapping[Expr, Expr], letters: Mapping[str, str] | None
) -> str | None:
    """Print one metric; times and ratios of sums are no closed forms that a person could read."""
    if load_metrics()[metric].kind not in ("flow", "stock"):
        return None
    expression = fold.column(metric)[row]
    if expression is None:
        return None
    form = sympy.sympify(expression).xreplace(numbers)
    return as_text(form) if letters is None else as_latex(form, letters)
