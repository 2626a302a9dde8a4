"""One document for every output format: plain data, named by the registry of metrics."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import asdict

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.evaluation.estimate import Estimate, NodeNumbers
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.lookup import symbols_of_layer
from dsocr_symbolic.language.registry import load_conventions, load_metrics
from dsocr_symbolic.questions.totals.seconds_text import limit_of
from dsocr_symbolic.scenario.claims import HOST_REASON
from dsocr_symbolic.scenario.hardware import Gpu
from dsocr_symbolic.scenario.measured import versions_apart
from dsocr_symbolic.scenario.origins import Origin, derived_from
from dsocr_symbolic.scenario.provenance import of_example, what_was_set
from dsocr_symbolic.scenario.scenario import Scenario

if TYPE_CHECKING:
    from dsocr_symbolic.questions.capacity import Fit
    from dsocr_symbolic.questions.totals.bill import Bill

SCHEMA_VERSION = 4


def totals_document(
    scenario: Scenario,
    result: Estimate,
    *,
    operators: bool = False,
    nodes: bool = True,
    closed_form: Mapping[str, Mapping[str, str | None]] | None = None,
    bill: "Bill | None" = None,
    left_out: Mapping[str, int] | None = None,
    closed_form_where: Sequence[str] = (),
    memory: "Fit | None" = None,
) -> dict[str, Any]:
    """Lay out everything that ``dsocr totals`` says, JSON-ready; what is not built is None.

    Of a document ``memory`` is that of its largest page. Text has no use for ``nodes``.
    """
    definition, workload, gpu, values = scenario.definition, scenario.workload, scenario.gpu, result.values
    symbols = definition.quantities

    def of(*groups: str) -> dict[str, Any]:
        numbers = ((name, values.known[name]) for name in symbols if symbols[name].group in groups)
        return {name: None if number is None else arithmetic.whole(number) for name, number in numbers}

    document: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "model": definition.name,
        "workload_name": workload.name if workload else None,
        "workload": of("workload", "derived")
        if workload
        else {name: arithmetic.whole(values.numbers[name]) for name in symbols_of_layer(definition)},
        "of_example": [] if workload else of_example(definition, values.origins),
        "overridden": {name: setting.data for name, setting in what_was_set(scenario, values.numbers).items()},
        "waived": sorted(scenario.waived),
        "command": scenario.command or None,
        "config": _config(scenario.config_file),
        "constants": of("constant"),
        "gpu": gpu.name,
        "machine": {
            "title": gpu.title,
            **of("machine"),
            "unverified": list(values.unverified),
            "lacking": list(values.claims.bound),
            "unmeasured": list(values.claims.lacking("wall_s")),
            **measured_by(gpu, values.origins),
        },
        "server": of("server") if definition.server else None,
        "choices": dict(scenario.options),
        "conventions": {"statements": list(load_conventions().statements), "symbols": of("convention", "choice")},
        "warnings": list(values.warnings),
        "traffic": result.traffic,
        "memory": None if memory is None else asdict(memory),
        "null_because": reasons(result, gpu, scenario.definition),
        "total": dict(result.total),
        "stages": {name: dict(metrics) for name, metrics in result.stages.items()},
        "nodes": [
            _node(node) for node in result.nodes if nodes and (operators or node.row.class_name or not node.row.aten)
        ],
        "closed_form": {name: dict(forms) for name, forms in (closed_form or {}).items()},
        "closed_form_where": list(closed_form_where),
    }
    return document | ({"host": None} if bill is None else pages_document(bill, left_out or {}))


def _config(path: Path | None) -> dict[str, Any] | None:
    if path is None:
        return None
    from dsocr_symbolic.scenario.config_files import config_file

    return asdict(config_file(path))


def pages_document(bill: "Bill", left_out: Mapping[str, int]) -> dict[str, Any]:
    """Lay out what is said of a document's pages besides: how they are cut, what each costs, what is left out."""
    totals = [grid["total"] for grid in bill.grids]
    latencies = {
        metric.name: {"least": min(seconds), "most": max(seconds)}
        for metric in load_metrics().values()
        if metric.kind == "latency" and None not in (seconds := [total[metric.name] for total in totals]) and seconds
    }
    return {
        "cutting": bill.cutting,
        "page_latencies": latencies,
        "host": None if bill.host is None else asdict(bill.host),
        "grids": list(bill.grids),
        "pages": list(bill.rows),
        "left_out": dict(left_out),
    }


def measured_by(gpu: Gpu, sources: Mapping[str, Origin]) -> dict[str, Any]:
    """Say where the constants of forecasts are from: measured on this GPU, or derived from another one."""
    return {
        "measured": None if gpu.measured is None else gpu.measured.said,
        "derived_from": derived_from(sources.values()),
        "versions_apart": list(versions_apart(gpu.measured)) if gpu.measured else [],
    }


def reasons(result: Estimate, gpu: Gpu, definition: Definition) -> dict[str, str]:
    """Say where and why each metric is null."""
    said = {name: metric.reason for name, metric in load_metrics().items() if metric.reason}
    said |= definition.uncounted
    claims = result.values.claims
    said["host"] = HOST_REASON
    said["kv_pool"] = said["server"] = "of a workload on a network whose model file has a 'server'"
    return said | {name: refusal for name in load_metrics() if (refusal := claims.refusal(name, gpu.name))}


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
        "limit": limit_of(node.metrics),
        **node.metrics,
    }
