"""A table where no terminal shows it and all of it fits: aligned text, as rich would print it, without loading rich."""

import os
import re
import sys
from typing import Any

from attrs import define, field

# Letters and signs that take one column each; of others rich is asked.
_NARROW = re.compile(r"[ -~\u00c0-\u024f\u00b1\u00b7\u00d7\u2013\u2014\u2026\u2500-\u257f]*")
# What rich reads as a word on whether there is a terminal.
_SAID = ("FORCE_COLOR", "TTY_COMPATIBLE")


def is_watched() -> bool:
    """Whether a terminal may show what goes to standard output, or somebody wants colours all the same."""
    return sys.stdout.isatty() or any(name in os.environ for name in _SAID)


@define(kw_only=True)
class PlainColumn:
    """A column.

    Attributes
    ----------
    header, justify : str, str
        Its title, and ``left`` or ``right``.
    no_wrap : bool
        Whether it asks to stay whole.
    cells : list of str or rich.text.Text
        What is below the title.
    """

    header: str
    justify: str
    no_wrap: bool = False
    cells: list[Any] = field(factory=list)


@define(kw_only=True)
class PlainTable:
    """A table without lines.

    Attributes
    ----------
    gap, show_header : int, bool
        Spaces between columns, and whether titles are shown.
    columns, styles : list of PlainColumn, list of str or None
        Its columns, and what rich would colour each row with.
    """

    gap: int
    show_header: bool
    columns: list[PlainColumn] = field(factory=list)
    styles: list[str | None] = field(factory=list)

    @property
    def row_count(self) -> int:
        """How many rows there are."""
        return len(self.styles)

    def add_row(self, *cells: Any, style: str | None = None) -> None:
        """Add a row."""
        for place, column in enumerate(self.columns):
            column.cells.append(cells[place] if place < len(cells) else "")
        self.styles.append(style)

    @property
    def width(self) -> int | None:
        """The columns that it takes with nothing broken; None where only rich can tell."""
        widths = self._widths()
        return None if widths is None else sum(widths) + self.gap * (len(widths) - 1)

    def _widths(self) -> list[int] | None:
        found = []
        for column in self.columns:
            widest = 0
            for cell in (column.header if self.show_header else "", *column.cells):
                if type(cell) is not str or not _NARROW.fullmatch(cell):
                    return None
                widest = max(widest, len(cell))
            found.append(widest)
        return found

    def text(self) -> str:
        """Return the table as lines, each without spaces at its end; its width must be known."""
        widths = self._widths() or []
        between = " " * self.gap
        titles = [[column.header for column in self.columns]] if self.show_header else []
        flush = [_flush_right if column.justify == "right" else str.ljust for column in self.columns]
        rows = [*titles, *zip(*(column.cells for column in self.columns), strict=True)]
        lines = (
            between.join(put(cell, width) for put, cell, width in zip(flush, row, widths, strict=True)) for row in rows
        )
        return "".join(f"{line.rstrip()}\n" for line in lines)


def _flush_right(cell: str, width: int) -> str:
    """Put a cell at the right end of its column: spaces behind it count for the width alone, as rich has it."""
    return cell.rstrip().rjust(width)
