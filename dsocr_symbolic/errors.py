"""The one exception for mistakes a user can make and mend."""

_SHOWN = 12


class UserError(Exception):
    """A mistake in a file, a name or a value that the user supplied.

    The message is one line: the file or symbol, the rule it breaks, the way out.
    """


def nearest(name: str, known: object) -> str:
    """Suggest the known names closest to a misspelt one.

    Parameters
    ----------
    name : str
        What the user wrote.
    known : iterable of str
        The names that exist.

    Returns
    -------
    str
        ``"did you mean a, b?"``, or ``"known: a, b, ..."`` if nothing is close.
    """
    from difflib import get_close_matches

    names = sorted(str(each) for each in known)  # type: ignore[attr-defined]
    close = get_close_matches(name, names, n=3, cutoff=0.6)
    if close:
        return f"did you mean {', '.join(close)}?"
    shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    return f"known: {shown}" if names else "none exist"
