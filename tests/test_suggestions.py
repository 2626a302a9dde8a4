"""Whatever is misspelt or in the wrong case, anywhere on the command line: one line that says what was meant."""

from pathlib import Path

import pytest
from test_cli import assert_refused, dsocr

from dsocr_symbolic.errors import nearest
from dsocr_symbolic.paths import data_files

VARY = ("sweep", "--metric", "parameters", "--vary")


@pytest.mark.parametrize(
    ("arguments", "meant"),
    [
        (("totls",), "totals"),
        (("TOTALS",), "totals"),
        (("totals", "--GPU", "l4"), "--gpu"),
        (("totals", "--gpus", "l4"), "--gpu"),
        (("gpus", "--fromat", "json"), "--format"),
        (("totals", "--gpu", "L40"), "l40s"),
        (("totals", "--gpu", "L4"), "l4"),
        (("totals", "--gpu", "RTX-5090"), "rtx5090"),
        (("totals", "--gpu", "H100"), "h100-sxm, h100-pcie"),
        (("totals", "--model", "DeepSeek-OC"), "deepseek-ocr"),
        (("totals", "--model", "DeepSeek"), "deepseek_v2, deepseek-ocr"),
        (("totals", "--workload", "GUNDUM"), "gundam"),
        (("totals", "--attention", "Flash"), "flash"),
        (("totals", "--weight-dtype", "FP8"), "fp8"),
        (("totals", "--set", "BATCH=1"), "batch"),
        (("totals", "--keep", "Batch"), "batch"),
        (("totals", "--layer", "Linear"), "operators/linear"),
        (("totals", "--layer", "linaer"), "operators/linear"),
        (("totals", "--by", "Layers"), "layer"),
        (("totals", "--format", "JSON"), "json"),
        (("totals", "--traffic", "Fusd"), "fused"),
        (("tree", "Prefill"), "prefill"),
        (("tree", "prefill/layers.1-11/mpl"), "prefill/layers.1-11/mlp"),
        (("formula", "PREFILL/layers.1-11/mlp/gate"), "prefill/layers.1-11/mlp/gate"),
        (("formula", "total", "--metric", "TPOT_S"), "tpot_s"),
        (("formula", "total", "--format", "Latex"), "latex"),
        ((*VARY, "Batch=1,2"), "batch"),
        ((*VARY, "gpu=L40"), "l40s"),
        ((*VARY, "workload=Tiny"), "tiny"),
        ((*VARY, "attention=Eager"), "eager"),
        ((*VARY, "batch=1,2", "--metric", "Parameters"), "parameters"),
        ((*VARY, "batch=1,2", "--by", "Decode"), "decode"),
        (("solve", "Batch", "peak_memory_bytes <= capacity"), "batch"),
        (("solve", "batch", "PEAK_MEMORY_BYTES <= capacity"), "peak_memory_bytes"),
        (("sensitivity", "--symbol", "NEW_TOKENS"), "new_tokens"),
        (("sensitivity", "--of", "Vision"), "vision"),
        (("bounds", "Experts"), "experts_compute_bound"),
        (("bounds", "--time", "lowerbound"), "lower_bound"),
        (("compare", "gpu=l4", "gpu=L40"), "l40s"),
        (("compare", "gpu=l4", "BATCH=2"), "batch"),
        (("schema", "Layer"), "layer"),
        (("verify", "--Mutants"), "--mutants"),
    ],
    ids=" ".join,
)
def test_what_was_meant_is_said(arguments: tuple[str, ...], meant: str) -> None:
    assert_refused(dsocr(*arguments), f"did you mean {meant}")


def test_a_suggestion_looks_through_the_whole_list() -> None:
    known = [f"name{number:03d}" for number in range(500)]
    assert nearest("NAME499", known) == "did you mean name499?"
    assert nearest("xyz", known).startswith("known: name000, ")
    assert nearest("flops", ["forward_flops", "launches"]) == "did you mean forward_flops?"
    assert nearest("l", data_files("hardware")).startswith("did you mean l")
    assert nearest("", known).startswith("known: ")
    assert nearest("x", []) == "none exist"


def test_names_in_files_are_suggested_too(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("set: {Batch: 2}\n", encoding="utf-8")
    assert_refused(dsocr("totals", "--workload", path), str(path), "did you mean batch?")
    path.write_text("Set: {batch: 2}\n", encoding="utf-8")
    assert_refused(dsocr("totals", "--workload", path), str(path), "did you mean set?")
