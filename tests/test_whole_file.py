"""Files are whole or not there."""

from pathlib import Path

import pytest

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.writing.files import check_target, written_whole


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
    with pytest.raises(UserError, match="exists; --force replaces it"):
        check_target(path, force=False)
    with pytest.raises(UserError, match="there is no folder"):
        check_target(tmp_path / "none" / "a.csv", force=True)
