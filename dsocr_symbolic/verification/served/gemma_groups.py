"""Groups of operators between Gemma 3's products that one kernel runs: a compiler's and an engine's.

As in :mod:`.groups`: the plain code says what a kernel computes, as a custom operator it is one launch.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from dsocr_symbolic.verification.served.groups import EPSILON, one_launch, turned


def _root(wide: Tensor) -> Tensor:
    return (wide.pow(2).mean(-1, keepdim=True) + EPSILON).rsqrt()


def _scaled(wide: Tensor, root: Tensor, weight: Tensor, dtype: torch.dtype) -> Tensor:
    return (wide * root * (1.0 + weight.to(torch.float32))).to(dtype)


def offset_norm(x: Tensor, weight: Tensor) -> Tensor:
    """Divide rows by their root mean square and scale them by 1 plus a weight: [..., D], [D] -> [..., D]."""
    wide = x.to(torch.float32)
    return _scaled(wide, _root(wide), weight, x.dtype)


def gemma_fused_add_rms_norm(x: Tensor, added: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Add, and normalise the sum: [T, D] twice, [D] -> sum and norm [T, D]."""
    total = x + added
    return total, offset_norm(total, weight)


def compiled_sandwich_norm(x: Tensor, attended: Tensor, behind: Tensor, before: Tensor) -> tuple[Tensor, Tensor]:
    """Norm what the attention gives, add, and norm the sum: [T, D] twice, [D] twice -> norm [T, D], root fp32 [T]."""
    wide = attended.to(torch.float32)
    root = _root(wide)
    return offset_norm(x + _scaled(wide, root, behind, x.dtype), before), root.squeeze(-1)


def compiled_sandwich_next(  # noqa: PLR0917 - tensors of one kernel
    x: Tensor, attended: Tensor, root: Tensor, scale: Tensor, fed: Tensor, behind: Tensor, after: Tensor
) -> tuple[Tensor, Tensor]:
    """Add what the attention gave, normed by its root, and the normed MLP's: -> sum and its norm, [T, D] each."""
    middle = x + _scaled(attended.to(torch.float32), root.unsqueeze(-1), scale, x.dtype)
    return gemma_fused_add_rms_norm(middle, offset_norm(fed, behind), after)


def compiled_scaled_rows(table: Tensor, ids: Tensor, factor: float) -> Tensor:
    """Look rows up and multiply them: [V, D], ids [T] -> [T, D]."""
    return functional.embedding(ids, table) * factor


def gelu_gate(x: Tensor) -> Tensor:
    """Multiply tanh's GELU of the first half of rows by the second: [T, 2I] -> [T, I]."""
    first, second = x.chunk(2, dim=-1)
    return functional.gelu(first, approximate="tanh") * second


def parted_rotary(q: Tensor, k: Tensor, v: Tensor, cos: Tensor, sin: Tensor) -> tuple[Tensor, Tensor]:
    """Turn queries and keys that norms left apart, and join keys and values: [T, heads, d] -> queries, rows."""
    return turned(q, cos, sin), torch.cat((turned(k, cos, sin), v), dim=1)


def parted_rotary_and_cache(  # noqa: PLR0917 - tensors of one kernel
    pages: Tensor, q: Tensor, k: Tensor, v: Tensor, cos: Tensor, sin: Tensor, places: Tensor
) -> Tensor:
    """Turn queries and keys, and write keys and values [slots, 2 kv heads, d] to their places: -> queries."""
    queries, rows = parted_rotary(q, k, v, cos, sin)
    pages.index_put_((places,), rows.to(pages.dtype))
    return queries


PLAIN: dict[str, Callable[..., Any]] = {
    "compiled_offset_norm": offset_norm,
    "gemma_rms_norm": offset_norm,
    "compiled_gelu_gate": gelu_gate,
    "gelu_tanh_and_mul": gelu_gate,
    **{
        each.__name__: each
        for each in (
            gemma_fused_add_rms_norm,
            compiled_sandwich_norm,
            compiled_sandwich_next,
            compiled_scaled_rows,
            parted_rotary,
        )
    },
}
"""What each kernel computes, by its name; the one that writes in place stands apart."""
GROUPS: dict[str, Any] = {name: one_launch(plain, name) for name, plain in PLAIN.items()}
GROUPS["parted_rotary_and_cache"] = torch.library.custom_op(
    "dsocr_symbolic::parted_rotary_and_cache", parted_rotary_and_cache, mutates_args=("pages",)
)
GROUPS["parted_rotary_and_cache"].register_fake(lambda _, q, *__: q.new_empty(q.shape))
"""Every kernel as one operator."""
