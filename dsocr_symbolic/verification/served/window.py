"""Attention to a window of keys before each query, as one operator; a mask and plain products say what it computes."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils.flop_counter import register_flop_formula


def seen_by(queries: int, keys: int, window: int, device: torch.device) -> Tensor:
    """Say which keys each query sees: itself, the last one being the last key, and those in a window before: [S, K]."""
    ahead = torch.ones(queries, keys, dtype=torch.bool, device=device)
    return ahead.tril(keys - queries) & ~ahead.tril(keys - queries - window)


def _of_heads(x: Tensor, heads: int) -> Tensor:
    return x.repeat_interleave(heads // x.shape[1], dim=1)


@torch.library.custom_op("dsocr_symbolic::window_attention", mutates_args=())
def window_attention(q: Tensor, k: Tensor, v: Tensor, window: int, scale: float) -> tuple[Tensor, Tensor]:
    """Attend, groups share keys: q [B, h, S, d], k and v [B, h_k, K, d] -> [B, h, S, d], and sums [B, h, S] in fp32."""
    heads, queries, keys = q.shape[1], q.shape[2], k.shape[2]
    scores = (q @ _of_heads(k, heads).transpose(2, 3)).float() * scale
    scores = scores.masked_fill(~seen_by(queries, keys, window, q.device), float("-inf"))
    out = scores.softmax(-1).to(q.dtype) @ _of_heads(v, heads)
    return out.transpose(1, 2).contiguous().transpose(1, 2), scores.logsumexp(-1)


@window_attention.register_fake
def _(q: Tensor, k: Tensor, v: Tensor, window: int, scale: float) -> tuple[Tensor, Tensor]:  # noqa: ARG001
    batch, heads, queries, width = q.shape
    return q.new_empty(batch, queries, heads, width).transpose(1, 2), q.new_empty(q.shape[:3], dtype=torch.float32)


@register_flop_formula(torch.ops.dsocr_symbolic.window_attention)
def _products(q: Any, k: Any, v: Any, *_: Any, **__: Any) -> int:
    """Count all scores of the keys that are read, as PyTorch does under a causal mask."""
    batch, heads, queries, width = q
    return int(2 * batch * heads * queries * k[2] * (width + v[3]))


def attend_all(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """Attend to all keys up to a query's own, by PyTorch's flash operator; a CPU gets a mask. Shapes as above."""
    queries, keys = q.shape[2], k.shape[2]
    if q.device.type == "cpu":
        seen = seen_by(queries, keys, keys, q.device)
        return functional.scaled_dot_product_attention(q, k, v, attn_mask=seen, scale=scale, enable_gqa=True)
    flash = torch.ops.aten._scaled_dot_product_flash_attention  # noqa: SLF001 - the only name that it has
    out: Tensor = flash(q, k, v, 0.0, queries > 1, scale=scale)[0]
    return out
