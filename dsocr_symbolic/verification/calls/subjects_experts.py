"""Real calls of grouped products: all experts in one launch, on rows that lie sorted by expert."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from dsocr_symbolic.verification.calls.bench import Bench, Maker, Subject


class _WithValues(torch.autograd.Function):
    """Hand a result on; its gradient comes back with values of its own: no grouped product takes an expanded one."""

    @staticmethod
    def forward(_: Any, x: Tensor) -> Tensor:
        """Return the same storage."""
        return x.view_as(x)

    @staticmethod
    def backward(_: Any, gradient: Tensor) -> Tensor:
        """Stand values in, which cost nothing here."""
        return torch.empty(gradient.shape, dtype=gradient.dtype, device=gradient.device)


def _handed_on(x: Tensor) -> Tensor:
    """Return what a call gives, so that a training step can begin there."""
    return _WithValues.apply(x) if x.requires_grad else x  # type: ignore[no-untyped-call]


class GroupedLinear(nn.Module):
    """One matrix per expert, [E, D_out, D_in], each on its own rows."""

    def __init__(self, experts: int, width: int, out: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(experts, out, width))

    def forward(self, x: Tensor, ends: Tensor) -> Tensor:
        """Multiply rows [T, D_in] that end, expert by expert, at ends [E]: [T, D_out]."""
        out: Tensor = torch._grouped_mm(x, self.weight.transpose(-2, -1), offs=ends)  # noqa: SLF001 - as PyTorch has it
        return out


class GroupedExperts(nn.Module):
    """Experts of gate, up and down projections as three grouped products."""

    def __init__(self, experts: int, width: int, inner: int) -> None:
        super().__init__()
        self.gate_proj = GroupedLinear(experts, width, inner)
        self.up_proj = GroupedLinear(experts, width, inner)
        self.down_proj = GroupedLinear(experts, inner, width)

    def forward(self, x: Tensor, counts: Tensor) -> Tensor:
        """Apply every expert to as many rows as counts [E] say: [R, D] -> [R, D]."""
        ends = counts.cumsum(0, dtype=torch.int32)
        out: Tensor = self.down_proj(functional.silu(self.gate_proj(x, ends)) * self.up_proj(x, ends), ends)
        return out


def _linear(bench: Bench, s: Mapping[str, Any]) -> Subject:
    made = bench.module(lambda: GroupedLinear(s["experts"], s["in_features"], s["out_features"]))
    x, ends = bench.empty(s["tokens"], s["in_features"]), bench.integers(s["experts"])
    return Subject(owner=made, call=_on(made, x, ends))


def _experts(bench: Bench, s: Mapping[str, Any]) -> Subject:
    width, experts = s["hidden_size"], s["n_routed_experts"]
    made = bench.module(lambda: GroupedExperts(experts, width, s["moe_intermediate_size"]))
    x, counts = bench.empty(s["rows"], width), bench.empty(experts, size=8)
    return Subject(owner=made, call=_on(made, x, counts))


def _on(module: nn.Module, x: Tensor, sizes: Tensor) -> Callable[[], Tensor]:
    return lambda: _handed_on(module(x, sizes))


EXPERTS: Mapping[str, Maker] = {"operators/grouped_linear": _linear, "decoder/experts_grouped": _experts}
