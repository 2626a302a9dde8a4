"""The sheets Steps and Terms: what a formula needs cells of its own for.

Steps are sums over decode steps of the slowest resource, one line each, every crossing in sight. Time and cost of a
step are straight lines in the step. Between two crossings one line is the highest and its steps add up in closed form,
so k lines need at most k parts. Terms are parts of formulas that would be longer than Excel takes.
"""

from collections.abc import Sequence

from attrs import frozen
from xlsxwriter.utility import xl_rowcol_to_cell

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.reports.spreadsheet.cells import FIRST_ROW, Look, Sheet, SheetCell, SheetColumn, SheetLine
from dsocr_symbolic.reports.spreadsheet.excel_formula import Piece, StraightLine

STEPS, TERMS = "Steps", "Terms"
# Lines this close lead together, and the steepest counts: rounding must not cost a part.
_TOGETHER = "1E-13"
_WIDTH, _WIDTH_OF_TERMS = 15, 30
_PART = ("first step", "last step", "first value", "per step", "sum")


@frozen(kw_only=True)
class _Sum:
    """The sum of the highest of some lines over the steps 1 to last."""

    last: Piece
    lines: tuple[StraightLine, ...]


@frozen(kw_only=True)
class _Part:
    """Steps in which one line leads: first and last step, the line there and its slope, and the sum."""

    first: int
    last: int
    value: Exact
    slope: Exact
    total: Exact


class Terms:
    """Collects pieces and lays out their sheet, one a line."""

    def __init__(self) -> None:
        self.m_pieces: list[Piece] = []

    def place(self, piece: Piece) -> Piece:
        """Give a piece a cell of its own and return the reference to it."""
        self.m_pieces.append(piece)
        return Piece(text=f"{TERMS}!A{FIRST_ROW + len(self.m_pieces) - 1}", value=piece.value)

    def sheet(self) -> Sheet | None:
        """Return the sheet, or None if every formula is short enough."""
        if not self.m_pieces:
            return None
        column = SheetColumn(title="part of a longer formula", width=_WIDTH_OF_TERMS, numbers=True)
        lines = tuple(SheetLine(cells=(_shown(piece, "real"),)) for piece in self.m_pieces)
        return Sheet(name=TERMS, columns=(column,), lines=lines)


class StepSums:
    """Collects sums and lays out their sheet: the result, the steps, then lines, then parts."""

    def __init__(self) -> None:
        self.m_sums: list[_Sum] = []

    def add(self, last: Piece, lines: Sequence[StraightLine]) -> Piece:
        """Take a sum on and return the reference to its result."""
        self.m_sums.append(_Sum(last=last, lines=tuple(lines)))
        total = sum(part.total for part in _parts(self.m_sums[-1]))
        return Piece(text=f"{STEPS}!A{FIRST_ROW + len(self.m_sums) - 1}", value=total)

    def sheet(self) -> Sheet | None:
        """Return the sheet, or None if there is no sum."""
        if not self.m_sums:
            return None
        most = max(len(added.lines) for added in self.m_sums)
        titles = ["sum", "steps"]
        for line in range(1, most + 1):
            titles += [f"line {line} at step 0", f"line {line} per step"]
        for part in range(1, most + 1):
            titles += [f"part {part}, {what}" for what in _PART]
        lines = [_line(added, most, FIRST_ROW + place) for place, added in enumerate(self.m_sums)]
        columns = tuple(SheetColumn(title=title, width=_WIDTH, numbers=True) for title in titles)
        return Sheet(name=STEPS, columns=columns, lines=tuple(lines), frozen_columns=2)


def _shown(piece: Piece, look: Look) -> SheetCell:
    return SheetCell(content=piece.value, formula=piece.text, look=look)


def _line(added: _Sum, most: int, row: int) -> SheetLine:
    """Lay out a sum in its row: the result, the steps, the lines, the parts."""

    def reference(column: int) -> str:
        return str(xl_rowcol_to_cell(row - 1, column))

    cells = [_shown(added.last, "whole")]
    for straight in added.lines:
        cells += [_shown(piece, "seconds") for piece in straight]
    cells += [SheetCell()] * 2 * (most - len(added.lines))
    lines = [(reference(2 + 2 * place), reference(3 + 2 * place)) for place in range(len(added.lines))]
    parts, totals, before = _parts(added), [], "0"
    for place, part in enumerate(parts):
        own = [reference(2 + 2 * most + len(_PART) * place + offset) for offset in range(len(_PART))]
        cells += _part_cells(part, own, lines, before, reference(1))
        before = own[1]
        totals.append(own[-1])
    result = SheetCell(content=sum(part.total for part in parts), formula="+".join(totals), look="seconds")
    return SheetLine(cells=(result, *cells))


def _part_cells(
    part: _Part, own: Sequence[str], lines: Sequence[tuple[str, str]], before: str, steps: str
) -> list[SheetCell]:
    """Lay out a part: it begins behind the one before, with the highest line, and ends before a steeper one leads."""
    first, last, value, slope, _ = own
    heights = [f"{intercept}+{steeper}*{first}" for intercept, steeper in lines]
    least = f"MIN({','.join(steeper for _, steeper in lines)})"
    slopes = [
        f"IF({height}>={value}-ABS({value})*{_TOGETHER},{steeper},{least})"
        for height, (_, steeper) in zip(heights, lines, strict=True)
    ]
    ends = [
        f"IF({line}>{slope},MAX({first},CEILING(({value}-{slope}*{first}-{intercept})/({line}-{slope}),1)-1),{steps})"
        for intercept, line in lines
    ]
    total = f"({last}-{first}+1)*({value}+{slope}*({last}-{first})/2)"
    return [
        SheetCell(content=part.first, formula=f"{before}+1", look="whole"),
        SheetCell(content=part.last, formula=f"MIN({','.join([steps, *ends])})", look="whole"),
        SheetCell(content=part.value, formula=f"MAX({','.join(heights)})", look="seconds"),
        SheetCell(content=part.slope, formula=f"MAX({','.join(slopes)})", look="seconds"),
        SheetCell(content=part.total, formula=total, look="seconds"),
    ]


def _parts(added: _Sum) -> list[_Part]:
    """Walk from crossing to crossing as the cells do; parts behind the last step are empty."""
    lines = [(intercept.value, slope.value) for intercept, slope in added.lines]
    last, first, parts = added.last.value, 1, []
    for _ in lines:
        value = max(intercept + slope * first for intercept, slope in lines)
        nearly = value - abs(value) * float(_TOGETHER)
        slope = max(slope for intercept, slope in lines if intercept + slope * first >= nearly)
        end = last
        for intercept, steeper in lines:
            if steeper > slope:
                ahead = arithmetic.divide(value - slope * first - intercept, steeper - slope)
                end = min(end, max(first, arithmetic.ceiling(ahead) - 1))
        total = (end - first + 1) * (value + arithmetic.divide(slope * (end - first), 2))
        parts.append(_Part(first=first, last=end, value=value, slope=slope, total=total))
        first = end + 1
    return parts
