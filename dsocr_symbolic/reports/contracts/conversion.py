"""Artifacts to plain data and back: strict about keys and types, without loss."""

import hashlib
import json
import reprlib
from collections.abc import Callable, Mapping
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


_NAMES: Mapping[type, str] = {
    dict: "an object",
    list: "a list",
    str: "text",
    bool: "true or false",
    int: "a whole number",
}


_HASH_DIGITS = 16


def unstructure(artifact: Any) -> Any:
    """Turn an artifact into dicts, lists, text and numbers, ready for JSON and YAML."""
    return _converter().unstructure(artifact)


def structure(data: Any, kind: type[T], where: str) -> T:
    """Turn plain data into an artifact.

    Parameters
    ----------
    data : dict
        As :func:`unstructure` gives it.
    kind : type
        The artifact's class.
    where : str
        File or message that holds the data, for errors.

    Returns
    -------
    kind
        The artifact; every field meets its constraint.

    Raises
    ------
    UserError
        If a key is missing or unknown, or a value has the wrong type or breaks its constraint.
    """
    try:
        return _converter().structure(data, kind)
    except (cattrs.BaseValidationError, TypeError) as error:
        first, *more = cattrs.transform_error(error, kind.__name__, lambda each, _: _reason(each))
        others = f" (and {len(more)} more)" if more else ""
        raise UserError(f"{where}: {first}{others}") from error


def content_hash(artifact: Any, id_field: str) -> str:
    """Hash an artifact without its id.

    Parameters
    ----------
    artifact : attrs instance
        With any id.
    id_field : str
        Name of the field that holds it.

    Returns
    -------
    str
        First 16 hex digits of the SHA-256 of canonical JSON: sorted keys, no spaces, ASCII.
    """
    data = unstructure(artifact)
    del data[id_field]
    text = json.dumps(data, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()[:_HASH_DIGITS]


@cache
def _converter() -> cattrs.Converter:
    converter = cattrs.Converter(forbid_extra_keys=True, unstruct_collection_overrides={tuple: list})
    for kind in (str, bool, int):
        converter.register_structure_hook(kind, _exactly(kind))
    converter.register_structure_hook(float, _float)
    converter.register_structure_hook_func(lambda kind: kind == Number, lambda value, _: _number(value))
    converter.register_structure_hook_func(_is_literal, _option)
    converter.register_structure_hook_factory(attrs.has, _class_hook)
    converter.register_structure_hook_factory(_is_tuple, _tuple_hook)
    converter.register_structure_hook_factory(_is_dict, _dict_hook)
    return converter


def _is_literal(kind: Any) -> bool:
    return get_origin(kind) is Literal


def _is_tuple(kind: Any) -> bool:
    return get_origin(kind) is tuple


def _is_dict(kind: Any) -> bool:
    return get_origin(kind) is dict


def _expect(value: Any, kind: type) -> Any:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise TypeError(f"expected {_NAMES[kind]}, found {reprlib.repr(value)}")
    return value


def _exactly(kind: type) -> Callable[[Any, Any], Any]:
    return lambda value, _: _expect(value, kind)


def _number(value: Any) -> Any:
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
    if not any(value == each and type(value) is type(each) for each in options):
        raise ValueError(f"expected {' or '.join(map(str, options))}, found {reprlib.repr(value)}")
    return value


def _class_hook(kind: Any, converter: Any) -> Callable[[Any, Any], Any]:
    inner = make_dict_structure_fn(kind, converter, _cattrs_forbid_extra_keys=True, _cattrs_detailed_validation=True)
    return lambda value, _: inner(_expect(value, dict), kind)


def _tuple_hook(kind: Any, converter: Any) -> Callable[[Any, Any], Any]:
    whole: Any = GenericAlias(list, get_args(kind)[:1])
    inner = list_structure_factory(whole, converter)
    return lambda value, _: tuple(inner(_expect(value, list), whole))


def _dict_hook(kind: Any, converter: Any) -> Callable[[Any, Any], Any]:
    inner = mapping_structure_factory(kind, converter)
    return lambda value, _: inner(_expect(value, dict), kind)


def _reason(error: BaseException) -> str:
    """Say in one line what an exception of cattrs or of a validator means."""
    if isinstance(error, KeyError):
        return f"the key {error} is missing"
    if isinstance(error, ForbiddenExtraKeysError):
        known = [attribute.name for attribute in attrs.fields(error.cl)]
        return "; ".join(f"unknown key '{key}': {nearest(key, known)}" for key in sorted(error.extra_fields))
    said = str(error.args[0]) if error.args else type(error).__name__
    return " ".join(said.split())
