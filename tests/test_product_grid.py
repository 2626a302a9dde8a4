"""Product grids keep their axes apart: bit for bit what the same points give one after another."""

from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsocr_symbolic import UserError, load_model
from dsocr_symbolic.algebras import arrays
from dsocr_symbolic.algebras.product_grid import SHORTEST, product_grid
from dsocr_symbolic.evaluation.compiled import Compiled

METRICS = (
    *("forward_tensor_core_flops", "forward_io_bytes", "roofline_s", "forward_arithmetic_intensity", "parameters"),
    *("peak_memory_bytes", "device_s"),
)
# Symbols of workload, architecture and machine, each with values that are allowed together with all others.
VALUES: dict[str, list[Any]] = {
    "batch": [*range(1, 400)],
    "text_tokens": [*range(0, 90_000, 7)],
    "new_tokens": [0, 1, 2, *range(3, 5000, 11)],
    "crop_columns": [1, 2, 3],
    "num_hidden_layers": [*range(1, 61)],
    "n_routed_experts": [*range(8, 256)],
    "vocab_size": [*range(1, 200_000, 99)],
    "memory_bandwidth": [1e12 + 1e9 * step for step in range(3000)],
    "compute_efficiency": [step / 128 for step in range(1, 129)],
}
# What varies, and which network and machine.
CASES: tuple[tuple[tuple[str, ...], str, dict[str, str]], ...] = (
    (("batch", "crop_columns", "new_tokens", "text_tokens"), "rtx5090", {}),
    (("compute_efficiency", "memory_bandwidth", "new_tokens", "text_tokens"), "h200", {"attention": "eager"}),
    (("batch", "n_routed_experts", "num_hidden_layers", "vocab_size"), "l4", {"weight_dtype": "int4"}),
)


@cache
def _compiled(case: int) -> Compiled:
    over, gpu, choices = CASES[case]
    fixed = {name: value for name, value in {"crop_rows": 2, "crop_columns": 3}.items() if name not in over}
    return load_model(**choices).compile(METRICS, over, by=("decode", "total"), gpu=gpu, settings=fixed)


SIDES = st.one_of(st.integers(1, 5), st.integers(SHORTEST - 2, SHORTEST + 40), st.just(300))


def _equal(found: Any, expected: Any, shape: tuple[int, ...]) -> None:
    for metric, parts in expected.items():
        for part, numbers in parts.items():
            assert found[metric][part].shape == shape
            np.testing.assert_array_equal(found[metric][part].reshape(-1), numbers, err_msg=f"{metric} {part}")


@pytest.mark.parametrize("case", range(len(CASES)))
@given(draw=st.data(), block=st.sampled_from([500, 7000, 1 << 16]))
@settings(max_examples=10, deadline=None)
def test_a_product_grid_is_its_points_one_after_another(case: int, draw: st.DataObject, block: int) -> None:
    names = CASES[case][0]
    axes = draw.draw(st.lists(st.sampled_from(names), min_size=1, max_size=len(names), unique=True))
    random = np.random.default_rng(draw.draw(st.integers(0, 999)))
    columns: list[Any] = []
    for name in axes:
        most = 20_000 // max(1, int(np.prod([len(column) for column in columns])))
        columns.append(random.choice(VALUES[name], min(most, draw.draw(SIDES))))
    sides = tuple(map(len, columns))
    fixed = {name: random.choice(VALUES[name]) for name in names if name not in axes}
    grid = dict(zip(axes, np.ix_(*columns), strict=True))
    points = {name: np.broadcast_to(values, sides).reshape(-1) for name, values in grid.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(arrays, "BLOCK", block)
        _equal(_compiled(case)(**fixed, **grid), _compiled(case)(**fixed, **points), sides)


@given(draw=st.data())
@settings(deadline=None)
def test_boxes_cover_every_point_once(draw: st.DataObject) -> None:
    shape = tuple(draw.draw(st.lists(st.sampled_from([1, 2, 3, 63, 64, 65]), min_size=1, max_size=3)))
    shapes = {
        str(place): tuple(side if draw.draw(st.booleans()) else 1 for side in shape) for place in range(len(shape))
    }
    shapes["all"] = tuple(side if place == 0 else 1 for place, side in enumerate(shape))
    common = np.broadcast_shapes(*shapes.values())
    grid = product_grid(common, shapes)
    if grid is None:
        return
    assert np.prod(grid.shape) == np.prod(common)
    seen = np.zeros(grid.lengths, dtype=int)
    most = draw.draw(st.integers(1 + seen.size // 50, 1 + seen.size))
    for box in grid.boxes(most):
        seen[box] += 1
        assert 0 < seen[box].size <= most
    assert (seen == 1).all()


def test_a_bad_point_of_a_grid_is_named_as_among_points() -> None:
    function = load_model().compile("forward_io_bytes", ["batch", "crop_columns", "crop_rows"], by="total")
    good = {"batch": np.arange(1, 101)[:, None, None], "crop_columns": np.array([2, 3])[:, None]}
    for rows in ([1, 2, 4], [1, 2, 2.5]):
        grid = {**good, "crop_rows": np.array(rows)}
        points = {name: np.broadcast_to(values, (100, 2, 3)).reshape(-1) for name, values in grid.items()}
        said = []
        for given_ in (grid, points):
            with pytest.raises(UserError) as error:
                function(**given_)
            said.append(str(error.value))
        assert said[0] == said[1]
        assert said[0].endswith("(point 5)" if 4 in rows else "(point 2)")


def test_what_does_not_depend_on_an_axis_is_kept_once_along_it() -> None:
    function = load_model().compile("forward_tensor_core_flops", ["batch", "new_tokens"], by=["prefill", "decode"])
    found = function(**dict(zip(("batch", "new_tokens"), np.ix_(range(1, 101), range(90)), strict=True)))
    prefill, decode = found["forward_tensor_core_flops"].values()
    assert prefill.shape == decode.shape == (100, 90)
    assert prefill.strides == (8, 0)
    assert not prefill.flags.writeable
    assert decode.flags.writeable
