"""Tables, paragraphs and progress as a terminal shows them; no progress where nobody watches."""

import re
import sys
import textwrap
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")

_NARROWEST = 100


@contextmanager
def progress(what: str = "", total: int | None = None) -> Iterator[Callable[[int | str], None]]:
    """Show on standard error how far something is; None: nobody knows how many steps there are.

    Yields what is to be told how many steps are done, or in a word what the next one is.
    """
    if not sys.stderr.isatty():
        yield lambda _: None
        return
    from rich import progress as bars
    from rich.console import Console

    columns = (
        bars.SpinnerColumn(),
        bars.TextColumn("{task.description:16}", markup=False),
        bars.BarColumn(),
        bars.MofNCompleteColumn(),
        bars.TimeElapsedColumn(),
    )
    with bars.Progress(*columns, console=Console(stderr=True, markup=False, emoji=False), transient=True) as bar:
        task = bar.add_task(what, total=total)

        def advance(step: int | str) -> None:
            if isinstance(step, str):
                bar.update(task, advance=1, description=step)
            else:
                bar.advance(task, step)

        yield advance


def tracked(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """Yield items and show how many have come."""
    with progress(what, total) as advance:
        for item in items:
            yield item
            advance(1)


def table(*titles: str, gap: int = 2, header: bool = True, wrap: bool = False) -> Any:
    """Return an empty rich table; a column whose title begins with ``>`` is flush right, and wraps only if told to."""
    from rich.table import Table

    made = Table(box=None, pad_edge=False, padding=(0, gap, 0, 0), header_style="bold", show_header=header)
    for title in titles:
        right = title.startswith(">")
        justify: Any = "right" if right else "left"
        made.add_column(title.removeprefix(">"), justify=justify, overflow="fold", no_wrap=right and not wrap)
    return made


def on_terminal(content: Any, width: int | None = None) -> str:
    """Render a rich table to text, coloured only on a terminal; None: as wide as that, or 100 columns.

    Names of files, machines and networks are shown as they are: brackets and colons in them are no markup.
    """
    from rich.console import Console

    plain: Any = {"highlight": False, "markup": False, "emoji": False}
    console = Console(file=sys.stdout, width=width or max(Console().width, _NARROWEST), **plain)
    with console.capture() as capture:
        console.print(content)
    return "\n".join(line.rstrip() for line in capture.get().splitlines()) + "\n"


def warning_text(warnings: Iterable[str]) -> str:
    """Say each warning in a paragraph of its own, as it stands behind a text."""
    return "".join(f"{indented([f'warning: {warning}'])}\n" for warning in warnings)


def indented(lines: Sequence[str]) -> str:
    """Join lines to a paragraph, those behind the first indented, long ones broken at spaces."""
    broken = []
    for place, line in enumerate(lines):
        start = "" if place == 0 else "  " + " " * (len(line) - len(line.lstrip()))
        broken += textwrap.wrap(
            line.strip(),
            _NARROWEST,
            initial_indent=start,
            subsequent_indent=f"{start}    ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    return "\n".join(broken)


def wrapped(note: str) -> list[str]:
    """Break a note at commas and spaces, never between a symbol and its value."""
    bound = re.sub(r"(?<=\w) (?=[\w.]+(,|$))", "\u00a0", note)
    lines = textwrap.wrap(bound, _NARROWEST - 4, subsequent_indent="  ", break_on_hyphens=False)
    return [line.replace("\u00a0", " ") for line in lines]
