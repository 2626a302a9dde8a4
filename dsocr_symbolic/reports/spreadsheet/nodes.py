"""The sheets Nodes and Tensors: what every node costs, and what distinct modules own.

Operators are formulas of the symbols; a layer adds up its children. Stocks stand on Tensors, a line per tensor
and place that declares it, and a node adds up the distinct tensors below it, each in its last state.
"""

from collections.abc import Mapping
from typing import Any

import sympy
from attrs import frozen

from dsocr_symbolic.evaluation.estimate import Estimate
from dsocr_symbolic.evaluation.program import Row
from dsocr_symbolic.language.registry import Metric, load_metrics, load_time
from dsocr_symbolic.network.flows import operator_flow, total_calls
from dsocr_symbolic.network.node import Node, Stock, walk
from dsocr_symbolic.reports.spreadsheet.cells import Cell, Column, Line, Look, Sheet, Weight, row_ranges
from dsocr_symbolic.reports.spreadsheet.excel_formula import Piece, Printer

NODES, TENSORS = "Nodes", "Tensors"


# Metric -> what carries it: an attribute of Flow for flows and times, of Stock for stocks. One line adds a column.
SOURCES = {
    "forward_tensor_core_flops": "tensor_core_flops",
    "forward_cuda_core_flops": "cuda_core_flops",
    "forward_io_bytes": "io_bytes",
    "operator_launches": "operator_launches",
    "parameters": "parameters",
    "forward_weight_bytes": "weight_bytes",
    "forward_kv_cache_bytes": "kv_cache_bytes",
    "roofline_s": "seconds",
}


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
    rows : tuple of Row
        What a node is.
    nodes : tuple of Node or None
        Its formulas; None for the whole.
    calls : tuple of int
        Its calls now.
    numbers : tuple of mapping of str to number
        Its metrics now.
    children : tuple of tuple of int
        Indices of its children.
    stocks : tuple of (Node, Stock)
        Every stock and the node that declares it, in the order that ``Row.stocks`` counts.
    """

    rows: tuple[Row, ...]
    nodes: tuple[Node | None, ...]
    calls: tuple[Any, ...]
    numbers: tuple[Mapping[str, Any], ...]
    children: tuple[tuple[int, ...], ...]
    stocks: tuple[tuple[Node, Stock], ...]


def make_tally(rows: tuple[Row, ...], stages: tuple[Node, ...], result: Estimate) -> Tally:
    """Bring a program's rows, the tree that it was made of, and its numbers together."""
    nodes = tuple(walk(stages))
    children: list[list[int]] = [[] for _ in rows]
    for index, row in enumerate(rows[1:], start=1):
        children[row.parent].append(index)
    return Tally(
        rows=rows,
        nodes=(None, *nodes),
        calls=(1, *(each.calls for each in result.nodes)),
        numbers=(result.total, *(each.metrics for each in result.nodes)),
        children=tuple(tuple(each) for each in children),
        stocks=tuple((node, stock) for node in nodes for stock in node.stocks),
    )


def column_metrics() -> list[Metric]:
    """Return the metrics that have a column on Nodes, in order."""
    metrics = load_metrics()
    return [metrics[name] for name in SOURCES]


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
    for index, (row, node) in enumerate(zip(tally.rows, tally.nodes, strict=True)):
        name = node.path[-1] if node else "total"
        category = row.category if row.aten else None
        cells = [Cell(content=each) for each in (name, row.layer, row.class_name, category or "")]
        cells.append(_number_cell(formulas.calls(index), tally.calls[index], "whole"))
        for metric in column_metrics():
            look: Look = "seconds" if metric.kind == "time" else "whole"
            cells.append(_number_cell(formulas.metric(index, metric), tally.numbers[index][metric.name], look))
        cells.append(Cell(content=row.path))
        lines.append(Line(cells=tuple(cells), depth=len(node.path) if node else 0, weight=_weight(row)))
    columns = (*_ABOUT, *(_metric_column(each) for each in column_metrics()), _PATH)
    return Sheet(name=NODES, columns=columns, lines=tuple(lines), frozen_lines=1, frozen_columns=1)


def tensors_sheet(tally: Tally, printer: Printer) -> Sheet:
    """Lay out a line per stock; that of ``tally.stocks[i]`` is row i + 2."""
    lines = []
    for node, stock in tally.stocks:
        pieces = [printer.piece(sympy.sympify(getattr(stock, SOURCES[each.name]))) for each in _stock_metrics()]
        cells = [_number_cell(piece, piece.value, "whole") for piece in pieces]
        lines.append(Line(cells=(Cell(content=stock.key), Cell(content="/".join(node.path)), *cells)))
    columns = (*_ABOUT_TENSOR, *(_metric_column(each) for each in _stock_metrics()))
    return Sheet(name=TENSORS, columns=columns, lines=tuple(lines), frozen_columns=1)


class _Formulas:
    """What gives the numbers of each node: symbols, other rows of Nodes, or rows of Tensors."""

    def __init__(self, tally: Tally, printer: Printer) -> None:
        self.m_tally = tally
        self.m_printer = printer
        self.m_time = load_time("roofline")

    def calls(self, index: int) -> Piece:
        node = self.m_tally.nodes[index]
        return self.m_printer.piece(sympy.sympify(total_calls(node)) if node else sympy.S.One)

    def metric(self, index: int, metric: Metric) -> Piece:
        node = self.m_tally.nodes[index]
        if metric.kind == "stock":
            return self._sum_of_stocks(index, metric)
        if node is None or node.launch is None:
            return self._sum_of_children(index, metric)
        flow = operator_flow(node, self.m_time if metric.kind == "time" else None)
        return self.m_printer.piece(sympy.sympify(getattr(flow, SOURCES[metric.name])))

    def _sum_of_children(self, index: int, metric: Metric) -> Piece:
        tally = self.m_tally
        values = {_FIRST_ROW + child: tally.numbers[child][metric.name] for child in tally.children[index]}
        return self._sum("", FIRST_METRIC + column_metrics().index(metric), values)

    def _sum_of_stocks(self, index: int, metric: Metric) -> Piece:
        """Add up distinct tensors; those that add nothing, such as a cache to parameters, are left out."""
        owned = {
            each: getattr(self.m_tally.stocks[each][1], SOURCES[metric.name])
            for each in self.m_tally.rows[index].stocks
        }
        values = {_FIRST_ROW + each: self.m_printer.piece(size).value for each, size in owned.items() if size != 0}
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
