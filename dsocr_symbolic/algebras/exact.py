"""Evaluate sympy expressions in exact numbers, each part once."""

from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import reduce
from operator import add, mod, mul
from typing import Any

import sympy

from dsocr_symbolic.algebras import arithmetic, symbolic
from dsocr_symbolic.algebras.value import Exact, Expr

_FUNCTIONS: Mapping[Any, Callable[..., Exact]] = {
    sympy.ceiling: arithmetic.ceiling,
    sympy.floor: arithmetic.floor,
    symbolic.positive: arithmetic.positive,
    symbolic.nonzero: arithmetic.nonzero,
    symbolic.maximum: arithmetic.maximum,
    symbolic.minimum: arithmetic.minimum,
    symbolic.power: arithmetic.power,
    symbolic.sum_maxima: lambda last, *ends: arithmetic.sum_maxima(list(zip(ends[::2], ends[1::2], strict=True)), last),
    sympy.Mod: mod,
}


def evaluator(numbers: Mapping[str, Exact]) -> Callable[[Expr], Exact]:
    """Make a function that evaluates expressions with a number for every symbol, and keeps what it has worked out.

    It gives an int where the value is whole, else a Fraction, or a float where a symbol is one.
    """
    known: dict[Expr, Exact] = {}

    def value(expression: Expr) -> Exact:
        if not isinstance(expression, sympy.Basic):
            plain: Exact = expression
            return plain
        if expression not in known:
            known[expression] = _whole(_evaluate(expression, value, numbers))
        return known[expression]

    return value


def _evaluate(expression: Expr, value: Callable[[Expr], Exact], numbers: Mapping[str, Exact]) -> Exact:
    if isinstance(expression, sympy.Symbol):
        return numbers[expression.name]
    if isinstance(expression, sympy.Rational):
        return Fraction(int(expression.p), int(expression.q))
    if isinstance(expression, sympy.Float):
        return float(expression)
    if isinstance(expression, sympy.Add):
        return reduce(add, map(value, expression.args))
    if isinstance(expression, sympy.Mul):
        return reduce(mul, map(value, expression.args))
    if isinstance(expression, sympy.Pow):
        base, exponent = map(value, expression.args)
        return base**exponent if exponent >= 0 else arithmetic.divide(1, base**-exponent)
    return _FUNCTIONS[expression.func](*map(value, expression.args))


def _whole(value: Exact) -> Exact:
    return value.numerator if isinstance(value, Fraction) and value.denominator == 1 else value
