"""A constraint along one symbol: both sides at any value, and where it stops to hold."""

import math
from functools import cache
from types import ModuleType
from typing import Any, Literal

import sympy
from attrs import frozen

from dsocr_symbolic.algebras import arithmetic, branches
from dsocr_symbolic.algebras.branches import Branch, exact
from dsocr_symbolic.algebras.value import Exact, Expr, Value
from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.questions.curve import Curve
from dsocr_symbolic.questions.question import Question
from dsocr_symbolic.questions.solve import search
from dsocr_symbolic.questions.solve.constraint import Constraint, Sides, left_over, no_value, put_in
from dsocr_symbolic.scenario.checks import LARGEST

Method = Literal["closed form", "bisection"]
_SHOWN = 6
_HIGHEST = 2


@frozen(kw_only=True)
class Problem:
    """A constraint along one symbol.

    Attributes
    ----------
    constraint : Constraint
    curve : Curve
        The metrics of the constraint along the symbol.
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

    def sides(self, value: Value, algebra: ModuleType = arithmetic) -> Sides:
        """Return both sides at a value of the symbol in an algebra."""
        with no_value(self.constraint):
            scope = self.curve.scope(value, algebra)
            scope |= dict(zip(self.constraint.terms, self.curve.metrics(scope, algebra), strict=True))
        return put_in(self.constraint, scope, algebra)

    def forms(self, value: Exact) -> Sides:
        """Return the forms of both sides that lead at a value."""
        return self.sides(branches.free(self.symbol, value), branches)

    def numbers(self, value: Exact) -> dict[str, Any]:
        """Return the number of every symbol at a value."""
        return self.curve.scope(exact(value))

    def slack(self, value: Exact) -> Any:
        """Return by how much the constraint is met at a value; negative where it is not."""
        return left_over(self.constraint, self.sides(exact(value)))


@frozen(kw_only=True)
class Root:
    """Where a difference is 0.

    Attributes
    ----------
    value : sympy.Expr
        Exact: a rational, or a rational with one square root.
    text : str
        How it comes about, in whole numbers; empty where there is nothing to add.
    """

    value: Expr
    text: str


def pose(question: Question, symbol: str, constraint: Constraint) -> Problem:
    """Leave one symbol of a question free."""
    known = question.definition.quantities
    if symbol not in known:
        raise UserError(f"unknown symbol '{symbol}': {nearest(symbol, known)}")
    if known[symbol].fixed:
        raise UserError(f"{symbol}: {known[symbol].meaning} is a definition and cannot be solved for")
    curve = Curve(question=question, symbol=symbol, terms=tuple(constraint.terms.values()))
    return Problem(constraint=constraint, curve=curve)


def find(problem: Problem) -> tuple[search.Boundary, Method]:
    """Find the last value that meets a constraint and the next one, and how; raise where it is met here and there."""
    slack, domain = _along(problem)
    problem.curve.check(problem.question.numbers[problem.symbol])
    slack(domain.start)
    _check_freedom(problem, domain)
    closed = _in_closed_form(problem, domain)
    if closed is not None:
        return closed, "closed form"
    try:
        return search.find_boundary(slack, domain), "bisection"
    except search.NotMonotoneError as error:
        seen = ", ".join(f"{float(slack):.{_SHOWN}g} at {value:.{_SHOWN}g}" for value, slack in error.points)
        raise UserError(
            f"{problem.constraint.text}: not monotone in {problem.symbol} (what is left over is {seen}): "
            "no one value answers it; hold what else moves, or look at values one by one"
        ) from error


def changes(problem: Problem) -> tuple[search.Boundary, ...]:
    """Find every value at which a constraint begins or ceases to hold, from the least one up but 0."""
    slack, domain = _along(problem, above=1)
    problem.curve.check(domain.lowest())
    return search.find_changes(slack, domain)


def _along(problem: Problem, above: int = 0) -> tuple[search.Slack, search.Domain]:
    """Return the slack, and the values that the symbol may have; the workload's own one to start from."""
    slack = cache(problem.slack)
    quantity = problem.question.definition.quantities[problem.symbol]
    start = problem.question.numbers[problem.symbol]
    if quantity.real:
        least = max(float(quantity.least), 1 / LARGEST)
        return slack, search.RealDomain(start=max(float(start), least), least=least)

    def allowed(value: int) -> bool:
        try:
            problem.curve.check(value)
            slack(value)
        except UserError:
            return False
        return True

    return slack, search.WholeDomain(start=int(start), least=max(above, quantity.least), allowed=allowed)


def _check_freedom(problem: Problem, domain: search.Domain) -> None:
    """Refuse a symbol that rules hold at one value."""
    start: Any = domain.start
    if domain.above(start, 1) is not None or domain.below(start, 1) is not None:
        return
    try:
        problem.curve.check(start + 1)
    except UserError as error:
        raise UserError(f"{problem.symbol}: no other value than {start} is allowed here ({error})") from error


def _in_closed_form(problem: Problem, domain: search.Domain) -> search.Boundary | None:
    """Return the boundary at the only root, or that all values are good; None where it takes a search."""
    difference = left_over(problem.constraint, problem.forms(domain.start))
    roots: list[Root] | None = []
    if isinstance(difference, Branch):
        # One form holds for all values unless the start decided between branches.
        roots = None if difference.decided else roots_of(difference.form, branches.unknown(problem.symbol))
    if roots is None:
        return None
    inside = [root.value for root in roots if domain.least <= root.value <= LARGEST]
    around = _around(inside[0], domain) if len(inside) == 1 else None
    if (not inside or around == ()) and problem.slack(domain.start) >= 0:
        return search.Boundary(sense="every", value=None, beyond=None)
    if not around:
        return None
    low, high = around
    if problem.slack(low) == 0 and problem.slack(high) >= 0:
        low, high = (
            domain.below(low, 1) if isinstance(domain, search.WholeDomain) else math.nextafter(low, -math.inf),
            low,
        )
    if low is None:
        return None
    met = problem.slack(low) >= 0
    if met == (problem.slack(high) >= 0):
        return None
    return search.Boundary(
        sense="largest" if met else "smallest", value=low if met else high, beyond=high if met else low
    )


def _around(root: Expr, domain: search.Domain) -> tuple[Any, ...]:
    """Return the values next to a root: at or below it, and above it; nothing where there are none on a side."""
    if isinstance(domain, search.WholeDomain):
        place = int(sympy.floor(root))
        low, high = domain.below(place + 1, 1), domain.above(place, 1)
        return () if low is None or high is None else (low, high)
    near = float(root)
    if sympy.Rational(repr(near)) > root:
        near = math.nextafter(near, -math.inf)
    return near, math.nextafter(near, math.inf)


def roots_of(form: Expr, symbol: Expr) -> list[Root] | None:
    """Find where an expression of one symbol is 0, from 0 up; None but for quotients of polynomials of low degree."""
    if not form.is_rational_function(symbol):
        return None
    numerator, denominator = sympy.fraction(sympy.cancel(form))
    polynomial = sympy.Poly(numerator, symbol)
    # A pole would be another place where the sign changes.
    if polynomial.degree() > _HIGHEST or len({value > 0 for value in sympy.Poly(denominator, symbol).coeffs()}) > 1:
        return None
    if polynomial.degree() < 1:
        return []
    return _linear(polynomial) if polynomial.degree() == 1 else _quadratic(polynomial)


def _linear(polynomial: Expr) -> list[Root]:
    slope, offset = polynomial.all_coeffs()
    if slope < 0:
        slope, offset = -slope, -offset
    root = -offset / slope
    whole = offset.is_Integer and slope.is_Integer and not root.is_Integer
    return [Root(value=root, text=f"{-offset}/{slope}" if whole else "")] if root >= 0 else []


def _quadratic(polynomial: Expr) -> list[Root]:
    a, b, c = polynomial.clear_denoms(convert=True)[1].all_coeffs()
    a, b, c = (-a, -b, -c) if a < 0 else (a, b, c)
    inside = b * b - 4 * a * c
    if inside < 0:
        return []
    roots = {sign: (-b + sign * sympy.sqrt(inside)) / (2 * a) for sign in (-1, 1)}
    exact_roots = [
        Root(value=root, text=f"({-b} {'+' if sign > 0 else '-'} sqrt({inside}))/{2 * a}")
        for sign, root in roots.items()
        if root >= 0
    ]
    return sorted(exact_roots, key=lambda root: root.value.evalf(30))
