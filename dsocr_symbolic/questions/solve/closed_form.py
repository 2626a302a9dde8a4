"""Solve a constraint in closed form: linear and quadratic in its symbol, in exact numbers."""

from typing import Any

import sympy
from attrs import frozen

_HIGHEST = 2


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

    value: Any
    text: str


def roots_of(form: Any, symbol: Any) -> list[Root] | None:
    """Find where an expression of one symbol is 0, for values that are not negative, in rising order.

    None if the expression is no quotient of polynomials, or one of a degree above 2.
    """
    if not form.is_rational_function(symbol):
        return None
    numerator, denominator = sympy.fraction(sympy.cancel(form))
    polynomial = sympy.Poly(numerator, symbol)
    # A pole would be another place where the sign changes.
    if polynomial.degree() > _HIGHEST or not _of_one_sign(sympy.Poly(denominator, symbol)):
        return None
    if polynomial.degree() < 1:
        return []
    return _linear(polynomial) if polynomial.degree() == 1 else _quadratic(polynomial)


def _of_one_sign(polynomial: Any) -> bool:
    coefficients = polynomial.coeffs()
    return all(each > 0 for each in coefficients) or all(each < 0 for each in coefficients)


def _linear(polynomial: Any) -> list[Root]:
    slope, offset = polynomial.all_coeffs()
    if slope < 0:
        slope, offset = -slope, -offset
    root = -offset / slope
    whole = offset.is_Integer and slope.is_Integer and not root.is_Integer
    return [Root(value=root, text=f"{-offset}/{slope}" if whole else "")] if root >= 0 else []


def _quadratic(polynomial: Any) -> list[Root]:
    a, b, c = polynomial.clear_denoms(convert=True)[1].all_coeffs()
    a, b, c = (-a, -b, -c) if a < 0 else (a, b, c)
    inside = b * b - 4 * a * c
    if inside < 0:
        return []
    roots = {sign: (-b + sign * sympy.sqrt(inside)) / (2 * a) for sign in (-1, 1)}
    found = [
        Root(value=root, text=f"({-b} {'+' if sign > 0 else '-'} sqrt({inside}))/{2 * a}")
        for sign, root in roots.items()
        if root >= 0
    ]
    return sorted(found, key=lambda each: each.value.evalf(30))
