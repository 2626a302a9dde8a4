"""Which arguments of a maximum never win: by proof, another one is no less wherever symbols are not negative."""

from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import product
from math import prod
from typing import Any

from attrs import frozen

from dsocr_symbolic.algebras import arithmetic, symbolic
from dsocr_symbolic.algebras.value import Expr

# Factors with their powers; what stands before each product of a sum.
Monomial = frozenset[tuple[Expr, int]]
Polynomial = Mapping[Monomial, Any]
# An argument's index, then for each maximum inside of it which one and which argument of that.
Place = tuple[Any, ...]

_ONE: Polynomial = {frozenset(): 1}
# Of more terms or candidates a proof would take longer than what it saves.
_MOST_TERMS, _MOST_CANDIDATES = 60, 2000
_GUARDS = (symbolic.positive, symbolic.nonzero)
# Values of symbols that tell in no time that neither of two arguments is always the larger one.
_SAMPLES = 8
_PRIMES = (2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53)
# What is taken for equal, and for 0 below a fraction.
_ROUNDED = _LITTLE = 1e-9


@frozen(kw_only=True, eq=False)
class _Candidate:
    """What an argument may be worth: itself, an argument of each maximum inside of it taken out."""

    places: tuple[Place, ...]
    polynomial: Polynomial


def without_dominated(expression: Expr) -> Expr:
    """Drop arguments that never win from each maximum and from the maxima that add to its arguments."""
    return expression.xreplace({outer: _pruned(outer) for outer in _outermost(expression)})


def _outermost(expression: Expr) -> set[Expr]:
    if isinstance(expression, symbolic.maximum):
        return {expression}
    return {found for part in expression.args for found in _outermost(part)}


@lru_cache(maxsize=1024)
def _pruned(maximum: Expr) -> Expr:
    candidates = list(_candidates(maximum, ()))
    if len(candidates) > _MOST_CANDIDATES:
        return maximum
    symbols = sorted(maximum.free_symbols, key=str)
    points = [_point(symbols, number) for number in range(_SAMPLES)]
    sampled = [(tuple(_number(each.polynomial, point) for point in points), each) for each in candidates]
    sampled.sort(key=lambda each: each[0], reverse=True)
    kept: list[tuple[tuple[float, ...], _Candidate]] = []
    for values, new in sampled:
        if not any(_above(others, values) and never_less(old.polynomial, new.polynomial) for others, old in kept):
            kept.append((values, new))
    return _rebuilt(maximum, (), {place for _, each in kept for place in each.places})


def _above(left: tuple[float, ...], right: tuple[float, ...]) -> bool:
    return all(one >= other - _ROUNDED * abs(other) for one, other in zip(left, right, strict=True))


def _candidates(maximum: Expr, before: Place) -> Iterator[_Candidate]:
    """Yield what each argument may be worth, the maxima inside of it gone where they add to it."""
    for index, argument in enumerate(maximum.args):
        place = (*before, index)
        whole = polynomial(argument)
        inner = _added_maxima(whole) if len(whole) <= _MOST_TERMS else []
        choices = [list(_candidates(each, (*place, each))) for each in inner]
        if prod(map(len, choices)) > _MOST_CANDIDATES:
            inner, choices = [], []
        for chosen in product(*choices):
            value = whole
            for each, candidate in zip(inner, chosen, strict=True):
                value = _put(value, each, candidate.polynomial)
            places = tuple(each for candidate in chosen for each in candidate.places)
            yield _Candidate(places=(place, *places), polynomial=value)


def _rebuilt(maximum: Expr, before: Place, kept: set[Place]) -> Expr:
    """Return a maximum of the arguments that are kept, and inside of them likewise."""
    arguments = []
    for index, argument in enumerate(maximum.args):
        place = (*before, index)
        if place not in kept:
            continue
        inner = {each[-2] for each in kept if len(each) == len(place) + 2 and each[: len(place)] == place}
        arguments.append(argument.xreplace({each: _rebuilt(each, (*place, each), kept) for each in inner}))
    return arguments[0] if len(arguments) == 1 else symbolic.maximum(*arguments)


# Polynomials ----------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=4096)
def polynomial(expression: Expr) -> Polynomial:
    """Multiply out; what is neither sum, product nor power is a factor as it is."""
    if expression.is_Rational:
        return {frozenset(): arithmetic.divide(int(expression.p), int(expression.q))}
    if expression.is_Add:
        added: dict[Monomial, Any] = {}
        for part in expression.args:
            for monomial, coefficient in polynomial(part).items():
                added[monomial] = added.get(monomial, 0) + coefficient
        return {monomial: coefficient for monomial, coefficient in added.items() if coefficient}
    if expression.is_Mul:
        value = _ONE
        for part in expression.args:
            value = _times(value, polynomial(part))
        return value
    base, exponent = expression.as_base_exp()
    if exponent.is_Integer and exponent > 0 and base.is_Add:
        value = _ONE
        for _ in range(int(exponent)):
            value = _times(value, polynomial(base))
        return value
    if exponent.is_Integer and not isinstance(base, _GUARDS):
        return {frozenset(((base, int(exponent)),)): 1}
    return {frozenset(((expression, 1),)): 1}


def _times(left: Polynomial, right: Polynomial) -> Polynomial:
    result: dict[Monomial, Any] = {}
    for one, factor in left.items():
        for other, coefficient in right.items():
            together = _joined(one, other)
            result[together] = result.get(together, 0) + factor * coefficient
    return result


def _joined(left: Monomial, right: Monomial) -> Monomial:
    """Multiply; a guard times itself is itself."""
    powers = dict(left)
    for base, power in right:
        powers[base] = 1 if isinstance(base, _GUARDS) else powers.get(base, 0) + power
    return frozenset((base, power) for base, power in powers.items() if power)


def _added_maxima(value: Polynomial) -> list[Expr]:
    """Return the maxima that add to a sum, and that nothing else in it contains."""
    bases = {base: None for monomial in value for base, _ in monomial if base.args}
    found = [base for base in bases if isinstance(base, symbolic.maximum) and _adds(value, base)]
    while True:
        others = [base for base in bases if base not in found]
        left = [each for each in found if not any(other.has(each) for other in others)]
        if len(left) == len(found):
            return found
        found = left


def _adds(value: Polynomial, inner: Expr) -> bool:
    """Return whether a maximum stands once in each product, before it nothing that may be negative."""
    for monomial, coefficient in value.items():
        powers = dict(monomial)
        if inner in powers and (powers.pop(inner) != 1 or coefficient < 0 or not all(map(_not_negative, powers))):
            return False
    return True


def _put(value: Polynomial, inner: Expr, candidate: Polynomial) -> Polynomial:
    """Put something in the place of a maximum."""
    result: dict[Monomial, Any] = {}
    for monomial, coefficient in value.items():
        rest = frozenset(each for each in monomial if each[0] != inner)
        spread = {monomial: coefficient} if rest == monomial else _times({rest: coefficient}, candidate)
        for each, factor in spread.items():
            result[each] = result.get(each, 0) + factor
    return {monomial: coefficient for monomial, coefficient in result.items() if coefficient}


@lru_cache(maxsize=4096)
def _not_negative(base: Expr) -> bool:
    if isinstance(base, symbolic.maximum):
        return any(never_less(polynomial(argument), {}) for argument in base.args)
    return bool(base.is_nonnegative) or (base.is_Add and never_less(polynomial(base), {}))


def never_less(left: Polynomial, right: Polynomial) -> bool:
    """Return whether a polynomial is proven to be no less than another one: no product is left that may be negative.

    A guard is 0 or 1, so that what it stands before is no less without it.
    """
    difference = dict(left)
    for monomial, coefficient in right.items():
        difference[monomial] = difference.get(monomial, 0) - coefficient
    more = {monomial: coefficient for monomial, coefficient in difference.items() if coefficient > 0}
    for monomial, coefficient in difference.items():
        lacking = -coefficient
        if lacking <= 0:
            continue
        if not all(_not_negative(base) for base, _ in monomial):
            return False
        for other, coefficient_left in more.items():
            # The other product is this one without some of its guards.
            if lacking > 0 and other < monomial and all(isinstance(base, _GUARDS) for base, _ in monomial - other):
                used = min(lacking, coefficient_left)
                lacking -= used
                more[other] = coefficient_left - used
        if lacking > 0:
            return False
    return all(_not_negative(base) for monomial, left_over in more.items() if left_over for base, _ in monomial)


# Samples --------------------------------------------------------------------------------------------------------------


def _point(symbols: list[Expr], number: int) -> dict[Expr, float]:
    """Return values that differ from symbol to symbol and from one sample to the next, 0 among them."""
    return {
        symbol: float((_PRIMES[(place * 7 + number * 5) % len(_PRIMES)] - 2) * 10 ** ((place + number) % 4))
        for place, symbol in enumerate(symbols)
    }


def _number(value: Polynomial, point: dict[Expr, float]) -> float:
    return sum(
        float(coefficient) * prod((_factor(base, point) or _LITTLE) ** power for base, power in monomial)
        for monomial, coefficient in value.items()
    )


def _factor(base: Expr, point: dict[Expr, float]) -> float:
    """Evaluate a factor; a proof holds for any value of one that is neither symbol nor guard."""
    if base.is_Symbol:
        return point[base]
    if isinstance(base, symbolic.maximum):
        return max(_number(polynomial(argument), point) for argument in base.args)
    if isinstance(base, _GUARDS):
        argument = _number(polynomial(base.args[0]), point)
        return float(argument > 0 if isinstance(base, symbolic.positive) else argument != 0)
    return abs(_number(polynomial(base), point)) if base.is_Add else 1.0
