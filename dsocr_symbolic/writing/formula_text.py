"""Print expressions for people: as text, and as text with the numbers put in."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

import sympy
from sympy.printing.str import StrPrinter

from dsocr_symbolic.algebras import symbolic


def as_text(expression: Any) -> str:
    """Print an expression with its symbols, terms of low degree first."""
    return str(_Text({}).doprint(collect(expression)))


def as_numbers(expression: Any, numbers: Mapping[str, Any]) -> str:
    """Print an expression with a number for each symbol, nothing worked out."""
    return str(_Text(numbers).doprint(collect(expression)))


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
    expanded = _multiplied_out(sympy.sympify(expression))
    guards = expanded.atoms(symbolic.positive, symbolic.nonzero)
    if guards:
        expanded = _multiplied_out(expanded.xreplace({guard: _simple_guard(guard) for guard in guards}))
    terms = [without_implied_guards(term) for term in sympy.Add.make_args(expanded)]
    terms = list(sympy.Add.make_args(sympy.Add(*terms)))
    shared = factors(terms[0])
    for term in terms[1:]:
        found = factors(term)
        shared = {each: min(degree, found[each]) for each, degree in shared.items() if each in found}
    coefficients = {abs(term.as_coeff_Mul()[0]) for term in terms}
    number = coefficients.pop() if len(coefficients) == 1 else sympy.S.One
    taken = [number, *(each**degree for each, degree in sorted(shared.items(), key=str))]
    taken = [each for each in taken if each != 1]
    if not taken or len(terms) == 1:
        return sympy.Add(*terms)
    return sympy.Mul(*taken, sympy.Add(*(term / sympy.Mul(*taken) for term in terms)), evaluate=False)


def compact(expression: Any, marks: Iterable[Any] = ()) -> Any:
    """Write an expression as shortly as a person would: what terms share taken out, numbers too.

    Parameters
    ----------
    expression : sympy.Expr
        A cost.
    marks : iterable of sympy.Symbol
        Symbols whose terms may stand together: sizes of an element, say.

    Returns
    -------
    sympy.Expr
        Equal to it wherever symbols are whole and not negative; not evaluated any further.
    """
    if not expression.has(sympy.Add, symbolic.positive, symbolic.nonzero):
        return expression
    collected = _without_content(collect(expression))
    # What stands as it was built is sometimes shortest: a sum times a sum.
    return min(_grouped(collected, set(marks)), collected, expression, key=size)


def _grouped(collected: Any, marks: set[Any]) -> Any:
    """Put the terms of a sum together that have the same marks, and take out what they share."""
    *shared, last = sympy.Mul.make_args(collected)
    if not isinstance(last, sympy.Add):
        return collected
    groups: dict[frozenset[Any], list[Any]] = {}
    for term in last.args:
        key = frozenset((base, power) for base, power in factors(term).items() if base in marks)
        groups.setdefault(key, []).append(term)
    if not 1 < len(groups) < len(last.args):
        return collected
    parts = [_without_content(collect(sympy.Add(*terms))) for terms in groups.values()]
    grouped = sympy.Add(*parts, evaluate=False)
    return sympy.Mul(*shared, grouped, evaluate=False) if shared else grouped


def _without_content(expression: Any) -> Any:
    """Take the number that all terms of a sum share out of it."""
    *shared, last = sympy.Mul.make_args(expression)
    if not isinstance(last, sympy.Add):
        return expression
    numbers = [term.as_coeff_Mul()[0] for term in last.args]
    content = sympy.gcd_list(numbers) if all(each.is_Integer for each in numbers) else sympy.S.One
    if content == 1:
        return expression
    number = sympy.Mul(content, *(each for each in shared if each.is_number))
    others = [each for each in shared if not each.is_number]
    return sympy.Mul(number, *others, sympy.Add(*(term / content for term in last.args)), evaluate=False)


def size(expression: Any) -> int:
    """Count the symbols and numbers that an expression is written with."""
    return sum(not node.args for node in sympy.preorder_traversal(expression))


def _multiplied_out(expression: Any) -> Any:
    """Expand products and whole powers; the other hints of sympy's expand find nothing in a cost."""
    return sympy.expand(expression, power_exp=False, log=False, basic=False)


def factors(term: Any) -> dict[Any, Any]:
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


def without_implied_guards(term: Any) -> Any:
    """[n > 0] n is n, and [n > 0] [n > 1] is [n > 1], for whole n that are not negative."""
    found = set(factors(term))
    guards = [each for each in found if isinstance(each, symbolic.positive)]
    implied = [
        each
        for each in guards
        if each.args[0] in found
        or any(other != each and (each.args[0] - other.args[0]).is_nonnegative for other in guards)
    ]
    return term.xreplace(dict.fromkeys(implied, sympy.S.One)) if implied else term


def degree(term: Any) -> tuple[Any, ...]:
    """Return what terms of a sum are sorted by: low degree first, then plus before minus, then by name."""
    found = factors(term)
    return (sum(found.values()), term.could_extract_minus_sign(), sorted(str(each) for each in found))


def comparison(expression: Any) -> tuple[Any, Any]:
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
        for term in sorted(expr.args, key=degree):
            negative = term.could_extract_minus_sign()
            part = self.parenthesize(-term if negative else term, sympy.printing.precedence.PRECEDENCE["Add"])
            text += (" - " if negative else " + ") + part if text else ("-" if negative else "") + part
        return text

    def _print_positive(self, expr: Any) -> str:
        left, right = comparison(expr.args[0])
        return f"[{self._print(left)} > {self._print(right)}]"

    def _print_nonzero(self, expr: Any) -> str:
        left, right = comparison(expr.args[0])
        return f"[{self._print(left)} != {self._print(right)}]"

    def _print_maximum(self, expr: Any) -> str:
        return f"Max({', '.join(self._print(each) for each in expr.args)})"

    def _print_minimum(self, expr: Any) -> str:
        return f"Min({', '.join(self._print(each) for each in expr.args)})"

    def _print_sum_maxima(self, expr: Any) -> str:
        last, *ends = (self._print(each) for each in expr.args)
        lines = ", ".join(f"{ends[place]} + ({ends[place + 1]})*t" for place in range(0, len(ends), 2))
        return f"Sum(Max({lines}), t = 1..{last})"
