"""Where the cost goes, and how it grows: parts make up the whole, curves pass through what was asked."""

import math
from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest
from conftest import evaluate_model
from hypothesis import given, settings
from hypothesis import strategies as st

from dsocr_symbolic.evaluation.answer import answer
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.reports.performance import figure_style
from dsocr_symbolic.reports.performance.curves import Curves, curves
from dsocr_symbolic.reports.performance.numbers import LARGEST_PART, RESOURCES, Performance, Spender, performance
from dsocr_symbolic.scenario.hardware import load_gpu
from dsocr_symbolic.scenario.scenario import Scenario, make_scenario

FLOWS = ("forward_tensor_core_flops", "forward_cuda_core_flops", "forward_io_bytes", "operator_launches")
CASES: Mapping[str, dict[str, Any]] = {
    "gundam": {},
    "published": {"workload": "dsocr-standard-v1"},
    "much, on a small GPU": {"workload": "large", "gpu": "l4", "settings": {"batch": 64}},
    "little, on a large GPU": {"workload": "tiny", "gpu": "b200", "settings": {"batch": 64, "new_tokens": 32}},
    "no answer, other choices": {
        "choices": {"attention": "eager", "weight-dtype": "fp8", "logits": "last"},
        "gpu": "h100-pcie",
        "settings": {"new_tokens": 0},
    },
}


def scenario(**asked: Any) -> Scenario:
    return make_scenario(definition=default_definition(None), **asked)


@cache
def numbers_of(case: str) -> Performance:
    return performance(scenario(**CASES[case]))


@cache
def points_of(case: str) -> Curves:
    return curves(numbers_of(case))


every_case = pytest.mark.parametrize("case", CASES)


# numbers


def added(parts: tuple[Spender, ...], metric: str) -> Any:
    return sum(part.metrics[metric] for part in parts)


@every_case
def test_stages_categories_and_parts_each_make_up_the_whole(case: str) -> None:
    numbers = numbers_of(case)
    for parts in (numbers.stages, numbers.categories, numbers.parts):
        for metric in FLOWS:
            assert added(parts, metric) == pytest.approx(numbers.whole.metrics[metric], rel=1e-12)
        assert math.fsum(part.share for part in parts) == pytest.approx(1)
    assert numbers.whole.metrics == answer(numbers.scenario).total


def test_counts_of_parts_are_exact() -> None:
    numbers = numbers_of("gundam")
    for parts in (numbers.stages, numbers.categories, numbers.parts):
        for metric in FLOWS:
            assert added(parts, metric) == numbers.whole.metrics[metric]


@every_case
def test_a_part_is_small_or_holds_no_modules(case: str) -> None:
    numbers = numbers_of(case)
    rows = [node.row for node in numbers.result.nodes]
    for part in numbers.parts:
        inside = [row for row in rows if row.path.rpartition("/")[0] == part.name and not row.aten]
        whole = numbers.result.stages[part.stage]["roofline_s"]
        assert not inside or part.metrics["roofline_s"] <= LARGEST_PART * whole
    times = [part.metrics["roofline_s"] for part in numbers.parts]
    assert times == sorted(times, reverse=True)


@every_case
def test_resources_decide_all_of_the_time_and_none_alone_takes_longer(case: str) -> None:
    numbers = numbers_of(case)
    for part in (numbers.whole, *numbers.stages, *numbers.parts, *numbers.categories):
        assert math.fsum(part.decided.values()) == pytest.approx(part.metrics["roofline_s"], rel=1e-9)
        assert max(part.alone.values()) <= part.metrics["roofline_s"] * (1 + 1e-12)
        assert part.decided[part.resource] == max(part.decided.values())
        assert set(part.decided) == set(part.alone) == set(RESOURCES)


@every_case
def test_seconds_by_stage_and_category(case: str) -> None:
    numbers = numbers_of(case)
    for stage in numbers.stages:
        mine = math.fsum(value for (name, _), value in numbers.seconds.items() if name == stage.name)
        assert mine == pytest.approx(stage.metrics["roofline_s"], rel=1e-9, abs=1e-30)
    for category in numbers.categories:
        mine = math.fsum(value for (_, name), value in numbers.seconds.items() if name == category.name)
        assert mine == pytest.approx(category.metrics["roofline_s"], rel=1e-9)


def test_rates_and_ridges_are_the_machine_s() -> None:
    gpu = load_gpu("rtx5090").numbers
    peak, bandwidth = gpu["tensor_bf16_flops_per_s"].value_si, gpu["memory_bandwidth_bytes_per_s"].value_si
    whole = numbers_of("gundam")
    assert whole.rates["tensor_core_flops"] == pytest.approx(peak)
    assert whole.ridges["tensor_core_flops"] == pytest.approx(peak / bandwidth)
    half = performance(scenario(settings={"compute_efficiency": 0.5, "bandwidth_efficiency": 0.25}))
    assert half.rates["tensor_core_flops"] == pytest.approx(peak / 2)
    assert half.ridges["tensor_core_flops"] == pytest.approx(2 * peak / bandwidth)


@every_case
def test_bounds_and_compulsory_bytes_are_the_least(case: str) -> None:
    numbers = numbers_of(case)
    for part in (*numbers.stages, numbers.whole):
        bound, rated = part.metrics["lower_bound_s"], numbers.rated_bounds[part.name]
        assert bound <= rated <= part.metrics["roofline_s"] * (1 + 1e-12)
        assert numbers.compulsory[part.name]["forward_io_bytes"] == part.metrics["forward_fused_io_bytes"]


@every_case
def test_moments_hold_the_worst_one(case: str) -> None:
    numbers = numbers_of(case)
    assert [moment.stage for moment in numbers.moments] == [stage.name for stage in numbers.stages]
    assert max(numbers.moments, key=lambda each: each.peak_memory_bytes) == numbers.fit.moment
    for moment, stage in zip(numbers.moments, numbers.stages, strict=True):
        assert moment.peak_memory_bytes == stage.metrics["peak_memory_bytes"]
        assert moment.at.startswith(moment.stage)


# curves


def test_the_grid_that_was_asked_for_is_on_the_curve() -> None:
    numbers, points = numbers_of("gundam"), points_of("gundam")
    (asked,) = (grid for grid in points.grids if (grid.columns, grid.rows) == (3, 2))
    for name, stage in asked.stages.items():
        found = numbers.result.stages[name]
        assert {metric: stage[metric] for metric in FLOWS} == {metric: found[metric] for metric in FLOWS}
    assert [grid.crops for grid in points.grids] == sorted(grid.crops for grid in points.grids)
    assert {grid.crops for grid in points.grids} == {0, *range(2, 10)}
    assert len(points.grids) == 23


def test_grids_on_the_curve_go_up_to_the_limit() -> None:
    numbers = performance(scenario(workload="gundam-served", settings={"new_tokens": 0}))
    assert {grid.crops for grid in curves(numbers).grids} == {0, *range(2, 7)}


@settings(deadline=None, max_examples=20)
@given(tokens=st.integers(1, 4000), more=st.integers(1, 4), batch=st.sampled_from([1, 3]))
def test_steps_add_up_to_decode(tokens: int, more: int, batch: int) -> None:
    """The curve's points are steps: those of a short answer make up its decode."""

    def decode(prompt: int, new: int) -> float:
        asked = {"batch": batch, "prompt_tokens": prompt, "new_tokens": new}
        return float(evaluate_model(settings=asked).stages["decode"]["roofline_s"])

    steps = [decode(tokens + each, 1) for each in range(more)]
    assert math.fsum(steps) == pytest.approx(decode(tokens, more), rel=1e-9)


@every_case
def test_steps_take_longer_with_more_context_and_batch(case: str) -> None:
    numbers, points = numbers_of(case), points_of(case)
    seconds = {(step.batch, step.context): step.seconds for step in points.steps}
    batches, contexts = (sorted({key[place] for key in seconds}) for place in (0, 1))
    assert len(seconds) == len(batches) * len(contexts)
    assert len(batches) <= len(figure_style.MARKS)
    for batch in batches:
        line = [seconds[batch, context] for context in contexts]
        assert line == sorted(line)
    for context in contexts:
        line = [seconds[batch, context] for batch in batches]
        assert line == sorted(line)
    asked = numbers.result.values.numbers
    assert asked["batch"] in batches
    assert contexts[0] < asked["prompt_tokens"] + asked["new_tokens"] < contexts[-1]


@every_case
def test_memory_meets_the_capacity_at_the_largest_batch(case: str) -> None:
    numbers, points = numbers_of(case), points_of(case)
    largest, capacity = numbers.fit.largest_batch, numbers.fit.capacity_bytes
    assert largest
    peaks = {each.batch: each.moment.peak_memory_bytes for each in points.batches}
    assert list(peaks) == sorted(peaks)
    assert peaks[largest] <= capacity < peaks[largest + 1]
    assert peaks[numbers.result.values.numbers["batch"]] == numbers.fit.moment.peak_memory_bytes
