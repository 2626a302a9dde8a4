"""What a tree gives to the fold: its rows, and each column of values when it is first asked for."""

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from functools import cached_property
from types import ModuleType
from typing import Any

from attrs import frozen

from dsocr_symbolic.algebras import symbolic
from dsocr_symbolic.algebras.value import Expr
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import EMPTY
from dsocr_symbolic.language.registry import Metric, load_metrics
from dsocr_symbolic.language.time_formula import load_bound, load_time
from dsocr_symbolic.network.dataflow import Conditions, any_of, of_storages
from dsocr_symbolic.network.flows import (
    boundaries,
    gap_seconds,
    handed_on,
    host_seconds,
    launch_seconds,
    over_steps,
    phase_seconds,
    replay_seconds,
    total_calls,
)
from dsocr_symbolic.network.fold import Fold
from dsocr_symbolic.network.kernel_seconds import seconds_of
from dsocr_symbolic.network.liveness import Memory, forward_bytes, memory
from dsocr_symbolic.network.node import Node, Stock, Storage, Storages, walk
from dsocr_symbolic.network.node_rows import rows_of
from dsocr_symbolic.network.rows import BESIDE, OWN, Leaves, Row
from dsocr_symbolic.network.timeline import DEVICE


@frozen(kw_only=True, eq=False)
class Whole:
    """The tree that nodes are part of, for metrics that depend on what stands around them."""

    definition: Definition
    stages: tuple[Node, ...]

    @cached_property
    def nodes(self) -> Mapping[str, tuple[Node, ...]]:
        """The nodes of every path; the whole, at ``""``, is all stages."""
        return {"": self.stages} | {"/".join(node.path): (node,) for node in walk(self.stages)}

    @cached_property
    def memory(self) -> Mapping[tuple[str, ...], Memory]:
        """The memory of every call."""
        return memory(self.stages)

    @cached_property
    def fold(self) -> Fold:
        """Every metric of every node."""
        return Fold(leaves_of(self.stages, whole=self))

    @cached_property
    def scope(self) -> Mapping[str, Expr]:
        """Every symbol of the network, standing for itself."""
        return {name: symbolic.symbol(name) for name in self.definition.quantities}


def metric_expression(nodes: tuple[Node, ...], metric: str, whole: Whole | None = None) -> Expr | None:
    """Return a metric of one node, or of all stages, as a sympy expression with every symbol free.

    None for a metric that does not exist there; without the whole that is so of bounds, peaks and latencies.
    """
    kind = load_metrics()[metric].kind
    if whole is None and kind in ("peak", "bound", "wall", "memory", "latency", "server"):
        return None
    if whole is not None and nodes == whole.stages:
        return whole.fold.column(metric)[0]
    if whole is not None and kind in ("peak", "memory", "latency", "server"):
        path = "/".join(nodes[0].path)
        return next(
            value
            for row, value in zip(whole.fold.leaves.rows, whole.fold.column(metric), strict=True)
            if row.path == path
        )
    return Fold(leaves_of(nodes, whole=whole)).column(metric)[int(len(nodes) == 1)]


def leaves_of(nodes: tuple[Node, ...], *, whole: Whole | None = None, algebra: ModuleType = symbolic) -> Leaves:
    """Lay a tree out in rows; phases, sizes and latencies are those of the whole that it is part of."""
    rows = tuple(rows_of(nodes))
    placed = _Placed(rows=rows, nodes=tuple(walk(nodes)), stages=nodes, whole=whole)
    inside = {row.path for row in rows} if whole is not None else set()
    return Leaves(
        rows=rows,
        columns=_Lazily(placed.column),
        members=_Lazily(placed.member),
        phases=[part for phase in whole.definition.phases for part in _beginnings(phase, inside)] if whole else (),
        latencies=EMPTY if whole is None else whole.definition.latencies,
        scope=EMPTY if whole is None else whole.scope,
        algebra=algebra,
        uncounted=whole.definition.uncounted if whole else (),
    )


class _Lazily(dict[str, Sequence[Any]]):
    """Columns by name, worked out when one is first asked for."""

    def __init__(self, make: Callable[[str], Sequence[Any]]) -> None:
        super().__init__()
        self.m_make = make

    def __missing__(self, name: str) -> Sequence[Any]:
        self[name] = self.m_make(name)
        return self[name]


@frozen(kw_only=True, eq=False)
class _Placed:
    """Rows with their nodes, and what each column of them holds."""

    rows: tuple[Row, ...]
    nodes: tuple[Node, ...]
    stages: tuple[Node, ...]
    whole: Whole | None

    def column(self, name: str) -> Sequence[Any]:
        match name:
            case "calls":
                return [1, *(total_calls(node) for node in self.nodes)]
            case "runs":
                return [1, *(node.runs for node in self.nodes)]
            case "first" | "last":
                place = ("first", "last").index(name)
                return [0, *(node.numbers[place] if node.numbers else 0 for node in self.nodes)]
            case "edge_bytes":
                edges = boundaries(self.stages)
                ports = (edges[node.path].moved if node.path in edges else 0 for node in self.nodes)
                return [0, *(over_steps(node, moved) for node, moved in zip(self.nodes, ports, strict=True))]
            case "required_bytes":
                return [0, *(over_steps(node, node.required.moved) for node in self.nodes)]
            case "sizes":
                return list(self.lives[1])
            case "saved":
                return [size for _, size in self.saves[1]]
            case "phases":
                return self._phases()
            case "forward":
                if not self.whole:
                    return []
                fold = self.whole.fold
                return forward_bytes(self.whole.definition, map(fold.around.__getitem__, fold.below[0]))
            case "host":
                return [0, *map(host_seconds, self.nodes)]
            case "gaps":
                return [0, *map(gap_seconds, self.nodes)]
            case "replays":
                return [0, *map(replay_seconds, self.nodes)]
            case "repeats":
                return [1, *(node.repeats for node in self.nodes)]
        metric = load_metrics()[name]
        if metric.kind == "stock":
            return [getattr(stock, metric.takes) for _, stock in stocks_of(self.nodes)]
        return [0, *(_launched(node, metric) for node in self.nodes)]

    def member(self, name: str) -> Sequence[Sequence[int]]:
        match name:
            case "stocks":
                return self._owning()
            case "saved":
                return self.saves[0]
        return self.lives[0][name]

    def _owning(self) -> Sequence[Sequence[int]]:
        """Return the places of distinct stocks at or below each row: of equal keys the last one declared."""
        owned: list[dict[str, int]] = [{} for _ in self.rows]
        place = 0
        for index, node in enumerate(self.nodes, start=1):
            for stock in node.stocks:
                above = index
                while above >= 0:
                    owned[above][stock.key] = place
                    above = self.rows[above].parent
                place += 1
        return [tuple(places.values()) for places in owned]

    @cached_property
    def lives(self) -> tuple[Mapping[str, Sequence[Sequence[int]]], Sequence[Expr]]:
        """The sizes of what lives beside each row and of an operator's own, each size once."""
        assert self.whole is not None  # noqa: S101 - peaks are asked of a whole alone
        sizes: dict[Expr, int] = {}
        beside: list[tuple[int, ...]] = [()]
        own: list[tuple[int, ...]] = [()]
        for node in self.nodes:
            around = self.whole.memory[node.path]
            beside.append(tuple(sizes.setdefault(size, len(sizes)) for size in around.beside))
            own.append(tuple(sizes.setdefault(size, len(sizes)) for size in around.own))
        return {BESIDE: beside, OWN: own}, list(sizes)

    @cached_property
    def saves(self) -> tuple[Sequence[Sequence[int]], Sequence[tuple[Storage, Expr]]]:
        """The storages saved at or below each row with their bytes: conditions join on the way up."""
        places: dict[tuple[Storage, Expr], int] = {}
        saved: list[Sequence[int]] = []

        def visit(nodes: tuple[Node, ...], own: Storages) -> Conditions:
            index = len(saved)
            saved.append(())
            below = [visit(node.children, _saved(node)) for node in nodes]
            inside = ((condition, storage) for child in below for storage, condition in child.items())
            conditions = any_of((*own, *inside))
            saved[index] = tuple(places.setdefault(size, len(places)) for size in _sizes(conditions).items())
            return conditions

        visit(self.stages, ())
        return saved, list(places)

    def _phases(self) -> Sequence[Expr]:
        assert self.whole is not None  # noqa: S101 - bounds are asked of a whole alone
        definition, by_path = self.whole.definition, {"/".join(node.path): node for node in self.nodes}
        edges, bound = boundaries(self.stages), load_bound()
        known = definition.quantities.items()
        standing = [(quantity.in_bounds_for, name) for name, quantity in known if quantity.group != "machine"]
        fewest = {symbolic.symbol(base): symbolic.symbol(name) for base, name in standing if base}
        seconds = []
        for whole in definition.phases:
            between = handed_on([by_path[path] for path in whole if path in by_path])
            parts = ([by_path[path] for path in phase] for phase in _beginnings(whole, by_path))
            seconds += [phase_seconds(part, edges, between, bound, fewest) for part in parts]
        return seconds


def _beginnings(phase: tuple[str, ...], paths: Container[str]) -> Sequence[tuple[str, ...]]:
    """Return the first of a phase's paths that there are, the first two, and so on to all."""
    inside = tuple(path for path in phase if path in paths)
    return [inside[: place + 1] for place in range(len(inside))]


def stocks_of(nodes: Iterable[Node]) -> list[tuple[Node, Stock]]:
    """Return every stock with the node that declares it, in the order of the rows."""
    return [(node, stock) for node in nodes for stock in node.stocks]


def _launched(node: Node, metric: Metric) -> Expr:
    """Return what an operator launches itself, over all its calls and steps."""
    step = node.training if metric.step else node
    if step is None:
        return 0
    if metric.takes == DEVICE:
        return step.calls * seconds_of(step.kernels, step.steps, node.path, metric.term)
    if metric.takes == "kernels":
        return over_steps(step, symbolic.total(kernel.runs for kernel in step.kernels))
    if step.launch is None:
        return 0
    if metric.kind == "time":
        return node.calls * launch_seconds(step.launch, step.steps, load_time(metric.takes), node.path)
    if metric.takes == "launches":
        return total_calls(step)
    return over_steps(step, getattr(step.launch, metric.takes))


def saved_storages(nodes: tuple[Node, ...]) -> dict[Storage, Expr]:
    """Return every storage that nodes save in a training step, weights left out, with its bytes over all calls."""
    return _sizes(of_storages(_saved(node) for node in walk(nodes)))


def _saved(node: Node) -> Storages:
    """Return what an operator saves, weights left out: they are there anyway."""
    saved = node.training.saved if node.training else ()
    return tuple((condition, storage) for condition, storage in saved if storage.kind != "weight")


def _sizes(conditions: Conditions) -> dict[Storage, Expr]:
    return {storage: condition * storage.size * storage.copies for storage, condition in conditions.items()}
