"""SAM and CLIP of ``transformers``, and how a part of that library is counted."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from itertools import product
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode
from transformers import __version__
from transformers.models.clip.configuration_clip import CLIPVisionConfig
from transformers.models.clip.modeling_clip import CLIPVisionModel
from transformers.models.deepseek_ocr2.configuration_deepseek_ocr2 import DeepseekOcr2SamVisionConfig
from transformers.models.deepseek_ocr2.modeling_deepseek_ocr2 import DeepseekOcr2SamVisionEncoder

from dsocr_symbolic.verification.calls.counted import Counted
from dsocr_symbolic.verification.reference.build import UninitialisedParameters, default_dtype

SOURCE = f"transformers {__version__}"


TOKENS = (1, 7, 512, 8192)


_SIZES = (512, 640, 1024, 1280)


_BATCHES = (1, 2, 8)


_WHOLE = {"sdpa": tuple(product(_SIZES, (1, 8))), "eager": ((640, 2),)}
"""Sizes and batches of whole encoders, by kernel: their blocks run at all of them with either."""


_WINDOW, _WINDOW_ROWS, _GRID_ROWS = 14, 27, 127


def build(make: Callable[[], nn.Module]) -> Any:
    """Make a module in bf16 on the meta device, without drawing values."""
    with default_dtype(torch.bfloat16), torch.device("meta"), UninitialisedParameters():
        return make().eval()


def empty(*shape: int) -> Tensor:
    """Make a bf16 tensor on the meta device."""
    return torch.empty(*shape, dtype=torch.bfloat16, device="meta")


def count(
    layer: str,
    settings: Mapping[str, int],
    owners: Iterable[nn.Module],
    call: Callable[[], object],
    *,
    choices: Mapping[str, str] | None = None,
    without: tuple[str, ...] = (),
    cache: Any = None,
) -> Counted:
    """Count one call with PyTorch's own counter.

    Parameters
    ----------
    layer : str
        The formula file it stands for.
    settings : mapping of str to int
        The formula's symbols.
    owners : iterable of nn.Module
        Whose parameters the layer owns.
    call : callable
        Runs it.
    choices : mapping of str to str, optional
        Options of the model's choices.
    without : tuple of str
        Nodes of the formula that the call leaves out.
    cache : DynamicCache, optional
        Filled by the call.

    Returns
    -------
    Counted
        Tensor Core FLOPs, parameters and, with a cache, its bytes.
    """
    # The library makes index tensors without naming a device.
    with torch.no_grad(), torch.device("meta"), FlopCounterMode(display=False) as counter:
        call()
    metrics = {
        "forward_tensor_core_flops": counter.get_total_flops(),
        "parameters": sum(each.numel() for each in nn.ModuleList(owners).parameters()),
    }
    if cache is not None:
        metrics["forward_kv_cache_bytes"] = sum(each.keys.nbytes + each.values.nbytes for each in cache.layers)
    return Counted(
        source=SOURCE, layer=layer, settings=settings, choices=choices or {}, metrics=metrics, without=without
    )


def sam_counts() -> Iterator[Counted]:
    """Count the SAM encoder of ``deepseek_ocr2``, configured to this network's size.

    Yields
    ------
    Counted
        The encoder and its parts, with fused attention and with the scores in memory.
    """
    for kind in ("sdpa", "eager"):
        config = DeepseekOcr2SamVisionConfig(downsample_channels=[512, 1024], attn_implementation=kind)
        sam = build(partial(DeepseekOcr2SamVisionEncoder, config))
        yield from _encoder(sam, _WHOLE[kind])
        yield from _blocks(sam)
        yield from _attention(sam)
        if kind == "sdpa":
            yield from _other_parts(sam)


def _encoder(sam: Any, calls: Iterable[tuple[int, int]]) -> Iterator[Counted]:
    for size, batch in calls:
        pixels, image = empty(batch, 3, size, size), {"batch": batch, "image_size": size}
        yield count("vision/image_encoder_vit", image, [sam], partial(sam, pixels))


def _blocks(sam: Any) -> Iterator[Counted]:
    for size, batch in product(_SIZES, _BATCHES):
        grid = size // 16
        x = empty(batch, grid, grid, 768)
        for window, rows, block in ((_WINDOW, _WINDOW_ROWS, sam.layers[0]), (grid, _GRID_ROWS, sam.layers[2])):
            sizes = {"batch": batch, "grid": grid, "window": window, "table_rows": rows}
            yield count("vision/block", sizes, [block], partial(block, x))


def _attention(sam: Any) -> Iterator[Counted]:
    windowed, whole = sam.layers[0].attn, sam.layers[2].attn
    squares = [(_WINDOW, _WINDOW_ROWS, windowed), *((size // 16, _GRID_ROWS, whole) for size in _SIZES)]
    for (side, rows, attention), images in product(squares, (1, 9)):
        x, sizes = empty(images, side, side, 768), {"images": images, "side": side, "table_rows": rows}
        yield count("vision/attention", sizes, [attention], partial(attention, x))


def _other_parts(sam: Any) -> Iterator[Counted]:
    for size, batch in product(_SIZES, _BATCHES):
        x, image = empty(batch, 3, size, size), {"batch": batch, "image_size": size}
        yield count("vision/patch_embed", image, [sam.patch_embed], partial(sam.patch_embed, x))
    mlp, norm = sam.layers[0].mlp, sam.neck.layer_norm1
    for tokens in TOKENS:
        rows, pixels = empty(tokens, 768), empty(1, 256, tokens, 1)
        yield count("vision/mlp_block", {"tokens": tokens}, [mlp], partial(mlp, rows))
        yield count("vision/layer_norm2d", {"pixels": tokens, "channels": 256}, [norm], partial(norm, pixels))


def clip_counts() -> Iterator[Counted]:
    """Count CLIP's vision model, configured to CLIP-L.

    Yields
    ------
    Counted
        The model from its first norm on, its blocks and their parts.
    """
    sizes = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}
    patches = {"image_size": 224, "patch_size": 14, "hidden_act": "quick_gelu"}
    for kind in ("sdpa", "eager"):
        config = CLIPVisionConfig(**sizes, **patches, attn_implementation=kind)
        clip = build(partial(CLIPVisionModel, config))
        yield from _clip(clip, _WHOLE[kind])
        yield from _clip_blocks(clip)
    mlp = clip.encoder.layers[0].mlp
    for tokens in TOKENS:
        x = empty(tokens, 1024)
        yield count("vision/notp_feedforward", {"tokens": tokens}, [mlp], partial(mlp, x))


def _clip(clip: Any, calls: Iterable[tuple[int, int]]) -> Iterator[Counted]:
    encoder = clip.encoder
    owners = [clip.embeddings, clip.pre_layrnorm, encoder]

    def tower(x: Tensor) -> Any:
        return encoder(clip.pre_layrnorm(x))

    for size, batch in calls:
        grid = size // 64
        x = empty(batch, grid**2 + 1, 1024)
        sizes = {"batch": batch, "feature_grid": grid}
        yield count("vision/vit_model", sizes, owners, partial(tower, x))
        if batch > 1:
            call = {"batch": batch, "tokens": grid**2 + 1}
            yield count("vision/notp_transformer", call, [encoder], partial(encoder, x))


def _clip_blocks(clip: Any) -> Iterator[Counted]:
    block = clip.encoder.layers[0]
    for size, batch in product(_SIZES, _BATCHES):
        tokens = (size // 64) ** 2 + 1
        x, call = empty(batch, tokens, 1024), {"batch": batch, "tokens": tokens}
        yield count("vision/notp_transformer_block", call, [block], partial(block, x, None))
        yield count("vision/notp_attention", call, [block.self_attn], partial(block.self_attn, x))
