"""The sheets Nodes and Tensors: what every node costs, and what distinct modules own.

Operators are formulas of the symbols; a layer adds up its children. Stocks stand on Tensors, a line per tensor
and place that declares it, and a node adds up the distinct tensors below it, each in its last state.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import sympy
from attrs import frozen

from dsocr_symbolic.evaluation.estimate import Estimate
from dsocr_symbolic.language.registry import Metric, load_metrics
from dsocr_symbolic.network.fold import CALLS, STOCKS, Fold, Row
from dsocr_symbolic.network.leaves import leaves_of, stocks_of
from dsocr_symbolic.network.node import Node, Stock, walk
from dsocr_symbolic.reports.spreadsheet.cells import Cell, Column, Line, Look, Sheet, Weight, row_ranges
from dsocr_symbolic.reports.spreadsheet.excel_formula import Piece, Printer

NODES, TENSORS = "Nodes", "Tensors"


COLUMN_METRICS = (
    "forward_tensor_core_flops",
    "forward_cuda_core_flops",
    "forward_io_bytes",
    "operator_launches",
    "parameters",
    "forward_weight_bytes",
    "forward_kv_cache_bytes",
    "roofline_s",
)


_ABOUT = (
    Column(title="node", width=36),
    Column(title="layer", width=26),
    Column(title="class", width=26),
    Column(title="category", width=14),
    Column(title="calls", width=9, numbers=True),
)


_PATH = Column(title="path", width=60)


CATEGORY, FIRST_METRIC = 3, len(_ABOUT)


_ABOUT_TENSOR = (Column(title="tensor", width=66), Column(title="declared by", width=56))


_FIRST_ROW = 2


_NUMBER_WIDTH = 26


@frozen(kw_only=True)
class Tally:
    """A tree and its numbers, row by row: the whole first, then every node, parents before children.

    Attributes
    ----------
    fold : Fold
        The rows and their formulas.
    calls : tuple of int
        The calls of each row now.
    numbers : tuple of mapping of str to number
        The metrics of each row now.
    stocks : tuple of (Node, Stock)
        Every stock and the node that declares it.
    """

    fold: Fold
    calls: tuple[Any, ...]
    numbers: tuple[Mapping[str, Any], ...]
    stocks: tuple[tuple[Node, Stock], ...]

    @property
    def rows(self) -> Sequence[Row]:
        """What each row is."""
        return self.fold.leaves.rows


def make_tally(stages: tuple[Node, ...], result: Estimate) -> Tally:
    """Bring a tree and its numbers together."""
    return Tally(
        fold=Fold(leaves_of(stages)),
        calls=(1, *(node.calls for node in result.nodes)),
        numbers=(result.total, *(node.metrics for node in result.nodes)),
        stocks=tuple(stocks_of(walk(stages))),
    )


def column_metrics() -> list[Metric]:
    """Return the metrics that have a column on Nodes, in order."""
    metrics = load_metrics()
    return [metrics[name] for name in COLUMN_METRICS]


def nodes_sheet(tally: Tally, printer: Printer) -> Sheet:
    """Lay out a line per node, the total first.

    Parameters
    ----------
    tally : Tally
        The tree and its numbers.
    printer : Printer
        Of the workbook.

    Returns
    -------
    Sheet
        The line of ``tally.rows[i]`` is row i + 2.
    """
    formulas = _Formulas(tally, printer)
    lines = []
    for index, row in enumerate(tally.rows):
        name = row.path.rpartition("/")[2] or "total"
        category = row.category if row.aten else None
        cells = [Cell(content=each) for each in (name, row.layer, row.class_name, category or "")]
        cells.append(_number_cell(formulas.calls(index), tally.calls[index], "whole"))
        for metric in column_metrics():
            look: Look = "seconds" if metric.kind == "time" else "whole"
            cells.append(_number_cell(formulas.metric(index, metric), tally.numbers[index][metric.name], look))
        cells.append(Cell(content=row.path))
        lines.append(Line(cells=tuple(cells), depth=row.path.count("/") + 1 if row.path else 0, weight=_weight(row)))
    columns = (*_ABOUT, *(_metric_column(each) for each in column_metrics()), _PATH)
    return Sheet(name=NODES, columns=columns, lines=tuple(lines), frozen_lines=1, frozen_columns=1)


def tensors_sheet(tally: Tally, printer: Printer) -> Sheet:
    """Lay out a line per stock; that of ``tally.stocks[i]`` is row i + 2."""
    lines = []
    columns = [tally.fold.leaves.columns[metric.name] for metric in _stock_metrics()]
    for place, (node, stock) in enumerate(tally.stocks):
        pieces = [printer.piece(sympy.sympify(column[place])) for column in columns]
        cells = [_number_cell(piece, piece.value, "whole") for piece in pieces]
        lines.append(Line(cells=(Cell(content=stock.key), Cell(content="/".join(node.path)), *cells)))
    shown = (*_ABOUT_TENSOR, *(_metric_column(each) for each in _stock_metrics()))
    return Sheet(name=TENSORS, columns=shown, lines=tuple(lines), frozen_columns=1)


class _Formulas:
    """What gives the numbers of each node: symbols, other rows of Nodes, or rows of Tensors."""

    def __init__(self, tally: Tally, printer: Printer) -> None:
        self.m_tally = tally
        self.m_printer = printer
        self.m_leaves = tally.fold.leaves

    def calls(self, index: int) -> Piece:
        return self.m_printer.piece(sympy.sympify(self.m_leaves.columns[CALLS][index]))

    def metric(self, index: int, metric: Metric) -> Piece:
        if metric.kind == "stock":
            return self._sum_of_stocks(index, metric)
        if not self.m_tally.rows[index].aten:
            return self._sum_of_children(index, metric)
        return self.m_printer.piece(sympy.sympify(self.m_leaves.columns[metric.name][index]))

    def _sum_of_children(self, index: int, metric: Metric) -> Piece:
        tally = self.m_tally
        values = {_FIRST_ROW + child: tally.numbers[child][metric.name] for child in tally.fold.below[index]}
        return self._sum("", FIRST_METRIC + column_metrics().index(metric), values)

    def _sum_of_stocks(self, index: int, metric: Metric) -> Piece:
        """Add up distinct tensors; those that add nothing, such as a cache to parameters, are left out."""
        column = self.m_leaves.columns[metric.name]
        owned = {place: column[place] for place in self.m_leaves.members[STOCKS][index]}
        values = {_FIRST_ROW + place: self.m_printer.piece(size).value for place, size in owned.items() if size != 0}
        return self._sum(f"{TENSORS}!", len(_ABOUT_TENSOR) + _stock_metrics().index(metric), values)

    def _sum(self, sheet: str, column: int, values: Mapping[int, Any]) -> Piece:
        """Add up rows of a column; `values` are their numbers now."""
        if not values:
            return self.m_printer.piece(sympy.S.Zero)
        ranges = row_ranges(column, values)
        parts = [Piece(text=f"{sheet}{text}", value=sum(values[row] for row in rows)) for text, rows in ranges]
        return self.m_printer.total(parts)


def _stock_metrics() -> list[Metric]:
    return [each for each in column_metrics() if each.kind == "stock"]


def _metric_column(metric: Metric) -> Column:
    return Column(title=f"{metric.name}\n[{metric.unit}]", width=_NUMBER_WIDTH, numbers=True)


def _weight(row: Row) -> Weight:
    if row.parent == -1:
        return "total"
    return "stage" if row.parent == 0 else "operator" if row.aten else "layer"


def _number_cell(piece: Piece, number: Any, look: Look) -> Cell:
    """Show a piece; one without symbols or cells is a plain number."""
    return Cell(content=number, formula="" if piece.text.isdigit() else piece.text, look=look)
