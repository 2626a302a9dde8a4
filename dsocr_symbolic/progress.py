"""Progress on a terminal, on standard error; nothing where nobody watches."""

import sys
from collections.abc import Iterable
from typing import TypeVar

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
