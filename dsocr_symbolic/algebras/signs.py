"""Signs that the shape of an expression leaves open: sympy would say the same after a long search.

Symbols are not negative, so that a sum of terms with unlike signs may be anything, and a product of symbols anything
from 0 on. What is not plain from the shape is left to sympy.
"""

import sympy

from dsocr_symbolic.algebras.value import Expr


def may_be_mixed(expression: Expr) -> bool:
    """Whether a sum has terms of unlike signs, so that nothing is known of its own: neither is it 0 nor is it not."""
    if not expression.is_Add:
        return False
    signs = {_term_sign(term) for term in expression.args}
    if not {1, -1} <= signs or None in signs:
        return False
    # Of one symbol alone sympy looks at slopes; a straight line is all that needs no look.
    return len(expression.free_symbols) > 1 or (
        len(expression.args) == 2 and all(term.is_Rational or _is_straight(term) for term in expression.args)  # noqa: PLR2004
    )


def may_be_zero_or_more(expression: Expr) -> bool:
    """Whether a symbol, or a product of such and of sums without unlike signs, may be 0 and may be greater."""
    if expression.is_Symbol:
        return bool(expression.is_nonnegative)
    if not expression.is_Mul:
        return False
    coefficient, rest = expression.as_coeff_Mul()
    factors = sympy.Mul.make_args(rest)
    open_ = [factor for factor in factors if _base(factor).is_Symbol and _is_power(factor)]
    return bool(coefficient > 0) and bool(open_) and all(_factor_sign(factor) == 1 for factor in factors)


def _is_straight(term: Expr) -> bool:
    coefficient, rest = term.as_coeff_Mul()
    return bool(coefficient.is_Rational and rest.is_Symbol)


def _base(factor: Expr) -> Expr:
    return factor.base if factor.is_Pow else factor


def _is_power(factor: Expr) -> bool:
    return not factor.is_Pow or bool(factor.exp.is_Integer and factor.exp > 0)


def _term_sign(term: Expr) -> int | None:
    """Return the sign of a term that is not 0; None where its shape does not say it."""
    coefficient, rest = term.as_coeff_Mul()
    if rest.is_Number:
        return (1 if coefficient * rest > 0 else -1) if coefficient.is_Rational and rest.is_Rational else None
    if not coefficient.is_Rational or any(_factor_sign(factor) is None for factor in sympy.Mul.make_args(rest)):
        return None
    return 1 if coefficient > 0 else -1


def _factor_sign(factor: Expr) -> int | None:
    """Return 1 for a factor that is 0 or more: a symbol, a truth, a sum of such, a power of one; else None."""
    base = _base(factor)
    if factor.is_Pow and not factor.exp.is_Integer:
        return None
    if base.is_Symbol:
        return 1 if base.is_nonnegative else None
    if type(base).is_nonnegative is True:
        # A truth: 1 or 0.
        return 1
    if isinstance(base, sympy.ceiling):
        return 1 if _term_sign(base.args[0]) == 1 else None
    if base.is_Add:
        return 1 if all(_term_sign(term) == 1 for term in base.args) else None
    return None
