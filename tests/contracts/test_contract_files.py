"""Generated files of the contracts: committed as they are, valid, and true."""

import ast
import re
from pathlib import Path

import openapi_spec_validator
import pytest
import yaml
from contract_examples import TOP, real_report

from dsocr_symbolic import regenerate
from dsocr_symbolic.cli import capture
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.paths import data_folders
from dsocr_symbolic.regenerate import PERFORMANCE, write_reports
from dsocr_symbolic.reports.contracts.artifact_file import load_report
from dsocr_symbolic.reports.contracts.contract_files import contract_files
from dsocr_symbolic.reports.contracts.endpoints import ENDPOINTS
from dsocr_symbolic.reports.contracts.messages import DeepSeekOCRAnalyticRequest
from dsocr_symbolic.reports.guide import GUIDES
from dsocr_symbolic.writing.files import write_files

REPORTS = TOP / "reports"
FILES = contract_files()
CONTRACTS = TOP / "dsocr_symbolic" / "reports" / "contracts"


@pytest.mark.parametrize("name", FILES)
def test_committed_files_are_what_the_classes_say(name: str) -> None:
    stale = f"reports/{name} is stale; run python -m dsocr_symbolic.regenerate"
    assert (REPORTS / name).read_text(encoding="utf-8") == FILES[name], stale


def test_every_committed_file_is_generated() -> None:
    found = {path.relative_to(REPORTS).as_posix() for path in (REPORTS / "contracts").rglob("*") if path.is_file()}
    assert found == set(FILES)


def test_reports_write_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # What pages, guides and performance reports hold is tested where they are; here, that they are written.
    monkeypatch.setattr(regenerate, "formula_pages", lambda: {"layers/a.md": "a page"})
    monkeypatch.setattr(regenerate, "guide_text", lambda name: f"guide {name}")
    monkeypatch.setattr(regenerate, "write_performance", lambda name, folder: write_files(folder, {"name": name}))
    write_reports(tmp_path)
    assert {name: (tmp_path / name).read_text(encoding="utf-8") for name in FILES} == FILES
    assert (tmp_path / "formulas/layers/a.md").read_text(encoding="utf-8") == "a page"
    for name in GUIDES:
        assert (tmp_path / f"guide/{name}.md").read_text(encoding="utf-8") == f"guide {name}"
    for name in PERFORMANCE:
        assert (tmp_path / name / "name").read_text(encoding="utf-8") == name
    for name in regenerate.REPORTS:
        assert (tmp_path / name).read_text(encoding="utf-8") == (REPORTS / name).read_text(encoding="utf-8")


def test_schemas_are_found_as_data() -> None:
    (folder,) = data_folders("reports/contracts/schema")
    assert (folder / "AnalyticModelReport.json").is_file()


def test_openapi_is_valid_and_has_the_endpoints() -> None:
    document = yaml.safe_load(FILES["contracts/openapi.yaml"])
    openapi_spec_validator.validate(document)
    assert document["openapi"].startswith("3.1")
    found = {(method, path) for path, item in document["paths"].items() for method in item}
    assert found == {(each.method, each.path) for each in ENDPOINTS}
    assert len(found) == 7
    for each in ENDPOINTS:
        operation = document["paths"][each.path][each.method]
        content = operation["responses"][str(each.status)]["content"]["application/json"]
        named = {"$ref": f"#/components/schemas/{each.response.__name__}"} if each.response else {"type": "object"}
        assert content["schema"] == named
        assert set(operation["responses"]) == {str(each.status), *map(str, each.problems)}
        assert ("requestBody" in operation) == (each.request is not None)


def test_every_option_of_the_mapping_is_one_of_the_command() -> None:
    text = capture(["totals", "--help"])
    options = re.findall(r"\| `(--[^`]*)` \|", FILES["contracts/MAPPING.md"])
    named = [name for each in options for name in re.findall(r"--[\w-]+", each)]
    assert set(named) >= {f"--{name}" for name in default_definition(None).choices}
    assert [name for name in named if not re.search(rf"{name}[ ,]", text)] == []
    fields = re.findall(r"^\| `(\w+)` \| (?:`--|none)", FILES["contracts/MAPPING.md"], re.MULTILINE)
    assert fields == [each.name for each in DeepSeekOCRAnalyticRequest.__attrs_attrs__]


def test_every_function_of_the_mapping_exists() -> None:
    for each in ENDPOINTS:
        for name in each.function.split(", "):
            module, _, function = name.partition(".")
            tree = ast.parse((CONTRACTS / f"{module}.py").read_text())
            assert function in [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]


def test_the_python_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code = re.search(r"```python\n(.*?)```", FILES["contracts/python-contracts.md"], re.DOTALL)
    assert code
    monkeypatch.chdir(tmp_path)
    exec(code.group(1), {})  # noqa: S102 - our own page
    report = load_report(tmp_path / "report.json")
    assert float(capsys.readouterr().out) == report.predicted_total_time_ms
    assert report.predicted_total_time_ms < real_report().predicted_total_time_ms
