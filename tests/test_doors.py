"""The ways in: names of the package, ``python -m``, the reports written anew, what is said about the project."""

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml

import dsocr_symbolic
from dsocr_symbolic import regenerate

ROOT = Path(__file__).parent.parent
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def _python(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", *arguments], capture_output=True, text=True, check=False, cwd=ROOT)


def test_the_package_lists_its_public_names() -> None:
    assert dir(dsocr_symbolic) == sorted(dsocr_symbolic.__all__)
    assert set(dsocr_symbolic.__all__) == {*dsocr_symbolic._PLACES, "__version__"}
    for name in dsocr_symbolic.__all__:
        assert getattr(dsocr_symbolic, name) is not None


def test_the_package_is_the_command() -> None:
    found = _python("dsocr_symbolic", "--version")
    assert (found.returncode, found.stdout) == (0, f"dsocr {dsocr_symbolic.__version__}\n")
    found = _python("dsocr_symbolic", "totals", "--help")
    assert found.stdout.startswith("Usage: dsocr totals ")
    found = _python("dsocr_symbolic", "totals", "--gpu", "h2000")
    assert (found.returncode, found.stdout) == (2, "")
    assert found.stderr.startswith("dsocr: unknown GPU 'h2000'")


def _file(folder: Path) -> str:
    (folder / "file").write_text("")
    return str(folder / "file")


@pytest.mark.parametrize("module", ["dsocr_symbolic.regenerate", "dsocr_symbolic.reports"])
def test_a_wrong_folder_is_one_line(module: str, tmp_path: Path) -> None:
    for arguments in ([_file(tmp_path)], [f"{_file(tmp_path)}/below"], ["a", "b"], ["--help"]):
        found = _python(module, *arguments)
        said = found.stderr.splitlines()
        assert (found.returncode, found.stdout, len(said)) == (2, "", 1 + module.endswith("reports")), said
        assert said[-1].startswith(f"regenerate: {arguments[0]}")
        if len(said) > 1:
            assert said[0] == "dsocr_symbolic.reports: this is python -m dsocr_symbolic.regenerate now"


def test_the_old_door_leads_on(tmp_path: Path) -> None:
    """Which folder it writes to is asked without writing for half a minute."""
    code = "import runpy, sys; from dsocr_symbolic import regenerate; regenerate.write_reports = print;"
    code += (
        f"sys.argv[1:] = [{str(tmp_path / 'new')!r}]; runpy.run_module('dsocr_symbolic.reports', run_name='__main__')"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout == f"{tmp_path / 'new'}\n"
    assert found.stderr.count("\n") == 1


def test_a_folder_without_permission_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    with pytest.raises(SystemExit) as left:
        regenerate.main([str(tmp_path)])
    assert left.value.code == 2
    assert capsys.readouterr().err == f"regenerate: {tmp_path}: cannot be written (permission denied)\n"


def test_without_a_folder_it_writes_those_of_the_checkout(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[Path] = []
    monkeypatch.setattr(regenerate, "write_reports", written.append)
    regenerate.main([])
    assert written == [ROOT / "reports"]


def test_an_installed_package_has_no_reports_to_write(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(regenerate, "MEASURED", tmp_path / "memory-h200.json")
    with pytest.raises(SystemExit):
        regenerate.main([])
    assert "in a checkout of the repository" in capsys.readouterr().err


def test_what_is_said_about_the_project_agrees() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert citation["cff-version"] == "1.2.0"
    assert citation["title"] == PYPROJECT["name"]
    assert citation["version"] == dsocr_symbolic.__version__
    assert citation["license"] == PYPROJECT["license"]
    assert citation["authors"] == PYPROJECT["authors"] == [{"name": "the dsocr_symbolic developers"}]
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert (
        re.findall(r"^## (.*)$", changelog, re.MULTILINE)[0] == f"{citation['version']} - {citation['date-released']}"
    )


def test_hooks_are_what_the_continuous_integration_runs() -> None:
    config = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))
    ((hooks),) = (repository["hooks"] for repository in config["repos"])
    assert {repository["repo"] for repository in config["repos"]} == {"local"}
    ran = re.findall(r'^"\$work/lint/bin/(?:ruff|mypy)".*$', (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    assert [hook["entry"] for hook in hooks] == [line.replace('"', "").replace("$work/lint/bin/", "") for line in ran]
    assert all(hook["language"] == "system" and hook["pass_filenames"] is False for hook in hooks)
