"""Formulas near a point: which branch of every maximum, guard and rounding leads there, as one plain expression.

An algebra like :mod:`~dsocr_symbolic.algebras.arithmetic`. Where no value depends on the free symbol it computes exact
numbers; where one does, a :class:`Branch` carries its number and the expression that holds around the point.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, TypeAlias

import sympy
from attrs import frozen

from dsocr_symbolic.algebras import arithmetic, symbolic
from dsocr_symbolic.algebras.value import Exact, Expr

DIGITS = 150
# Powers beyond it are too large to work with; below the smallest one no float64 tells them from 0, and their digits,
# kept exactly, would be more than any machine holds.
_LARGEST_POWER = sympy.Float(10, 5) ** 3000
_SMALLEST_POWER = sympy.Float(10, 5) ** -400
_EXACT_EXPONENT = 64


@frozen(kw_only=True, eq=False)
class Branch:
    """A value that depends on the free symbol.

    Attributes
    ----------
    value : int or Fraction
        At the point.
    form : sympy.Expr
        The expression that leads there: sums, products and quotients of the symbol, ``power`` and roundings.
    decided : bool
        Whether the point decided between branches, so that ``form`` may not hold far from it.
    """

    value: Any
    form: Expr
    decided: bool = False

    def __add__(self, other: Any) -> "Branch":
        right = _branch(other)
        return _joined((self, right), self.value + right.value, self.form + right.form)

    __radd__ = __add__

    def __sub__(self, other: Any) -> "Branch":
        return self + -_branch(other)

    def __rsub__(self, other: Any) -> "Branch":
        return _branch(other) + -self

    def __neg__(self) -> "Branch":
        return _joined((self,), -self.value, _expanded(-self.form))

    def __mul__(self, other: Any) -> Any:
        if not isinstance(other, Branch) and other == 0:
            return 0
        right = _branch(other)
        return _joined((self, right), self.value * right.value, _expanded(self.form * right.form))

    __rmul__ = __mul__

    def __pow__(self, exponent: int) -> "Branch":
        return _joined((self,), self.value**exponent, _expanded(self.form**exponent))

    def __mod__(self, other: Any) -> Any:
        return self - other * floor(divide(self, other))

    def __rmod__(self, other: Any) -> Any:
        return _branch(other) % self


Near: TypeAlias = Exact | Branch
"""A number, or one that depends on the free symbol."""


def exact(value: Exact) -> Exact:
    """Turn a float into the decimal that it prints as, so that nothing is rounded further on."""
    return Fraction(repr(value)) if isinstance(value, float) else value


def free(symbol: str, value: Exact) -> Branch:
    """Return the free symbol at a point."""
    return Branch(value=exact(value), form=unknown(symbol))


def unknown(symbol: str) -> Expr:
    """Return the free symbol in forms: without assumptions, which sympy would ask for at every turn."""
    return sympy.Symbol(symbol)


def value_of(value: Near) -> Exact:
    """Return the number of a branch, or the number itself."""
    return value.value if isinstance(value, Branch) else value


def number(value: Any) -> Any:
    """Return a literal as it is."""
    return value


def divide(left: Any, right: Any) -> Any:
    """Divide exactly."""
    if not isinstance(left, Branch) and not isinstance(right, Branch):
        return arithmetic.divide(left, right)
    above, below = _branch(left), _branch(right)
    ratio = _expanded(above.form / below.form)
    return _joined((above, below), _whole(Fraction(above.value) / Fraction(below.value)), ratio)


def ceiling(value: Any) -> Any:
    """Round up; the form keeps the rounding."""
    return -floor(-value)


def floor(value: Any) -> Any:
    """Round down; the form keeps the rounding."""
    if not isinstance(value, Branch):
        return value // 1
    rounded = value.value // 1
    return Branch(value=rounded, form=sympy.floor(value.form), decided=True)


def positive(value: Any) -> Any:
    """Return 1 if the value is greater than 0, else 0."""
    if not isinstance(value, Branch):
        return int(value > 0)
    if not value.decided and _surely_positive(value.form):
        return 1
    return Branch(value=int(value.value > 0), form=sympy.Integer(int(value.value > 0)), decided=True)


def _surely_positive(form: Expr) -> bool:
    """Say whether a form is greater than 0 whatever its symbols are, as none of them is negative."""
    polynomial = form.as_poly()
    if polynomial is None:
        return False
    constant = polynomial.coeff_monomial(1)
    return bool(constant > 0 and all(factor >= 0 for factor in polynomial.coeffs()))


def nonzero(value: Any) -> Any:
    """Return 1 if the value differs from 0, else 0."""
    if not isinstance(value, Branch):
        return int(value != 0)
    return Branch(value=int(value.value != 0), form=sympy.Integer(int(value.value != 0)), decided=True)


def maximum(*values: Any) -> Any:
    """Return the largest value, which leads."""
    if not any(isinstance(value, Branch) for value in values):
        return max(values)
    branches = [_branch(value) for value in values]
    return _leading(branches, max(branches, key=value_of))


def minimum(*values: Any) -> Any:
    """Return the smallest value, which leads."""
    if not any(isinstance(value, Branch) for value in values):
        return min(values)
    branches = [_branch(value) for value in values]
    return _leading(branches, min(branches, key=value_of))


def power(base: Any, exponent: Any) -> Any:
    """Raise to any real power, to 150 digits; the form keeps the power."""
    value = _power(value_of(base), value_of(exponent))
    if not isinstance(base, Branch) and base in (0, 1) and value_of(exponent) > 0:
        return base
    if not isinstance(base, Branch) and not isinstance(exponent, Branch):
        return value
    below, above = _branch(base), _branch(exponent)
    return _joined((below, above), value, symbolic.power(below.form, above.form))


def sum_maxima(lines: Sequence[tuple[Any, Any]], last: Any) -> Any:
    """Sum the maximum of straight lines over the steps 1 to last, as arithmetic does, line by line where it leads.

    Without a step the first line stands ready, so that the form tells what one more step would add.
    """
    total: Any = 0
    step: Any = 1
    free_ends = any(isinstance(part, Branch) for part in (last, *(end for line in lines for end in line)))
    while True:
        here = [(_branch(intercept + slope * step), _branch(slope)) for intercept, slope in lines]
        leader, steepness = max(here, key=lambda line: (line[0].value, line[1].value))
        leader = _leading([line for line, _ in here], leader)
        end = last
        for line, slope in here:
            if slope.value > steepness.value:
                ahead = step + divide(leader - line, slope - steepness)
                before = maximum(step, ceiling(ahead) - 1)
                end = before if value_of(before) < value_of(end) else end
        count = end - step + 1
        total = total + count * leader + steepness * divide(count * (count - 1), 2)
        if value_of(end) >= value_of(last):
            return total if free_ends else value_of(total)
        step = end + 1


def _branch(value: Near) -> Branch:
    return value if isinstance(value, Branch) else Branch(value=value, form=as_sympy(value))


def as_sympy(value: Any) -> Expr:
    """Turn an exact number into one of sympy."""
    return sympy.Rational(value.numerator, value.denominator)


def _joined(parts: tuple[Branch, ...], value: Exact, form: Expr) -> Branch:
    return Branch(value=value, form=form, decided=any(part.decided for part in parts))


def _leading(branches: Sequence[Branch], leader: Branch) -> Branch:
    """Return what leads."""
    others = [branch for branch in branches if branch.form != leader.form]
    known = all(branch.form == 0 for branch in others) and _never_negative(leader.form)
    return Branch(
        value=leader.value,
        form=leader.form,
        decided=any(branch.decided for branch in branches) or bool(others and not known),
    )


def _never_negative(form: Expr) -> bool:
    """Whether no term of a form can be negative, for the symbol is not; quicker than asking sympy."""
    for term in sympy.Add.make_args(form):
        coefficient, rest = term.as_coeff_Mul()
        factors = sympy.Mul.make_args(rest)
        if coefficient < 0 or not all(factor.is_number or factor.as_base_exp()[0].is_Symbol for factor in factors):
            return False
    return True


def _expanded(form: Expr) -> Expr:
    """Multiply sums out, so that equal terms meet; what stands below a fraction or in a power stays."""
    sums = any(factor.has(sympy.Add) for factor in sympy.Mul.make_args(form))
    return sympy.expand(form, deep=False) if sums else form


def _whole(value: Fraction) -> Any:
    return value.numerator if value.denominator == 1 else value


def _power(base: Any, exponent: Any) -> Any:
    """Raise a number; exactly where the digits stay few."""
    if exponent == int(exponent) and abs(exponent) <= _EXACT_EXPONENT:
        return _whole(Fraction(base) ** int(exponent))
    result = sympy.Float(as_sympy(base), DIGITS) ** as_sympy(exponent)
    if not result.is_Float or abs(result) > _LARGEST_POWER:
        raise OverflowError(f"{base} to the power of {exponent} has no value or one that is too large")
    if abs(result) < _SMALLEST_POWER:
        return 0
    ratio = sympy.Rational(result)
    return _whole(Fraction(int(ratio.p), int(ratio.q)))
