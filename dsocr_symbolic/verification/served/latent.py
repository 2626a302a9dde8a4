"""DeepSeek-V2 as a server runs it, with the weights of transformers' network: attention to latents, grouped experts.

What expands latents is absorbed by queries and results. Experts' last matrices carry the factor of their weights. What
stands between products and attentions are kernels of a compiler or of an engine.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from dsocr_symbolic.verification.reference.deepseek_v2 import Routing
from dsocr_symbolic.verification.reference.saved import stand_in
from dsocr_symbolic.verification.served import groups, latent_groups
from dsocr_symbolic.verification.served.experts import grouped_product
from dsocr_symbolic.verification.served.gemma import Kernels, Operators, joined
from dsocr_symbolic.verification.served.latent_groups import best_groups, expanded, latent_attention
from dsocr_symbolic.verification.served.pages import write_pages

LAUNCHED: Operators = {**groups.GROUPS, **latent_groups.GROUPS}
"""Kernels, each of which is one launch."""
PLAIN: Operators = {
    **groups.PLAIN,
    **latent_groups.PLAIN,
    "compiled_weighted_add": groups.compiled_weighted_add,
    "concat_and_cache_mla": latent_groups.concat_and_cache_mla,
}
"""What the kernels compute, operator by operator."""
SHORT = 512
"""Rows that a compiler sorts in one block."""


class ServedLatentAttention(nn.Module):
    """Attention to one latent and one part with positions of each token."""

    def __init__(self, attention: Any) -> None:
        super().__init__()
        self.heads, self.rank, self.beside = attention.num_heads, attention.kv_lora_rank, attention.qk_rope_head_dim
        self.scale, self.plain = attention.scaling, attention.qk_nope_head_dim
        self.narrow = attention.q_lora_rank
        self.first = (
            joined(attention.q_a_proj, attention.kv_a_proj_with_mqa) if self.narrow else attention.kv_a_proj_with_mqa
        )
        self.query = attention.q_b_proj if self.narrow else attention.q_proj
        self.q_norm = attention.q_a_layernorm.weight if self.narrow else None
        self.kv_norm = attention.kv_a_layernorm.weight
        both = attention.kv_b_proj.weight.view(self.heads, -1, self.rank)
        # As bmm takes them: [h, d_n, r] and [h, r, d_v].
        self.to_keys = nn.Parameter(both[:, : self.plain].clone(), requires_grad=False)
        self.to_values = nn.Parameter(both[:, self.plain :].transpose(1, 2).clone(), requires_grad=False)
        self.o_proj = attention.o_proj

    def forward(  # noqa: PLR0917 - tensors of one step
        self, kernels: Kernels, x: Tensor, cos: Tensor, sin: Tensor, slots: Tensor, pages: Tensor, past: int
    ) -> Tensor:
        """Attend to what the pages hold and to the new tokens: [T, D], tables [T, d_r] -> [T, D]."""
        rows, requests, by_name = len(x), len(pages), kernels.by_name
        q = None if self.narrow else self.query(x)
        compressed = self.first(x)
        if q is None:
            latent, compressed = compressed.split([self.narrow, self.rank + self.beside], dim=-1)
            q = self.query(kernels.run("compiled_norm", "rms_norm", latent, self.q_norm))
        new, key = compressed.split([self.rank, self.beside], dim=-1)
        new = kernels.run("compiled_norm", "rms_norm", new, self.kv_norm)
        plain, part = q.view(rows, self.heads, -1).split([self.plain, self.beside], dim=-1)
        absorbed = torch.bmm(plain.transpose(0, 1), self.to_keys).transpose(0, 1)
        flat = pages.view(-1, pages.shape[-1])
        if kernels.engine:
            part, key = by_name["rotary_embedding"](part, key.unsqueeze(1), cos, sin)
            by_name["concat_and_cache_mla"](flat, new, key.squeeze(1), slots)
            queries = torch.cat((absorbed, part), dim=-1)
        else:
            queries = by_name["compiled_latent_rows"](absorbed, part, cos, sin)
            written = by_name["compiled_latent_rows"](new.unsqueeze(1), key.unsqueeze(1), cos, sin)
            write_pages(flat.unsqueeze(1), written.squeeze(1), slots)
        tokens = rows // requests
        queries = queries.view(requests, tokens, self.heads, -1).transpose(1, 2)
        summed = latent_attention(queries, pages.narrow(1, 0, past + tokens), self.rank, self.scale)[0]
        heads = summed.transpose(1, 2).reshape(rows, self.heads, self.rank).transpose(0, 1)
        if kernels.engine:
            out = expanded(heads, self.to_values).view(rows, -1)
        else:
            out = torch.bmm(heads, self.to_values).transpose(0, 1).reshape(rows, -1)
        result: Tensor = self.o_proj(out)
        return result


class ServedBlock(nn.Module):
    """A dense MLP."""

    def __init__(self, mlp: Any) -> None:
        super().__init__()
        self.gate_up, self.down = joined(mlp.gate_proj, mlp.up_proj), mlp.down_proj

    def forward(self, kernels: Kernels, x: Tensor) -> Tensor:
        """Apply it to every token: [T, D] -> [T, D]."""
        out: Tensor = self.down(kernels.run("compiled_gate", "silu_and_mul", self.gate_up(x)))
        return out


class ServedExperts(nn.Module):
    """Routed experts in two grouped products, chosen among all or in the best groups."""

    numbers: Tensor

    def __init__(self, moe: Any, routing: Routing | None) -> None:
        super().__init__()
        router, experts = moe.gate, moe.experts
        self.chosen, self.routing, self.weight = router.top_k, routing, router.weight
        limited = router.topk_method == "group_limited_greedy"
        self.groups: int = router.num_group if limited else 0
        self.kept: int = router.topk_group if limited else 0
        self.gate_up = experts.gate_up_proj
        self.down = nn.Parameter(experts.down_proj * router.routed_scaling_factor, requires_grad=False)
        self.register_buffer("numbers", torch.arange(len(self.down), device=self.down.device))
        self.shared = ServedBlock(moe.shared_experts)

    def choose(self, kernels: Kernels, wide: Tensor) -> tuple[Tensor, Tensor]:
        """Choose experts: [T, D] in fp32 -> weights [T, k] in fp32 and experts int64 [T, k]."""
        scores, by_name = functional.linear(wide, self.weight), kernels.by_name
        if kernels.engine:
            given = (scores, self.chosen)
            weights, experts = (
                by_name["grouped_topk"](*given, self.groups, self.kept)
                if self.groups
                else by_name["topk_softmax"](*given)
            )
            return weights, experts
        probabilities = scores.softmax(dim=-1)
        if self.groups:
            best = best_groups(probabilities, self.groups, self.kept)
            probabilities = by_name["compiled_group_mask"](probabilities, best, self.groups)
        weights, experts = torch.topk(probabilities, k=self.chosen, dim=-1, sorted=False)
        return weights, experts

    def forward(self, kernels: Kernels, normed: Tensor, wide: Tensor, before: tuple[Tensor, ...]) -> Tensor:
        """Weigh and add up results: normed [T, D], in fp32 too -> [T, D]; ``before`` is what the norm was made of."""
        by_name, (tokens, width) = kernels.by_name, normed.shape
        weights, experts = self.choose(kernels, wide)
        flat = experts.reshape(-1)
        if kernels.engine or len(flat) > SHORT:
            ranked, order = flat.sort()
        else:
            ranked, order = by_name["compiled_sort"](flat)
            # What reads a place reads its 2 bytes; operators of PyTorch that say what it computes take no such index.
            order = order if flat.device.type == "meta" else order.to(torch.int64)
        ends = torch.searchsorted(ranked, self.numbers, right=True, out_int32=True)
        if kernels.engine:
            rows = by_name["moe_permute"](normed, order, self.chosen)
        else:
            x, attended, root, scale = before
            rows = by_name["compiled_rows"](x, attended, root, order, scale, self.chosen)
        hidden = kernels.run(
            "compiled_gate", "silu_and_mul", grouped_product(rows, self._matrices(self.gate_up, tokens), ends)
        )
        outputs = grouped_product(hidden, self._matrices(self.down, tokens), ends)
        given = (outputs, weights.reshape(-1))
        if kernels.engine:
            total: Tensor = by_name["weighted_expert_sum"](outputs, order, given[1], self.chosen)
            return total
        sums = torch.zeros(tokens, width, dtype=torch.float32, device=normed.device)
        by_name["compiled_weighted_add"](sums, order, *given, self.chosen)
        return sums

    def _matrices(self, weight: Tensor, tokens: int) -> Tensor:
        matrices = weight.transpose(1, 2)
        if self.routing is None:
            return matrices
        hit = sum(rows > 0 for rows in self.routing(tokens, self.chosen, len(weight)))
        return stand_in(matrices, weight.narrow(0, 0, hit))


class ServedLatentDecoder(nn.Module):
    """The whole network; logits of every sequence's last token."""

    def __init__(self, network: Any, *, positions: int = 64, routing: Routing | None = None) -> None:
        super().__init__()
        config, model = network.config, network.model
        self.embed, self.lm_head, self.norm = model.embed_tokens, network.lm_head, model.norm.weight
        self.attentions = nn.ModuleList(ServedLatentAttention(layer.self_attn) for layer in model.layers)
        self.blocks = nn.ModuleList(
            ServedExperts(layer.mlp, routing) if hasattr(layer.mlp, "experts") else ServedBlock(layer.mlp)
            for layer in model.layers
        )
        self.before = nn.ParameterList(layer.input_layernorm.weight for layer in model.layers)
        self.behind = nn.ParameterList(layer.post_attention_layernorm.weight for layer in model.layers)
        weight = model.embed_tokens.weight
        places = torch.arange(positions, device=weight.device).unsqueeze(0)
        turns = model.rotary_emb(weight, places)[0]
        self.tables = [part.repeat_interleave(2, dim=-1).to(weight.dtype) for part in (turns.real, turns.imag)]
        self.width = config.kv_lora_rank + config.qk_rope_head_dim

    def new_pages(self, requests: int, tokens: int) -> list[Tensor]:
        """Return empty pages of each layer for so many tokens of every request: [B, tokens, r + d_r]."""
        weight = self.embed.weight
        return [weight.new_zeros(requests, tokens, self.width) for _ in self.attentions]

    @torch.no_grad()
    def forward(
        self, x: Tensor, pages: list[Tensor], past: int = 0, *, kernels: Kernels, places: tuple[Tensor, Tensor]
    ) -> Tensor:
        """Run a step: rows [T, D], places as of :func:`.gemma.step_places` -> normed [T, D]; pages receive latents."""
        by_name, (positions, slots) = kernels.by_name, places
        cos, sin = by_name["compiled_tables"](*self.tables, positions)
        normed: Tensor = kernels.run("compiled_norm", "rms_norm", x, self.before[0])
        norms = [*list(self.before)[1:], self.norm]
        for attention, block, behind, after, kept in zip(
            self.attentions, self.blocks, self.behind, norms, pages, strict=True
        ):
            attended = attention(kernels, normed, cos, sin, slots, kept, past)
            x, normed = self._after(kernels, block, x, attended, behind, after)
        return normed

    @staticmethod
    def _after(  # noqa: PLR0917 - tensors of one step
        kernels: Kernels, block: nn.Module, x: Tensor, attended: Tensor, behind: Tensor, after: Tensor
    ) -> tuple[Tensor, Tensor]:
        by_name = kernels.by_name
        if isinstance(block, ServedBlock):
            if kernels.engine:
                middle, normed = by_name["fused_add_rms_norm"](x, attended, behind)
                out = by_name["fused_add_rms_norm"](middle, block(kernels, normed), after)
            else:
                normed = by_name["compiled_residual_norm"](x, attended, behind)
                out = by_name["compiled_next_norm"](x, attended, block(kernels, normed), after)
            return out[0], out[1]
        shared: Any = block.shared
        if kernels.engine:
            middle, normed, wide = by_name["widened_add_rms_norm"](x, attended, behind)
            routed = block(kernels, normed, wide, ())
            out = by_name["fused_add_rms_norm"](middle, routed + shared(kernels, normed), after)
        else:
            normed, wide, root = by_name["compiled_widened_norm"](x, attended, behind)
            routed = block(kernels, normed, wide, (x, attended, root, behind))
            out = by_name["compiled_routed_norm"](x, attended, routed, shared(kernels, normed), after)
        return out[0], out[1]

    @torch.no_grad()
    def logits(self, normed: Tensor, requests: int) -> Tensor:
        """Score the vocabulary after every sequence's last token: [T, D] -> [B, V]."""
        out: Tensor = self.lm_head(normed.view(requests, -1, normed.shape[-1]).select(1, -1))
        return out
