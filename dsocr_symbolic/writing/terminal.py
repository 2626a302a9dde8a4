"""Progress on a terminal, on standard error; nothing where nobody watches."""

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

_WIDTH = 100


_FEWEST, _MOST = 4, 15


def indented(lines: Sequence[str]) -> str:
    """Join lines to a paragraph, those behind the first indented, long ones broken at spaces."""
    import textwrap

    broken = []
    for place, line in enumerate(lines):
        start = "" if place == 0 else "  " + " " * (len(line) - len(line.lstrip()))
        further = f"{start}    "
        broken += textwrap.wrap(
            line.strip(),
            _WIDTH,
            initial_indent=start,
            subsequent_indent=further,
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "\n".join(broken)


@contextmanager
def progress(steps: int) -> Iterator[Callable[[str], None]]:
    """Show on a terminal, on standard error, what is being done; give a function to call before each step."""
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description:16}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("", total=steps)

        def advance(what: str) -> None:
            bar.update(task, advance=1, description=what)

        yield advance


@contextmanager
def waiting(for_what: str) -> Iterator[None]:
    """Say on a terminal, on standard error, what takes a while."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(for_what):
        yield


def with_progress(pages: Iterable[Any]) -> Iterable[Any]:
    """Show progress on a terminal, on standard error."""
    if not sys.stderr.isatty():
        return pages
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    def counted() -> Iterable[Any]:
        columns = (SpinnerColumn(), TextColumn("{task.completed:.0f} pages"), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("pages", total=None)
            for page in pages:
                yield page
                progress.advance(task)

    return counted()


T = TypeVar("T")


def tracked(items: Iterable[T], what: str, total: int) -> Iterable[T]:
    """Show how many items have come.

    Parameters
    ----------
    items : iterable
        What comes.
    what : str
        A word for the line.
    total : int
        How many there will be.

    Returns
    -------
    iterable
        The same items.
    """
    if not sys.stderr.isatty():
        return items
    from rich.console import Console
    from rich.progress import track

    return track(items, what, total=total, console=Console(stderr=True), transient=True)


_NARROWEST = 100


def _wrapped(note: str) -> list[str]:
    """Break a note at commas and spaces, never between a symbol and its value."""
    import textwrap

    bound = re.sub(r"(?<=\w) (?=[\w.]+(,|$))", "\u00a0", note)
    lines = textwrap.wrap(bound, _NARROWEST - 4, subsequent_indent="  ")
    return [line.replace("\u00a0", " ") for line in lines]


def _table(head: str, columns: Sequence[str]) -> Any:
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    table.add_column(head, overflow="fold")
    for title in columns:
        table.add_column(title, justify="right", no_wrap=True)
    return table


def on_terminal(table: Any, width: int | None = None) -> str:
    """Render a rich table to text, coloured only on a terminal."""
    import sys

    from rich.console import Console

    console = Console(file=sys.stdout, width=width or max(Console().width, _NARROWEST), highlight=False)
    with console.capture() as capture:
        console.print(table)
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"
