"""What stands for a symbol in a model: numbers and formulas that a user puts in."""

from collections.abc import Iterable, Mapping
from fractions import Fraction

import sympy

from dsocr_symbolic.algebras import symbolic
from dsocr_symbolic.algebras.value import Exact, Expr
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import evaluate, names, parse
from dsocr_symbolic.language.files.server_file import unknown_symbol
from dsocr_symbolic.scenario.checks import check_free, check_setting, quantity_of

_FUNCTIONS = (
    *(symbolic.positive, symbolic.nonzero, symbolic.maximum, symbolic.minimum, symbolic.power, symbolic.sum_maxima),
    *(sympy.ceiling, sympy.floor, sympy.Mod),
)
_OURS = {sympy.Max: symbolic.maximum, sympy.Min: symbolic.minimum}


def read_override(definition: Definition, name: str, value: Exact | str | Expr) -> Expr:
    """Read what is to stand for a symbol, exact: a float is the decimal that it prints as, text is a formula."""
    quantity = quantity_of(definition, name)
    if isinstance(value, str):
        formula = parse(value, name)
        _check_names(definition, name, names(formula))
        result = evaluate(formula, {used: symbolic.symbol(used) for used in names(formula)}, symbolic)
    elif isinstance(value, sympy.Expr):
        result = _in_our_symbols(definition, name, value)
    else:
        check_setting(definition, name, value)
        result = as_rational(value)
    if result.free_symbols:
        check_free(quantity, name)
    if result.is_number and result.is_Rational:
        check_setting(definition, name, as_number(result))
    return result


def as_rational(value: Exact) -> Expr:
    """Turn a number into an exact sympy number; a float is the decimal that it prints as."""
    exact = Fraction(repr(float(value))) if isinstance(value, float) else Fraction(value)
    return sympy.Rational(exact.numerator, exact.denominator)


def as_number(value: Expr) -> int | Fraction:
    """Turn a sympy rational into an int, or a Fraction where it is not whole."""
    return int(value) if value.is_Integer else Fraction(int(value.p), int(value.q))


def spelled_out(overrides: Mapping[str, Expr]) -> dict[Expr, Expr]:
    """Replace overridden symbols in overrides until only free ones are left; a value's own symbol is the free one."""
    done: dict[Expr, Expr] = {}

    def visit(name: str, above: tuple[str, ...]) -> Expr:
        if name in above:
            raise UserError(f"{' -> '.join((*above, name))}: these values need one another; give one of them a number")
        key = symbolic.symbol(name)
        if key not in done:
            others = {str(symbol) for symbol in overrides[name].free_symbols - {key}} & overrides.keys()
            inside = {symbolic.symbol(other): visit(other, (*above, name)) for other in sorted(others)}
            done[key] = overrides[name].xreplace(inside)
        return done[key]

    for name in sorted(overrides):
        visit(name, ())
    return done


def _in_our_symbols(definition: Definition, name: str, value: Expr) -> Expr:
    """Take a sympy expression over: symbols by name, floats as decimals, nothing that formulas do not have."""
    _check_names(definition, name, {str(symbol) for symbol in value.free_symbols})
    result = value.replace(lambda part: part.func in _OURS, lambda part: _OURS[part.func](*part.args))
    result = result.xreplace({symbol: symbolic.symbol(str(symbol)) for symbol in result.free_symbols})
    result = result.xreplace({number: as_rational(float(number)) for number in result.atoms(sympy.Float)})
    for part in sympy.preorder_traversal(result):
        plain = part.is_Symbol or part.is_Rational or part.is_Add or part.is_Mul
        if not (plain or part.func in _FUNCTIONS or (part.is_Pow and part.exp.is_Integer)):
            raise UserError(f"{name}: '{part}' is not what a formula may hold; write power(base, exponent) as text")
    return result


def _check_names(definition: Definition, name: str, used: Iterable[str]) -> None:
    for symbol in sorted(used):
        if symbol not in definition.quantities:
            raise unknown_symbol(symbol, definition.quantities, name)
