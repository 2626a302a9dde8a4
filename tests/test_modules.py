"""Whose weights they are: stages that are one module, weights that are another one's, weights that count twice."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from own_network import BLOCK, LM, MODEL, PARAMETERS, Change, on_path, put, write
from test_cli import Answer, dsocr

from dsocr_symbolic import load_model
from dsocr_symbolic.evaluation.examples import counted_twice
from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.language.lookup import find_definition
from dsocr_symbolic.network.modules import sizes_of

TWICE = "prefill and decode call my_lm as two modules, {} and {}, so that its weights count twice"


@pytest.fixture
def ask(tmp_path: Path) -> Callable[..., Answer]:
    def asked(*changes: Change, words: tuple[str, ...] = ("totals", "--format", "json")) -> Answer:
        with on_path(write(tmp_path, *changes)):
            return dsocr(*words, "--model", "mine")

    return asked


def document(answer: Answer) -> dict[str, Any]:
    assert answer.status == 0, answer.err
    result: dict[str, Any] = json.loads(answer.out)
    return result


def test_two_stages_that_call_one_layer_own_its_weights_once(ask: Callable[..., Answer]) -> None:
    found = ask()
    total = document(found)
    assert total["total"]["parameters"] == PARAMETERS
    assert [stage["parameters"] for stage in total["stages"].values()] == [PARAMETERS] * 2
    assert total["total"]["forward_weight_bytes"] == 2 * PARAMETERS
    assert (total["warnings"], found.err) == ([], "")
    modules = {node["path"]: node["module"] for node in total["nodes"] if node["module"]}
    assert {path: module for path, module in modules.items() if path.startswith("decode/")} == {
        path.replace("prefill", "decode", 1): module for path, module in modules.items() if path.startswith("prefill/")
    }


def modules(one: str, other: str) -> tuple[Change, Change]:
    return put(MODEL, "children.prefill.module", one), put(MODEL, "children.decode.module", other)


def test_stages_under_different_modules_are_warned_of_wherever_warnings_are(ask: Callable[..., Answer]) -> None:
    said = TWICE.format("a", "b")
    found = ask(*modules("a", "b"))
    total = document(found)
    assert total["total"]["parameters"] == 2 * PARAMETERS
    assert [warning.partition(";")[0] for warning in total["warnings"]] == [said]
    (line,) = found.err.splitlines()
    assert line.startswith(f"dsocr: warning: {said}; if they are one, give both calls the same 'module'")
    for words in (
        ("totals", "--format", "csv"),
        ("solve", "prompt", "peak_memory_bytes <= capacity"),
        ("formula", "decode", "--metric", "parameters"),
        ("sweep", "--vary", "prompt=1:4", "--metric", "parameters"),
    ):
        found = ask(*modules("a", "b"), words=words)
        assert (found.status, found.err.count(said)) == (0, 1), words
    # A layer alone has no second stage; one module is what the warning asks for.
    found = ask(*modules("a", "b"), words=("totals", "--layer", "my_lm", "--format", "json"))
    assert document(found)["warnings"] == []
    assert document(ask(*modules("a", "a")))["total"]["parameters"] == PARAMETERS


def of_layers(names: tuple[str, str]) -> list[Change]:
    """Let each stage call a layer of its own, which calls the language model as one of its parts."""

    def change(files: dict[str, Any]) -> None:
        lm = files[LM]
        for name in names:
            given = dict.fromkeys(lm["symbols"])
            files[f"formulas/layers/mine/{name}.yaml"] = {
                **{key: lm[key] for key in ("symbols", "tensors", "example")},
                "summary": name,
                "children": {"lm": {"use": "my_lm", "reads": "ids", "writes": "logits", "with": given}},
            }

    stages = zip(("prefill", "decode"), names, strict=True)
    return [change, *(put(MODEL, f"children.{stage}.use", name) for stage, name in stages)]


def test_a_layer_deeper_in_two_stages_is_warned_of_once(ask: Callable[..., Answer]) -> None:
    total = document(ask(*of_layers(("first", "later"))))
    assert total["total"]["parameters"] == 2 * PARAMETERS
    (said,) = total["warnings"]
    assert said.startswith("prefill/lm and decode/lm call my_lm as two modules, prefill.lm and decode.lm, ")
    together = document(ask(*of_layers(("first", "later")), *modules("lm", "lm")))
    assert (together["total"]["parameters"], together["warnings"]) == (PARAMETERS, [])


def test_a_stage_that_reads_what_the_other_made_is_another_module(ask: Callable[..., Answer]) -> None:
    """Blocks behind one another are two, however alike; so that it may be one after all it is said."""
    block = {"use": "my_block", "with": {"rows": "prompt", "width": None}}
    stages = {
        "prefill": {**block, "reads": "x", "writes": "h"},
        "decode": {**block, "reads": "h", "writes": "y"},
    }
    total = document(ask(put(MODEL, "children", stages), put(BLOCK, "slots.between.with", {"rows": 1, "width": 1})))
    assert total["total"]["parameters"] == 2 * 2 * 8 * 8
    assert len(total["warnings"]) == 1


def test_towers_of_other_sizes_are_two_modules_without_a_word(ask: Callable[..., Answer]) -> None:
    other = [
        put(MODEL, "constants.other", {"value": 16, "letter": "E", "meaning": "another width"}),
        put(MODEL, "children.decode.with.width", "other"),
    ]
    total = document(ask(*other))
    assert total["total"]["parameters"] == PARAMETERS + 2 * 100 * 16 + 3 * 2 * 16 * 16
    assert total["warnings"] == []
    found = ask(*other, *modules("a", "a"))
    assert found.status == 2
    assert found.err.startswith(
        f"dsocr: {Path(find_path(found.err))}: prefill/embed and decode/embed own a.embed.table"
    )
    assert found.err.count("\n") == 1


def find_path(line: str) -> str:
    path = line.removeprefix("dsocr: ").partition(": ")[0]
    assert path.endswith(MODEL)
    return path


def test_what_weights_hang_on_is_told_from_what_they_do_not(tmp_path: Path) -> None:
    with on_path(write(tmp_path)):
        library = load_library()
        assert sizes_of(library, library["my_lm"], {}, {}).own == {"width", "vocabulary", "depth"}
        assert not sizes_of(library, library["my_gate"], {}, {}).owns
        moe = sizes_of(library, library["deepseek_v2_decoder_layer"], {}, {})
        assert (moe.owns, "batch" in moe.own, "hidden_size" in moe.own) == (True, False, True)


TIES = {"head.weight": "embed.table"}


def test_tied_weights_count_once_and_are_read_twice(ask: Callable[..., Answer]) -> None:
    apart = document(ask())["total"]
    of_layer = [put(LM, "tied", TIES), put(LM, "example.gives.parameters", 66 - 15)]
    of_model = [put(MODEL, "tied", {f"prefill.{one}": f"prefill.{other}" for one, other in TIES.items()})]
    for changes in (of_layer, of_model):
        total = document(ask(*changes))["total"]
        assert total["parameters"] == PARAMETERS - 8 * 100
        assert total["forward_weight_bytes"] == 2 * total["parameters"]
        assert total["peak_memory_bytes"] == apart["peak_memory_bytes"] - 2 * 8 * 100
        assert total["backward_weight_bytes"] == apart["backward_weight_bytes"] - 2 * 8 * 100
        for name in ("forward_io_bytes", "forward_fused_io_bytes", "forward_tensor_core_flops", "roofline_s"):
            assert total[name] == apart[name], name


def test_parameters_are_those_of_torch(tmp_path: Path) -> None:
    torch = pytest.importorskip(
        "torch", reason="the count is that of torch modules: pip install dsocr_symbolic[verify]"
    )
    embed, head = torch.nn.Embedding(100, 8), torch.nn.Linear(8, 100, bias=False)
    block = [torch.nn.Linear(8, 8, bias=False) for _ in range(3 * 2)]
    network = torch.nn.ModuleList([embed, *block, head])
    for ties in ({}, TIES):
        if ties:
            head.weight = embed.weight
        counted = put(LM, "example.gives.parameters", 51 if ties else 66)
        with on_path(write(tmp_path / str(len(ties)), put(LM, "tied", ties), counted)):
            parameters = load_model("mine").compile("parameters", over=[])()["parameters"]["total"]
        assert parameters == sum(weight.numel() for weight in network.parameters())


@pytest.mark.parametrize(
    ("ties", "said"),
    [
        ({"head.weigth": "embed.table"}, "tied: no weight is 'head.weigth': did you mean head.weight"),
        ({"head.weight": "embed.weight"}, "tied: no weight is 'embed.weight': did you mean head.weight, embed.table"),
        (
            {"blocks.up.weight": "embed.table"},
            "depth*width**2 parameters, embed.table has vocabulary*width; only equal",
        ),
        ({"head.weight": "head.weight"}, "tied: head.weight: tie each weight once"),
        ({"head.weight": 3}, "tied: head.weight: expected text, found 3"),
    ],
)
def test_a_tie_that_is_none_is_one_line(ask: Callable[..., Answer], ties: dict[str, Any], said: str) -> None:
    found = ask(put(LM, "tied", ties), put(LM, "example", ...))
    assert (found.status, found.out, found.err.count("\n")) == (2, "", 1)
    assert LM in found.err
    assert said in found.err


def test_weights_of_our_own_network_count_once() -> None:
    assert counted_twice(find_definition("deepseek-ocr")) == []
