"""Reports that do not agree with themselves are found, whatever is wrong."""

from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve
from contract_examples import TOP, answered, real_report, with_hash
from hypothesis import given, settings
from hypothesis import strategies as st

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.reports.contracts.checks import check_operator_list, check_report
from dsocr_symbolic.reports.contracts.conversion import content_hash
from dsocr_symbolic.reports.contracts.model_report import AnalyticModelReport
from dsocr_symbolic.reports.contracts.operator_list import make_operator_list

Changes = dict[str, Any]
DECODE, LAYER = "decode", "decode/layers.0"


def node_changed(report: AnalyticModelReport, name: str, **changes: Any) -> Changes:
    return {"modules": tuple(evolve(each, **changes) if each.module_id == name else each for each in report.modules)}


def metrics_changed(report: AnalyticModelReport, name: str, **changes: Any) -> Changes:
    found = (evolve(each, **changes) if each.module_id == name else each for each in report.module_metrics)
    return {"module_metrics": tuple(found)}


def row_changed(report: AnalyticModelReport, name: str, **changes: Any) -> Changes:
    """Change the first row of a module's breakdown."""
    (module,) = (each for each in report.module_metrics if each.module_id == name)
    first, *others = module.operator_breakdown
    return metrics_changed(report, name, operator_breakdown=(evolve(first, **changes), *others))


def children(report: AnalyticModelReport, name: str) -> tuple[str, ...]:
    return next(each.children for each in report.modules if each.module_id == name)


# Two modules that hang below each other and below nothing else.
def loop(report: AnalyticModelReport) -> Changes:
    changed = evolve(report, **node_changed(report, DECODE, children=children(report, DECODE)[1:]))
    first = children(report, DECODE)[0]
    return node_changed(changed, first, parent_id=first, children=(first,))


MISTAKES: dict[str, Callable[[AnalyticModelReport], Changes]] = {
    "modules: module_id: 'decode' stands twice": lambda r: {"modules": (*r.modules, r.modules[-1], node(r, DECODE))},
    "module_metrics: module_id: '.*' stands twice": lambda r: {
        "module_metrics": (*r.module_metrics, r.module_metrics[-1])
    },
    "category_id: 'linear' stands twice": lambda r: {
        "operator_categories": (*r.operator_categories, r.operator_categories[1])
    },
    "'decode/lm_head/to_fp32' stands in only one of": lambda r: {"module_metrics": r.module_metrics[:-1]},
    "2 have no parent": lambda r: node_changed(r, DECODE, parent_id=None),
    "0 have no parent": lambda r: node_changed(r, "deepseek-ocr", parent_id=DECODE),
    "the parent 'nowhere' is no module": lambda r: node_changed(r, LAYER, parent_id="nowhere"),
    "the child 'nowhere' is no module": lambda r: node_changed(r, LAYER, children=("nowhere",)),
    "its parent is 'decode/layers.0/mlp', but 'decode/layers.0' calls": lambda r: node_changed(
        r, f"{LAYER}/residual2", parent_id=f"{LAYER}/mlp"
    ),
    "children: '.*' stands twice": lambda r: node_changed(
        r, LAYER, children=(*children(r, LAYER), children(r, LAYER)[0])
    ),
    "no way leads there": lambda r: node_changed(r, DECODE, children=children(r, DECODE)[1:]),
    "embed_tokens: no way leads there": loop,
    "share_of_model_time is .*; the sum of its children": lambda r: metrics_changed(r, LAYER, share_of_model_time=0.5),
    "total_time_ms is .*; the sum of its children": lambda r: metrics_changed(r, LAYER, total_time_ms=1.0),
    "total_flops_tflops is .*; the sum of its children": lambda r: metrics_changed(r, LAYER, total_flops_tflops=1.0),
    "total_io_tb is .*; the sum of its children": lambda r: metrics_changed(r, LAYER, total_io_tb=0.0),
    "its part of the total time": lambda r: {
        "module_metrics": tuple(evolve(each, share_of_model_time=0.0) for each in r.module_metrics)
    },
    "profile_id 'base' is not 'gundam'": lambda r: metrics_changed(r, LAYER, profile_id="base"),
    "the category 'magic' is not in operator_categories": lambda r: row_changed(r, LAYER, category_id="magic"),
    "operator_breakdown: 'data_movement' stands twice": lambda r: row_changed(r, LAYER, category_id="data_movement"),
    "total_flops_tflops is .*; the sum over its operator_breakdown": lambda r: row_changed(r, LAYER, flops_tflops=9.0),
    "total_io_tb is .*; the sum over its operator_breakdown": lambda r: row_changed(r, LAYER, io_tb=9.0),
    "its part of the module's FLOPs": lambda r: row_changed(r, LAYER, share_of_module_flops=1.0),
    "the time of the whole network is": lambda _: {"predicted_total_time_ms": 1.0},
    "predicted_vs_measured_ratio is None; it is there if": lambda _: {"measured_total_time_ms": 1.0},
    "predicted_vs_measured_ratio is 1.0; it is there if": lambda _: {"predicted_vs_measured_ratio": 1.0},
    "predicted_vs_measured_ratio is 1.0; predicted over measured": lambda _: {
        "measured_total_time_ms": 1.0,
        "predicted_vs_measured_ratio": 1.0,
    },
}


def node(report: AnalyticModelReport, name: str) -> Any:
    return next(each for each in report.modules if each.module_id == name)


@pytest.mark.parametrize("said", MISTAKES)
def test_a_mistake_is_one_line(said: str) -> None:
    report = with_hash(real_report(), **MISTAKES[said](real_report()))
    with pytest.raises(UserError, match=said) as caught:
        check_report(report, "here.json")
    assert str(caught.value).startswith("here.json: ")
    assert "\n" not in str(caught.value)


def test_a_report_that_was_changed_by_hand_is_found() -> None:
    with pytest.raises(UserError, match="is not the hash of the content"):
        check_report(evolve(real_report(), notes="better"))


ADDITIVE = ("total_time_ms", "share_of_model_time", "total_flops_tflops", "total_io_tb")


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_any_number_that_adds_up_is_guarded(data: st.DataObject) -> None:
    report = real_report()
    metrics = [each for each in report.module_metrics if each.total_time_ms > 0]
    module = data.draw(st.sampled_from(metrics), label="module")
    name = data.draw(st.sampled_from([each for each in ADDITIVE if getattr(module, each) > 0]), label="field")
    changed = getattr(module, name) * data.draw(st.sampled_from([0.0, 0.999]), label="factor")
    with pytest.raises(UserError):
        check_report(with_hash(report, **metrics_changed(report, module.module_id, **{name: changed})))


def test_operator_lists_are_checked() -> None:
    found = make_operator_list(TOP / "reports" / "torchinfo", answered()[1], folder=TOP)
    check_operator_list(found)
    with pytest.raises(UserError, match="is not the hash of the content"):
        check_operator_list(evolve(found, source_artifact_dir="elsewhere"))
    twice = evolve(found, operators=(*found.operators, found.operators[0]))
    with pytest.raises(UserError, match="stands twice"):
        check_operator_list(evolve(twice, snapshot_id=content_hash(twice, "snapshot_id")))
    less = evolve(found, operators=found.operators[1:])
    with pytest.raises(UserError, match=r"the child 'deepencoder\.Attention' is not on the list"):
        check_operator_list(evolve(less, snapshot_id=content_hash(less, "snapshot_id")))
