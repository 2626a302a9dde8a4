"""What formulas are made of, by name: values of any algebra, sympy expressions, exact numbers."""

from fractions import Fraction
from typing import Any, Protocol, TypeAlias

Exact: TypeAlias = int | float | Fraction
"""A number outside of sympy: an int wherever it is whole, a float where a datasheet or a real power gives one."""

Expr: TypeAlias = Any
"""A sympy expression: sympy has no types, and numbers stand among expressions as they are."""


class Value(Protocol):
    """A value of any algebra: an exact number, a sympy expression, a branch at a point, an array, a cell."""

    def __add__(self, other: Any, /) -> Any:
        """Add."""

    def __sub__(self, other: Any, /) -> Any:
        """Subtract."""

    def __mul__(self, other: Any, /) -> Any:
        """Multiply."""

    def __radd__(self, other: Any, /) -> Any:
        """Add to another one."""

    def __rmul__(self, other: Any, /) -> Any:
        """Multiply another one."""

    def __rsub__(self, other: Any, /) -> Any:
        """Subtract from another one."""

    def __neg__(self) -> Any:
        """Change the sign."""
