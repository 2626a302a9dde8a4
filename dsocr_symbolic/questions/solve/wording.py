"""What an answer means, in words: bounds rule out, rooflines do neither; and why there is no answer."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from dsocr_symbolic.algebras.branches import Branch, exact
from dsocr_symbolic.language.registry import is_bound, is_time, load_metrics
from dsocr_symbolic.questions.question import Question
from dsocr_symbolic.questions.solve.bottleneck import Bottleneck
from dsocr_symbolic.questions.solve.constraint import Constraint, left_over, put_in
from dsocr_symbolic.questions.solve.problem import Problem, forms_at, sides_at
from dsocr_symbolic.questions.solve.search import Boundary
from dsocr_symbolic.scenario.checks import LARGEST
from dsocr_symbolic.writing.amounts import compared, measured, scaled

_LONGER = Fraction(101, 100)
_FAR = LARGEST / 1000


def symbol_unit(question: Question, symbol: str) -> str:
    """Return the unit of a number of the machine; other symbols are printed in full and without one."""
    quantity = question.definition.quantities[symbol]
    return quantity.unit if quantity.group == "machine" else ""


def side_unit(constraint: Constraint) -> str:
    """Return the unit of both sides: that of a metric which is a side of its own; empty where none is."""
    alone = [constraint.terms[each.text] for each in constraint.sides if each.text in constraint.terms]
    return load_metrics()[alone[0].metric].unit if alone else ""


def decides(found: Bottleneck) -> str:
    """Say what decides a metric."""
    if found.moment is not None:
        parts = {
            "weights": found.moment.weight_bytes,
            "KV": found.moment.kv_cache_bytes,
            "activations": found.moment.activation_bytes,
        }
        order = sorted(parts, key=lambda name: -parts[name])
        sizes = ", ".join(f"{name} {scaled(parts[name], 'B')}" for name in order)
        return f"{found.resource_name} at {found.part} ({sizes})"
    share = "" if found.share == 1 else f" ({found.share:.0%} of it)"
    leans = f", there by {found.resource_name} ({found.resource_share:.0%})" if found.resource else ""
    return f"{found.part}{share}{leans}"


def depends(problem: Problem, value: Any) -> bool:
    """Whether a constraint has anything to do with its symbol."""
    found = forms_at(problem, value)
    return isinstance(found.left, Branch) or isinstance(found.right, Branch)


def refusal(problem: Problem, best: Any, bottlenecks: Sequence[Bottleneck]) -> str:
    """Say that no value meets a constraint, and what decides at the one that comes closest."""
    constraint, found = problem.constraint, sides_at(problem, best)
    unit = side_unit(constraint)
    text = f"no {problem.symbol} meets {constraint.spelled}"
    for each in bottlenecks:
        if each.moment is not None and constraint.at_most and each.moment.weight_bytes > found.right:
            weights = measured(each.moment.weight_bytes, unit)
            return f"{text}: weights alone need {weights} of {measured(found.right, unit)}"
    if not depends(problem, best):
        return f"{text}: {compared(found.left, found.right, unit)}, which does not depend on {problem.symbol}"
    value = f"at {measured(best, symbol_unit(problem.question, problem.symbol))}, which comes closest,"
    if best and not 1 / _FAR < best < _FAR:
        value = f"however {'large' if best > 1 else 'small'} it is,"
    why = "".join(f"; {each.metric} is decided by {decides(each)}" for each in bottlenecks)
    times = [term.metric for term in constraint.terms.values() if is_time(term.metric) and not is_bound(term.metric)]
    why += f"; {', '.join(times)} is neither bound nor forecast" if times else ""
    return f"{text}: {value} {compared(found.left, found.right, unit)}{why}"


def meaning(problem: Problem, boundary: Boundary) -> str:
    """Say what an answer means where times are part of the constraint; empty where none is."""
    times = [term.metric for term in problem.constraint.terms.values() if is_time(term.metric)]
    if not times:
        return ""
    named = ", ".join(dict.fromkeys(times))
    bounds = [name for name in times if is_bound(name)]
    if not bounds:
        return f"by {named} (neither bound nor forecast)"
    if boundary.value is None:
        return f"by {named}: a lower bound rules no value out"
    value = measured(boundary.value, symbol_unit(problem.question, problem.symbol))
    if not _shorter_is_better(problem, boundary.value):
        return f"by {named}: a lower bound, so that every run meets the limit at {value}; others may as well"
    word, side_of = ("at most", "above") if boundary.sense == "largest" else ("at least", "below")
    return f"{word} {value}: by {named}, no {problem.symbol} {side_of} it can meet the limit"


def _shorter_is_better(problem: Problem, value: Any) -> bool:
    """Whether a longer time makes the constraint harder, so that a lower bound rules values out."""
    constraint, curve = problem.constraint, problem.curve
    scope = curve.scope(exact(value))
    now = dict(zip(constraint.terms, curve.metrics(scope), strict=True))
    later = {name: _LONGER * each if is_time(constraint.terms[name].metric) else each for name, each in now.items()}
    after, before = (left_over(constraint, put_in(constraint, {**scope, **each})) for each in (later, now))
    return bool(after < before)
