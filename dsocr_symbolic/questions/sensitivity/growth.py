"""How fast a formula grows in the end: the degree in one symbol of the branch that leads when it is large."""

from typing import Any

import sympy

from dsocr_symbolic.algebras import branches, symbolic
from dsocr_symbolic.algebras.branches import Branch
from dsocr_symbolic.questions.curve import Curve

# Farther out than any ratio of numbers of a network and a machine, so that what leads here leads in the end.
FAR = 10**30
_MOST_FACTORS = 8


def order(curve: Curve, place: int = 0) -> int | None:
    """Return the degree of the metric of a curve in its symbol, as that grows and everything else stays.

    0 for what is bounded, negative for what vanishes; None where it is 0 in the end, or no power of the symbol.
    """
    try:
        scope = curve.scope(branches.free(curve.symbol, FAR), branches)
        found = curve.metrics(scope, branches)[place]
    except (OverflowError, ZeroDivisionError):
        return None
    if not isinstance(found, Branch):
        return 0 if found else None
    return degree(found.form, branches.unknown(curve.symbol))


def degree(form: Any, symbol: Any) -> int | None:
    """Return the degree of the form of a branch far out, as :func:`order`."""
    for rounding in (sympy.floor, sympy.ceiling):
        form = form.replace(rounding, lambda argument, rounding=rounding: _rounded(rounding, argument, symbol))
    plain = _without_powers(form, symbol)
    if plain is None or plain == 0:
        return None
    return _leading(plain, symbol)[0]


def _rounded(rounding: Any, argument: Any, symbol: Any) -> Any:
    """Return what a rounding comes to: what it rounds where that grows, for it stays within 1 of it, else a number."""
    plain = _without_powers(argument, symbol)
    if plain is None or (plain.has(symbol) and _leading(plain, symbol)[0] > 0):
        return argument
    return rounding(plain.xreplace({symbol: sympy.Integer(FAR)}))


def _leading(form: Any, symbol: Any) -> tuple[int, Any]:
    """Return the degree of a rational function and its leading coefficient."""
    above, below = (sympy.Poly(each, symbol) for each in sympy.fraction(sympy.together(form)))
    return above.degree() - below.degree(), above.LC() / below.LC()


def _without_powers(form: Any, symbol: Any) -> Any | None:
    """Replace each power by what it comes close to; None if that is no rational function."""
    powers = {each: _limit(each.args[0], each.args[1], symbol) for each in form.atoms(symbolic.power)}
    if None in powers.values():
        return None
    plain = form.xreplace(powers)
    return None if plain.has(symbolic.power) else plain


def _limit(base: Any, exponent: Any, symbol: Any) -> Any | None:
    """Return what a power comes close to: a number, or its first terms where the base comes close to 1."""
    if base.has(symbolic.power) or exponent.has(symbolic.power):
        return None
    if exponent.has(symbol):
        rising, steep = _leading(exponent, symbol)
        if not base.is_number or not 0 < base <= 1 or (rising > 0 and steep < 0):
            return None
        if rising > 0:
            return sympy.Integer(int(base == 1))
        exponent = steep if rising == 0 else sympy.Integer(0)
    if exponent.is_Integer and 0 <= exponent <= _MOST_FACTORS:
        return base**exponent
    rising, steep = _leading(base, symbol)
    if rising != 0 or not 0 < steep <= 1:
        return None
    if steep < 1:
        return sympy.Rational(str(sympy.Pow(steep, exponent).evalf(50)))
    return 1 + exponent * (base - 1) + exponent * (exponent - 1) * (base - 1) ** 2 / 2
