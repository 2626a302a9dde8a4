"""Compulsory traffic and the lower bound: never more than what is launched, and exact where both agree."""

from typing import Any

import pytest
from conftest import evaluate_model
from hypothesis import given, settings
from hypothesis import strategies as st
from test_laws import choices, workloads

from dsocr_symbolic.scenario.hardware import load_gpus

FUSED, EAGER, BOUND, ROOFLINE = "forward_fused_io_bytes", "forward_io_bytes", "lower_bound_s", "roofline_s"
few = settings(deadline=None, max_examples=8)
# A GPU without bf16 prices none, and one without a number that a bound needs claims none: tested by themselves.
gpus = st.sampled_from([gpu.name for gpu in load_gpus() if gpu.name not in ("t4", "rtx5080", "mi300x", "mi355x")])


@few
@given(workload=workloads(), options=choices)
def test_no_node_needs_more_than_it_moves(workload: dict[str, Any], options: dict[str, str]) -> None:
    found = evaluate_model("tiny", workload, details=True, **options)
    for node in found.nodes:
        assert 0 <= node.metrics[FUSED] <= node.metrics[EAGER] * (1 + 1e-12), node.row.path
    assert found.total[FUSED] == pytest.approx(sum(each[FUSED] for each in found.stages.values()), rel=1e-12)


@few
@given(workload=workloads(), options=choices, gpu=gpus)
def test_the_lower_bound_is_below_the_roofline(workload: dict[str, Any], options: dict[str, str], gpu: str) -> None:
    found = evaluate_model("tiny", workload, gpu=gpu, **options)
    for metrics in (found.total, *found.stages.values()):
        assert metrics[BOUND] <= metrics[ROOFLINE] * (1 + 1e-12)
    assert found.total[BOUND] == pytest.approx(sum(each[BOUND] for each in found.stages.values()), rel=1e-12)


@few
@given(efficiency=st.fractions(1, 2), workload=workloads())
def test_an_efficiency_above_one_does_not_pass_the_bound(efficiency: Any, workload: dict[str, Any]) -> None:
    faster = {"compute_efficiency": efficiency, "bandwidth_efficiency": efficiency}
    found = evaluate_model("tiny", {**workload, **faster})
    assert found.total[BOUND] <= found.total[ROOFLINE] * (1 + 1e-12)


@few
@given(tokens=st.integers(1, 5000), width=st.integers(1, 4096), out=st.integers(1, 4096))
def test_a_single_linear_moves_what_it_must(tokens: int, width: int, out: int) -> None:
    found = evaluate_model(
        settings={"tokens": tokens, "in_features": width, "out_features": out}, layer="linear_no_bias", details=True
    ).total
    assert found[FUSED] == found[EAGER] == 2 * (tokens * width + width * out + tokens * out)


@few
@given(batch=st.integers(1, 8), past=st.integers(1, 4000))
def test_attention_of_a_decode_step_reads_the_cache_once_and_appends_once(batch: int, past: int) -> None:
    sizes = {"batch": batch, "sequence": 1, "past": past, "cached": 1, "hidden_size": 1280, "num_attention_heads": 10}
    for kind in ("llama/llama_attention", "llama/llama_flash_attention2"):
        found = evaluate_model(settings=sizes, layer=kind, details=True).total
        weights, cache, edge = 4 * 1280**2 * 2, 2 * batch * (past + 1) * 1280 * 2, 2 * batch * 1280 * 2 + 8
        mask = found[FUSED] - weights - cache - edge
        assert mask == 0


@few
@given(workload=workloads())
def test_flash_and_eager_attention_need_the_same_but_for_the_mask(workload: dict[str, Any]) -> None:
    flash, eager = (evaluate_model("tiny", workload, details=True, attention=name) for name in ("flash", "eager"))
    for stage in flash.stages:
        assert flash.stages[stage][FUSED] == eager.stages[stage][FUSED]


@few
@given(workload=workloads())
def test_the_bound_of_decode_is_the_sum_over_its_steps(workload: dict[str, Any]) -> None:
    steps = {**workload, "new_tokens": workload["new_tokens"] % 12}
    # As many experts as bounds take, said, so that roofline and bound are of one routing.
    hits = {"prefill_experts_hit": 6, "decode_experts_hit": 6}
    whole = evaluate_model("tiny", {**steps, **hits})
    prompt = whole.values.numbers["prompt_tokens"]
    added = 0.0
    for step in range(steps["new_tokens"]):
        one = {**steps, "prompt_tokens": prompt + step, "new_tokens": 1, **hits}
        added += evaluate_model("tiny", one).stages["decode"][BOUND]
    assert whole.stages["decode"][BOUND] == pytest.approx(added, rel=1e-9)


@few
@given(workload=workloads())
def test_latencies_follow_from_the_stages(workload: dict[str, Any]) -> None:
    found = evaluate_model("tiny", workload)
    for suffix, time in (("", ROOFLINE), ("_lower_bound", BOUND)):
        first = sum(found.stages[stage][time] for stage in ("vision", "projector", "prefill"))
        assert found.total[f"ttft{suffix}_s"] == pytest.approx(first, rel=1e-12)
        if workload["new_tokens"]:
            later = found.stages["decode"][time] / workload["new_tokens"]
            assert found.total[f"tpot{suffix}_s"] == pytest.approx(later, rel=1e-12)


def test_the_rel_pos_mask_and_the_copies_are_not_compulsory() -> None:
    found = {node.row.path: node.metrics for node in evaluate_model("base", details=True).nodes}
    block = found["vision/global/sam_model/blocks.global"]
    # Four blocks at 4096 tokens of 768: in and out once, and the weights.
    weights = block["forward_weight_bytes"]
    assert block[FUSED] == 4 * 2 * 4096 * 768 * 2 + weights
    assert block[EAGER] > 10 * block[FUSED]
