"""What there is to add up: the rows of a tree, and by metric what each itself brings."""

from collections.abc import Container, Mapping, Sequence
from types import ModuleType
from typing import Any

from dsocr_symbolic.language.expression import Expression
from dsocr_symbolic.records import frozen

RUNS = "runs"
FIRST, LAST = "first", "last"
EDGES, REQUIRED = "edge_bytes", "required_bytes"
SIZES, SAVED, PHASES = "sizes", "saved", "phases"
GAPS = "gaps"
STOCKS, BESIDE, OWN = "stocks", "beside", "own"
PerRow = Sequence[Any]


@frozen(kw_only=True)
class Row:
    """A node of the tree without its formulas.

    Attributes
    ----------
    path, stem, module, layer, class_name, stage, category : str
        Where it stands and what it is; ``stem`` is what stands before the numbers of a numbered name; ``layer`` is the
        formula's file below formulas/layers or operators/NAME.
        A layer has a category only where all of its operators share it.
    parent : int
        Index of the parent; -1 for the whole, which is the first row.
    aten : str
        The aten operator that an operator launches; empty for layers.
    trains, stepped, waits : bool
        Whether it has a backward, whether it repeats over decode steps, and whether the host waits for what it runs
        itself.
    """

    path: str
    stem: str
    module: str | None
    layer: str
    class_name: str
    stage: str
    category: str | None
    parent: int
    aten: str
    trains: bool
    stepped: bool = False
    waits: bool = False


@frozen(kw_only=True, eq=False)
class Leaves:
    """What there is to add up, in any algebra.

    Attributes
    ----------
    rows : tuple of Row
        The whole first, parents before children.
    columns : mapping of str to sequence of Value
        By metric, for a flow or time what each row launches itself, for a stock what each distinct one is; calls,
        runs (1 if its own guard lets a row run, else 0), first and last number of a numbered row's name, edge and
        required bytes of each row; seconds that the host spends on a row's own launches, and that the GPU pauses
        between its kernels and before a replay; bytes of each size and saved storage; seconds of each phase.
    members : mapping of str to sequence of tuple of int
        For each row the distinct stocks at or below it in their last state, the sizes of tensors that live while it
        runs (those its caller keeps beside it, and an operator's own), the storages saved at or below it.
    phases, latencies : sequence of tuple of str, mapping of str to Expression
        Paths of what overlaps, of a phase of several parts each beginning; formulas of the stages' times.
    scope, algebra : mapping of str to Value, module
        The network's symbols, and where values are from.
    uncounted : container of str
        Metrics that the network's file does not claim to count.
    """

    rows: Sequence[Row]
    columns: Mapping[str, Sequence[Any]]
    members: Mapping[str, Sequence[Sequence[int]]]
    phases: Sequence[tuple[str, ...]]
    latencies: Mapping[str, Expression]
    scope: Mapping[str, Any]
    algebra: ModuleType
    uncounted: Container[str] = ()
