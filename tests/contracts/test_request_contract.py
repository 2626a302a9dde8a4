"""Requests, their reports and the summaries: what a server would say is what the command line says."""

import io
import json
from contextlib import redirect_stdout
from typing import Any

import pytest
from contract_examples import TOP, real_report

from dsocr_symbolic.cli import capture
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.reports.contracts.checks import check_report
from dsocr_symbolic.reports.contracts.conversion import structure
from dsocr_symbolic.reports.contracts.endpoints import accept, requested_report
from dsocr_symbolic.reports.contracts.messages import DeepSeekOCRAnalyticRequest
from dsocr_symbolic.reports.contracts.report_contract import TOP as LINES
from dsocr_symbolic.reports.contracts.report_contract import summarise


def request(**body: Any) -> DeepSeekOCRAnalyticRequest:
    return structure(body, DeepSeekOCRAnalyticRequest, "body")


def test_an_empty_request_asks_for_the_defaults() -> None:
    report = requested_report(request(), TOP)
    assert report == real_report()
    answer = accept(report)
    assert answer.status == "complete"
    assert answer.summary_url == f"/analytic/deepseek-ocr/{report.report_id}/summary"
    assert answer.model_url == f"/analytic/deepseek-ocr/{report.report_id}/model"


CASES: list[tuple[dict[str, Any], list[str]]] = [
    ({}, []),
    ({"profile_id": "base", "gpu": "h200"}, ["--workload", "base", "--gpu", "h200"]),
    (
        {"settings": {"batch": 4, "new_tokens": 16}, "choices": {"experts": "grouped", "weight-dtype": "int4"}},
        ["--set", "batch=4", "--set", "new_tokens=16", "--experts", "grouped", "--weight-dtype", "int4"],
    ),
]


@pytest.mark.parametrize(("body", "options"), CASES, ids=str)
def test_the_summary_holds_the_numbers_of_the_command(body: dict[str, Any], options: list[str]) -> None:
    report = requested_report(request(**body), TOP)
    check_report(report)
    summary = summarise(report)
    total = json.loads(capture(["totals", "--format", "json", *options]))["total"]
    flops = total["forward_tensor_core_flops"] + total["forward_cuda_core_flops"]
    assert summary.total_time_ms == pytest.approx(total["roofline_s"] * 1e3, rel=1e-14)
    assert summary.total_flops_tflops == flops / 1e12
    assert summary.total_io_tb == total["forward_io_bytes"] * 8 / 1e12
    assert summary.memory_weights_gb == total["forward_weight_bytes"] / 1e9
    assert summary.memory_kvcache_gb == total["forward_kv_cache_bytes"] / 1e9
    stages = json.loads(capture(["totals", "--format", "json", *options]))["stages"]
    assert [each.module_id for each in summary.stages] == list(stages)
    for each in summary.stages:
        assert each.total_time_ms == pytest.approx(stages[each.module_id]["roofline_s"] * 1e3, rel=1e-14)


def test_top_modules_are_disjoint_and_the_slowest() -> None:
    everything = summarise(real_report(), top=10_000).top_modules
    assert sum(each.share_of_model_time for each in everything) == pytest.approx(1)
    paths = [each.module_id for each in everything]
    assert not [(a, b) for a in paths for b in paths if a.startswith(f"{b}/")]
    times = [each.total_time_ms for each in everything]
    assert times == sorted(times, reverse=True)
    assert summarise(real_report()).top_modules == everything[:LINES]
    assert everything[0].module_id == "decode/layers.1-11"


def test_what_is_not_asked_for_is_left_out() -> None:
    report = requested_report(request(include=["operator_breakdown"], doc_kind="text_heavy"), TOP)
    assert not any(node.constructor_params for node in report.modules)
    assert report.module_metrics[0].operator_breakdown
    assert report.workload.doc_kind == "text_heavy"
    measured = requested_report(request(profile_run_id="run-7", measured_total_time_ms=500), TOP)
    assert summarise(measured).predicted_vs_measured_ratio == measured.predicted_total_time_ms / 500


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"gpu": "h20x"}, "unknown GPU 'h20x'"),
    ({"gpu": "/etc/passwd"}, "'gpu' must match regex"),
    ({"profile_id": "mine.yaml"}, "'profile_id' must match regex"),
    ({"profile_id": "gundan"}, "unknown workload 'gundan': did you mean gundam"),
    ({"settings": {"bach": 2}}, "unknown symbol 'bach'"),
    ({"settings": {"batch": 0}}, "batch: 0 is less than 1"),
    ({"settings": {"batch": "2"}}, "expected a number, found '2'"),
    ({"choices": {"attention": "fast"}}, "attention: unknown option 'fast'"),
    ({"include": ["everything"]}, "include"),
    ({"workload": "gundam"}, "unknown key 'workload'"),
    ({"measured_total_time_ms": -1.0}, "measured_total_time_ms"),
]


@pytest.mark.parametrize(("body", "said"), WRONG, ids=str)
def test_a_wrong_request_is_one_line(body: dict[str, Any], said: str) -> None:
    with redirect_stdout(io.StringIO()) as printed, pytest.raises(UserError, match=said) as caught:
        requested_report(request(**body), TOP)
    assert "\n" not in str(caught.value)
    assert not printed.getvalue()
