"""Read ``KEY=VALUE`` words: those of an assertion, a scenario, a mix, prices."""

from collections.abc import Iterable

from dsocr_symbolic.errors import UserError


def read_pairs(words: Iterable[str], where: str, form: str) -> dict[str, str]:
    """Return values by key, both without spaces around them.

    Parameters
    ----------
    words : iterable of str
        Each ``KEY=VALUE``.
    where, form : str
        What an error names, and the form that it asks for.

    Raises
    ------
    UserError
        If a word has no key or no value, or a key is given twice.
    """
    pairs: dict[str, str] = {}
    for word in words:
        key, _, value = (part.strip() for part in word.partition("="))
        if not key or not value:
            raise UserError(f"{where}: '{word.strip()}': expected {form}")
        if key in pairs:
            raise UserError(f"{where}: {key} is given twice; give it once")
        pairs[key] = value
    return pairs
