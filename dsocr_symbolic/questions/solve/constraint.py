"""Constraints as data: two formulas of metrics and symbols, and which one must not be larger."""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any, TypeAlias

from attrs import frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.algebras.value import Value
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.expression import Expression, evaluate, names, parse
from dsocr_symbolic.language.files.server_file import unknown_symbol
from dsocr_symbolic.language.registry import Term, load_metrics
from dsocr_symbolic.language.time_formula import timed

Sides: TypeAlias = tuple[Any, Any]
"""The left and the right side of a constraint at a point: branches where the symbol is left free, else numbers."""


@frozen(kw_only=True)
class Constraint:
    """``left <= right`` or ``left >= right``.

    Attributes
    ----------
    left, right : Expression
        Formulas of symbols, and of names that stand for metrics.
    at_most : bool
        Whether it is the left side that must not be larger.
    terms : mapping of str to Term
        What the names stand for.
    """

    left: Expression
    right: Expression
    at_most: bool
    terms: Mapping[str, Term]

    @property
    def sides(self) -> tuple[Expression, Expression]:
        """Both formulas."""
        return self.left, self.right

    @property
    def sign(self) -> str:
        """How the sides are compared."""
        return "<=" if self.at_most else ">="

    @property
    def text(self) -> str:
        """The constraint as it was written."""
        return f"{self.left.text} {self.sign} {self.right.text}"

    @property
    def spelled(self) -> str:
        """The constraint with the metrics that its names stand for."""
        known = self.terms
        return re.sub(r"\b[a-z]\w*", lambda name: known[name[0]].metric if name[0] in known else name[0], self.text)


def read_constraint(text: str, symbols: Iterable[str], time: str, where: str = "constraint") -> Constraint:
    """Read a constraint of the whole network; `time` says what the time metrics in it stand for."""
    whole = parse(text, where)
    match whole.tree:
        case ast.Compare(left=left, ops=[ast.LtE() | ast.GtE() as sign], comparators=[right]):
            pass
        case _:
            raise UserError(f"{where}: '{whole.text}': write LEFT <= RIGHT or LEFT >= RIGHT")
    metrics, known = load_metrics(), set(symbols)
    terms = {}
    for name in names(whole):
        if name in metrics:
            terms[name] = Term(paths=("",), metric=timed(name, time))
        elif name not in known:
            raise unknown_symbol(name, [*metrics, *known], where, "metric or symbol")
    if not terms and not names(whole):
        raise UserError(f"{where}: '{whole.text}' names no metric and no symbol: nothing can be solved for")
    return Constraint(
        left=Expression(text=ast.get_source_segment(whole.text, left) or "", tree=left),
        right=Expression(text=ast.get_source_segment(whole.text, right) or "", tree=right),
        at_most=isinstance(sign, ast.LtE),
        terms=terms,
    )


def put_in(constraint: Constraint, scope: Mapping[str, Value], algebra: ModuleType = arithmetic) -> Sides:
    """Evaluate both sides in a scope that has every name."""
    with no_value(constraint):
        left, right = (evaluate(side, scope, algebra) for side in constraint.sides)
        return left, right


@contextmanager
def no_value(constraint: Constraint) -> Iterator[None]:
    """Say it where a side has no value."""
    try:
        yield
    except (ZeroDivisionError, OverflowError, ValueError) as error:
        why = "it divides by 0" if isinstance(error, ZeroDivisionError) else error
        text = f"{constraint.text}: a side has no value there ({why}); change the constraint or the workload"
        raise UserError(text) from error


def left_over(constraint: Constraint, both: Sides) -> Any:
    """Return by how much a constraint is met; negative where it is not."""
    left, right = both
    return right - left if constraint.at_most else left - right
