"""The sheet Steps: sums over decode steps of the slowest resource, one line each, every crossing in sight.

Time and cost of a step are straight lines in the step. Between two crossings one line is the highest and its
steps add up in closed form, so k lines need at most k parts.
"""

from collections.abc import Sequence
from typing import Any

from attrs import frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.reports.spreadsheet.cells import Cell, Column, Line, Sheet, column_letters
from dsocr_symbolic.reports.spreadsheet.excel_formula import Piece, StraightLine

NAME = "Steps"


_FIRST_ROW = 2


# Lines this close lead together, and the steepest counts: rounding must not cost a part.
_TOGETHER = "1E-13"


_WIDTH = 15


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
    value: Any
    slope: Any
    total: Any


class StepSums:
    """Collects sums and lays out their sheet: the result, the steps, then lines, then parts."""

    def __init__(self) -> None:
        self.m_sums: list[_Sum] = []

    def add(self, last: Piece, lines: Sequence[StraightLine]) -> Piece:
        """Take a sum on and return the reference to its result."""
        self.m_sums.append(_Sum(last=last, lines=tuple(lines)))
        parts = _parts(self.m_sums[-1])
        return Piece(text=f"{NAME}!A{_FIRST_ROW + len(self.m_sums) - 1}", value=sum(each.total for each in parts))

    def sheet(self) -> Sheet | None:
        """Return the sheet, or None if there is no sum."""
        if not self.m_sums:
            return None
        most = max(len(each.lines) for each in self.m_sums)
        titles = ["sum", "steps"]
        for line in range(1, most + 1):
            titles += [f"line {line} at step 0", f"line {line} per step"]
        for part in range(1, most + 1):
            titles += [f"part {part}, {each}" for each in ("first step", "last step", "first value", "per step", "sum")]
        lines = [_line(each, most, _FIRST_ROW + place) for place, each in enumerate(self.m_sums)]
        columns = tuple(Column(title=each, width=_WIDTH, numbers=True) for each in titles)
        return Sheet(name=NAME, columns=columns, lines=tuple(lines), frozen_columns=2)


def _line(each: _Sum, most: int, row: int) -> Line:
    """Lay out a sum in its row: the result, the steps, the lines, the parts."""

    def reference(column: int) -> str:
        return f"{column_letters(column)}{row}"

    cells = [Cell(content=each.last.value, formula=each.last.text, look="whole")]
    for straight in each.lines:
        cells += [Cell(content=piece.value, formula=piece.text, look="seconds") for piece in straight]
    cells += [Cell()] * 2 * (most - len(each.lines))
    lines = [(reference(2 + 2 * place), reference(3 + 2 * place)) for place in range(len(each.lines))]
    parts, totals, before = _parts(each), [], "0"
    for place, part in enumerate(parts):
        own = [reference(2 + 2 * most + 5 * place + offset) for offset in range(5)]
        cells += _part_cells(part, own, lines, before, reference(1))
        before = own[1]
        totals.append(own[4])
    result = Cell(content=sum(part.total for part in parts), formula="+".join(totals), look="seconds")
    return Line(cells=(result, *cells))


def _part_cells(
    part: _Part, own: Sequence[str], lines: Sequence[tuple[str, str]], before: str, steps: str
) -> list[Cell]:
    """Lay out a part: it begins behind the one before, with the highest line, and ends before a steeper one leads."""
    first, last, value, slope, _ = own
    heights = [f"{intercept}+{each}*{first}" for intercept, each in lines]
    least = f"MIN({','.join(each for _, each in lines)})"
    slopes = [
        f"IF({height}>={value}-ABS({value})*{_TOGETHER},{each},{least})"
        for height, (_, each) in zip(heights, lines, strict=True)
    ]
    ends = [
        f"IF({each}>{slope},MAX({first},CEILING(({value}-{slope}*{first}-{intercept})/({each}-{slope}),1)-1),{steps})"
        for intercept, each in lines
    ]
    total = f"({last}-{first}+1)*({value}+{slope}*({last}-{first})/2)"
    return [
        Cell(content=part.first, formula=f"{before}+1", look="whole"),
        Cell(content=part.last, formula=f"MIN({','.join([steps, *ends])})", look="whole"),
        Cell(content=part.value, formula=f"MAX({','.join(heights)})", look="seconds"),
        Cell(content=part.slope, formula=f"MAX({','.join(slopes)})", look="seconds"),
        Cell(content=part.total, formula=total, look="seconds"),
    ]


def _parts(each: _Sum) -> list[_Part]:
    """Walk from crossing to crossing as the cells do; parts behind the last step are empty."""
    lines = [(intercept.value, slope.value) for intercept, slope in each.lines]
    last, first, parts = each.last.value, 1, []
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
