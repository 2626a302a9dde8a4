"""Solve a constraint for one symbol: the largest batch that fits, the bandwidth that a latency needs."""

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.model import Model
from dsocr_symbolic.questions.question import Question, ask
from dsocr_symbolic.questions.solve.bottleneck import Bottleneck, bottleneck
from dsocr_symbolic.questions.solve.constraint import read_constraint
from dsocr_symbolic.questions.solve.problem import Method, Problem, find, pose, question_at, sides_at
from dsocr_symbolic.questions.solve.search import Sense
from dsocr_symbolic.questions.solve.solved_form import derivation
from dsocr_symbolic.questions.solve.wording import depends, meaning, refusal, side_unit, symbol_unit
from dsocr_symbolic.writing.notebook import Shown


@frozen(kw_only=True)
class Point:
    """Both sides of a constraint at one value of the symbol."""

    value: Any
    left: Any
    right: Any


@frozen(kw_only=True, repr=False)
class Solution(Shown):
    """What a constraint asks of a symbol.

    Attributes
    ----------
    symbol, meaning, unit : str
        The symbol; its unit where the machine gives one.
    side_unit : str
        The unit of both sides, where one of them is a metric.
    constraint : str
        With the metrics that the chosen time stands for.
    metrics : tuple of str
        Those metrics.
    sense : str
        ``largest``, ``smallest``, or ``every`` if all values meet it.
    value : int, float or None
        The answer; None for ``every``.
    at, beyond : Point or None
        Both sides at the answer, and at the next value, which does not meet it.
    method : str
        ``closed form``, or ``bisection`` to the last whole number or the last bit.
    derivation : tuple of str
        The inequality with the symbol free and numbers put in, then its solution; of a bisection, those of the
        branch that leads at the answer.
    bottlenecks : tuple of Bottleneck
        What decides each metric, at the value that does not meet it.
    says : str
        What the answer means where times are part of it, which are bounds or no forecast.
    """

    symbol: str
    meaning: str
    unit: str
    side_unit: str
    constraint: str
    metrics: tuple[str, ...]
    sense: Sense
    value: Any
    at: Point | None
    beyond: Point | None
    method: Method
    derivation: tuple[str, ...]
    bottlenecks: tuple[Bottleneck, ...]
    says: str


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
        raise UserError(refusal(problem, boundary.value, _bottlenecks(problem, boundary.value)))
    last, beyond = boundary.value, boundary.beyond
    return Solution(
        symbol=symbol,
        meaning=question.definition.quantities[symbol].meaning,
        unit=symbol_unit(question, symbol),
        side_unit=side_unit(problem.constraint),
        constraint=problem.constraint.spelled,
        metrics=tuple(term.metric for term in problem.constraint.terms.values()),
        sense=boundary.sense,
        value=last,
        at=None if last is None else _point(problem, last),
        beyond=None if beyond is None else _point(problem, beyond),
        method=method,
        derivation=_independent(problem) if last is None else derivation(problem, boundary),
        bottlenecks=() if last is None else _bottlenecks(problem, last if beyond is None else beyond),
        says=meaning(problem, boundary),
    )


def _independent(problem: Problem) -> tuple[str, ...]:
    """Say that a constraint has nothing to do with its symbol, where that is so."""
    start = problem.question.numbers[problem.symbol]
    return () if depends(problem, start) else (f"neither side depends on {problem.symbol}",)


def _point(problem: Problem, value: Any) -> Point:
    found = sides_at(problem, value)
    return Point(value=value, left=arithmetic.whole(found.left), right=arithmetic.whole(found.right))


def _bottlenecks(problem: Problem, value: Any) -> tuple[Bottleneck, ...]:
    question = question_at(problem, value)
    found = (bottleneck(question, term.metric) for term in problem.constraint.terms.values())
    return tuple(each for each in found if each is not None)
