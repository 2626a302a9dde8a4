"""Ctrl-C at any moment is one line and status 130: while it imports, compiles, evaluates, writes, and in workers."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from dsocr_symbolic import cli, regenerate
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.verification.workers import in_processes

ROOT = Path(__file__).parent.parent
# Ctrl-C when a module is asked for, and as the interpreter ends.
IMPORTING = """
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
"""
ENDING = "import atexit; atexit.register(os.kill, os.getpid(), signal.SIGINT)"
# A shell lets what it starts in the background ignore Ctrl-C, and so the suite may.
HEARD = "import os, signal, sys\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
DOOR = HEARD + "{}\nfrom dsocr_symbolic.__main__ import main\nmain()"


def pressed(code: str, *arguments: str) -> tuple[int, str, str]:
    """Run the command line with something that presses Ctrl-C."""
    command = [sys.executable, "-c", DOOR.format(code), *arguments]
    ran = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": str(ROOT)}, timeout=60
    )
    return ran.returncode, ran.stdout, ran.stderr


@pytest.mark.parametrize("module", ["dsocr_symbolic.cli", "attrs", "sympy.core.numbers"])
def test_ctrl_c_during_imports_is_one_line(module: str) -> None:
    command = ("solve", "batch", "fits") if "sympy" in module else ("totals",)
    assert pressed(IMPORTING.format(module), *command) == (130, "", "dsocr: interrupted\n")


def test_ctrl_c_after_the_answer_changes_nothing() -> None:
    status, out, err = pressed(ENDING, "--version")
    assert (status, err) == (0, "")
    assert out.startswith("dsocr ")


def run(*arguments: str) -> Any:
    with pytest.raises(SystemExit) as left:
        cli.main(arguments)
    return left.value.code


def stop(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


SWEEP = ("sweep", "--vary", "batch=1:9", "--metric", "parameters", "--out")


@pytest.mark.parametrize(
    ("place", "arguments"),
    [
        ("dsocr_symbolic.evaluation.program_builder.build_program", ("totals", "--layer", "moe_gate")),
        ("dsocr_symbolic.questions.sweep.plan.plan_sweep", (*SWEEP, "a.csv")),
        ("dsocr_symbolic.questions.sweep.plan.SweepPlan.evaluate_range", (*SWEEP, "a.csv")),
        ("os.fsync", (*SWEEP, "a.csv")),
        ("os.fsync", (*SWEEP, "a.nc")),
        ("os.fsync", (*SWEEP, "a.svg")),
        ("os.fsync", (*SWEEP, "a.parquet")),
        ("os.fsync", ("export", "--layer", "moe_gate", "--xlsx", "a.xlsx")),
    ],
    ids=["compile", "plan", "evaluate", "csv", "netcdf", "svg", "parquet", "xlsx"],
)
def test_ctrl_c_is_one_line_and_leaves_nothing(
    place: str,
    arguments: tuple[str, ...],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with monkeypatch.context() as patch:
        if "build_program" in place:
            patch.setenv("DSOCR_CACHE", str(tmp_path.with_name(f"{tmp_path.name}-empty")))
        patch.setattr(place, stop)
        assert run(*arguments) == 130
    assert (said := capsys.readouterr()).out == ""
    assert said.err == "dsocr: interrupted\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", ["docs", "report"])
def test_ctrl_c_while_files_are_exchanged_leaves_the_old_ones(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    last = {"docs": "index.md", "report": "report.json"}[command]
    texts = {"a.md": "new\n", "below/b.md": "new\n", last: "new\n"}
    monkeypatch.setattr("dsocr_symbolic.reports.formulas.page.rendered_pages", lambda _: texts.items())
    monkeypatch.setattr("dsocr_symbolic.reports.performance.report.report_files", lambda *_, **__: texts)
    monkeypatch.setattr("dsocr_symbolic.reports.performance.report.FILES", tuple(texts))
    (tmp_path / "a.md").write_text("old\n")
    original = Path.replace

    def replace(path: Path, target: Path) -> Path:
        if path.name == last:
            raise KeyboardInterrupt
        return original(path, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", replace)
        assert run(command, "--out", str(tmp_path), *(["--force"] if command == "report" else [])) == 130
    assert capsys.readouterr().err == "dsocr: interrupted\n"
    assert {path.name: path.read_text() for path in tmp_path.iterdir()} == {"a.md": "old\n"}


def test_ctrl_c_while_reports_are_written_anew_is_one_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(regenerate, "write_reports", stop)
    with pytest.raises(SystemExit) as left:
        regenerate.main([])
    assert (left.value.code, capsys.readouterr().err) == (130, "regenerate: interrupted\n")


def touch_and_wait(path: Path) -> None:
    """Be a job of a worker: show that it runs, and never end."""
    path.touch()
    time.sleep(60)


def die(_: int) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


WORKERS = f"""
sys.path.insert(0, {str(Path(__file__).parent)!r})
from test_interrupted import touch_and_wait
from dsocr_symbolic import cli
from dsocr_symbolic.verification.workers import in_processes
from pathlib import Path
cli.load_network = lambda *_: list(in_processes(touch_and_wait, [(Path(name),) for name in "abcd"], 2))
"""


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="this system has no groups of processes to press Ctrl-C for")
def test_ctrl_c_ends_workers_without_a_word(tmp_path: Path) -> None:
    """A terminal sends it to the whole group: to this process, its workers, and those that are just being started."""
    command = [sys.executable, "-c", DOOR.format(WORKERS), "totals"]
    streams: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    ran = subprocess.Popen(
        command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, start_new_session=True, **streams
    )
    until = time.monotonic() + 30
    while len(list(tmp_path.iterdir())) < 2 and time.monotonic() < until:
        time.sleep(0.02)
    os.killpg(ran.pid, signal.SIGINT)
    out, err = ran.communicate(timeout=30)
    assert (ran.returncode, out, err) == (130, "", "dsocr: interrupted\n")
    assert len(list(tmp_path.iterdir())) == 2


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system kills no process")
def test_a_worker_that_is_killed_is_one_line() -> None:
    with pytest.raises(UserError, match="was killed, perhaps for want of memory"):
        list(in_processes(die, [(1,)], 1))
