"""The sympy algebra: what the formula language evaluates to when symbols stay free."""

from collections.abc import Iterable
from fractions import Fraction
from functools import cache
from typing import Any

import sympy

from dsocr_symbolic.algebras.signs import may_be_mixed, may_be_zero_or_more
from dsocr_symbolic.algebras.value import Expr


class positive(sympy.Function):  # type: ignore[misc]  # noqa: N801 - sympy functions are written as they print
    """1 if the argument is greater than 0, else 0; its powers are itself."""

    nargs = 1
    is_nonnegative = True

    @classmethod
    def eval(cls, argument: Expr) -> Expr:
        """Decide where the sign is known."""
        if may_be_mixed(argument) or may_be_zero_or_more(argument):
            return None
        if argument.is_positive:
            return sympy.S.One
        return sympy.S.Zero if argument.is_nonpositive else None

    def _eval_power(self, exponent: Expr) -> Expr:
        return self if exponent.is_positive else None


class nonzero(sympy.Function):  # type: ignore[misc]  # noqa: N801
    """1 if the argument differs from 0, else 0; its powers are itself."""

    nargs = 1
    is_nonnegative = True

    @classmethod
    def eval(cls, argument: Expr) -> Expr:
        """Decide where it is known."""
        if may_be_mixed(argument):
            return cls(-argument) if argument.could_extract_minus_sign() else None
        if argument.is_zero:
            return sympy.S.Zero
        if argument.is_number or argument.is_positive or argument.is_negative:
            return sympy.S.One
        if argument.is_nonnegative:
            return positive(argument)
        # A difference and its opposite are zero together: one form stands for both.
        return cls(-argument) if argument.could_extract_minus_sign() else None

    def _eval_power(self, exponent: Expr) -> Expr:
        return self if exponent.is_positive else None


class maximum(sympy.Function):  # type: ignore[misc]  # noqa: N801
    """The largest argument, left unevaluated: sympy's own Max compares every pair."""

    @classmethod
    def eval(cls, *arguments: Expr) -> Expr:
        """Decide between numbers."""
        return max(arguments) if all(argument.is_Rational for argument in arguments) else None


class minimum(sympy.Function):  # type: ignore[misc]  # noqa: N801
    """The smallest argument, left unevaluated."""

    @classmethod
    def eval(cls, *arguments: Expr) -> Expr:
        """Decide between numbers."""
        return min(arguments) if all(argument.is_Rational for argument in arguments) else None


class power(sympy.Function):  # type: ignore[misc]  # noqa: N801
    """A real power, evaluated in float64: exact digits of a huge power help nobody."""

    nargs = 2

    def _eval_is_nonnegative(self) -> bool | None:
        return self.args[0].is_nonnegative or None


class sum_maxima(sympy.Function):  # type: ignore[misc]  # noqa: N801
    """Sum over steps 1 to last of the maximum of lines: arguments last, then intercept and slope of each."""


known: dict[Any, Expr] = {}
"""Values of formulas at values of their symbols that were worked out: the same call stands in many places of a tree."""

ceiling = sympy.ceiling
floor = sympy.floor


@cache
def symbol(name: str) -> sympy.Symbol:
    """Return the symbol of this name; every quantity of ours is real and not negative."""
    return sympy.Symbol(name, nonnegative=True)


@cache
def number(value: int | Fraction) -> Expr:
    """Turn a literal into an exact sympy number."""
    return sympy.Rational(value.numerator, value.denominator) if isinstance(value, Fraction) else sympy.Integer(value)


def total(values: Iterable[Expr]) -> Expr:
    """Add values up."""
    return sympy.Add(*values)


def addends(value: Expr) -> tuple[Expr, ...]:
    """Return the terms of a sum whose products are multiplied out."""
    parts = sympy.Add.make_args(sympy.sympify(value))
    return tuple(term for part in parts for term in sympy.Add.make_args(sympy.expand(part, deep=False)))


def highest(values: Iterable[Expr]) -> Expr:
    """Return the largest of any number of values, each of them once; 0 if there is none."""
    distinct = dict.fromkeys(values)
    return maximum(*distinct) if len(distinct) > 1 else next(iter(distinct), 0)


def divide(left: Expr, right: Expr) -> Expr:
    """Divide."""
    return sympy.sympify(left) / right


def lines(terms: Iterable[Expr], index: sympy.Symbol) -> list[tuple[Expr, Expr]] | None:
    """Split terms into intercept and slope in the index; None if one of them is not straight."""
    result = []
    for term in terms:
        if index not in term.free_symbols:
            result.append((term, sympy.S.Zero))
            continue
        slope = term.diff(index)
        if slope.has(index):
            return None
        result.append((term.subs(index, 0), slope))
    return result
