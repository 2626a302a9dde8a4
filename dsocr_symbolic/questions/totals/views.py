"""An estimate summed by stage, layer, category and operator."""

from collections.abc import Callable, Iterable
from typing import Any

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.algebras.value import Value
from dsocr_symbolic.evaluation.estimate import Estimate, Metrics, NodeNumbers, beside_operators, complete
from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.network.rows import Row
from dsocr_symbolic.records import frozen

# Compulsory bytes of parts do not add up to those of the whole: that is what fusing saves.
_MOVED = "forward_io_bytes"
_EXACT_IN_FLOATS = 2**53


@frozen(kw_only=True)
class ViewLine:
    """One row of a view.

    Attributes
    ----------
    name : str
    calls : int, float or str
        An expectation may be a fraction; a word stands for no number.
    metrics : mapping of str to number or None
        None where one does not exist.
    """

    name: str
    calls: Any
    metrics: Metrics


def by_total(result: Estimate) -> list[ViewLine]:
    """Return one line for the whole."""
    return [ViewLine(name="total", calls=1, metrics=result.total)]


def by_stage(result: Estimate) -> list[ViewLine]:
    """Return one line per stage."""
    stages = [node for node in result.nodes if node.row.parent == 0]
    return [ViewLine(name=node.row.path, calls=node.calls, metrics=node.metrics) for node in stages]


def by_layer(result: Estimate) -> list[ViewLine]:
    """Return one line per top module: below each stage, through layers that are no module themselves."""
    nodes, below = result.nodes, result.below
    lines: list[ViewLine] = []

    def descend(index: int) -> None:
        node = nodes[index - 1]
        if node.label is None:
            return
        layers = [child for child in below[index] if not nodes[child - 1].row.aten]
        if layers and (not node.row.class_name or node.row.parent == 0):
            for child in below[index]:
                descend(child)
        else:
            lines.append(ViewLine(name=node.label, calls=node.calls, metrics=node.metrics))

    for stage in below[0]:
        descend(stage)
    return lines


def by_category(result: Estimate, categories: Iterable[str]) -> list[ViewLine]:
    """Return one line per category of operators; stocks belong to modules and stay None."""
    return _grouped(result, {name: [] for name in categories}, lambda row: row.category or "other")


def by_operator(result: Estimate) -> list[ViewLine]:
    """Return one line per kind of operator that runs, in training at least, the slowest first."""
    lines = _grouped(result, {}, lambda row: row.layer.rpartition("/")[2])
    return sorted(
        (line for line in lines if line.calls or line.metrics["backward_io_bytes"]),
        key=lambda line: -line.metrics["roofline_s" if line.metrics["device_s"] is None else "device_s"],
    )


def _grouped(result: Estimate, groups: dict[str, list[NodeNumbers]], key: Callable[[Row], str]) -> list[ViewLine]:
    for node in (*(node for node in result.nodes if node.row.aten), *beside_operators(result)):
        groups.setdefault(key(node.row), []).append(node)
    flows = [name for name in _flows() if result.traffic == "eager" or name != _MOVED]
    return [
        ViewLine(
            name=name,
            calls=arithmetic.whole(sum(node.calls for node in members)),
            metrics=complete({flow: _sum(node.metrics[flow] for node in members) for flow in flows}),
        )
        for name, members in groups.items()
    ]


def check_sums(result: Estimate, lines: Iterable[ViewLine]) -> None:
    """Assert that the flows of a view add up to the total: exactly for whole numbers."""
    lines = list(lines)
    for name in _flows():
        added, total = _sum(line.metrics[name] for line in lines), result.total[name]
        if total is None or (name == _MOVED and result.traffic == "fused"):
            continue
        # A larger whole number may be an expectation, of which a float keeps no more digits.
        exact = isinstance(added, int) and isinstance(total, int) and abs(total) < _EXACT_IN_FLOATS
        close = added == total if exact else abs(added - total) <= 1e-9 * max(abs(total), 1e-30)
        if not close:
            raise AssertionError(f"{name}: the rows add up to {added}, the total is {total}")


def _flows() -> list[str]:
    """Return the metrics that add up over operators."""
    return [name for name, metric in load_metrics().items() if metric.kind in ("flow", "time")]


def _sum(values: Iterable[Value | None]) -> Any:
    """Add up what exists; nothing if there are values and none of them does."""
    values = list(values)
    there = [value for value in values if value is not None]
    return sum(there) if there or not values else None
