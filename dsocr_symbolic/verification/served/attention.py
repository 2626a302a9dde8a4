"""Attention with one product for queries, keys and values, and a cache in pages."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from dsocr_symbolic.verification.reference.attention import scaled_dot_product_attention
from dsocr_symbolic.verification.reference.config import DecoderConfig
from dsocr_symbolic.verification.reference.llama import rotate
from dsocr_symbolic.verification.served.pages import context, write_pages


def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Attend in one kernel, each query to the keys up to its own: q [B, heads, S, d], k and v [B, heads, K, d], S <= K.

    The last query sees all keys. PyTorch's function aligns the first query to the first key instead, so its flash
    operator is called by name where there are more keys than queries; a CPU gets a mask.
    """
    queries, keys = q.shape[-2], k.shape[-2]
    if queries in (1, keys):
        return scaled_dot_product_attention(q, k, v, causal=queries > 1)
    if q.device.type == "cpu":
        seen = torch.ones(queries, keys, dtype=torch.bool, device=q.device).tril(keys - queries)
        return functional.scaled_dot_product_attention(q, k, v, attn_mask=seen)
    out: Tensor = torch.ops.aten._scaled_dot_product_flash_attention(q, k, v, 0.0, True)[0]  # noqa: SLF001
    return out


class ServedAttention(nn.Module):
    """Causal self-attention, its three products merged."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        width = config.hidden_size
        self.heads, self.head_dim = config.num_attention_heads, config.head_dim
        self.qkv_proj = nn.Linear(width, 3 * width, bias=False)
        self.o_proj = nn.Linear(width, width, bias=False)

    def turned(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
        """Project, and turn queries and keys: [B, S, D], tables [B, S, 1, d] -> [B, S, 2*heads, d], values."""
        heads = self.qkv_proj(x).view(*x.shape[:2], 3 * self.heads, self.head_dim)
        return rotate(heads.narrow(2, 0, 2 * self.heads), cos, sin), heads.narrow(2, 2 * self.heads, self.heads)

    def project(self, x: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
        """Return queries [B, S, heads, d], and keys with values [B, S, 2*heads, d]: of [B, S, D], tables as above."""
        turned, values = self.turned(x, cos, sin)
        q, k = turned.chunk(2, dim=2)
        # Joined so that one kernel writes both; a prompt's attention reads them here, too.
        return q, torch.cat((k, values), dim=2)

    def joined(self, x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        """Return both in one tensor [B, S, 3*heads, d], for a compiler, which then writes them in one kernel."""
        return torch.cat(self.turned(x, cos, sin), dim=2)

    def parted(self, heads: Tensor) -> tuple[Tensor, Tensor]:
        """View what :meth:`joined` gives as what :meth:`project` gives."""
        return heads.narrow(2, 0, self.heads), heads.narrow(2, self.heads, 2 * self.heads)

    def attend(self, q: Tensor, new: Tensor, slots: Tensor, pages: Tensor, past: int) -> Tensor:
        """Write what is new to the pages, and attend: shapes as above, slots [B*S] -> [B, S, D]."""
        batch, tokens = q.shape[:2]
        write_pages(pages, new.view(batch * tokens, 2, self.heads, self.head_dim), slots)
        if past:
            keys, values = context(pages, batch, past + tokens)
        else:
            keys, values = (part.transpose(1, 2) for part in new.chunk(2, dim=2))
        return attend(q.transpose(1, 2), keys, values).transpose(1, 2).reshape(batch, tokens, -1)

    def forward(  # noqa: PLR0917 - tensors of one step
        self, x: Tensor, cos: Tensor, sin: Tensor, slots: Tensor, pages: Tensor, past: int
    ) -> Tensor:
        """Attend to the past tokens and the new ones: [B, S, D], tables [B, S, 1, d], slots [B*S] -> [B, S, D]."""
        out: Tensor = self.o_proj(self.attend(*self.project(x, cos, sin), slots, pages, past))
        return out
