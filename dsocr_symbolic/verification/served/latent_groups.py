"""Kernels of attention to latents and of groups of experts: a compiler's and an engine's.

As in :mod:`.groups`: the plain code says what a kernel computes, as a custom operator it is one launch.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.utils.flop_counter import register_flop_formula

from dsocr_symbolic.verification.served.groups import fused_add_rms_norm, one_launch
from dsocr_symbolic.verification.served.window import seen_by


def pairs_turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn pairs of neighbours by the angles of their tokens: [T, heads, d], [T, d] twice -> [T, heads, d]."""
    first, second = x[..., ::2], x[..., 1::2]
    crossed = torch.stack((-second, first), dim=-1).flatten(-2)
    return x * cos.unsqueeze(1) + crossed * sin.unsqueeze(1)


def compiled_latent_rows(latents: Tensor, parts: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Put turned parts beside latents: [T, heads, r], [T, heads, d] -> [T, heads, r + d]."""
    return torch.cat((latents, pairs_turned(parts, cos, sin)), dim=-1)


def rotary_embedding(q: Tensor, k: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
    """Turn parts of queries and of one key: [T, heads, d], [T, 1, d] -> the same."""
    return pairs_turned(q, cos, sin), pairs_turned(k, cos, sin)


def concat_and_cache_mla(pages: Tensor, latents: Tensor, parts: Tensor, places: Tensor) -> None:
    """Write latents [T, r] and parts [T, d] side by side to their places in pages [slots, r + d]."""
    pages.index_put_((places,), torch.cat((latents, parts), dim=-1).to(pages.dtype))


def compiled_group_mask(x: Tensor, chosen: Tensor, groups: int) -> Tensor:
    """Set probabilities [T, E] of groups to 0 that are not among those chosen [T, g]."""
    kept = torch.zeros(len(x), groups, dtype=torch.bool, device=x.device).scatter_(1, chosen, value=True)
    return x.masked_fill(~kept.repeat_interleave(x.shape[1] // groups, dim=1), 0.0)


def best_groups(probabilities: Tensor, groups: int, kept: int) -> Tensor:
    """Choose the groups with the best experts: [T, E] -> int64 [T, g]."""
    best = probabilities.view(len(probabilities), groups, -1).max(dim=-1)[0]
    return torch.topk(best, k=kept, dim=-1, sorted=False)[1]


def grouped_topk(scores: Tensor, chosen: int, groups: int, kept: int) -> tuple[Tensor, Tensor]:
    """Choose the best experts of the best groups by their softmax: [T, E] -> weights and experts [T, k]."""
    probabilities = scores.softmax(dim=-1)
    limited = compiled_group_mask(probabilities, best_groups(probabilities, groups, kept), groups)
    weights, experts = torch.topk(limited, k=chosen, dim=-1, sorted=False)
    return weights, experts


def widened_add_rms_norm(x: Tensor, added: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Add, normalise the sum, and write the norm in fp32 as well: -> sum, norm and wide norm [T, D]."""
    total, normed = fused_add_rms_norm(x, added, weight)
    return total, normed, normed.to(torch.float32, copy=True)


PLAIN: dict[str, Callable[..., Any]] = {
    each.__name__: each
    for each in (compiled_latent_rows, rotary_embedding, compiled_group_mask, grouped_topk, widened_add_rms_norm)
}
"""What each kernel computes, by its name; the one that writes in place stands apart."""
GROUPS: dict[str, Any] = {
    **{name: one_launch(plain, name) for name, plain in PLAIN.items()},
    "concat_and_cache_mla": one_launch(concat_and_cache_mla, written=("pages",)),
}
"""Every kernel as one operator."""


@torch.library.custom_op("dsocr_symbolic::latent_attention", mutates_args=())
def latent_attention(q: Tensor, latents: Tensor, rank: int, scale: float) -> tuple[Tensor, Tensor]:
    """Attend to latents that all heads share: q [B, h, S, r + d], [B, K, r + d] -> [B, h, S, r], sums [B, h, S]."""
    met = latents.unsqueeze(1)
    scores = (q @ met.transpose(2, 3)).float() * scale
    seen = seen_by(q.shape[2], met.shape[2], met.shape[2], q.device)
    scores = scores.masked_fill(~seen, float("-inf"))
    out = scores.softmax(-1).to(q.dtype) @ met[..., :rank]
    return out.transpose(1, 2).contiguous().transpose(1, 2), scores.logsumexp(-1)


@latent_attention.register_fake
def _(q: Tensor, latents: Tensor, rank: int, scale: float) -> tuple[Tensor, Tensor]:  # noqa: ARG001
    batch, heads, queries, _ = q.shape
    return q.new_empty(batch, queries, heads, rank).transpose(1, 2), q.new_empty(q.shape[:3], dtype=torch.float32)


@register_flop_formula(torch.ops.dsocr_symbolic.latent_attention)
def _products(q: Any, latents: Any, rank: int, *_: Any, **__: Any) -> int:
    """Count all scores: a query meets the whole row of each token, and sums up its latent."""
    batch, heads, queries, width = q
    return int(2 * batch * heads * queries * latents[1] * (width + rank))


@torch.library.custom_op("dsocr_engine::bmm", mutates_args=())
def expanded(x: Tensor, matrices: Tensor) -> Tensor:
    """Multiply each head's rows by its matrix, and write heads side by side: [h, T, r], [h, r, d] -> [T, h, d]."""
    return torch.bmm(x, matrices).transpose(0, 1).contiguous()


@expanded.register_fake
def _(x: Tensor, matrices: Tensor) -> Tensor:
    return x.new_empty(x.shape[1], x.shape[0], matrices.shape[2])


@register_flop_formula(torch.ops.dsocr_engine.bmm)
def _of_heads(x: Any, matrices: Any, *_: Any, **__: Any) -> int:
    return int(2 * x[0] * x[1] * x[2] * matrices[2])
