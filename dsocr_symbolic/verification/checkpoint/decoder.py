"""The checkpoint's decoder, called layer by layer and as a whole."""

from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import Any

from torch import nn

from dsocr_symbolic.verification.calls.counted import Counted
from dsocr_symbolic.verification.checkpoint.network import BATCHES, TOKENS, Network, cached_bytes, call_settings

_CONTEXTS = ((1, 0), (7, 0), (512, 0), (1, 1), (1, 512))
"""New tokens and cached ones."""


_WHOLE_CONTEXTS = ((1, 0), (512, 0), (1, 512))


def feed_forward_calls(network: Network) -> Iterator[Counted]:
    """Count norm, MLPs, router, experts, head and rotary tables.

    Parameters
    ----------
    network : Network
        Whose layers.

    Yields
    ------
    Counted
        Layer by layer, experts with some numbers of them hit.
    """
    bench, model, width = network.bench, network.module.model, network.sizes["hidden_size"]
    moe, norm, head = model.layers[1].mlp, model.norm, network.module.lm_head
    mlps, rotary = (model.layers[0].mlp, moe.shared_experts, moe.experts[0]), model.layers[0].self_attn.rotary_emb
    for tokens in TOKENS:
        x, sizes = bench.empty(1, tokens, width), {"tokens": tokens}
        yield network.count("decoder/deepseek_v2_rms_norm", sizes, norm, partial(norm, x))
        for mlp in mlps:
            inner = {"tokens": tokens, "intermediate_size": mlp.intermediate_size}
            yield network.count("decoder/deepseek_v2_mlp", inner, mlp, partial(mlp, x))
        yield network.count("decoder/moe_gate", sizes, moe.gate, partial(moe.gate, x))
        for hit in network.hits(tokens):
            routed = {"tokens": tokens, "experts_hit": hit}
            yield network.count("decoder/deepseek_v2_moe", routed, moe, partial(moe, x), hit=hit, tokens=tokens)
        yield network.count("decoder/lm_head", sizes, head, partial(_logits, head, x))
        angles, positions = (
            {"sequence": tokens, "head_dim": rotary.inv_freq.numel() * 2},
            bench.empty(1, tokens, size=8),
        )
        yield network.count("llama/llama_rotary_embedding", angles, rotary, partial(rotary, x, positions))


def _logits(head: Any, x: Any) -> Any:
    return head(x).float()


def layer_calls(network: Network) -> Iterator[Counted]:
    """Count the attention of the first layer and all of the second, with and without cached tokens.

    Parameters
    ----------
    network : Network
        Whose layers, with its kernel.

    Yields
    ------
    Counted
        Call by call.
    """
    bench, second, width = network.bench, network.module.model.layers[1], network.sizes["hidden_size"]
    first = network.module.model.layers[0].self_attn
    name = {"eager": "llama/llama_attention", "flash": "llama/llama_flash_attention2"}[network.kind]
    for batch, (new, past) in product(BATCHES, _CONTEXTS):
        x, positions, cache = bench.empty(batch, new, width), bench.empty(1, new, size=8), network.cache(batch, past, 2)
        mask = bench.empty(1, 1, new, past + new).expand(batch, -1, -1, -1) if new > 1 else None
        given = {"attention_mask": mask if network.kind == "eager" else None, "past_key_value": cache}
        given |= {"position_ids": positions, "use_cache": True}
        sizes, tokens = call_settings(batch, new, past), batch * new
        yield network.count(name, sizes, first, partial(first, x, **given), kv_bytes=partial(cached_bytes, cache, 0))
        hit = network.hits(tokens)[-1]
        yield network.count(
            "decoder/deepseek_v2_decoder_layer",
            sizes | {"prefill_experts_hit": hit},
            second,
            partial(second, x, **given),
            hit=hit,
            tokens=tokens,
            kv_bytes=partial(cached_bytes, cache, 1),
        )


def decoder_calls(network: Network) -> Iterator[Counted]:
    """Count the decoder without its head, in prefill and in decode.

    Parameters
    ----------
    network : Network
        Whose layers, with its kernel.

    Yields
    ------
    Counted
        Call by call.
    """
    bench, model = network.bench, network.module.model
    owner = nn.ModuleList([model.embed_tokens, model.layers, model.norm])
    for batch, (new, past) in product((1, 3), _WHOLE_CONTEXTS):
        ids, tokens = bench.empty(batch, new, size=8), batch * new
        for hit in network.hits(tokens)[-2 if batch > 1 else -1 :]:
            cache = network.cache(batch, past, network.sizes["num_hidden_layers"])
            settings = call_settings(batch, new, past) | {"image_tokens": 0, "experts_hit": hit}
            # The class above it would look for images.
            call = partial(network.decoder.DeepseekV2Model.forward, model, ids, past_key_values=cache, use_cache=True)
            kv_bytes = partial(cached_bytes, cache)
            layer = "decoder/deepseek_v2_model"
            yield network.count(layer, settings, owner, call, hit=hit, tokens=tokens, kv_bytes=kv_bytes)
