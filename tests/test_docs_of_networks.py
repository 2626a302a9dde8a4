"""Pages of formulas for networks of a user: what the network can call, its slots filled as it fills them."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from own_network import BLOCK, GATE, LM, MODEL, Change, on_path, put, write
from test_cli import dsocr

LLAMA = Path(__file__).parent / "manual" / "deepseek_ocr" / "other_network"
OPERATORS = {"operators/embedding", "operators/linear_no_bias", "operators/silu", "operators/my_square"}
OWN = {"mine/my_lm", "mine/my_block", "mine/my_gate"}


def pages(folder: Path, out: Path, model: str = "mine", *words: str) -> dict[str, str]:
    """Write the pages of a network, follow their links, and return them by name."""
    with on_path(folder):
        found = dsocr("docs", "--model", model, "--out", out, *words)
    assert found.status == 0, found.err
    texts = {path.relative_to(out).as_posix(): path.read_text(encoding="utf-8") for path in out.rglob("*.md")}
    for name, text in texts.items():
        for link in re.findall(r"\]\(([^)#]+\.md)", text):
            assert (out / name).parent.joinpath(link).resolve().is_file(), (name, link)
    return {name.removesuffix(".md"): text for name, text in texts.items() if name != "index.md"}


def metric(page: str, name: str) -> int:
    (value,) = re.findall(rf"^\| \[{name}\]\(#{name}\) \| ([\d,]+) \|", page, re.MULTILINE)
    return int(value.replace(",", ""))


def test_pages_are_those_that_the_network_can_call_with_the_values_of_its_calls(tmp_path: Path) -> None:
    made = pages(write(tmp_path), tmp_path / "out")
    assert set(made) == OWN | OPERATORS
    # A block of 4 rows of 8: its slot as the language model fills it, not the default of one row of one.
    block = made["mine/my_block"]
    assert metric(block, "forward_cuda_core_flops") == 4 * 8 * 3
    assert metric(block, "forward_io_bytes") == 2 * 2 * (2 * 32 + 64) + 2 * 2 * (32 + 32)
    assert r"${T}^{\mathrm{between}}$ | `between_rows`" in block
    lm = made["mine/my_lm"]
    assert metric(lm, "parameters") == 1984
    assert metric(lm, "forward_cuda_core_flops") == 3 * metric(block, "forward_cuda_core_flops")


def one_layer(files: dict[str, Any]) -> None:
    """Leave a network of one layer, and no symbol but its sizes."""
    model = files[MODEL]
    model["children"] = {"only": {"use": "my_gate", "with": {"rows": "prompt", "width": None}}}
    model["constants"] = {"width": model["constants"]["width"]}
    del model["workload"]["steps"]
    for name in (LM, BLOCK):
        del files[name]


def filled_by_an_operator(files: dict[str, Any]) -> None:
    """Let the inline slot be filled by an operator, which stands in its own place."""
    silu = {"use": "silu", "with": {"elements": "rows*width"}}
    files[BLOCK]["slots"]["between"] = {"use": "silu", "with": {"elements": 1}}
    files[LM]["children"]["blocks"]["slots"]["between"] = silu


def filled_by_its_caller_alone(files: dict[str, Any]) -> None:
    """Let a slot's default be of another network: only the caller's filling can be evaluated."""
    files[BLOCK]["slots"]["between"] = {"use": "my_gate", "with": {"rows": "crop_rows", "width": "sam_width"}}


def filled_by_a_choice(files: dict[str, Any]) -> None:
    """Let a choice fill the slot, and one of its options leave it to a default."""
    between = {"use": "$between", "reads": "h", "writes": "g", "with": {"elements": "rows*width"}}
    files[BLOCK]["slots"] = {"between": {"use": "silu"}}
    files[BLOCK]["children"]["between"] = between
    del files[LM]["children"]["blocks"]["slots"]
    options = {"square": {"slots": {"between": "my_square"}}, "smooth": {}}
    files[MODEL]["choices"] = {"between": {"summary": "what is between", "default": "square", "options": options}}


@pytest.mark.parametrize(
    ("change", "there"),
    [
        (one_layer, {"mine/my_gate", "operators/silu", "operators/my_square"}),
        (filled_by_an_operator, (OWN | OPERATORS) - {"mine/my_gate", "operators/my_square"}),
        (filled_by_its_caller_alone, OWN | OPERATORS),
        (filled_by_a_choice, (OWN | OPERATORS) - {"mine/my_gate"}),
        (put(LM, "tied", {"head.weight": "embed.table"}), OWN | OPERATORS),
    ],
)
def test_any_network_has_pages(tmp_path: Path, change: Change, there: set[str]) -> None:
    examples = [put(name, "example", ...) for name in (LM, BLOCK) if change is not one_layer]
    made = pages(write(tmp_path, *examples, change), tmp_path / "out")
    assert set(made) == there
    assert all("Costs of one call" in page for page in made.values())


def test_an_operator_in_an_inline_slot_is_launched(tmp_path: Path) -> None:
    """What has no lines to stand in the place of the call stands there itself."""
    examples = [put(name, "example", ...) for name in (LM, BLOCK)]
    made = pages(write(tmp_path, *examples, filled_by_an_operator), tmp_path / "out")
    assert metric(made["mine/my_block"], "operator_launches") == 3
    assert metric(made["mine/my_block"], "forward_cuda_core_flops") == 4 * 8 * 2
    with on_path(tmp_path):
        tree = dsocr("tree", "--model", "mine", "--depth", "3").out
    assert re.search(r"between +3 ", tree)


def test_a_network_of_our_layers_has_their_pages_alone(tmp_path: Path) -> None:
    made = pages(LLAMA, tmp_path / "out", "small-llama")
    assert {"small/small_llama", "decoder/deepseek_v2_decoder_layer", "decoder/deepseek_v2_mlp"} <= set(made)
    assert not {"decoder/deepseek_v2_moe", "vision/block", "core/deepseek_ocr_model"} & set(made)
    assert "one call of `prefill/layers`" in made["decoder/deepseek_v2_decoder_layer"]
    assert "- Slot `mlp` is filled by [decoder/deepseek_v2_mlp]" in made["decoder/deepseek_v2_decoder_layer"]


def test_a_file_of_the_name_of_one_of_ours_is_one_line(tmp_path: Path) -> None:
    write(tmp_path)
    (tmp_path / GATE).rename(tmp_path / "formulas/layers/mine/gelu.yaml")
    with on_path(tmp_path):
        found = dsocr("docs", "--model", "mine", "--out", tmp_path / "out")
    assert (found.status, found.out, found.err.count("\n")) == (2, "", 1)
    assert "gelu.yaml: the name 'gelu' is taken by" in found.err
    assert not (tmp_path / "out").exists()
    assert yaml.safe_load((tmp_path / MODEL).read_text())["summary"]
