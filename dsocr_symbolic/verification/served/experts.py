"""Feed-forwards: merged gate and up products, and experts as one grouped product over rows sorted by expert."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from dsocr_symbolic.verification.reference.config import DecoderConfig
from dsocr_symbolic.verification.reference.deepseek_v2 import Routing
from dsocr_symbolic.verification.reference.saved import stand_in


class ServedMLP(nn.Module):
    """Gated feed-forward with one product for gate and up."""

    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.gate_up_proj = nn.Linear(width, 2 * inner, bias=False)
        self.down_proj = nn.Linear(inner, width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        """Apply the layer to every token: [..., D] -> [..., D]."""
        out: Tensor = self.down_proj(gated(self.gate_up_proj(x)))
        return out


def gated(both: Tensor) -> Tensor:
    """Multiply SiLU of the first half by the second: [..., 2I] -> [..., I]."""
    gate, up = both.chunk(2, dim=-1)
    return functional.silu(gate) * up


def _groups_on_cpu(dtype: torch.dtype) -> bool:
    """Say whether this PyTorch has a grouped product of a dtype on a CPU."""
    try:
        torch._grouped_mm(  # noqa: SLF001 - the only name that it has
            torch.ones(1, 8, dtype=dtype), torch.ones(1, 8, 8, dtype=dtype), offs=torch.ones(1, dtype=torch.int32)
        )
    except (RuntimeError, NotImplementedError):
        return False
    return True


# Asked once, not while a function is compiled.
CPU_GROUPS = {dtype: _groups_on_cpu(dtype) for dtype in (torch.float32, torch.bfloat16)}


def grouped_product(x: Tensor, weight: Tensor, ends: Tensor) -> Tensor:
    """Multiply each group of rows by its own matrix: x [R, K], weight [E, K, N], ends int32 [E] -> [R, N].

    Group e ends before row ``ends[e]``. Where PyTorch lacks the product on a CPU, groups are multiplied in turn.
    """
    if x.device.type == "cpu" and not CPU_GROUPS.get(x.dtype):
        bounds = [0, *ends.tolist()]
        parts = [x[start:end] @ matrix for start, end, matrix in zip(bounds, bounds[1:], weight, strict=False)]
        return torch.cat(parts)
    out: Tensor = torch._grouped_mm(x, weight, offs=ends)  # noqa: SLF001 - the only name that it has
    return out


class ServedRouter(nn.Module):
    """Router in fp32: a softmax over all experts and the best few of them; its weight is kept in fp32."""

    def __init__(self, config: DecoderConfig) -> None:
        super().__init__()
        self.chosen, self.scaling = config.num_experts_per_tok, config.routed_scaling_factor
        self.weight = nn.Parameter(torch.empty(config.n_routed_experts, config.hidden_size, dtype=torch.float32))
        nn.init.kaiming_uniform_(self.weight, a=5**0.5)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Choose experts: [T, D] -> experts int64 [T, k], in no order, and their weights [T, k] in fp32."""
        scores = functional.linear(x.to(torch.float32), self.weight).softmax(dim=-1)
        weights, experts = torch.topk(scores, k=self.chosen, dim=-1, sorted=False)
        return experts, weights if self.scaling == 1.0 else weights * self.scaling


class ServedMoE(nn.Module):
    """Routed experts in two grouped products, plus the shared experts as one dense MLP.

    Attributes
    ----------
    routing : Routing or None
        Of a trace without values: how many experts receive rows, for only their weights are read. None otherwise.
    """

    numbers: Tensor

    def __init__(self, config: DecoderConfig, routing: Routing | None = None) -> None:
        super().__init__()
        width, inner, experts = config.hidden_size, config.moe_intermediate_size, config.n_routed_experts
        self.routing = routing
        self.gate = ServedRouter(config)
        # As the checkpoint stores them, [out, in]: the products take the transposed view.
        self.gate_up = nn.Parameter(torch.empty(experts, 2 * inner, width))
        self.down = nn.Parameter(torch.empty(experts, width, inner))
        for weight in (self.gate_up, self.down):
            nn.init.uniform_(weight, -(weight.shape[-1] ** -0.5), weight.shape[-1] ** -0.5)
        self.shared_experts = ServedMLP(width, inner * config.n_shared_experts)
        self.register_buffer("numbers", torch.arange(experts), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        """Add the routed experts' weighted outputs and the shared MLP's: [B, S, D] -> [B, S, D]."""
        tokens = x.view(-1, x.shape[-1])
        experts, weights = self.gate(tokens)
        chosen = experts.shape[1]
        ranked, order = experts.view(-1).sort()
        # How many rows have an expert up to each: the cumulative sum of rows per expert, in one kernel.
        ends = torch.searchsorted(ranked, self.numbers, right=True, out_int32=True)
        rows = order // chosen
        inner = gated(grouped_product(tokens.index_select(0, rows), self._matrices(self.gate_up, experts), ends))
        outputs = grouped_product(inner, self._matrices(self.down, experts), ends)
        weighted = outputs * weights.view(-1).index_select(0, order).unsqueeze(-1)
        routed = torch.zeros(tokens.shape, dtype=weighted.dtype, device=x.device).index_add_(0, rows, weighted)
        out: Tensor = routed.to(x.dtype).view(x.shape) + self.shared_experts(x)
        return out

    def _matrices(self, weight: Tensor, experts: Tensor) -> Tensor:
        matrices = weight.transpose(1, 2)
        if self.routing is None:
            return matrices
        hit = sum(rows > 0 for rows in self.routing(experts.shape[0], experts.shape[1], len(weight)))
        return stand_in(matrices, weight.narrow(0, 0, hit))
