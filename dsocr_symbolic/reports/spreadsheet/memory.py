"""The sheet Memory: bytes of activations that live while each node runs, as liveness has it.

An operator holds what it takes and gives, a layer as much as the child that holds most; on top comes what its caller
keeps meanwhile. A node that does not run adds nothing of its own.
"""

from collections.abc import Sequence

import sympy
from xlsxwriter.utility import xl_rowcol_to_cell

from dsocr_symbolic.algebras import symbolic
from dsocr_symbolic.network.fold import Fold
from dsocr_symbolic.network.rows import BESIDE, OWN, RUNS, SIZES
from dsocr_symbolic.reports.spreadsheet.cells import FIRST_ROW, Sheet, SheetCell, SheetColumn, SheetLine
from dsocr_symbolic.reports.spreadsheet.excel_formula import Piece, Printer
from dsocr_symbolic.reports.spreadsheet.nodes import node_weight

MEMORY = "Memory"
_COLUMNS = (
    SheetColumn(title="node", width=36),
    SheetColumn(title="own, or of the child that holds most\n[byte]", width=30, numbers=True),
    SheetColumn(title="kept by its caller meanwhile\n[byte]", width=30, numbers=True),
    SheetColumn(title="live activations\n[byte]", width=30, numbers=True),
    SheetColumn(title="path", width=60),
)
_OWN, _BESIDE, _LIVE = 1, 2, 3


def memory_sheet(fold: Fold, labels: Sequence[str], printer: Printer) -> tuple[Sheet, list[Piece]]:
    """Lay out a line per row of the fold, that of row i is row i + 2, and return what refers to each row's bytes.

    ``labels`` are the names of the rows with the numbers that layers have here.
    """
    leaves, rows = fold.leaves, fold.leaves.rows
    sizes, runs = leaves.columns[SIZES], leaves.columns[RUNS]
    pieces: list[Piece] = [Piece(text="", value=0)] * len(rows)
    lines: list[SheetLine] = []
    for index in range(len(rows) - 1, -1, -1):
        row = FIRST_ROW + index
        if below := fold.below[index]:
            own = printer.highest([pieces[child] for child in below])
        else:
            own = printer.piece(sympy.sympify(symbolic.total(sizes[place] for place in leaves.members[OWN][index])))
        beside = printer.piece(sympy.sympify(symbolic.total(sizes[place] for place in leaves.members[BESIDE][index])))
        ran = printer.piece(sympy.sympify(runs[index]))
        inside, outside, live = (str(xl_rowcol_to_cell(row - 1, column)) for column in (_OWN, _BESIDE, _LIVE))
        text = f"{inside}+{outside}" if ran.text == "1" else f"({ran.text})*{inside}+{outside}"
        pieces[index] = Piece(text=live, value=ran.value * own.value + beside.value)
        numbers = (own, beside, Piece(text=text, value=pieces[index].value))
        cells = (SheetCell(content=piece.value, formula=piece.text, look="whole") for piece in numbers)
        name = SheetCell(content=labels[index].rpartition("/")[2] or "total")
        depth = rows[index].path.count("/") + 1 if rows[index].path else 0
        about = SheetCell(content=labels[index])
        lines.append(SheetLine(cells=(name, *cells, about), depth=depth, weight=node_weight(rows[index])))
    sheet = Sheet(name=MEMORY, columns=_COLUMNS, lines=tuple(reversed(lines)), frozen_lines=1, frozen_columns=1)
    return sheet, [Piece(text=f"{MEMORY}!{piece.text}", value=piece.value) for piece in pieces]
