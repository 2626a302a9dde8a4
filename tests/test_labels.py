"""Names that end in numbers follow the values; the address of a node is the same at any depth."""

import json
from typing import Any

import pytest
from conftest import evaluate_model
from test_cli import dsocr

from dsocr_symbolic import load_model
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.call import read_call

THREE = ("--set", "num_hidden_layers=3", "--set", "clip_layers=5")
OUTPUTS = [
    *(("totals", "--by", by, *THREE) for by in ("total", "stage", "layer", "category", "operator")),
    *(("totals", "--by", "layer", "--format", output, *THREE) for output in ("csv", "markdown")),
    ("tree", "--depth", "9", *THREE),
    ("solve", "batch", "peak_memory_bytes <= 12e9", "--logits", "last", "--set", "num_hidden_layers=3"),
    ("compare", "num_hidden_layers=3,batch=1", "num_hidden_layers=3,batch=2"),
]


def run(*arguments: str) -> str:
    answer = dsocr(*arguments)
    assert (answer.status, answer.err) == (0, "")
    return answer.out


def labels(**settings: Any) -> dict[str, str | None]:
    return {node.row.path: node.label for node in evaluate_model("gundam", settings).nodes}


def test_at_the_networks_own_sizes_labels_are_addresses() -> None:
    for node in evaluate_model("gundam").nodes:
        assert (node.label, node.module) == (node.row.path, node.row.module)


@pytest.mark.parametrize(
    ("settings", "path", "label"),
    [
        ({"num_hidden_layers": 3}, "prefill/layers.1-11", "prefill/layers.1-2"),
        ({"num_hidden_layers": 3}, "decode/layers.1-11/mlp/gate", "decode/layers.1-2/mlp/gate"),
        ({"num_hidden_layers": 3}, "prefill/layers.0/mlp", "prefill/layers.0/mlp"),
        ({"num_hidden_layers": 2}, "prefill/layers.1-11", "prefill/layers.1"),
        ({"num_hidden_layers": 1}, "prefill/layers.1-11", None),
        ({"num_hidden_layers": 1}, "prefill/layers.1-11/mlp/gate", None),
        ({"num_hidden_layers": 40}, "prefill/layers.1-11", "prefill/layers.1-39"),
        ({"first_k_dense_replace": 3}, "prefill/layers.0", "prefill/layers.0-2"),
        ({"first_k_dense_replace": 3}, "prefill/layers.1-11", "prefill/layers.3-11"),
        (
            {"clip_layers": 1},
            "vision/crops/vision_model/transformer/layers.0-23",
            "vision/crops/vision_model/transformer/layers.0",
        ),
        ({"clip_layers": 0}, "vision/global/vision_model/transformer/layers.0-23", None),
    ],
)
def test_labels_follow_the_values(settings: dict[str, Any], path: str, label: str | None) -> None:
    assert labels(**settings)[path] == label


def test_modules_are_those_that_there_are() -> None:
    nodes = {node.row.path: node for node in evaluate_model("gundam", {"num_hidden_layers": 3}).nodes}
    assert nodes["decode/layers.1-11/mlp/gate"].module == "model.layers.1-2.mlp.gate"
    assert nodes["decode/layers.1-11/mlp/gate"].row.module == "model.layers.1-11.mlp.gate"
    assert nodes["prefill/lm_head"].module == "lm_head"


@pytest.mark.parametrize("arguments", OUTPUTS, ids=" ".join)
def test_no_text_names_layers_that_are_not_there(arguments: tuple[str, ...]) -> None:
    text = run(*arguments)
    assert "layers.1-11" not in text
    assert "layers.0-23" not in text or "clip" not in " ".join(arguments)
    assert ("layers.1-2" in text) == (arguments[0] in ("tree", "compare", "solve") or "layer" in arguments)


def test_layers_that_do_not_exist_have_no_line() -> None:
    for arguments in (("totals", "--by", "layer"), ("tree", "--depth", "9")):
        text = run(*arguments, "--set", "num_hidden_layers=1")
        assert "layers.1" not in text
        assert "layers.0" in text


def test_two_depths_side_by_side_are_both_named() -> None:
    text = run("compare", "batch=1", "num_hidden_layers=3")
    assert "decode/layers.1-11|layers.1-2/mlp/experts/gate_proj" in text


def test_json_has_the_address_and_the_label() -> None:
    document = json.loads(run("totals", "--format", "json", "--set", "num_hidden_layers=3"))
    node = next(node for node in document["nodes"] if node["path"] == "prefill/layers.1-11/mlp")
    assert (node["label"], node["module"]) == ("prefill/layers.1-2/mlp", "model.layers.1-2.mlp")
    document = json.loads(run("totals", "--format", "json", "--set", "num_hidden_layers=1"))
    node = next(node for node in document["nodes"] if node["path"] == "prefill/layers.1-11/mlp")
    assert (node["label"], node["module"], node["calls"]) == (None, None, 0)
    assert document["memory"]["moment"]["label"] == document["memory"]["moment"]["at"]


def test_addresses_hold_at_any_depth() -> None:
    address = "prefill/layers.1-11/mlp/gate"
    model = load_model()
    assert model.what_if(num_hidden_layers=3)[address].path == address
    assert run("formula", address, "--set", "num_hidden_layers=3").startswith(f"{address}: ")
    for depth in ("3", "2,40"):
        part = run("sweep", "--vary", f"num_hidden_layers={depth}", "--metric", "operator_launches", "--by", address)
        assert address in part


def test_numbers_belong_to_a_name_that_ends_in_them() -> None:
    for name, numbers in (("norm", [0, 1]), ("layers.0", [0]), ("layers.0", [0, 1, 2])):
        with pytest.raises(
            UserError, match=r"here: numbers: expected \[first, last\] of a call whose name ends in them"
        ):
            read_call(name, {"use": "cast", "numbers": numbers}, "here")
