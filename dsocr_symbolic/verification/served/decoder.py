"""The served decoder: embedding, layers, and logits of every sequence's last token.

One step runs ``tokens`` = S new tokens of each of B requests, T = B*S, after ``past`` tokens that the pages hold: a
prompt (past 0), a chunk of one (past > 0) or a decoded token (S = 1). What it launches, aten name by aten name, views
left out; D width, h heads of d, I inner width, E experts of which k are chosen, R = k*T rows, K = past + S keys.

==================== ========================================== =================================================
where                operators                                  shapes
==================== ========================================== =================================================
once, before         embedding                                  [V, D], ids [B, S] -> [B, S, D]
                     index_select, twice                        tables [P, d], positions [T] -> cos, sin [T, d]
                     norm                                       that of the first layer
norm                 _to_copy pow mean add rsqrt mul            [B, S, D] in fp32; mean, add and rsqrt [B, S, 1]
                     _to_copy mul                               back to bf16, times weight [D]
layer: attention     mm                                         [T, D] x [D, 3D]: q, k, v heads [B, S, 3h, d]
  rotary             mul neg cat mul add                        q and k together [B, S, 2h, d], tables [B, S, 1, d]
  cache              cat                                        k [B, S, h, d], v -> new [B, S, 2h, d]
                     write_pages                                new [T, 2, h, d], slots [T]; one kernel, in place
  attention          _scaled_dot_product_flash_attention        q [B, h, S, d]; k, v views of new if past is 0, else
                                                                views [B, h, K, d] of the pages; causal unless S = 1
                     mm                                         [T, D] x [D, D]
                     add, norm                                  residual [B, S, D]; post_attention_layernorm
dense MLP            mm                                         [T, D] x [D, 2I]
                     silu mul                                   halves of it -> [B, S, I]
                     mm                                         [T, I] x [I, D]
MoE                  _to_copy mm _softmax topk                  fp32: [T, D] x [D, E] -> [T, E] -> [T, k] (+ mul of
                                                                [T, k] where routed_scaling_factor is not 1)
  order              sort                                       experts [R] -> experts and their order, int64 [R]
                     searchsorted                               ranked [R], numbers [E] -> ends int32 [E]
                     floor_divide                               order [R] -> row of each [R]
  experts            index_select                               [T, D], rows [R] -> [R, D]
                     _grouped_mm                                [R, D] x [E, D, 2I], ends [E]
                     silu mul                                   -> [R, I]
                     _grouped_mm                                [R, I] x [E, I, D], ends [E]
  sum                index_select                               weights fp32 [R], order [R]
                     mul                                        bf16 [R, D] by fp32 [R, 1] -> fp32 [R, D]
                     zeros index_add_ _to_copy                  fp32 [T, D], rows [R]; to bf16
  shared             mm silu mul mm                             as dense, inner width n_shared_experts*I
                     add                                        routed + shared [B, S, D]
layer: end           add, norm                                  residual [B, S, D]; the next layer's input_layernorm,
                                                                after the last layer the decoder's own norm
once, after          mm _to_copy                                last tokens [B, D]; head [D, V]; logits [B, V] fp32
==================== ========================================== =================================================

A grouped product reads the matrices of the experts that have rows, and no others.
"""

from collections.abc import Callable
from typing import Any

import torch
from attrs import frozen
from torch import Tensor, nn

from dsocr_symbolic.verification.reference.config import DecoderConfig
from dsocr_symbolic.verification.reference.deepseek_v2 import DeepseekV2RMSNorm, Routing
from dsocr_symbolic.verification.served.attention import ServedAttention
from dsocr_symbolic.verification.served.experts import ServedMLP, ServedMoE
from dsocr_symbolic.verification.served.pages import slots_of


class ServedDecoderLayer(nn.Module):
    """Attention and a feed-forward, dense in the first layers and grouped experts in the others.

    A layer takes its input both as it is and normed, and norms what it hands on with the next layer's norm, so that a
    compiler puts each sum and its norm into one kernel.
    """

    def __init__(self, config: DecoderConfig, layer: int, routing: Routing | None = None) -> None:
        super().__init__()
        width = config.hidden_size
        self.self_attn = ServedAttention(config)
        self.mlp: ServedMLP | ServedMoE = (
            ServedMLP(width, config.intermediate_size)
            if layer < config.first_k_dense_replace
            else ServedMoE(config, routing)
        )
        self.input_layernorm = DeepseekV2RMSNorm(width, config.rms_norm_eps)
        self.post_attention_layernorm = DeepseekV2RMSNorm(width, config.rms_norm_eps)

    def forward(  # noqa: PLR0917 - tensors of one step
        self,
        x: Tensor,
        normed: Tensor,
        next_norm: nn.Module,
        cos: Tensor,
        sin: Tensor,
        slots: Tensor,
        pages: Tensor,
        past: int,
    ) -> tuple[Tensor, Tensor]:
        """Apply both, each with its residual: [B, S, D] twice, tables [B, S, 1, d], slots [B*S] -> [B, S, D] twice."""
        x = x + self.self_attn(normed, cos, sin, slots, pages, past)
        return self._feed_forward(x, next_norm)

    def after(self, x: Tensor, attended: Tensor, next_norm: nn.Module) -> tuple[Tensor, Tensor]:
        """Do what follows the attention's kernel, as one function to compile: [B, S, D] twice -> [B, S, D] twice."""
        return self._feed_forward(x + self.self_attn.o_proj(attended), next_norm)

    def _feed_forward(self, x: Tensor, next_norm: nn.Module) -> tuple[Tensor, Tensor]:
        x = x + self.mlp(self.post_attention_layernorm(x))
        return x, next_norm(x)


class ServedEmbedding(nn.Module):
    """What a step begins with: token rows, and the rotary tables' rows of its positions."""

    cos: Tensor
    sin: Tensor

    def __init__(self, config: DecoderConfig, positions: int) -> None:
        super().__init__()
        self.embed_tokens = nn.Embedding(config.vocab_size, config.hidden_size)
        exponents = torch.arange(0, config.head_dim, 2, dtype=torch.int64).float() / config.head_dim
        half = torch.arange(positions).float().unsqueeze(-1) * (1.0 / config.rope_theta**exponents)
        angles = torch.cat((half, half), dim=-1)
        dtype = torch.get_default_dtype()
        self.register_buffer("cos", angles.cos().to(dtype), persistent=False)
        self.register_buffer("sin", angles.sin().to(dtype), persistent=False)

    def forward(self, ids: Tensor, positions: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Look everything up: ids and positions int64 [B, S] -> [B, S, D], and tables [B, S, 1, d] twice."""
        return self.embed_tokens(ids), *self.tables(positions)

    def tables(self, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Look up cosines and sines: positions int64 [B, S] -> [B, S, 1, d] twice."""
        flat, shape = positions.view(-1), (*positions.shape, 1, self.cos.shape[-1])
        return self.cos.index_select(0, flat).view(shape), self.sin.index_select(0, flat).view(shape)


class ServedHead(nn.Module):
    """What a step ends with: logits of the last tokens; its norm is part of the last layer."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.norm = DeepseekV2RMSNorm(config.hidden_size, config.rms_norm_eps)
        self.lm_head = nn.Linear(config.hidden_size, config.vocab_size, bias=False)

    def forward(self, normed: Tensor) -> Tensor:
        """Score the vocabulary after every sequence's last token: normed [B, S, D] -> [B, V] in fp32."""
        scores: Tensor = self.lm_head(normed.select(1, normed.shape[1] - 1))
        return scores.float()


@frozen(kw_only=True, eq=False)
class Calls:
    """What a step calls: the modules themselves, or what a compiler made of them.

    Attributes
    ----------
    embedding, tables, norm, head : callable
        Of what comes before and after the layers.
    layers : tuple of callable
        One per layer.
    """

    embedding: Callable[..., Any]
    tables: Callable[..., Any]
    norm: Callable[..., Any]
    layers: tuple[Callable[..., Any], ...]
    head: Callable[..., Any]


class ServedDecoder(nn.Module):
    """The whole decoder; ``routing`` says what a trace without values cannot: which experts receive rows."""

    def __init__(self, config: DecoderConfig, *, positions: int = 8192, routing: Routing | None = None) -> None:
        super().__init__()
        self.config = config
        self.embedding = ServedEmbedding(config, positions)
        self.layers: Any = nn.ModuleList(
            ServedDecoderLayer(config, layer, routing) for layer in range(config.num_hidden_layers)
        )
        self.head = ServedHead(config)

    @property
    def calls(self) -> Calls:
        """The modules, uncompiled."""
        return Calls(
            embedding=self.embedding,
            tables=self.embedding.tables,
            norm=self.layers[0].input_layernorm,
            layers=tuple(self.layers),
            head=self.head,
        )

    @property
    def next_norms(self) -> list[nn.Module]:
        """The norm that each layer applies to what it hands on."""
        return [*(layer.input_layernorm for layer in list(self.layers)[1:]), self.head.norm]

    @torch.no_grad()
    def forward(
        self,
        ids: Tensor | None,
        pages: list[Tensor],
        past: int = 0,
        *,
        embeds: Tensor | None = None,
        places: tuple[Tensor, Tensor] | None = None,
        calls: Calls | None = None,
    ) -> Tensor:
        """Run a step: ids [B, S] or embeds [B, S, D] -> logits [B, V] in fp32; the pages receive keys and values.

        ``places`` are positions [B, S] and slots [B*S], which a server has on the GPU already; ``calls`` are what
        :func:`.compiling.compiled` returns.
        """
        given = embeds if ids is None else ids
        if given is None:
            raise ValueError("give ids or embeds")
        positions, slots = places or step_places(pages[0], given, past)
        calls = calls or self.calls
        if ids is not None:
            x, cos, sin = calls.embedding(ids, positions)
        else:
            x, (cos, sin) = given, calls.tables(positions)
        normed = calls.norm(x)
        for layer, next_norm, kept in zip(calls.layers, self.next_norms, pages, strict=True):
            x, normed = layer(x, normed, next_norm, cos, sin, slots, kept, past)
        out: Tensor = calls.head(normed)
        return out


def step_places(pages: Tensor, like: Tensor, past: int) -> tuple[Tensor, Tensor]:
    """Return positions int64 [B, S] and slots [B*S] of a step after so many past tokens of each request."""
    batch, tokens = like.shape[:2]
    run = pages.shape[0] // batch * pages.shape[1]
    if past + tokens > run:
        raise ValueError(f"{past} past and {tokens} new tokens do not fit into pages for {run}: make more pages")
    positions = torch.arange(past, past + tokens, device=like.device).expand(batch, tokens).contiguous()
    return positions, slots_of(pages, positions)
