"""Artifacts survive plain data, JSON and YAML, and nothing else passes for one."""

import json
from pathlib import Path
from typing import Any

import attrs
import pytest
from contract_examples import CLASSES, artifacts, real_report
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.reports.contracts.artifact_file import read_plain, to_text
from dsocr_symbolic.reports.contracts.conversion import content_hash, structure, unstructure
from dsocr_symbolic.reports.contracts.messages import DeepSeekOCRAnalyticRequest
from dsocr_symbolic.reports.contracts.model_report import AnalyticModuleNode, OperatorMetrics

ANY = st.sampled_from(CLASSES).flatmap(artifacts)
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))


def kinds_in(data: Any) -> set[type]:
    if isinstance(data, dict):
        return {dict}.union(*(kinds_in(each) for each in data.values()))
    if isinstance(data, list):
        return {list}.union(*(kinds_in(each) for each in data))
    return {type(data)}


@QUICK
@given(ANY)
def test_plain_data_gives_the_artifact_back(artifact: Any) -> None:
    data = unstructure(artifact)
    assert structure(data, type(artifact), "data") == artifact
    assert kinds_in(data) <= {dict, list, str, int, float, bool, type(None)}


@pytest.mark.parametrize("suffix", [".json", ".yaml"])
def test_files_give_the_artifact_back(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"artifact{suffix}"

    @QUICK
    @given(ANY)
    def law(artifact: Any) -> None:
        path.write_text(to_text(artifact, suffix), encoding="utf-8")
        found = structure(read_plain(path), type(artifact), str(path))
        assert found == artifact
        assert to_text(found, suffix) == to_text(artifact, suffix)

    law()


@pytest.mark.parametrize("suffix", [".json", ".yaml"])
def test_a_real_report_survives(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"report{suffix}"
    path.write_text(to_text(real_report(), suffix), encoding="utf-8")
    assert structure(read_plain(path), type(real_report()), str(path)) == real_report()


METRICS = {"category_id": "linear", "calls": 1, "flops_tflops": 1.0, "io_tb": 1.0, "share_of_module_flops": 1.0}
WRONG = {
    "calls": [True, "1", None, [1], -1, float("nan"), float("inf")],
    "category_id": [1, None, "", "two words", ["linear"]],
    "io_tb": ["1.0", False, None, {}, -0.5, 10**400],
    "share_of_module_flops": [1.0000001, -1, "1"],
}


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in WRONG.items() for value in values])
def test_a_wrong_value_is_one_clear_line(name: str, value: Any) -> None:
    with pytest.raises(UserError) as caught:
        structure({**METRICS, name: value}, OperatorMetrics, "file.json")
    assert str(caught.value).startswith("file.json: ")
    assert name in str(caught.value) or "OperatorMetrics" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("data", [None, [], "text", 1, [METRICS]])
def test_what_is_no_object_is_no_artifact(data: Any) -> None:
    with pytest.raises(UserError, match="file: expected an object, found"):
        structure(data, OperatorMetrics, "file")


def test_keys_are_exactly_the_fields() -> None:
    with pytest.raises(UserError, match=r"unknown key 'io_tB': did you mean io_tb\?"):
        structure({**METRICS, "io_tB": 1.0}, OperatorMetrics, "file")
    with pytest.raises(UserError, match=r"the key 'calls' is missing @ OperatorMetrics\.calls"):
        structure({name: value for name, value in METRICS.items() if name != "calls"}, OperatorMetrics, "file")


def test_the_place_of_a_mistake_is_named() -> None:
    node = unstructure(real_report().modules[0])
    with pytest.raises(UserError, match=r"children\[1\]"):
        structure({**node, "children": ["a", 2]}, AnalyticModuleNode, "file")
    with pytest.raises(UserError, match=r"constructor_params\['x'\]"):
        structure({**node, "constructor_params": {"x": "1"}}, AnalyticModuleNode, "file")
    with pytest.raises(UserError, match="expected a list, found 'ab'"):
        structure({**node, "children": "ab"}, AnalyticModuleNode, "file")
    with pytest.raises(UserError, match=r"\(and 1 more\)"):
        structure({**node, "children": "ab", "name": 1}, AnalyticModuleNode, "file")


def test_a_whole_number_may_stand_for_a_float_and_never_the_reverse() -> None:
    assert isinstance(structure({**METRICS, "io_tb": 1}, OperatorMetrics, "file").io_tb, float)
    request = structure({"settings": {"batch": 2, "weight": 0.5}}, DeepSeekOCRAnalyticRequest, "body")
    assert [type(each) for each in request.settings.values()] == [int, float]
    workload = unstructure(real_report().workload)
    with pytest.raises(UserError, match=r"expected a whole number, found 903\.0"):
        structure({**workload, "seq_len": 903.0}, type(real_report().workload), "file")
    with pytest.raises(UserError, match="expected a whole number, found True"):
        structure({**workload, "seq_len": True}, type(real_report().workload), "file")


def test_the_hash_is_of_the_content_alone() -> None:
    report = real_report()
    data = json.loads(to_text(report, ".json"))
    shuffled = dict(reversed(data.items()))
    assert content_hash(structure(shuffled, type(report), "data"), "report_id") == report.report_id
    assert content_hash(attrs.evolve(report, report_id="f" * 16), "report_id") == report.report_id
    assert content_hash(attrs.evolve(report, notes=report.notes + "."), "report_id") != report.report_id
