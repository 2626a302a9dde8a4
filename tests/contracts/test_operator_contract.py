"""The operator list: the classes that static analysis found, without torch."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from contract_examples import TOP, answered, real_report

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.reports.contracts.checks import check_operator_list
from dsocr_symbolic.reports.contracts.operator_list import TargetOperatorList, make_operator_list
from dsocr_symbolic.verification.torchinfo import run as torchinfo_run
from dsocr_symbolic.verification.torchinfo.run import KNOWN

ANALYSIS = TOP / "reports" / "torchinfo"


def listed(folder: Path = TOP / "reports" / "out", analysis: Path = ANALYSIS) -> TargetOperatorList:
    return make_operator_list(analysis, answered()[1], folder=folder)


def test_every_class_of_the_network_is_listed() -> None:
    found = listed()
    check_operator_list(found)
    assert {each.class_name for each in found.operators} == {*KNOWN, "DeepseekOCRForCausalLM"}
    layers = json.loads((ANALYSIS / "unique-layers.json").read_text())["layers"]
    assert [each.class_name_qualified for each in found.operators] == [each["class_name_qualified"] for each in layers]


def test_classes_say_who_brings_them() -> None:
    found = {each.class_name: each for each in listed().operators}
    assert (found["Linear"].is_pytorch_builtin, found["Linear"].is_custom) == (True, False)
    assert (found["MoEGate"].is_pytorch_builtin, found["MoEGate"].is_custom) == (False, True)
    llama = found["LlamaFlashAttention2"]
    assert (llama.is_pytorch_builtin, llama.is_custom) == (False, False)
    assert "deepencoder.Attention" in found["Block"].children_classes


def test_categories_agree_with_those_of_a_report() -> None:
    found = {each.class_name: each.default_category_id for each in listed().operators}
    expected = {"Linear": "linear", "Conv2d": "convolution", "LayerNorm": "normalisation", "SiLU": "activation"}
    expected |= {"Embedding": "embedding", "MoEGate": "routing", "NoTPAttention": "attention"}
    assert {name: found[name] for name in expected} == expected
    # These launch nothing themselves.
    assert {found[name] for name in ("ModuleList", "Sequential", "VitModel", "MLPBlock")} == {None}
    categories = {each.category_id for each in real_report().operator_categories}
    assert {each for each in found.values() if each is not None} <= categories


def test_paths_lead_from_the_list_to_the_analysis(tmp_path: Path) -> None:
    below = tmp_path / "analysis" / "torchinfo"
    shutil.copytree(ANALYSIS, below)
    found = listed(tmp_path / "lists", below)
    assert found.source_artifact_dir == "../analysis/torchinfo"
    for path in (found.layers_md_path, found.layers_json_path, found.stages_json_path):
        assert (tmp_path / "lists" / path).resolve().is_file() or (below / Path(path).name).is_file()
        assert path.startswith("../analysis/torchinfo/")


def test_torch_is_not_needed() -> None:
    code = f"""
import sys
from pathlib import Path
sys.modules["torch"] = None
sys.path.insert(0, {str(Path(__file__).parent)!r})
from dsocr_symbolic.evaluation.answer import answer
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.reports.contracts.operator_list import make_operator_list
from dsocr_symbolic.scenario.scenario import make_scenario
result = answer(make_scenario(definition=default_definition(None)))
print(make_operator_list(Path({str(ANALYSIS)!r}), result, folder=Path(".")).snapshot_id)
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=TOP)
    assert found.stdout.strip() == listed(TOP).snapshot_id


def test_an_analysis_that_is_not_there_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def run(out: Path) -> list[str]:
        shutil.copytree(ANALYSIS, out, dirs_exist_ok=True)
        return []

    monkeypatch.setattr(torchinfo_run, "run", run)
    assert listed(tmp_path, tmp_path / "new").operators == listed().operators


@pytest.mark.parametrize("text", ["", "{}", '{"layers": [{}]}', '{"layers": 1}', '{"layers": [1]}'])
def test_a_damaged_analysis_is_one_line(tmp_path: Path, text: str) -> None:
    shutil.copytree(ANALYSIS, tmp_path, dirs_exist_ok=True)
    (tmp_path / "unique-layers.json").write_text(text)
    with pytest.raises(UserError, match="no list of layers; run dsocr torchinfo") as caught:
        listed(tmp_path, tmp_path)
    assert "\n" not in str(caught.value)
