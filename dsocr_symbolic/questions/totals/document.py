"""One document for every output format: plain data, named by the registry of metrics."""

from collections.abc import Mapping
from typing import Any

from attrs import asdict

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.evaluation.estimate import Estimate, NodeNumbers
from dsocr_symbolic.language.formula import Call
from dsocr_symbolic.language.library import find_formula
from dsocr_symbolic.language.registry import load_conventions, load_metrics
from dsocr_symbolic.questions.capacity import Fit
from dsocr_symbolic.scenario.scenario import Scenario

SCHEMA_VERSION = 1


def totals_document(
    scenario: Scenario,
    result: Estimate,
    *,
    operators: bool = False,
    closed_form: Mapping[str, Mapping[str, str | None]] | None = None,
    pages: list[dict[str, Any]] | None = None,
    memory: Fit | None = None,
) -> dict[str, Any]:
    """Lay out everything that ``dsocr totals`` says, JSON-ready; what is not built is None."""
    definition, workload, gpu, values = scenario.definition, scenario.workload, scenario.gpu, result.values
    symbols = definition.quantities

    def of(*groups: str) -> dict[str, Any]:
        return {name: arithmetic.whole(values.numbers[name]) for name in symbols if symbols[name].group in groups}

    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "model": definition.name,
        "workload_name": workload.name if workload else None,
        "workload": of("workload", "derived")
        if workload
        else {name: arithmetic.whole(values.numbers[name]) for name in _of_layer(definition.stages[0])},
        "overridden": {
            name: {"value": arithmetic.whole(values.numbers[name]), "formula_gives": given}
            for name, given in values.overridden.items()
        },
        "constants": of("constant"),
        "gpu": gpu.name,
        "machine": {"title": gpu.title, **of("machine"), "unverified": list(values.unverified)},
        "choices": dict(scenario.options),
        "conventions": {"statements": list(load_conventions().statements), "symbols": of("convention", "choice")},
        "traffic": result.traffic,
        "memory": None if memory is None else asdict(memory),
        "null_because": {name: metric.reason for name, metric in load_metrics().items() if metric.reason},
        "total": dict(result.total),
        "stages": {name: dict(metrics) for name, metrics in result.stages.items()},
        "nodes": [_node(node) for node in result.nodes if operators or node.row.class_name or not node.row.aten],
        "closed_form": {name: dict(forms) for name, forms in (closed_form or {}).items()},
    }
    if pages is not None:
        document["pages"] = pages
    return document


def _of_layer(stage: Call) -> list[str]:
    """Return the symbols of a layer alone, and those that its own slots take besides."""
    return list({**stage.given, **find_formula(stage.use).alone})


def _node(node: NodeNumbers) -> dict[str, Any]:
    row = node.row
    return {
        "path": row.path,
        "label": node.label,
        "module": node.module,
        "layer": row.layer,
        "class": row.class_name or None,
        "stage": row.stage,
        "category": row.category,
        "calls": node.calls,
        **node.metrics,
    }
