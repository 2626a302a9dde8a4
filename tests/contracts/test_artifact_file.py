"""Files of artifacts: read strictly with one line for every mistake, written whole or not at all."""

import json
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from contract_examples import TOP, answered, real_report

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.reports.contracts import artifact_file
from dsocr_symbolic.reports.contracts.artifact_file import (
    load_operator_list,
    load_report,
    to_text,
    write_operator_list,
    write_report,
)
from dsocr_symbolic.reports.contracts.operator_list import make_operator_list

JSON = to_text(real_report(), ".json")


@pytest.mark.parametrize("name", ["report.json", "report.yaml", "below/it/report.yml"])
def test_what_is_written_is_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    write_report(real_report(), path)
    assert load_report(path) == real_report()
    assert [each.name for each in path.parent.iterdir()] == [path.name]
    write_report(real_report("base"), path)
    assert load_report(path) == real_report("base")


def changed(**changes: Any) -> str:
    return json.dumps({**json.loads(JSON), **changes})


UNREADABLE = {
    "cut.json": (JSON[: len(JSON) // 2], "no complete JSON"),
    "empty.json": ("", "no complete JSON"),
    "text.json": ("time is 3", "no complete JSON"),
    "list.json": ("[1, 2]", "no AnalyticModelReport: it has no schema_version"),
    "bare.json": ("{}", "no AnalyticModelReport: it has no schema_version"),
    "later.json": (changed(schema_version=2), "schema_version 2 is not known; this program reads 1"),
    "flag.json": (changed(schema_version=True), "schema_version True is not known"),
    "word.json": (changed(schema_version="1"), "schema_version '1' is not known"),
    "float.json": (changed(schema_version=1.0), r"schema_version 1\.0 is not known"),
    "more.json": (changed(modul=1), r"unknown key 'modul': did you mean model\?|unknown key 'modul'"),
    "type.json": (changed(notes=3), r"expected text, found 3 @ AnalyticModelReport\.notes"),
    "range.json": (changed(predicted_total_time_ms=-1.0), "predicted_total_time_ms"),
    "nan.json": (changed(predicted_total_time_ms=float("nan")), "NaN is no JSON number"),
    "twice.json": ('{"notes": "a", "notes": "b"}', "the key 'notes' stands twice"),
    "hand.json": (changed(notes="faster"), "is not the hash of the content"),
    "deep.json": ("[" * 100_000, "cannot be read|no complete JSON"),
    "cut.yaml": ("schema_version: 1\nnotes: 'a", "line"),
    "no.yaml": ("schema_version: 1\nnotes: no\n", "would be read as a boolean"),
    "other.toml": ("", r"the name must end in \.json, \.yaml or \.yml"),
}


@pytest.mark.parametrize("name", UNREADABLE)
def test_a_file_that_holds_no_report_is_one_line(tmp_path: Path, name: str) -> None:
    text, said = UNREADABLE[name]
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=said) as caught:
        load_report(path)
    assert str(caught.value).startswith(f"{path}: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < len(str(path)) + 400


def test_a_file_that_is_not_there_or_not_text_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read: No such file"):
        load_report(tmp_path / "none.json")
    (tmp_path / "image.json").write_bytes(b"\xff\xd8\xff")
    with pytest.raises(UserError, match="cannot be read"):
        load_report(tmp_path / "image.json")
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(UserError, match="cannot be read: Is a directory"):
        load_report(tmp_path / "folder.json")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (changed(schema_version=2), "schema_version 2, not 1"),
        ('{"total": 1}', "schema_version None, not 1"),
        ("[]", "schema_version None, not 1"),
        ("draft", "no complete JSON"),
    ],
)
def test_what_this_version_did_not_write_is_replaced_by_force_only(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "report.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=rf"{said}.*not replaced without force"):
        write_report(real_report(), path)
    assert path.read_text(encoding="utf-8") == text
    write_report(real_report(), path, force=True)
    assert load_report(path) == real_report()


def test_an_inconsistent_report_is_never_written(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="is not the hash"):
        write_report(evolve(real_report(), notes=""), tmp_path / "report.json")
    assert not list(tmp_path.iterdir())


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "report.json"
    write_report(real_report("base"), path)

    def full(draft: Path, text: str, **_: str) -> int:
        draft.write_bytes(text[:100].encode())
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(artifact_file.Path, "write_text", full)
    with pytest.raises(UserError, match="cannot be written: No space left on device"):
        write_report(real_report(), path)
    monkeypatch.undo()
    assert load_report(path) == real_report("base")
    assert [each.name for each in tmp_path.iterdir()] == ["report.json"]


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        write_report(real_report(), tmp_path / "file" / "report.json")


def test_operator_lists_are_files_too(tmp_path: Path) -> None:
    found = make_operator_list(TOP / "reports" / "torchinfo", answered()[1], folder=tmp_path)
    write_operator_list(found, tmp_path / "operators.json")
    assert load_operator_list(tmp_path / "operators.json") == found
    with pytest.raises(UserError, match=r"operators\.json: the key 'report_id' is missing"):
        load_report(tmp_path / "operators.json")


@pytest.mark.parametrize(
    "length", [0, 1, artifact_file._AT_ONCE, artifact_file._AT_ONCE + 1, 3 * artifact_file._AT_ONCE]
)
def test_long_lists_are_written_as_short_ones(length: int, monkeypatch: pytest.MonkeyPatch) -> None:
    data = {"one": 1, "many": [{"name": f"a {place}: b", "inside": [place, None]} for place in range(length)], "no": {}}
    found = artifact_file._to_yaml(data)
    monkeypatch.setattr(artifact_file, "_AT_ONCE", length + 1)
    assert found == artifact_file._to_yaml(data)
    assert found.count("- name:") == length
