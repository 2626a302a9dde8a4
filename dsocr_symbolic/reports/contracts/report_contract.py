"""From a scenario and its estimate to an AnalyticModelReport."""

from collections.abc import Collection, Mapping
from os.path import relpath
from pathlib import Path
from typing import Any, get_args

from attrs import evolve

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.estimate import Estimate
from dsocr_symbolic.language.definition import Workload
from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.network.builder import build_tree
from dsocr_symbolic.network.node import walk
from dsocr_symbolic.reports.contracts.conversion import content_hash
from dsocr_symbolic.reports.contracts.messages import Part
from dsocr_symbolic.reports.contracts.model_report import (
    SCHEMA_VERSION,
    AnalyticModelReport,
    AnalyticModuleNode,
    DeepSeekOCRModelSpec,
    DocKind,
    OCRWorkloadProfile,
)
from dsocr_symbolic.reports.contracts.module_nodes import milliseconds, module_metrics, module_nodes
from dsocr_symbolic.reports.contracts.operator_categories import operator_categories
from dsocr_symbolic.scenario.scenario import Scenario
from dsocr_symbolic.scenario.values import chosen_slots

MODEL_ID = "deepseek-ai/DeepSeek-OCR"


MODEL_VARIANT = "deepseek-ocr-v1-base"


_NO_ID = "0" * 16


_ASKED = ("workload", "derived")


def make_report(
    scenario: Scenario,
    result: Estimate,
    *,
    folder: Path,
    config: Path | None = None,
    layer_docs: Path | None = None,
    hf_revision: str | None = None,
    doc_kind: DocKind = "synthetic",
    include: Collection[Part] = get_args(Part),
    profile_run_id: str | None = None,
    measured_total_time_ms: float | None = None,
) -> AnalyticModelReport:
    """Put a report together; nothing is written.

    Parameters
    ----------
    scenario : Scenario
        The question, of a whole network.
    result : Estimate
        Its answer.
    folder : Path
        Where the report will lie; its paths are relative to that.
    config : Path or None
        The config.json that gave the scenario its sizes.
    layer_docs : Path or None
        Folder with a page per layer.
    hf_revision : str or None
        Commit or tag of the checkpoint.
    doc_kind : str
        What the pages look like.
    include : collection of str
        Parts of each module to spell out; all by default.
    profile_run_id : str or None
        The measured run to compare with.
    measured_total_time_ms : float or None
        Its time [milliseconds].

    Returns
    -------
    AnalyticModelReport
        With the hash of its content as id.

    Raises
    ------
    UserError
        If the scenario is of one layer alone, the network lacks a symbol that the contract names, or a value breaks
        the contract.
    """
    if scenario.workload is None:
        raise UserError("a report is of a whole network, not of one layer alone; drop the layer")
    definition, numbers = scenario.definition, result.values.numbers
    slots = chosen_slots(definition, scenario.options)
    calls = tuple(walk(build_tree(load_library(), definition.stages, numbers, slots, arithmetic)))
    predicted = milliseconds(result.total)
    measured = None if measured_total_time_ms is None else float(measured_total_time_ms)
    try:
        modules = module_nodes(definition.name, result, calls, params="constructor_params" in include)
        breakdown = "operator_breakdown" in include
        report = AnalyticModelReport(
            schema_version=SCHEMA_VERSION,
            report_id=_NO_ID,
            model=_model(scenario, result, modules, hf_revision, _relative(config, folder)),
            workload=_workload(scenario, result, scenario.workload, doc_kind),
            modules=modules,
            operator_categories=operator_categories(result),
            module_metrics=module_metrics(definition.name, scenario.workload.name, result, breakdown=breakdown),
            profile_run_id=profile_run_id,
            predicted_total_time_ms=predicted,
            measured_total_time_ms=measured,
            predicted_vs_measured_ratio=predicted / measured if measured else None,
            notes=_notes(scenario, result),
            layer_docs_dir=_relative(layer_docs, folder),
        )
    except (ValueError, TypeError) as error:
        raise UserError(f"{definition.name}, {scenario.workload.name}: no report: {error.args[0]}") from error
    return evolve(report, report_id=content_hash(report, "report_id"))


def _relative(path: Path | None, folder: Path) -> str | None:
    return None if path is None else Path(relpath(path.resolve(), folder.resolve())).as_posix()


def _number(scenario: Scenario, result: Estimate, name: str) -> Any:
    if name not in result.values.numbers:
        raise UserError(
            f"{scenario.definition.name}: the report contract needs the symbol '{name}'; the network has none"
        )
    return arithmetic.whole(result.values.numbers[name])


def _model(
    scenario: Scenario,
    result: Estimate,
    modules: tuple[AnalyticModuleNode, ...],
    hf_revision: str | None,
    config_path: str | None,
) -> DeepSeekOCRModelSpec:
    towers = _top_classes(modules, "vision")
    return DeepSeekOCRModelSpec(
        model_id=MODEL_ID,
        model_variant=MODEL_VARIANT,
        hf_revision=hf_revision,
        config_path=config_path,
        hidden_size=_number(scenario, result, "hidden_size"),
        intermediate_size=_number(scenario, result, "intermediate_size"),
        num_layers=_number(scenario, result, "num_hidden_layers"),
        num_attention_heads=_number(scenario, result, "num_attention_heads"),
        vision_backbone=" + ".join(towers) or "none",
        uses_moe=any(node.row.category == "routing" and node.row.aten and node.calls for node in result.nodes),
        notes=f"{scenario.definition.name}: {scenario.definition.summary}.",
    )


def _top_classes(modules: tuple[AnalyticModuleNode, ...], stage: str) -> list[str]:
    """Return the outermost classes of a stage that are modules, in order of execution."""
    known: Mapping[str, AnalyticModuleNode] = {node.module_id: node for node in modules}

    def below(node: AnalyticModuleNode) -> list[str]:
        if node.qualified_class_name is not None:
            return [] if node.qualified_class_name.startswith("aten::") else [node.qualified_class_name]
        return [name for child in node.children for name in below(known[child])]

    return list(dict.fromkeys(below(known[stage]))) if stage in known else []


def _workload(scenario: Scenario, result: Estimate, workload: Workload, doc_kind: DocKind) -> OCRWorkloadProfile:
    quantities = scenario.definition.quantities
    asked = [name for name, quantity in quantities.items() if quantity.group in _ASKED]
    shown = ", ".join(f"{name} {_number(scenario, result, name)}" for name in asked)
    return OCRWorkloadProfile(
        profile_id=workload.name,
        description=f"{workload.summary}; {shown}",
        seq_len=_number(scenario, result, "prompt_tokens"),
        base_size=_number(scenario, result, "base_size"),
        image_size=_number(scenario, result, "image_size"),
        crop_mode=_number(scenario, result, "crops") > 0,
        max_new_tokens=_number(scenario, result, "new_tokens"),
        doc_kind=doc_kind,
        num_pages=_number(scenario, result, "batch"),
    )


def _notes(scenario: Scenario, result: Estimate) -> str:
    metrics, values = load_metrics(), result.values
    said = [
        f"All times are roofline_s on {scenario.gpu.title} ({scenario.gpu.name}): {metrics['roofline_s'].definition}.",
        f"Choices: {', '.join(f'{name} {option}' for name, option in scenario.options.items())}.",
        "FLOPs: forward_tensor_core_flops and forward_cuda_core_flops together, 2 per multiply-add.",
        f"IO: forward_io_bytes in bits, {metrics['forward_io_bytes'].definition}.",
    ]
    said.append(f"Activations: forward_activation_bytes, {metrics['forward_activation_bytes'].definition}.")
    for name, given in values.overridden.items():
        said.append(f"{name} is set to {arithmetic.whole(values.numbers[name])}; its formula gives {given}.")
    said += [f"{name} of the GPU is unverified." for name in values.unverified]
    return " ".join(said)
