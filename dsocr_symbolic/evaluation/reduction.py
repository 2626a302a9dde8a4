"""Fewer operations for the same value: polynomials of the few symbols that are left once numbers are in."""

from collections import Counter
from collections.abc import Iterable
from math import lcm, prod
from typing import Any

import sympy

from dsocr_symbolic.algebras import symbolic
from dsocr_symbolic.writing.formula_text import factors, without_implied_guards

# Sums of more terms keep the shape of the formulas: with many symbols free there is little to gain.
_MOST_TERMS = 200


def reduced(expression: Any) -> Any:
    """Expand an expression and decide what can be decided for all values that are not negative.

    Maxima lose arguments that never win, and guards go where a factor implies them.
    """
    maxima = expression.atoms(symbolic.maximum)
    decided = expression.xreplace({each: _decided_maximum(each) for each in maxima})
    sums = decided.atoms(symbolic.sum_maxima)
    decided = decided.xreplace({each: _decided_sum(each) for each in sums})
    return _expanded(decided)


def _expanded(expression: Any) -> Any:
    if _products(expression) > _MOST_TERMS:
        return expression
    return sympy.Add(*(without_implied_guards(term) for term in _terms(sympy.expand(expression))))


def _terms(expression: Any) -> tuple[Any, ...]:
    found: tuple[Any, ...] = sympy.Add.make_args(expression)
    return found


def _products(expression: Any) -> int:
    """Return how many terms an expression has at most once it is expanded."""
    if expression.is_Add:
        return sum(_products(each) for each in expression.args)
    if expression.is_Mul:
        return prod(_products(each) for each in expression.args)
    if expression.is_Pow and expression.exp.is_Integer and expression.exp > 0:
        return prod([_products(expression.base)] * int(expression.exp))
    return 1


def _never_less(left: Any, right: Any) -> bool:
    """Whether left >= right wherever symbols are not negative: no term of the difference is negative."""
    return all(_not_negative(term) for term in _terms(sympy.expand(left - right)))


def _not_negative(term: Any) -> bool:
    coefficient, rest = term.as_coeff_Mul()
    bases = [factor.as_base_exp()[0] for factor in sympy.Mul.make_args(rest)]
    return bool(coefficient >= 0) and all(base.is_nonnegative for base in bases)


def _leaders(candidates: Iterable[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Drop each candidate that another one never falls short of, in all of its parts."""
    kept: list[tuple[Any, ...]] = []
    for new in candidates:
        if any(all(map(_never_less, old, new)) for old in kept):
            continue
        kept = [old for old in kept if not all(map(_never_less, new, old))] + [new]
    return kept


def _decided_maximum(maximum: Any) -> Any:
    if sum(map(_products, maximum.args)) > _MOST_TERMS // 10:
        return maximum
    leaders = _leaders((_expanded(each),) for each in maximum.args)
    return leaders[0][0] if len(leaders) == 1 else symbolic.maximum(*(each for (each,) in leaders))


def _decided_sum(sum_maxima: Any) -> Any:
    last, *ends = (_expanded(each) for each in sum_maxima.args)
    # A line that starts no lower and is no less steep leads at every step.
    leaders = _leaders(zip(ends[::2], ends[1::2], strict=True))
    if len(leaders) == 1:
        ((intercept, slope),) = leaders
        return last * intercept + slope * last * (last + 1) / 2
    return symbolic.sum_maxima(last, *(end for line in leaders for end in line))


def nested(expression: Any) -> Any:
    """Take out of the terms of a sum what most of them share, again and again, over one common denominator."""
    if _products(expression) > _MOST_TERMS:
        return expression
    below = lcm(*(int(term.as_coeff_Mul()[0].q) for term in _terms(expression)))
    inside = _nest([(term * below, factors(term)) for term in _terms(expression)])
    return inside if below == 1 else sympy.Mul(sympy.Rational(1, below), inside, evaluate=False)


def _nest(terms: list[tuple[Any, dict[Any, int]]]) -> Any:
    """Nest terms, each with its factors."""
    shared = Counter(base for _, powers in terms for base in powers)
    factor = max(shared, key=lambda base: shared[base], default=None)
    if factor is None or shared[factor] == 1:
        return sympy.Add(*(term for term, _ in terms))
    degree = min(powers[factor] for _, powers in terms if factor in powers)
    taken = factor**degree
    inside, outside = [], []
    for term, powers in terms:
        if factor in powers:
            left = {base: power - degree * (base == factor) for base, power in powers.items()}
            inside.append((term / taken, {base: power for base, power in left.items() if power}))
        else:
            outside.append((term, powers))
    return sympy.Add(taken * _nest(inside), _nest(outside))


def in_decimals(expression: Any) -> Any:
    """Turn fractions into float64 numbers."""
    fractions = {each for each in expression.atoms(sympy.Rational) if not each.is_Integer}
    return expression.xreplace({each: sympy.Float(each) for each in fractions})


def powers_in_decimals(expression: Any) -> Any:
    """Turn the fractions inside of real powers into float64 numbers: a power is one anyway."""
    powers = expression.atoms(symbolic.power)
    return expression.xreplace({each: in_decimals(each) for each in powers}) if powers else expression
