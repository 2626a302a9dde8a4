"""SAM, CLIP and the projector of the checkpoint, called layer by layer."""

from collections.abc import Iterator
from functools import partial
from itertools import product
from typing import Any

from dsocr_symbolic.verification.calls.counted import Counted
from dsocr_symbolic.verification.checkpoint.network import BATCHES, SIZES, TOKENS, Network


def sam_calls(network: Network) -> Iterator[Counted]:
    """Count the SAM encoder and its parts.

    Parameters
    ----------
    network : Network
        Whose encoder.

    Yields
    ------
    Counted
        Layer by layer, at every size.
    """
    bench, sam = network.bench, network.module.model.sam_model
    windowed, whole, norm = sam.blocks[0], sam.blocks[2], sam.neck[1]
    for size, batch in product(SIZES, BATCHES):
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
    for tokens in TOKENS:
        x, pixels = bench.empty(1, tokens, 768), bench.empty(1, 256, tokens, 1)
        yield network.count("vision/mlp_block", {"tokens": tokens}, windowed.mlp, partial(windowed.mlp, x))
        # The cast back is the next convolution's, which the formula counts here.
        sizes = {"pixels": tokens, "channels": 256}
        yield network.count("vision/layer_norm2d", sizes, norm, partial(_cast_back, norm, pixels))
        sizes = {"rows": tokens, "width": 768, "narrow": 1}
        yield network.count("core/layer_norm", sizes, windowed.norm1, partial(windowed.norm1, x))


def _cast_back(module: Any, x: Any) -> Any:
    return module(x).to(x.dtype)


def clip_calls(network: Network) -> Iterator[Counted]:
    """Count CLIP, its parts and the projector.

    Parameters
    ----------
    network : Network
        Whose layers.

    Yields
    ------
    Counted
        Layer by layer, at every size.
    """
    bench, clip = network.bench, network.module.model.vision_model
    embed, block, projector = clip.embeddings, clip.transformer.layers[0], network.module.model.projector
    attention, norm = block.self_attn, block.layer_norm1
    for size, batch in product(SIZES, BATCHES):
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
    for tokens in TOKENS:
        x, sizes = bench.empty(1, tokens, 1024), {"tokens": tokens}
        yield network.count("vision/notp_feedforward", sizes, block.mlp, partial(block.mlp, x))
        sizes = {"rows": tokens, "width": 1024, "narrow": 0}
        yield network.count("core/layer_norm", sizes, norm, partial(norm, bench.wide(1, tokens, 1024)))
