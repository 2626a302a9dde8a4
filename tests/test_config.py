"""Sizes from a Hugging Face config.json: taken, or refused by the key that does not fit."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import evaluate_model
from test_cli import Answer, assert_refused, dsocr

from dsocr_symbolic.language.lookup import default_definition

_DECODER: dict[str, Any] = {
    "bos_token_id": 0,
    "eos_token_id": 1,
    "first_k_dense_replace": 1,
    "hidden_size": 1280,
    "intermediate_size": 6848,
    "kv_lora_rank": None,
    "lm_head": True,
    "max_position_embeddings": 8192,
    "moe_intermediate_size": 896,
    "n_group": 1,
    "n_routed_experts": 64,
    "n_shared_experts": 2,
    "num_attention_heads": 10,
    "num_experts_per_tok": 6,
    "num_hidden_layers": 12,
    "num_key_value_heads": 10,
    "q_lora_rank": None,
    "qk_nope_head_dim": 0,
    "qk_rope_head_dim": 0,
    "rm_head": False,
    "topk_group": 1,
    "topk_method": "greedy",
    "use_mla": False,
    "v_head_dim": 0,
    "vocab_size": 129280,
}
CLIP, SAM = "clip-l-14-224", "sam_vit_b"
# The network's own file, as published.
CONFIG: dict[str, Any] = {
    "_name_or_path": "deepseek-ai/DeepSeek-OCR",
    "candidate_resolutions": [[1024, 1024]],
    "global_view_pos": "head",
    "architectures": ["DeepseekOCRForCausalLM"],
    "auto_map": {"AutoModel": "modeling_deepseekocr.DeepseekOCRForCausalLM"},
    "language_config": {"architectures": ["DeepseekV2ForCausalLM"], "torch_dtype": "bfloat16", **_DECODER},
    "model_type": "deepseek_vl_v2",
    "projector_config": {"input_dim": 2048, "model_type": "mlp_projector", "n_embed": 1280, "projector_type": "linear"},
    "tile_tag": "2D",
    "torch_dtype": "bfloat16",
    "transformers_version": "4.46.3",
    "vision_config": {
        "image_size": 1024,
        "mlp_ratio": 3.7362,
        "model_name": "deeplip_b_l",
        "model_type": "vision",
        "width": {
            CLIP: {"heads": 16, "image_size": 224, "layers": 24, "patch_size": 14, "width": 1024},
            SAM: {
                "downsample_channels": [512, 1024],
                "global_attn_indexes": [2, 5, 8, 11],
                "heads": 12,
                "layers": 12,
                "width": 768,
            },
        },
    },
    **_DECODER,
}
DEFINITION = default_definition(None)
SIZES = {quantity.config: name for name, quantity in DEFINITION.quantities.items() if quantity.config}
Write = Callable[[dict[str, Any]], Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def file(config: dict[str, Any]) -> Path:
        path = tmp_path / "config.json"
        path.write_text(json.dumps(config), encoding="utf-8")
        return path

    return file


def changed(**keys: Any) -> dict[str, Any]:
    """Change keys wherever the config has them; a key it lacks is added at top level. __ stands for a dot."""
    config = copy.deepcopy(CONFIG)
    for key, value in keys.items():
        *parents, last = key.split("__")
        for place in (config, config["language_config"]):
            for parent in parents:
                place = place.get(parent, {})  # noqa: PLW2901 - a walk down
            if last in place or (place is config):
                place[last] = value
    return config


def totals(path: Path, *arguments: str) -> Answer:
    return dsocr("totals", "--config", path, *arguments)


def numbers(path: Path, *arguments: str) -> dict[str, Any]:
    answer = totals(path, "--format", "json", *arguments)
    assert (answer.status, answer.err) == (0, "")
    found: dict[str, Any] = json.loads(answer.out)
    return found


# taken


def test_the_networks_own_config_changes_nothing(write: Write) -> None:
    assert numbers(write(CONFIG))["total"] == dict(evaluate_model("gundam", details=True).total)
    plain, same = dsocr("totals").out.splitlines(), totals(write(CONFIG)).out.splitlines()
    # What was typed differs, and what the config sets is said.
    said = [line for line in same if line not in plain]
    assert said[0] == "  config.json: model_type deepseek_vl_v2; the network is deepseek-ocr"
    assert said[1] == "  set by config.json: 11 as they are by default"
    assert said[2].startswith("  command: dsocr totals --config")
    assert [line for line in plain if line not in same] == ["  command: dsocr totals"]


def test_every_size_of_the_decoder_comes_from_it() -> None:
    assert set(SIZES) == {
        "hidden_size", "num_hidden_layers", "first_k_dense_replace", "num_attention_heads", "intermediate_size",
        "moe_intermediate_size", "n_routed_experts", "n_shared_experts", "num_experts_per_tok", "vocab_size",
        "max_position_embeddings",
    }  # fmt: skip
    assert set(SIZES) <= set(CONFIG)


@pytest.mark.parametrize(
    ("keys", "also"),
    [
        ({"num_hidden_layers": 6}, {}),
        ({"vocab_size": 1000}, {}),
        ({"n_routed_experts": 32}, {}),
        ({"num_experts_per_tok": 8}, {}),
        ({"moe_intermediate_size": 1024}, {}),
        ({"intermediate_size": 7168}, {}),
        ({"n_shared_experts": 1}, {}),
        ({"first_k_dense_replace": 3}, {}),
        ({"num_attention_heads": 20}, {"num_key_value_heads": 20}),
        ({"hidden_size": 2560}, {"projector_config__n_embed": 2560}),
    ],
)
def test_a_size_of_the_config_is_a_symbol_that_is_set(write: Write, keys: dict[str, int], also: dict[str, Any]) -> None:
    found = numbers(write(changed(**keys, **also)))
    assert found["total"] == dict(evaluate_model("gundam", keys, details=True).total)
    assert {name: found["constants"][name] for name in keys} == keys
    assert found["total"] != dict(evaluate_model("gundam", details=True).total)


def test_fewer_layers_keep_less_cache(write: Write) -> None:
    found = numbers(write(changed(num_hidden_layers=6)))
    assert found["total"]["forward_kv_cache_bytes"] == 61_440 // 2 * (903 + 512)
    assert found["total"]["parameters"] == 3_336_106_240 - 6 * 233_720_320


def test_values_of_the_user_win_over_the_config(write: Write) -> None:
    path = write(changed(vocab_size=1000))
    assert numbers(path, "--set", "vocab_size=129280")["total"] == dict(evaluate_model("gundam", details=True).total)
    assert numbers(path, "--workload", "tiny")["constants"]["vocab_size"] == 1000


def test_a_config_of_the_decoder_below_language_config_only(write: Write) -> None:
    config = {key: value for key, value in CONFIG.items() if key not in _DECODER}
    assert numbers(write(config))["total"] == dict(evaluate_model("gundam", details=True).total)


def test_what_the_network_ignores_is_ignored(write: Write) -> None:
    config = changed(vision_config__mlp_ratio=5, transformers_version="9", candidate_resolutions=[], tile_tag="1D")
    assert numbers(write(config))["total"] == dict(evaluate_model("gundam", details=True).total)


def test_a_config_serves_a_layer_and_a_formula_too(write: Write) -> None:
    path = write(changed(vocab_size=1000))
    alone = json.loads(totals(path, "--layer", "lm_head", "--set", "tokens=1", "--format", "json").out)
    assert alone["total"]["parameters"] == 1000 * 1280
    answer = dsocr("formula", "prefill/lm_head", "--config", path, "--metric", "parameters")
    assert "= 1280000 parameter" in answer.out


# refused

OTHER = {
    "architectures": ["LlamaForCausalLM"],
    "num_key_value_heads": 5,
    "use_mla": True,
    "q_lora_rank": 1536,
    "kv_lora_rank": 512,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "v_head_dim": 128,
    "topk_method": "group_limited_greedy",
    "scoring_func": "sigmoid",
    "n_group": 8,
    "topk_group": 3,
    "norm_topk_prob": True,
    "moe_layer_freq": 2,
    "ep_size": 2,
    "attention_bias": True,
    "hidden_act": "gelu",
    "rope_scaling": {"type": "yarn", "factor": 40},
    "tie_word_embeddings": True,
    "lm_head": False,
    "rm_head": True,
    "quantization_config": {"bits": 4},
    "projector_config__projector_type": "mlp_gelu",
    "projector_config__input_dim": 1024,
    "projector_config__n_embed": 2048,
    "vision_config__image_size": 384,
    f"vision_config__width__{CLIP}__heads": 8,
    f"vision_config__width__{CLIP}__image_size": 336,
    f"vision_config__width__{CLIP}__layers": 23,
    f"vision_config__width__{CLIP}__patch_size": 16,
    f"vision_config__width__{CLIP}__width": 768,
    f"vision_config__width__{SAM}__downsample_channels": [512, 2048],
    f"vision_config__width__{SAM}__global_attn_indexes": [7, 15, 23, 31],
    f"vision_config__width__{SAM}__heads": 16,
    f"vision_config__width__{SAM}__layers": 32,
    f"vision_config__width__{SAM}__width": 1280,
}


def test_every_key_that_is_modelled_one_way_only_is_tried() -> None:
    assert {key.replace("__", ".") for key in OTHER} == set(DEFINITION.config)


@pytest.mark.parametrize("key", OTHER)
def test_a_value_that_is_not_modelled_is_an_error_that_names_its_key(write: Write, key: str) -> None:
    path = write(changed(**{key: OTHER[key]}))
    assert_refused(totals(path), path, key.replace("__", "."))


@pytest.mark.parametrize("key", OTHER)
def test_null_is_another_value(write: Write, key: str) -> None:
    path = write(changed(**{key: None}))
    if DEFINITION.config[key.replace("__", ".")] is None:
        assert totals(path).status == 0
    else:
        assert_refused(totals(path), path, key.replace("__", "."))


@pytest.mark.parametrize("key", SIZES)
def test_a_missing_size_is_named(write: Write, key: str) -> None:
    config = copy.deepcopy(CONFIG)
    del config[key]
    assert numbers(write(config))["total"] == dict(evaluate_model("gundam", details=True).total)
    del config["language_config"][key]
    assert_refused(totals(write(config)), key, "missing")


@pytest.mark.parametrize("value", ["1280", 1280.5, True, None, [1280], {}, -1, 0])
def test_a_size_is_a_positive_whole_number(write: Write, value: Any) -> None:
    assert_refused(totals(write(changed(vocab_size=value))), "vocab_size")


def test_a_size_too_large_for_anything(write: Write) -> None:
    assert_refused(totals(write(changed(vocab_size=10**400))), "vocab_size")


@pytest.mark.parametrize("key", ["hidden_size", "use_mla", "topk_method"])
def test_two_places_that_disagree_are_named(write: Write, key: str) -> None:
    config = copy.deepcopy(CONFIG)
    config["language_config"][key] = 5
    assert_refused(totals(write(config)), key, "top level", "language_config")


def test_sizes_that_do_not_fit_each_other(write: Write) -> None:
    config = changed(num_attention_heads=7, num_key_value_heads=7)
    assert_refused(totals(write(config)), "num_attention_heads divides hidden_size")
    assert_refused(totals(write(changed(num_experts_per_tok=65))), "num_experts_per_tok is at most n_routed_experts")


@pytest.mark.parametrize("content", ["", "{", "[]", "5", "null", '"config"', "{'a': 1}", "\ufeff{}", "[" * 100_000])
def test_a_file_that_is_no_config(tmp_path: Path, content: str) -> None:
    path = tmp_path / "config.json"
    path.write_text(content, encoding="utf-8")
    assert_refused(totals(path), path)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / "bytes.json").write_bytes(b"\xff\xfe\x00")
    for path in (tmp_path, tmp_path / "missing.json", tmp_path / "bytes.json"):
        assert_refused(totals(path), path)


def test_parts_that_are_something_else(write: Write) -> None:
    for key in ("language_config", "vision_config", "projector_config"):
        for value in ([], 5, "text"):
            answer = totals(write({**CONFIG, key: value}))
            assert answer.status in (0, 2)
            assert answer.err.count("\n") == (answer.status == 2)
