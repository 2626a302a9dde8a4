"""Schemas: they describe every field, take real artifacts, and refuse what the classes refuse."""

import copy
import json
from functools import cache
from typing import Any

import attrs
import jsonschema
import pytest
from contract_examples import CLASSES, ROOTS, TOP, artifacts, real_report
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.reports.contracts.contract_files import json_schema, object_schema, type_name
from dsocr_symbolic.reports.contracts.conversion import structure, unstructure
from dsocr_symbolic.reports.contracts.model_report import AnalyticModelReport, AnalyticModuleNode, OperatorMetrics

QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
SHIPPED = TOP / "reports" / "contracts" / "schema"


@cache
def shipped(name: str) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(json.loads((SHIPPED / f"{name}.json").read_text(encoding="utf-8")))


@pytest.mark.parametrize("kind", ROOTS, ids=lambda kind: kind.__name__)
def test_schemas_are_schemas(kind: type) -> None:
    jsonschema.Draft202012Validator.check_schema(json_schema(kind))


def test_the_shipped_schema_takes_a_real_report() -> None:
    shipped("AnalyticModelReport").validate(unstructure(real_report("gundam")))


@QUICK
@given(st.sampled_from(ROOTS).flatmap(artifacts))
def test_whatever_the_classes_allow_the_schema_allows(artifact: Any) -> None:
    shipped(type(artifact).__name__).validate(unstructure(artifact))


DEFINITIONS = {each.__name__: object_schema(each, "#/$defs/") for each in CLASSES}
MUTATIONS = st.sampled_from([None, True, "", "two words", -1, 1.5, [], {}, ["x"], {"x": "y"}, "/x", 2**70])


@QUICK
@given(st.sampled_from(CLASSES).flatmap(artifacts), st.data())
def test_classes_and_schema_refuse_the_same(artifact: Any, data: st.DataObject) -> None:
    kind = type(artifact)
    plain = unstructure(artifact)
    plain[data.draw(st.sampled_from(list(plain)), label="field")] = data.draw(MUTATIONS, label="value")
    schema = {"$ref": f"#/$defs/{kind.__name__}", "$defs": DEFINITIONS}
    allowed = jsonschema.Draft202012Validator(schema).is_valid(plain)
    if allowed:
        structure(plain, kind, "data")
    else:
        with pytest.raises(UserError):
            structure(plain, kind, "data")


@pytest.mark.parametrize("kind", CLASSES, ids=lambda kind: kind.__name__)
def test_keys_are_exactly_the_fields(kind: type) -> None:
    schema = object_schema(kind, "#/")
    assert list(schema["properties"]) == [each.name for each in attrs.fields(kind)]
    assert schema["additionalProperties"] is False
    assert set(schema["required"]) == {each.name for each in attrs.fields(kind) if each.default is attrs.NOTHING}
    assert all(each["description"] for each in schema["properties"].values())
    assert schema["description"]


def test_fields_become_what_they_are() -> None:
    node = object_schema(AnalyticModuleNode, "#/")["properties"]
    assert node["stage"]["enum"] == ["vision", "projector", "prefill", "decode", "other"]
    assert node["parent_id"]["type"] == ["string", "null"]
    assert node["children"]["items"] == {"type": "string", "pattern": r"^(?:\S+)$"}
    assert node["constructor_params"]["additionalProperties"] == {"type": "number"}
    share = object_schema(OperatorMetrics, "#/")["properties"]["share_of_module_flops"]
    assert (share["minimum"], share["maximum"]) == (0, 1)
    report = object_schema(AnalyticModelReport, "#/")["properties"]
    assert report["modules"]["items"] == {"$ref": "#/AnalyticModuleNode"}
    assert type_name(report["modules"]) == "list of AnalyticModuleNode"
    assert type_name(node["parent_id"]) == "string or null"


@pytest.mark.parametrize(
    "path",
    [
        ("notes",),
        ("model", "hidden_size"),
        ("modules", 3, "stage"),
        ("module_metrics", 5, "operator_breakdown", 0, "io_tb"),
    ],
    ids=str,
)
def test_a_real_report_with_one_value_gone_is_refused(path: tuple[Any, ...]) -> None:
    report = copy.deepcopy(unstructure(real_report("gundam")))
    place = report
    for each in path[:-1]:
        place = place[each]
    del place[path[-1]]
    assert not shipped("AnalyticModelReport").is_valid(report)
    place[path[-1]] = object()
    assert not shipped("AnalyticModelReport").is_valid(report)
