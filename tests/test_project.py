"""The repository as a whole: dependencies, layers of imports, README, reports."""

import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from dsocr_symbolic.cli import capture
from dsocr_symbolic.regenerate import REPORTS, report_text

ROOT = Path(__file__).parent.parent


def _commands() -> list[str]:
    return re.findall(r"^  ([a-z-]+)", capture(["--help"]).partition("Commands:")[2], re.MULTILINE)


def _requirement(text: str) -> tuple[str, str]:
    name, version = re.fullmatch(r"([A-Za-z0-9_.-]+)(.*)", text).groups()  # type: ignore[union-attr]
    return name, version or "*"


@pytest.mark.parametrize(
    "feature", ["", "report", "serve", "service", "sweep", "verify", "verify-checkpoint", "test", "lint"]
)
def test_pixi_has_the_dependencies_of_pyproject(feature: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pixi = tomllib.loads((ROOT / "pixi.toml").read_text())
    listed = project["optional-dependencies"][feature] if feature else project["dependencies"]
    found = (pixi["feature"][feature] if feature else pixi)["pypi-dependencies"]
    assert {name: version for name, version in found.items() if name != project["name"]} == dict(
        _requirement(each) for each in listed if "[" not in each
    )


def test_pixi_has_a_task_for_every_documented_command() -> None:
    tasks = tomllib.loads((ROOT / "pixi.toml").read_text())["tasks"]
    assert set(tasks) == set(re.findall(r"`pixi run ([\w-]+)`", (ROOT / "README.md").read_text()))
    table = re.findall(r"^\| .* \| (.*) \|$", (ROOT / "README.md").read_text(), re.MULTILINE)
    documented = {name for cell in table for name in re.findall(r"`(?:dsocr )?([a-z-]+)[^`]*`", cell)} & set(
        _commands()
    )
    assert documented == set(_commands())
    assert {name for name, task in tasks.items() if task == f"dsocr {name}"} == documented


def test_a_warm_run_imports_neither_sympy_nor_numpy() -> None:
    code = "import sys; from dsocr_symbolic.cli import capture; capture(['totals']); capture(['totals']);"
    check = code + "print(sorted({'sympy', 'numpy', 'torch', 'PIL', 'cattrs', 'xlsxwriter'} & set(sys.modules)))"
    capture(["totals"])
    found = subprocess.run([sys.executable, "-c", check], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.strip() == "[]"


@pytest.mark.parametrize("name", REPORTS)
def test_committed_reports_are_what_the_code_prints(name: str) -> None:
    committed = (ROOT / "reports" / name).read_text(encoding="utf-8")
    assert committed == report_text(name), f"reports/{name} is stale; run python -m dsocr_symbolic.regenerate"


def test_every_report_is_generated() -> None:
    found = {str(path.relative_to(ROOT / "reports")) for path in (ROOT / "reports" / "totals").rglob("*.md")}
    assert found == set(REPORTS)


def test_importing_the_package_imports_neither_sympy_nor_numpy() -> None:
    code = "import sys, dsocr_symbolic; print(sorted({'sympy', 'numpy', 'yaml', 'attrs'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert found.stdout.strip() == "[]"


README = (ROOT / "README.md").read_text(encoding="utf-8")
OUTPUTS = re.findall(r"<!-- output: dsocr ([^\n]*) -->\n```text\n(.*?)```", README, re.DOTALL)


@pytest.mark.parametrize(("command", "output"), OUTPUTS, ids=[command for command, _ in OUTPUTS])
def test_readme_shows_real_output(command: str, output: str) -> None:
    assert capture(command.split()).rstrip() == output.rstrip()


def test_readme_shows_outputs() -> None:
    assert len(OUTPUTS) >= 2


def test_example_layer_is_the_file() -> None:
    contributing = (ROOT / ".github" / "CONTRIBUTING.md").read_text(encoding="utf-8")
    block = re.search(r"## Add a layer.*?```yaml\n(.*?)```", contributing, re.DOTALL)
    assert block
    assert block.group(1) == (ROOT / "formulas/layers/decoder/deepseek_v2_mlp.yaml").read_text(encoding="utf-8")


NEED_A_GPU = ("calibrate", "measure")
COMMANDS = [
    each for each in re.findall(r"\| `dsocr ([^`]*)`", README) if each != "verify" and not each.startswith(NEED_A_GPU)
]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_readme_runs(command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (900, 700)).save("scan.pdf")
    (tmp_path / "photos").mkdir()
    Image.new("RGB", (300, 200)).save("photos/a.png")
    (tmp_path / "config.json").write_text(CONFIG)
    (tmp_path / "budget.yaml").write_text("assertions: [ttft_s <= 1 on rtx5090]")
    assert capture(shlex.split(command))


CONFIG = """{"model_type": "deepseek_vl_v2",
"hidden_size": 1280, "num_hidden_layers": 12, "first_k_dense_replace": 1, "num_attention_heads": 10,
"intermediate_size": 6848, "moe_intermediate_size": 896, "n_routed_experts": 64, "n_shared_experts": 2,
"num_experts_per_tok": 6, "vocab_size": 129280, "max_position_embeddings": 8192}"""
