"""Exact derivatives of formulas at a point: those of the branch that leads there."""

from typing import Any

import sympy
from attrs import frozen

from dsocr_symbolic.algebras import symbolic
from dsocr_symbolic.algebras.branches import Branch, as_sympy, unknown

_DIGITS = 50


@frozen(kw_only=True)
class Slope:
    """The derivative of a formula at a point.

    Attributes
    ----------
    derivative : sympy.Expr
        An exact rational, or 50 digits where a power is involved.
    tied : bool
        Whether another branch leads right beside the point: a kink, or a jump of a guard or a rounding.
    """

    derivative: Any
    tied: bool


def slope(branch: Any, symbol: str, value: Any) -> Slope:
    """Differentiate the branch that leads at a point; guards and roundings count as constant."""
    if not isinstance(branch, Branch):
        return Slope(derivative=sympy.Integer(0), tied=False)
    key, point = unknown(symbol), as_sympy(value)
    return Slope(
        derivative=_derivative(branch.form, key, point),
        tied=any(_derivative(tie, key, point) != 0 for tie in branch.ties),
    )


def _derivative(form: Any, key: Any, point: Any) -> Any:
    return at(sympy.diff(smooth(form, key, point), key), key, point)


def smooth(form: Any, key: Any, point: Any) -> Any:
    """Put the numbers of roundings in, and powers that sympy differentiates."""
    roundings = form.atoms(sympy.floor, sympy.ceiling)
    held = {each: sympy.Dummy() for each in roundings}
    found = form.xreplace(held).replace(symbolic.power, sympy.Pow)
    return found.xreplace({dummy: each.xreplace({key: point}) for each, dummy in held.items()})


def at(form: Any, key: Any, point: Any) -> Any:
    """Evaluate an expression of one symbol: exactly, or to 50 digits where a power moves with it."""
    if form.is_rational_function(key):
        return form.xreplace({key: point})
    return form.evalf(_DIGITS, subs={key: point})
