"""DeepseekV2 decoder layer: RMS norm, gated MLP, router and mixture of experts."""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional

from dsocr_symbolic.verification.reference.config import DecoderConfig
from dsocr_symbolic.verification.reference.llama import KeyValueCache, LlamaAttention, LlamaFlashAttention2
from dsocr_symbolic.verification.reference.precision import has_values
from dsocr_symbolic.verification.reference.saved import stand_in

Routing = Callable[[int, int, int], list[int]]
"""Rows that each expert receives, as a function of (tokens T, experts chosen per token k, experts E)."""


def rows_over(hit: int) -> Routing:
    """Return a routing that hits so many distinct experts, rows split as evenly as integers allow.

    It raises ValueError for sizes with which no top-k could have chosen so many, or so few.
    """

    def routing(tokens: int, chosen: int, experts: int) -> list[int]:
        rows = tokens * chosen
        if not chosen <= hit <= min(experts, rows):
            raise ValueError(f"{tokens} tokens with top-{chosen} of {experts} experts cannot hit {hit} experts")
        least, more = divmod(rows, hit)
        return [least + (expert < more) for expert in range(hit)] + [0] * (experts - hit)

    return routing


def balanced_rows(tokens: int, chosen: int, experts: int) -> list[int]:
    """Spread the rows over as many experts as they can hit, min(E, k*T) of them."""
    return rows_over(min(experts, tokens * chosen))(tokens, chosen, experts)


class DeepseekV2RMSNorm(nn.Module):
    """Root-mean-square norm, taken in fp32."""

    def __init__(self, width: int, eps: float = 1e-6) -> None:
        super().__init__()
        self.eps = eps
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, x: Tensor) -> Tensor:
        """Normalise every token: [..., D] -> [..., D]."""
        wide = x.to(torch.float32)
        mean_square = wide.pow(2).mean(-1, keepdim=True)
        wide = wide * torch.rsqrt(mean_square + self.eps)
        return self.weight * wide.to(x.dtype)


class DeepseekV2MLP(nn.Module):
    """Gated feed-forward without biases: dense, shared or one expert."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.gate_proj = nn.Linear(width, inner, bias=False)
        self.up_proj = nn.Linear(width, inner, bias=False)
        self.down_proj = nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer to every token: [..., D] -> [..., D]."""
        out: Tensor = self.down_proj(functional.silu(self.gate_proj(x)) * self.up_proj(x))
        return out


class MoEGate(nn.Module):
    """Router: a softmax over all experts and the best few of them."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.chosen = config.num_experts_per_tok
        self.scaling = config.routed_scaling_factor
        self.weight = nn.Parameter(torch.empty(config.n_routed_experts, config.hidden_size))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Choose experts: [T, D] -> experts [T, k], in no order, and their weights [T, k] in fp32."""
        # The casts widen for nothing under autocast, which narrows both operands again.
        logits = functional.linear(x.to(torch.float32), self.weight.to(torch.float32))
        scores = logits.softmax(dim=-1, dtype=torch.float32)
        weights, experts = torch.topk(scores, k=self.chosen, dim=-1, sorted=False)
        return experts, weights * self.scaling


class DeepseekV2MoE(nn.Module):
    """Routed experts, one after the other, plus one shared MLP; without values ``routing`` gives each expert's rows."""

    def __init__(self, config: DecoderConfig, routing: Routing = balanced_rows) -> None:
        super().__init__()
        width, inner = config.hidden_size, config.moe_intermediate_size
        self.routing = routing
        self.experts = nn.ModuleList(DeepseekV2MLP(width, inner) for _ in range(config.n_routed_experts))
        self.gate = MoEGate(config)
        self.shared_experts = DeepseekV2MLP(width, inner * config.n_shared_experts)

    def forward(self, x: Tensor) -> Tensor:
        """Add the routed experts' weighted outputs and the shared MLP's: [B, S, D] -> [B, S, D]."""
        tokens = x.view(-1, x.shape[-1])
        experts, weights = self.gate(tokens)
        routed = (
            self.train_experts(tokens, experts, weights) if self.training else self.moe_infer(tokens, experts, weights)
        )
        out: Tensor = routed.view(x.shape) + self.shared_experts(x)
        return out

    def train_experts(self, x: Tensor, experts: Tensor, weights: Tensor) -> Tensor:
        """Run every expert on a repeated copy of its tokens, differentiably; no auxiliary loss: [T, D] -> [T, D]."""
        tokens, chosen = experts.shape
        flat = experts.view(-1)
        repeated = x.repeat_interleave(chosen, dim=0)
        out = torch.empty_like(repeated)
        rows = None if has_values(x) else self.routing(tokens, chosen, len(self.experts))
        for number, expert in enumerate(self.experts):
            # Asked twice, as the network does; a mask without values cannot choose, so places stand in for it.
            read, write = flat == number, flat == number
            if rows is not None:
                read, write = (stand_in(flat.new_empty(rows[number]), mask) for mask in (read, write))
            taken: Tensor = torch.ops.aten.index(repeated, [read])
            out.index_put_((write,), expert(taken))
        weighted = (out.view(tokens, chosen, -1) * weights.unsqueeze(-1)).sum(dim=1)
        return weighted.to(x.dtype)

    @torch.no_grad()
    def moe_infer(self, x: Tensor, experts: Tensor, weights: Tensor) -> Tensor:
        """Sort the tokens by expert, run the experts that were hit, and put the results back: [T, D] -> [T, D]."""
        tokens, chosen = experts.shape
        counts = experts.new_zeros((tokens, len(self.experts)))
        counts.scatter_(1, experts, 1)
        totals = counts.sum(dim=0)
        order = experts.view(-1).argsort()
        gathered: Tensor = torch.ops.aten.index(x, [order // chosen])
        # On a GPU this is where the host waits, once per layer.
        rows = totals.tolist() if has_values(x) else self.routing(tokens, chosen, len(self.experts))
        del totals
        parts = torch.split(gathered, rows)
        outputs = [expert(part) for expert, part in zip(self.experts, parts, strict=True) if part.shape[0]]
        joined = torch.cat(outputs)
        restored = torch.empty_like(joined)
        restored.index_put_((order,), joined)
        weighted: Tensor = restored.view(tokens, chosen, -1).to(weights.dtype).mul_(weights.unsqueeze(-1)).sum(dim=1)
        return weighted.to(joined.dtype)


class DeepseekV2DecoderLayer(nn.Module):
    """Attention and a feed-forward, dense in the first layers and routed in the others."""

    def __init__(self, config: DecoderConfig, layer: int, routing: Routing = balanced_rows) -> None:
        super().__init__()
        width = config.hidden_size
        attention = LlamaAttention if config.attention == "eager" else LlamaFlashAttention2
        self.self_attn = attention(config, layer)
        self.mlp: DeepseekV2MLP | DeepseekV2MoE = (
            DeepseekV2MLP(width, config.intermediate_size)
            if layer < config.first_k_dense_replace
            else DeepseekV2MoE(config, routing)
        )
        self.input_layernorm = DeepseekV2RMSNorm(width, config.rms_norm_eps)
        self.post_attention_layernorm = DeepseekV2RMSNorm(width, config.rms_norm_eps)

    def forward(
        self, x: Tensor, position_ids: Tensor, mask: Tensor | None = None, cache: KeyValueCache | None = None
    ) -> Tensor:
        """Apply both, each with its residual: [B, S, D], ids [1, S], mask [B, 1, S, K] -> [B, S, D]."""
        x = x + self.self_attn(self.input_layernorm(x), position_ids, mask, cache)
        out: Tensor = x + self.mlp(self.post_attention_layernorm(x))
        return out
