"""An inequality with one symbol free and numbers put in, and its solution, in print."""

from collections.abc import Callable
from itertools import islice
from typing import Any

import sympy
from attrs import evolve

from dsocr_symbolic.algebras import arithmetic, symbolic
from dsocr_symbolic.algebras.branches import Branch, as_sympy, exact, unknown
from dsocr_symbolic.algebras.value import Expr, Value
from dsocr_symbolic.questions.solve.constraint import Sides, left_over
from dsocr_symbolic.questions.solve.problem import Problem, Root, roots_of
from dsocr_symbolic.questions.solve.search import Boundary
from dsocr_symbolic.writing.formula_text import as_text

_LONGEST_FORM = 300
_MOST_PARTS = 5000
_DIGITS = 7
_FAINT = 1e-15


def derivation(problem: Problem, boundary: Boundary) -> tuple[str, ...]:
    """Write an inequality on the branch that leads at a boundary, and its solution; nothing where too long to read."""
    if any(map(_is_huge, problem.forms(boundary.value))):
        return ()
    forms = _forms(problem, boundary)
    return _written(problem, forms, boundary, lambda: _roots(problem, forms, boundary))


def solved_at(problem: Problem, boundary: Boundary) -> tuple[float | None, tuple[str, ...]]:
    """Return where both sides are equal on the branch that leads at a boundary, and what :func:`derivation` writes.

    None for the former if that has no closed form.
    """
    forms = _forms(problem, boundary)
    roots = _roots(problem, forms, boundary)
    huge = any(map(_is_huge, problem.forms(boundary.value)))
    written = () if huge else _written(problem, forms, boundary, lambda: roots)
    return float(roots[0].value) if roots else None, written


def _written(problem: Problem, forms: Sides, boundary: Boundary, roots: Callable[[], list[Root]]) -> tuple[str, ...]:
    left, right = map(_form, forms)
    if len(left) + len(right) > _LONGEST_FORM:
        return ()
    solutions = (_solved(problem.symbol, root, boundary) for root in roots())
    return (f"{left} {problem.constraint.sign} {right}", *solutions)


def _is_huge(side: Value) -> bool:
    """Say whether the form of a side has far more parts than can be read, so that printing it is vain."""
    if not isinstance(side, Branch):
        return False
    return next(islice(sympy.preorder_traversal(side.form), _MOST_PARTS, None), None) is not None


def _roots(problem: Problem, forms: Sides, boundary: Boundary) -> list[Root]:
    difference = left_over(problem.constraint, forms)
    if not isinstance(difference, Branch):
        return []
    roots = roots_of(difference.form, unknown(problem.symbol)) or []
    return [root for root in roots if _at_boundary(root.value, boundary)]


def _forms(problem: Problem, boundary: Boundary) -> Sides:
    """Leave powers out that no digit shows: a prompt of hundreds of tokens hits every expert."""
    point = {unknown(problem.symbol): as_sympy(exact(boundary.value))}

    def clear(side: Value) -> Value:
        if not isinstance(side, Branch):
            return side
        powers = side.form.atoms(symbolic.power)
        faint = {power: 0 for power in powers if abs(sympy.N(sympy.Pow(*power.args), subs=point)) < _FAINT}
        return evolve(side, form=sympy.expand(side.form.xreplace(faint)))

    left, right = problem.forms(boundary.value)
    return clear(left), clear(right)


def _solved(symbol: str, root: Root, boundary: Boundary) -> str:
    sign = "<=" if boundary.sense == "largest" else ">="
    number = f"{float(root.value):.{_DIGITS}g}"
    if not root.text or len(root.text) > _LONGEST_FORM // 3:
        return f"{symbol} {sign} {number}"
    return f"{symbol} {sign} {root.text} = {number}"


def _at_boundary(root: Expr, boundary: Boundary) -> bool:
    """Whether a root is where the boundary is: the branch may change before the next value."""
    if boundary.beyond is None:
        return False
    near = abs(float(root) - boundary.value) <= abs(boundary.value) * 10**-_DIGITS
    return near or bool(min(boundary.value, boundary.beyond) <= root <= max(boundary.value, boundary.beyond))


def _form(side: Any) -> str:
    """Print one side, fractions as decimals."""
    if not isinstance(side, Branch):
        side = arithmetic.whole(side)
        return str(side) if isinstance(side, int) else f"{side:.{_DIGITS}g}"
    form = side.form
    fractions = {number for number in form.atoms(sympy.Rational) if not number.is_Integer}
    return as_text(form.xreplace({number: sympy.Float(number, _DIGITS) for number in fractions}))
