"""What stands for a symbol in a model: numbers and formulas that a user puts in."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import sympy

from dsocr_symbolic.algebras import symbolic
from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import evaluate, names, parse
from dsocr_symbolic.scenario.checks import check_free, check_setting

_FUNCTIONS = (
    *(symbolic.positive, symbolic.nonzero, symbolic.maximum, symbolic.minimum, symbolic.power, symbolic.sum_maxima),
    *(sympy.ceiling, sympy.floor, sympy.Mod),
)


_OURS = {sympy.Max: symbolic.maximum, sympy.Min: symbolic.minimum}


def read_override(definition: Definition, name: str, value: Any) -> Any:
    """Read what is to stand for a symbol.

    Parameters
    ----------
    definition : Definition
        The model.
    name : str
        The symbol.
    value : int, float, Fraction, str or sympy.Expr
        A number, a formula as text, or a sympy expression; both name symbols of the model.

    Returns
    -------
    sympy.Expr
        The value, exact: a float is the decimal that it prints as.

    Raises
    ------
    UserError
        If a symbol is unknown, the value is no formula, or a number is not allowed for this symbol.
    """
    if name not in definition.quantities:
        raise UserError(f"unknown symbol '{name}': {nearest(name, definition.quantities)}")
    if isinstance(value, str):
        formula = parse(value, name)
        _check_names(definition, name, names(formula))
        result = evaluate(formula, {each: symbolic.symbol(each) for each in names(formula)}, symbolic)
    elif isinstance(value, sympy.Expr):
        result = _in_our_symbols(definition, name, value)
    else:
        check_setting(definition, name, value)
        result = as_rational(value)
    if result.free_symbols:
        check_free(definition.quantities[name], name)
    if result.is_number and result.is_Rational:
        check_setting(definition, name, as_number(result))
    return result


def as_rational(value: Any) -> Any:
    """Turn a number into an exact sympy number; a float is the decimal that it prints as."""
    exact = Fraction(repr(float(value))) if isinstance(value, float) else Fraction(value)
    return sympy.Rational(exact.numerator, exact.denominator)


def as_number(value: Any) -> Any:
    """Turn a sympy rational into an int, or a Fraction where it is not whole."""
    return int(value) if value.is_Integer else Fraction(int(value.p), int(value.q))


def spelled_out(overrides: Mapping[str, Any]) -> dict[Any, Any]:
    """Replace overridden symbols in overrides, until only free ones are left.

    Parameters
    ----------
    overrides : mapping of str to sympy.Expr
        In a value, the symbol itself is the free one: ``batch: 2*batch`` doubles it.

    Returns
    -------
    dict of sympy.Symbol to sympy.Expr
        Ready to be put into expressions, all at once.

    Raises
    ------
    UserError
        If values need one another.
    """
    done: dict[Any, Any] = {}

    def visit(name: str, above: tuple[str, ...]) -> Any:
        if name in above:
            raise UserError(f"{' -> '.join((*above, name))}: these values need one another; give one of them a number")
        key = symbolic.symbol(name)
        if key not in done:
            used = [str(each) for each in overrides[name].free_symbols if each != key and str(each) in overrides]
            done[key] = overrides[name].xreplace(
                {symbolic.symbol(each): visit(each, (*above, name)) for each in sorted(used)}
            )
        return done[key]

    for name in sorted(overrides):
        visit(name, ())
    return done


def _in_our_symbols(definition: Definition, name: str, value: Any) -> Any:
    """Take a sympy expression over: symbols by name, floats as decimals, nothing that formulas do not have."""
    _check_names(definition, name, {str(each) for each in value.free_symbols})
    result = value.replace(lambda each: each.func in _OURS, lambda each: _OURS[each.func](*each.args))
    result = result.xreplace({each: symbolic.symbol(str(each)) for each in result.free_symbols})
    result = result.xreplace({each: as_rational(float(each)) for each in result.atoms(sympy.Float)})
    for each in sympy.preorder_traversal(result):
        plain = each.is_Symbol or each.is_Rational or each.is_Add or each.is_Mul
        if not (plain or each.func in _FUNCTIONS or (each.is_Pow and each.exp.is_Integer)):
            raise UserError(f"{name}: '{each}' is not what a formula may hold; write power(base, exponent) as text")
    return result


def _check_names(definition: Definition, name: str, used: Any) -> None:
    for each in sorted(used):
        if each not in definition.quantities:
            raise UserError(f"{name}: unknown symbol '{each}': {nearest(each, definition.quantities)}")
