"""What formulas/proofs/ says is called: complete, as it was written by hand before, and refused where it is wrong."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("torch", reason="calls are of torch modules: pip install dsocr_symbolic[verify]")

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.files.proof_file import CallEntry
from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.language.schema import structure
from dsocr_symbolic.paths import data_files
from dsocr_symbolic.verification.calls.cases import (
    WHOLE,
    Case,
    corner_cases,
    few_blocks,
    page_settings,
    peak_cases,
    published_layers,
    sampled_cases,
    shared_settings,
    used_settings,
)
from dsocr_symbolic.verification.proof import ProofCell, proof_cells
from dsocr_symbolic.verification.reference.config import ClipConfig, DecoderConfig, SamConfig
from dsocr_symbolic.verification.running import jobs
from dsocr_symbolic.verification.training import training_cases


def cell(layer: str, name: str) -> ProofCell:
    (match,) = (cell for cell in proof_cells() if (cell.layer, cell.name) == (layer, name))
    return match


def calls(cases: Any, layer: str) -> list[Case]:
    return [case for case in cases if case.layer == layer]


def test_nothing_is_lost() -> None:
    assert Counter(kind for kind, _, _ in jobs()) == {"oracles": 1, "steps": 83, "case": 391, "cell": 128}
    assert len(proof_cells()) == len({(cell.layer, cell.name) for cell in proof_cells()}) == 74
    assert len(corner_cases()) == 220
    assert len(sampled_cases()) == 220 + 135
    assert len(published_layers()) == 118
    assert len(list(training_cases())) == 428
    assert len(peak_cases()) == 176
    assert sum(case.layer == WHOLE for case in peak_cases()) == 16


def test_jobs_keep_their_order() -> None:
    assert proof_cells()[0].name == "windows, padded by one"
    assert proof_cells()[-1].name == "many queries of many sequences"
    assert sampled_cases()[: len(corner_cases())] == corner_cases()
    assert sampled_cases()[len(corner_cases())].layer == "operators/linear"
    assert sampled_cases()[-1].settings["base_size"] == 1280
    assert [case.layer for case in published_layers()[:4]] == [
        *("vision/patch_embed", "vision/block", "vision/attention", "vision/block"),
    ]


def test_points_of_cells_are_settings() -> None:
    padded = cell("vision/block", "windows, padded")
    assert padded.settings({"batch": 1, "turns": 2, "window": 3, "head_dim": 5}) == {
        "batch": 1,
        "grid": 4,
        "window": 3,
        "sam_heads": 2,
        "sam_width": 10,
        "sam_mlp_width": 5,
        "table_rows": 5,
    }
    decode = cell("decoder/deepseek_v2_model eager", "eager decode")
    settings = decode.settings({"batch": 2, "past": 3, "half_head": 1})
    sizes = {"hidden_size": 6, "num_attention_heads": 3, "num_hidden_layers": 3, "vocab_size": 7, "experts_hit": 3}
    assert settings.items() >= {**sizes, "batch": 2, "sequence": 1, "past": 3, "cached": 1}.items()
    resized = cell("vision/block", "whole grid, many images, tables resized")
    assert resized.axes["table_rows"] == (41, 2)
    assert resized.settings({"batch": 2, "window": 2, "head_dim": 2, "table_rows": 43})["table_rows"] == 43
    depth = cell("vision/image_encoder_vit", "any width and depth at 12 x 12 patches")
    assert depth.settings({"head_dim": 2, "mlp": 3, "windowed": 1, "global": 4})["sam_global_blocks"] == 4


def test_published_sizes_are_those_of_the_reference() -> None:
    sam, clip, decoder = SamConfig(), ClipConfig(), DecoderConfig()
    encoder = shared_settings("sam")
    assert (encoder["sam_width"], encoder["sam_heads"]) == (sam.hidden_size, sam.num_heads)
    assert encoder["sam_windowed_blocks"] + encoder["sam_global_blocks"] == sam.num_layers
    tower = shared_settings("clip")
    assert (tower["clip_layers"], tower["clip_table_grid"]) == (clip.num_layers, clip.table_grid)
    model = shared_settings("decoder", batch=1, sequence=2)
    assert model["experts_hit"] == 2 * decoder.num_experts_per_tok
    assert (model["vocab_size"], model["num_hidden_layers"]) == (decoder.vocab_size, decoder.num_hidden_layers)
    few = few_blocks({**encoder, "clip_layers": 1})
    assert (few["sam_windowed_blocks"], few["sam_global_blocks"], few["clip_layers"]) == (2, 1, 1)


@pytest.mark.parametrize(
    ("columns", "rows", "base_size", "tokens"),
    [(0, 0, 1024, 273), (3, 2, 1024, 273 + 20 * 31), (1, 2, 512, 73 + 20 * 11), (0, 0, 640, 111)],
)
def test_pages_have_as_many_tokens_as_the_network_makes(columns: int, rows: int, base_size: int, tokens: int) -> None:
    settings = page_settings(columns, rows, base_size=base_size)
    assert (settings["image_tokens"], settings["prompt_tokens"]) == (tokens, tokens + 10)
    assert (settings["prefill_experts_hit"], settings["num_hidden_layers"]) == (64, 3)


def test_tables_of_values_are_read_by_columns() -> None:
    pages = [case.settings for case in calls(peak_cases(), WHOLE)][:6]
    assert [(page["crop_columns"], page["crop_rows"]) for page in pages] == [
        *((0, 0), (1, 2), (2, 2), (3, 2), (2, 4), (3, 3)),
    ]
    blocks = [case.settings for case in calls(published_layers(), "vision/block")]
    assert [(block["grid"], block["window"], block["table_rows"]) for block in blocks[:2]] == [
        (32, 14, 27),
        (32, 32, 127),
    ]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        ({"use": "samm"}, "unknown settings 'samm': did you mean sam"),
        ({"with": {"hidden_size": "hidden_sise"}}, "unknown symbol 'hidden_sise': did you mean hidden_size"),
        ({"let": {"heads": None}, "with": {"heads": None}}, "unknown symbol 'heads'"),
        ({"with": {"hidden_size": "import os"}}, "'import' is a word of Python"),
    ],
)
def test_wrong_settings_are_refused(entry: dict[str, Any], expected: str) -> None:
    with pytest.raises(UserError, match=expected):
        used_settings(structure(CallEntry, entry, "here")).at({})


def test_proofs_are_no_formulas_of_layers() -> None:
    assert set(data_files("formulas/proofs")) == {"calls", "cells", "networks", "shared"}
    assert all("proofs" not in Path(formula.file).parts for formula in load_library().formulas.values())
