"""Where one cost passes another: regime boundaries as formulas, and as numbers of a machine."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import sympy
from attrs import evolve, frozen

from dsocr_symbolic.algebras import arithmetic, symbolic
from dsocr_symbolic.algebras.branches import exact
from dsocr_symbolic.algebras.value import Exact, Expr
from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.evaluation.formulas import made_once
from dsocr_symbolic.evaluation.model import Model
from dsocr_symbolic.evaluation.terms import expression_of
from dsocr_symbolic.language.expression import Expression, evaluate
from dsocr_symbolic.language.files.bounds_file import Condition, RidgePoint, load_bounds
from dsocr_symbolic.language.registry import Term
from dsocr_symbolic.language.time_formula import timed
from dsocr_symbolic.questions.question import Question, ask
from dsocr_symbolic.questions.solve.constraint import Constraint
from dsocr_symbolic.questions.solve.problem import Problem, changes, pose
from dsocr_symbolic.questions.solve.search import Boundary
from dsocr_symbolic.questions.solve.solved_form import derivation, solved_at
from dsocr_symbolic.scenario.scenario import with_user
from dsocr_symbolic.writing.formula_text import as_text
from dsocr_symbolic.writing.notebook import Shown

_LONGEST_FORMULA = 240
_MOST_OPERATIONS = 150


@frozen(kw_only=True)
class Ridge:
    """A ridge point of a machine.

    Attributes
    ----------
    name, summary, formula, unit : str
        What it is.
    value : float
        On this machine.
    """

    name: str
    summary: str
    formula: str
    unit: str
    value: float


@frozen(kw_only=True)
class Change:
    """A value of the symbol at which a condition begins or ceases to hold.

    Attributes
    ----------
    holds : bool
        Whether the condition holds from `value` on; else it holds up to `value`.
    value : int or float
        The first or the last value at which it holds, exactly.
    crossing : float or None
        Where both sides are equal, if the branch that leads there has a closed form.
    numbers : tuple of str
        The condition with numbers put in for all but the symbol, and solved where it can be.
    tells : mapping of str to number
        What else is to be known at `value`.
    """

    holds: bool
    value: Exact
    crossing: float | None
    numbers: tuple[str, ...]
    tells: Mapping[str, Exact]


@frozen(kw_only=True)
class RegimeBound:
    """Where a condition begins or ceases to hold.

    Attributes
    ----------
    name, summary : str
        What holds where the left side is at least the right one.
    condition, formula : str
        In the names of its terms; in symbols, common factors cancelled, empty if that is too long to read.
    terms : mapping of str to str
        What the names stand for.
    symbol : str
    holds_first : bool
        Whether it holds at the least value.
    changes : tuple of Change
        In rising order; none if it holds always, or never.
    numbers : tuple of str
        The condition with numbers put in at the least value, if it never changes.
    """

    name: str
    summary: str
    condition: str
    terms: Mapping[str, str]
    formula: str
    symbol: str
    holds_first: bool
    changes: tuple[Change, ...]
    numbers: tuple[str, ...]


@frozen(kw_only=True, repr=False)
class Bounds(Shown):
    """The bounds of a network on one machine.

    Attributes
    ----------
    gpu, gpu_title : str
    ridge_points : tuple of Ridge
    bounds : tuple of RegimeBound
        In the order in which they were asked for.
    warnings : tuple of str
        What the model file warns of at the workload.
    """

    gpu: str
    gpu_title: str
    ridge_points: tuple[Ridge, ...]
    bounds: tuple[RegimeBound, ...]
    warnings: tuple[str, ...]


def bounds(
    *,
    model: str | Model = "deepseek-ocr",
    only: Iterable[str] | None = None,
    workload: str | None = None,
    gpu: str | None = None,
    settings: Mapping[str, Any] | None = None,
    time: str = "roofline",
    waived: Iterable[str] = (),
    **choices: str,
) -> Bounds:
    """Find where one cost passes another.

    Parameters
    ----------
    model : str or Model
        The network; its conditions stand in ``formulas/bounds/``.
    only : iterable of str, optional
        The conditions to look at; all if left out.
    workload, gpu, settings, time, waived, **choices
        As in :func:`~dsocr_symbolic.questions.solve.solution.solve`.

    Returns
    -------
    Bounds
        Whole numbers are exact: the condition is evaluated there and one beyond.

    Raises
    ------
    UserError
        If a name is unknown, a value is not allowed, or a condition changes more than once.
    """
    question = ask(model, workload=workload, gpu=gpu, settings=settings, waived=frozenset(waived), choices=choices)
    return find_bounds(question, only, time)


def find_bounds(
    question: Question, only: Iterable[str] | None = None, time: str = "roofline", *, derived: bool = True
) -> Bounds:
    """Find the bounds of a question, see :func:`bounds`; with what leads to them put in numbers if it is asked for."""
    known = load_bounds(question.definition)
    names = list(known.conditions) if only is None else list(only)
    for name in names:
        if name not in known.conditions:
            raise UserError(f"unknown bound '{name}': {nearest(name, known.conditions)}")
        condition = known.conditions[name]
        for symbol in question.scenario.user if only is not None else ():
            if symbol in (condition.vary, *condition.settings):
                raise UserError(f"{symbol}: {name} gives it values itself; drop one of them")
    return Bounds(
        gpu=question.scenario.gpu.name,
        gpu_title=question.scenario.gpu.title,
        ridge_points=tuple(_ridge(question, point) for point in known.ridge_points.values()),
        bounds=tuple(_bound(question, known.conditions[name], time, derived=derived) for name in names),
        warnings=question.warnings,
    )


def _ridge(question: Question, point: RidgePoint) -> Ridge:
    numbers = {name: exact(value) for name, value in question.numbers.items()}
    value = float(evaluate(point.value, numbers, arithmetic))
    return Ridge(name=point.name, summary=point.summary, formula=point.value.text, unit=point.unit, value=value)


def _bound(question: Question, condition: Condition, time: str, *, derived: bool) -> RegimeBound:
    terms = {name: evolve(term, metric=timed(term.metric, time)) for name, term in condition.terms.items()}
    constraint = Constraint(left=condition.left, right=condition.right, at_most=False, terms=terms)
    scenario = with_user(question.scenario, condition.settings)
    scenario = evolve(scenario, waived=scenario.waived | condition.waived)
    problem = pose(evolve(question, scenario=scenario), condition.vary, constraint)
    try:
        boundaries = changes(problem)
    except UserError as error:
        raise UserError(f"{condition.name}: {error}") from error
    paths = {name: " and ".join(path or "total" for path in term.paths) for name, term in terms.items()}
    constant = boundaries[0].beyond is None
    return RegimeBound(
        name=condition.name,
        summary=condition.summary,
        condition=constraint.text,
        terms={name: f"{term.metric} of {paths[name]}" for name, term in terms.items()},
        formula=_formula(problem) if derived else "",
        symbol=condition.vary,
        holds_first=boundaries[0].sense in ("every", "largest"),
        changes=()
        if constant
        else tuple(_change(problem, condition, boundary, derived=derived) for boundary in boundaries),
        numbers=derivation(problem, boundaries[0]) if constant and derived else (),
    )


def _change(problem: Problem, condition: Condition, boundary: Boundary, *, derived: bool) -> Change:
    scope = problem.curve.scope(exact(boundary.value))
    crossing, numbers = solved_at(problem, boundary) if derived else (None, ())
    return Change(
        holds=boundary.sense == "smallest",
        value=boundary.value,
        crossing=crossing,
        numbers=numbers,
        tells={name: arithmetic.whole(evaluate(told, scope, arithmetic)) for name, told in condition.tells.items()},
    )


def _formula(problem: Problem) -> str:
    """Write the condition in symbols, what both sides share cancelled; empty if it is too long to read."""
    constraint = problem.constraint
    return _in_symbols(problem.question.model, constraint.sides, constraint.sign, tuple(constraint.terms.items()))


@lru_cache(maxsize=64)
def _in_symbols(
    model: Model, sides: tuple[Expression, Expression], sign: str, terms: tuple[tuple[str, Term], ...]
) -> str:
    """Write it once for all machines: their numbers are symbols."""
    about = f"{tuple(side.text for side in sides)} {sign} of {terms}"
    text: str = made_once(model.definition, model.options, about, lambda: _written(model, sides, sign, terms))
    return text


def _written(model: Model, sides: tuple[Expression, Expression], sign: str, terms: tuple[tuple[str, Term], ...]) -> str:
    scope: dict[str, Expr] = {name: symbolic.symbol(name) for name in model.definition.quantities}
    scope |= {name: expression_of(model, term) for name, term in terms}
    left, right = (evaluate(side, scope, symbolic) for side in sides)
    if sympy.count_ops(left) + sympy.count_ops(right) > _MOST_OPERATIONS:
        return ""
    above, below = sympy.fraction(sympy.cancel(left / right))
    if above.could_extract_minus_sign():
        above, below = -above, -below
    text = f"{as_text(above)} {sign} {as_text(below)}"
    return text if len(text) <= _LONGEST_FORMULA else ""
