"""What a config.json of the network may say, and what is refused."""

from collections.abc import Iterator, Mapping
from json import dumps
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.scenario.configs import read_config
from dsocr_symbolic.verification.expectations.machine import Fact, network
from dsocr_symbolic.verification.expectations.sizes import published


def _published_config() -> dict[str, Any]:
    """Return the checkpoint's config.json: sizes, and what else decides how the network is built."""
    sizes = {name: size for name, size in published().items() if not name.startswith(("sam_", "clip_"))}
    heads = {"num_key_value_heads": sizes["num_attention_heads"], "attention_bias": False, "tie_word_embeddings": False}
    latent: dict[str, Any] = {"use_mla": False, "q_lora_rank": None, "kv_lora_rank": None}
    latent |= dict.fromkeys(("qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim"), 0)
    routing: dict[str, Any] = {"topk_method": "greedy", "scoring_func": "softmax", "norm_topk_prob": False}
    routing |= dict.fromkeys(("n_group", "topk_group", "moe_layer_freq", "ep_size"), 1)
    other = {"hidden_act": "silu", "rope_scaling": None, "lm_head": True, "rm_head": False, "quantization_config": None}
    clip = {"heads": 16, "image_size": 224, "layers": 24, "patch_size": 14, "width": 1024}
    sam = {
        "downsample_channels": [512, 1024],
        "global_attn_indexes": [2, 5, 8, 11],
        "heads": 12,
        "layers": 12,
        "width": 768,
    }
    return {
        "architectures": ["DeepseekOCRForCausalLM"],
        **sizes,
        **heads,
        **latent,
        **routing,
        **other,
        "projector_config": {"projector_type": "linear", "input_dim": 2048, "n_embed": sizes["hidden_size"]},
        "vision_config": {"image_size": 1024, "width": {"clip-l-14-224": clip, "sam_vit_b": sam}},
    }


def configs() -> Iterator[Fact]:
    """Read the checkpoint's config.json, and that with one key changed: a size follows, everything else is refused."""
    config = _published_config()
    with TemporaryDirectory() as folder:
        file = Path(folder) / "config.json"
        sizes = {name: size for name, size in published().items() if not name.startswith(("sam_", "clip_"))}
        yield "the config", _read(file, config), sizes
        for name, size in sizes.items():
            heads = {"num_key_value_heads": size + 8} if name == "num_attention_heads" else {}
            width = (
                {"projector_config": {**config["projector_config"], "n_embed": size + 8}}
                if name == "hidden_size"
                else {}
            )
            yield (
                f"a config with {name}",
                _read(file, {**config, name: size + 8, **heads, **width}),
                {**sizes, name: size + 8},
            )
        for place in _leaves(config, ()):
            if place[-1] not in sizes:
                yield f"a config with another {'.'.join(place)}", _read(file, _other(config, place)), "refused"


def _read(file: Path, config: Mapping[str, Any]) -> Any:
    file.write_text(dumps(config), encoding="utf-8")
    try:
        return read_config(network(), file).sizes
    except UserError:
        return "refused"


def _leaves(config: Mapping[str, Any], above: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for name, value in config.items():
        yield from _leaves(value, (*above, name)) if isinstance(value, dict) else [(*above, name)]


def _other(config: Mapping[str, Any], place: tuple[str, ...]) -> dict[str, Any]:
    name, *rest = place
    return {**config, name: _other(config[name], tuple(rest)) if rest else "something else"}
