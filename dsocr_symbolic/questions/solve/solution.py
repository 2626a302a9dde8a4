"""Solve a constraint for one symbol: the largest batch that fits, the bandwidth that a latency needs."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any

from attrs import evolve, frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.algebras.branches import Branch, exact
from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.model import Model
from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.language.time_formula import is_bound, is_plain_time, is_time
from dsocr_symbolic.questions.question import Question, ask
from dsocr_symbolic.questions.solve.bottleneck import Bottleneck, bottleneck
from dsocr_symbolic.questions.solve.constraint import Constraint, left_over, put_in, read_constraint
from dsocr_symbolic.questions.solve.finding import find
from dsocr_symbolic.questions.solve.problem import Method, Problem, pose
from dsocr_symbolic.questions.solve.search import Boundary, Looked, Run, Sense
from dsocr_symbolic.questions.solve.solved_form import derivation
from dsocr_symbolic.scenario.checks import LARGEST, broken_warnings, rule_says
from dsocr_symbolic.scenario.scenario import with_user
from dsocr_symbolic.writing.amounts import compared, measured
from dsocr_symbolic.writing.notebook import Shown

_LONGER = Fraction(101, 100)
_FAR = LARGEST / 1000


@frozen(kw_only=True)
class Point:
    """A value of the symbol.

    Attributes
    ----------
    value, left, right : int or float
        The value, and both sides of the constraint there, in SI units.
    """

    value: Exact
    left: Exact
    right: Exact


@frozen(kw_only=True, repr=False)
class Solution(Shown):
    """What a constraint asks of a symbol.

    Attributes
    ----------
    symbol, meaning, unit, side_unit : str
        The symbol; units where the machine gives one, and where a side is a metric.
    constraint : str
    metrics : tuple of str
        Those that the chosen time stands for.
    sense : str
        ``largest``, ``smallest``, or ``every`` if all values meet it.
    value : int, float or None
        The answer; None for ``every``.
    at, beyond : Point or None
        Both sides at the answer, and at the next value, which does not meet it.
    runs : tuple of Run
        Of whole numbers, all that meet it.
    apart : bool
        Whether some that do not lie between them, or on both sides.
    looked : Looked or None
        What was looked at value by value, and no more; None where the answer is proven.
    method : str
        ``closed form``, or ``bisection`` to the last whole number or the last bit.
    derivation : tuple of str
        The inequality with the symbol free and numbers put in, then its solution; of a bisection, those of the
        branch that leads at the answer.
    bottlenecks : tuple of Bottleneck
        What decides each metric, at the value that does not meet it.
    says : str
        What the answer means where times are part of it, which are bounds or no forecast.
    warnings : tuple of str
        What the model file warns of at the answer; where every value is one, at the workload.
    """

    symbol: str
    meaning: str
    unit: str
    side_unit: str
    constraint: str
    metrics: tuple[str, ...]
    sense: Sense
    value: Exact | None
    at: Point | None
    beyond: Point | None
    runs: tuple[Run, ...]
    apart: bool
    looked: Looked | None
    method: Method
    derivation: tuple[str, ...]
    bottlenecks: tuple[Bottleneck, ...]
    says: str
    warnings: tuple[str, ...]


def solve(
    symbol: str,
    constraint: str,
    *,
    model: str | Model = "deepseek-ocr",
    workload: str | None = None,
    gpu: str | None = None,
    settings: Mapping[str, Any] | None = None,
    time: str = "roofline",
    waived: Iterable[str] = (),
    **choices: str,
) -> Solution:
    """Solve a constraint for one symbol.

    >>> from dsocr_symbolic import solve
    >>> solve("batch", "forward_kv_cache_bytes <= 1e9", workload="gundam").value
    11

    Parameters
    ----------
    symbol : str
        Any symbol of the model; what follows from it follows.
    constraint : str
        ``LEFT <= RIGHT`` or ``LEFT >= RIGHT``, formulas of metrics of the whole, symbols and numbers in SI units:
        ``"peak_memory_bytes <= capacity"``, ``"ttft_s <= 1"``.
    model : str or Model
        The network.
    workload, gpu : str, optional
        Names or files; the model's defaults if left out.
    settings : mapping of str to number, optional
        Values of further symbols.
    time : str
        ``roofline`` or ``lower_bound``: what the time metrics stand for.
    waived : iterable of str
        Switches that lift rules: ``["allow_any_grid"]``.
    **choices : str
        Options that differ from the defaults, underscores in their names.

    Returns
    -------
    Solution
        The largest or smallest value, both sides there and one beyond, and how it was found.

    Raises
    ------
    UserError
        If a name is unknown, no value meets the constraint, or it is met here and there.
    """
    if symbol in (settings or {}):
        raise UserError(f"{symbol}: is solved for, and has a value in the settings; drop one of them")
    question = ask(model, workload=workload, gpu=gpu, settings=settings, waived=frozenset(waived), choices=choices)
    return solve_question(question, symbol, constraint, time)


def solve_question(question: Question, symbol: str, text: str, time: str = "roofline") -> Solution:
    """Solve a constraint of a question, see :func:`solve`."""
    problem = pose(question, symbol, read_constraint(text, question.definition.quantities, time))
    boundary, method = find(problem)
    if boundary.sense == "none":
        said = _refusal(problem, boundary.value, _bottlenecks(problem, boundary.value))
        raise UserError(said + (f"; {looked_text(boundary.looked)}" if boundary.looked else ""))
    last, beyond = boundary.value, boundary.beyond
    steps: tuple[str, ...] = ()
    if last is not None:
        steps = derivation(problem, boundary)
    elif not _depends(problem, question.numbers[symbol]):
        steps = (f"neither side depends on {symbol}",)
    return Solution(
        symbol=symbol,
        meaning=question.definition.quantities[symbol].meaning,
        unit=_symbol_unit(question, symbol),
        side_unit=_side_unit(problem.constraint),
        constraint=problem.constraint.spelled,
        metrics=tuple(term.metric for term in problem.constraint.terms.values()),
        sense=boundary.sense,
        value=last,
        at=None if last is None else _point(problem, last),
        beyond=None if beyond is None else _point(problem, beyond),
        runs=boundary.runs,
        apart=boundary.apart,
        looked=boundary.looked,
        method=method,
        derivation=steps,
        bottlenecks=() if last is None else _bottlenecks(problem, last if beyond is None else beyond),
        says=_meaning(problem, boundary),
        warnings=question.warnings if last is None else tuple(_warnings(problem, last)),
    )


def _warnings(problem: Problem, value: Exact) -> Iterator[str]:
    """Yield what the model file warns of at an answer, with the last value of the symbol that keeps to it."""
    question, numbers = problem.question, problem.numbers(value)
    for rule in broken_warnings(question.definition, numbers):
        said = rule_says(rule, numbers)
        try:
            limit = read_constraint(rule.require.text, question.definition.quantities, "roofline")
            boundary, _ = find(pose(question, problem.symbol, limit))
        except UserError:
            # Not a comparison of two sides, or kept here and there.
            yield said
            continue
        keeps = boundary.sense in ("largest", "smallest")
        yield f"{said}; {problem.symbol} = {boundary.value} is the {boundary.sense} that keeps to it" if keeps else said


def _point(problem: Problem, value: Exact) -> Point:
    sides = problem.sides(exact(value))
    left, right = map(arithmetic.whole, sides)
    if left == right and sides[0] != sides[1]:
        # Apart by less than float64 tells: the last bit says on which side.
        left = math.nextafter(left, math.inf if sides[0] > sides[1] else -math.inf)
    return Point(value=value, left=left, right=right)


def _bottlenecks(problem: Problem, value: Exact) -> tuple[Bottleneck, ...]:
    scenario = with_user(problem.question.scenario, {problem.symbol: value})
    question = evolve(problem.question, scenario=scenario)
    deciding = (bottleneck(question, term.metric) for term in problem.constraint.terms.values())
    return tuple(decides for decides in deciding if decides is not None)


def _symbol_unit(question: Question, symbol: str) -> str:
    """Return the unit of a number of the machine; other symbols are printed in full and without one."""
    quantity = question.definition.quantities[symbol]
    return quantity.unit if quantity.group == "machine" else ""


def _side_unit(constraint: Constraint) -> str:
    """Return the unit of both sides: that of a metric which is a side of its own; empty where none is."""
    alone = [constraint.terms[side.text] for side in constraint.sides if side.text in constraint.terms]
    return load_metrics()[alone[0].metric].unit if alone else ""


def looked_text(looked: Looked) -> str:
    """Say what an answer rests on where it is not proven."""
    return f"looked at {looked.count:,} values from {looked.first:,} to {looked.last:,} alone"


def _depends(problem: Problem, value: Exact) -> bool:
    """Whether a constraint has anything to do with its symbol."""
    return any(isinstance(side, Branch) for side in problem.forms(value))


def _refusal(problem: Problem, best: Exact, bottlenecks: Sequence[Bottleneck]) -> str:
    """Say that no value meets a constraint, and what decides at the one that comes closest."""
    constraint, (left, right) = problem.constraint, problem.sides(exact(best))
    unit = _side_unit(constraint)
    text = f"no {problem.symbol} meets {constraint.spelled}"
    for moment in (decides.moment for decides in bottlenecks):
        if moment is not None and constraint.at_most and moment.weight_bytes > right:
            return f"{text}: weights alone need {measured(moment.weight_bytes, unit)} of {measured(right, unit)}"
    if not _depends(problem, best):
        return f"{text}: {compared(left, right, unit)}, which does not depend on {problem.symbol}"
    value = f"at {measured(best, _symbol_unit(problem.question, problem.symbol))}, which comes closest,"
    if best and not 1 / _FAR < best < _FAR:
        value = f"however {'large' if best > 1 else 'small'} it is,"
    why = "".join(f"; {decides.metric} is decided by {decides.said}" for decides in bottlenecks)
    times = [term.metric for term in constraint.terms.values() if is_plain_time(term.metric)]
    why += f"; {', '.join(times)} is neither bound nor forecast" if times else ""
    return f"{text}: {value} {compared(left, right, unit)}{why}"


def _meaning(problem: Problem, boundary: Boundary) -> str:
    """Say what an answer means where times are part of the constraint; empty where none is."""
    times = [term.metric for term in problem.constraint.terms.values() if is_time(term.metric)]
    if not times:
        return ""
    named = ", ".join(dict.fromkeys(times))
    bounds = [name for name in times if is_bound(name)]
    if not bounds:
        return f"by {named} ({'neither bound nor forecast' if any(map(is_plain_time, times)) else 'a forecast'})"
    if boundary.value is None:
        return f"by {named}: a lower bound rules no value out"
    value = measured(boundary.value, _symbol_unit(problem.question, problem.symbol))
    if not _shorter_is_better(problem, boundary.value):
        return f"by {named}: a lower bound, so that every run meets the limit at {value}; others may as well"
    word, side_of = ("at most", "above") if boundary.sense == "largest" else ("at least", "below")
    return f"{word} {value}: by {named}, no {problem.symbol} {side_of} it can meet the limit"


def _shorter_is_better(problem: Problem, value: Exact) -> bool:
    """Whether a longer time makes the constraint harder, so that a lower bound rules values out."""
    constraint, curve = problem.constraint, problem.curve
    scope = curve.scope(exact(value))
    now = dict(zip(constraint.terms, curve.metrics(scope), strict=True))
    later = {name: _LONGER * value if is_time(constraint.terms[name].metric) else value for name, value in now.items()}
    after, before = (left_over(constraint, put_in(constraint, {**scope, **terms})) for terms in (later, now))
    return bool(after < before)
