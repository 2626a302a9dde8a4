"""Bytes, launches and FLOPs of every operator sequence against an independent evaluation of it.

tests/anchors/prototype.json holds numbers of another engine over operator lists that equal the network's own
modules; its short symbol names stand for ours as the tables below say.
"""

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from conftest import evaluate_model

RECORDS = [
    json.loads(line.strip().rstrip(","))
    for line in (Path(__file__).parent / "anchors" / "prototype.json").read_text().splitlines()
    if line.strip().startswith("{")
]
SAM = {
    "p": "sam_patch_size",
    "D": "sam_width",
    "h": "sam_heads",
    "F": "sam_mlp_width",
    "windowed": "sam_windowed_blocks",
}
SAM |= {"global_": "sam_global_blocks", "w": "sam_window_size", "G": "sam_table_grid", "O": "sam_neck_channels"}
CLIP = {"D": "clip_width", "h": "clip_heads", "F": "clip_mlp_width", "layers": "clip_layers", "Q": "clip_table_grid"}
DECODER = {
    "B": "batch",
    "S": "sequence",
    "past": "past",
    "cached": "cached",
    "D": "hidden_size",
    "h": "num_attention_heads",
}
LAYERS: dict[str, tuple[str, dict[str, str]]] = {
    "image_encoder_vi_t": ("vision/image_encoder_vit", SAM | {"B": "batch", "s": "image_size"}),
    "vit_model": ("vision/vit_model", CLIP | {"B": "batch", "q": "feature_grid", "p": "clip_patch_size"}),
    "mlp_projector": (
        "vision/mlp_projector",
        {"B": "batch", "q": "feature_grid", "I": "feature_width", "D": "hidden_size"},
    ),
    "block": (
        "vision/block",
        {
            "B": "batch",
            "g": "grid",
            "w": "window",
            "D": "sam_width",
            "h": "sam_heads",
            "F": "sam_mlp_width",
            "L": "table_rows",
        },
    ),
    "attention": (
        "vision/attention",
        {"B": "images", "K": "side", "D": "sam_width", "h": "sam_heads", "L": "table_rows"},
    ),
    "layer_norm_2d": ("vision/layer_norm2d", {"P": "pixels", "C": "channels"}),
    "mlp_block": ("vision/mlp_block", {"T": "tokens", "D": "sam_width", "F": "sam_mlp_width"}),
    "no_tp_transformer_block": ("vision/notp_transformer_block", CLIP | {"B": "batch", "T": "tokens"}),
    "torch_layer_norm": ("core/layer_norm", {"T": "rows", "D": "width", "narrow": "narrow"}),
    "deepseek_v2_mlp": ("decoder/deepseek_v2_mlp", {"T": "tokens", "D": "hidden_size", "F": "intermediate_size"}),
    "deepseek_v2_moe": (
        "decoder/deepseek_v2_moe",
        {
            "T": "tokens",
            "D": "hidden_size",
            "F": "moe_intermediate_size",
            "E": "n_routed_experts",
            "k": "num_experts_per_tok",
            "hit": "experts_hit",
        },
    ),
    "moe_gate": (
        "decoder/moe_gate",
        {"T": "tokens", "D": "hidden_size", "E": "n_routed_experts", "k": "num_experts_per_tok"},
    ),
    "deepseek_v2_rms_norm": ("decoder/deepseek_v2_rms_norm", {"T": "tokens", "D": "hidden_size"}),
    "llama_rotary_embedding": ("llama/llama_rotary_embedding", {"S": "sequence", "d": "head_dim"}),
    "lm_head": ("decoder/lm_head", {"T": "tokens", "D": "hidden_size", "V": "vocab_size"}),
    "llama_attention": ("llama/", DECODER),
    "decoder": (
        "decoder/deepseek_v2_model",
        DECODER
        | {
            "F": "intermediate_size",
            "M": "moe_intermediate_size",
            "E": "n_routed_experts",
            "k": "num_experts_per_tok",
            "hit": "experts_hit",
            "dense": "first_k_dense_replace",
        },
    ),
}
# What our tree holds besides the sequences: glue between modules.
GLUE = ("preprocess", "features", "assemble", "scatter", "embed_tokens")


def _numbers(nodes: list[Any]) -> dict[str, Any]:
    """Sum operators, in total and by aten name."""
    by_aten: dict[str, list[Any]] = {}
    for node in nodes:
        if node.metrics["operator_launches"]:
            found = by_aten.setdefault(node.row.aten, [0, 0])
            found[0] += node.metrics["forward_io_bytes"]
            found[1] += node.metrics["operator_launches"]
    return {
        "forward_tensor_core_flops": sum(node.metrics["forward_tensor_core_flops"] for node in nodes),
        "forward_io_bytes": sum(node.metrics["forward_io_bytes"] for node in nodes),
        "operator_launches": sum(node.metrics["operator_launches"] for node in nodes),
        "by_aten": by_aten,
    }


def _operators(result: Any, *, without: tuple[str, ...] = ()) -> list[Any]:
    return [node for node in result.nodes if node.row.aten and not set(node.row.path.split("/")) & set(without)]


def _label(record: dict[str, Any]) -> str:
    return f"{record['layer']}-{RECORDS.index(record)}"


@pytest.mark.parametrize("record", [each for each in RECORDS if each["layer"] in LAYERS], ids=_label)
def test_layer(record: dict[str, Any]) -> None:
    layer, names = LAYERS[record["layer"]]
    choices = record["choices"]
    if layer == "llama/":
        layer += "llama_flash_attention2" if choices["attention"] == "flash" else "llama_attention"
    symbols = dict(record["symbols"])
    settings = {ours: symbols[theirs] for theirs, ours in names.items() if theirs in symbols}
    if "shared" in symbols:
        per_expert = symbols.get("M", symbols["F"])
        settings["n_shared_experts"] = symbols["shared"] // per_expert
    if "moe" in symbols:
        settings |= {"num_hidden_layers": symbols["dense"] + symbols["moe"], "image_tokens": 0}
    precision = "autocast" if choices["precision"] == "autocast" else "plain"
    result = evaluate_model(settings=settings, layer=layer, attention=choices["attention"], precision=precision)
    expected = record["expected"]
    parameters = result.total["parameters"] - (165478400 if record["layer"] == "decoder" else 0)
    assert parameters == expected["parameters"]
    without = ("embed_tokens",) if record["layer"] == "decoder" else ()
    assert _numbers(_operators(result, without=without)) == {
        key: expected[key] for key in ("forward_tensor_core_flops", "forward_io_bytes", "operator_launches", "by_aten")
    }


STAGES = [each for each in RECORDS if each["layer"] in ("vision", "projector", "prefill", "decode", "total")]


@pytest.mark.parametrize("record", STAGES, ids=_label)
def test_stage(record: dict[str, Any]) -> None:
    symbols, choices = dict(record["symbols"]), record["choices"]
    crops = symbols.pop("crops")
    grid = {0: (0, 0), 2: (2, 1), 6: (3, 2), 9: (3, 3)}[crops]
    precision = "autocast" if choices["precision"] == "autocast" else "plain"
    settings = {**symbols, "crop_columns": grid[0], "crop_rows": grid[1]}
    result = evaluate_model("base", settings, attention=choices["attention"], precision=precision)
    stage = record["layer"]
    nodes = [node for node in _operators(result, without=GLUE[:-1]) if stage in ("total", node.row.stage)]
    found = _numbers(nodes)
    expected = record["expected"]
    assert found == {key: expected[key] for key in found}
    metrics = result.total if stage == "total" else result.stages[stage]
    # The sequences leave out the newline and the separator, 1,280 parameters each.
    extra = 2560 if stage in ("total", "projector") else 0
    assert metrics["parameters"] == expected["parameters"] + extra


def test_every_sequence_is_compared() -> None:
    compared = Counter(each["layer"] for each in RECORDS)
    assert set(compared) == set(LAYERS) | {each["layer"] for each in STAGES}
    assert len(RECORDS) == 397
