"""Numbers of a model at one workload, node by node."""

from collections.abc import Mapping, Sequence
from functools import cache, cached_property
from typing import Any

from attrs import evolve, frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.evaluation.program import BACKWARD, EACH, FURTHER, OPERATOR, STOCK, Details, Program, Row
from dsocr_symbolic.language.expression import Expression, evaluate
from dsocr_symbolic.language.formula import EMPTY
from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.scenario.values import Values

Metrics = Mapping[str, Any]


FLOWS = OPERATOR


_RUNS = EACH.index("runs")


@frozen(kw_only=True)
class NodeNumbers:
    """A node with its numbers, its children and all its repeats included.

    Attributes
    ----------
    row : Row
        Where it stands and what it is.
    calls : int or float
        Calls in the whole workload.
    found : mapping of str to number
        The metrics that exist, as they were added up.
    """

    row: Row
    calls: Any
    found: Metrics

    @cached_property
    def metrics(self) -> Metrics:
        """Every metric of the registry; None where it does not exist."""
        return complete(self.found)


@frozen(kw_only=True)
class Estimate:
    """All numbers of a model at one workload."""

    values: Values
    total: Metrics
    stages: Mapping[str, Metrics]
    nodes: tuple[NodeNumbers, ...]
    traffic: str = "eager"


def estimate(
    program: Program,
    values: Values,
    latencies: Mapping[str, Expression] = EMPTY,
    details: Details | None = None,
) -> Estimate:
    """Evaluate a model.

    Parameters
    ----------
    program : Program
        The compiled model.
    values : Values
        A number for every symbol.
    latencies : mapping of str to Expression, optional
        Formulas of the stages' times.
    details : Details or None
        Compulsory bytes and the training step, if they are asked for; without them those metrics are left out.

    Returns
    -------
    Estimate
        Exact ints wherever the inputs are whole.
    """
    rows = program.rows
    numbers = program.run(values.numbers)
    stocks = numbers[len(rows) : len(rows) + program.stocks]
    bounds = dict(zip(program.phases, (each[0] for each in numbers[len(numbers) - len(program.phases) :]), strict=True))
    flows = [list(numbers[index][len(EACH) :]) if row.aten else [0] * len(FLOWS) for index, row in enumerate(rows)]
    peaks, around = live_peaks(program, numbers)
    for index in range(len(rows) - 1, 0, -1):
        _add(flows[rows[index].parent], flows[index])
    found: list[dict[str, Any]] = []
    for index, row in enumerate(rows):
        metrics = dict(zip(FLOWS, flows[index], strict=True))
        metrics |= _stocks([stocks[each] for each in row.stocks])
        if not row.trains:
            metrics["backward_weight_bytes"] = None
        metrics["forward_activation_bytes"] = peaks[index]
        found.append(metrics)
    if details is not None:
        _add_details(rows, found, details, values)
    _add_bounds(rows, found, bounds)
    _add_memory(rows, found, around)
    _add_latencies(rows, found, values, latencies)
    whole, *nodes = (
        NodeNumbers(row=row, calls=arithmetic.whole(numbers[index][0]), found=found[index])
        for index, row in enumerate(rows)
    )
    stages = {node.row.path: node.metrics for node in nodes if node.row.parent == 0}
    return Estimate(values=values, total=whole.metrics, stages=stages, nodes=tuple(nodes))


def live_peaks(program: Program, numbers: Sequence[Sequence[Any]]) -> tuple[list[Any], list[Any]]:
    """Return the peak bytes of live activations of each row.

    Parameters
    ----------
    program : Program
        The compiled model.
    numbers : sequence of tuple
        What it returned.

    Returns
    -------
    inside : list of number
        Inside one call: an operator's own tensors; of a layer the worst moment among its children.
    around : list of number
        The same with what the caller keeps meanwhile; nothing inside if the call never runs.
    """
    rows = program.rows
    first = len(rows) + program.stocks
    sizes = [each[0] for each in numbers[first : first + program.sizes]]
    inside: list[Any] = [sum(sizes[each] for each in row.own) for row in rows]
    around: list[Any] = [sum(sizes[each] for each in row.beside) for row in rows]
    for index in range(len(rows) - 1, 0, -1):
        parent = rows[index].parent
        around[index] += numbers[index][_RUNS] * inside[index]
        inside[parent] = max(inside[parent], around[index])
    return inside, around


def resident(weights: Any, cache: Any, live: Any) -> Any:
    """Return the bytes of ``peak_memory_bytes``."""
    formula = load_metrics()["peak_memory_bytes"].formula
    assert formula is not None  # noqa: S101 - the registry gives it
    scope = {"resident_weight_bytes": weights, "forward_kv_cache_bytes": cache, "live_activation_bytes": live}
    return evaluate(formula, scope, arithmetic)


def _stocks(owned: Sequence[Sequence[Any]]) -> dict[str, Any]:
    sums = [sum(column) for column in zip(*owned, strict=True)] or [0] * len(STOCK)
    return dict(zip(STOCK, sums, strict=True))


def _add(above: list[Any], below: Sequence[Any]) -> None:
    for place, value in enumerate(below):
        above[place] += value


def _add_details(rows: Sequence[Row], found: Sequence[dict[str, Any]], details: Details, values: Values) -> None:
    """Give every row its compulsory bytes, and everything that trains its backward and the bytes that it saves."""
    numbers = details.run(values.numbers)
    sizes = [each[0] for each in numbers[len(rows) :]]
    required = [each[1] for each in numbers[: len(rows)]]
    flows = [list(each[len(FURTHER) :]) or [0] * len(BACKWARD) for each in numbers[: len(rows)]]
    for index in range(len(rows) - 1, 0, -1):
        required[rows[index].parent] += required[index]
        _add(flows[rows[index].parent], flows[index])
    for index, row in enumerate(rows):
        edge = numbers[index][0] + required[index]
        found[index]["forward_fused_io_bytes"] = found[index]["forward_io_bytes"] if row.aten else edge
        if row.trains:
            found[index] |= dict(zip(BACKWARD, flows[index], strict=True))
            found[index]["backward_activation_bytes"] = sum(sizes[each] for each in details.saved[index])
    # What stages hand to one another is moved: the whole needs what its stages need.
    stages = [metrics for row, metrics in zip(rows, found, strict=True) if row.parent == 0]
    found[0]["forward_fused_io_bytes"] = sum(metrics["forward_fused_io_bytes"] for metrics in stages)


def _add_bounds(rows: Sequence[Row], found: Sequence[dict[str, Any]], bounds: Mapping[str, Any]) -> None:
    """Give phases, stages and the whole the sum of the phases at or below them."""
    for row, metrics in zip(rows, found, strict=True):
        inside = [
            seconds
            for path, seconds in bounds.items()
            if row.parent < 0 or path == row.path or path.startswith(f"{row.path}/")
        ]
        if inside:
            metrics["lower_bound_s"] = sum(inside)


def _add_memory(rows: Sequence[Row], found: Sequence[dict[str, Any]], around: Sequence[Any]) -> None:
    """Give stages and the whole what is resident at their worst moment."""
    weights = found[0]["forward_weight_bytes"]
    for index, row in enumerate(rows):
        if row.parent == 0:
            peak = resident(weights, found[index]["forward_kv_cache_bytes"], around[index])
            found[index]["peak_memory_bytes"] = peak
            found[0]["peak_memory_bytes"] = max(found[0].get("peak_memory_bytes", 0), peak)


def _add_latencies(
    rows: Sequence[Row], found: Sequence[dict[str, Any]], values: Values, latencies: Mapping[str, Expression]
) -> None:
    """Give the whole its latencies."""
    for name, metric in load_metrics().items():
        if metric.latency not in latencies:
            continue
        scope = dict(values.numbers)
        scope |= {row.path: metrics[metric.of] for row, metrics in zip(rows, found, strict=True) if row.parent == 0}
        found[0][name] = _quotient(latencies[metric.latency], scope)


def complete(found: Metrics) -> Metrics:
    """Bring metrics into the order of the registry: ratios worked out, what does not exist None."""
    plain, ratios = _registry()
    result = {name: None if (value := found.get(name)) is None else arithmetic.whole(value) for name in plain}
    for name, formula in ratios:
        result[name] = _quotient(formula, found)
    return result


@cache
def _registry() -> tuple[tuple[str, ...], tuple[tuple[str, Expression], ...]]:
    """Return the names of all metrics, and the formulas of ratios."""
    metrics = load_metrics()
    ratios = tuple((name, each.formula) for name, each in metrics.items() if each.kind == "ratio" and each.formula)
    return tuple(metrics), ratios


def _quotient(formula: Expression, found: Metrics) -> Any:
    """Divide metrics; nothing moved is no ratio, and what does not exist has none."""
    try:
        return arithmetic.whole(evaluate(formula, found, arithmetic))
    except (ZeroDivisionError, KeyError, TypeError):
        return None


def with_fused_traffic(result: Estimate) -> Estimate:
    """Read compulsory bytes in place of those that the launched operators move; times stay as they are."""

    def fused(found: Metrics) -> Metrics:
        return {**found, "forward_io_bytes": found["forward_fused_io_bytes"]}

    nodes = tuple(evolve(node, found=fused(node.found)) for node in result.nodes)
    stages = {node.row.path: node.metrics for node in nodes if node.row.parent == 0}
    return evolve(result, total=complete(fused(result.total)), stages=stages, nodes=nodes, traffic="fused")


def sum_estimates(parts: Sequence[tuple[Estimate, int]]) -> Estimate:
    """Add up estimates of one model at several workloads.

    Parameters
    ----------
    parts : sequence of (Estimate, int)
        Each with how often it counts.

    Returns
    -------
    Estimate
        Flows, compulsory bytes, times and calls add up; stocks and peaks are the largest one. Latencies are those
        of a request each, so that there are none of all together. Values are those of the first part.
    """
    first = parts[0][0]
    nodes = tuple(
        NodeNumbers(
            row=node.row,
            calls=arithmetic.whole(sum(part.nodes[index].calls * count for part, count in parts)),
            found=_added([(part.nodes[index].found, count) for part, count in parts]),
        )
        for index, node in enumerate(first.nodes)
    )
    return Estimate(
        values=first.values,
        total=complete(_added([(part.total, count) for part, count in parts])),
        stages={node.row.path: node.metrics for node in nodes if node.row.parent == 0},
        nodes=nodes,
    )


_ADDING = ("flow", "boundary", "time", "bound")


_LARGEST = ("stock", "peak", "memory")


def _added(parts: Sequence[tuple[Metrics, int]]) -> Metrics:
    found: dict[str, Any] = {}
    for name, metric in load_metrics().items():
        if any(metrics.get(name) is None for metrics, _ in parts):
            continue
        if metric.kind in _ADDING:
            found[name] = sum(metrics[name] * count for metrics, count in parts)
        elif metric.kind in _LARGEST:
            found[name] = max(metrics[name] for metrics, _ in parts)
    return found
