"""The modules of a report and their numbers, from an estimate."""

from collections.abc import Mapping, Sequence
from typing import Any, get_args

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.evaluation.estimate import Estimate, Metrics
from dsocr_symbolic.evaluation.program import Row
from dsocr_symbolic.network.node import Node
from dsocr_symbolic.reports.contracts.model_report import (
    AnalyticModuleNode,
    ModuleMetricsSnapshot,
    OperatorMetrics,
    Stage,
)
from dsocr_symbolic.reports.contracts.operator_categories import category_id

TERA, GIGA, MILLI = 1e12, 1e9, 1e-3


_BITS = 8


def module_nodes(name: str, result: Estimate, calls: Sequence[Node], *, params: bool) -> tuple[AnalyticModuleNode, ...]:
    """Make a module of every row.

    Parameters
    ----------
    name : str
        Of the network; the id of the whole.
    result : Estimate
        Its numbers.
    calls : sequence of Node
        The same calls in numbers.
    params : bool
        Whether to spell out the values of symbols.

    Returns
    -------
    tuple of AnalyticModuleNode
        The whole first, parents before children.
    """
    rows = [node.row for node in result.nodes]
    counts = [1, *(node.calls for node in result.nodes)]
    below: dict[int, list[str]] = {}
    for row in rows:
        below.setdefault(row.parent, []).append(row.path)
    whole = AnalyticModuleNode(
        module_id=name,
        name=name,
        qualified_class_name=None,
        stage="other",
        parent_id=None,
        children=tuple(below.get(0, ())),
        repetition="none",
        repetition_count=1,
        constructor_params={},
    )
    modules = [whole]
    for place, (row, call) in enumerate(zip(rows, calls, strict=True), start=1):
        times = _times(counts[place], counts[row.parent])
        modules.append(
            AnalyticModuleNode(
                module_id=row.path,
                name=row.path.rpartition("/")[2],
                qualified_class_name=row.class_name or (f"aten::{row.aten}" if row.aten else None),
                stage=_stage(row),
                parent_id=rows[row.parent - 1].path if row.parent else name,
                children=tuple(below.get(place, ())),
                repetition=call.repetition if times > 1 else "none",
                repetition_count=times,
                constructor_params=_whole(call.given) if params else {},
            )
        )
    return tuple(modules)


def _times(calls: Any, parent_calls: Any) -> Any:
    return arithmetic.whole(arithmetic.divide(calls, parent_calls)) if parent_calls else 0


def _whole(given: Mapping[str, Any]) -> dict[str, int | float]:
    return {name: arithmetic.whole(value) for name, value in given.items()}


def _stage(row: Row) -> Stage:
    known: Mapping[str, Stage] = {each: each for each in get_args(Stage)}
    return known.get(row.stage, "other")


def module_metrics(name: str, profile: str, result: Estimate, *, breakdown: bool) -> tuple[ModuleMetricsSnapshot, ...]:
    """Give every module its numbers.

    Parameters
    ----------
    name : str
        Of the network; the id of the whole.
    profile : str
        Id of the workload.
    result : Estimate
        The numbers.
    breakdown : bool
        Whether to split each module by category.

    Returns
    -------
    tuple of ModuleMetricsSnapshot
        In the order of :func:`module_nodes`.
    """
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
            total_io_tb=terabits(metrics["forward_io_bytes"]),
            memory_weights_gb=float(metrics["forward_weight_bytes"]) / GIGA,
            memory_activations_gb=_gigabytes_if_built(metrics["forward_activation_bytes"]),
            memory_kvcache_gb=float(metrics["forward_kv_cache_bytes"]) / GIGA,
            share_of_model_time=float(metrics["roofline_s"] / whole) if whole else 0.0,
            operator_breakdown=_breakdown(part, flops(metrics)),
        )
        for (module, calls, metrics), part in zip(everything, parts, strict=True)
    )


def milliseconds(metrics: Metrics) -> float:
    """Return the roofline time."""
    return float(metrics["roofline_s"]) / MILLI


def flops(metrics: Metrics) -> Any:
    """Return the FLOPs on Tensor and CUDA cores, exact where they are whole."""
    return metrics["forward_tensor_core_flops"] + metrics["forward_cuda_core_flops"]


def terabits(size: Any) -> float:
    """Turn bytes into units of 1e12 bit."""
    return float(size * _BITS) / TERA


def _gigabytes_if_built(size: Any) -> float | None:
    return None if size is None else float(size) / GIGA


def _by_category(result: Estimate) -> list[dict[str, list[Any]]]:
    """Return launches, FLOPs and bytes by category, for the whole and each node, with everything below."""
    found: list[dict[str, list[Any]]] = [{} for _ in range(len(result.nodes) + 1)]
    for place in range(len(result.nodes), 0, -1):
        node = result.nodes[place - 1]
        if node.row.aten and node.calls:
            cost = [node.calls, flops(node.metrics), node.metrics["forward_io_bytes"]]
            _add(found[place], category_id(node.row.category), cost)
        for category, cost in found[place].items():
            _add(found[node.row.parent], category, cost)
    return found


def _add(costs: dict[str, list[Any]], category: str, cost: list[Any]) -> None:
    before = costs.get(category, [0] * len(cost))
    costs[category] = [old + new for old, new in zip(before, cost, strict=True)]


def _breakdown(part: Mapping[str, list[Any]], whole: Any) -> tuple[OperatorMetrics, ...]:
    # Sums of floats taken in another order may exceed the whole by their last bit.
    return tuple(
        OperatorMetrics(
            category_id=category,
            calls=arithmetic.whole(launches),
            flops_tflops=float(amount) / TERA,
            io_tb=terabits(size),
            share_of_module_flops=min(float(amount / whole), 1.0) if whole else 0.0,
        )
        for category, (launches, amount, size) in sorted(part.items())
    )
