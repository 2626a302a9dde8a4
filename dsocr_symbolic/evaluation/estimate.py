"""Numbers of a model at one workload, node by node."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import cache, cached_property
from typing import Any

from attrs import evolve, field

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.program import Program, run_program
from dsocr_symbolic.language.expression import Expression
from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.network.fold import Fold, children, columns_of
from dsocr_symbolic.network.labels import labels_of
from dsocr_symbolic.network.rows import RUNS, Row
from dsocr_symbolic.network.serving import quotient
from dsocr_symbolic.network.timeline import CALLS
from dsocr_symbolic.records import frozen
from dsocr_symbolic.scenario.values import Values

Metrics = Mapping[str, Any]
# Kinds of metrics: what is worked out when a node is read, what adds up over workloads, what is the largest one.
_READ = ("ratio", "null")
ADDING = ("flow", "boundary", "time", "wall")
# What is at least 0, with its name in errors.
_NEVER_LESS = {
    "parameters": "parameters",
    "forward_io_bytes": "bytes moved",
    "forward_tensor_core_flops": "Tensor Core FLOPs",
    "forward_cuda_core_flops": "CUDA-core FLOPs",
}
# What floats leave of a difference of equal sums is less than this part of them.
_ROUNDING = 1e-12
LARGEST = ("stock", "peak", "memory", "bound")


class _OfRow(Mapping[str, Any]):
    """The metrics of one row, each worked out when it is asked for."""

    __slots__ = ("m_columns", "m_row")

    def __init__(self, columns: Mapping[str, Sequence[Any]], row: int) -> None:
        self.m_columns = columns
        self.m_row = row

    def __getitem__(self, name: str) -> Any:
        return self.m_columns[name][self.m_row]

    def __iter__(self) -> Iterator[str]:
        return iter(self.m_columns)

    def __len__(self) -> int:
        return len(self.m_columns)


@frozen(kw_only=True)
class NodeNumbers:
    """A node with its numbers, its children and all its repeats included.

    Attributes
    ----------
    row, calls : Row, int or float
        Where it stands and what it is, and its calls in the whole workload.
    label, module : str or None
        Path and module with the numbers that layers have here; None where there are none of them.
    added : mapping of str to number
        The metrics that exist, as they were added up.
    """

    row: Row
    calls: int | float
    label: str | None
    module: str | None
    added: Metrics

    @cached_property
    def metrics(self) -> Metrics:
        """Every metric of the registry; None where it does not exist."""
        return complete(self.added)


@frozen(kw_only=True)
class Estimate:
    """All numbers of a model at one workload; a sum of several has no fold."""

    values: Values
    total: Metrics
    nodes: tuple[NodeNumbers, ...]
    traffic: str = "eager"
    fold: Fold | None = field(default=None, eq=False, repr=False)

    @cached_property
    def below(self) -> Sequence[Sequence[int]]:
        """The children of each row, in order; the whole is row 0, and ``nodes[i]`` row i + 1."""
        return children([-1, *(node.row.parent for node in self.nodes)])

    @cached_property
    def stages(self) -> Mapping[str, Metrics]:
        """The metrics of each stage."""
        return {node.row.path: node.metrics for node in self.nodes if node.row.parent == 0}


def estimate(
    program: Program, values: Values, details: Program | None = None, *, only: Collection[str] | None = None
) -> Estimate:
    """Evaluate a model: exact ints wherever the inputs are whole; without details their metrics are left out.

    ``only`` are the metrics that are asked for, all if left out; others then do not exist.
    """
    fold = run_program(program, values.numbers, details)
    # Metrics whose columns are there; ratios are worked out when a node is read.
    there, known = fold.leaves.columns.keys(), load_metrics().values()
    made = (metric for metric in known if metric.kind not in _READ and (only is None or metric.name in only))
    columns = {metric.name: fold.column(metric.name) for metric in made if set(columns_of(metric)) <= there}
    columns = {name: column for name, column in columns.items() if not values.claims.lacking(name)}
    check_counts(fold)
    calls, labels = fold.leaves.columns[CALLS], labels_of(fold.leaves)
    whole, *nodes = (
        NodeNumbers(
            row=row,
            calls=arithmetic.whole(calls[index]),
            label=labels[index][0],
            module=labels[index][1],
            added=_OfRow(columns, index),
        )
        for index, row in enumerate(fold.leaves.rows)
    )
    return Estimate(values=values, total=whole.metrics, nodes=tuple(nodes), fold=fold)


def check_counts(fold: Fold) -> None:
    """Refuse numbers that a file's formulas must not give: a guard that is neither 0 nor 1, less than nothing."""
    rows, columns = fold.leaves.rows, fold.leaves.columns
    for row, runs, calls in zip(rows, columns[RUNS], columns[CALLS], strict=True):
        if runs not in (0, 1):
            raise UserError(f"{row.path}: its guard 'when' is {runs} here; a guard is 0 or 1, as tokens > 0 is")
        if calls < 0:
            raise UserError(f"{row.path}: {calls} calls; see what 'repeat' and 'with' give it and those above it")
    for name, unit in _NEVER_LESS.items():
        # What an operator counts is its own; nothing stands below it.
        amounts = fold.column(name) if name == "parameters" else columns[name]
        for row, amount in zip(rows, amounts, strict=True):
            if amount < 0 and (row.aten or name == "parameters"):
                raise UserError(f"{row.path}: {arithmetic.whole(amount)} {unit}; see what 'with' and 'repeat' give it")


def complete(added: Metrics) -> Metrics:
    """Bring metrics into the order of the registry: ratios worked out, what does not exist None."""
    plain, ratios = _registry()
    result = {name: None if (value := added.get(name)) is None else arithmetic.whole(value) for name in plain}
    for name, formula in ratios:
        result[name] = None if (value := quotient(formula, added, arithmetic)) is None else arithmetic.whole(value)
    return result


@cache
def _registry() -> tuple[tuple[str, ...], tuple[tuple[str, Expression], ...]]:
    """Return the names of all metrics, and the formulas of ratios."""
    ratios = (metric for metric in load_metrics().values() if metric.kind == "ratio")
    return tuple(load_metrics()), tuple((ratio.name, ratio.formula) for ratio in ratios if ratio.formula)


def beside_operators(result: Estimate) -> list[NodeNumbers]:
    """Return what layers have the GPU do themselves, which no operator shows, as nodes of their own."""
    names = [name for name, metric in load_metrics().items() if metric.kind in ("flow", "time")]
    nodes, beside = result.nodes, []
    for index, node in enumerate(nodes, start=1):
        if node.row.aten:
            continue
        children = [nodes[child - 1].added for child in result.below[index]]
        left = {name: _less(node.added.get(name), [child.get(name) for child in children]) for name in names}
        if any(left.values()):
            beside.append(evolve(node, added=left))
    return beside


def _less(whole: Any, parts: Sequence[Any]) -> Any:
    """Take parts from a whole; what floats leave of nothing is nothing."""
    if whole is None:
        return None
    left = whole - sum(part for part in parts if part is not None)
    return left if abs(left) > _ROUNDING * abs(whole) else 0


def with_fused_traffic(result: Estimate) -> Estimate:
    """Read compulsory bytes in place of those that the launched operators move; times stay as they are."""

    def fused(metrics: Metrics) -> Metrics:
        return {**metrics, "forward_io_bytes": metrics["forward_fused_io_bytes"]}

    nodes = tuple(evolve(node, added=fused(node.added)) for node in result.nodes)
    return evolve(result, total=complete(fused(result.total)), nodes=nodes, traffic="fused")


def sum_estimates(parts: Sequence[tuple[Estimate, int]]) -> Estimate:
    """Add up estimates of one model at several workloads, each with how often it counts.

    Flows, compulsory bytes, times and calls add up; stocks and peaks are the largest one, and so are lower bounds: no
    workload waits for another one. Latencies are those of a request each, so that there are none of all together.
    Values are those of the first part, warnings those of all.
    """
    first = parts[0][0]
    nodes = tuple(
        NodeNumbers(
            row=node.row,
            calls=arithmetic.whole(sum(part.nodes[index].calls * count for part, count in parts)),
            label=node.label,
            module=node.module,
            added=_added([(part.nodes[index].added, count) for part, count in parts]),
        )
        for index, node in enumerate(first.nodes)
    )
    total = complete(_added([(part.total, count) for part, count in parts]))
    warnings = dict.fromkeys(said for part, _ in parts for said in part.values.warnings)
    return Estimate(values=evolve(first.values, warnings=tuple(warnings)), total=total, nodes=nodes)


def _added(parts: Sequence[tuple[Metrics, int]]) -> Metrics:
    sums: dict[str, Any] = {}
    for name, metric in load_metrics().items():
        if any(metrics.get(name) is None for metrics, _ in parts):
            continue
        if metric.kind in ADDING:
            sums[name] = sum(metrics[name] * count for metrics, count in parts)
        elif metric.kind in LARGEST:
            sums[name] = max(metrics[name] for metrics, _ in parts)
    return sums
