"""A constraint along one symbol: both sides at any value, and where it stops to hold."""

import math
from functools import cache
from typing import Any, Literal

import sympy
from attrs import evolve, frozen

from dsocr_symbolic.algebras import branches
from dsocr_symbolic.algebras.branches import Branch, exact
from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.questions.curve import Curve
from dsocr_symbolic.questions.question import Question
from dsocr_symbolic.questions.solve.closed_form import Root, roots_of
from dsocr_symbolic.questions.solve.constraint import Constraint, Sides, left_over, sides
from dsocr_symbolic.questions.solve.domain import Domain, RealDomain, WholeDomain
from dsocr_symbolic.questions.solve.search import Boundary, NotMonotoneError, Slack, find_boundary, find_changes
from dsocr_symbolic.scenario.checks import LARGEST
from dsocr_symbolic.scenario.scenario import with_user

Method = Literal["closed form", "bisection"]


_SHOWN = 6


@frozen(kw_only=True)
class Problem:
    """A constraint along one symbol.

    Attributes
    ----------
    constraint : Constraint
        What must hold.
    curve : Curve
        Its metrics along the symbol.
    """

    constraint: Constraint
    curve: Curve

    @property
    def symbol(self) -> str:
        """The symbol that is left free."""
        return self.curve.symbol

    @property
    def question(self) -> Question:
        """What is put in for all others."""
        return self.curve.question


def pose(question: Question, symbol: str, constraint: Constraint) -> Problem:
    """Leave one symbol of a question free.

    Raises
    ------
    UserError
        If there is no such symbol, or it cannot move.
    """
    known = question.definition.quantities
    if symbol not in known:
        raise UserError(f"unknown symbol '{symbol}': {nearest(symbol, known)}")
    if known[symbol].fixed:
        raise UserError(f"{symbol}: {known[symbol].meaning} is a definition and cannot be solved for")
    curve = Curve(question=question, symbol=symbol, terms=tuple(constraint.terms.values()))
    return Problem(constraint=constraint, curve=curve)


def sides_at(problem: Problem, value: Any) -> Sides:
    """Return both sides at a value, in exact numbers."""
    return sides(problem.constraint, problem.curve, exact(value))


def slack_at(problem: Problem, value: Any) -> Any:
    """Return by how much the constraint is met at a value; negative where it is not."""
    return left_over(problem.constraint, sides_at(problem, value))


def forms_at(problem: Problem, value: Any) -> Sides:
    """Return the forms of both sides that lead at a value."""
    return sides(problem.constraint, problem.curve, branches.free(problem.symbol, value), branches)


def question_at(problem: Problem, value: Any) -> Question:
    """Return the question with a value for the symbol."""
    scenario = problem.question.scenario
    return evolve(problem.question, scenario=with_user(scenario, {problem.symbol: value}))


def find(problem: Problem) -> tuple[Boundary, Method]:
    """Find where a constraint stops to hold.

    Returns
    -------
    boundary : Boundary
        The last value that meets it and the next one, both evaluated exactly.
    method : str
        ``closed form`` where both sides together are a quotient of polynomials of low degree in the symbol.

    Raises
    ------
    UserError
        If it is met here and there, or not even the workload itself is allowed.
    """
    slack, domain = _along(problem)
    problem.curve.check(problem.question.numbers[problem.symbol])
    slack(domain.start)
    _check_freedom(problem, domain)
    closed = _in_closed_form(problem, domain)
    if closed is not None:
        return closed, "closed form"
    try:
        return find_boundary(slack, domain), "bisection"
    except NotMonotoneError as error:
        seen = ", ".join(f"{float(each):.{_SHOWN}g} at {value:.{_SHOWN}g}" for value, each in error.points)
        raise UserError(
            f"{problem.constraint.text}: not monotone in {problem.symbol} (what is left over is {seen}): "
            "no one value answers it; hold what else moves, or look at values one by one"
        ) from error


def changes(problem: Problem) -> tuple[Boundary, ...]:
    """Find every value at which a constraint begins or ceases to hold, from the least one up.

    Raises
    ------
    UserError
        If no value is allowed.
    """
    slack, domain = _along(problem)
    problem.curve.check(domain.lowest())
    return find_changes(slack, domain)


def global_roots(problem: Problem, value: Any) -> list[Root] | None:
    """Return where both sides are equal, if one form holds for all values; None if it does not, or is too hard."""
    difference = left_over(problem.constraint, forms_at(problem, value))
    if not isinstance(difference, Branch):
        return []
    return None if difference.decided else roots_of(difference.form, branches.unknown(problem.symbol))


def _along(problem: Problem) -> tuple[Slack, Domain]:
    """Return the slack, and the values that the symbol may have; the workload's own one to start from."""

    @cache
    def slack(value: Any) -> Any:
        return slack_at(problem, value)

    quantity = problem.question.definition.quantities[problem.symbol]
    start = problem.question.numbers[problem.symbol]
    if quantity.real:
        least = max(float(quantity.least), 1 / LARGEST)
        return slack, RealDomain(start=max(float(start), least), least=least)

    def allowed(value: int) -> bool:
        try:
            problem.curve.check(value)
            slack(value)
        except UserError:
            return False
        return True

    return slack, WholeDomain(start=int(start), least=quantity.least, allowed=allowed)


def _check_freedom(problem: Problem, domain: Domain) -> None:
    """Refuse a symbol that rules hold at one value."""
    if domain.above(domain.start, 1) is not None or domain.below(domain.start, 1) is not None:
        return
    try:
        problem.curve.check(domain.start + 1)
    except UserError as error:
        raise UserError(f"{problem.symbol}: no other value than {domain.start} is allowed here ({error})") from error


def _in_closed_form(problem: Problem, domain: Domain) -> Boundary | None:
    """Return the boundary at the only root, or that all values are good; None where it takes a search."""
    roots = global_roots(problem, domain.start)
    if roots is None:
        return None
    inside = [root.value for root in roots if domain.least <= root.value <= LARGEST]
    around = _around(inside[0], domain) if len(inside) == 1 else None
    if (not inside or around == ()) and slack_at(problem, domain.start) >= 0:
        return Boundary(sense="every", value=None, beyond=None)
    if not around:
        return None
    low, high = around
    if slack_at(problem, low) == 0 and slack_at(problem, high) >= 0:
        low, high = domain.previous(low), low
    if low is None:
        return None
    met = slack_at(problem, low) >= 0
    if met == (slack_at(problem, high) >= 0):
        return None
    return Boundary(sense="largest" if met else "smallest", value=low if met else high, beyond=high if met else low)


def _around(root: Any, domain: Domain) -> tuple[Any, ...]:
    """Return the values next to a root: at or below it, and above it; nothing where there are none on a side."""
    if isinstance(domain, WholeDomain):
        place = int(sympy.floor(root))
        low, high = domain.below(place + 1, 1), domain.above(place, 1)
        return () if low is None or high is None else (low, high)
    near = float(root)
    if sympy.Rational(repr(near)) > root:
        near = math.nextafter(near, -math.inf)
    return near, math.nextafter(near, math.inf)
