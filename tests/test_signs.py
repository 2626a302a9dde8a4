"""Signs that the shape of an expression leaves open: what is said of a shape at a glance is what sympy finds."""

from collections.abc import Iterator

import pytest
import sympy
from hypothesis import given
from hypothesis import strategies as st

from dsocr_symbolic.algebras import signs, symbolic
from dsocr_symbolic.algebras.value import Expr
from dsocr_symbolic.language.lookup import find_definition
from dsocr_symbolic.network.model_tree import model_tree
from dsocr_symbolic.network.node import walk
from dsocr_symbolic.regenerate import default_slots

X, Y, Z = (symbolic.symbol(name) for name in "xyz")
ANY = sympy.Symbol("a", real=True)
MIXED = (X - 1, 1 - X, X - Y, X * Y - 3, X * (Y + 1) - Z, X**2 * Y - X, X / Y - Z, symbolic.positive(X - 1) * Y - Z)
DECIDED = (X + 1, X + Y, X * Y, -X - 1, X**2 - X, X**2 - 2 * X + 1, X * Y + symbolic.positive(Z), sympy.Integer(3))


@pytest.mark.parametrize("expression", MIXED, ids=str)
def test_terms_of_unlike_signs_leave_it_open(expression: Expr) -> None:
    assert signs.may_be_mixed(expression)
    assert _sympy(expression) == (None, None, None)


@pytest.mark.parametrize("expression", [*DECIDED, ANY - X, X - ANY * Y], ids=str)
def test_what_a_glance_does_not_tell_is_left_to_sympy(expression: Expr) -> None:
    assert not signs.may_be_mixed(expression)


def _sympy(expression: Expr) -> tuple[bool | None, bool | None, bool | None]:
    return expression.is_positive, expression.is_nonpositive, expression.is_zero


@st.composite
def _expressions(draw: st.DrawFn) -> Expr:
    terms = draw(st.lists(st.tuples(st.integers(-3, 3), *[st.integers(0, 2)] * 3), min_size=1, max_size=4))
    return sympy.Add(*(factor * X**a * Y**b * (Z + 1) ** c for factor, a, b, c in terms))


@given(_expressions())
def test_a_glance_never_differs_from_sympy(expression: Expr) -> None:
    if signs.may_be_mixed(expression):
        assert _sympy(expression) == (None, None, None)
    if signs.may_be_zero_or_more(expression):
        assert (expression.is_positive, expression.is_nonpositive) == (None, None)


def _guards(name: str) -> Iterator[Expr]:
    definition = find_definition(name)
    for node in walk(model_tree(definition, default_slots(definition), training=False)):
        for value in (node.calls, node.runs, node.again, *(kernel.runs for kernel in node.kernels)):
            yield from sympy.sympify(value).atoms(symbolic.positive, symbolic.nonzero)


@pytest.mark.parametrize("name", ["llama", "deepseek_v2"])
def test_guards_of_networks_are_those_that_sympy_would_leave(name: str) -> None:
    found = {guard.args[0] for guard in _guards(name)}
    assert len(found) > 10
    for argument in found:
        if signs.may_be_mixed(argument):
            assert _sympy(argument) == (None, None, None), argument
        if signs.may_be_zero_or_more(argument):
            assert (argument.is_positive, argument.is_nonpositive) == (None, None), argument
