"""Sums over steps in closed form: polynomials in the step, kinks and guards that a line of it decides, pages.

A sum to a last step is a function of that step, so a term that changes its form at some step is two sums to it:
``S(f, n) = S(before, k) + S(after, n) - S(after, k)``.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any

import sympy
from attrs import frozen

from dsocr_symbolic.algebras import symbolic
from dsocr_symbolic.algebras.value import Expr


@frozen(kw_only=True)
class StepSum:
    """A part of a sum.

    Attributes
    ----------
    sign : int
        1, or -1 for one that is taken off.
    term, last : sympy.Expr
        A term without kinks, and the last step that it is summed to from 1.
    """

    sign: int
    term: Expr
    last: Expr


def sum_steps(term: Expr, index: sympy.Symbol, last: Expr) -> Expr:
    """Sum a term over the steps 1 to last in closed form; ValueError where it has none."""
    term = sympy.sympify(term)
    if not term.has(index):
        return term * last
    try:
        return _polynomial(term, index, last)
    except ValueError:
        pass
    addends = symbolic.addends(_without_remainders(term, index))
    return sympy.Add(
        *(piece.sign * _paged(piece.term, index, piece.last) for each in addends for piece in pieces(each, index, last))
    )


def pieces(term: Expr, index: sympy.Symbol, last: Expr, *, keep: tuple[Any, ...] = ()) -> Iterator[StepSum]:
    """Split a sum where a line of the step decides a minimum, a maximum or a guard; ``keep`` are kinds left alone."""
    term = _with_plain_guards(term, index)
    kink = _kink(term, index, keep)
    while kink is not None and len(kink.args) > 2:  # noqa: PLR2004 - of three, the last two decide first
        first, *others = kink.args
        term = term.xreplace({kink: kink.func(first, kink.func(*others))})
        kink = _kink(term, index, keep)
    if kink is None:
        yield StepSum(sign=1, term=term, last=last)
        return
    turn, before, after = _turn(kink, index)
    until = symbolic.maximum(sympy.Integer(0), symbolic.minimum(last, turn))
    early, late = (term.xreplace({kink: form}) for form in (before, after))
    yield from pieces(early, index, until, keep=keep)
    yield from pieces(late, index, last, keep=keep)
    for piece in pieces(late, index, until, keep=keep):
        yield StepSum(sign=-piece.sign, term=piece.term, last=piece.last)


def _with_plain_guards(term: Expr, index: sympy.Symbol) -> Expr:
    """Take out of guards what is positive at every step: whether c*(p + t) is positive does not hang on step t."""
    plain = {}
    for guard in term.atoms(symbolic.positive, symbolic.nonzero):
        if guard.has(index):
            fixed, varying = sympy.factor_terms(sympy.factor(guard.args[0])).as_independent(index, as_Add=False)
            # Steps begin with 1.
            from_first = sympy.expand(varying.subs(index, index + 1))
            if from_first.is_positive:
                plain[guard] = guard.func(fixed)
            elif isinstance(guard, symbolic.nonzero) and from_first.is_nonnegative:
                plain[guard] = symbolic.nonzero(fixed) * symbolic.positive(varying)
    return term.xreplace(plain)


def _kink(term: Expr, index: sympy.Symbol, keep: tuple[Any, ...]) -> Expr | None:
    """Return an innermost part of a term that changes its form along the steps."""
    kinds = tuple(kind for kind in (symbolic.minimum, symbolic.maximum, symbolic.positive) if kind not in keep)
    kinks = sorted((atom for atom in term.atoms(*kinds) if atom.has(index)), key=sympy.default_sort_key)
    return next((kink for kink in kinks if not any(inner.atoms(*kinds) for inner in kink.args)), None)


def _turn(kink: Expr, index: sympy.Symbol) -> tuple[Expr, Expr, Expr]:
    """Return the last step before a kink turns, and its forms until then and after."""
    first, second = (*kink.args, sympy.S.Zero)[:2]
    ahead = sympy.expand(first - second)
    slope = ahead.diff(index)
    if not slope.is_Rational or slope == 0:
        raise ValueError(f"{kink} does not turn at a known step of {index}")
    start = ahead.subs(index, 0)
    if isinstance(kink, symbolic.positive):
        if slope > 0:
            return symbolic.floor(-start / slope), sympy.S.Zero, sympy.S.One
        return symbolic.ceiling(start / -slope) - 1, sympy.S.One, sympy.S.Zero
    lower, upper = (first, second) if slope > 0 else (second, first)
    forms = (lower, upper) if isinstance(kink, symbolic.minimum) else (upper, lower)
    return symbolic.floor(-start / slope), *forms


def _without_remainders(term: Expr, index: sympy.Symbol) -> Expr:
    """Write remainders and floors of the step as ceilings: floor(i/q) = ceiling((i + 1)/q) - 1 of whole i and q."""
    remainders = {
        part: part.args[0] - part.args[1] * sympy.floor(part.args[0] / part.args[1])
        for part in term.atoms(sympy.Mod)
        if part.has(index)
    }
    term = term.xreplace(remainders)
    floors = {
        part: sympy.ceiling(part.args[0] + part.args[0].diff(index)) - 1
        for part in term.atoms(sympy.floor)
        if part.has(index)
    }
    return term.xreplace(floors)


def _paged(term: Expr, index: sympy.Symbol, last: Expr) -> Expr:
    """Sum a polynomial in the step and in one ceiling of it: page by page, then the steps of the last page.

    With i = p + t of step t, ceiling(i/q) is j + 1 for the q values of i behind j*q.
    """
    pages = [part for part in term.atoms(sympy.ceiling) if part.has(index)]
    if not pages:
        return _polynomial(term, index, last)
    page, *others = pages
    slope = sympy.expand(page.args[0]).diff(index)
    if others or slope.has(index):
        raise ValueError(f"{term} has several ceilings of {index}")
    size = 1 / slope
    start = sympy.expand(page.args[0].subs(index, 0) * size)
    number, inside = sympy.Dummy("j"), sympy.Dummy("s")
    at = {page: number + 1, index: number * size + inside - start}
    piece = sympy.expand(term.xreplace({page: at[page]}).subs(index, at[index]))
    whole = _polynomial(_polynomial(piece, inside, size).subs(number, number - 1), number, symbolic.symbol("_pages"))

    def until(end: Expr) -> Expr:
        full = symbolic.floor(end / size)
        rest = _polynomial(piece.subs(number, full), inside, end - full * size)
        return whole.subs(symbolic.symbol("_pages"), full) + rest

    return until(start + last) - until(start)


@cache
def _power_sum(degree: int, last: Expr) -> Expr:
    index = sympy.Dummy(integer=True)
    return sympy.summation(index**degree, (index, 1, last))


def _polynomial(term: Expr, index: sympy.Symbol, last: Expr) -> Expr:
    """Sum a polynomial in the step over the steps 1 to last; ValueError if the term is none."""
    term = sympy.sympify(term)
    if not term.has(index):
        return term * last
    try:
        coefficients = sympy.Poly(term, index).all_coeffs()
    except sympy.PolynomialError as error:
        raise ValueError(str(error)) from error
    degree = len(coefficients) - 1
    if any(coefficient.has(index) for coefficient in coefficients):
        raise ValueError(f"{term} is no polynomial in {index}")
    return sympy.Add(*(factor * _power_sum(degree - place, last) for place, factor in enumerate(coefficients)))
