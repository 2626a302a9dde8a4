"""The one exception for mistakes a user can make and mend."""

from collections.abc import Collection, Iterable, Sequence

_SHOWN, _CLOSE = 12, 3
# From which likeness on a name is suggested, and how long it is at least to be looked for within others.
_ALIKE, _TELLING = 0.6, 2


class UserError(Exception):
    """A mistake in a file, a name or a value that the user supplied.

    The message is one line: the file or symbol, the rule it breaks, the way out.
    """


def one_line(text: str) -> str:
    """Spell out what would end a line, command a terminal or be no text, such as a file's name may hold."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in text)


def nearest(name: str, known: Iterable[object]) -> str:
    """Suggest the known names closest to a misspelt one, whatever their case, or some of them if none is close."""
    names = sorted(str(other) for other in known)
    close = _close(name.strip().casefold(), names)
    if close:
        return f"did you mean {', '.join(close)}?"
    shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    return f"known: {shown}" if names else "none exist"


def _close(name: str, names: Sequence[str]) -> list[str]:
    """Return the names that are this one but for case, else begin with it, are like it, or hold it."""
    from difflib import SequenceMatcher

    # A path is known by its last part as well.
    forms = {other: {other.casefold(), other.casefold().rpartition("/")[2]} for other in names}

    def alike(other: str) -> float:
        return max(SequenceMatcher(None, name, form).ratio() for form in forms[other])

    if same := [other for other in names if name in forms[other]]:
        return same[:_CLOSE]
    if len(name) > 1 and (begun := [other for other in names if other.casefold().startswith(name)]):
        return sorted(begun, key=len)[:_CLOSE]
    likeness = {other: ratio for other in names if (ratio := alike(other)) >= _ALIKE}
    if likeness:
        return sorted(likeness, key=lambda other: -likeness[other])[:_CLOSE]
    if len(name) > _TELLING:
        return sorted((other for other in names if name in other.casefold()), key=len)[:_CLOSE]
    return []


def check_known(names: Iterable[object], known: Collection[str], where: str, noun: str) -> None:
    """Refuse names that are not among the known ones, and suggest some that are."""
    for name in names:
        if name not in known:
            raise UserError(f"{where}: unknown {noun} '{name}': {nearest(str(name), known)}")
