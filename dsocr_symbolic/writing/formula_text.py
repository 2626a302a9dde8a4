"""Print expressions for people: as text, and as text with the numbers put in."""

from collections import Counter
from collections.abc import Iterable, Mapping
from fractions import Fraction
from functools import reduce
from operator import and_
from typing import Any

import sympy
from sympy.printing.str import StrPrinter

from dsocr_symbolic.algebras import symbolic
from dsocr_symbolic.algebras.value import Exact, Expr


def as_text(expression: Expr) -> str:
    """Print an expression with its symbols, terms of low degree first."""
    return str(_Text({}).doprint(collect(expression)))


def as_numbers(expression: Expr, numbers: Mapping[str, Exact]) -> str:
    """Print an expression with a number for each symbol, nothing worked out."""
    return str(_Text(numbers).doprint(collect(expression)))


def collect(expression: Expr) -> Expr:
    """Expand, drop guards that a factor implies, and take out what all terms share.

    The result is equal wherever symbols are whole and not negative.
    """
    expanded = _multiplied_out(sympy.sympify(expression))
    guards = expanded.atoms(symbolic.positive, symbolic.nonzero)
    if guards:
        expanded = _multiplied_out(expanded.xreplace({guard: _simple_guard(guard) for guard in guards}))
    terms = [without_implied_guards(term) for term in sympy.Add.make_args(expanded)]
    terms = list(sympy.Add.make_args(sympy.Add(*terms)))
    shared = reduce(and_, (Counter(factors(term)) for term in terms))
    coefficients = {abs(term.as_coeff_Mul()[0]) for term in terms}
    number = coefficients.pop() if len(coefficients) == 1 else sympy.S.One
    taken = [number] if number != 1 else []
    taken += [base**power for base, power in sorted(shared.items(), key=str)]
    if not taken or len(terms) == 1:
        return sympy.Add(*terms)
    return sympy.Mul(*taken, sympy.Add(*(term / sympy.Mul(*taken) for term in terms)), evaluate=False)


def compact(expression: Expr, marks: Iterable[Expr] = ()) -> Expr:
    """Write an expression as shortly as a person would, as :func:`collect` does: numbers that terms share out, too.

    Terms with the same ``marks``, sizes of an element say, may stand together. The result must not be evaluated.
    """
    if not expression.has(sympy.Add, symbolic.positive, symbolic.nonzero):
        return expression
    collected = _without_content(collect(expression))
    # What stands as it was built is sometimes shortest: a sum times a sum.
    return min(_grouped(collected, set(marks)), collected, expression, key=size)


def _grouped(collected: Expr, marks: set[Expr]) -> Expr:
    """Put the terms of a sum together that have the same marks, and take out what they share."""
    *shared, last = sympy.Mul.make_args(collected)
    if not isinstance(last, sympy.Add):
        return collected
    groups: dict[frozenset[Expr], list[Expr]] = {}
    for term in last.args:
        key = frozenset((base, power) for base, power in factors(term).items() if base in marks)
        groups.setdefault(key, []).append(term)
    if not 1 < len(groups) < len(last.args):
        return collected
    parts = [_without_content(collect(sympy.Add(*terms))) for terms in groups.values()]
    grouped = sympy.Add(*parts, evaluate=False)
    return sympy.Mul(*shared, grouped, evaluate=False) if shared else grouped


def _without_content(expression: Expr) -> Expr:
    """Take the number that all terms of a sum share out of it."""
    *shared, last = sympy.Mul.make_args(expression)
    if not isinstance(last, sympy.Add):
        return expression
    numbers = [term.as_coeff_Mul()[0] for term in last.args]
    content = sympy.gcd_list(numbers) if all(number.is_Integer for number in numbers) else sympy.S.One
    if content == 1:
        return expression
    number = sympy.Mul(content, *(factor for factor in shared if factor.is_number))
    others = [factor for factor in shared if not factor.is_number]
    return sympy.Mul(number, *others, sympy.Add(*(term / content for term in last.args)), evaluate=False)


def size(expression: Expr) -> int:
    """Count the symbols and numbers that an expression is written with."""
    return sum(not node.args for node in sympy.preorder_traversal(expression))


def _multiplied_out(expression: Expr) -> Expr:
    """Expand products and whole powers; the other hints of sympy's expand find nothing in a cost."""
    return sympy.expand(expression, power_exp=False, log=False, basic=False)


def factors(term: Expr) -> dict[Expr, Expr]:
    """Return the symbols and guards of a term with their degrees."""
    powers = (factor.as_base_exp() for factor in sympy.Mul.make_args(term))
    return {base: power for base, power in powers if not base.is_number and power.is_Integer and power > 0}


def _simple_guard(guard: Expr) -> Expr:
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


def without_implied_guards(term: Expr) -> Expr:
    """[n > 0] n is n, and [n > 0] [n > 1] is [n > 1], for whole n that are not negative."""
    bases = set(factors(term))
    guards = [base for base in bases if isinstance(base, symbolic.positive)]

    def is_implied(guard: Expr) -> bool:
        weaker = ((guard.args[0] - other.args[0]).is_nonnegative for other in guards if other != guard)
        return guard.args[0] in bases or any(weaker)

    implied = [guard for guard in guards if is_implied(guard)]
    return term.xreplace(dict.fromkeys(implied, sympy.S.One)) if implied else term


def degree(term: Expr) -> tuple[Any, ...]:
    """Return what terms of a sum are sorted by: low degree first, then plus before minus, then by name."""
    powers = factors(term)
    return (sum(powers.values()), term.could_extract_minus_sign(), sorted(map(str, powers)))


def comparison(expression: Expr) -> tuple[Expr, Expr]:
    """Split a difference into what stands left and right of a comparison."""
    terms = sympy.Add.make_args(expression)
    left = [term for term in terms if not term.could_extract_minus_sign()]
    right = [-term for term in terms if term.could_extract_minus_sign()]
    return sympy.Add(*left), sympy.Add(*right)


class _Text(StrPrinter):  # type: ignore[misc]
    """Text in the formula language, guards as [condition]."""

    def __init__(self, numbers: Mapping[str, Exact]) -> None:
        super().__init__()
        self.m_numbers = numbers

    def _print_Symbol(self, expr: Expr) -> str:  # noqa: N802 - sympy's name
        if str(expr) not in self.m_numbers:
            return str(expr)
        value = self.m_numbers[str(expr)]
        return f"({value})" if isinstance(value, Fraction) or value < 0 else str(value)

    def _print_Add(self, expr: Expr, order: Any = None) -> str:  # noqa: ARG002, N802
        text = ""
        for term in sorted(expr.args, key=degree):
            negative = term.could_extract_minus_sign()
            part = self.parenthesize(-term if negative else term, sympy.printing.precedence.PRECEDENCE["Add"])
            text += (" - " if negative else " + ") + part if text else ("-" if negative else "") + part
        return text

    def _print_positive(self, expr: Expr) -> str:
        left, right = comparison(expr.args[0])
        return f"[{self._print(left)} > {self._print(right)}]"

    def _print_nonzero(self, expr: Expr) -> str:
        left, right = comparison(expr.args[0])
        return f"[{self._print(left)} != {self._print(right)}]"

    def _print_maximum(self, expr: Expr) -> str:
        return f"Max({self.stringify(expr.args, ', ')})"

    def _print_minimum(self, expr: Expr) -> str:
        return f"Min({self.stringify(expr.args, ', ')})"

    def _print_sum_maxima(self, expr: Expr) -> str:
        last, *ends = map(self._print, expr.args)
        lines = ", ".join(f"{start} + ({slope})*t" for start, slope in zip(ends[::2], ends[1::2], strict=True))
        return f"Sum(Max({lines}), t = 1..{last})"
