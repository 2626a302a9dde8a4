"""Write a workbook as an .xlsx file: whole or not at all, the same bytes each time.

XlsxWriter writes it: it depends on nothing, takes the result of a formula beside the formula (openpyxl does not,
and programs that do not recalculate would show an empty model), and dates every part of the file alike.
"""

import io
from collections.abc import Mapping
from datetime import UTC, datetime
from fractions import Fraction
from math import ceil
from pathlib import Path
from typing import Any

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.reports.spreadsheet.cells import Sheet, SheetCell, SheetLine, Workbook
from dsocr_symbolic.reports.spreadsheet.charts import make_chart
from dsocr_symbolic.reports.spreadsheet.letters import letter_parts
from dsocr_symbolic.writing.files import check_target, said_if_unwritable, written_whole

SUFFIX = ".xlsx"


_CREATED = datetime(2000, 1, 1, tzinfo=UTC).replace(tzinfo=None)


_DEEPEST_OUTLINE = 7


_NUMBERS = {
    "whole": '#,##0;-#,##0;"-"',
    "real": "[>=1000000]##0.0##E+0;General",
    "seconds": '##0.000E+0;-##0.000E+0;"-"',
    "input": "#,##0",
    "share": "0.0%",
    # A format takes two conditions, and each comma divides by 1000.
    "flops": '[>=1000000000000]#,##0.00,,,," T";[>=1000000000]#,##0.00,,," G";#,##0.00,," M"',
    "bytes": '[>=1000000000000]#,##0.00,,,," TB";[>=1000000000]#,##0.00,,," GB";#,##0.00,," MB"',
    "microseconds": '[>=1000000]#,##0.00,," s";[>=1000]#,##0.00," ms";#,##0.00" µs"',
}


_INK, _PAPER, _FAINT, _PALE = "#1F3864", "#FFF8DC", "#707070", "#F3F6FB"
_GREEN, _RED = "#2E7D32", "#C00000"


_LOOKS: dict[str, Mapping[str, Any]] = {
    "text": {},
    "heading": {"bold": True, "font_size": 14, "font_color": _INK},
    "note": {"font_color": _FAINT},
    "whole": {"num_format": _NUMBERS["whole"]},
    "real": {"num_format": _NUMBERS["real"]},
    "seconds": {"num_format": _NUMBERS["seconds"]},
    "input": {
        "num_format": _NUMBERS["input"],
        "bg_color": _PAPER,
        "font_color": "#0000FF",
        "border": 1,
        "border_color": "#D9D9D9",
    },
    "input_real": {
        "num_format": _NUMBERS["real"],
        "bg_color": _PAPER,
        "font_color": "#0000FF",
        "border": 1,
        "border_color": "#D9D9D9",
    },
    "state": {"bold": True, "font_color": _INK},
}


_HEADER = {"bold": True, "font_color": "#FFFFFF", "bg_color": _INK, "text_wrap": True, "valign": "top"}


_CARD = {"bold": True, "font_size": 15, "font_color": _INK, "bg_color": _PALE, "align": "left", "valign": "vcenter"}


_LOOKS |= {
    "label": {
        "font_color": _FAINT,
        "bg_color": _PALE,
        "text_wrap": True,
        "valign": "bottom",
        "top": 2,
        "top_color": _INK,
    },
    "header": _HEADER,
    "header_number": {**_HEADER, "align": "right"},
    "share": {"num_format": _NUMBERS["share"]},
    "flops": {"num_format": _NUMBERS["flops"]},
    "bytes": {"num_format": _NUMBERS["bytes"]},
    "microseconds": {"num_format": _NUMBERS["microseconds"]},
    "verdict": {**_CARD, "font_color": _GREEN},
    "card_bytes": {**_CARD, "num_format": _NUMBERS["bytes"]},
    "card_time": {**_CARD, "num_format": _NUMBERS["microseconds"]},
}


_WEIGHTS: Mapping[str, Mapping[str, Any]] = {
    "total": {"bold": True, "bg_color": "#D9E1F2", "top": 1, "bottom": 1},
    "stage": {"bold": True, "bg_color": "#EDF1F9"},
    "layer": {},
    "operator": {},
    "plain": {},
}


_BROKEN = {"bold": True, "font_color": _RED}


# Looks that change with what a cell shows.
_NOTHING = {"type": "cell", "criteria": "==", "value": 0}, {"num_format": '"-"'}
_CONDITIONS: Mapping[str, tuple[Mapping[str, Any], Mapping[str, Any]]] = {
    "state": ({"type": "text", "criteria": "containing", "value": "broken"}, _BROKEN),
    "verdict": ({"type": "text", "criteria": "containing", "value": "not"}, {"font_color": _RED}),
    **dict.fromkeys(("flops", "bytes", "microseconds"), _NOTHING),
}


_LINE_HEIGHT = 15
_ALIGNED = ("label", "header", "header_number", "verdict", "card_bytes", "card_time")


_PROSE = {"text_wrap": True, "valign": "top"}


_NAME_OF_LAYER = {"bold": True}


def check_file(path: Path, *, force: bool) -> None:
    """Refuse early what could not be written late.

    Raises
    ------
    UserError
        If it is no name of a workbook, exists without ``force``, or its folder does not.
    """
    if path.suffix.lower() != SUFFIX:
        raise UserError(f"{path}: a workbook's name ends in {SUFFIX}")
    check_target(path, force=force)


def write_workbook(workbook: Workbook, path: Path, *, force: bool = False) -> None:
    """Write a workbook, in the place of a file only if forced.

    Raises
    ------
    UserError
        If the file may not or cannot be written; nothing is left then.
    """
    check_file(path, force=force)
    content = workbook_bytes(workbook)
    with said_if_unwritable(path), written_whole(path) as draft:
        draft.write_bytes(content)


def workbook_bytes(workbook: Workbook) -> bytes:
    """Return the content of the file; equal workbooks give equal bytes."""
    import xlsxwriter

    content = io.BytesIO()
    with xlsxwriter.Workbook(content, {"in_memory": True}) as book:
        book.set_properties({"title": workbook.title, "author": "dsocr", "created": _CREATED})
        for name, reference in workbook.names.items():
            book.define_name(name, f"={reference}")
        formats = _Formats(book)
        for sheet in workbook.sheets:
            target = book.add_worksheet(sheet.name)
            _write_sheet(target, sheet, formats)
            for chart in sheet.charts:
                target.insert_chart(chart.place, make_chart(book, chart, _NUMBERS[chart.look]))
    return content.getvalue()


class _Formats:
    """The formats of a file, each made once."""

    def __init__(self, book: Any) -> None:
        self.m_book = book
        self.m_made: dict[tuple[Any, ...], Any] = {}

    def find(self, *parts: Mapping[str, Any]) -> Any:
        """Return the format that some properties make together, the last word taken."""
        properties = {name: value for part in parts for name, value in part.items()}
        key = tuple(sorted(properties.items()))
        if key not in self.m_made:
            self.m_made[key] = self.m_book.add_format(properties)
        return self.m_made[key]


def _write_sheet(target: Any, sheet: Sheet, formats: _Formats) -> None:
    header = len(sheet.above)
    height = max(_line_count(each.title, each.width) for each in sheet.columns) * _LINE_HEIGHT
    target.set_row(header, height)
    for column, each in enumerate(sheet.columns):
        target.set_column(column, column, each.width)
        align = {"align": "right"} if each.numbers else _indent(column, 0)
        target.write_string(header, column, each.title, formats.find(_HEADER, align))
    target.freeze_panes(header + 1 + sheet.frozen_lines, sheet.frozen_columns)
    target.outline_settings(symbols_below=False)
    target.set_landscape()
    target.set_paper(8)  # A3
    target.fit_to_pages(1, 0)
    target.repeat_rows(header)
    for row, line in enumerate(sheet.above):
        if line.text_lines:
            target.set_row(row, line.text_lines * _LINE_HEIGHT)
        _write_line(target, row, line, formats, {})
    for row, line in enumerate(sheet.lines, start=header + 1):
        if line.depth:
            target.set_row(row, None, None, {"level": min(line.depth, _DEEPEST_OUTLINE)})
        if line.text_lines:
            target.set_row(row, line.text_lines * _LINE_HEIGHT)
        if sheet.prose:
            lines = (
                _line_count(str(cell.content), each.width) for cell, each in zip(line.cells, sheet.columns, strict=True)
            )
            target.set_row(row, max(lines) * _LINE_HEIGHT)
        _write_line(target, row, line, formats, _PROSE if sheet.prose else {})


def _line_count(text: str, width: float) -> int:
    """Return how many lines a text takes in a column."""
    return sum(max(1, ceil(len(line) / width)) for line in text.splitlines() or [""])


def _write_line(target: Any, row: int, line: SheetLine, formats: _Formats, more: Mapping[str, Any]) -> None:
    for column, cell in enumerate(line.cells):
        parts = [_WEIGHTS[line.weight], _LOOKS.get(cell.look, {}), more]
        if isinstance(cell.content, str) and cell.look not in _ALIGNED:
            parts.append(_indent(column, line.depth))
        if line.weight == "layer" and column == 0:
            parts.append(_NAME_OF_LAYER)
        if cell.look == "letter":
            _write_letter(target, row, column, str(cell.content), formats)
        else:
            _write_cell(target, row, column, cell, formats.find(*parts))
        if cell.look in _CONDITIONS:
            rule, look = _CONDITIONS[cell.look]
            target.conditional_format(row, column, row, column, {**rule, "format": formats.find(look)})


def _write_letter(target: Any, row: int, column: int, latex: str, formats: _Formats) -> None:
    """Write a letter with what stands below and above the line."""
    look = formats.find(_indent(column, 0))
    parts = letter_parts(latex)
    if len(parts) < 2:  # noqa: PLR2004 - a text of several fonts has two parts or more
        text = parts[0][0] if parts else ""
        (target.write_string if text else target.write_blank)(row, column, text or None, look)
        return
    scripts = {"above": {"font_script": 1}, "below": {"font_script": 2}}
    pieces = [piece for text, script in parts for piece in ([formats.find(scripts[script])] if script else []) + [text]]
    target.write_rich_string(row, column, *pieces, look)


def _indent(column: int, depth: int) -> Mapping[str, Any]:
    """Indent the first column by depth, the others away from the numbers before them."""
    level = 1 if column else depth
    return {"indent": level} if level else {}


def _write_cell(target: Any, row: int, column: int, cell: SheetCell, look: Any) -> None:
    content = float(cell.content) if isinstance(cell.content, Fraction) else cell.content
    if cell.formula:
        target.write_formula(row, column, f"={cell.formula}", look, content)
    elif content is None or content == "":
        target.write_blank(row, column, None, look)
    elif isinstance(content, str):
        target.write_string(row, column, content, look)
    else:
        target.write_number(row, column, content, look)
    if cell.least is not None:
        kind = "integer" if cell.look == "input" else "decimal"
        rule = {"validate": kind, "criteria": ">" if cell.more else ">=", "value": cell.least}
        bound = f"more than {cell.least}" if cell.more else f"{cell.least} or more"
        wanted = f"{'a whole number' if kind == 'integer' else 'a number'}, {bound}"
        target.data_validation(row, column, row, column, {**rule, "error_title": "dsocr", "error_message": wanted})
