"""SAM and CLIP of ``transformers``, and how a part of that library is counted."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
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

from dsocr_symbolic.language.expression import EMPTY
from dsocr_symbolic.verification.calls.bench import Bench, Subject
from dsocr_symbolic.verification.calls.comparison import Counted

TOKENS = (1, 7, 512, 8192)
_SIZES = (512, 640, 1024, 1280)
_BATCHES = (1, 2, 8)
_WHOLE = {"sdpa": tuple(product(_SIZES, (1, 8))), "eager": ((640, 2),)}
"""Sizes and batches of whole encoders, by kernel: their blocks run at all of them with either."""
_WINDOW, _WINDOW_ROWS, _GRID_ROWS = 14, 27, 127


class LibraryBench(Bench):
    """Makes the library's modules, and counts their calls with PyTorch's own counter."""

    source = f"transformers {__version__}"

    def context(self) -> ExitStack:
        """Make tensors without values everywhere: the library makes index tensors without naming a device."""
        stack = super().context()
        stack.enter_context(torch.device("meta"))
        return stack

    def measure(self, subject: Subject) -> tuple[dict[str, int], dict[str, tuple[int, int]]]:
        """Count Tensor Core FLOPs, parameters and, with a cache, its bytes."""
        with self.context(), FlopCounterMode(display=False) as counter:
            subject.call()
        metrics = {
            "forward_tensor_core_flops": counter.get_total_flops(),
            "parameters": sum(parameter.numel() for parameter in subject.parameters),
        }
        if subject.kv_bytes is not None:
            metrics["forward_kv_cache_bytes"] = subject.kv_bytes()
        return metrics, {}


LIBRARY = LibraryBench()


def count(
    layer: str,
    settings: Mapping[str, Any],
    owner: nn.Module,
    call: Callable[[], object],
    *,
    choices: Mapping[str, str] = EMPTY,
    without: tuple[str, ...] = (),
    cache: Any = None,
) -> Counted:
    """Count one call of a formula file, whose parameters the owner has; the cache is filled by the call."""

    def kv_bytes() -> int:
        return sum(kept.keys.nbytes + kept.values.nbytes for kept in cache.layers)

    filled = None if cache is None else kv_bytes
    return LIBRARY.count(layer, settings, choices, Subject(owner=owner, call=call, kv_bytes=filled, without=without))


def vision_counts() -> Iterator[Counted]:
    """Count both encoders and their parts, with fused attention and with the scores in memory."""
    for kind in ("sdpa", "eager"):
        config = DeepseekOcr2SamVisionConfig(downsample_channels=[512, 1024], attn_implementation=kind)
        sam = LIBRARY.module(partial(DeepseekOcr2SamVisionEncoder, config))
        yield from _encoder(sam, _WHOLE[kind])
        yield from _blocks(sam)
        yield from _attention(sam)
        if kind == "sdpa":
            yield from _other_parts(sam)
    sizes = {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}
    patches = {"image_size": 224, "patch_size": 14, "hidden_act": "quick_gelu"}
    for kind in ("sdpa", "eager"):
        config = CLIPVisionConfig(**sizes, **patches, attn_implementation=kind)
        clip = LIBRARY.module(partial(CLIPVisionModel, config))
        yield from _clip(clip, _WHOLE[kind])
        yield from _clip_blocks(clip)
    mlp = clip.encoder.layers[0].mlp
    for tokens in TOKENS:
        x = LIBRARY.empty(tokens, 1024)
        yield count("vision/notp_feedforward", {"tokens": tokens}, mlp, partial(mlp, x))


def _encoder(sam: Any, calls: Iterable[tuple[int, int]]) -> Iterator[Counted]:
    for size, batch in calls:
        pixels, image = LIBRARY.empty(batch, 3, size, size), {"batch": batch, "image_size": size}
        yield count("vision/image_encoder_vit", image, sam, partial(sam, pixels))


def _blocks(sam: Any) -> Iterator[Counted]:
    for size, batch in product(_SIZES, _BATCHES):
        grid = size // 16
        x = LIBRARY.empty(batch, grid, grid, 768)
        for window, rows, block in ((_WINDOW, _WINDOW_ROWS, sam.layers[0]), (grid, _GRID_ROWS, sam.layers[2])):
            sizes = {"batch": batch, "grid": grid, "window": window, "table_rows": rows}
            yield count("vision/block", sizes, block, partial(block, x))


def _attention(sam: Any) -> Iterator[Counted]:
    windowed, whole = sam.layers[0].attn, sam.layers[2].attn
    squares = [(_WINDOW, _WINDOW_ROWS, windowed), *((size // 16, _GRID_ROWS, whole) for size in _SIZES)]
    for (side, rows, attention), images in product(squares, (1, 9)):
        x, sizes = LIBRARY.empty(images, side, side, 768), {"images": images, "side": side, "table_rows": rows}
        yield count("vision/attention", sizes, attention, partial(attention, x))


def _other_parts(sam: Any) -> Iterator[Counted]:
    for size, batch in product(_SIZES, _BATCHES):
        x, image = LIBRARY.empty(batch, 3, size, size), {"batch": batch, "image_size": size}
        yield count("vision/patch_embed", image, sam.patch_embed, partial(sam.patch_embed, x))
    mlp, norm = sam.layers[0].mlp, sam.neck.layer_norm1
    for tokens in TOKENS:
        rows, pixels = LIBRARY.empty(tokens, 768), LIBRARY.empty(1, 256, tokens, 1)
        yield count("vision/mlp_block", {"tokens": tokens}, mlp, partial(mlp, rows))
        yield count("vision/layer_norm2d", {"pixels": tokens, "channels": 256}, norm, partial(norm, pixels))


def _clip(clip: Any, calls: Iterable[tuple[int, int]]) -> Iterator[Counted]:
    encoder = clip.encoder
    owner = nn.ModuleList([clip.embeddings, clip.pre_layrnorm, encoder])

    def tower(x: Tensor) -> Any:
        return encoder(clip.pre_layrnorm(x))

    for size, batch in calls:
        grid = size // 64
        x = LIBRARY.empty(batch, grid**2 + 1, 1024)
        yield count("vision/vit_model", {"batch": batch, "feature_grid": grid}, owner, partial(tower, x))
        if batch > 1:
            call = {"batch": batch, "tokens": grid**2 + 1}
            yield count("vision/notp_transformer", call, encoder, partial(encoder, x))


def _clip_blocks(clip: Any) -> Iterator[Counted]:
    block = clip.encoder.layers[0]
    for size, batch in product(_SIZES, _BATCHES):
        tokens = (size // 64) ** 2 + 1
        x, call = LIBRARY.empty(batch, tokens, 1024), {"batch": batch, "tokens": tokens}
        yield count("vision/notp_transformer_block", call, block, partial(block, x, None))
        yield count("vision/notp_attention", call, block.self_attn, partial(block.self_attn, x))
