"""Print expressions for people: as text, as text with the numbers put in, and as LaTeX."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import sympy
from sympy.printing.latex import LatexPrinter
from sympy.printing.str import StrPrinter

from dsocr_symbolic import symbolic


def as_text(expression: Any) -> str:
    """Print an expression with its symbols, terms of low degree first."""
    return str(_Text({}).doprint(collect(expression)))


def as_numbers(expression: Any, numbers: Mapping[str, Any]) -> str:
    """Print an expression with a number for each symbol, nothing worked out."""
    return str(_Text(numbers).doprint(collect(expression)))


def as_latex(expression: Any, letters: Mapping[str, str]) -> str:
    """Print an expression as LaTeX with the letters of its symbols."""
    return str(_Latex(letters).doprint(collect(expression)))


def collect(expression: Any) -> Any:
    """Expand, drop guards that a factor implies, and take out what all terms share.

    Parameters
    ----------
    expression : sympy.Expr
        A total.

    Returns
    -------
    sympy.Expr
        Equal to it wherever symbols are whole and not negative.
    """
    expanded = sympy.expand(sympy.sympify(expression))
    guards = expanded.atoms(symbolic.positive, symbolic.nonzero)
    expanded = sympy.expand(expanded.xreplace({guard: _simple_guard(guard) for guard in guards}))
    terms = [_without_implied_guards(term) for term in sympy.Add.make_args(expanded)]
    terms = list(sympy.Add.make_args(sympy.Add(*terms)))
    shared = _factors(terms[0])
    for term in terms[1:]:
        found = _factors(term)
        shared = {each: min(degree, found[each]) for each, degree in shared.items() if each in found}
    coefficients = {abs(term.as_coeff_Mul()[0]) for term in terms}
    number = coefficients.pop() if len(coefficients) == 1 else sympy.S.One
    taken = [number, *(each**degree for each, degree in sorted(shared.items(), key=str))]
    taken = [each for each in taken if each != 1]
    if not taken or len(terms) == 1:
        return sympy.Add(*terms)
    return sympy.Mul(*taken, sympy.Add(*(term / sympy.Mul(*taken) for term in terms)), evaluate=False)


def _factors(term: Any) -> dict[Any, Any]:
    """Return the symbols and guards of a term with their degrees."""
    found = {}
    for factor in sympy.Mul.make_args(term):
        base, exponent = factor.as_base_exp()
        if not base.is_number and exponent.is_Integer and exponent > 0:
            found[base] = exponent
    return found


def _simple_guard(guard: Any) -> Any:
    """For whole n: [9n > 1] is [n > 0], and [9n != 1] is 1."""
    argument = guard.args[0]
    symbols = argument.free_symbols
    if len(symbols) != 1 or not argument.is_polynomial(*symbols):
        return guard
    (symbol,) = symbols
    slope, offset = argument.coeff(symbol, 1), argument.coeff(symbol, 0)
    if slope * symbol + offset != argument or not slope.is_Integer or not offset.is_Integer or slope < 2:  # noqa: PLR2004
        return guard
    if isinstance(guard, symbolic.positive):
        return symbolic.positive(symbol - sympy.floor(-offset / slope))
    return symbolic.nonzero(symbol + offset / slope) if offset % slope == 0 else sympy.S.One


def _without_implied_guards(term: Any) -> Any:
    """[n > 0] n is n, and [n > 0] [n > 1] is [n > 1], for whole n that are not negative."""
    factors = set(_factors(term))
    guards = [each for each in factors if isinstance(each, symbolic.positive)]
    implied = [
        each
        for each in guards
        if each.args[0] in factors
        or any(other != each and (each.args[0] - other.args[0]).is_nonnegative for other in guards)
    ]
    return term.xreplace(dict.fromkeys(implied, sympy.S.One))


def _degree(term: Any) -> tuple[Any, ...]:
    factors = _factors(term)
    return (sum(factors.values()), term.could_extract_minus_sign(), sorted(str(each) for each in factors))


def _comparison(expression: Any) -> tuple[Any, Any]:
    """Split a difference into what stands left and right of a comparison."""
    terms = sympy.Add.make_args(expression)
    left = [term for term in terms if not term.could_extract_minus_sign()]
    right = [-term for term in terms if term.could_extract_minus_sign()]
    return sympy.Add(*left), sympy.Add(*right)


class _Text(StrPrinter):  # type: ignore[misc]
    """Text in the formula language, guards as [condition]."""

    def __init__(self, numbers: Mapping[str, Any]) -> None:
        super().__init__()
        self.m_numbers = numbers

    def _print_Symbol(self, expr: Any) -> str:  # noqa: N802 - sympy's name
        if str(expr) not in self.m_numbers:
            return str(expr)
        value = self.m_numbers[str(expr)]
        return f"({value})" if isinstance(value, Fraction) or value < 0 else str(value)

    def _print_Add(self, expr: Any, order: Any = None) -> str:  # noqa: ARG002, N802
        text = ""
        for term in sorted(expr.args, key=_degree):
            negative = term.could_extract_minus_sign()
            part = self.parenthesize(-term if negative else term, sympy.printing.precedence.PRECEDENCE["Add"])
            text += (" - " if negative else " + ") + part if text else ("-" if negative else "") + part
        return text

    def _print_positive(self, expr: Any) -> str:
        left, right = _comparison(expr.args[0])
        return f"[{self._print(left)} > {self._print(right)}]"

    def _print_nonzero(self, expr: Any) -> str:
        left, right = _comparison(expr.args[0])
        return f"[{self._print(left)} != {self._print(right)}]"

    def _print_maximum(self, expr: Any) -> str:
        return f"Max({', '.join(self._print(each) for each in expr.args)})"

    def _print_minimum(self, expr: Any) -> str:
        return f"Min({', '.join(self._print(each) for each in expr.args)})"

    def _print_sum_maxima(self, expr: Any) -> str:
        last, *ends = (self._print(each) for each in expr.args)
        lines = ", ".join(f"{ends[place]} + ({ends[place + 1]})*t" for place in range(0, len(ends), 2))
        return f"Sum(Max({lines}), t = 1..{last})"


class _Latex(LatexPrinter):  # type: ignore[misc]
    """LaTeX with the files' letters, guards as Iverson brackets."""

    def __init__(self, letters: Mapping[str, str]) -> None:
        super().__init__({"mul_symbol": r" \, "})
        self.m_letters = letters

    def _print_Symbol(self, expr: Any, style: str = "plain") -> str:  # noqa: ARG002, N802
        return self.m_letters.get(str(expr)) or _upright(str(expr))

    def _print_Add(self, expr: Any, order: Any = None) -> str:  # noqa: ARG002, N802
        return str(super()._print_Add(expr, order="none"))

    def _as_ordered_terms(self, expr: Any, order: Any = None) -> list[Any]:  # noqa: ARG002
        return sorted(expr.args, key=_degree)

    def _print_positive(self, expr: Any) -> str:
        left, right = _comparison(expr.args[0])
        return rf"\left[{self._print(left)} > {self._print(right)}\right]"

    def _print_nonzero(self, expr: Any) -> str:
        left, right = _comparison(expr.args[0])
        return rf"\left[{self._print(left)} \neq {self._print(right)}\right]"

    def _print_maximum(self, expr: Any) -> str:
        return rf"\max\left({', '.join(self._print(each) for each in expr.args)}\right)"

    def _print_minimum(self, expr: Any) -> str:
        return rf"\min\left({', '.join(self._print(each) for each in expr.args)}\right)"

    def _print_power(self, expr: Any, exp: Any = None) -> str:  # noqa: ARG002
        base, exponent = expr.args
        return rf"\left({self._print(base)}\right)^{{{self._print(exponent)}}}"

    def _print_sum_maxima(self, expr: Any) -> str:
        last, *ends = (self._print(each) for each in expr.args)
        lines = ", ".join(rf"{ends[place]} + ({ends[place + 1]}) t" for place in range(0, len(ends), 2))
        return rf"\sum_{{t=1}}^{{{last}}} \max\left({lines}\right)"


def _upright(name: str) -> str:
    escaped = name.replace("_", r"\_")
    return rf"\mathrm{{{escaped}}}"
