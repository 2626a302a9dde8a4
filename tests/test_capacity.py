"""Peak memory and the largest batch, against brute force."""

from typing import Any

import pytest
from conftest import evaluate_model
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cli import dsocr
from test_laws import choices, workloads

from dsocr_symbolic.evaluation.answer import scenario_program
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.questions.capacity import fit, worst_moment
from dsocr_symbolic.scenario.scenario import Scenario, make_scenario, scenario_values

LIVE, PEAK = "forward_activation_bytes", "peak_memory_bytes"
few = settings(deadline=None, max_examples=8)


def _scenario(workload: str = "gundam", gpu: str = "rtx5090", **settings_: Any) -> Scenario:
    return make_scenario(definition=default_definition(None), workload=workload, gpu=gpu, settings=settings_)


def _peak(scenario: Scenario, batch: int) -> Any:
    numbers = scenario_values(scenario, {"batch": batch}).numbers
    return worst_moment(scenario_program(scenario), numbers).peak_memory_bytes


@few
@given(workload=workloads(), options=choices)
def test_peaks_nest(workload: dict[str, Any], options: dict[str, str]) -> None:
    found = evaluate_model("tiny", workload, **options)
    nodes = found.nodes
    for node in nodes:
        # What never runs has no moment in its parent.
        if node.row.parent > 0 and node.calls:
            assert nodes[node.row.parent - 1].metrics[LIVE] >= node.metrics[LIVE], node.row.path
    resident = found.total["forward_weight_bytes"]
    for metrics in found.stages.values():
        assert metrics[PEAK] >= resident + metrics["forward_kv_cache_bytes"] + metrics[LIVE]
    assert found.total[PEAK] == max(metrics[PEAK] for metrics in found.stages.values())


@few
@given(workload=workloads(), more=st.integers(1, 4))
def test_memory_grows_with_the_batch(workload: dict[str, Any], more: int) -> None:
    one, two = (evaluate_model("tiny", {**workload, "batch": batch}) for batch in (1, 1 + more))
    assert two.total[PEAK] > one.total[PEAK]


@few
@given(workload=workloads())
def test_logits_of_the_last_position_save_memory(workload: dict[str, Any]) -> None:
    everything, last = (evaluate_model("tiny", workload, logits=name) for name in ("all", "last"))
    assert last.total[PEAK] <= everything.total[PEAK]


def test_logits_of_all_positions_stand_twice_at_the_cast() -> None:
    prefill = evaluate_model("gundam").stages["prefill"]
    tokens, vocabulary = 903, 129280
    logits = tokens * vocabulary * (2 + 4)
    assert logits < prefill[LIVE] < logits * 1.02


@pytest.mark.parametrize("workload", ["tiny", "gundam"])
@pytest.mark.parametrize("gpu", ["rtx5090", "h200"])
def test_the_largest_batch_fits_and_the_next_one_does_not(workload: str, gpu: str) -> None:
    scenario = _scenario(workload, gpu)
    found = fit(scenario)
    assert found.largest_batch is not None
    assert found.beyond is not None
    assert _peak(scenario, found.largest_batch) <= found.capacity_bytes < _peak(scenario, found.largest_batch + 1)
    assert found.beyond.peak_memory_bytes == _peak(scenario, found.largest_batch + 1)


def test_brute_force_finds_the_same_batch() -> None:
    scenario = _scenario("large", reserve=20 * 2**30)
    capacity = fit(scenario).capacity_bytes
    batch = 1
    while _peak(scenario, batch) <= capacity:
        batch += 1
    assert fit(scenario).largest_batch == batch - 1


def test_weights_alone_may_be_too_much() -> None:
    found = fit(_scenario(usable_memory=4e9, reserve=0))
    assert (found.fits, found.largest_batch) == (False, 0)
    assert found.beyond is not None
    assert found.beyond.weight_bytes == 6_672_212_480


def test_the_command_line_says_what_binds() -> None:
    small = dsocr("totals", "--workload", "gundam", "--gpu", "rtx5090", "--set", "batch=2").out
    assert "fits 33.12 GB" in small
    assert "does not fit" not in small
    large = dsocr("totals", "--workload", "gundam", "--gpu", "rtx5090", "--set", "batch=64").out
    assert "does not fit 33.12 GB" in " ".join(large.split())
    assert "largest batch that fits: 33; the next one needs 33.32 GB at prefill/lm_head/to_fp32" in large


def test_a_larger_reserve_leaves_less() -> None:
    assert "fits 34.19 GB" in dsocr("totals", "--reserve", "0").out
    assert "fits 30.97 GB" in dsocr("totals", "--reserve", "3").out


@pytest.mark.parametrize(("option", "message"), [("-1", "expected GiB"), ("nan", "expected GiB"), ("x", "not a valid")])
def test_a_wrong_reserve_is_one_line(option: str, message: str) -> None:
    answer = dsocr("totals", "--reserve", option)
    assert answer.status == 2
    assert message in answer.err
    assert answer.err.count("\n") == 1
