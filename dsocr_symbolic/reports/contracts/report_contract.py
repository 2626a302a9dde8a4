"""From a scenario and its estimate to an AnalyticModelReport, and from a report to its summary."""

from collections.abc import Collection, Iterator, Mapping
from os.path import relpath
from pathlib import Path
from typing import Any, get_args

from attrs import evolve, fields

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.estimate import Estimate
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import Expression, evaluate, names
from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.language.model_parts import Workload
from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.language.roles import Identity
from dsocr_symbolic.network.builder import build_tree
from dsocr_symbolic.network.node import walk
from dsocr_symbolic.questions.settings_text import lifted, setting_notes
from dsocr_symbolic.reports.contracts.conversion import NO_HASH, content_hash
from dsocr_symbolic.reports.contracts.messages import AnalyticModuleSummary, DeepSeekOCRAnalyticReportSummary, Part
from dsocr_symbolic.reports.contracts.model_report import (
    SCHEMA_VERSION,
    AnalyticModelReport,
    AnalyticModuleNode,
    DeepSeekOCRModelSpec,
    DocKind,
    OCRWorkloadProfile,
)
from dsocr_symbolic.reports.contracts.module_nodes import (
    milliseconds,
    module_metrics,
    module_nodes,
    operator_categories,
)
from dsocr_symbolic.scenario.provenance import what_was_set
from dsocr_symbolic.scenario.scenario import Scenario
from dsocr_symbolic.scenario.values import chosen_slots

Modules = tuple[AnalyticModuleNode, ...]
TOP = 10
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
    """Put the report of a whole network together, with the hash of its content as id; nothing is written.

    ``folder`` is where it will lie: the paths of ``config``, which gave the sizes, and ``layer_docs``, with a page per
    layer, become relative to that. The model file says what the contract's fields are of its symbols.
    """
    if scenario.workload is None:
        raise UserError("a report is of a whole network, not of one layer alone; drop the layer")
    definition, numbers = scenario.definition, result.values.numbers
    slots = chosen_slots(definition, scenario.options)
    stages, sizes, tied = definition.stages, definition.sizes, definition.tied
    calls = tuple(walk(build_tree(load_library(), stages, numbers, slots, arithmetic, sizes=sizes, tied=tied)))
    predicted = milliseconds(result.total)
    measured = None if measured_total_time_ms is None else float(measured_total_time_ms)
    try:
        modules = module_nodes(definition.name, result, calls, params="constructor_params" in include)
        breakdown = "operator_breakdown" in include
        report = AnalyticModelReport(
            schema_version=SCHEMA_VERSION,
            report_id=NO_HASH,
            model=_model(scenario, result, modules, hf_revision=hf_revision, config_path=_relative(config, folder)),
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


def _identity(definition: Definition) -> Identity:
    if definition.identity is None:
        raise UserError(f"{definition.name}: the model file gives no 'identity'; a report says whose it is")
    return definition.identity


def _numbers(formulas: Mapping[str, Expression], scenario: Scenario, result: Estimate) -> dict[str, Any]:
    """Work out fields of the contract."""
    scope = result.values.numbers
    for name in sorted({name for formula in formulas.values() for name in names(formula)} - scope.keys()):
        network = scenario.definition.name
        raise UserError(f"{network}: the report contract needs the symbol '{name}'; the network has none")
    return {field: arithmetic.whole(evaluate(formula, scope, arithmetic)) for field, formula in formulas.items()}


def _model(scenario: Scenario, result: Estimate, modules: Modules, **tied_to: Any) -> DeepSeekOCRModelSpec:
    identity = _identity(scenario.definition)
    towers = _top_classes(modules, identity.vision_backbone)
    return DeepSeekOCRModelSpec(
        model_id=identity.model_id,
        model_variant=identity.model_variant,
        **_numbers(identity.model, scenario, result),
        vision_backbone=" + ".join(towers) or "none",
        uses_moe=any(node.row.category == "routing" and node.row.aten and node.calls for node in result.nodes),
        notes=f"{scenario.definition.name}: {scenario.definition.summary}.",
        **tied_to,
    )


def _top_classes(modules: Modules, stage: str) -> list[str]:
    """Return the outermost classes of a stage that are modules, in order of execution."""
    known: Mapping[str, AnalyticModuleNode] = {node.module_id: node for node in modules}

    def below(node: AnalyticModuleNode) -> list[str]:
        if node.qualified_class_name is not None:
            return [] if node.qualified_class_name.startswith("aten::") else [node.qualified_class_name]
        return [name for child in node.children for name in below(known[child])]

    return list(dict.fromkeys(below(known[stage]))) if stage in known else []


def _workload(scenario: Scenario, result: Estimate, workload: Workload, doc_kind: DocKind) -> OCRWorkloadProfile:
    numbers = {name: arithmetic.whole(value) for name, value in result.values.numbers.items()}
    quantities = scenario.definition.quantities.items()
    shown = ", ".join(f"{name} {numbers[name]}" for name, quantity in quantities if quantity.group in _ASKED)
    profile = _numbers(_identity(scenario.definition).workload, scenario, result)
    return OCRWorkloadProfile(
        profile_id=workload.name,
        description=f"{workload.summary}; {shown}",
        doc_kind=doc_kind,
        crop_mode=bool(profile.pop("crop_mode", 0)),
        **profile,
    )


def _notes(scenario: Scenario, result: Estimate) -> str:
    metrics, values = load_metrics(), result.values
    said = [
        f"All times are roofline_s on {scenario.gpu.title} ({scenario.gpu.name}): {metrics['roofline_s'].definition}.",
        f"Choices: {', '.join(f'{name} {option}' for name, option in scenario.options.items())}.",
        "FLOPs: forward_tensor_core_flops and forward_cuda_core_flops together, 2 per multiply-add.",
        f"IO: forward_io_bytes in bits, {metrics['forward_io_bytes'].definition}.",
        f"Activations: forward_activation_bytes, {metrics['forward_activation_bytes'].definition}.",
    ]
    told = {name: setting.data for name, setting in what_was_set(scenario, values.numbers).items()}
    said += [f"{note[0].upper()}{note[1:]}." for note in (*setting_notes(told), *lifted(sorted(scenario.waived)))]
    said += [f"{name} of the GPU is unverified." for name in values.unverified]
    said += [f"Warning: {warning}." for warning in values.warnings]
    return " ".join(said)


def summarise(report: AnalyticModelReport, top: int = TOP) -> DeepSeekOCRAnalyticReportSummary:
    """Sum a consistent report up: totals, stages, and the slowest top modules, ``top`` at most."""
    nodes = {node.module_id: node for node in report.modules}
    metrics = {module.module_id: module for module in report.module_metrics}
    (root,) = (node for node in report.modules if node.parent_id is None)

    def line(node: AnalyticModuleNode) -> AnalyticModuleSummary:
        return AnalyticModuleSummary(**_shared(AnalyticModuleSummary, node, metrics[node.module_id]))

    def outermost(node: AnalyticModuleNode) -> Iterator[AnalyticModuleNode]:
        """Yield the first modules below, through groups of operators."""
        for child in (nodes[name] for name in node.children):
            if child.qualified_class_name is not None or not child.children:
                yield child
            else:
                yield from outermost(child)

    stages = [nodes[name] for name in root.children]
    modules = [line(node) for stage in stages for node in outermost(stage)]
    return DeepSeekOCRAnalyticReportSummary(
        **_shared(DeepSeekOCRAnalyticReportSummary, report.model, metrics[root.module_id], report),
        stages=tuple(line(stage) for stage in stages),
        top_modules=tuple(sorted(modules, key=lambda module: -module.total_time_ms)[:top]),
    )


def _shared(kind: type, *artifacts: Any) -> dict[str, Any]:
    """Return the fields of a class that some artifacts have too, the last one that has it taken."""
    names = [(artifact, attribute.name) for artifact in artifacts for attribute in fields(kind)]
    return {name: getattr(artifact, name) for artifact, name in names if hasattr(artifact, name)}
