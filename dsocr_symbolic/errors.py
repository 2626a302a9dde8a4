"""The one exception for mistakes a user can make and mend."""

from collections.abc import Collection, Iterable

_SHOWN = 12


class UserError(Exception):
    """A mistake in a file, a name or a value that the user supplied.

    The message is one line: the file or symbol, the rule it breaks, the way out.
    """


def one_line(text: str) -> str:
    """Spell out what would end a line, command a terminal or be no text, such as a file's name may hold."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def nearest(name: str, known: Iterable[object]) -> str:
    """Suggest the known names closest to a misspelt one, or some of them if none is close."""
    from difflib import get_close_matches

    names = sorted(str(other) for other in known)
    close = get_close_matches(name, names, n=3, cutoff=0.6)
    if close:
        return f"did you mean {', '.join(close)}?"
    shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    return f"known: {shown}" if names else "none exist"


def check_known(names: Iterable[object], known: Collection[str], where: str, noun: str) -> None:
    """Refuse names that are not among the known ones, and suggest some that are."""
    for name in names:
        if name not in known:
            raise UserError(f"{where}: unknown {noun} '{name}': {nearest(str(name), known)}")
