"""Take typed values out of a YAML mapping; every error names the file, the place and the way out."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.language.expression import Expression, parse

T = TypeVar("T")


def check_keys(mapping: Any, allowed: Iterable[str], where: str, required: Iterable[str] = ()) -> dict[str, Any]:
    """Return the mapping if it has no unknown and no missing key.

    Raises
    ------
    UserError
        If it is no mapping, or a key is unknown or missing.
    """
    if not isinstance(mapping, dict):
        raise UserError(f"{where}: expected a mapping of names to values, found {mapping!r}")
    allowed = list(allowed)
    for key in mapping:
        if key not in allowed:
            raise UserError(f"{where}: unknown key '{key}': {nearest(str(key), allowed)}")
    for key in required:
        if key not in mapping:
            raise UserError(f"{where}: the key '{key}' is missing")
    return mapping


def text(mapping: Mapping[str, Any], key: str, where: str, default: str | None = None) -> str:
    """Return a text value.

    Raises
    ------
    UserError
        If it is missing without a default, or no text.
    """
    value = mapping.get(key, default)
    if not isinstance(value, str):
        raise UserError(f"{where}: {key}: expected text, found {value!r}")
    return value.strip()


def flag(mapping: Mapping[str, Any], key: str, where: str, *, default: bool) -> bool:
    """Return true or false.

    Raises
    ------
    UserError
        If it is anything else.
    """
    value = mapping.get(key, default)
    if not isinstance(value, bool):
        raise UserError(f"{where}: {key}: expected true or false, found {value!r}")
    return value


def table(mapping: Mapping[str, Any], key: str, where: str, read: Callable[[str, Any, str], T]) -> dict[str, T]:
    """Read a mapping of names, one value after the other; absent is empty.

    Parameters
    ----------
    mapping : mapping
        The mapping that holds the table.
    key : str
        Its key.
    where : str
        File and place, for errors.
    read : callable
        Gets the name, the raw value and the place.

    Returns
    -------
    dict
        In the file's order.

    Raises
    ------
    UserError
        If it is no mapping.
    """
    value = mapping.get(key, {})
    if not isinstance(value, dict):
        raise UserError(f"{where}: {key}: expected a mapping of names to values, found {value!r}")
    return {str(name): read(str(name), each, f"{where}: {key}: {name}") for name, each in value.items()}


def formulas(mapping: Mapping[str, Any], key: str, where: str) -> dict[str, Expression]:
    """Read a table of formulas; a name without a value stands for itself, as in ``{hidden_size}``.

    Raises
    ------
    UserError
        If a value is no formula.
    """
    return table(mapping, key, where, lambda name, raw, place: parse(name if raw is None else raw, place))


def words(mapping: Mapping[str, Any], key: str, where: str) -> tuple[tuple[str, ...], ...]:
    """Read one name, a list of names, or a list with inner lists of names.

    Raises
    ------
    UserError
        If it is anything else.
    """
    value = mapping.get(key, [])
    outer = [value] if isinstance(value, str) else value
    if isinstance(outer, list):
        inner = [[each] if isinstance(each, str) else each for each in outer]
        if all(isinstance(each, list) and all(isinstance(name, str) for name in each) for each in inner):
            return tuple(tuple(each) for each in inner)
    raise UserError(f"{where}: {key}: expected a name or a list of names, found {value!r}")
