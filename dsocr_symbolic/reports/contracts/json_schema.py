"""JSON Schema (2020-12) of the artifacts, generated from their classes.

Types and constraints come from the fields, descriptions from the section ``Attributes`` of each class's docstring.
"""

import inspect
import re
from collections.abc import Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

import attrs

DIALECT = "https://json-schema.org/draft/2020-12/schema"


_SCALARS: Mapping[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}


_FIELD = re.compile(r"(\w+(?:, \w+)*) : \S.*")


def json_schema(kind: type) -> dict[str, Any]:
    """Return the schema of an artifact, complete in itself.

    Parameters
    ----------
    kind : type
        Its class.

    Returns
    -------
    dict
        With every class below it under ``$defs``.
    """
    below = {each.__name__: object_schema(each, "#/$defs/") for each in classes_of(kind) if each is not kind}
    whole = {"$schema": DIALECT, **object_schema(kind, "#/$defs/")}
    return {**whole, "$defs": dict(sorted(below.items()))} if below else whole


def object_schema(kind: type, references: str) -> dict[str, Any]:
    """Return the schema of one class.

    Parameters
    ----------
    kind : type
        The class.
    references : str
        Where the schemas of other classes stand: ``#/$defs/`` or ``#/components/schemas/``.

    Returns
    -------
    dict
        An object schema that allows no other keys.
    """
    fields = attrs.fields(kind)
    summary, texts = descriptions(kind)
    return {
        "title": kind.__name__,
        "description": summary,
        "type": "object",
        "properties": {each.name: _property(each, texts[each.name], references) for each in fields},
        "required": [each.name for each in fields if each.default is attrs.NOTHING],
        "additionalProperties": False,
    }


def classes_of(kind: type) -> list[type]:
    """Return a class and all classes of its fields, each once."""
    found = [kind]
    for attribute in attrs.fields(kind):
        for below in _classes_in(attribute.type):
            found += [each for each in classes_of(below) if each not in found]
    return found


def descriptions(kind: type) -> tuple[str, dict[str, str]]:
    """Read a NumPy-style docstring.

    Parameters
    ----------
    kind : type
        A class with a docstring.

    Returns
    -------
    summary : str
        The text before the section ``Attributes``.
    texts : dict of str to str
        Field -> description, unit included.
    """
    head, _, section = (inspect.getdoc(kind) or "").partition("Attributes\n----------\n")
    texts: dict[str, str] = {}
    names: list[str] = []
    for line in section.splitlines():
        start = _FIELD.fullmatch(line)
        if start:
            names = start[1].split(", ")
        for name in names if not start else ():
            texts[name] = f"{texts.get(name, '')} {line.strip()}".strip()
    return " ".join(head.split()), texts


def type_name(schema: Mapping[str, Any]) -> str:
    """Name the type of a property in a few words, for tables."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(type_name(each) for each in schema["anyOf"])
    if "enum" in schema:
        return " or ".join("null" if each is None else f"`{each}`" for each in schema["enum"])
    kinds = [schema["type"]] if isinstance(schema["type"], str) else list(schema["type"])
    if kinds == ["array"]:
        return f"list of {type_name(schema['items'])}"
    if kinds == ["object"]:
        return f"object of {type_name(schema['additionalProperties'])}"
    return " or ".join(kinds)


def _classes_in(kind: Any) -> Iterator[type]:
    if attrs.has(kind):
        yield kind
    for each in get_args(kind) if get_origin(kind) is not Literal else ():
        yield from _classes_in(each)


def _property(attribute: Any, text: str, references: str) -> dict[str, Any]:
    schema = {**_schema(attribute.type, attribute.metadata, references), "description": text}
    if attribute.default is attrs.NOTHING:
        return schema
    default = attribute.default
    value = default.factory() if isinstance(default, attrs.Factory) else default  # type: ignore[arg-type]
    return {**schema, "default": list(value) if isinstance(value, tuple) else value}


def _schema(kind: Any, keywords: Mapping[str, Any], references: str) -> dict[str, Any]:
    """Return the schema of a type; the constraint's keywords hold for the values at its core."""
    origin, arguments = get_origin(kind), get_args(kind)
    if attrs.has(kind):
        return {"$ref": f"{references}{kind.__name__}"}
    if origin is Literal:
        return {"enum": list(arguments)}
    if origin is tuple:
        return {"type": "array", "items": _schema(arguments[0], keywords, references)}
    if origin is dict:
        return {"type": "object", "additionalProperties": _schema(arguments[1], keywords, references)}
    if arguments:
        return _union(arguments, keywords, references)
    return {"type": _SCALARS[kind], **keywords}


def _union(arguments: tuple[Any, ...], keywords: Mapping[str, Any], references: str) -> dict[str, Any]:
    """Return the schema of a type or None, or of an int that may be a float."""
    kinds = [each for each in arguments if each is not type(None)]
    one = _schema(float if float in kinds else kinds[0], keywords, references)
    if len(kinds) == len(arguments):
        return one
    if "enum" in one:
        return {"enum": [*one["enum"], None]}
    return {**one, "type": [one["type"], "null"]} if "type" in one else {"anyOf": [one, {"type": "null"}]}
