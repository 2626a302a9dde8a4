"""A constraint along one symbol: both sides at any value, and where it stops to hold."""

import math
from collections.abc import Callable
from functools import cache, cached_property
from types import ModuleType
from typing import Any, Literal

import sympy
from attrs import frozen

from dsocr_symbolic.algebras import arithmetic, branches
from dsocr_symbolic.algebras.branches import exact
from dsocr_symbolic.algebras.value import Exact, Expr, Value
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.terms import term_symbols
from dsocr_symbolic.language.expression import names
from dsocr_symbolic.language.files.server_file import unknown_symbol
from dsocr_symbolic.questions.curve import Curve
from dsocr_symbolic.questions.question import Question
from dsocr_symbolic.questions.solve import search
from dsocr_symbolic.questions.solve.constraint import Constraint, Sides, left_over, no_value, put_in
from dsocr_symbolic.scenario.checks import LARGEST

Method = Literal["closed form", "bisection"]
_HIGHEST = 2
# Float64 may err by far less than this share of the larger side.
_DOUBTFUL = 1e-6


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

    @cached_property
    def _used(self) -> frozenset[str]:
        """The symbols that the sides, and the metrics in them, are made of."""
        of_terms = term_symbols(self.question.model, self.curve.terms)
        return of_terms.union(*map(names, self.constraint.sides))

    def leaning(self, value: Exact) -> Any:
        """Return the slack in float64 where its sign is beyond doubt, else exactly."""
        try:
            exactly = self.numbers(value)
            scope: dict[str, Any] = {name: float(exactly[name]) for name in self._used & exactly.keys()}
            scope |= dict(zip(self.constraint.terms, map(float, self.curve.metrics(scope)), strict=True))
            both = put_in(self.constraint, scope)
            left_out = float(left_over(self.constraint, both))
        except (ArithmeticError, ValueError, UserError):
            return self.slack(value)
        plain = math.isfinite(left_out) and abs(left_out) > _DOUBTFUL * max(map(abs, both))
        return left_out if plain else self.slack(value)


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
        raise unknown_symbol(symbol, known)
    if known[symbol].fixed:
        raise UserError(f"{symbol}: {known[symbol].meaning} is a definition and cannot be solved for")
    curve = Curve(question=question, symbol=symbol, terms=tuple(constraint.terms.values()))
    # A part that does not exist is no value that the rules refuse.
    for path in (path for term in curve.terms for path in term.paths):
        question.model[path]
    return Problem(constraint=constraint, curve=curve)


def changes(problem: Problem) -> tuple[search.Boundary, ...]:
    """Find every value at which a constraint begins or ceases to hold, from the least one up but 0.

    Values on the way are looked at in float64; those of the answer, and the next ones, exactly.
    """
    slack, domain = along(problem, cache(problem.leaning), above=1)
    problem.curve.check(domain.lowest())
    found = search.find_changes(slack, domain)
    if all(_holds_exactly(problem, boundary) for boundary in found):
        return found
    return search.find_changes(*along(problem, above=1))


def _holds_exactly(problem: Problem, boundary: search.Boundary) -> bool:
    met = problem.slack(boundary.value) >= 0
    if boundary.beyond is None:
        return bool(met == (boundary.sense == "every"))
    return bool(met and problem.slack(boundary.beyond) < 0)


def along(problem: Problem, slack: search.Slack | None = None, *, above: int = 0) -> tuple[search.Slack, search.Domain]:
    """Return the slack, and the values that the symbol may have; the workload's own one to start from."""
    slack = slack or cache(problem.slack)
    quantity = problem.question.definition.quantities[problem.symbol]
    start = problem.question.numbers[problem.symbol]

    def kept(value: Exact) -> bool:
        try:
            problem.curve.check(value)
        except UserError:
            return False
        return True

    if quantity.real:
        least = max(float(quantity.least), 1 / LARGEST)
        first = max(float(start), least)
        ends = (_farthest(first, end, kept) for end in (least, float(LARGEST)))
        return slack, search.RealDomain(start=first, **dict(zip(("least", "most"), ends, strict=True)))

    def allowed(value: int) -> bool:
        try:
            problem.curve.check(value)
            slack(value)
        except UserError:
            return False
        return True

    return slack, search.WholeDomain(start=int(start), least=max(above, quantity.least), allowed=allowed)


def _farthest(start: float, end: float, kept: Callable[[float], bool]) -> float:
    """Return the last value, from one on towards an end, that the rules allow."""
    if kept(end) or not kept(start):
        return end
    inside, outside = start, end
    while (middle := search.halfway(*sorted((inside, outside)))) is not None:
        inside, outside = (middle, outside) if kept(middle) else (inside, middle)
    return inside


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
