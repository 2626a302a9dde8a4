"""One walk over sympy expressions for every language that writes them down: what a part is, decided once.

A language says how each kind of part is written, mostly by a table of spellings: Python, Excel, the instructions that
JavaScript is printed from, MathML.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, Generic, TypeVar

import sympy

from dsocr_symbolic.algebras import symbolic
from dsocr_symbolic.algebras.value import Expr

T = TypeVar("T")
# Functions by the names that the number worlds give them.
FUNCTIONS: Mapping[Any, str] = {
    symbolic.positive: "positive",
    symbolic.nonzero: "nonzero",
    symbolic.maximum: "maximum",
    symbolic.minimum: "minimum",
    symbolic.power: "power",
    sympy.ceiling: "ceiling",
    sympy.floor: "floor",
    sympy.Mod: "modulo",
}


class Spelling(ABC, Generic[T]):
    """How one language writes each kind of part."""

    @abstractmethod
    def number(self, value: Expr) -> T:
        """Write a rational number that stands by itself."""

    @abstractmethod
    def factor(self, whole: int) -> T:
        """Write a whole number among factors."""

    @abstractmethod
    def real(self, value: float) -> T:
        """Write a number in float64."""

    @abstractmethod
    def symbol(self, name: str) -> T:
        """Write a symbol."""

    @abstractmethod
    def added(self, parts: Sequence[T]) -> T:
        """Write a sum."""

    @abstractmethod
    def product(self, above: Sequence[T], below: Sequence[T]) -> T:
        """Write a product, or the quotient of two; nothing above is 1."""

    @abstractmethod
    def raised(self, base: T, exponent: int) -> T:
        """Write a power above the first."""

    @abstractmethod
    def steps(self, last: T, lines: Sequence[tuple[T, T]]) -> T:
        """Write the sum over the steps 1 to last of the highest of some lines (intercept, slope)."""

    @abstractmethod
    def called(self, function: str, arguments: Sequence[T]) -> T:
        """Write a function of :data:`FUNCTIONS`."""

    def part(self, expression: Expr) -> T:
        """Write a part of an expression; a language may give it a name."""
        return self.spelled(expression)

    def in_order(self, parts: Sequence[Expr]) -> Sequence[Expr]:
        """Return terms or factors in the order in which they shall be written."""
        return parts

    def simplified(self, product: Expr) -> Expr:
        """Return a product as it shall be written."""
        return product

    def arguments(self, call: Expr) -> Sequence[Expr]:
        """Return the arguments of a function as they shall be written."""
        arguments: Sequence[Expr] = call.args
        return arguments

    def spelled(self, expression: Expr) -> T:
        """Write an expression, its parts by :meth:`part`."""
        if expression.is_Rational:
            return self.number(expression)
        if expression.is_Float:
            return self.real(float(expression))
        if expression.is_Symbol:
            return self.symbol(str(expression))
        if expression.is_Add:
            return self.added([self.part(part) for part in self.in_order(expression.args)])
        if expression.is_Mul or expression.is_Pow:
            return self._product(self.simplified(expression))
        if isinstance(expression, symbolic.sum_maxima):
            last, *ends = (self.part(part) for part in expression.args)
            return self.steps(last, list(zip(ends[::2], ends[1::2], strict=True)))
        name = FUNCTIONS[expression.func]
        return self.called(name, [self.part(part) for part in self.arguments(expression)])

    def _product(self, expression: Expr) -> T:
        above: list[T] = []
        below: list[T] = []
        for factor in self.in_order(sympy.Mul.make_args(expression)):
            if factor.is_Rational:
                above += [self.factor(int(factor.p))] if factor.p != 1 else []
                below += [self.factor(int(factor.q))] if factor.q != 1 else []
            elif factor.is_Pow and factor.exp.is_Integer:
                side = below if factor.exp < 0 else above
                base, exponent = self.part(factor.base), abs(int(factor.exp))
                side.append(base if exponent == 1 else self.raised(base, exponent))
            elif factor.is_Pow:
                raise AssertionError(f"{factor}: an exponent that is no whole number")
            else:
                above.append(self.part(factor))
        return self.product(above, below)
