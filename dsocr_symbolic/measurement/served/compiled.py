"""Small functions under ``torch.compile``: what a compiler's kernels take, and the host that launches them."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

ROWS, WIDTH, INNER = 77, 640, 1792
"""Sizes of no published model, with which the GPU is done long before the host is."""
LAUNCHES = 9
"""Kernels of a compiled block: norm, product, gate, product, sum with norm, product, gate, product, sum."""
SHAPES = 64
"""How many shapes of one function are kept; PyTorch would give up after eight."""


class CompiledBlock(nn.Module):
    """Two residual branches of a norm and two products each, as a transformer's blocks are made."""

    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(2))
        self.up = nn.ModuleList(nn.Linear(WIDTH, INNER) for _ in range(2))
        self.down = nn.ModuleList(nn.Linear(INNER, WIDTH) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        """Apply both branches: [T, D] -> [T, D]."""
        middle = x + self.down[0](functional.silu(self.up[0](self.norms[0](x))))
        out: Tensor = middle + self.down[1](functional.silu(self.up[1](self.norms[1](middle))))
        return out


def can_compile() -> bool:
    """Say whether ``torch.compile`` has what it needs to write kernels for the GPU at hand."""
    from torch.utils._triton import has_triton

    return bool(has_triton())


def compiled_function(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile a function without a break in its graph, for each shape that it meets."""
    # Its public door.
    torch._dynamo.config.recompile_limit = max(SHAPES, torch._dynamo.config.recompile_limit)  # noqa: SLF001
    out: Callable[..., Any] = torch.compile(function, fullgraph=True, dynamic=False)
    return out


def block_chain(blocks: int, device: str, *, compiles: bool) -> Callable[[], Tensor]:
    """Return a call of some blocks, one after the other, in bf16 and each compiled by itself.

    Parameters
    ----------
    blocks : int
        How many; they share what the compiler makes of one.
    device : str
        Where they run.
    compiles : bool
        Whether they are compiled; on a CPU a dry run does the same plainly.
    """
    first = torch.randn(ROWS, WIDTH, dtype=torch.bfloat16, device=device)
    return chain_of([CompiledBlock() for _ in range(blocks)], first, compiles=compiles)


def chain_of(blocks: Sequence[nn.Module], first: Tensor, *, compiles: bool) -> Callable[[], Tensor]:
    """Return a call of blocks, one after the other, in bf16 and on the device of what the first one gets."""
    made = [block.to(first.device, torch.bfloat16).eval().requires_grad_(requires_grad=False) for block in blocks]
    steps = [compiled_function(block.forward) if compiles else block.forward for block in made]

    def run() -> Tensor:
        # Whoever calls may infer or not: one graph serves both, as tensors of inference would need another one.
        with torch.inference_mode(mode=False), torch.no_grad():
            x = first
            for step in steps:
                x = step(x)
        return x

    return run
