"""The decoder's attention: Llama's, with rotary positions rebuilt by every layer and a growing cache."""

import math

import torch
from torch import Tensor, nn

from dsocr_symbolic.verification.reference.attention import scaled_dot_product_attention
from dsocr_symbolic.verification.reference.config import DecoderConfig
from dsocr_symbolic.verification.reference.precision import contiguous, without_autocast


class KeyValueCache:
    """Keys and values of past tokens, one pair per layer, grown by concatenation."""

    def __init__(self) -> None:
        self.keys: list[Tensor] = []
        self.values: list[Tensor] = []

    @property
    def tokens(self) -> int:
        """Tokens that the first layer has seen."""
        return self.keys[0].shape[-2] if self.keys else 0

    @property
    def nbytes(self) -> int:
        """Bytes that the cached keys and values hold."""
        return sum(tensor.nbytes for tensor in (*self.keys, *self.values))

    def update(self, layer: int, keys: Tensor, values: Tensor) -> tuple[Tensor, Tensor]:
        """Append a layer's new keys and values, [B, heads, S, d] each, and return all that it has.

        Layers come in order; the first keys and values are kept as they are, without a copy.
        """
        if layer == len(self.keys):
            self.keys.append(keys)
            self.values.append(values)
        else:
            self.keys[layer] = torch.cat([self.keys[layer], keys], dim=-2)
            self.values[layer] = torch.cat([self.values[layer], values], dim=-2)
        return self.keys[layer], self.values[layer]


def causal_mask(queries: int, past: int, like: Tensor) -> Tensor | None:
    """Build the additive mask of eager attention: like [B, S, D] -> [B, 1, S, past + S]; None where S is 1."""
    if queries == 1:
        return None
    mask = torch.full((queries, queries), torch.finfo(like.dtype).min, device=like.device)
    places = torch.arange(queries, device=like.device)
    mask.masked_fill_(places < (places + 1).view(queries, 1), 0)
    mask = mask.to(like.dtype)
    if past:
        mask = torch.cat([torch.zeros(queries, past, dtype=like.dtype, device=like.device), mask], dim=-1)
    return mask.view(1, 1, queries, past + queries).expand(like.shape[0], -1, -1, -1)


class LlamaRotaryEmbedding(nn.Module):
    """Cosine and sine of every position's angles."""

    inv_freq: Tensor

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        width = config.head_dim
        exponents = torch.arange(0, width, 2, dtype=torch.int64).float() / width
        self.attention_scaling = 1.0
        self.register_buffer("inv_freq", 1.0 / config.rope_theta**exponents, persistent=False)

    @torch.no_grad()
    def forward(self, like: Tensor, position_ids: Tensor) -> tuple[Tensor, Tensor]:
        """Compute both tables in fp32: ids [1, S] -> cosines and sines [1, S, d], in the dtype of ``like``."""
        frequencies = self.inv_freq.view(1, -1, 1).float().expand(position_ids.shape[0], -1, 1)
        positions = position_ids.unsqueeze(1).float()
        with without_autocast(like):
            half = (frequencies @ positions).transpose(1, 2)
            angles = torch.cat((half, half), dim=-1)
            cos, sin = angles.cos(), angles.sin()
        # The factor is 1.0 for this network, yet launched.
        cos = cos * self.attention_scaling
        sin = sin * self.attention_scaling
        return cos.to(like.dtype), sin.to(like.dtype)


def rotate(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Rotate the two halves of every head by its position's angles: [B, heads, S, d], tables [1, 1, S, d]."""
    first, second = x.chunk(2, dim=-1)
    return (x * cos) + (torch.cat((-second, first), dim=-1) * sin)


class LlamaAttention(nn.Module):
    """Causal self-attention with the scores in memory and their softmax in fp32."""

    def __init__(self, config: DecoderConfig, layer: int) -> None:
        super().__init__()
        width = config.hidden_size
        self.layer = layer
        self.num_heads = config.num_attention_heads
        self.head_dim = config.head_dim
        self.q_proj = nn.Linear(width, width, bias=False)
        self.k_proj = nn.Linear(width, width, bias=False)
        self.v_proj = nn.Linear(width, width, bias=False)
        self.o_proj = nn.Linear(width, width, bias=False)
        self.rotary_emb = LlamaRotaryEmbedding(config)

    def heads(self, x: Tensor) -> Tensor:
        """View projected tokens as heads: [B, S, D] -> [B, heads, S, d]."""
        batch, tokens, _ = x.shape
        return x.view(batch, tokens, self.num_heads, self.head_dim).transpose(1, 2)

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        """Weigh values by the scores' softmax: q [B, heads, S, d], k and v [B, heads, K, d] -> [B, S, heads, d]."""
        weights = torch.matmul(q, k.transpose(2, 3)) / math.sqrt(self.head_dim)
        if mask is not None:
            weights = weights + mask
        weights = torch.softmax(weights, dim=-1, dtype=torch.float32).to(q.dtype)
        return contiguous(torch.matmul(weights, v).transpose(1, 2))

    def forward(
        self, x: Tensor, position_ids: Tensor, mask: Tensor | None = None, cache: KeyValueCache | None = None
    ) -> Tensor:
        """Attend to the cached tokens and the new ones: [B, S, D], ids [1, S], mask [B, 1, S, K] -> [B, S, D]."""
        batch, tokens, _ = x.shape
        q, k, v = self.heads(self.q_proj(x)), self.heads(self.k_proj(x)), self.heads(self.v_proj(x))
        cos, sin = self.rotary_emb(v, position_ids)
        cos, sin = cos.unsqueeze(1), sin.unsqueeze(1)
        q, k = rotate(q, cos, sin), rotate(k, cos, sin)
        if cache is not None:
            k, v = cache.update(self.layer, k, v)
        out: Tensor = self.o_proj(self.attend(q, k, v, mask).reshape(batch, tokens, -1))
        return out


class LlamaFlashAttention2(LlamaAttention):
    """The same attention in one fused kernel, which masks by itself."""

    def attend(self, q: Tensor, k: Tensor, v: Tensor, mask: Tensor | None) -> Tensor:
        """Attend causally in one kernel, which needs no mask tensor; shapes as above."""
        del mask
        return scaled_dot_product_attention(q, k, v, causal=q.shape[-2] > 1).transpose(1, 2)
