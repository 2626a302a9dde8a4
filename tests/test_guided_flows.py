"""The scripts under tests/manual run through: they exit with 0 and say what they checked. Ten seconds together."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from test_cli import TOP, dsocr

FLOWS = Path(__file__).parent / "manual" / "deepseek_ocr"


def flow(name: str, *arguments: str, stdin: str = "", path: str = str(TOP)) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, FLOWS / name, *arguments],
        input=stdin, capture_output=True, text=True, check=False, env={**os.environ, "PYTHONPATH": path},
    )  # fmt: skip


@pytest.mark.parametrize(("name", "arguments"), [("performance_report.py", ("tiny", "l4")), ("reuse_layers.py", ())])
def test_flow(name: str, arguments: tuple[str, ...]) -> None:
    found = flow(name, *arguments)
    assert found.returncode == 0, found.stdout + found.stderr
    assert found.stdout.count("\n  ok ") > 5
    assert "FAILED" not in found.stdout


@pytest.fixture(scope="module")
def export() -> str:
    answer = dsocr("totals", "--by", "operator", "--format", "json")
    assert answer.status == 0
    return answer.out


def test_an_export_is_consumed_without_us(export: str) -> None:
    found = flow("consume_json.py", "-", stdin=export, path="")
    assert found.returncode == 0, found.stdout + found.stderr
    assert "decode/lm_head/product" in found.stdout
    assert "dsocr_symbolic" not in (FLOWS / "consume_json.py").read_text(encoding="utf-8")


@pytest.mark.parametrize("metric", ["forward_io_bytes", "operator_launches", "roofline_s"])
def test_an_export_that_does_not_add_up_is_found_out(export: str, metric: str) -> None:
    data = json.loads(export)
    data["nodes"][-1][metric] += 1
    found = flow("consume_json.py", "-", stdin=json.dumps(data), path="")
    assert found.returncode == 1
    assert f"FAILED decode: {metric}" in found.stdout


def test_the_readme_names_every_script() -> None:
    text = (FLOWS / "README.md").read_text(encoding="utf-8")
    assert all(path.name in text for path in FLOWS.glob("*.py") if path.name != "dsocr_command.py")
