"""The contracts as files for other programs and their authors: schemas, OpenAPI, tables. All text, nothing written."""

import json
from typing import Any

from dsocr_symbolic.reports.contracts.endpoints import ENDPOINTS, OPTIONS, PROBLEM
from dsocr_symbolic.reports.contracts.json_schema import classes_of, json_schema, object_schema, type_name
from dsocr_symbolic.reports.contracts.messages import DeepSeekOCRAnalyticRequest
from dsocr_symbolic.reports.contracts.model_report import SCHEMA_VERSION, AnalyticModelReport
from dsocr_symbolic.reports.contracts.operator_list import TargetOperatorList

FOLDER = "contracts"


ARTIFACTS = (AnalyticModelReport, TargetOperatorList)


_COMPONENTS = "#/components/schemas/"


def contract_files() -> dict[str, str]:
    """Write every generated file of the contracts.

    Returns
    -------
    dict of str to str
        Path below the folder of reports -> text.
    """
    texts = {f"schema/{kind.__name__}.json": _json(json_schema(kind)) for kind in _roots()}
    texts["python-contracts.md"] = _rendered("contracts_python.md.jinja")
    texts["openapi.yaml"] = _rendered("contracts_openapi.yaml.jinja")
    texts["MAPPING.md"] = _rendered("contracts_mapping.md.jinja")
    return {f"{FOLDER}/{name}": text for name, text in texts.items()}


def _roots() -> list[type]:
    """Return what stands in a file or in a message of its own."""
    messages = [kind for each in ENDPOINTS for kind in (each.request, each.response) if kind is not None]
    return list(dict.fromkeys([*ARTIFACTS, *messages, PROBLEM]))


def _json(data: Any) -> str:
    return json.dumps(data, indent=1, ensure_ascii=False) + "\n"


def _rendered(name: str) -> str:
    from dsocr_symbolic.writing.data import to_yaml
    from dsocr_symbolic.writing.templates import template

    kinds = list(dict.fromkeys(each for root in _roots() for each in classes_of(root)))
    sent = list(dict.fromkeys(each for root in _roots() if root not in ARTIFACTS[1:] for each in classes_of(root)))
    text: str = template(name).render(
        version=SCHEMA_VERSION,
        endpoints=ENDPOINTS,
        problem=PROBLEM.__name__,
        roots=[kind.__name__ for kind in _roots()],
        classes=[object_schema(kind, _COMPONENTS) for kind in kinds],
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
    properties = object_schema(DeepSeekOCRAnalyticRequest, _COMPONENTS)["properties"]
    return {name: known.get(name, "") for name in properties}
