"""Ranges of a sweep's points as boxes: each point once, in order, and bit for bit what points by themselves give."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsocr_symbolic import UserError, load_model
from dsocr_symbolic.questions.sweep.boxes import boxes
from dsocr_symbolic.questions.sweep.plan import SweepPlan, plan_sweep


@given(shape=st.lists(st.integers(1, 5), min_size=1, max_size=4), draw=st.data())
def test_boxes_are_the_points_in_order(shape: list[int], draw: st.DataObject) -> None:
    count = int(np.prod(shape))
    start = draw.draw(st.integers(0, count))
    stop = draw.draw(st.integers(start, count))
    numbers = np.arange(count).reshape(shape)
    cut = [numbers[tuple(slice(*span) for span in spans)] for spans in boxes(start, stop, shape)]
    assert [number for box in cut for number in box.reshape(-1).tolist()] == list(range(start, stop))
    assert all(box.size for box in cut)
    assert len(cut) <= max(1, 2 * len(shape) - 1)


@pytest.fixture(scope="module")
def plan() -> SweepPlan:
    varied: dict[str, Any] = {
        "gpu": ["h200", "rtx5090"],
        "batch": "1:70",
        "attention": ["flash", "eager"],
        "crop_grid": [(0, 0), (3, 2)],
        "new_tokens": [0, 1, 500],
    }
    metrics = ["forward_io_bytes", "roofline_s", "forward_arithmetic_intensity"]
    return plan_sweep(load_model(), metrics=metrics, by=["decode", "total"], **varied)


@given(draw=st.data())
@settings(max_examples=20, deadline=None)
def test_a_range_is_its_points(plan: SweepPlan, draw: st.DataObject) -> None:
    start = draw.draw(st.integers(0, plan.count - 1))
    stop = draw.draw(st.integers(start, plan.count))
    np.testing.assert_array_equal(plan.evaluate_range(start, stop), plan.evaluate(plan.places(start, stop)))


def test_a_bad_point_of_a_range_is_named() -> None:
    plan = plan_sweep(load_model(), metrics="parameters", batch="1:3", crop_columns=[0, 2], crop_rows=[0, 2])
    with pytest.raises(UserError, match="at batch 1, crop_columns 0, crop_rows 2"):
        plan.evaluate_range(0, plan.count)
    assert plan.evaluate_range(3, 4)[0].shape == (1,)
