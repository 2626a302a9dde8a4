"""Reports of real workloads: a tree that adds up, with the engine's own numbers."""

import math
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from contract_examples import TOP, answered, real_report

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.answer import answer
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.language.registry import load_conventions
from dsocr_symbolic.questions.totals.views import by_category
from dsocr_symbolic.reports.contracts.checks import check_report
from dsocr_symbolic.reports.contracts.model_report import AnalyticModuleNode
from dsocr_symbolic.reports.contracts.report_contract import make_report
from dsocr_symbolic.scenario.scenario import make_scenario

WORKLOADS = list(default_definition(None).workloads)
ATTRIBUTED = 0.999


@pytest.mark.parametrize("workload", WORKLOADS)
def test_reports_are_consistent(workload: str) -> None:
    report = real_report(workload)
    check_report(report)
    assert report.workload.profile_id == workload
    assert len({node.module_id for node in report.modules}) == len(report.modules) > 700


@pytest.mark.parametrize("workload", WORKLOADS)
def test_time_and_flops_belong_to_classes_and_categories(workload: str) -> None:
    report = real_report(workload)
    nodes = {node.module_id: node for node in report.modules}
    metrics = {each.module_id: each for each in report.module_metrics}
    whole = metrics["deepseek-ocr"]

    def named(node: AnalyticModuleNode) -> bool:
        """Say whether a class of the network holds this operator."""
        name = node.qualified_class_name
        if name is not None and not name.startswith("aten::"):
            return True
        return node.parent_id is not None and named(nodes[node.parent_id])

    leaves = [metrics[node.module_id] for node in report.modules if not node.children and named(node)]
    assert math.fsum(each.share_of_model_time for each in leaves) >= ATTRIBUTED
    assert math.fsum(each.total_flops_tflops for each in leaves) >= ATTRIBUTED * whole.total_flops_tflops
    rows = [row for row in whole.operator_breakdown if row.category_id != "other"]
    assert math.fsum(row.share_of_module_flops for row in rows) >= ATTRIBUTED
    categories = by_category(answered(workload)[1], load_conventions().categories)
    timed = math.fsum(line.metrics["roofline_s"] for line in categories if line.name != "other")
    assert timed * 1e3 >= ATTRIBUTED * whole.total_time_ms


def test_numbers_are_the_engines() -> None:
    _, result = answered()
    report = real_report()
    metrics = {each.module_id: each for each in report.module_metrics}
    for path, found in [("deepseek-ocr", result.total), *((node.row.path, node.metrics) for node in result.nodes)]:
        module = metrics[path]
        flops = found["forward_tensor_core_flops"] + found["forward_cuda_core_flops"]
        assert module.total_time_ms == pytest.approx(found["roofline_s"] * 1000, rel=1e-14)
        assert module.total_flops_tflops == flops / 10**12
        assert module.total_io_tb == found["forward_io_bytes"] * 8 / 10**12
        assert module.memory_weights_gb == found["forward_weight_bytes"] / 10**9
        assert module.memory_kvcache_gb == found["forward_kv_cache_bytes"] / 10**9
        launches = sum(row.calls for row in module.operator_breakdown)
        assert launches == found["operator_launches"]
    assert metrics["deepseek-ocr"].memory_weights_gb == 6.67221248
    assert report.predicted_total_time_ms == metrics["deepseek-ocr"].total_time_ms


def test_activations_are_the_peaks_of_the_engine() -> None:
    _, result = answered()
    found = {each.module_id: each.memory_activations_gb for each in real_report().module_metrics}
    assert found["deepseek-ocr"] == result.total["forward_activation_bytes"] / 10**9
    peaks = [node.metrics["forward_activation_bytes"] / 10**9 for node in result.nodes]
    assert list(found.values())[1:] == peaks
    assert max(peaks) <= found["deepseek-ocr"]


def test_repetition_multiplies_up_to_the_calls() -> None:
    for workload in WORKLOADS:
        report = real_report(workload)
        calls = {each.module_id: each.calls for each in report.module_metrics}
        for node in report.modules:
            above = calls[node.parent_id] if node.parent_id else 1
            assert node.repetition_count * above == pytest.approx(calls[node.module_id], rel=1e-12)
            assert (node.repetition == "none") == (node.repetition_count <= 1)


def test_repetition_of_a_batch() -> None:
    scenario = make_scenario(definition=default_definition(None), settings={"batch": 4})
    nodes = {node.module_id: node for node in make_report(scenario, answer(scenario), folder=TOP).modules}

    def repeats(path: str) -> tuple[str, Any]:
        return nodes[path].repetition, nodes[path].repetition_count

    assert repeats("decode") == ("for", 512)
    assert repeats("decode/layers.1-11") == ("for", 11)
    assert repeats("decode/layers.0") == ("none", 1)
    assert repeats("vision/global/sam_model") == ("parfor", 4)
    kind, hit = repeats("decode/layers.1-11/mlp/experts/gate_proj")
    assert kind == "parfor"
    assert hit == pytest.approx(64 * (1 - (1 - 6 / 64) ** 4))
    assert repeats("prefill/layers.0/self_attn/append_k") == ("none", 0)


def test_modules_carry_classes_and_sizes() -> None:
    report = real_report()
    nodes = {node.module_id: node for node in report.modules}
    gate = nodes["prefill/layers.1-11/mlp/gate"]
    assert (gate.qualified_class_name, gate.stage, gate.name) == ("modeling_deepseekv2.MoEGate", "prefill", "gate")
    assert gate.constructor_params["n_routed_experts"] == 64
    assert nodes["prefill/layers.0/residual1"].qualified_class_name == "aten::add"
    assert nodes["vision/crops"].qualified_class_name is None
    assert [each.module_id for each in report.modules if each.stage == "other"] == ["deepseek-ocr"]
    assert report.model.vision_backbone == "deepencoder.ImageEncoderViT + deepencoder.VitModel"
    assert report.model.uses_moe
    assert (report.workload.seq_len, report.workload.crop_mode, report.workload.num_pages) == (903, True, 1)
    assert not real_report("base").workload.crop_mode


def test_notes_say_which_time_on_which_machine() -> None:
    scenario, result = answered("dsocr-standard-v1", "h200", experts="grouped")
    notes = make_report(scenario, result, folder=TOP).notes
    set_to = "Set by workload dsocr-standard-v1: prompt_tokens 512 (its formula gives 693)."
    for each in ("roofline_s", "NVIDIA H200", "experts grouped", set_to):
        assert each in notes


def test_categories_are_those_of_the_conventions() -> None:
    found = {each.category_id: each for each in real_report().operator_categories}
    assert [each.replace(" ", "_") for each in load_conventions().categories] == list(found)
    assert found["convolution"].match_classes == ("torch.nn.Conv2d",)
    assert "modeling_deepseekv2.DeepseekV2MoE" in found["routing"].match_classes
    assert "append_cache" in found["data_movement"].description
    matched = [name for each in found.values() for name in each.match_classes]
    assert len(matched) == len(set(matched))


def test_paths_are_relative_to_the_report(tmp_path: Path) -> None:
    scenario, result = answered()
    report = make_report(
        scenario,
        result,
        folder=tmp_path / "out",
        config=tmp_path / "config.json",
        layer_docs=tmp_path / "out" / "layers",
    )
    assert (report.model.config_path, report.layer_docs_dir) == ("../config.json", "layers")


def test_a_measured_run_is_compared() -> None:
    scenario, result = answered()
    report = make_report(scenario, result, folder=TOP, profile_run_id="run-1", measured_total_time_ms=1000)
    check_report(report)
    assert report.predicted_vs_measured_ratio == report.predicted_total_time_ms / 1000
    assert report.profile_run_id == "run-1"


def test_parts_can_be_left_out() -> None:
    scenario, result = answered()
    report = make_report(scenario, result, folder=TOP, include=())
    check_report(report)
    assert not any(node.constructor_params for node in report.modules)
    assert not any(each.operator_breakdown for each in report.module_metrics)
    assert report.report_id != real_report().report_id


def test_a_report_is_of_a_whole_network() -> None:
    scenario = make_scenario(definition=default_definition(None), layer="vision/block")
    with pytest.raises(UserError, match="not of one layer alone"):
        make_report(scenario, answer(scenario), folder=TOP)


def test_a_network_without_the_contracts_symbols_is_refused() -> None:
    scenario, result = answered()
    numbers = {name: value for name, value in result.values.numbers.items() if name != "crops"}
    # What the report asks for itself: the tree needs the rest.
    known = {name: each for name, each in scenario.definition.quantities.items() if name != "crops"}
    scenario = evolve(scenario, definition=evolve(scenario.definition, quantities=known, stages=()))
    result = evolve(result, values=evolve(result.values, numbers=numbers), nodes=())
    with pytest.raises(UserError, match="needs the symbol 'crops'"):
        make_report(scenario, result, folder=TOP)


def test_a_value_that_breaks_the_contract_is_one_line() -> None:
    scenario, result = answered()
    with pytest.raises(UserError, match="no report: 'hf_revision' must match"):
        make_report(scenario, result, folder=TOP, hf_revision="main branch")
