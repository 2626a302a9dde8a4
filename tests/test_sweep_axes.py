"""Axes: numbers at equal distances are exact and never kept; axes that do not go together are refused."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.questions.sweep.axes import MOST_POINTS, Axis, Range, at, check_axes
from dsocr_symbolic.questions.sweep.vary import make_axis

DEFINITION = default_definition(None)


@given(st.integers(1, 10**15), st.integers(1, 10**9), st.sampled_from([1, 3, 10, 1000]), st.integers(1, 10**6))
def test_each_step_is_the_nearest_float_of_the_exact_number(first: int, step: int, below: int, count: int) -> None:
    steps = Range(first=first, step=step, below=below, count=count, whole=False)
    places = np.array([0, count // 2, count - 1])
    exact = [Fraction(first + step * int(place), below) for place in places]
    found = at(steps, places)
    assert found.dtype == np.float64
    for value, number in zip(found.tolist(), exact, strict=True):
        assert value == float(number) or first + step * count > 2**53
        assert value == pytest.approx(float(number), rel=1e-15)


@given(st.integers(0, 10**17), st.integers(1, 10**6), st.integers(1, 10**6))
def test_whole_steps_stay_whole(first: int, step: int, count: int) -> None:
    steps = Range(first=first, step=step, below=1, count=count, whole=True)
    found = at(steps, np.array([count - 1]))
    assert found.dtype == np.int64
    assert found.tolist() == [first + step * (count - 1)] == [steps.exact(count - 1)]
    assert len(steps) == count


def test_a_long_range_takes_no_memory() -> None:
    axis = make_axis(DEFINITION, "batch", f"1:{MOST_POINTS}")
    assert isinstance(axis.labels, Range)
    assert len(axis) == MOST_POINTS
    check_axes([axis])
    assert at(axis.labels, np.array([MOST_POINTS - 1])).tolist() == [MOST_POINTS]


def axis(name: str, values: object) -> Axis:
    return make_axis(DEFINITION, name, values)


def test_axes_that_do_not_go_together() -> None:
    with pytest.raises(UserError, match="nothing varies"):
        check_axes([])
    with pytest.raises(UserError, match="crop_rows: varies in crop_grid and in crop_rows"):
        check_axes([axis("crop_grid", "all"), axis("crop_rows", [1, 2])])
    with pytest.raises(UserError, match=r"1e\+13 points; at most 1e\+12"):
        check_axes([axis("batch", "1:1000000"), axis("new_tokens", "1:10000000")])
    check_axes([axis("batch", "1:1000000"), axis("new_tokens", "1:1000000")])


def test_names_are_of_axes_without_numbers() -> None:
    assert axis("gpu", ["h200", "l4"]).names == ("h200", "l4")
    assert axis("crop_grid", "2x1").names == ()
    assert axis("batch", [1]).names == ()
    assert [axis(*each).numeric for each in (("batch", [1]), ("crop_grid", "2x1"), ("gpu", ["l4"]))] == [
        True,
        False,
        False,
    ]
