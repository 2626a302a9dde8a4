"""Numbers of a model at one workload: per node, and summed by stage, category, layer and operator."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from attrs import frozen

from dsocr_symbolic import arithmetic
from dsocr_symbolic.definition_file import load_metrics
from dsocr_symbolic.expression import Expression, evaluate
from dsocr_symbolic.program import Program, Row
from dsocr_symbolic.values import Values

Metrics = Mapping[str, Any]
# Position of each flow and stock in what a program returns.
_FLOWS = ("operator_launches", "forward_tensor_core_flops", "forward_cuda_core_flops", "forward_io_bytes", "roofline_s")
_STOCKS = ("parameters", "forward_weight_bytes", "forward_kv_cache_bytes")


@frozen(kw_only=True)
class Line:
    """One row of a view: a name, calls and metrics (None: not built, or not to be summed here)."""

    name: str
    calls: Any
    metrics: Metrics


@frozen(kw_only=True)
class NodeNumbers:
    """A node with its numbers, its children and all its repeats included."""

    row: Row
    calls: Any
    metrics: Metrics


@frozen(kw_only=True)
class Estimate:
    """All numbers of a model at one workload."""

    values: Values
    total: Metrics
    stages: Mapping[str, Metrics]
    nodes: tuple[NodeNumbers, ...]


def estimate(program: Program, values: Values) -> Estimate:
    """Evaluate a model.

    Parameters
    ----------
    program : Program
        The compiled model.
    values : Values
        A number for every symbol.

    Returns
    -------
    Estimate
        Exact ints wherever the inputs are whole.
    """
    rows = program.rows
    numbers = program.run(values.numbers)
    stocks = numbers[len(rows) :]
    flows = [list(numbers[index]) if row.aten else [0] * len(_FLOWS) for index, row in enumerate(rows)]
    for index in range(len(rows) - 1, 0, -1):
        parent = flows[rows[index].parent]
        for place, value in enumerate(flows[index]):
            parent[place] += value
    whole, *nodes = (
        NodeNumbers(
            row=row,
            calls=arithmetic.whole(numbers[index][0]),
            metrics=_metrics(flows[index], [stocks[each] for each in row.stocks]),
        )
        for index, row in enumerate(rows)
    )
    stages = {node.row.path: node.metrics for node in nodes if node.row.parent == 0}
    return Estimate(values=values, total=whole.metrics, stages=stages, nodes=tuple(nodes))


def _metrics(flows: Sequence[Any], stocks: Iterable[Sequence[Any]] | None) -> Metrics:
    """Name flows and stocks after the registry; what is not built yet is None."""
    found: dict[str, Any] = dict(zip(_FLOWS, flows, strict=True))
    if stocks is not None:
        sums = [sum(column) for column in zip(*stocks, strict=True)] or [0] * len(_STOCKS)
        found |= dict(zip(_STOCKS, sums, strict=True))
    result: dict[str, Any] = {}
    for name, metric in load_metrics().items():
        value = found.get(name)
        result[name] = None if value is None else arithmetic.whole(value)
        if metric.formula is not None:
            result[name] = _ratio(metric.formula, found)
    return result


def _ratio(formula: Expression, found: Metrics) -> Any:
    """Divide two metrics; nothing moved is no ratio."""
    try:
        return arithmetic.whole(evaluate(formula, found, arithmetic))
    except ZeroDivisionError:
        return None


def by_total(result: Estimate) -> list[Line]:
    """Return one line for the whole."""
    return [Line(name="total", calls=1, metrics=result.total)]


def by_stage(result: Estimate) -> list[Line]:
    """Return one line per stage."""
    stages = [node for node in result.nodes if node.row.parent == 0]
    return [Line(name=node.row.path, calls=node.calls, metrics=node.metrics) for node in stages]


def by_layer(result: Estimate) -> list[Line]:
    """Return one line per top module: below each stage, through layers that are no module themselves."""
    nodes = result.nodes
    below: dict[int, list[int]] = {}
    for index, node in enumerate(nodes, start=1):
        below.setdefault(node.row.parent, []).append(index)
    lines: list[Line] = []

    def descend(index: int) -> None:
        node = nodes[index - 1]
        layers = [each for each in below.get(index, []) if not nodes[each - 1].row.aten]
        if layers and (not node.row.class_name or node.row.parent == 0):
            for each in below[index]:
                descend(each)
        else:
            lines.append(Line(name=node.row.path, calls=node.calls, metrics=node.metrics))

    for stage in below.get(0, []):
        descend(stage)
    return lines


def by_category(result: Estimate, categories: Iterable[str]) -> list[Line]:
    """Return one line per category of operators; stocks belong to modules and stay None."""
    return _grouped(result, {name: [] for name in categories}, lambda row: row.category or "other")


def by_operator(result: Estimate) -> list[Line]:
    """Return one line per kind of operator, the slowest first."""
    lines = _grouped(result, {}, lambda row: row.layer.rpartition("/")[2])
    return sorted(lines, key=lambda line: -line.metrics["roofline_s"])


def _grouped(result: Estimate, groups: dict[str, list[NodeNumbers]], key: Callable[[Row], str]) -> list[Line]:
    for node in result.nodes:
        if node.row.aten:
            groups.setdefault(key(node.row), []).append(node)
    return [
        Line(
            name=name,
            calls=arithmetic.whole(sum(node.calls for node in members)),
            metrics=_metrics([sum(node.metrics[flow] for node in members) for flow in _FLOWS], None),
        )
        for name, members in groups.items()
    ]


def check_sums(result: Estimate, lines: Iterable[Line]) -> None:
    """Assert that the flows of a view add up to the total: exactly for whole numbers.

    Raises
    ------
    AssertionError
        If they do not; a defect of ours, never of the user's.
    """
    lines = list(lines)
    for name in _FLOWS:
        added, total = sum(line.metrics[name] for line in lines), result.total[name]
        exact = isinstance(added, int) and isinstance(total, int)
        close = added == total if exact else abs(added - total) <= 1e-9 * max(abs(total), 1e-30)
        if not close:
            raise AssertionError(f"{name}: the rows add up to {added}, the total is {total}")


def sum_estimates(parts: Sequence[tuple[Estimate, int]]) -> Estimate:
    """Add up estimates of one model at several workloads.

    Parameters
    ----------
    parts : sequence of (Estimate, int)
        Each with how often it counts.

    Returns
    -------
    Estimate
        Flows and calls add up; stocks count once, the KV cache is the largest one. Values are those of the
        first part.
    """
    first = parts[0][0]
    nodes = tuple(
        NodeNumbers(
            row=node.row,
            calls=arithmetic.whole(sum(part.nodes[index].calls * count for part, count in parts)),
            metrics=_added([(part.nodes[index].metrics, count) for part, count in parts]),
        )
        for index, node in enumerate(first.nodes)
    )
    return Estimate(
        values=first.values,
        total=_added([(part.total, count) for part, count in parts]),
        stages={node.row.path: node.metrics for node in nodes if node.row.parent == 0},
        nodes=nodes,
    )


def _added(parts: Sequence[tuple[Metrics, int]]) -> Metrics:
    flows = [sum(metrics[name] * count for metrics, count in parts) for name in _FLOWS]
    stocks = [max(metrics[name] for metrics, _ in parts) for name in _STOCKS]
    return _metrics(flows, [stocks])
