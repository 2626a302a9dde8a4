"""From sympy expressions and formulas of files to recorded instructions, by the walk that all languages share."""

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import add, mul
from typing import Any

from dsocr_symbolic.algebras.value import Expr
from dsocr_symbolic.evaluation.spelling import Spelling
from dsocr_symbolic.explorer import recorded
from dsocr_symbolic.explorer.recorded import Book


class Instructions(Spelling[Any]):
    """Writes expressions down in a book, each part once."""

    def __init__(self, book: Book) -> None:
        self.m_book = book
        self.m_known: dict[Expr, Any] = {}

    def part(self, expression: Expr) -> Any:
        """Return the value of a part."""
        if expression not in self.m_known:
            self.m_known[expression] = self.spelled(expression)
        return self.m_known[expression]

    def number(self, value: Expr) -> Any:
        """Return an exact number."""
        return recorded.divide(int(value.p), int(value.q)) if value.q != 1 else int(value)

    def factor(self, whole: int) -> int:
        """Return a number."""
        return whole

    def real(self, value: float) -> float:
        """Return a number."""
        return value

    def symbol(self, name: str) -> Any:
        """Return the value of a symbol."""
        return self.m_book.symbol(name)

    def added(self, parts: Sequence[Any]) -> Any:
        """Add up."""
        return reduce(add, parts)

    def product(self, above: Sequence[Any], below: Sequence[Any]) -> Any:
        """Multiply, and divide once."""
        numerator = reduce(mul, above, 1)
        return recorded.divide(numerator, reduce(mul, below)) if below else numerator

    def raised(self, base: Any, exponent: int) -> Any:
        """Raise to a whole power."""
        return base**exponent

    def steps(self, last: Any, lines: Sequence[tuple[Any, Any]]) -> Any:
        """Sum the highest of some lines."""
        return recorded.sum_maxima(lines, last)

    def called(self, function: str, arguments: Sequence[Any]) -> Any:
        """Call a function of the algebra."""
        return _CALLED[function](*arguments)


_CALLED: Mapping[str, Callable[..., Any]] = {
    **{name: getattr(recorded, name) for name in ("positive", "nonzero", "maximum", "minimum", "power")},
    **{name: getattr(recorded, name) for name in ("ceiling", "floor")},
    "modulo": lambda left, right: left % right,
}
