"""A workbook as data: sheets of lines of cells, and how formulas refer to them."""

import re
from collections.abc import Iterable, Mapping
from typing import Literal

from attrs import frozen
from xlsxwriter.utility import xl_col_to_name

from dsocr_symbolic.algebras.value import Exact

# How a cell looks; only file.py knows fonts and colours.
Look = Literal[
    "text",
    "heading",
    "note",
    "whole",
    "real",
    "seconds",
    "input",
    "input_real",
    "state",
    "letter",
    "label",
    "header",
    "header_number",
    "share",
    "flops",
    "bytes",
    "microseconds",
    "verdict",
    "card_bytes",
    "card_time",
]
Weight = Literal["total", "stage", "layer", "operator", "plain"]
# A1 and R1C1 references cannot be names: fp32 is a cell in column FP.
_REFERENCE = re.compile(r"[a-z]{1,3}[0-9]+|r[0-9]*(c[0-9]*)?|c[0-9]*")
FIRST_ROW = 2
"""The row of the first line of a sheet with nothing above its header, as Excel counts: from 1."""


@frozen(kw_only=True)
class SheetCell:
    """One cell.

    Attributes
    ----------
    content : str, int, float or None
        Its text or number now; of a formula the result.
    formula : str
        What recalculates it, without ``=``; empty for plain content.
    look : str
        What kind of thing it shows.
    least : int or None
        Smallest value that an input takes.
    more : bool
        Whether it takes only values above that.
    """

    content: str | Exact | None = None
    formula: str = ""
    look: Look = "text"
    least: int | None = None
    more: bool = False


@frozen(kw_only=True)
class SheetColumn:
    """A column: its header, its width in characters, and whether it holds numbers."""

    title: str
    width: float
    numbers: bool = False


@frozen(kw_only=True)
class SheetLine:
    """A row of cells; `depth` indents and groups it below the lines before it; `text_lines` make it higher than one."""

    cells: tuple[SheetCell, ...]
    depth: int = 0
    weight: Weight = "plain"
    text_lines: int = 0


@frozen(kw_only=True)
class SheetChart:
    """Bars of numbers that stand in cells, one group of bars a line.

    Attributes
    ----------
    title, place : str
        What it shows, and the cell of its upper left corner.
    names : str
        The range of the lines' names.
    series : tuple of (title, range, colour)
        What is stacked.
    look : Look
        How numbers along the axis look.
    width, height : int
        Pixels.
    """

    title: str
    place: str
    names: str
    series: tuple[tuple[str, str, str], ...]
    look: Look
    width: int
    height: int


@frozen(kw_only=True)
class Sheet:
    """A sheet: some lines of text above a header, then its lines.

    Attributes
    ----------
    name : str
        A single word.
    columns : tuple of SheetColumn
        From the left.
    lines, above : tuple of SheetLine
        Below and above the header.
    frozen_lines, frozen_columns : int
        How many lines below the header, and columns, stay in view; below 0: fewer lines than those above it.
    prose : bool
        Whether its texts are long and wrap.
    charts : tuple of SheetChart
        What stands on it besides cells.
    """

    name: str
    columns: tuple[SheetColumn, ...]
    lines: tuple[SheetLine, ...]
    above: tuple[SheetLine, ...] = ()
    frozen_lines: int = 0
    frozen_columns: int = 0
    prose: bool = False
    charts: tuple[SheetChart, ...] = ()

    @property
    def first_row(self) -> int:
        """The row of the first line, as Excel counts: from 1."""
        return len(self.above) + FIRST_ROW


@frozen(kw_only=True)
class Workbook:
    """Sheets, and the name of every named cell with its reference."""

    title: str
    sheets: tuple[Sheet, ...]
    names: Mapping[str, str]


def text_line(*texts: str, look: Look = "text") -> SheetLine:
    """Return a line of text cells."""
    return SheetLine(cells=tuple(SheetCell(content=text, look=look) for text in texts))


def row_ranges(column: int, rows: Iterable[int]) -> list[tuple[str, tuple[int, ...]]]:
    """Join rows, from 1, of a column, from 0, to ranges such as ``D5:D9`` or ``D12``, with the rows of each."""
    runs: list[list[int]] = []
    for row in sorted(rows):
        if runs and runs[-1][-1] == row - 1:
            runs[-1].append(row)
        else:
            runs.append([row])
    name = xl_col_to_name(column)
    return [(f"{name}{run[0]}:{name}{run[-1]}" if len(run) > 1 else f"{name}{run[0]}", tuple(run)) for run in runs]


def cell_names(symbols: Iterable[str]) -> dict[str, str]:
    """Name a cell after each symbol: the symbol itself wherever Excel allows.

    An underscore stands behind it where it would be a reference (``fp32``) or differ from another name in case alone.
    """
    names: dict[str, str] = {}
    taken: set[str] = set()
    for symbol in symbols:
        name = symbol
        while _REFERENCE.fullmatch(name.lower()) or name.lower() in taken:
            name += "_"
        taken.add(name.lower())
        names[symbol] = name
    return names
