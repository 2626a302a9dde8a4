"""Fused attention that is one operator everywhere."""

import torch
from torch import Tensor
from torch.nn import functional

from dsocr_symbolic.verification.reference.precision import has_values


def scaled_dot_product_attention(
    q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None = None, *, causal: bool
) -> Tensor:
    """Attend with one fused kernel: flash without a mask, memory-efficient with one.

    q: [B, heads, N, d], k and v: [B, heads, K, d], mask, added to the scores: [B, heads, N, K] -> [B, heads, N, d],
    laid out as [B, N, heads, d] where a GPU does so. A causal query n sees keys 0 to n only.

    Without values PyTorch would take the decomposed path, so the operator that a GPU launches is named
    here. Both operators are differentiable and known to ``FlopCounterMode``.
    """
    if not has_values(q):
        out: Tensor
        if mask is None:
            out = torch.ops.aten._scaled_dot_product_flash_attention(q, k, v, 0.0, causal)[0]  # noqa: SLF001
            return out
        save_logsumexp = torch.is_grad_enabled() and any(x.requires_grad for x in (q, k, v, mask))
        efficient = torch.ops.aten._scaled_dot_product_efficient_attention  # noqa: SLF001
        out = efficient(q, k, v, mask, save_logsumexp, 0.0, causal)[0]
        return out
    if causal and q.shape[-2] != k.shape[-2]:
        # PyTorch aligns the triangle to the first key, the network to the last one.
        raise NotImplementedError("flash attention to a cache takes one query; use attention='eager' for more")
    return functional.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)
