"""How a thing shows itself: in one line wherever it is printed, as a page in a notebook."""

import re
from collections.abc import Iterable
from html import escape
from importlib import import_module
from typing import Any

from attrs import frozen

_LONGEST = 115
# Also what stands for a number that there is not.
_NUMBER = re.compile(r"[-+]?\d|-$")
_MARKS = {"left": ":---", "right": "---:"}


@frozen(kw_only=True)
class TextGrid:
    """A table in words; columns of numbers alone are aligned right.

    Attributes
    ----------
    columns : tuple of str
        Titles.
    rows : tuple of tuple of str
        One text for each column.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    @property
    def sides(self) -> tuple[str, ...]:
        """Where each column is aligned: ``left`` or ``right``."""
        numbers = (all(_NUMBER.match(row[place]) for row in self.rows) for place in range(len(self.columns)))
        return tuple("right" if each else "left" for each in numbers)


@frozen(kw_only=True)
class MathBlock:
    """A formula on lines of its own, in LaTeX."""

    latex: str


@frozen(kw_only=True)
class Page:
    """What a notebook shows: a bold line, then paragraphs, tables and formulas."""

    head: str
    blocks: tuple[str | TextGrid | MathBlock, ...]


def warned(warnings: Iterable[str]) -> tuple[str, ...]:
    """Say warnings as paragraphs of a page."""
    return tuple(f"warning: {said}" for said in warnings)


class Said:
    """Something that says what it is, in the words of ``text.py`` beside it: ``line(thing)`` and ``page(thing)``.

    Words stand above what they are about, so that they are looked for only when something is shown.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{shortened(f'{type(self).__name__} {_words(self).line(self)}')}>"

    def _repr_markdown_(self) -> str:
        return as_markdown(_words(self).page(self))


class Shown(Said):
    """Something without formulas, so that HTML does as well as Markdown."""

    __slots__ = ()

    def _repr_html_(self) -> str:
        return as_html(_words(self).page(self))


class Written(Said):
    """Something that is a formula first of all: its words know ``formula(thing)``, in LaTeX."""

    __slots__ = ()

    def _repr_latex_(self) -> str:
        return rf"$\displaystyle {_words(self).formula(self)}$"


def _words(thing: Said) -> Any:
    return import_module(f"{type(thing).__module__.rpartition('.')[0]}.text")


def shortened(text: str, longest: int = _LONGEST) -> str:
    """Put a text on one line and cut it where it is too long, behind a word."""
    line = " ".join(text.split())
    if len(line) <= longest:
        return line
    cut = line[: longest - 4]
    return (cut.rpartition(" ")[0] or cut).rstrip(" ,;:") + " ..."


def as_markdown(page: Page) -> str:
    """Write a page as Markdown, formulas between double dollars."""
    return "\n\n".join([f"**{_plain(page.head)}**", *map(_markdown_block, page.blocks)]) + "\n"


def _markdown_block(block: str | TextGrid | MathBlock) -> str:
    match block:
        case TextGrid():
            marks = [_MARKS[side] for side in block.sides]
            lines = [map(_plain, block.columns), marks, *(map(_plain, row) for row in block.rows)]
            return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
        case MathBlock(latex=latex):
            return f"$$\n{latex}\n$$"
        case _:
            return _plain(block)


def _plain(text: str) -> str:
    """Escape what Markdown would read as more than text, and put it on one line."""
    return re.sub(r"([\\`*_<>\[\]|$~#&])", r"\\\1", " ".join(text.split()))


def as_html(page: Page) -> str:
    """Write a page as HTML, every text escaped."""
    return "\n".join([f"<p><strong>{escape(page.head)}</strong></p>", *map(_html_block, page.blocks)]) + "\n"


def _html_block(block: str | TextGrid | MathBlock) -> str:
    match block:
        case TextGrid():
            head = _html_row(block.columns, block.sides, "th")
            body = (_html_row(row, block.sides, "td") for row in block.rows)
            return "\n".join(["<table>", f"<thead>{head}</thead>", "<tbody>", *body, "</tbody>", "</table>"])
        case MathBlock(latex=latex):
            return f"<p>$${escape(latex)}$$</p>"
        case _:
            return f"<p>{escape(block)}</p>"


def _html_row(texts: tuple[str, ...], sides: tuple[str, ...], tag: str) -> str:
    cells = (
        f'<{tag} style="text-align: {side}">{escape(text)}</{tag}>' for text, side in zip(texts, sides, strict=True)
    )
    return f"<tr>{''.join(cells)}</tr>"
