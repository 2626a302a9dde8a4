"""Llama and DeepSeek-V2 layers of ``transformers``, and the text model of ``deepseek_ocr2``: all of the decoder."""

from collections.abc import Iterator, Mapping
from functools import partial
from itertools import product
from typing import Any

from torch import nn
from transformers.cache_utils import DynamicCache
from transformers.models.deepseek_ocr2.configuration_deepseek_ocr2 import DeepseekOcr2Config, DeepseekOcr2TextConfig
from transformers.models.deepseek_ocr2.modeling_deepseek_ocr2 import DeepseekOcr2ForConditionalGeneration
from transformers.models.deepseek_v2.configuration_deepseek_v2 import DeepseekV2Config
from transformers.models.deepseek_v2.modeling_deepseek_v2 import DeepseekV2Moe
from transformers.models.llama.configuration_llama import LlamaConfig
from transformers.models.llama.modeling_llama import LlamaAttention, LlamaMLP, LlamaRMSNorm

from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.verification.calls.cases import shared_settings
from dsocr_symbolic.verification.calls.comparison import Counted
from dsocr_symbolic.verification.oracles.vision import LIBRARY, TOKENS, count

_CALLS = ((1, 0), (7, 0), (512, 0), (8192, 0), (1, 1), (1, 512), (1, 8191))
"""New tokens and cached ones."""
_WHOLE_CALLS = ((1, 0), (512, 0), (1, 512))
"""Those of the whole decoder, whose layers are called at all of them."""
_BATCHES = (1, 2, 8)
_SIZES: Mapping[str, Any] = shared_settings("decoder", batch=1, sequence=1)
_WIDTH, _HEADS, _LAYERS = _SIZES["hidden_size"], _SIZES["num_attention_heads"], _SIZES["num_hidden_layers"]
_KERNELS = {"eager": "eager", "flash": "sdpa"}
"""The network's kernels, and the library's names of the same work."""
_WITHOUT = ("rotary_emb",)
_ROUTED = ("n_routed_experts", "n_shared_experts", "num_experts_per_tok", "moe_intermediate_size")
_MOE: Mapping[str, Any] = {
    **{name: _SIZES[name] for name in _ROUTED},
    "n_group": 1,
    "topk_group": 1,
    "experts_implementation": "batched_mm",
}


def decoder_counts() -> Iterator[Counted]:
    """Count attention with both kernels, norm, MLP, router and experts; a layer, the model and its head."""
    for kind in _KERNELS:
        yield from _attention(kind)
    yield from _feed_forward()
    for kind in _KERNELS:
        yield from _whole(kind)


def _hit(tokens: int) -> int:
    return int(shared_settings("routed", tokens=tokens)["experts_hit"])


def _cache(batch: int, past: int, layers: int) -> DynamicCache:
    cache = DynamicCache()
    for layer in range(layers if past else 0):
        shape = (batch, _HEADS, past, _WIDTH // _HEADS)
        with LIBRARY.context():
            cache.update(LIBRARY.empty(*shape), LIBRARY.empty(*shape), layer)
    return cache


def _call(batch: int, new: int, past: int) -> dict[str, Exact]:
    return shared_settings("context", batch=batch, sequence=new, past=past)


def _attention(kind: str) -> Iterator[Counted]:
    config = LlamaConfig(hidden_size=_WIDTH, num_attention_heads=_HEADS, attn_implementation=_KERNELS[kind])
    attention = LIBRARY.module(partial(LlamaAttention, config, 0))
    layer = {"eager": "llama/llama_attention", "flash": "llama/llama_flash_attention2"}[kind]
    for batch, (new, past) in product(_BATCHES, _CALLS):
        x, cache, angles = (
            LIBRARY.empty(batch, new, _WIDTH),
            _cache(batch, past, 1),
            LIBRARY.empty(1, new, _WIDTH // _HEADS),
        )
        yield count(
            layer,
            _call(batch, new, past),
            attention,
            partial(attention, x, (angles, angles), past_key_values=cache),
            without=_WITHOUT,
            cache=cache,
        )


def _feed_forward() -> Iterator[Counted]:
    norm = LIBRARY.module(partial(LlamaRMSNorm, _WIDTH))
    moe = LIBRARY.module(partial(DeepseekV2Moe, DeepseekV2Config(hidden_size=_WIDTH, **_MOE)))
    expert = _SIZES["moe_intermediate_size"]
    widths = (_SIZES["intermediate_size"], _SIZES["n_shared_experts"] * expert, expert)
    mlps = {
        width: LIBRARY.module(partial(LlamaMLP, LlamaConfig(hidden_size=_WIDTH, intermediate_size=width)))
        for width in widths
    }
    for tokens in TOKENS:
        x = LIBRARY.empty(1, tokens, _WIDTH)
        yield count("decoder/deepseek_v2_rms_norm", {"tokens": tokens}, norm, partial(norm, x))
        for width, mlp in mlps.items():
            sizes = {"tokens": tokens, "intermediate_size": width}
            yield count("decoder/deepseek_v2_mlp", sizes, mlp, partial(mlp, x))
        yield count("decoder/moe_gate", {"tokens": tokens}, moe.gate, partial(moe.gate, x))
        for experts in ("loop", "grouped"):
            routed = shared_settings("routed", tokens=tokens)
            yield count("decoder/deepseek_v2_moe", routed, moe, partial(moe, x), choices={"experts": experts})


def _network(kind: str) -> Any:
    text = DeepseekOcr2TextConfig(
        **_MOE,
        vocab_size=_SIZES["vocab_size"],
        hidden_size=_WIDTH,
        intermediate_size=_SIZES["intermediate_size"],
        num_hidden_layers=_LAYERS,
        num_attention_heads=_HEADS,
        max_position_embeddings=8192,
        mlp_layer_types=["dense", *(_LAYERS - 1) * ["sparse"]],
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
    )
    # Named once more: the outer config hands its own choice down, and its default counts as 0.
    kernels = {"attn_implementation": _KERNELS[kind], "experts_implementation": _MOE["experts_implementation"]}
    config = DeepseekOcr2Config(text_config=text, **kernels)
    return LIBRARY.module(partial(DeepseekOcr2ForConditionalGeneration, config))


def _whole(kind: str) -> Iterator[Counted]:
    network = _network(kind)
    text = network.model.language_model
    choices = {"attention": kind}
    for batch, (new, past) in product(_BATCHES, _CALLS):
        yield _layer(text.layers[1], batch, new, past, choices)
    for batch, (new, past) in product((1, 8), _WHOLE_CALLS):
        ids = LIBRARY.empty(batch, new, size=8)
        settings = _call(batch, new, past) | {"image_tokens": 0, "experts_hit": _hit(batch * new)}
        cache = _cache(batch, past, _LAYERS)
        yield count(
            "decoder/deepseek_v2_model",
            settings,
            text,
            partial(text, ids, past_key_values=cache, use_cache=True),
            choices=choices,
            without=_WITHOUT,
            cache=cache,
        )
    for (new, past), (logits, kept) in product(_WHOLE_CALLS, (("all", 0), ("last", 1))):
        ids = LIBRARY.empty(1, new, size=8)
        settings = _call(1, new, past) | {"image_tokens": 0, "experts_hit": _hit(new)}
        cache = _cache(1, past, _LAYERS)
        yield count(
            "core/language_model",
            settings,
            nn.ModuleList([text, network.lm_head]),
            partial(network, ids, past_key_values=cache, use_cache=True, logits_to_keep=kept),
            choices=choices | {"logits": logits},
            without=_WITHOUT,
            cache=cache,
        )


def _layer(layer: Any, batch: int, new: int, past: int, choices: dict[str, str]) -> Counted:
    x, angles, cache = (
        LIBRARY.empty(batch, new, _WIDTH),
        LIBRARY.empty(1, new, _WIDTH // _HEADS),
        _cache(batch, past, layers=2),
    )
    return count(
        "decoder/deepseek_v2_decoder_layer",
        _call(batch, new, past) | {"prefill_experts_hit": _hit(batch * new)},
        layer,
        partial(layer, x, position_embeddings=(angles, angles), past_key_values=cache),
        choices=choices,
        without=_WITHOUT,
    )
