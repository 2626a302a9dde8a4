"""JSON Schema for each kind of YAML file, made of what the classes declare; editors read them in formulas/schema."""

import json
from collections.abc import Mapping
from typing import Any

from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import Expression
from dsocr_symbolic.language.files.bounds_file import BoundsFile
from dsocr_symbolic.language.files.budget_file import BudgetFile
from dsocr_symbolic.language.files.calibration_file import ComponentsFile, GridFile, PagesFile
from dsocr_symbolic.language.files.proof_file import CallsFile, CellsFile, NetworksFile, SharedFile
from dsocr_symbolic.language.files.server_file import ServerFile
from dsocr_symbolic.language.files.service_file import ServiceFile
from dsocr_symbolic.language.formula import Layer, Operator
from dsocr_symbolic.language.model_parts import Workload
from dsocr_symbolic.language.registry import METRICS, Conventions, Machine
from dsocr_symbolic.language.schema import entries, needed
from dsocr_symbolic.language.time_formula import TimeFormula
from dsocr_symbolic.scenario.hardware import Gpu
from dsocr_symbolic.scenario.measured import Measured, MeasuredHost

# A scenario names symbols and choices of its model, which a schema does not know.
_SCENARIO = {
    "type": "object",
    "description": "What a scenario of 'dsocr compare' says of its own: symbols, choices, gpu and workload.",
    "properties": {
        "gpu": {"type": "string", "description": "name or file of a machine"},
        "workload": {"type": "string", "description": "name or file of a workload"},
    },
    "additionalProperties": {"type": ["string", "number"]},
}
FORMS: Mapping[str, Mapping[str, Any]] = {
    "operator": {"$ref": Operator},
    "layer": {"$ref": Layer},
    "model": {"$ref": Definition},
    "extension": {"extends": Definition},
    "bounds": {"$ref": BoundsFile},
    "budget": {"$ref": BudgetFile},
    "conventions": {"$ref": Conventions},
    "machine": {"$ref": Machine},
    "server": {"$ref": ServerFile},
    "metrics": METRICS.form,
    "time": {"$ref": TimeFormula},
    "service": {"$ref": ServiceFile},
    "gpu": {"$ref": Gpu},
    "workload": {"$ref": Workload},
    "scenario": _SCENARIO,
    "shared": {"$ref": SharedFile},
    "cells": {"$ref": CellsFile},
    "calls": {"$ref": CallsFile},
    "networks": {"$ref": NetworksFile},
    "grid": {"$ref": GridFile},
    "components": {"$ref": ComponentsFile},
    "pages": {"$ref": PagesFile},
    "measured": {"$ref": Measured},
    "host": {"$ref": MeasuredHost},
}


def schema_files() -> dict[str, str]:
    """Return the text of every file below formulas/schema, by name."""
    return {f"{kind}.json": json.dumps(schema(kind), indent=1, ensure_ascii=False) + "\n" for kind in FORMS}


def schema(kind: str) -> dict[str, Any]:
    """Return the JSON Schema of a kind of file."""
    records: dict[str, Any] = {}
    form = FORMS[kind]
    if "extends" in form:
        return _extension(kind, schema("model"))
    root = _record(form["$ref"], records) if "$ref" in form else _resolved(form, records)
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": f"dsocr {kind} file"}
    return head | root | ({"$defs": dict(sorted(records.items()))} if records else {})


def _extension(kind: str, whole: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a file put over another one: nothing else is required, null takes a key away."""
    relaxed: dict[str, Any] = _relaxed(whole)
    named = {"type": "string", "description": "the model file that this one is put over, by name"}
    head = {"title": f"dsocr {kind} file", "description": "What a network has of its own, put over another model file."}
    return {**relaxed, **head, "properties": {"extends": named, **relaxed["properties"]}, "required": ["extends"]}


def _relaxed(form: Any) -> Any:
    if isinstance(form, list):
        return [_relaxed(part) for part in form]
    if not isinstance(form, dict):
        return form
    relaxed = {
        key: _both_given(part) if key == "not" else _relaxed(part)
        for key, part in form.items()
        if key not in ("required", "dependentRequired")
    }
    if "properties" in relaxed:
        relaxed["properties"] = {name: _or_null(part) for name, part in relaxed["properties"].items()}
    if isinstance(relaxed.get("additionalProperties"), dict):
        relaxed["additionalProperties"] = _or_null(relaxed["additionalProperties"])
    return relaxed


def _both_given(refused: dict[str, Any]) -> dict[str, Any]:
    """Let null stand beside what excludes it: it takes away what the other file says."""
    given = {name: {"not": {"type": "null"}} for name in refused["required"]}
    return {**refused, "properties": given}


def _or_null(form: dict[str, Any]) -> dict[str, Any]:
    """Allow null besides; what is said of a key stays at the top."""
    said: dict[str, Any] = {key: form[key] for key in ("description", "default") if key in form}
    return {"anyOf": [{key: part for key, part in form.items() if key not in said}, {"type": "null"}], **said}


def _record(cls: Any, records: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a mapping that is read as a class."""
    properties = {}
    for key, (place, reader) in entries(cls).items():
        default = place.default.text if isinstance(place.default, Expression) else place.default
        said = {"default": default} if isinstance(default, str | bool) and default != "" else {}
        properties[key] = {**_resolved(reader.form, records), "description": place.metadata["meaning"], **said}
    return {
        "type": "object",
        "description": (cls.__doc__ or "").partition("\n")[0],
        "properties": properties,
        "additionalProperties": False,
        "required": list(needed(cls)),
        **getattr(cls, "FORM", {}),
    }


def _resolved(form: Any, records: dict[str, Any]) -> Any:
    """Put a reference in place of each class, and its schema among the records."""
    if isinstance(form, list):
        return [_resolved(part, records) for part in form]
    if not isinstance(form, Mapping):
        return form
    cls = form.get("$ref")
    if cls is None:
        return {key: _resolved(part, records) for key, part in form.items()}
    if cls.__name__ not in records:
        records[cls.__name__] = {}
        records[cls.__name__] = _record(cls, records)
    return {"$ref": f"#/$defs/{cls.__name__}"}
