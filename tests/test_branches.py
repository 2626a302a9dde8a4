"""Branches near a point: their numbers are those of exact arithmetic, their forms the expressions that lead."""

from fractions import Fraction
from typing import Any

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from dsocr_symbolic.algebras import arithmetic, branches, symbolic
from dsocr_symbolic.algebras.branches import Branch, free, value_of
from dsocr_symbolic.language.expression import evaluate, parse
from dsocr_symbolic.questions.curve import slope, smooth

X = branches.unknown("x")
WHOLE = st.integers(1, 60)
FORMULAS = [
    "(x + 2)*(x - 1) + x/(x + 1)",
    "Max(3*x, 60, x**2)*Min(x, 7)",
    "ceiling(x/14)*14*x - floor(x/5)",
    "x % 7 + x/3",
    "(x > 10)*x + (x == 20)*5 + (x != 30 and x < 50)",
    "64*(1 - power(29/32, x))*x",
    "Max(x*power(1/2, x), x - 3)",
]


@pytest.mark.parametrize("text", FORMULAS)
@settings(deadline=None)
@given(x=WHOLE)
def test_the_number_is_that_of_arithmetic_and_of_the_form(text: str, x: int) -> None:
    formula = parse(text, "test")
    found = evaluate(formula, {"x": free("x", x)}, branches)
    assert float(value_of(found)) == pytest.approx(float(evaluate(formula, {"x": x}, arithmetic)), rel=1e-12)
    form = found.form.replace(symbolic.power, sympy.Pow)
    assert float(form.xreplace({X: sympy.Integer(x)})) == pytest.approx(float(found.value), rel=1e-12)


@pytest.mark.parametrize("text", FORMULAS)
@settings(deadline=None)
@given(x=WHOLE)
def test_the_derivative_is_the_finite_difference_on_the_side_where_it_holds(text: str, x: int) -> None:
    formula = parse(text, "test")
    found = evaluate(formula, {"x": free("x", x)}, branches)
    here = slope(found, "x", x)
    step = Fraction(1, 10**12)
    near = [value_of(evaluate(formula, {"x": x + sign * step}, branches)) for sign in (-1, 1)]
    sides = [float(sign * (value - found.value) / step) for sign, value in zip((-1, 1), near, strict=True)]
    exact = pytest.approx(float(here.derivative), rel=1e-6, abs=1e-6)
    if here.tied:
        assert any(side == exact for side in sides) or "==" in text
    else:
        assert sides == [exact, exact]


LINE = st.tuples(st.integers(0, 500), st.integers(0, 500), st.integers(-9, 9), st.integers(0, 9))


@settings(deadline=None)
@given(lines=st.lists(LINE, min_size=1, max_size=4), last=st.integers(0, 40), x=st.integers(1, 9))
def test_a_sum_of_maxima_is_the_sum_step_by_step(lines: list[Any], last: int, x: int) -> None:
    """The form holds the steps that each line leads; its derivative is that of the lines which lead."""
    point = free("x", x)
    given_lines = [(a + b * point, c + d * point) for a, b, c, d in lines]
    found = branches.sum_maxima(given_lines, last)
    plain = [(a + b * x, c + d * x) for a, b, c, d in lines]
    assert value_of(found) == sum(max(start + rise * step for start, rise in plain) for step in range(1, last + 1))
    here = slope(found, "x", x)
    if here.tied or last == 0:
        return
    expected = 0
    for step in range(1, last + 1):
        leader = max(range(len(lines)), key=lambda place: plain[place][0] + plain[place][1] * step)
        expected += lines[leader][1] + lines[leader][3] * step
    assert here.derivative == expected


@settings(deadline=None)
@given(
    lines=st.lists(st.tuples(st.integers(0, 90), st.integers(0, 9)), min_size=1, max_size=4), last=st.integers(0, 60)
)
def test_the_steps_themselves_may_be_free(lines: list[tuple[int, int]], last: int) -> None:
    found = branches.sum_maxima(lines, free("x", last))
    assert value_of(found) == sum(max(start + rise * step for start, rise in lines) for step in range(1, last + 1))
    smoothed = smooth(found.form, X, sympy.Integer(last))
    assert smoothed.is_polynomial(X)


def test_a_form_tells_whether_it_holds_everywhere() -> None:
    def decided(text: str) -> bool:
        found: Branch = evaluate(parse(text, "test"), {"x": free("x", 5)}, branches)
        return found.decided

    assert not decided("(x + 1)*x/3")
    assert not decided("Max(0, 3*x + 1)")
    assert decided("Max(4, x)")
    assert decided("ceiling(x/3)")
    assert decided("x + (x > 2)")


def test_a_power_out_of_range_is_said() -> None:
    with pytest.raises(OverflowError):
        branches.power(Fraction(10**30), 903)
    with pytest.raises(OverflowError):
        branches.power(Fraction(-1, 3), Fraction(1, 2))
    assert branches.power(Fraction(1, 2), 10**9) == 0
    assert branches.power(Fraction(1, 2), 3) == Fraction(1, 8)
