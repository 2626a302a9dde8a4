"""A YAML mapping as a class: each field declares key, default and meaning once, for reading and for editors.

``runs: bool = entry("false for a weight that is never read", default=True)`` is all there is to say of a key: its type
says how it is read, :func:`structure` reads it, and the JSON Schema of an editor is made of the same.
"""

from collections.abc import Callable, Mapping
from functools import cache
from types import UnionType
from typing import Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin

from attrs import NOTHING, Factory, field, fields, has

from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.errors import UserError, check_known
from dsocr_symbolic.language.expression import Expression, check_symbol, constant, parse

T = TypeVar("T")
# The default of a mapping that a file may leave out.
BLANK: Any = Factory(dict)


class Reader(NamedTuple):
    """How a raw value is read, and what it looks like.

    Attributes
    ----------
    read : callable
        Gets the raw value and its place, file first; raises UserError.
    form : mapping
        The same as JSON Schema, in which a class stands for its own.
    """

    read: Callable[[Any, str], Any]
    form: Mapping[str, Any]


def entry(
    meaning: str, reader: Reader | None = None, *, key: str = "", default: Any = NOTHING, converter: Any = None
) -> Any:
    """Declare a field that a file gives, under its own name or another key; without a default it must."""
    declared = {"meaning": meaning, "reader": reader, "key": key}
    return field(default=default, converter=converter, metadata=declared)


def follows(function: Callable[[Any], Any]) -> Any:
    """Return a default that follows from the fields above it; structure adds the place to a UserError of it."""
    return Factory(function, takes_self=True)


@cache
def entries(cls: Any) -> Mapping[str, tuple[Any, Reader]]:
    """Return by key, in order, which fields of a class a file gives, and how each is read."""
    declared = [(place, place.metadata) for place in fields(cls) if place.metadata]
    return {says["key"] or place.name: (place, says["reader"] or reader_of(place.type)) for place, says in declared}


@cache
def needed(cls: Any) -> tuple[str, ...]:
    """Return the keys that a file must give."""
    return tuple(key for key, (place, _) in entries(cls).items() if place.default is NOTHING)


def structure(cls: type[T], raw: Any, where: str, **more: Any) -> T:
    """Read a mapping as a class; ``more`` are fields that no file declares, such as its name."""
    kind: Any = cls
    known, required = entries(kind), needed(kind)
    if not isinstance(raw, dict):
        keys = f" ({', '.join(required)})" if required else ""
        raise UserError(f"{where}: expected a mapping of names to values{keys}, found {raw!r}")
    check_known(raw, known, where, "key")
    for key in required:
        if key not in raw:
            raise UserError(f"{where}: the key '{key}' is missing")
    for key, (place, reader) in known.items():
        if key in raw:
            more[place.name] = reader.read(raw[key], f"{where}: {key}")
    try:
        return cls(**more)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error


def _text(raw: Any, where: str) -> str:
    if not isinstance(raw, str):
        raise UserError(f"{where}: expected text, found {raw!r}")
    return raw.strip()


def _plain(kinds: Any, what: str, form: str | list[str]) -> Reader:
    """Read a plain value; true and false are no numbers."""

    def read(raw: Any, where: str) -> Any:
        if not isinstance(raw, kinds) or (isinstance(raw, bool) and kinds is not bool):
            raise UserError(f"{where}: expected {what}, found {raw!r}")
        return raw

    return Reader(read, {"type": form})


def _names(raw: Any, where: str) -> tuple[str, ...]:
    names = raw if isinstance(raw, list) else [raw]
    if not all(isinstance(name, str) for name in names):
        raise UserError(f"{where}: expected a name or a list of names, found {raw!r}")
    return tuple(names)


def _groups(raw: Any, where: str) -> tuple[tuple[str, ...], ...]:
    groups = [group if isinstance(group, list) else [group] for group in (raw if isinstance(raw, list) else [raw])]
    if not all(isinstance(name, str) for group in groups for name in group):
        raise UserError(f"{where}: expected a name or a list of names, found {raw!r}")
    return tuple(tuple(group) for group in groups)


def _formula(fits: Callable[[Exact], bool], what: str, form: Mapping[str, Any]) -> Reader:
    """Read a formula; one of plain numbers alone must fit."""

    def read(raw: Any, where: str) -> Expression:
        expression = parse(raw, where)
        number = constant(expression)
        if number is not None and not fits(number):
            raise UserError(f"{where}: '{expression.text}' is not {what}, or a formula of symbols")
        return expression

    return Reader(read, form)


def _sizes(raw: Any, where: str) -> tuple[Expression, ...]:
    if not isinstance(raw, list) or not raw:
        raise UserError(f"{where}: expected a list of sizes, found {raw!r}")
    return tuple(COUNT.read(size, where) for size in raw)


def _symbol(raw: Any, where: str) -> str:
    name = _text(raw, where)
    check_symbol(name, where)
    return name


TEXT = Reader(_text, {"type": "string"})
SYMBOL = Reader(_symbol, TEXT.form)
PROSE = Reader(lambda raw, where: " ".join(_text(raw, where).split()), TEXT.form)
FORMULA = Reader(parse, {"type": ["string", "number"]})
COUNT = _formula(
    lambda number: number >= 0 and not number % 1,
    "a count, a whole number from 0 on",
    {**FORMULA.form, "minimum": 0, "multipleOf": 1},
)
POSITIVE = _formula(lambda number: number >= 0, "a number from 0 on", {**FORMULA.form, "minimum": 0})
SHARE = _formula(
    lambda number: 0 <= number <= 1, "a share, a number from 0 to 1", {**FORMULA.form, "minimum": 0, "maximum": 1}
)
GUARD = _formula(lambda number: number in (0, 1), "a guard, 0 or 1", {"anyOf": [{"type": "string"}, {"enum": [0, 1]}]})
NUMBER = _plain((int, float), "a number", "number")
AMOUNT = _plain((int, str), "a whole number or a symbol", ["integer", "string"])
# One name or several.
NAMES = Reader(_names, {"type": ["string", "array"], "items": {"type": "string"}})
_BY_TYPE: Mapping[Any, Reader] = {
    Any: Reader(lambda raw, _: raw, {}),
    str: TEXT,
    bool: _plain(bool, "true or false", "boolean"),
    int: _plain(int, "a whole number", "integer"),
    float: NUMBER,
    int | float: NUMBER,
    Expression: FORMULA,
    tuple[Expression, ...]: Reader(_sizes, {"type": "array", "items": COUNT.form, "minItems": 1}),
    tuple[str, ...]: NAMES,
    frozenset[str]: NAMES,
    # One name or several, each of which may be several that come together.
    tuple[tuple[str, ...], ...]: Reader(_groups, {"type": ["string", "array"], "items": NAMES.form}),
}


def _choice(options: tuple[str, ...]) -> Reader:
    those = f"neither {options[0]} nor {options[1]}" if len(options) == 2 else f"none of {', '.join(options)}"  # noqa: PLR2004

    def read(raw: Any, where: str) -> str:
        if raw not in options:
            raise UserError(f"{where}: '{raw}' is {those}")
        return str(raw)

    return Reader(read, {"enum": list(options)})


def listed(reader: Reader) -> Reader:
    """Read a list, counted from 1 in errors."""

    def read(raw: Any, where: str) -> tuple[Any, ...]:
        if not isinstance(raw, list):
            raise UserError(f"{where}: expected a list, found {raw!r}")
        return tuple(reader.read(value, f"{where}: {place}") for place, value in enumerate(raw, start=1))

    return Reader(read, {"type": "array", "items": reader.form})


def _named(read_value: Callable[[str, Any, str], Any], form: Mapping[str, Any]) -> Reader:
    def read(raw: Any, where: str) -> dict[str, Any]:
        if not isinstance(raw, dict):
            raise UserError(f"{where}: expected a mapping of names to values, found {raw!r}")
        return {str(name): read_value(str(name), value, f"{where}: {name}") for name, value in raw.items()}

    return Reader(read, {"type": "object", "additionalProperties": form})


def table(reader: Reader) -> Reader:
    """Read a mapping of names to values of one kind, in the file's order."""
    return _named(lambda _, raw, where: reader.read(raw, where), reader.form)


# A name without a value stands for itself, as in ``{hidden_size}``.
FORMULAS = _named(
    lambda name, raw, where: parse(name if raw is None else raw, where), {"type": ["string", "number", "null"]}
)


def records(cls: Any, **more: Any) -> Reader:
    """Read a mapping of names to mappings of one class, which is told its name if it has a field for it."""
    if "name" in {place.name for place in fields(cls) if not place.metadata}:
        return _named(lambda name, raw, where: structure(cls, raw, where, name=name, **more), {"$ref": cls})
    return _named(lambda _, raw, where: structure(cls, raw, where, **more), {"$ref": cls})


def of_symbols(reader: Reader) -> Reader:
    """Read a mapping whose names are symbols."""

    def read(raw: Any, where: str) -> Any:
        for name in raw if isinstance(raw, dict) else ():
            check_symbol(str(name), where)
        return reader.read(raw, where)

    return Reader(read, {**reader.form, "propertyNames": {"pattern": r"^[^\W\d]\w*$"}})


def in_order(reader: Reader) -> Reader:
    """Read a mapping and keep its values alone."""
    return Reader(lambda raw, where: tuple(reader.read(raw, where).values()), reader.form)


def reader_of(kind: Any) -> Reader:
    """Return how a field of a type is read."""
    inside = get_args(kind)
    if kind in _BY_TYPE:
        return _BY_TYPE[kind]
    if get_origin(kind) is Literal:
        return _choice(inside)
    if get_origin(kind) in (Union, UnionType):
        return reader_of(inside[0])
    if get_origin(kind) is tuple:
        return listed(reader_of(inside[0]))
    if get_origin(kind) is Mapping:
        if inside[1] is Expression:
            return FORMULAS
        return records(inside[1]) if inside[1] not in _BY_TYPE and has(inside[1]) else table(reader_of(inside[1]))
    return Reader(lambda raw, where: structure(kind, raw, where), {"$ref": kind})
