"""The one fold: what each kind of metric is, over the rows of a tree, in any algebra."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from types import ModuleType
from typing import Any

from attrs import field

from dsocr_symbolic.language.expression import evaluate, names, of_running
from dsocr_symbolic.language.registry import Metric, load_metrics
from dsocr_symbolic.network.per_row import RowByRow
from dsocr_symbolic.network.rows import (
    BESIDE,
    EDGES,
    GAPS,
    OWN,
    PHASES,
    REQUIRED,
    RUNS,
    SAVED,
    SIZES,
    STOCKS,
    Leaves,
    PerRow,
    Row,
)
from dsocr_symbolic.network.serving import FORWARD, held, quotient
from dsocr_symbolic.network.timeline import CALLS, DEVICE, HOST, REPEATS, REPLAYS, Line, Longer, walls
from dsocr_symbolic.records import frozen


def columns_of(metric: Metric) -> tuple[str, ...]:
    """Return the columns that a metric is made of; nothing for one that is made of other metrics."""
    match metric.kind:
        case "flow" | "time":
            return (metric.name,)
        case "stock":
            return (SAVED if metric.takes == SAVED else metric.name,)
        case "boundary":
            return EDGES, REQUIRED
        case "peak":
            return RUNS, SIZES
        case "bound":
            return (PHASES,)
        case "wall":
            return metric.of, HOST, GAPS, REPLAYS, REPEATS, CALLS
        case "server":
            return (FORWARD,)
    return ()


def is_detail(metric: Metric) -> bool:
    """Say whether most questions leave a metric out: compulsory bytes, and what a training step adds to stocks."""
    if metric.kind == "boundary" or metric.term:
        return True
    return metric.step != "" and (metric.kind in ("flow", "time") or metric.takes == SAVED)


def of_training(metric: Metric) -> bool:
    """Say whether a metric, or one that it is made of, is read from the training step of calls."""
    return any(each.step and (each.kind in ("flow", "time") or each.takes == SAVED) for each in _made_of(metric))


def needs_details(metric: Metric) -> bool:
    """Say whether a metric is, or is made of, what most questions leave out."""
    return any(map(is_detail, _made_of(metric)))


def _made_of(metric: Metric) -> Iterator[Metric]:
    """Yield a metric and those that it is made of."""
    yield metric
    known = load_metrics()
    inside = {*(names(metric.formula) if metric.formula else ()), metric.takes, metric.of} & known.keys()
    for name in inside - {metric.name}:
        yield from _made_of(known[name])


def children(parents: Sequence[int]) -> list[list[int]]:
    """Return the rows below each row; the whole has no parent, -1."""
    below: list[list[int]] = [[] for _ in parents]
    for index, parent in enumerate(parents):
        if parent >= 0:
            below[parent].append(index)
    return below


def added_up(values: Sequence[Any], below: Sequence[Sequence[int]], algebra: ModuleType) -> PerRow:
    """Add values up from the operators to the whole."""

    def of(index: int) -> Any:
        # Most rows are operators, which have nothing below.
        inside = [totals[child] if below[child] else values[child] for child in reversed(below[index])]
        return algebra.total((values[index], *inside)) if inside else values[index]

    totals = RowByRow(len(values), of)
    return totals


@frozen(eq=False)
class Fold:
    """The metrics of all rows, each worked out when it is first asked for."""

    leaves: Leaves
    m_columns: dict[str, PerRow] = field(init=False, factory=dict)

    @cached_property
    def below(self) -> Sequence[Sequence[int]]:
        """The children of each row, in order."""
        return children([row.parent for row in self.leaves.rows])

    def column(self, name: str) -> PerRow:
        """Return a metric of each row; None where it does not exist."""
        if name not in self.m_columns:
            metric = load_metrics()[name]
            counted = name not in self.leaves.uncounted
            self.m_columns[name] = _KINDS[metric.kind](self, metric) if counted else [None] * len(self.leaves.rows)
        return self.m_columns[name]

    def owned(self, name: str, index: int) -> Any:
        """Return a stock of one row: what distinct modules at or below it own, each once."""
        values = self.leaves.columns[name]
        return self.leaves.algebra.total(values[place] for place in self.leaves.members[STOCKS][index])

    def added(self, values: Sequence[Any]) -> PerRow:
        """Add up from the operators to the whole."""
        return added_up(values, self.below, self.leaves.algebra)

    @property
    def inside(self) -> Sequence[Any]:
        """Peak bytes of live activations in one call of each row: an operator's own, a layer's worst moment."""
        return self._peaks[0]

    @property
    def around(self) -> Sequence[Any]:
        """The same with what the caller keeps meanwhile; nothing inside if the call never runs."""
        return self._peaks[1]

    @cached_property
    def _peaks(self) -> tuple[list[Any], list[Any]]:
        leaves, algebra = self.leaves, self.leaves.algebra
        sizes, runs = leaves.columns[SIZES], leaves.columns[RUNS]
        nothing = algebra.total(())
        inside, around = (
            [algebra.total([sizes[place] for place in each]) if each else nothing for each in leaves.members[name]]
            for name in (OWN, BESIDE)
        )
        for index in range(len(inside) - 1, -1, -1):
            if below := self.below[index]:
                inside[index] = algebra.highest(around[child] for child in below)
            around[index] = runs[index] * inside[index] + around[index]
        return inside, around


def _flow(fold: Fold, metric: Metric) -> PerRow:
    """Add over every launch."""
    totals = fold.added(fold.leaves.columns[metric.name])
    return _of_training(fold, totals) if metric.step else totals


def _stock(fold: Fold, metric: Metric) -> PerRow:
    """Count what modules own, or a step saves, once."""
    leaves = fold.leaves
    if metric.takes == SAVED:
        sizes = leaves.columns[SAVED]
        members = leaves.members[SAVED]

        def own(index: int) -> Any:
            return leaves.algebra.total(sizes[place] for place in members[index])
    else:

        def own(index: int) -> Any:
            return fold.owned(metric.name, index)

    totals = RowByRow(len(leaves.rows), own)
    return _of_training(fold, totals) if metric.step else totals


def _of_training(fold: Fold, totals: Sequence[Any]) -> PerRow:
    """Leave out what has no backward."""
    rows = fold.leaves.rows
    return RowByRow(len(rows), lambda index: totals[index] if rows[index].trains else None)


def _wall(fold: Fold, metric: Metric) -> PerRow:
    """Let host and GPU go side by side between waits."""
    assert metric.formula is not None  # noqa: S101 - the registry gives it
    leaves = fold.leaves
    scope = {name: leaves.scope[name] for name in names(metric.formula) if name in leaves.scope}
    device = [sum(both) for both in zip(leaves.columns[metric.of], leaves.columns[GAPS], strict=True)]
    return walls(
        [Line(waits=row.waits, steps=_is_stepped(leaves.rows, row)) for row in leaves.rows],
        fold.below,
        {name: leaves.columns[name] for name in (CALLS, HOST, REPLAYS, REPEATS)} | {DEVICE: device},
        Longer(formula=metric.formula, scope=scope, algebra=leaves.algebra),
    )


def _is_stepped(rows: Sequence[Row], row: Row) -> bool:
    """Say whether a row itself repeats over steps."""
    return row.stepped and not rows[row.parent].stepped


def _boundary(fold: Fold, metric: Metric) -> PerRow:
    """Add what a call's edge moves to its weights and cache; stages hand one another what is moved, too."""
    leaves = fold.leaves
    edges, required = leaves.columns[EDGES], fold.added(leaves.columns[REQUIRED])
    moved: list[Any] = [
        own if row.aten else edge + inside
        for row, own, edge, inside in zip(leaves.rows, fold.column(metric.takes), edges, required, strict=True)
    ]
    moved[0] = leaves.algebra.total(moved[stage] for stage in fold.below[0])
    return moved


def _bound(fold: Fold, _: Metric) -> PerRow:
    """Add up the phases at or below a row; of a phase of several parts each has what it adds to those before it."""
    leaves = fold.leaves
    seconds = dict(zip(leaves.phases, leaves.columns[PHASES], strict=True))

    def is_inside(path: str, row: Row) -> bool:
        return row.parent < 0 or path == row.path or path.startswith(f"{row.path}/")

    def of(row: Row) -> Any:
        added = [value for phase, value in seconds.items() if is_inside(phase[-1], row)]
        before = [-seconds[phase[:-1]] for phase in seconds if is_inside(phase[-1], row) and phase[:-1]]
        return leaves.algebra.total((*added, *before)) if added else None

    return RowByRow(len(leaves.rows), lambda index: of(leaves.rows[index]))


def _peak(fold: Fold, _: Metric) -> PerRow:
    """Return what lives inside one call; nothing where no guard lets it run."""
    leaves, runs = fold.leaves, list(fold.leaves.columns[RUNS])
    for index, row in enumerate(leaves.rows):
        if row.parent > 0:
            runs[index] *= runs[row.parent]
    return [ran * inside for ran, inside in zip(runs, fold.inside, strict=True)]


def _memory(fold: Fold, metric: Metric) -> PerRow:
    """Add up what is resident at the worst moment of each stage, and of the whole."""
    assert metric.formula is not None  # noqa: S101 - the registry gives it
    leaves = fold.leaves
    resident: list[Any] = [None] * len(leaves.rows)
    whole = {"resident_weight_bytes": fold.owned("forward_weight_bytes", 0)}
    for stage in fold.below[0]:
        cache = fold.owned("forward_kv_cache_bytes", stage)
        scope = {**whole, "forward_kv_cache_bytes": cache, "live_activation_bytes": fold.around[stage]}
        resident[stage] = evaluate(metric.formula, scope, leaves.algebra)
    resident[0] = leaves.algebra.highest(resident[stage] for stage in fold.below[0])
    return resident


def _latency(fold: Fold, metric: Metric) -> PerRow:
    """Evaluate a formula of the stages' times, which the whole alone has."""
    leaves = fold.leaves
    latencies: list[Any] = [None] * len(leaves.rows)
    if metric.latency in leaves.latencies:
        formula, times = leaves.latencies[metric.latency], fold.column(metric.of)
        used = names(formula)
        stages = {leaves.rows[stage].path: times[stage] for stage in fold.below[0] if leaves.rows[stage].path in used}
        running = of_running(formula, frozenset(stages))
        latencies[0] = quotient(running, {**leaves.scope, **stages}, leaves.algebra)
    return latencies


def _ratio(fold: Fold, metric: Metric) -> PerRow:
    """Divide metrics."""
    assert metric.formula is not None  # noqa: S101 - the registry gives it
    parts = {name: fold.column(name) for name in names(metric.formula)}
    formula, algebra = metric.formula, fold.leaves.algebra

    def of(index: int) -> Any:
        return quotient(formula, {name: values[index] for name, values in parts.items()}, algebra)

    return RowByRow(len(fold.leaves.rows), of)


def _server(fold: Fold, metric: Metric) -> PerRow:
    """Say what a server holds, which the whole alone has."""
    return [held(fold, metric.takes).get(metric.takes), *[None] * (len(fold.leaves.rows) - 1)]


_KINDS: Mapping[str, Callable[[Fold, Metric], PerRow]] = {
    "flow": _flow,
    "time": _flow,
    "stock": _stock,
    "boundary": _boundary,
    "peak": _peak,
    "bound": _bound,
    "wall": _wall,
    "memory": _memory,
    "latency": _latency,
    "ratio": _ratio,
    "server": _server,
    "null": lambda fold, _: [None] * len(fold.leaves.rows),
}
