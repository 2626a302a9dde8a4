"""Gemma 3 as a server runs it, with the weights of transformers' network.

Products of queries, keys and values are one, and those of gate and up. Layers in a window read no more of the pages
than it shows. What stands between products and attentions are kernels of a compiler or of an engine.
"""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from attrs import frozen
from torch import Tensor, nn
from torch.nn import functional

from dsocr_symbolic.verification.served import gemma_groups, groups
from dsocr_symbolic.verification.served.pages import slots_of, write_pages
from dsocr_symbolic.verification.served.window import attend_all, window_attention

Operators = Mapping[str, Callable[..., Any]]
LAUNCHED: Operators = {**groups.GROUPS, **gemma_groups.GROUPS}
"""Kernels, each of which is one launch."""
PLAIN: Operators = {
    **groups.PLAIN,
    **gemma_groups.PLAIN,
    "parted_rotary_and_cache": gemma_groups.parted_rotary_and_cache,
}
"""What the kernels compute, operator by operator."""


@frozen(kw_only=True)
class Kernels:
    """What runs between products and attentions.

    Attributes
    ----------
    by_name : mapping of str to callable
        Kernels as one launch each, or as their operators.
    engine : bool
        An engine's own kernels; those that a compiler makes otherwise.
    """

    by_name: Operators = LAUNCHED
    engine: bool = False

    def run(self, compiled: str, engine: str, *given: Any) -> Any:
        """Run the kernel of the one or of the other."""
        return self.by_name[engine if self.engine else compiled](*given)


class ServedGemmaLayer(nn.Module):
    """A layer that takes its input as it is and normed, and norms what it hands on."""

    def __init__(self, layer: Any, window: int) -> None:
        super().__init__()
        attention, mlp = layer.self_attn, layer.mlp
        self.window, self.scale, self.head_dim = window, attention.scaling, attention.head_dim
        self.heads = attention.q_proj.out_features // self.head_dim
        self.kv_heads = attention.k_proj.out_features // self.head_dim
        self.qkv = joined(attention.q_proj, attention.k_proj, attention.v_proj)
        self.o_proj, self.down_proj = attention.o_proj, mlp.down_proj
        self.gate_up = joined(mlp.gate_proj, mlp.up_proj)
        self.q_norm, self.k_norm = attention.q_norm.weight, attention.k_norm.weight
        self.norms = nn.ParameterList(
            norm.weight
            for norm in (
                layer.input_layernorm,
                layer.post_attention_layernorm,
                layer.pre_feedforward_layernorm,
                layer.post_feedforward_layernorm,
            )
        )

    def attend(  # noqa: PLR0917 - tensors of one step
        self, kernels: Kernels, normed: Tensor, cos: Tensor, sin: Tensor, slots: Tensor, pages: Tensor, past: int
    ) -> Tensor:
        """Attend to what the pages hold and to the new tokens: [T, D], tables [T, d] -> [T, D]."""
        requests, rows = len(pages), len(normed)
        q, k, v = self.qkv(normed).view(rows, -1, self.head_dim).split([self.heads, *(2 * [self.kv_heads])], dim=1)
        q = kernels.run("compiled_offset_norm", "gemma_rms_norm", q, self.q_norm)
        k = kernels.run("compiled_offset_norm", "gemma_rms_norm", k, self.k_norm)
        flat = pages.view(-1, 2 * self.kv_heads, self.head_dim)
        if kernels.engine:
            q = kernels.by_name["parted_rotary_and_cache"](flat, q, k, v, cos, sin, slots)
        else:
            q, new = kernels.by_name["parted_rotary"](q, k, v, cos, sin)
            write_pages(flat.unsqueeze(1), new, slots)
        tokens = rows // requests
        first = max(0, past - self.window + 1) if self.window else 0
        held = pages.narrow(1, first, past + tokens - first).transpose(1, 2)
        keys, values = held.narrow(1, 0, self.kv_heads), held.narrow(1, self.kv_heads, self.kv_heads)
        queries = q.view(requests, tokens, self.heads, self.head_dim).transpose(1, 2)
        if self.window:
            out = window_attention(queries, keys, values, self.window, self.scale)[0]
        else:
            out = attend_all(queries, keys, values, self.scale)
        result: Tensor = self.o_proj(out.transpose(1, 2).reshape(rows, -1))
        return result

    def forward(
        self,
        kernels: Kernels,
        x: Tensor,
        attended: Tensor,
        next_norm: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Do what follows the attention: [T, D] twice, [D] -> the layer's result and its norm, [T, D] each."""
        _, behind, before, behind_mlp = self.norms
        by_name = kernels.by_name
        if kernels.engine:
            added = by_name["gemma_rms_norm"](attended, behind)
            middle, normed = by_name["gemma_fused_add_rms_norm"](x, added, before)
        else:
            normed, root = by_name["compiled_sandwich_norm"](x, attended, behind, before)
        fed = self.down_proj(kernels.run("compiled_gelu_gate", "gelu_tanh_and_mul", self.gate_up(normed)))
        if kernels.engine:
            added = by_name["gemma_rms_norm"](fed, behind_mlp)
            out = by_name["gemma_fused_add_rms_norm"](middle, added, next_norm)
        else:
            given = (x, attended, root, behind, fed, behind_mlp, next_norm)
            out = by_name["compiled_sandwich_next"](*given)
        return out[0], out[1]


class ServedGemma(nn.Module):
    """The whole network; logits of every sequence's last token."""

    factor: Tensor

    def __init__(self, network: Any, *, positions: int = 64) -> None:
        super().__init__()
        config, model = network.config, network.model
        self.table = model.embed_tokens.weight
        self.scale = config.hidden_size**0.5
        self.register_buffer("factor", self.table.new_full((1,), self.scale))
        windows = [config.sliding_window * (kind == "sliding_attention") for kind in config.layer_types]
        self.layers = nn.ModuleList(ServedGemmaLayer(*each) for each in zip(model.layers, windows, strict=True))
        self.norm = model.norm.weight
        like = torch.empty(1, dtype=self.table.dtype, device=self.table.device)
        places = torch.arange(positions, device=self.table.device).unsqueeze(0)
        self.tables = {
            kind: [part[0].clone() for part in model.rotary_emb(like, places, kind)] for kind in set(config.layer_types)
        }
        self.kinds = config.layer_types

    def new_pages(self, requests: int, tokens: int) -> list[Tensor]:
        """Return empty pages of each layer for so many tokens of every request: [B, tokens, 2 kv heads, d]."""
        layers: Any = self.layers
        return [self.table.new_zeros(requests, tokens, 2 * each.kv_heads, each.head_dim) for each in layers]

    @torch.no_grad()
    def forward(
        self, ids: Tensor, pages: list[Tensor], past: int = 0, *, kernels: Kernels, places: tuple[Tensor, Tensor]
    ) -> Tensor:
        """Run a step: ids [B, S], places as of :func:`step_places` -> normed [T, D]; pages receive keys and values."""
        flat, (positions, slots) = ids.reshape(-1), places
        if kernels.engine:
            x = functional.embedding(flat, self.table) * self.factor
        else:
            x = kernels.by_name["compiled_scaled_rows"](self.table, flat, self.scale)
        lookup = kernels.by_name["compiled_tables"]
        tables = {kind: lookup(*both, positions) for kind, both in self.tables.items()}
        layers: list[Any] = list(self.layers)
        norms = [*(layer.norms[0] for layer in layers[1:]), self.norm]
        normed: Tensor = kernels.run("compiled_offset_norm", "gemma_rms_norm", x, layers[0].norms[0])
        for layer, kind, kept, next_norm in zip(layers, self.kinds, pages, norms, strict=True):
            attended = layer.attend(kernels, normed, *tables[kind], slots, kept, past)
            x, normed = layer(kernels, x, attended, next_norm)
        return normed

    @torch.no_grad()
    def logits(self, normed: Tensor, requests: int) -> Tensor:
        """Score the vocabulary after every sequence's last token, by the table of tokens: [T, D] -> [B, V]."""
        last = normed.view(requests, -1, normed.shape[-1]).select(1, -1)
        return functional.linear(last, self.table)


def joined(*parts: nn.Linear) -> nn.Linear:
    """Join products of one input in one, with their biases where they have any."""
    first = parts[0]
    width = sum(part.out_features for part in parts)
    made = nn.Linear(first.in_features, width, bias=first.bias is not None, device="meta", dtype=first.weight.dtype)
    made.weight = nn.Parameter(torch.cat([part.weight for part in parts]), requires_grad=False)
    if first.bias is not None:
        made.bias = nn.Parameter(torch.cat([part.bias for part in parts]), requires_grad=False)
    return made


def step_places(pages: Tensor, batch: int, tokens: int, past: int) -> tuple[Tensor, Tensor]:
    """Return positions and slots int64 [B*S] of a step after so many past tokens of each request."""
    positions = torch.arange(past, past + tokens, device=pages.device).expand(batch, tokens).contiguous()
    return positions.view(-1), slots_of(pages, positions)
