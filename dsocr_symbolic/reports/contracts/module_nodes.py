"""The modules of a report, their numbers, and the categories of their operators, from an estimate."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, get_args

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.evaluation.estimate import Estimate, Metrics
from dsocr_symbolic.language.registry import load_conventions
from dsocr_symbolic.network.fold import added_up
from dsocr_symbolic.network.node import Node
from dsocr_symbolic.reports.contracts.model_report import (
    AnalyticModuleNode,
    ModuleMetricsSnapshot,
    OperatorCategory,
    OperatorMetrics,
    Stage,
)

TERA, GIGA, MILLI = 1e12, 1e9, 1e-3
_BITS = 8
_NONE = "other"
_STAGES: Mapping[str, Stage] = {stage: stage for stage in get_args(Stage)}


def module_nodes(name: str, result: Estimate, calls: Sequence[Node], *, params: bool) -> tuple[AnalyticModuleNode, ...]:
    """Make a module of every row, the whole network first; ``calls`` are the same calls in numbers, for ``params``."""
    rows = [node.row for node in result.nodes]
    counts = [1, *(node.calls for node in result.nodes)]
    below = [tuple(rows[child - 1].path for child in inside) for inside in result.below]
    whole = AnalyticModuleNode(
        module_id=name,
        name=name,
        qualified_class_name=None,
        stage="other",
        parent_id=None,
        children=below[0],
        repetition="none",
        repetition_count=1,
        constructor_params={},
    )
    modules = [whole]
    labels = [node.label or node.row.path for node in result.nodes]
    for place, (row, call, label) in enumerate(zip(rows, calls, labels, strict=True), start=1):
        above = counts[row.parent]
        times = arithmetic.whole(arithmetic.divide(counts[place], above)) if above else 0
        symbols = {symbol: arithmetic.whole(value) for symbol, value in call.given.items()} if params else {}
        modules.append(
            AnalyticModuleNode(
                module_id=row.path,
                name=label.rpartition("/")[2],
                qualified_class_name=row.class_name or (f"aten::{row.aten}" if row.aten else None),
                stage=_STAGES.get(row.stage, "other"),
                parent_id=rows[row.parent - 1].path if row.parent else name,
                children=below[place],
                repetition=call.repetition if times > 1 else "none",
                repetition_count=times,
                constructor_params=symbols,
            )
        )
    return tuple(modules)


def module_metrics(name: str, profile: str, result: Estimate, *, breakdown: bool) -> tuple[ModuleMetricsSnapshot, ...]:
    """Give every module its numbers in workload ``profile``, in their order; split by category if asked."""
    parts = _by_category(result) if breakdown else [{} for _ in range(len(result.nodes) + 1)]
    everything = [(name, 1, result.total), *((node.row.path, node.calls, node.metrics) for node in result.nodes)]
    whole = result.total["roofline_s"]
    return tuple(
        ModuleMetricsSnapshot(
            module_id=module,
            profile_id=profile,
            calls=calls,
            total_time_ms=milliseconds(metrics),
            total_flops_tflops=float(flops(metrics)) / TERA,
            total_io_tb=float(metrics["forward_io_bytes"] * _BITS) / TERA,
            memory_weights_gb=float(metrics["forward_weight_bytes"]) / GIGA,
            memory_activations_gb=None if peak is None else float(peak) / GIGA,
            memory_kvcache_gb=float(metrics["forward_kv_cache_bytes"]) / GIGA,
            share_of_model_time=float(metrics["roofline_s"] / whole) if whole else 0.0,
            operator_breakdown=_breakdown(part, flops(metrics)),
        )
        for (module, calls, metrics), part in zip(everything, parts, strict=True)
        for peak in [metrics["forward_activation_bytes"]]
    )


def milliseconds(metrics: Metrics) -> float:
    """Return the roofline time."""
    return float(metrics["roofline_s"]) / MILLI


def flops(metrics: Metrics) -> Exact:
    """Return the FLOPs on Tensor and CUDA cores, exact where they are whole."""
    total: Exact = metrics["forward_tensor_core_flops"] + metrics["forward_cuda_core_flops"]
    return total


def _by_category(result: Estimate) -> list[dict[str, list[Any]]]:
    """Return launches, FLOPs and bytes by category, for the whole and each node, with everything below."""
    below = result.below
    running = [(place, node) for place, node in enumerate(result.nodes, start=1) if node.row.aten and node.calls]
    sums: list[dict[str, list[Any]]] = [{} for _ in below]
    for category in {category_id(node.row.category) for _, node in running}:
        columns: list[list[Any]] = [[0] * len(below) for _ in range(3)]
        for place, node in running:
            if category_id(node.row.category) == category:
                costs = (node.calls, flops(node.metrics), node.metrics["forward_io_bytes"])
                for column, cost in zip(columns, costs, strict=True):
                    column[place] = cost
        launches, *costs_below = (added_up(column, below, arithmetic) for column in columns)
        for place, count in enumerate(launches):
            if count:
                sums[place][category] = [count, *(column[place] for column in costs_below)]
    return sums


def _breakdown(part: Mapping[str, list[Any]], whole: Exact) -> tuple[OperatorMetrics, ...]:
    # Sums of floats taken in another order may exceed the whole by their last bit.
    return tuple(
        OperatorMetrics(
            category_id=category,
            calls=arithmetic.whole(launches),
            flops_tflops=float(amount) / TERA,
            io_tb=float(size * _BITS) / TERA,
            share_of_module_flops=min(float(amount / whole), 1.0) if whole else 0.0,
        )
        for category, (launches, amount, size) in sorted(part.items())
    )


def category_id(category: str | None) -> str:
    """Return the id of a category; an operator without one is counted under ``other``."""
    return (category or _NONE).replace(" ", "_")


def default_categories(result: Estimate) -> dict[str, str]:
    """Find the category in which the own operators of each class spend most of their time: class -> category id.

    An operator is the own one of the class that it is, else of the nearest class above it; classes that launch nothing
    themselves are left out.
    """
    nodes = result.nodes
    times: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for node in nodes:
        if not node.row.aten or not node.calls:
            continue
        owner = node.row
        while not owner.class_name and owner.parent:
            owner = nodes[owner.parent - 1].row
        if owner.class_name:
            times[owner.class_name][category_id(node.row.category)] += float(node.metrics["roofline_s"])
    return {name: max(own, key=own.__getitem__) for name, own in times.items()}


def operator_categories(result: Estimate) -> tuple[OperatorCategory, ...]:
    """Describe every category by what the network counts there, in the order of the conventions."""
    classes = default_categories(result)
    kinds: dict[str, set[str]] = defaultdict(set)
    for node in result.nodes:
        if node.row.aten:
            kinds[category_id(node.row.category)].add(node.row.layer.rpartition("/")[2])
    names = dict.fromkeys([*load_conventions().categories, _NONE])
    return tuple(_category(name, kinds, classes) for name in names)


def _category(name: str, kinds: Mapping[str, set[str]], classes: Mapping[str, str]) -> OperatorCategory:
    identifier = category_id(name)
    operators = ", ".join(sorted(kinds.get(identifier, ())))
    return OperatorCategory(
        category_id=identifier,
        display_name=name.capitalize(),
        description=f"Operators: {operators}." if operators else "No operator of this network.",
        match_classes=tuple(sorted(kind for kind, own in classes.items() if own == identifier)),
    )
