"""Files are whole or not there."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.writing.files import check_target, write_files, written_whole


def test_a_file_appears_when_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("old")
    with written_whole(path) as draft:
        draft.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failure_leaves_what_was_there(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("old")

    def fail() -> None:
        with written_whole(path) as draft:
            draft.write_text("half of the n")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_targets(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    check_target(path, force=False)
    path.write_text("old")
    check_target(path, force=True)
    with pytest.raises(UserError, match="exists already; give --force to replace it"):
        check_target(path, force=False)
    with pytest.raises(UserError, match="is no folder; make it first"):
        check_target(tmp_path / "none" / "a.csv", force=True)


def test_drafts_of_dead_processes_go_and_those_of_others_stay(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    for name in (f".a.csv.{dead.pid}.draft", f".b.csv.{dead.pid}.draft", f".a.csv.{os.getppid()}.draft"):
        (tmp_path / name).write_text("half")
    with written_whole(path) as draft:
        draft.write_text("new")
    left = {f".b.csv.{dead.pid}.draft", f".a.csv.{os.getppid()}.draft"}
    assert {each.name for each in tmp_path.iterdir()} == {"a.csv", *left}


def test_a_file_and_its_folder_are_on_the_disk_before_it_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synchronised = []
    monkeypatch.setattr(os, "fsync", lambda handle: synchronised.append(os.fstat(handle).st_ino))
    with written_whole(tmp_path / "a.csv") as draft:
        draft.write_text("new")
    assert synchronised == [(tmp_path / "a.csv").stat().st_ino, tmp_path.stat().st_ino]


def test_a_folder_of_files_is_made_and_what_cannot_be_is_said(tmp_path: Path) -> None:
    write_files(tmp_path / "new", {"a.md": "one\n", "below/b.md": "two\n"})
    assert (tmp_path / "new" / "below" / "b.md").read_bytes() == b"two\n"
    with pytest.raises(UserError, match=r"a\.md: cannot be written \(.*\); give another folder"):
        write_files(tmp_path / "new" / "a.md", {"c.md": ""})
    with pytest.raises(UserError, match="is a folder; name a file"):
        check_target(tmp_path / "new", force=True)
    check_target(tmp_path / "new", force=True, folder=True)
