"""The served decoder under ``torch.compile``: whole graphs of what comes before and after each attention, by shape.

The cache write and the attention are kernels of their own in any case; left out, they do not bind a graph to a context.
What the compiler makes of an MoE layer, kernel by kernel, by the names of its own kernels (red, per: a reduction; poi:
element by element), shortened; products, write_pages, attention, top-k and longer sorts stay PyTorch's:

=========================== ================================================= =======================================
kernel                      reads                                             writes
=========================== ================================================= =======================================
mm                          normed, weight                                    qkv [T, 3D]
poi cat..neg                qkv, cos, sin [T, d]                              q and new side by side [T, 3D]
write_pages                 new, slots                                        pages
attention                   q; k and v of the pages (of new if past is 0)     [T, D]
mm                          its result, weight                                attended [T, D]
red add..rsqrt (norm)       x, attended, weight                               reciprocal root fp32 [T], normed fp32
                                                                              [T, D] for the router, normed [T, D]
mm                          normed fp32, weight fp32                          [T, E] fp32
per softmax                 [T, E] fp32                                       in place
topk                        [T, E]                                            [T, k] fp32, int64
per sort (R to some 500)    experts [R]                                       ranked int64 [R], order int16 [R]
or sort.stable              experts [R]                                       ranked, order int64 [R]
poi searchsorted            numbers [E], ranked [R]                           ends int32 [E]
poi index_select..rsqrt     order, x, attended, reciprocal root, norm weight  rows [R, D], normed anew
_grouped_mm                 rows, weights of experts hit, ends                [R, 2I]
poi silu                    [R, 2I]                                           [R, I]
_grouped_mm                 [R, I], weights of experts hit, ends              [R, D]
poi zeros                                                                     routed fp32 [T, D]
poi index_add               order, [R, D], weights [T, k]                     routed fp32, by atomic additions
mm, poi silu, mm            normed, weights                                   [T, 2I'], [T, I'], shared [T, D]
red add..rsqrt (next norm)  x, attended, routed fp32, shared, next weight     next x [T, D], next normed [T, D]
=========================== ================================================= =======================================

A dense layer has mm, poi silu and mm between its two norms, of which the first writes normed alone and the second reads
one output instead of routed and shared. Compiled by torch 2.13 and triton 3.9 for a GPU of compute capability 9.0.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from dsocr_symbolic.verification.served.decoder import Calls, ServedDecoder

SHAPES = 4096
"""How many shapes of one function are kept; PyTorch would give up after eight."""


def compiled(decoder: ServedDecoder) -> Calls:
    """Return a decoder's functions, to be compiled when they first meet a shape; layers of one kind share a graph."""
    # Set before the first call, for PyTorch reads it then.
    torch._dynamo.config.recompile_limit = SHAPES  # noqa: SLF001 - its public door
    torch._dynamo.config.accumulated_recompile_limit = SHAPES  # noqa: SLF001
    calls = decoder.calls
    return Calls(
        embedding=_whole(calls.embedding),
        tables=_whole(calls.tables),
        norm=_whole(calls.norm),
        layers=tuple(_layer(layer) for layer in decoder.layers),
        head=_whole(calls.head),
    )


def _layer(layer: Any) -> Callable[..., Any]:
    """Compile both sides of a layer's attention."""
    attention = layer.self_attn
    before, after = _whole(attention.joined), _whole(layer.after)

    def run(  # noqa: PLR0917 - as the layer itself
        x: Tensor,
        normed: Tensor,
        next_norm: nn.Module,
        cos: Tensor,
        sin: Tensor,
        slots: Tensor,
        pages: Tensor,
        past: int,
    ) -> Any:
        attended = attention.attend(*attention.parted(before(normed, cos, sin)), slots, pages, past)
        return after(x, attended, next_norm)

    return run


def _whole(function: Callable[..., Any]) -> Callable[..., Any]:
    """Compile one function, or a module's forward, without a break in its graph."""
    forward = function.forward if isinstance(function, nn.Module) else function
    out: Callable[..., Any] = torch.compile(forward, fullgraph=True, dynamic=False)
    return out
