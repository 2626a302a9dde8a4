"""Static analysis: true counts, a check that finds what is missing, and reports that are what the code writes."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

REASON = "static analysis needs torch and torchinfo (the extra 'verify')"
torch = pytest.importorskip("torch", reason=REASON)
torchinfo = pytest.importorskip("torchinfo", reason=REASON)

import attrs  # noqa: E402
from torch import Tensor, nn  # noqa: E402

from dsocr_symbolic.errors import UserError  # noqa: E402
from dsocr_symbolic.verification.reference.build import build  # noqa: E402
from dsocr_symbolic.verification.torchinfo import run as torchinfo_run  # noqa: E402
from dsocr_symbolic.verification.torchinfo.analysis import Analysis  # noqa: E402
from dsocr_symbolic.verification.torchinfo.calls import recorded_calls  # noqa: E402
from dsocr_symbolic.verification.torchinfo.naming import with_ranges  # noqa: E402
from dsocr_symbolic.verification.torchinfo.run import (  # noqa: E402
    KNOWN,
    MissingLayersError,
    analyse,
    missing,
    report_texts,
    run,
)

COMMITTED = Path(__file__).parent.parent / "reports" / "torchinfo"
PARAMETERS = 3_336_106_240


@pytest.fixture(scope="module")
def analysis() -> Analysis:
    return analyse(build())


@pytest.fixture(scope="module")
def texts(analysis: Analysis) -> dict[str, str]:
    return report_texts(analysis)


def counts(analysis: Analysis) -> dict[str, int]:
    return {layer.class_name: layer.count for layer in analysis.layers}


def calls(analysis: Analysis, parent: str, child: str) -> dict[str, dict[str, int]]:
    found = [edge for edge in analysis.edges if edge.parent.endswith(f".{parent}") and edge.child.endswith(f".{child}")]
    assert len(found) == 1
    return {slot: dict(each) for slot, each in found[0].slots.items()}


def test_instances_are_those_of_the_network(analysis: Analysis) -> None:
    found = counts(analysis)
    assert set(found) == {*KNOWN, "DeepseekOCRForCausalLM"}
    assert len(KNOWN) == 29
    expected = {"Block": 12, "NoTPTransformerBlock": 24, "DeepseekV2DecoderLayer": 12, "DeepseekV2MoE": 11}
    expected |= {"DeepseekV2MLP": 1 + 11 + 64 * 11, "SiLU": 1 + 11 + 64 * 11, "DeepseekV2RMSNorm": 25, "GELU": 12}
    expected |= {"LayerNorm": 12 * 2 + 24 * 2 + 1, "Conv2d": 6, "Embedding": 2, "ModuleList": 14, "Sequential": 1}
    # Blocks of SAM, of CLIP and attention of the decoder have four each; MLPs three; projector and head one.
    expected |= {"Linear": 4 * (12 + 24 + 12) + 3 * 716 + 2}
    assert {name: found[name] for name in expected} == expected


def test_own_parameters_add_up(analysis: Analysis) -> None:
    assert analysis.parameters == analysis.torchinfo.parameters == PARAMETERS
    assert sum(layer.own_parameters for layer in analysis.layers) == PARAMETERS
    layers = {layer.class_name: layer for layer in analysis.layers}
    assert layers["ImageEncoderViT"].parameters == 95_569_152
    assert layers["DeepseekOCRForCausalLM"].parameters == PARAMETERS


def test_names_are_those_of_the_networks_own_code(analysis: Analysis) -> None:
    names = {layer.class_name: layer.qualified_name for layer in analysis.layers}
    assert names["Block"] == "deepencoder.Block"
    assert names["DeepseekV2MLP"] == "modeling_deepseekv2.DeepseekV2MLP"
    assert names["LlamaFlashAttention2"] == "transformers.models.llama.modeling_llama.LlamaFlashAttention2"
    assert names["Linear"] == "torch.nn.modules.linear.Linear"
    assert not [name for name in names.values() if name.startswith("dsocr")]


def test_calls_are_those_of_a_forward(analysis: Analysis) -> None:
    assert calls(analysis, "ImageEncoderViT", "Block") == {"blocks.0-11": {"vision": 24}}
    assert calls(analysis, "DeepseekOCRModel", "MlpProjector") == {"projector": {"projector": 2}}
    assert calls(analysis, "DeepseekV2MoE", "DeepseekV2MLP") == {
        "experts.0-63": {"prefill": 64 * 11, "decode": 6 * 11},
        "shared_experts": {"prefill": 11, "decode": 11},
    }
    assert calls(analysis, "DeepseekV2MLP", "SiLU") == {"act_fn": {"prefill": 716, "decode": 78}}


def test_every_call_but_the_first_has_a_caller(analysis: Analysis) -> None:
    for stage in analysis.stages:
        called = sum(each.calls for each in stage.modules) - (stage.name in ("prefill", "decode"))
        assert called == sum(edge.calls.get(stage.name, 0) for edge in analysis.edges)


def test_vision_runs_on_crops_and_then_on_the_whole_image(analysis: Analysis) -> None:
    vision, projector, prefill, decode = analysis.stages
    assert [each.input_shape for each in vision.calls if each.class_name == "ImageEncoderViT"] == [
        (6, 3, 640, 640),
        (1, 3, 1024, 1024),
    ]
    assert [each.input_shape for each in projector.calls] == [(6, 100, 2048), (1, 256, 2048)]
    assert {each.input_shape for each in prefill.calls if "model.layers.0-11" in each.modules} == {(1, 903, 1280)}
    assert {each.input_shape for each in decode.calls if "lm_head" in each.modules} == {(1, 1, 1280)}


def test_a_direct_call_of_forward_is_recorded() -> None:
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Linear(2, 2)

        def forward(self, x: Tensor) -> object:
            return self.inner.forward(x)

    network = Outer()
    with recorded_calls(network) as recorded:
        network(torch.zeros(1, 2))
    network(torch.zeros(1, 2))
    assert [(call.parent, call.path, call.shape) for call in recorded] == [
        (None, "", (1, 2)),
        ("", "inner", (1, 2)),
    ]


def test_torchinfo_is_wrong_where_the_summary_says_so(analysis: Analysis) -> None:
    numbers = analysis.torchinfo
    assert numbers.rows["Block"] == 2 * counts(analysis)["Block"]
    total = {each.part: each for each in numbers.multiply_adds}["total"]
    assert total.torchinfo < total.counted / 5
    assert numbers.shown_parameters is not None
    assert numbers.shown_parameters < PARAMETERS


def test_the_check_passes(analysis: Analysis) -> None:
    assert missing(analysis) == []


def test_the_check_names_a_class_without_a_formula(analysis: Analysis) -> None:
    invented = attrs.evolve(analysis.layers[0], class_name="Foo", qualified_name="deepencoder.Foo", formula_files=())
    lines = missing(attrs.evolve(analysis, layers=(*analysis.layers, invented)))
    assert len(lines) == 1
    assert lines[0].startswith("deepencoder.Foo: no formula file")


def test_the_check_names_a_layer_that_is_gone(analysis: Analysis) -> None:
    kept = tuple(layer for layer in analysis.layers if layer.class_name != "MoEGate")
    lines = missing(attrs.evolve(analysis, layers=kept))
    assert [line.partition(":")[0] for line in lines] == ["MoEGate"]


def test_a_failed_check_is_an_error_after_the_reports_are_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Invented(nn.Linear):
        pass

    with torch.device("meta"):
        network = nn.Sequential(Invented(2, 3), nn.SiLU())
    monkeypatch.setattr("dsocr_symbolic.verification.reference.build.build", lambda: network)
    with pytest.raises(MissingLayersError, match=r"Invented: no formula file.*Block: on the list") as caught:
        run(tmp_path)
    assert caught.value.status == 1
    assert [line for line in caught.value.lines if line.startswith("wrote ")]
    assert {path.name for path in tmp_path.iterdir()} == {"summary.md", "unique-layers.json", "unique-layers.md"}


def test_a_checkpoint_is_not_loaded_without_leave(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[Path] = []
    checkpoint = "dsocr_symbolic.verification.checkpoint"
    monkeypatch.setattr(f"{checkpoint}.snapshot.checkpoint_plan", lambda _: ["would import deepencoder.py"])
    monkeypatch.setattr(f"{checkpoint}.calls.load_network", loaded.append)
    assert run(tmp_path / "out", tmp_path) == ["would import deepencoder.py"]
    assert loaded == []
    assert not (tmp_path / "out").exists()


def test_a_missing_library_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "torchinfo" else name)
    with pytest.raises(UserError, match=r"needs torchinfo; pip install"):
        run(tmp_path)


def test_a_folder_that_cannot_be_written_is_one_line(analysis: Analysis, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="file: cannot be written"):
        torchinfo_run.write_reports(analysis, tmp_path / "file")


def test_committed_reports_are_what_the_code_writes(texts: dict[str, str]) -> None:
    assert sorted(path.name for path in COMMITTED.iterdir()) == sorted(texts)
    for name, text in texts.items():
        assert text == (COMMITTED / name).read_text(encoding="utf-8"), f"{name} is stale; run dsocr torchinfo"


def test_reports_are_equal_on_each_run(texts: dict[str, str]) -> None:
    assert report_texts(analyse(build())) == texts


def test_json_loads_and_names_every_class(texts: dict[str, str], analysis: Analysis) -> None:
    documents = {name: json.loads(text) for name, text in texts.items() if name.endswith(".json")}
    listed = {layer["class_name"] for layer in documents["unique-layers.json"]["layers"]}
    assert listed == set(counts(analysis))
    graph = documents["call-graph.json"]
    nodes = {node["id"] for node in graph["nodes"]}
    assert nodes == listed - {"ModuleList"}
    assert {each[end] for each in graph["edges"] for end in ("parent", "child")} == nodes
    assert [stage["name"] for stage in documents["stages.json"]["stages"]] == [
        "vision",
        "projector",
        "prefill",
        "decode",
    ]


def test_drawings_hold_the_graph(texts: dict[str, str]) -> None:
    graph = json.loads(texts["call-graph.json"])
    pairs = {(edge["parent"], edge["child"]) for edge in graph["edges"]}
    assert set(re.findall(r"^  (\w+) -> (\w+) ", texts["call-graph.dot"], re.MULTILINE)) == pairs
    assert set(re.findall(r"^  (\w+) -->\|[^|]*\| (\w+)$", texts["call-graph.mmd"], re.MULTILINE)) == pairs
    assert len(graph["nodes"]) <= 35


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz is not installed")
def test_graphviz_draws_the_graph(texts: dict[str, str]) -> None:
    command = [str(shutil.which("dot")), "-Tsvg"]
    text = texts["call-graph.dot"]
    drawn = subprocess.run(command, input=text, capture_output=True, text=True, check=True)
    assert "DeepseekV2MLP x716" in drawn.stdout


def test_paths_with_ranges_lose_nothing() -> None:
    paths = [f"a.{i}.b.{j}" for i in range(3) for j in range(4)] + ["a.5.b.0", "c"]
    assert with_ranges(paths) == ("a.0-2.b.0-3", "a.5.b.0", "c")
    assert with_ranges(["x.0", "x.2", "x.3"]) == ("x.0,2-3",)
