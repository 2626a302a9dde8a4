"""Fewer operations for the same value: polynomials of the few symbols that are left once numbers are in."""

from collections import Counter
from collections.abc import Iterable
from math import lcm, prod

import sympy

from dsocr_symbolic.algebras import symbolic
from dsocr_symbolic.algebras.dominance import without_dominated
from dsocr_symbolic.algebras.value import Expr
from dsocr_symbolic.writing.formula_text import factors, without_implied_guards

# Sums of more terms keep the shape of the formulas: with many symbols free there is little to gain.
_MOST_TERMS = 200


def reduced(expression: Expr) -> Expr:
    """Expand and decide what holds for all values that are not negative: maxima, and guards that a factor implies."""
    led = without_dominated(expression)
    maxima = led.atoms(symbolic.maximum)
    decided = led.xreplace({maximum: _decided_maximum(maximum) for maximum in maxima})
    sums = decided.atoms(symbolic.sum_maxima)
    decided = decided.xreplace({added: _decided_sum(added) for added in sums})
    return _expanded(decided)


def _expanded(expression: Expr) -> Expr:
    if _products(expression) > _MOST_TERMS:
        return expression
    return sympy.Add(*(without_implied_guards(term) for term in _terms(sympy.expand(expression))))


def _terms(expression: Expr) -> tuple[Expr, ...]:
    terms: tuple[Expr, ...] = sympy.Add.make_args(expression)
    return terms


def _products(expression: Expr) -> int:
    """Return how many terms an expression has at most once it is expanded."""
    if expression.is_Add:
        return sum(_products(part) for part in expression.args)
    if expression.is_Mul:
        return prod(_products(part) for part in expression.args)
    if expression.is_Pow and expression.exp.is_Integer and expression.exp > 0:
        return prod([_products(expression.base)] * int(expression.exp))
    return 1


def _never_less(left: Expr, right: Expr) -> bool:
    """Whether left >= right wherever symbols are not negative: no term of the difference is negative."""
    return all(_not_negative(term) for term in _terms(sympy.expand(left - right)))


def _not_negative(term: Expr) -> bool:
    coefficient, rest = term.as_coeff_Mul()
    bases = [factor.as_base_exp()[0] for factor in sympy.Mul.make_args(rest)]
    return bool(coefficient >= 0) and all(base.is_nonnegative for base in bases)


def _leaders(candidates: Iterable[tuple[Expr, ...]]) -> list[tuple[Expr, ...]]:
    """Drop each candidate that another one never falls short of, in all of its parts."""
    kept: list[tuple[Expr, ...]] = []
    for new in candidates:
        if any(all(map(_never_less, old, new)) for old in kept):
            continue
        kept = [old for old in kept if not all(map(_never_less, new, old))] + [new]
    return kept


def _decided_maximum(maximum: Expr) -> Expr:
    if sum(map(_products, maximum.args)) > _MOST_TERMS // 10:
        return maximum
    leaders = _leaders((_expanded(argument),) for argument in maximum.args)
    return leaders[0][0] if len(leaders) == 1 else symbolic.maximum(*(leader for (leader,) in leaders))


def _decided_sum(sum_maxima: Expr) -> Expr:
    last, *ends = map(_expanded, sum_maxima.args)
    # A line that starts no lower and is no less steep leads at every step.
    leaders = _leaders(zip(ends[::2], ends[1::2], strict=True))
    if len(leaders) == 1:
        ((intercept, slope),) = leaders
        return last * intercept + slope * last * (last + 1) / 2
    return symbolic.sum_maxima(last, *(end for line in leaders for end in line))


def nested(expression: Expr) -> Expr:
    """Take out of the terms of a sum what most of them share, again and again, over one common denominator."""
    if _products(expression) > _MOST_TERMS:
        return expression
    below = lcm(*(int(term.as_coeff_Mul()[0].q) for term in _terms(expression)))
    inside = _nest([(term * below, factors(term)) for term in _terms(expression)])
    return inside if below == 1 else sympy.Mul(sympy.Rational(1, below), inside, evaluate=False)


def _nest(terms: list[tuple[Expr, dict[Expr, int]]]) -> Expr:
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


def in_decimals(expression: Expr) -> Expr:
    """Turn fractions into float64 numbers."""
    fractions = [number for number in expression.atoms(sympy.Rational) if not number.is_Integer]
    return expression.xreplace({fraction: sympy.Float(fraction) for fraction in fractions})


def powers_in_decimals(expression: Expr) -> Expr:
    """Turn the fractions inside of real powers into float64 numbers: a power is one anyway."""
    powers = expression.atoms(symbolic.power)
    return expression.xreplace({power: in_decimals(power) for power in powers}) if powers else expression
