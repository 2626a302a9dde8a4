"""The sheets Nodes and Tensors: what every node costs, and what distinct modules own.

Operators are formulas of the symbols; a layer adds up its children. Stocks stand on Tensors, a line per tensor
and place that declares it, and a node adds up the distinct tensors below it, each in its last state.
"""

from collections.abc import Mapping, Sequence

import sympy
from xlsxwriter.utility import xl_col_to_name

from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.evaluation.estimate import Estimate, Metrics
from dsocr_symbolic.language.registry import Metric, load_metrics
from dsocr_symbolic.network.fold import Fold
from dsocr_symbolic.network.node import Node, Stock
from dsocr_symbolic.network.rows import STOCKS, Row
from dsocr_symbolic.network.timeline import CALLS
from dsocr_symbolic.reports.spreadsheet.cells import (
    FIRST_ROW,
    Look,
    Sheet,
    SheetCell,
    SheetColumn,
    SheetLine,
    Weight,
    row_ranges,
)
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
    SheetColumn(title="node", width=36),
    SheetColumn(title="layer", width=26),
    SheetColumn(title="class", width=26),
    SheetColumn(title="category", width=14),
    SheetColumn(title="calls", width=9, numbers=True),
)
_PATH = SheetColumn(title="path", width=60)
CATEGORY, FIRST_METRIC = 3, len(_ABOUT)
_NAMES = [xl_col_to_name(place) for place in (CATEGORY, FIRST_METRIC)]
SUM_OF_ATTENTION = f'=SUMIF({NODES}!{_NAMES[0]}:{_NAMES[0]},"attention",{NODES}!{_NAMES[1]}:{_NAMES[1]})'
_ABOUT_TENSOR = (SheetColumn(title="tensor", width=66), SheetColumn(title="declared by", width=56))
_NUMBER_WIDTH = 26


def column_metrics() -> list[Metric]:
    """Return the metrics that have a column on Nodes, in order."""
    metrics = load_metrics()
    return [metrics[name] for name in COLUMN_METRICS]


def nodes_sheet(fold: Fold, result: Estimate, printer: Printer) -> Sheet:
    """Lay out a line per row of the fold, the total first: that of row i is row i + 2 of the sheet."""
    formulas = _Formulas(fold, (result.total, *(node.metrics for node in result.nodes)), printer)
    calls = (1, *(node.calls for node in result.nodes))
    labels = ("", *(node.label or node.row.path for node in result.nodes))
    lines = []
    for index, row in enumerate(fold.leaves.rows):
        about = (
            labels[index].rpartition("/")[2] or "total",
            row.layer,
            row.class_name,
            (row.aten and row.category) or "",
        )
        cells = [SheetCell(content=text) for text in about]
        cells.append(_number_cell(formulas.calls(index), calls[index], "whole"))
        for metric in column_metrics():
            look: Look = "seconds" if metric.kind == "time" else "whole"
            cells.append(_number_cell(formulas.metric(index, metric), formulas.numbers[index][metric.name], look))
        depth = row.path.count("/") + 1 if row.path else 0
        lines.append(SheetLine(cells=(*cells, SheetCell(content=labels[index])), depth=depth, weight=node_weight(row)))
    columns = (*_ABOUT, *(_metric_column(metric) for metric in column_metrics()), _PATH)
    return Sheet(name=NODES, columns=columns, lines=tuple(lines), frozen_lines=1, frozen_columns=1)


def tensors_sheet(fold: Fold, stocks: Sequence[tuple[Node, Stock]], printer: Printer) -> Sheet:
    """Lay out a line per stock of the fold and the node that declares it; that of stock i is row i + 2."""
    lines = []
    sizes = [fold.leaves.columns[metric.name] for metric in _stock_metrics()]
    for place, (node, stock) in enumerate(stocks):
        pieces = [printer.piece(sympy.sympify(column[place])) for column in sizes]
        cells = [_number_cell(piece, piece.value, "whole") for piece in pieces]
        about = (SheetCell(content=stock.key), SheetCell(content="/".join(node.path)))
        lines.append(SheetLine(cells=(*about, *cells)))
    columns = (*_ABOUT_TENSOR, *(_metric_column(metric) for metric in _stock_metrics()))
    return Sheet(name=TENSORS, columns=columns, lines=tuple(lines), frozen_columns=1)


class _Formulas:
    """What gives the numbers of each node: symbols, other rows of Nodes, or rows of Tensors."""

    def __init__(self, fold: Fold, numbers: Sequence[Metrics], printer: Printer) -> None:
        self.m_below, self.m_leaves = fold.below, fold.leaves
        self.numbers = numbers
        self.m_printer = printer

    def calls(self, index: int) -> Piece:
        return self.m_printer.piece(sympy.sympify(self.m_leaves.columns[CALLS][index]))

    def metric(self, index: int, metric: Metric) -> Piece:
        if metric.kind == "stock":
            return self._sum_of_stocks(index, metric)
        if not self.m_leaves.rows[index].aten:
            return self._sum_of_children(index, metric)
        return self.m_printer.piece(sympy.sympify(self.m_leaves.columns[metric.name][index]))

    def _sum_of_children(self, index: int, metric: Metric) -> Piece:
        values = {FIRST_ROW + child: self.numbers[child][metric.name] for child in self.m_below[index]}
        return self._sum("", FIRST_METRIC + column_metrics().index(metric), values)

    def _sum_of_stocks(self, index: int, metric: Metric) -> Piece:
        """Add up distinct tensors; those that add nothing, such as a cache to parameters, are left out."""
        column = self.m_leaves.columns[metric.name]
        owned = {place: column[place] for place in self.m_leaves.members[STOCKS][index]}
        values = {FIRST_ROW + place: self.m_printer.piece(size).value for place, size in owned.items() if size != 0}
        return self._sum(f"{TENSORS}!", len(_ABOUT_TENSOR) + _stock_metrics().index(metric), values)

    def _sum(self, sheet: str, column: int, values: Mapping[int, Exact]) -> Piece:
        """Add up rows of a column; `values` are their numbers now."""
        if not values:
            return self.m_printer.piece(sympy.S.Zero)
        ranges = row_ranges(column, values)
        parts = [Piece(text=f"{sheet}{text}", value=sum(values[row] for row in rows)) for text, rows in ranges]
        return self.m_printer.total(parts)


def _stock_metrics() -> list[Metric]:
    return [metric for metric in column_metrics() if metric.kind == "stock"]


def _metric_column(metric: Metric) -> SheetColumn:
    return SheetColumn(title=f"{metric.name}\n[{metric.unit}]", width=_NUMBER_WIDTH, numbers=True)


def node_weight(row: Row) -> Weight:
    """Return how much a node stands out."""
    if row.parent == -1:
        return "total"
    return "stage" if row.parent == 0 else "operator" if row.aten else "layer"


def _number_cell(piece: Piece, number: Exact, look: Look) -> SheetCell:
    """Show a piece; one without symbols or cells is a plain number."""
    return SheetCell(content=number, formula="" if piece.text.isdigit() else piece.text, look=look)
