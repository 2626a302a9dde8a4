"""Every layer of the checkpoint's own network, called on tensors without values.

Left out, and why: text alone through the outermost class, which sums the pixels of an image that is not there;
its decoder and its head are called instead, and in decode the class itself. What the code asks of a machine is
answered by ``host``: the flash kernel is one operator there, as on a GPU.
"""

from collections.abc import Iterator
from functools import partial
from itertools import product
from pathlib import Path
from typing import Any

from torch import nn

from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.verification.calls.cases import shared_settings
from dsocr_symbolic.verification.calls.comparison import Counted
from dsocr_symbolic.verification.calls.requirements import require_transformers_for_checkpoint
from dsocr_symbolic.verification.checkpoint.network import CheckpointNetwork, cached_bytes, network_module, networks
from dsocr_symbolic.verification.checkpoint.snapshot import read_snapshot

_SIZES, _BATCHES, _TOKENS = (512, 640, 1024, 1280), (1, 2, 6), (1, 7, 512)
_CONTEXTS = ((1, 0), (7, 0), (512, 0), (1, 1), (1, 512))
"""New tokens and cached ones."""
_WHOLE_CONTEXTS = ((1, 0), (512, 0), (1, 512))
_IMAGES = {
    "flash": ((1, 512, 640, 0, 0), (1, 1024, 640, 2, 1), (2, 640, 640, 0, 0), (2, 1280, 640, 1, 3)),
    "eager": ((1, 1024, 640, 3, 2),),
}
"""Samples, side of the global view, side of a crop, crops across and down."""


def checkpoint_counts(folder: Path) -> Iterator[Counted]:
    """Count a snapshot's modules in plain bf16 and under autocast, with both kernels; it needs no weights.

    This executes the folder's code: ask first.
    """
    snapshot = read_snapshot(folder)
    require_transformers_for_checkpoint()
    kinds = tuple(product(("plain", "autocast"), ("eager", "flash")))
    return (counted for network in networks(snapshot, kinds) for counted in _calls(network))


def load_network(folder: Path) -> nn.Module:
    """Make the outermost class of a snapshot without values; this executes the folder's code: ask first."""
    snapshot = read_snapshot(folder)
    require_transformers_for_checkpoint()
    return network_module(snapshot)


def _calls(network: CheckpointNetwork) -> Iterator[Counted]:
    if network.kind == "flash":
        yield from _sam(network)
        yield from _clip(network)
        yield from _feed_forward(network)
    yield from _layers(network)
    yield from _decoder(network)
    yield from _whole(network)


def _cast_back(module: Any, x: Any) -> Any:
    return module(x).to(x.dtype)


def _sam(network: CheckpointNetwork) -> Iterator[Counted]:
    """Count the SAM encoder and its parts, at every size."""
    bench, sam = network.bench, network.module.model.sam_model
    windowed, whole, norm = sam.blocks[0], sam.blocks[2], sam.neck[1]
    for size, batch in product(_SIZES, _BATCHES):
        grid, pixels, image = size // 16, bench.empty(batch, 3, size, size), {"batch": batch, "image_size": size}
        yield network.count("vision/image_encoder_vit", image, sam, partial(sam, pixels))
        yield network.count("vision/patch_embed", image, sam.patch_embed, partial(sam.patch_embed, pixels))
        x = bench.empty(batch, grid, grid, 768)
        for window, rows, block in ((14, 27, windowed), (grid, 127, whole)):
            sizes = {"batch": batch, "grid": grid, "window": window, "table_rows": rows}
            yield network.count("vision/block", sizes, block, partial(block, x))
        for side, rows, attention in ((14, 27, windowed.attn), (grid, 127, whole.attn)):
            x, sizes = bench.empty(batch, side, side, 768), {"images": batch, "side": side, "table_rows": rows}
            yield network.count("vision/attention", sizes, attention, partial(attention, x))
    for tokens in _TOKENS:
        x, pixels = bench.empty(1, tokens, 768), bench.empty(1, 256, tokens, 1)
        yield network.count("vision/mlp_block", {"tokens": tokens}, windowed.mlp, partial(windowed.mlp, x))
        # The cast back is the next convolution's, which the formula counts here.
        sizes = {"pixels": tokens, "channels": 256}
        yield network.count("vision/layer_norm2d", sizes, norm, partial(_cast_back, norm, pixels))
        sizes = {"rows": tokens, "width": 768, "narrow": 1}
        yield network.count("core/layer_norm", sizes, windowed.norm1, partial(windowed.norm1, x))


def _clip(network: CheckpointNetwork) -> Iterator[Counted]:
    """Count CLIP, its parts and the projector, at every size."""
    bench, clip = network.bench, network.module.model.vision_model
    embed, block, projector = clip.embeddings, clip.transformer.layers[0], network.module.model.projector
    attention, norm = block.self_attn, block.layer_norm1
    for size, batch in product(_SIZES, _BATCHES):
        side = size // 64
        tokens, pixels = side**2 + 1, bench.empty(batch, 3, size, size)
        grid, call = {"batch": batch, "feature_grid": side}, {"batch": batch, "tokens": tokens}
        shape = (batch, tokens, 1024)
        features, x, narrow = bench.empty(batch, 1024, side, side), bench.wide(*shape), bench.empty(*shape)
        yield network.count("vision/vit_model", grid, clip, partial(clip, pixels, features))
        yield network.count("vision/clip_vision_embeddings", grid, embed, partial(embed, pixels, features))
        yield network.count("vision/notp_transformer_block", call, block, partial(block, x))
        yield network.count("vision/notp_attention", call, attention, partial(attention, narrow))
        both = bench.wide(batch, side**2, 2048)
        yield network.count("vision/mlp_projector", grid, projector, partial(projector, both))
    stack = clip.transformer
    call, x = {"batch": 2, "tokens": 101}, bench.wide(2, 101, 1024)
    yield network.count("vision/notp_transformer", call, stack, partial(stack, x))
    for tokens in _TOKENS:
        x, sizes = bench.empty(1, tokens, 1024), {"tokens": tokens}
        yield network.count("vision/notp_feedforward", sizes, block.mlp, partial(block.mlp, x))
        sizes = {"rows": tokens, "width": 1024, "narrow": 0}
        yield network.count("core/layer_norm", sizes, norm, partial(norm, bench.wide(1, tokens, 1024)))


def _feed_forward(network: CheckpointNetwork) -> Iterator[Counted]:
    """Count norm, MLPs, router, experts with some numbers of them hit, head and rotary tables."""
    bench, model, width = network.bench, network.module.model, network.sizes["hidden_size"]
    moe, norm, head = model.layers[1].mlp, model.norm, network.module.lm_head
    mlps, rotary = (model.layers[0].mlp, moe.shared_experts, moe.experts[0]), model.layers[0].self_attn.rotary_emb
    for tokens in _TOKENS:
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
        angles = {"sequence": tokens, "head_dim": rotary.inv_freq.numel() * 2}
        positions = bench.empty(1, tokens, size=8)
        yield network.count("llama/llama_rotary_embedding", angles, rotary, partial(rotary, x, positions))


def _logits(head: Any, x: Any) -> Any:
    return head(x).float()


def _context(batch: int, new: int, past: int) -> dict[str, Exact]:
    return shared_settings("context", batch=batch, sequence=new, past=past)


def _layers(network: CheckpointNetwork) -> Iterator[Counted]:
    """Count the attention of the first layer and all of the second, with and without cached tokens."""
    bench, second, width = network.bench, network.module.model.layers[1], network.sizes["hidden_size"]
    first = network.module.model.layers[0].self_attn
    name = {"eager": "llama/llama_attention", "flash": "llama/llama_flash_attention2"}[network.kind]
    for batch, (new, past) in product(_BATCHES, _CONTEXTS):
        x, positions, cache = bench.empty(batch, new, width), bench.empty(1, new, size=8), network.cache(batch, past, 2)
        mask = bench.empty(1, 1, new, past + new).expand(batch, -1, -1, -1) if new > 1 else None
        given = {"attention_mask": mask if network.kind == "eager" else None, "past_key_value": cache}
        given |= {"position_ids": positions, "use_cache": True}
        sizes, tokens = _context(batch, new, past), batch * new
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


def _decoder(network: CheckpointNetwork) -> Iterator[Counted]:
    """Count the decoder without its head, in prefill and in decode."""
    bench, model = network.bench, network.module.model
    owner = nn.ModuleList([model.embed_tokens, model.layers, model.norm])
    for batch, (new, past) in product((1, 3), _WHOLE_CONTEXTS):
        ids, tokens = bench.empty(batch, new, size=8), batch * new
        for hit in network.hits(tokens)[-2 if batch > 1 else -1 :]:
            cache = network.cache(batch, past, network.sizes["num_hidden_layers"])
            settings = _context(batch, new, past) | {"image_tokens": 0, "experts_hit": hit}
            # The class above it would look for images.
            call = partial(network.decoder.DeepseekV2Model.forward, model, ids, past_key_values=cache, use_cache=True)
            kv_bytes = partial(cached_bytes, cache)
            layer = "decoder/deepseek_v2_model"
            yield network.count(layer, settings, owner, call, hit=hit, tokens=tokens, kv_bytes=kv_bytes)


def _whole(network: CheckpointNetwork) -> Iterator[Counted]:
    """Count pages through everything but the head, and decode through the outermost class."""
    bench, model = network.bench, network.module.model
    for batch, base, crop, across, down in _IMAGES[network.kind]:
        sizes = {"batch": batch, "base_size": base, "image_size": crop, "crop_columns": across, "crop_rows": down}
        settings = shared_settings("page", **{**network.sizes, **sizes})
        tokens, crops = int(settings["prompt_tokens"]), across * down
        cuts = bench.empty(crops, 3, crop, crop) if crops else bench.empty(1, 3, base, base)
        cache = network.cache(batch, 0, 0)
        given = {
            "images": batch * [(cuts, bench.empty(1, 3, base, base))],
            "images_seq_mask": bench.empty(batch, tokens, size=1),
            "images_spatial_crop": batch * [(across, down)],
            "past_key_values": cache,
        }
        yield network.count(
            "core/deepseek_ocr_model",
            settings,
            model,
            partial(model, bench.empty(batch, tokens, size=8), use_cache=True, **given),
            hit=int(settings["prefill_experts_hit"]),
            tokens=batch * tokens,
            # Is there an image, and for every sample: are there crops?
            reads=(1.0, *batch * (float(crops > 0),)),
            kv_bytes=partial(cached_bytes, cache),
        )
    owner = nn.ModuleList([model.embed_tokens, model.layers, model.norm, network.module.lm_head])
    for batch, past in ((1, 1), (6, 512)):
        cache, hit = network.cache(batch, past, network.sizes["num_hidden_layers"]), network.hits(batch)[-1]
        settings = _context(batch, 1, past) | {"image_tokens": 0, "experts_hit": hit}
        call = partial(network.module, bench.empty(batch, 1, size=8), past_key_values=cache, use_cache=True)
        kv_bytes = partial(cached_bytes, cache)
        yield network.count("core/language_model", settings, owner, call, hit=hit, tokens=batch, kv_bytes=kv_bytes)
