"""The sheet Terms: parts of formulas that would be longer than Excel takes."""

from dsocr_symbolic.reports.spreadsheet.cells import Cell, Column, Line, Sheet
from dsocr_symbolic.reports.spreadsheet.excel_formula import Piece

NAME = "Terms"


_FIRST_ROW = 2


class Terms:
    """Collects pieces and lays out their sheet, one a line."""

    def __init__(self) -> None:
        self.m_pieces: list[Piece] = []

    def place(self, piece: Piece) -> Piece:
        """Give a piece a cell of its own and return the reference to it."""
        self.m_pieces.append(piece)
        return Piece(text=f"{NAME}!A{_FIRST_ROW + len(self.m_pieces) - 1}", value=piece.value)

    def sheet(self) -> Sheet | None:
        """Return the sheet, or None if every formula is short enough."""
        if not self.m_pieces:
            return None
        column = Column(title="part of a longer formula", width=30, numbers=True)
        cells = (Cell(content=each.value, formula=each.text, look="real") for each in self.m_pieces)
        return Sheet(name=NAME, columns=(column,), lines=tuple(Line(cells=(each,)) for each in cells))
