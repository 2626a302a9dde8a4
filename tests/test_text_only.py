"""Prompts without an image, and no prompt at all: what does not run costs nothing, and weights stay."""

import json
from typing import Any

import numpy as np
import pytest
from conftest import evaluate_model
from test_cli import assert_refused, dsocr

from dsocr_symbolic import load_model
from dsocr_symbolic.language.registry import load_metrics

ALL_EXPERTS = {"prefill_experts_hit": 64, "decode_experts_hit": 6}
# What modules own, whether they run or not.
OWNED = ("parameters", "forward_weight_bytes", "backward_weight_bytes", "peak_memory_bytes")
ZERO = [name for name, metric in load_metrics().items() if metric.kind in ("flow", "stock", "boundary", "peak", "time")]
ZERO = [*(name for name in ZERO if name not in OWNED), "lower_bound_s"]
MOVED = ("forward_tensor_core_flops", "forward_cuda_core_flops", "forward_io_bytes", "operator_launches", "roofline_s")


def assert_nothing_runs(metrics: Any, usual: Any) -> None:
    assert {name: metrics[name] for name in ZERO if metrics[name]} == {}
    assert [metrics[name] for name in OWNED[:3]] == [usual[name] for name in OWNED[:3]]
    assert metrics["forward_arithmetic_intensity"] is None


@pytest.mark.parametrize("options", [{}, {"attention": "eager", "precision": "autocast", "logits": "last"}])
def test_a_prompt_without_an_image_runs_neither_vision_nor_projector(options: dict[str, str]) -> None:
    settings = {"image_tokens": 0, "text_tokens": 700, "batch": 2, **ALL_EXPERTS}
    result = evaluate_model("gundam", settings, details=True, **options)
    usual = evaluate_model("gundam", {"batch": 2}, details=True, **options)
    for stage in ("vision", "projector"):
        assert_nothing_runs(result.stages[stage], usual.stages[stage])
    assert all(not node.calls for node in result.nodes if node.row.stage in ("vision", "projector"))
    assert result.total["parameters"] == usual.total["parameters"]
    alone = {"batch": 2, "sequence": 700, "past": 0, "cached": 0, "image_tokens": 0, "experts_hit": 64}
    layer = evaluate_model("", alone, layer="language_model", **options).total
    # Prefill is what the language model costs alone, and nothing of an image lives beside it.
    for metric in (*MOVED, "forward_activation_bytes", "forward_kv_cache_bytes"):
        assert result.stages["prefill"][metric] == pytest.approx(layer[metric], rel=1e-15), metric
    others = layer["peak_memory_bytes"] - layer["forward_weight_bytes"]
    assert result.stages["prefill"]["peak_memory_bytes"] - result.total["forward_weight_bytes"] == pytest.approx(others)


@pytest.mark.parametrize("settings", [{"image_tokens": 0, "text_tokens": 0}, {"image_tokens": 0, "prompt_tokens": 0}])
@pytest.mark.parametrize("options", [{}, {"experts": "grouped", "logits": "last", "attention": "eager"}])
def test_a_context_of_nothing_begins_with_decode(settings: dict[str, int], options: dict[str, str]) -> None:
    result = evaluate_model("gundam", {**settings, "new_tokens": 1}, details=True, **options)
    usual = evaluate_model("gundam", details=True, **options)
    for stage in ("vision", "projector", "prefill"):
        assert_nothing_runs(result.stages[stage], usual.stages[stage])
    assert result.values.numbers["prefill_experts_hit"] == 0
    # The first step attends to its own key alone.
    first = {"sequence": 1, "past": 0, "cached": 1, "image_tokens": 0, "experts_hit": 6}
    layer = evaluate_model("", first, layer="language_model", **options).total
    for metric in (*MOVED, "forward_activation_bytes", "forward_kv_cache_bytes"):
        assert result.total[metric] == layer[metric], metric
    assert layer["forward_kv_cache_bytes"] == 61_440
    assert result.total["ttft_s"] == 0
    assert result.total["tpot_s"] == result.stages["decode"]["roofline_s"]


def test_an_image_without_a_prompt_is_priced_and_prefill_is_not() -> None:
    result, usual = evaluate_model("gundam", {"prompt_tokens": 0}, details=True), evaluate_model("gundam", details=True)
    assert result.stages["vision"] == {**usual.stages["vision"], "peak_memory_bytes": pytest.approx(7.2e9, rel=0.1)}
    assert_nothing_runs(result.stages["prefill"], usual.stages["prefill"])
    assert result.values.warnings == ("the image alone needs 893 prompt tokens, there are 0",)


@pytest.mark.parametrize("image_tokens", [1, 100, 272, 273, 500])
def test_other_image_tokens_are_priced_as_set(image_tokens: int) -> None:
    result = evaluate_model("gundam", {"image_tokens": image_tokens}, details=True)
    assert result.values.numbers["prompt_tokens"] == image_tokens + 10
    assert [said for said in result.values.warnings if "the views give 893" in said]
    amounts = [value for node in result.nodes for value in node.metrics.values() if value is not None]
    assert min(amounts) >= 0
    assert result.stages["vision"]["roofline_s"] == evaluate_model("gundam").stages["vision"]["roofline_s"]


def test_compiled_functions_know_prompts_of_nothing() -> None:
    metrics = ["forward_io_bytes", "roofline_s"]
    cost = load_model("deepseek-ocr").compile(metrics, ["image_tokens", "text_tokens"])
    latency = load_model("deepseek-ocr").compile("ttft_s", ["image_tokens", "text_tokens"], by="total")
    points = [(0, 0), (0, 10), (893, 0), (893, 10)]
    images, texts = np.array(points).T
    arrays = cost(image_tokens=images, text_tokens=texts)
    first = latency(image_tokens=images, text_tokens=texts)["ttft_s"]["total"]
    for place, (image, text) in enumerate(points):
        expected = evaluate_model("gundam", {"image_tokens": image, "text_tokens": text})
        exact = cost(image_tokens=image, text_tokens=text)
        assert first[place] == pytest.approx(expected.total["ttft_s"], rel=1e-12)
        for metric in metrics:
            for stage, numbers in expected.stages.items():
                assert exact[metric][stage] == pytest.approx(numbers[metric], rel=1e-12)
                assert arrays[metric][stage][place] == pytest.approx(numbers[metric], rel=1e-12)


def test_closed_forms_say_which_stages_run() -> None:
    text = " ".join(dsocr("totals", "--closed-form", "--set", "batch=1").out.split())
    assert "closed forms hold where image_tokens > 0 and prompt_tokens > 0" in text
    answer = dsocr("totals", "--closed-form", "--format", "json", "--set", "image_tokens=0")
    document = json.loads(answer.out)
    assert document["closed_form"]["vision"]["forward_io_bytes"] == "0"
    assert document["closed_form_where"] == ["prompt_tokens > 0"]


def test_experts_of_no_tokens() -> None:
    assert_refused(
        dsocr("totals", "--set", "prompt_tokens=0", "--set", "prefill_experts_hit=6"), "cannot hit more experts"
    )
    assert_refused(
        dsocr("totals", "--set", "prefill_experts_hit=0"), "one token alone hits num_experts_per_tok experts"
    )
    assert dsocr("totals", "--set", "prompt_tokens=0", "--set", "prefill_experts_hit=0").status == 0


def test_a_division_by_zero_is_one_line() -> None:
    answer = dsocr("totals", "--layer", "deepseek_v2_moe", "--set", "experts_hit=0")
    assert_refused(answer, "divides by zero", "experts_hit")
