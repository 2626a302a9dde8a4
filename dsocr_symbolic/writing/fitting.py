"""Tables in the columns that there are: texts wrap, names fold, spare columns go or stand below; numbers stay whole."""

import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from attrs import evolve, frozen

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Column
    from rich.text import Text

# A name or text is not folded to fewer columns than these, unless nothing else is left to do.
_READABLE, _NARROWEST = 20, 8
# A piece of a name that is longer than this breaks anywhere.
_LONGEST = 30
_WORD = re.compile(r"\S+\s*|\s+")
_GLUED = re.compile(r"(?:[^,]|,(?! ))+,? *")
_PIECE = re.compile(r"[^/_.=\[-]*(?:[/_.=-]+|\[)?")
_GUIDE = re.compile(r"[│├└─|` -]*(?=[^│├└─|` -])")
_BELOW = str.maketrans({"├": "│", "└": " ", "─": " ", "`": " ", "-": " "})


@frozen(kw_only=True)
class _Sized:
    """A column with its texts.

    Attributes
    ----------
    title, cells, right : Text, sequence of Text, bool
        Its head, what is below, and whether it is flush right: of numbers, which break at commas alone.
    natural, least, smallest : int
        Its width with nothing broken, with what may be broken for a reader, and with all that may be broken at all.
    """

    source: "Column"
    title: "Text"
    cells: Sequence["Text"]
    right: bool
    natural: int
    least: int
    smallest: int


def natural_width(made: Any, console: "Console") -> int:
    """Return the columns that a table takes if nothing in it is broken."""
    return _width([column.natural for column in _sized(made, console)], made.padding[1])


def needed_width(made: Any, console: "Console") -> int:
    """Return the fewest columns in which a table stands whole."""
    columns, gap, width = _sized(made, console), made.padding[1], 0
    while width < (width := _width([column.least for column in _kept_whole(columns, width)], gap)):
        pass
    return width


def _kept_whole(columns: Sequence["_Sized"], width: int) -> list["_Sized"]:
    """Let a column that asks for it stay whole where it leaves half of the width to the others."""
    return [
        evolve(column, least=column.natural) if column.source.no_wrap and 2 * column.natural <= width else column
        for column in columns
    ]


def fitted(made: Any, console: "Console", width: int, spare: Iterable[str], keys: int) -> tuple[list[Any], list[str]]:
    """Return tables no wider than ``width``, and what had to go for that: of the titles in ``spare``, the first first.

    What does not fit otherwise stands in tables below one another, each with the first columns, ``keys`` of them.
    """
    columns, gap, gone = _kept_whole(_sized(made, console), width), made.padding[1], list[str]()

    def too_wide() -> bool:
        return _width([column.least for column in columns], gap) > width

    for title in spare:
        if too_wide() and any(column.title.plain == title for column in columns):
            columns = [column for column in columns if column.title.plain != title]
            gone.append(title)
    if not too_wide():
        return [_drawn(made, columns, _widths(columns, width, gap))], gone
    first, rest = columns[:keys], columns[keys:]
    blocks: list[list[_Sized]] = []
    for column in rest:
        taken = [*first, *(blocks[-1] if blocks else ()), column]
        if blocks and _width([known.least for known in taken], gap) <= width:
            blocks[-1].append(column)
        else:
            blocks.append([column])
    return [_drawn(made, [*first, *block], _widths([*first, *block], width, gap)) for block in blocks or [[]]], gone


def _width(widths: Sequence[int], gap: int) -> int:
    return sum(widths) + gap * (len(widths) - 1)


def _sized(made: Any, console: "Console") -> list[_Sized]:
    from rich.text import Text

    def text(cell: Any) -> Text:
        return cell if isinstance(cell, Text) else console.render_str(str(cell), highlight=False)

    columns = []
    for column in made.columns:
        title, cells = text(column.header if made.show_header else ""), [text(cell) for cell in column.cells]
        right = column.justify == "right"
        natural = max([_longest(title.plain.split("\n")), *(_longest(cell.plain.split("\n")) for cell in cells)])
        pieces = _longest(_PIECE.findall(title.plain.replace(" ", "_")))
        if right:
            smallest = max([pieces, *(_longest(map(str.rstrip, _GLUED.findall(cell.plain))) for cell in cells)])
            least = smallest
        else:
            words = [word for cell in (title, *cells) for word in cell.plain.split()]
            smallest = min(natural, max(pieces, _NARROWEST))
            whole = (_longest(_PIECE.findall(word)) + 2 for word in words)
            least = min(natural, max([_READABLE, *(longest for longest in whole if longest <= _LONGEST)]))
        columns.append(
            _Sized(
                source=column,
                title=title,
                cells=cells,
                right=right,
                natural=natural,
                least=least,
                smallest=smallest,
            )
        )
    return columns


def _longest(texts: Iterable[str]) -> int:
    from rich.cells import cell_len

    return max(map(cell_len, texts), default=0)


def _widths(columns: Sequence[_Sized], width: int, gap: int) -> list[int]:
    """Return a width for each column: the widest ones give way first, and none below what it needs."""
    floors = [column.least for column in columns]
    if _width(floors, gap) > width:
        floors = [column.smallest for column in columns]
    widths = list[int]()
    for most in range(max(column.natural for column in columns), 0, -1):
        widths = [max(floor, min(column.natural, most)) for column, floor in zip(columns, floors, strict=True)]
        if _width(widths, gap) <= width:
            break
    return widths


def _drawn(made: Any, columns: Sequence[_Sized], widths: Sequence[int]) -> Any:
    """Return a table of some columns of another one, their texts broken to widths."""
    from rich.table import Table

    drawn = Table(box=None, pad_edge=False, padding=made.padding, show_header=made.show_header)
    drawn.header_style = made.header_style
    sides: list[list[Any]] = []
    for column, width in zip(columns, widths, strict=True):
        title = _broken(column.title, width, names=True)
        drawn.add_column(title, justify=column.source.justify, width=width, overflow="fold")
        sides.append([_broken(cell, width, names=not column.right) for cell in column.cells])
    for row, *cells in zip(made.rows, *sides, strict=True):
        drawn.add_row(*cells, style=row.style)
    return drawn


def _broken(text: "Text", width: int, *, names: bool) -> "Text":
    """Break a text at spaces, and ``names`` longer than a line behind signs; of the rest only lists, at commas."""
    lines = text.split("\n", allow_blank=True)
    if all(line.cell_len <= width for line in lines):
        return text
    folded = [piece for line in lines for piece in _folded(line, width, names=names)]
    return text.__class__("\n").join(folded)


def _folded(line: "Text", width: int, *, names: bool) -> list["Text"]:
    guide = _GUIDE.match(line.plain)
    before = guide[0].translate(_BELOW) + "  " * bool(guide[0].strip()) if guide else ""
    places, start, length, indents = [], 0, 0, [""]
    for word in (_WORD if names else _GLUED).findall(line.plain):
        whole = not names or len(word.rstrip()) <= width - len(before)
        for place, piece in enumerate([word] if whole else filter(None, _PIECE.findall(word))):
            fits = length + len(piece.rstrip()) <= width
            if not fits and length > len(indents[-1]):
                indents.append(before or "  " * (place > 0))
                places.append(start)
                length = len(indents[-1])
            length += len(piece)
            start += len(piece)
    parts = line.divide(places)
    for part in parts:
        part.rstrip()
    return [part.__class__(indent) + part for indent, part in zip(indents, parts, strict=True)]
