"""Exact numbers: division, rounding, and the sum of a maximum over steps."""

import math
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsocr_symbolic.algebras import arithmetic

integers = st.integers(-(2**80), 2**80)


@given(left=integers, right=integers.filter(bool))
def test_division_of_ints_is_exact(left: int, right: int) -> None:
    found = arithmetic.divide(left, right)
    assert found * right == left
    assert isinstance(found, int) == (left % right == 0)
    assert not isinstance(found, float)


@given(left=st.fractions(), right=st.fractions().filter(bool))
def test_division_of_fractions_is_exact(left: Fraction, right: Fraction) -> None:
    assert arithmetic.divide(left, right) == left / right


@pytest.mark.parametrize(("left", "right"), [(1.0, 4), (1, 4.0), (Fraction(1, 2), 2.0)])
def test_division_with_a_float_is_a_float(left: Any, right: Any) -> None:
    found = arithmetic.divide(left, right)
    assert isinstance(found, float)
    assert found == 0.25


@pytest.mark.parametrize("left", [1, 1.0, Fraction(1, 2)])
def test_division_by_zero_is_an_error(left: Any) -> None:
    with pytest.raises(ZeroDivisionError):
        arithmetic.divide(left, 0)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, 3),
        (2**70, 2**70),
        (3.0, 3),
        (1e22, 10**22),
        (0.5, 0.5),
        (-2.0, -2),
        (Fraction(6, 2), 3),
        (Fraction(1, 2), 0.5),
        (Fraction(2**80, 1), 2**80),
    ],
)
def test_whole_is_an_int_wherever_there_is_no_fractional_part(value: Any, expected: Any) -> None:
    found = arithmetic.whole(value)
    assert found == expected
    assert type(found) is type(expected)


@given(value=st.one_of(integers, st.fractions()))
def test_ceiling_and_floor_enclose_the_value(value: Any) -> None:
    above, below = arithmetic.ceiling(value), arithmetic.floor(value)
    assert type(above) is int
    assert type(below) is int
    assert below <= value <= above
    assert above - below == (0 if value == below else 1)


@given(value=st.one_of(integers, st.fractions()))
def test_positive_and_nonzero_are_one_or_zero(value: Any) -> None:
    assert arithmetic.positive(value) == (1 if value > 0 else 0)
    assert arithmetic.nonzero(value) == (0 if value == 0 else 1)
    assert type(arithmetic.positive(value)) is int
    assert type(arithmetic.nonzero(value)) is int


@given(values=st.lists(integers, min_size=2, max_size=5))
def test_maximum_and_minimum_are_the_largest_and_smallest(values: list[int]) -> None:
    ordered = sorted(values)
    assert (arithmetic.minimum(*values), arithmetic.maximum(*values)) == (ordered[0], ordered[-1])


@pytest.mark.parametrize(
    ("base", "exponent", "value"), [(2, 10, 1024.0), (4, 0.5, 2.0), (Fraction(1, 2), 2, 0.25), (0, 0, 1.0), (7, 0, 1.0)]
)
def test_power_is_a_float(base: Any, exponent: Any, value: float) -> None:
    found = arithmetic.power(base, exponent)
    assert isinstance(found, float)
    assert found == value


def test_power_of_a_huge_exponent_neither_hangs_nor_grows() -> None:
    assert arithmetic.power(Fraction(58, 64), 10**9) == 0.0
    with pytest.raises(OverflowError):
        arithmetic.power(10, 10**9)


def _brute(lines: list[tuple[Any, Any]], last: int) -> Any:
    return sum((max(intercept + slope * step for intercept, slope in lines) for step in range(1, last + 1)), start=0)


def _lines(numbers: st.SearchStrategy[Any]) -> st.SearchStrategy[list[tuple[Any, Any]]]:
    return st.lists(st.tuples(numbers, numbers), min_size=1, max_size=5)


small = st.integers(-40, 40)
wide = st.one_of(small, st.integers(-(2**70), 2**70))


@settings(max_examples=200, deadline=None)
@given(lines=_lines(small), last=st.integers(0, 60))
def test_sum_of_maxima_of_small_ints_equals_step_by_step(lines: list[tuple[int, int]], last: int) -> None:
    found = arithmetic.sum_maxima(lines, last)
    assert found == _brute(lines, last)
    assert isinstance(found, int)


@settings(max_examples=150, deadline=None)
@given(lines=_lines(wide), last=st.integers(0, 40))
def test_sum_of_maxima_of_huge_ints_is_exact(lines: list[tuple[int, int]], last: int) -> None:
    assert arithmetic.sum_maxima(lines, last) == _brute(lines, last)


@settings(max_examples=200, deadline=None)
@given(lines=_lines(st.fractions(-9, 9, max_denominator=12)), last=st.integers(0, 40))
def test_sum_of_maxima_of_fractions_is_exact(lines: list[tuple[Fraction, Fraction]], last: int) -> None:
    assert arithmetic.sum_maxima(lines, last) == _brute(lines, last)


@settings(max_examples=200, deadline=None)
@given(lines=_lines(st.floats(0, 1e6, allow_subnormal=False)), last=st.integers(0, 60))
def test_sum_of_maxima_of_floats_equals_step_by_step_to_rounding(lines: list[tuple[float, float]], last: int) -> None:
    assert arithmetic.sum_maxima(lines, last) == pytest.approx(_brute(lines, last), rel=1e-12, abs=1e-300)


@given(line=st.tuples(small, small), copies=st.integers(1, 4), last=st.integers(0, 30))
def test_sum_of_maxima_of_equal_lines_is_the_sum_of_one(line: tuple[int, int], copies: int, last: int) -> None:
    intercept, slope = line
    assert arithmetic.sum_maxima([line] * copies, last) == last * intercept + slope * last * (last + 1) // 2


@pytest.mark.parametrize("lines", [[(1, 2)], [(5, 0), (0, 5)], [(0.5, 1.5)]])
def test_sum_of_maxima_over_no_step_is_nothing(lines: list[tuple[Any, Any]]) -> None:
    assert arithmetic.sum_maxima(lines, 0) == 0


def test_sum_of_maxima_does_not_walk_the_steps() -> None:
    last = 10**15
    crossing = 10**6
    flat, steep = (crossing, 0), (0, 1)
    expected = crossing * crossing + (last * (last + 1) - crossing * (crossing + 1)) // 2
    assert arithmetic.sum_maxima([flat, steep], last) == expected


def test_sum_of_maxima_counts_the_crossing_step_once() -> None:
    assert arithmetic.sum_maxima([(3, 0), (0, 1)], 5) == 3 + 3 + 3 + 4 + 5
    assert math.isclose(arithmetic.sum_maxima([(2.5, 0.0), (0.0, 1.0)], 4), 2.5 + 2.5 + 3 + 4)
