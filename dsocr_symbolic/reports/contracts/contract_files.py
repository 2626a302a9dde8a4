"""The contracts as files for other programs and their authors: schemas, OpenAPI, tables. All text, nothing written.

JSON Schema (2020-12) is generated from the classes: types and constraints come from the fields, descriptions from the
section ``Attributes`` of each class's docstring.
"""

import inspect
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal, get_args, get_origin

import attrs

from dsocr_symbolic.reports.contracts.endpoints import ENDPOINTS, OPTIONS, PROBLEM
from dsocr_symbolic.reports.contracts.messages import DeepSeekOCRAnalyticRequest
from dsocr_symbolic.reports.contracts.model_report import SCHEMA_VERSION, AnalyticModelReport
from dsocr_symbolic.reports.contracts.operator_list import TargetOperatorList

ARTIFACTS = (AnalyticModelReport, TargetOperatorList)
_COMPONENTS = "#/components/schemas/"
DIALECT = "https://json-schema.org/draft/2020-12/schema"
Schema = dict[str, Any]
_SCALARS: Mapping[Any, str] = {str: "string", int: "integer", float: "number", bool: "boolean"}
_FIELD = re.compile(r"(\w+(?:, \w+)*) : \S.*")


def contract_files() -> dict[str, str]:
    """Write every generated file of the contracts: path below the folder of reports -> text."""
    schemas = {kind.__name__: json.dumps(json_schema(kind), indent=1, ensure_ascii=False) for kind in _roots()}
    texts = {f"schema/{name}.json": f"{text}\n" for name, text in schemas.items()}
    texts["python-contracts.md"] = _rendered("contracts_python.md.jinja")
    texts["openapi.yaml"] = openapi_text()
    texts["MAPPING.md"] = _rendered("contracts_mapping.md.jinja")
    return {f"contracts/{name}": text for name, text in texts.items()}


def openapi_text() -> str:
    """Write the endpoints and their messages as OpenAPI, in YAML."""
    return _rendered("contracts_openapi.yaml.jinja")


def _roots() -> list[type]:
    """Return what stands in a file or in a message of its own."""
    messages = [kind for endpoint in ENDPOINTS for kind in (endpoint.request, endpoint.response) if kind is not None]
    return list(dict.fromkeys([*ARTIFACTS, *messages, PROBLEM]))


def _below(roots: Iterable[type]) -> list[type]:
    return list(dict.fromkeys(kind for root in roots for kind in classes_of(root)))


def _rendered(name: str) -> str:
    from dsocr_symbolic.writing.data import to_yaml
    from dsocr_symbolic.writing.templates import template

    roots = _roots()
    sent = _below(root for root in roots if root not in ARTIFACTS[1:])
    text: str = template(name).render(
        version=SCHEMA_VERSION,
        endpoints=ENDPOINTS,
        problem=PROBLEM.__name__,
        roots=[kind.__name__ for kind in roots],
        classes=[object_schema(kind, _COMPONENTS) for kind in _below(roots)],
        components=to_yaml({kind.__name__: object_schema(kind, _COMPONENTS) for kind in sent}),
        type_name=type_name,
        options=_options(),
    )
    return text


def _options() -> dict[str, str]:
    """Map each field of the request to options of the command line."""
    from dsocr_symbolic.language.lookup import default_definition

    choices = ", ".join(f"--{name}" for name in default_definition(None).choices)
    known = {**OPTIONS, "choices": choices}
    return {field.name: known.get(field.name, "") for field in attrs.fields(DeepSeekOCRAnalyticRequest)}


def json_schema(kind: type) -> Schema:
    """Return the schema of an artifact's class, complete in itself: every class below it stands under ``$defs``."""
    below = {part.__name__: object_schema(part, "#/$defs/") for part in classes_of(kind) if part is not kind}
    whole = {"$schema": DIALECT, **object_schema(kind, "#/$defs/")}
    return {**whole, "$defs": dict(sorted(below.items()))} if below else whole


def object_schema(kind: type, references: str) -> Schema:
    """Return the schema of one class, which allows no other keys; those of other classes stand at ``references``."""
    fields = attrs.fields(kind)
    summary, texts = descriptions(kind)
    return {
        "title": kind.__name__,
        "description": summary,
        "type": "object",
        "properties": {field.name: _property(field, texts[field.name], references) for field in fields},
        "required": [field.name for field in fields if field.default is attrs.NOTHING],
        "additionalProperties": False,
    }


def classes_of(kind: type) -> list[type]:
    """Return a class and all classes of its fields, each once."""
    classes = [kind]
    for attribute in attrs.fields(kind):
        for below in _classes_in(attribute.type):
            classes += [part for part in classes_of(below) if part not in classes]
    return classes


def descriptions(kind: type) -> tuple[str, dict[str, str]]:
    """Read a NumPy-style docstring: what stands before the section ``Attributes``, and the text of each field.

    What a field means that a class takes over from another one stands there.
    """
    head, _, section = (inspect.getdoc(kind) or "").partition("Attributes\n----------\n")
    texts: dict[str, str] = {}
    for base in kind.__bases__:
        texts |= descriptions(base)[1] if attrs.has(base) else {}
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
        return " or ".join(type_name(option) for option in schema["anyOf"])
    if "enum" in schema:
        return " or ".join("null" if option is None else f"`{option}`" for option in schema["enum"])
    kinds = [schema["type"]] if isinstance(schema["type"], str) else list(schema["type"])
    if kinds == ["array"]:
        return f"list of {type_name(schema['items'])}"
    if kinds == ["object"]:
        return f"object of {type_name(schema['additionalProperties'])}"
    return " or ".join(kinds)


def _classes_in(kind: Any) -> Iterator[type]:
    if attrs.has(kind):
        yield kind
    for argument in get_args(kind) if get_origin(kind) is not Literal else ():
        yield from _classes_in(argument)


def _property(attribute: Any, text: str, references: str) -> Schema:
    schema = {**_schema(attribute.type, attribute.metadata, references), "description": text}
    if attribute.default is attrs.NOTHING:
        return schema
    default = attribute.default
    value = default.factory() if isinstance(default, attrs.Factory) else default  # type: ignore[arg-type]
    return {**schema, "default": list(value) if isinstance(value, tuple) else value}


def _schema(kind: Any, keywords: Mapping[str, Any], references: str) -> Schema:
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


def _union(arguments: tuple[Any, ...], keywords: Mapping[str, Any], references: str) -> Schema:
    """Return the schema of a type or None, or of an int that may be a float."""
    kinds = [kind for kind in arguments if kind is not type(None)]
    one = _schema(float if float in kinds else kinds[0], keywords, references)
    if len(kinds) == len(arguments):
        return one
    if "enum" in one:
        return {"enum": [*one["enum"], None]}
    return {**one, "type": [one["type"], "null"]} if "type" in one else {"anyOf": [one, {"type": "null"}]}
