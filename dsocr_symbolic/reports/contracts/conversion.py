"""Artifacts to plain data and back: strict about keys and types, without loss."""

import hashlib
import json
import reprlib
from collections.abc import Callable
from functools import cache
from types import GenericAlias
from typing import Any, Literal, TypeVar, get_args, get_origin

import attrs
import cattrs
from cattrs.cols import list_structure_factory, mapping_structure_factory
from cattrs.errors import ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn

from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.reports.contracts.constraints import Number

T = TypeVar("T")
Hook = Callable[[Any, Any], Any]
_NAMES: dict[type, str] = {
    dict: "an object",
    list: "a list",
    str: "text",
    bool: "true or false",
    int: "a whole number",
}
_HASH_DIGITS = 16
NO_HASH = "0" * _HASH_DIGITS
"""Stands for the id of an artifact whose content is not hashed yet."""


def unstructure(artifact: Any) -> Any:
    """Turn an artifact into dicts, lists, text and numbers, ready for JSON and YAML."""
    return _converter().unstructure(artifact)


def structure(data: Any, kind: type[T], where: str) -> T:
    """Turn plain data into an artifact whose fields all meet their constraints; errors name the file or message."""
    try:
        return _converter().structure(data, kind)
    except (cattrs.BaseValidationError, TypeError) as error:
        first, *more = cattrs.transform_error(error, kind.__name__, lambda reason, _: _said(reason))
        others = f" (and {len(more)} more)" if more else ""
        raise UserError(f"{where}: {first}{others}") from error


def content_hash(artifact: Any, id_field: str) -> str:
    """Hash an artifact without its id: the first digits of the SHA-256 of canonical JSON, sorted, spaceless, ASCII."""
    data = unstructure(artifact)
    del data[id_field]
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH_DIGITS]


@cache
def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True, unstruct_collection_overrides={tuple: list})
    for scalar in (str, bool, int):
        converter.register_structure_hook(scalar, _expect)
    converter.register_structure_hook(float, _float)
    converter.register_structure_hook_func(lambda kind: kind == Number, lambda value, _: _number(value))
    converter.register_structure_hook_func(
        lambda kind: kind == Number | None, lambda value, _: None if value is None else _number(value)
    )
    converter.register_structure_hook_func(_is_made_of(Literal), _option)
    converter.register_structure_hook_factory(attrs.has, _class_hook)
    converter.register_structure_hook_factory(_is_made_of(tuple), _tuple_hook)
    converter.register_structure_hook_factory(_is_made_of(dict), _dict_hook)
    return converter


def _is_made_of(origin: Any) -> Callable[[Any], bool]:
    return lambda kind: get_origin(kind) is origin


def _expect(value: Any, kind: type) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"expected {_NAMES[kind]}, found {reprlib.repr(value)}")
    return value


def _number(value: Any) -> int | float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"expected a number, found {reprlib.repr(value)}")
    return value


def _float(value: Any, _: Any) -> float:
    try:
        return float(_number(value))
    except OverflowError:
        raise ValueError("the number is too large") from None


def _option(value: Any, kind: Any) -> Any:
    options = get_args(kind)
    if not any(value == option and type(value) is type(option) for option in options):
        raise ValueError(f"expected {' or '.join(map(str, options))}, found {reprlib.repr(value)}")
    return value


def _class_hook(kind: Any, converter: Any) -> Hook:
    inner = make_dict_structure_fn(kind, converter, _cattrs_forbid_extra_keys=True, _cattrs_detailed_validation=True)
    return lambda value, _: inner(_expect(value, dict), kind)


def _tuple_hook(kind: Any, converter: Any) -> Hook:
    whole: Any = GenericAlias(list, get_args(kind)[:1])
    inner = list_structure_factory(whole, converter)
    return lambda value, _: tuple(inner(_expect(value, list), whole))


def _dict_hook(kind: Any, converter: Any) -> Hook:
    inner = mapping_structure_factory(kind, converter)
    return lambda value, _: inner(_expect(value, dict), kind)


def _said(error: BaseException) -> str:
    """Say in one line what an exception of cattrs or of a validator means."""
    if isinstance(error, KeyError):
        return f"the key {error} is missing"
    if isinstance(error, ForbiddenExtraKeysError):
        known = [attribute.name for attribute in attrs.fields(error.cl)]
        return "; ".join(f"unknown key '{key}': {nearest(key, known)}" for key in sorted(error.extra_fields))
    said = str(error.args[0]) if error.args else type(error).__name__
    return " ".join(said.split())
