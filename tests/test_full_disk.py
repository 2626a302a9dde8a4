"""A disk that is full or read-only, and a folder that vanishes: one line, and nothing half written."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from test_cli import Answer, dsocr

from dsocr_symbolic.evaluation import program
from dsocr_symbolic.reports.performance import report
from dsocr_symbolic.verification.mutants import running
from dsocr_symbolic.verification.verify import _write as write_result
from dsocr_symbolic.writing import files

SWEEP = ("sweep", "--vary", "batch=1:9", "--metric", "parameters", "--out")
FILES = {
    "csv": (*SWEEP, "a.csv"),
    "parquet": (*SWEEP, "a.parquet"),
    "netcdf": (*SWEEP, "a.nc"),
    "svg": (*SWEEP, "a.svg"),
    "xlsx": ("export", "--layer", "moe_gate", "--xlsx", "a.xlsx"),
}
FOLDERS = {"docs": ("docs", "--out", "pages"), "report": ("report", "--out", "pages", "--force")}
WRITERS = {**FILES, **FOLDERS}
TEXTS = {"a.md": "new\n", "below/b.md": "new\n", "report.json": "new\n"}


@pytest.fixture
def _short_texts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let docs and report write three files of one line, which take no time to make."""
    monkeypatch.setattr("dsocr_symbolic.reports.formulas.page.rendered_pages", lambda _: TEXTS.items())
    monkeypatch.setattr(report, "report_files", lambda *_, **__: TEXTS)
    monkeypatch.setattr(report, "FILES", tuple(TEXTS))


def mounted(folder: Path) -> None:
    """Mount a tiny file system, or skip and say why it cannot be."""
    mount = shutil.which("mount")
    if mount is None or not hasattr(os, "geteuid") or os.geteuid() != 0:
        pytest.skip("only the superuser may mount a tiny file system; a limit on file sizes is tested everywhere")
    done = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        pytest.skip(f"no tiny file system may be mounted here: {done.stderr.decode().strip()}")


@pytest.fixture
def tiny(tmp_path: Path) -> Iterator[Path]:
    """Return a folder on a file system of 64 kB of its own."""
    folder = tmp_path / "tiny"
    folder.mkdir()
    mounted(folder)
    try:
        yield folder
    finally:
        subprocess.run(["umount", str(folder)], check=True)  # noqa: S607 - wherever it is


def fill(folder: Path) -> None:
    with (folder / "filler").open("wb", buffering=0) as stream, pytest.raises(OSError, match="No space left"):
        stream.writelines(b"x" * 4096 for _ in range(17))


@contextmanager
def limited(most: int) -> Iterator[None]:
    """Let no file grow above so many bytes; Python makes an error of the signal that would come."""
    resource = pytest.importorskip("resource", reason="this system has no limits on the size of files")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def assert_refused_in_one_line(answer: Answer, why: str) -> None:
    assert (answer.status, answer.out) == (2, "")
    assert answer.err.count("\n") == 1
    assert "cannot be written" in answer.err
    assert why in answer.err.lower()


@pytest.mark.usefixtures("_short_texts")
@pytest.mark.parametrize("writer", WRITERS)
def test_a_full_disk_is_one_line(writer: str, tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tiny)
    fill(tiny)
    assert_refused_in_one_line(dsocr(*WRITERS[writer]), "no space left on device")
    assert [path.name for path in tiny.iterdir()] == ["filler"]
    monkeypatch.chdir(tiny.parent)


@pytest.mark.usefixtures("_short_texts")
@pytest.mark.parametrize("writer", WRITERS)
def test_a_limit_on_files_is_one_line_and_leaves_what_was_there(
    writer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    command, old = WRITERS[writer], tmp_path / WRITERS[writer][-1]
    if writer in FOLDERS:
        old = tmp_path / "pages" / "report.json"
        old.parent.mkdir()
    old.write_text("old")
    before = sorted(tmp_path.rglob("*"))
    with limited(3):
        answer = dsocr(*command, *([] if writer in FOLDERS else ["--force"]))
    assert_refused_in_one_line(answer, "file too large")
    assert old.read_text() == "old"
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("writer", WRITERS)
def test_a_folder_that_is_read_only_is_one_line_before_any_work(
    writer: str, tiny: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(tiny)], check=True)  # noqa: S607 - wherever it is
    monkeypatch.chdir(tiny)
    for place in ("evaluation.model.Model.compile", "reports.spreadsheet.workbook.make_workbook"):
        monkeypatch.setattr(f"dsocr_symbolic.{place}", None)
    answer = dsocr(*WRITERS[writer])
    assert (answer.status, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert "cannot be written" in answer.err
    monkeypatch.chdir(tiny.parent)


@pytest.mark.parametrize("writer", FILES)
def test_a_folder_that_vanishes_is_one_line(writer: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, begin = tmp_path / "gone", files._draft
    folder.mkdir()

    def vanish(path: Path) -> Any:
        shutil.rmtree(path.parent)
        return begin(path)

    monkeypatch.setattr(files, "_draft", vanish)
    *command, name = FILES[writer]
    assert_refused_in_one_line(dsocr(*command, folder / name), "no such file or directory")
    assert not folder.exists()


def test_results_of_a_verification_are_one_line_too(tmp_path: Path) -> None:
    with limited(3), pytest.raises(files.UserError, match=r"cannot be written: File too large; give another folder"):
        write_result(tmp_path, "mutants", {"kinds": {}})


def test_what_is_kept_for_later_is_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = {"source": "x" * 100}
    with limited(3):
        program._to_cache(tmp_path / "cache" / "a.json", "a", content)
    assert list((tmp_path / "cache").iterdir()) == []
    (tmp_path / "file").touch()
    program._to_cache(tmp_path / "file" / "a.json", "a", content)
    monkeypatch.setattr(running, "mutants_of", lambda *_: [])
    monkeypatch.setattr(running, "try_file", lambda *_: [])
    assert running.run_job(("model", "a.yaml", 0), tmp_path / "file") == []
    program._to_cache(tmp_path / "cache" / "a.json", "a", content)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == ["a.json"]


def test_what_other_libraries_keep_is_silent_too(tmp_path: Path) -> None:
    """Matplotlib would say that it cannot keep its fonts."""
    (tmp_path / "file").touch()
    places = dict.fromkeys(
        ("HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "MPLCONFIGDIR"), str(tmp_path / "file" / "below")
    )
    code = "from dsocr_symbolic.writing.svg import style\nwith style(): pass"
    environment = {**os.environ, **places, "PYTHONPATH": str(Path(__file__).parent.parent)}
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=environment)
    assert (ran.returncode, ran.stdout, ran.stderr) == (0, "", "")


def test_drafts_of_killed_runs_leave_the_cache_with_whatever_is_written_next(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    (tmp_path / f".other.json.{dead.pid}.draft").write_text("half")
    (tmp_path / f".running.json.{os.getppid()}.draft").write_text("half")
    program._to_cache(tmp_path / "a.json", "a", {})
    assert {path.name for path in tmp_path.iterdir()} == {"a.json", f".running.json.{os.getppid()}.draft"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_behind_the_streams_is_one_line_or_nothing() -> None:
    command = [sys.executable, "-m", "dsocr_symbolic", "schema"]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent)}
    with Path("/dev/full").open("w") as full:
        ran = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False, env=environment)
        assert (ran.returncode, ran.stderr) == (2, "dsocr: cannot write the output: No space left on device\n")
        assert (
            subprocess.run([*command, "none"], stdout=full, stderr=full, check=False, env=environment).returncode == 2
        )
