"""Compiled code in several proportions of frames, kernels and calls, by which the host's part of each is found.

Stacks are those of a server: blocks that are compiled one by one, and served decoders, all of sizes of no published
model. What they launch is counted as the formulas of the same code count it.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from dsocr_symbolic.measurement.served.compiled import LAUNCHES, block_chain, chain_of
from dsocr_symbolic.verification.reference.config import DecoderConfig
from dsocr_symbolic.verification.served.compiling import compiled
from dsocr_symbolic.verification.served.decoder import step_places
from dsocr_symbolic.verification.served.pages import new_pages
from dsocr_symbolic.verification.served.weights import build_served

KINDS: Mapping[str, str] = {
    "frame": "compiled_frame",
    "kernel": "compiled_launch",
    "call": "compiled_call",
    "passes": "sort_passes",
    "between": "between_launch",
}
"""What the host does, with the machine's symbol of each: entering a compiled function, launching a kernel in it,
calling PyTorch from it, the passes of a long sort besides, running an operator between two such functions."""
LAUNCHED = ("kernel", "call", "between")
"""Those of them that formulas count as launches."""
Call = Callable[[], object]

_BLOCKS, _WIDTH, _HEADS, _TOKENS = 12, 384, 6, 197
_LAYERS = 10
# Numbers of a sort without and with passes.
_SORTS = {"sorting": 1500, "long_sorting": 7000}
_DENSE = DecoderConfig(
    vocab_size=512,
    hidden_size=384,
    intermediate_size=1152,
    num_hidden_layers=_LAYERS,
    first_k_dense_replace=_LAYERS,
    num_attention_heads=3,
)
_ROUTED = DecoderConfig(
    vocab_size=512,
    hidden_size=512,
    intermediate_size=1280,
    moe_intermediate_size=320,
    num_hidden_layers=_LAYERS,
    first_k_dense_replace=1,
    num_attention_heads=4,
    n_routed_experts=24,
    n_shared_experts=1,
    num_experts_per_tok=4,
)
SERVED: Mapping[str, DecoderConfig] = {"served_dense": _DENSE, "served_routed": _ROUTED}
"""Served decoders, whose prompts are among the stacks."""
# Rows of a router are sorted by PyTorch from some 500 on.
_PROMPT = 170
_REQUESTS = 3
# Once: embedding, tables and norm before, product and cast behind, in three functions.
_ENDS = {"frame": 3, "kernel": 5, "call": 0, "passes": 0, "between": 0}
# By layer: what formulas/layers/served says of it.
_DENSE_LAYER = {"frame": 2, "kernel": 8, "call": 0, "passes": 0, "between": 2}
_ROUTED_LAYER = {"frame": 2, "kernel": 15, "call": 4, "passes": 0, "between": 2}


class ShortBlock(nn.Module):
    """One residual branch: norm, product, gate, product, sum."""

    WORK: Mapping[str, int] = {"frame": 1, "kernel": 5, "call": 0, "passes": 0, "between": 0}

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(_WIDTH)
        self.up, self.down = nn.Linear(_WIDTH, 2 * _WIDTH), nn.Linear(2 * _WIDTH, _WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """Apply it: [T, D] -> [T, D]."""
        out: Tensor = x + self.down(functional.silu(self.up(self.norm(x))))
        return out


class AttendingBlock(nn.Module):
    """A block of a vision transformer: norm, product, attention, product, sum, norm, product, gate, product, sum."""

    WORK: Mapping[str, int] = {"frame": 1, "kernel": 8, "call": 1, "passes": 0, "between": 0}

    def __init__(self) -> None:
        super().__init__()
        self.norms = nn.ModuleList(nn.LayerNorm(_WIDTH) for _ in range(2))
        self.qkv, self.out = nn.Linear(_WIDTH, 3 * _WIDTH), nn.Linear(_WIDTH, _WIDTH)
        self.up, self.down = nn.Linear(_WIDTH, 4 * _WIDTH), nn.Linear(4 * _WIDTH, _WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        """Apply it: [T, D] -> [T, D]."""
        q, k, v = self.qkv(self.norms[0](x)).view(1, len(x), 3, _HEADS, -1).permute(2, 0, 3, 1, 4).unbind(0)
        attended = functional.scaled_dot_product_attention(q, k, v)
        middle = x + self.out(attended.transpose(1, 2).reshape(x.shape))
        out: Tensor = middle + self.down(functional.gelu(self.up(self.norms[1](middle))))
        return out


class SortingBlock(nn.Module):
    """Whole numbers in order, mixed with where they came from; they stay below a bound."""

    BELOW = 64

    def forward(self, x: Tensor) -> Tensor:
        """Sort, and mix with the order: [n] -> [n]."""
        ranked, order = x.sort()
        return (ranked + order) % self.BELOW


def compiled_calls(device: str, *, compiles: bool) -> dict[str, tuple[Call, Mapping[str, int]]]:
    """Return a call of every stack, and what it does; on a CPU a dry run does the same plainly."""
    found: dict[str, tuple[Call, Mapping[str, int]]] = {
        "chain": (
            block_chain(_BLOCKS, device, compiles=compiles),
            {"frame": _BLOCKS, "kernel": _BLOCKS * LAUNCHES, "call": 0, "passes": 0, "between": 0},
        )
    }
    kinds: Mapping[str, type[ShortBlock | AttendingBlock]] = {"short_chain": ShortBlock, "attending": AttendingBlock}
    for name, block in kinds.items():
        first = torch.randn(_TOKENS, _WIDTH, dtype=torch.bfloat16, device=device)
        blocks = [block() for _ in range(_BLOCKS)]
        work = {kind: _BLOCKS * number for kind, number in block.WORK.items()}
        found[name] = chain_of(blocks, first, compiles=compiles), work
    for name, numbers in _SORTS.items():
        first = torch.randint(SortingBlock.BELOW, (numbers,), device=device)
        work = {"frame": _BLOCKS, "kernel": _BLOCKS, "call": _BLOCKS, "passes": 0, "between": 0}
        work["passes"] = _BLOCKS * (name == "long_sorting")
        found[name] = chain_of([SortingBlock() for _ in range(_BLOCKS)], first, compiles=compiles), work
    for name, config in SERVED.items():
        dense = config.first_k_dense_replace
        routed = config.num_hidden_layers - dense
        work = {kind: _ENDS[kind] + dense * _DENSE_LAYER[kind] + routed * _ROUTED_LAYER[kind] for kind in KINDS}
        call = _forward(config, device, batch=1, tokens=_PROMPT, past=0, compiles=compiles)
        found[name] = call, work
    return found


def decode_step(device: str, *, compiles: bool = True) -> Call:
    """Return a decode step of a few requests, which a graph can capture."""
    return _forward(_ROUTED, device, batch=_REQUESTS, tokens=1, past=_PROMPT, compiles=compiles)


def _forward(config: DecoderConfig, device: str, *, batch: int, tokens: int, past: int, compiles: bool) -> Call:
    decoder = build_served(config, device=device)
    with torch.no_grad():
        for parameter in decoder.parameters():
            parameter.normal_(std=0.02)
    calls = compiled(decoder) if compiles else decoder.calls
    pages = new_pages(config, requests=batch, tokens=past + tokens, page_tokens=16, device=device, dtype=torch.bfloat16)
    ids = torch.randint(config.vocab_size, (batch, tokens), device=device)
    places = step_places(pages[0], ids, past)

    def run() -> Tensor:
        # As a chain of blocks: one graph serves whoever calls.
        with torch.inference_mode(mode=False), torch.no_grad():
            out: Tensor = decoder(ids, pages, past, places=places, calls=calls)
        return out

    return run


def host_shares(work: Sequence[Mapping[str, int]], walls: Sequence[float]) -> dict[str, float]:
    """Find what each kind of work takes on the host.

    Least squares of errors relative to the walls, none below 0.

    Parameters
    ----------
    work : sequence of mapping of str to int
        By stack, how often a call does what :data:`KINDS` names.
    walls : sequence of float
        Seconds of each.

    Returns
    -------
    dict of str to float
        Seconds by the machine's symbol.
    """
    from scipy.optimize import nnls

    table = np.array([[each[kind] for kind in KINDS] for each in work], dtype=float)
    seconds = np.array(walls)
    found: Any = nnls(table / seconds[:, None], np.ones(len(walls)))[0]
    return dict(zip(KINDS.values(), map(float, found), strict=True))
