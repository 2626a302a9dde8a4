"""Tables, paragraphs and progress as a terminal shows them; no progress where nobody watches."""

import contextlib
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from dsocr_symbolic.writing.plain import PlainColumn, PlainTable, is_watched

T = TypeVar("T")
# What a console prints is text as it stands.
_PLAIN: Any = {"highlight": False, "markup": False, "emoji": False}

# Narrower than this nothing can be read; where nobody watches and nobody says, text is as wide as in documents.
_NARROWEST, _UNWATCHED, _WIDEST = 40, 100, 10_000

# What takes less than these seconds shows no progress.
_PATIENCE = 0.5
_shown: list[str] = []


@contextmanager
def progress(what: str = "", total: int | None = None) -> Iterator[Callable[[int | str], None]]:
    """Show on standard error how far something is that takes a while; None: nobody knows how many steps there are.

    Yields what is to be told how many steps are done, or in a word what the next one is. Within another one it is
    silent.
    """
    if not sys.stderr.isatty() or _shown:
        yield lambda _: None
        return
    import threading

    from rich import progress as bars
    from rich.console import Console

    columns = (
        bars.SpinnerColumn(),
        bars.TextColumn("{task.description:16}", markup=False),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TimeElapsedColumn(),
    )
    bar = bars.Progress(*columns, console=Console(stderr=True, markup=False, emoji=False), transient=True)
    task = bar.add_task(what, total=total)

    def advance(step: int | str) -> None:
        if isinstance(step, str):
            bar.update(task, advance=1, description=step)
        else:
            bar.advance(task, step)

    start = threading.Timer(_PATIENCE, bar.start)
    start.daemon = True
    _shown.append(what)
    try:
        start.start()
        yield advance
    finally:
        start.cancel()
        start.join()
        bar.stop()
        _shown.remove(what)


def tracked(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Yield items and show how many have come."""
    with progress(what, total) as advance:
        for item in items:
            yield item
            advance(1)


def columns() -> int:
    """Return how wide text may be: ``COLUMNS``, else as the terminal of a standard stream, else as in documents."""
    chosen = os.environ.get("COLUMNS", "")
    if chosen.isdecimal() and int(chosen) > 0:
        return max(int(chosen), _NARROWEST)
    for stream in (sys.__stdout__, sys.__stderr__, sys.__stdin__):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            if shown := os.get_terminal_size(stream.fileno()).columns:  # type: ignore[union-attr]
                return max(shown, _NARROWEST)
    return _UNWATCHED


def table(*titles: str, gap: int = 2, header: bool = True) -> Any:
    """Return an empty table; a column whose title begins with ``>`` is flush right, and its cells never break."""
    made = PlainTable(gap=gap, show_header=header)
    for title in titles:
        right = title.startswith(">")
        made.columns.append(PlainColumn(header=title.removeprefix(">"), justify="right" if right else "left"))
    return made if not is_watched() else _rich(made)


def _rich(made: Any) -> Any:
    """Return a table as rich has it."""
    if not isinstance(made, PlainTable):
        return made
    from rich.table import Table

    rich = Table(
        box=None, pad_edge=False, padding=(0, made.gap, 0, 0), header_style="bold", show_header=made.show_header
    )
    for column in made.columns:
        rich.add_column(column.header, justify=column.justify, no_wrap=column.no_wrap)  # type: ignore[arg-type]
    for cells in zip(*(column.cells for column in made.columns), strict=True):
        rich.add_row(*cells)
    return rich


def on_terminal(content: Any, *, spare: Iterable[str] = (), keys: int = 1) -> str:
    """Render a table to text that fits, coloured only on a terminal.

    Titles in ``spare`` may be left out, the first first, and a last line says so; else what does not fit stands in
    further tables below, each with the first ``keys`` columns. Names of files, machines and networks are shown as they
    are: brackets and colons in them are no markup.
    """
    width = columns()
    if isinstance(content, PlainTable) and content.width is not None and content.width <= width:
        return content.text()
    content = _rich(content)
    from rich.console import Console

    from dsocr_symbolic.writing.fitting import fitted, needed_width

    console = Console(file=sys.stdout, width=_WIDEST, **_PLAIN)
    tables, gone = fitted(content, console, width, spare, keys)
    with console.capture() as capture:
        for place, made in enumerate(tables):
            console.print(*([""] if place else []), made, sep="\n")
    text = "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"
    left_out = f"{width} columns leave out {', '.join(gone)}; a wider terminal, or COLUMNS={{}}, shows all"
    return text + (f"{flowed(left_out.format(needed_width(content, console)))}\n" if gone else "")


def coloured(*parts: tuple[str, str]) -> Any:
    """Return a cell of some texts, each with its style, which is nothing where no terminal shows it."""
    if not is_watched():
        return "".join(text for text, _ in parts)
    from rich.text import Text

    return Text(*parts[0]) if len(parts) == 1 else Text.assemble(*parts)


def natural_width(content: Any) -> int:
    """Return the columns that a table takes if nothing in it is broken."""
    if isinstance(content, PlainTable) and content.width is not None:
        return content.width
    content = _rich(content)
    from rich.console import Console

    from dsocr_symbolic.writing import fitting

    return fitting.natural_width(content, Console(**_PLAIN))


def warning_text(warnings: Iterable[str]) -> str:
    """Say each warning in a paragraph of its own, as it stands behind a text."""
    return "".join(f"{indented([f'warning: {warning}'])}\n" for warning in warnings)


def flowed(text: str) -> str:
    """Fill lines with a paragraph; what stands in one piece is not broken."""
    return textwrap.fill(" ".join(text.split()), columns(), break_long_words=False, break_on_hyphens=False)


def hung(line: str) -> str:
    """Break a line at spaces; what is behind the break stands further in than its beginning."""
    start = line[: len(line) - len(line.lstrip())]
    return textwrap.fill(
        line.strip(),
        columns(),
        initial_indent=start,
        subsequent_indent=f"{start}    ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def indented(lines: Sequence[str]) -> str:
    """Join lines to a paragraph, those behind the first indented, long ones broken at spaces."""
    broken = []
    for place, line in enumerate(lines):
        start = "" if place == 0 else "  " + " " * (len(line) - len(line.lstrip()))
        broken += [hung(f"{start}{line.strip()}")] if line.strip() else []
    return "\n".join(broken)


def wrapped(note: str) -> list[str]:
    """Break a note at commas and spaces, never between a symbol and its value."""
    bound = re.sub(r"(?<=\w) (?=[\w.]+(,|$))", "\u00a0", note)
    lines = textwrap.wrap(bound, columns() - 4, subsequent_indent="  ", break_long_words=False, break_on_hyphens=False)
    return [line.replace("\u00a0", " ") for line in lines]
