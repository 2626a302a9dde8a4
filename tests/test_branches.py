"""Branches near a point: their numbers are those of exact arithmetic, their forms the expressions that lead."""

import math
from fractions import Fraction
from typing import Any

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st

from dsocr_symbolic.algebras import arithmetic, branches, symbolic, tangents
from dsocr_symbolic.algebras.branches import Branch, free, value_of
from dsocr_symbolic.algebras.tangents import Tangent
from dsocr_symbolic.language.expression import evaluate, parse

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
    here = tangent(evaluate(formula, {"x": tangents.free(x)}, tangents))
    assert here.value == value_of(evaluate(formula, {"x": free("x", x)}, branches))
    step = Fraction(1, 10**12)
    near = [evaluate(formula, {"x": x + sign * step}, tangents) for sign in (-1, 1)]
    sides = [float(sign * (value - here.value) / step) for sign, value in zip((-1, 1), near, strict=True)]
    exact = pytest.approx(float(here.slope), rel=1e-6, abs=1e-6)
    if here.tied:
        assert any(side == exact for side in sides) or "==" in text
    else:
        assert sides == [exact, exact]


def tangent(value: Any) -> Tangent:
    """What does not depend on the symbol is a number."""
    return value if isinstance(value, Tangent) else Tangent(value=value, slope=0)


LINE = st.tuples(st.integers(0, 500), st.integers(0, 500), st.integers(-9, 9), st.integers(0, 9))


@settings(deadline=None)
@given(lines=st.lists(LINE, min_size=1, max_size=4), last=st.integers(0, 40), x=st.integers(1, 9))
def test_a_sum_of_maxima_is_the_sum_step_by_step(lines: list[Any], last: int, x: int) -> None:
    """The form holds the steps that each line leads; the slope is that of the lines which lead."""
    point, moving = free("x", x), tangents.free(x)
    found = branches.sum_maxima([(a + b * point, c + d * point) for a, b, c, d in lines], last)
    here = tangent(tangents.sum_maxima([(a + b * moving, c + d * moving) for a, b, c, d in lines], last))
    plain = [(a + b * x, c + d * x) for a, b, c, d in lines]
    expected = sum(max(start + rise * step for start, rise in plain) for step in range(1, last + 1))
    assert value_of(found) == here.value == expected
    if here.tied or last == 0:
        return
    expected = 0
    for step in range(1, last + 1):
        leader = max(range(len(lines)), key=lambda place: plain[place][0] + plain[place][1] * step)
        expected += lines[leader][1] + lines[leader][3] * step
    assert here.slope == expected


@settings(deadline=None)
@given(
    lines=st.lists(st.tuples(st.integers(0, 90), st.integers(0, 9)), min_size=1, max_size=4), last=st.integers(0, 60)
)
def test_the_steps_themselves_may_be_free(lines: list[tuple[int, int]], last: int) -> None:
    found = branches.sum_maxima(lines, free("x", last))
    assert value_of(found) == sum(max(start + rise * step for start, rise in lines) for step in range(1, last + 1))
    roundings = found.form.atoms(sympy.floor, sympy.ceiling)
    smoothed = found.form.xreplace({rounding: rounding.xreplace({X: sympy.Integer(last)}) for rounding in roundings})
    assert smoothed.is_polynomial(X)
    here = tangent(tangents.sum_maxima(lines, tangents.free(last)))
    assert here.value == value_of(found)
    assert here.slope == sympy.diff(smoothed, X).xreplace({X: sympy.Integer(last)})


def test_a_form_tells_whether_it_holds_everywhere() -> None:
    def decided(text: str) -> bool:
        found: Branch = evaluate(parse(text, "test"), {"x": free("x", 5)}, branches)
        return found.decided

    assert not decided("(x + 1)*x/3")
    assert not decided("Max(0, 3*x + 1)")
    assert decided("Max(4, x)")
    assert decided("ceiling(x/3)")
    assert decided("x + (x > 2)")


def test_powers_keep_few_digits_however_large_the_exponent() -> None:
    """Kept exactly, the last of these powers has five trillion bits."""
    for exponent in (57_792, 903_000, 10**12, 10**18):
        scope = {"x": tangents.free(6), "y": exponent}
        here = tangent(evaluate(parse("64*(1 - power(1 - x/64, y))", "test"), scope, tangents))
        assert here.value == 64 or abs(here.value - 64) < Fraction(1, 10**300)
        assert here.value.denominator.bit_length() < 2_500
        assert abs(here.slope) < Fraction(1, 10**300)


def test_a_power_of_nothing_has_a_slope() -> None:
    def slope(base: int, exponent: Any) -> Any:
        found = tangent(tangents.power(tangents.free(base), exponent))
        return found.value, found.slope

    assert (slope(0, 1), slope(0, 3), slope(0, 903_000)) == ((0, 1), (0, 0), (0, 0))
    assert slope(3, 4) == (81, 108)
    moving = tangent(tangents.power(Fraction(1, 2), tangents.free(3)))
    assert float(moving.slope) == pytest.approx(-math.log(2) / 8, rel=1e-15)
    with pytest.raises(OverflowError):
        tangents.power(-3, tangents.free(3))


def test_a_power_out_of_range_is_said() -> None:
    with pytest.raises(OverflowError):
        branches.power(Fraction(10**30), 903)
    with pytest.raises(OverflowError):
        branches.power(Fraction(-1, 3), Fraction(1, 2))
    assert branches.power(Fraction(1, 2), 10**9) == 0
    assert branches.power(Fraction(1, 2), 3) == Fraction(1, 8)
