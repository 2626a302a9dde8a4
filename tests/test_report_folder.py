"""The folder of a report: nothing foreign is replaced, and a failure leaves what was there."""

import json
from pathlib import Path
from typing import Any

import pytest
from test_cli import assert_refused
from test_performance_report import contents, made

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.reports.performance.report import FILES, JSON, VERSION
from dsocr_symbolic.writing.files import check_replaceable, write_folder


def spoilt(**changes: Any) -> str:
    return json.dumps({"schema_version": VERSION, **changes})


TEXTS = {name: f"new {name}" for name in FILES} | {JSON: spoilt(of="new")}


@pytest.fixture
def report(tmp_path: Path) -> Path:
    """Return a folder with an older report, and a file of the user's own."""
    folder = tmp_path / "report"
    write_folder(folder, {name: f"old {name}" for name in FILES} | {JSON: spoilt(of="old")}, FILES)
    (folder / "notes.txt").write_text("mine")
    return folder


def replaceable(folder: Path) -> None:
    check_replaceable(folder, FILES, JSON, VERSION)


def test_a_report_of_this_version_is_replaced_and_other_files_stay(report: Path) -> None:
    replaceable(report)
    write_folder(report, TEXTS, FILES)
    assert contents(report) == {name: text.encode() for name, text in {**TEXTS, "notes.txt": "mine"}.items()}
    assert len(list(report.iterdir())) == len(TEXTS) + 1


def test_a_file_that_the_new_report_lacks_is_removed(report: Path) -> None:
    write_folder(report, {name: text for name, text in TEXTS.items() if name != "crops.svg"}, FILES)
    assert set(contents(report)) == {*FILES, "notes.txt"} - {"crops.svg"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        (spoilt(schema_version=VERSION + 1), f"schema_version is {VERSION + 1}"),
        (spoilt(schema_version=True), "schema_version is True"),
        (spoilt(schema_version=None), "schema_version is None"),
        ("{}", "schema_version is None"),
        ("[1]", "schema_version is None"),
        (spoilt()[:-1], "cut off"),
        ("", "cut off"),
        ("\xff", "cut off"),
        ("[" * 100_000, "cut off"),
    ],
    ids=range(9),
)
def test_what_is_not_known_to_be_ours_is_not_replaced(report: Path, text: str, words: str) -> None:
    (report / JSON).write_text(text, encoding="latin-1")
    before = contents(report)
    assert_refused(made(report), report / JSON, words, "--force")
    assert contents(report) == before


def test_a_report_s_file_without_its_data_is_not_replaced(report: Path) -> None:
    (report / JSON).unlink()
    before = contents(report)
    assert_refused(made(report), "there is no report.json beside it", "--force")
    assert contents(report) == before


def test_force_replaces(report: Path) -> None:
    (report / JSON).write_text("{")
    assert made(report, "--force").status == 0
    assert json.loads((report / JSON).read_text(encoding="utf-8"))["workload"]["profile_id"] == "tiny"


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("mine")
    assert_refused(made(tmp_path / "file"), "this is a file")
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(UserError, match="cannot be written"):
            write_folder(folder, TEXTS, FILES)
    assert contents(tmp_path) == {"file": b"mine"}


@pytest.mark.parametrize("failing", ["roofline.svg", "report.md", JSON])
def test_a_failure_leaves_what_was_there(report: Path, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    before, original = contents(report), Path.replace

    def replace(path: Path, target: Path) -> Path:
        if path.name == failing and path.parent.name == "report" and path.parent != report:
            raise PermissionError(1, "Operation not permitted")
        return original(path, target)

    monkeypatch.setattr(Path, "replace", replace)
    with pytest.raises(UserError, match="cannot be written: Operation not permitted"):
        write_folder(report, TEXTS, FILES)
    assert contents(report) == before
    assert len(list(report.iterdir())) == len(before)
