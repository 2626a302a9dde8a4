"""Groups of operators that one kernel runs, each as one custom operator around plain torch.

A compiler makes such kernels of the served decoder, and engines bring their own. The plain code says what a kernel
computes, on the CPU and, without values, on the meta device; as a custom operator it is one launch.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

EPSILON = 1e-6


def one_launch(plain: Callable[..., Any], name: str = "", written: tuple[str, ...] = ()) -> Any:
    """Return a plain function as one operator, which without values does the same."""
    made = torch.library.custom_op(f"dsocr_symbolic::{name or plain.__name__}", plain, mutates_args=written)
    made.register_fake(plain if not written else lambda *_, **__: None)
    return made


def norm(x: Tensor, weight: Tensor) -> Tensor:
    """Divide rows by their root mean square and scale them: [T, D], [D] -> [T, D]."""
    wide = x.to(torch.float32)
    narrow = (wide * (wide.pow(2).mean(-1, keepdim=True) + EPSILON).rsqrt()).to(x.dtype)
    return weight * narrow


def fused_add_rms_norm(x: Tensor, added: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Add, and normalise the sum: [T, D] twice, [D] -> sum and norm [T, D]."""
    total = x + added
    return total, norm(total, weight)


def compiled_residual_norm(x: Tensor, added: Tensor, weight: Tensor) -> Tensor:
    """Add, and normalise the sum: [T, D] twice, [D] -> norm [T, D]."""
    return norm(x + added, weight)


def compiled_widened_norm(x: Tensor, added: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Do the same, and write the norm in fp32 and each row's reciprocal root as well: -> [T, D] twice, [T]."""
    wide = (x + added).to(torch.float32)
    root = (wide.pow(2).mean(-1, keepdim=True) + EPSILON).rsqrt()
    normed = weight * (wide * root).to(x.dtype)
    # A kernel writes both, whatever the dtype of the other one is.
    return normed, normed.to(torch.float32, copy=True), root.squeeze(-1)


def compiled_next_norm(x: Tensor, attended: Tensor, fed: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Add what attention and MLP give, and normalise: [T, D] thrice, [D] -> sum and norm [T, D]."""
    return fused_add_rms_norm(x + attended, fed, weight)


def compiled_routed_norm(
    x: Tensor, attended: Tensor, routed: Tensor, shared: Tensor, weight: Tensor
) -> tuple[Tensor, Tensor]:
    """Add what attention, routed and shared experts give, and normalise: -> sum and norm [T, D]."""
    return fused_add_rms_norm(x + attended, routed.to(x.dtype) + shared, weight)


def compiled_routed_alone_norm(x: Tensor, attended: Tensor, routed: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Do the same without shared experts."""
    return fused_add_rms_norm(x + attended, routed.to(x.dtype), weight)


def turned(x: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    """Turn heads by the angles of their tokens: [T, heads, d], [T, d] twice -> [T, heads, d]."""
    first, second = x.chunk(2, dim=-1)
    return x * cos.unsqueeze(1) + torch.cat((-second, first), dim=-1) * sin.unsqueeze(1)


def compiled_rotary(qkv: Tensor, cos: Tensor, sin: Tensor, heads: int) -> tuple[Tensor, Tensor]:
    """Turn queries and keys, and join keys and values: [T, heads + 2 kv heads, d] -> queries, rows of the cache."""
    kv_heads = (qkv.shape[1] - heads) // 2
    # Queries and keys as the served decoder turns them, together.
    both = turned(qkv.narrow(1, 0, heads + kv_heads), cos, sin)
    rows = torch.cat((both.narrow(1, heads, kv_heads), qkv.narrow(1, heads + kv_heads, kv_heads)), dim=1)
    return both.narrow(1, 0, heads).clone(), rows


def rotary_and_cache(pages: Tensor, qkv: Tensor, cos: Tensor, sin: Tensor, places: Tensor, heads: int) -> Tensor:  # noqa: PLR0917
    """Turn queries and keys, and write keys and values [slots, 2 kv heads, d] to their places: -> queries."""
    queries, rows = compiled_rotary(qkv, cos, sin, heads)
    pages.index_put_((places,), rows.to(pages.dtype))
    return queries


def gate(x: Tensor) -> Tensor:
    """Multiply SiLU of the first half of rows by the second: [T, 2I] -> [T, I]."""
    first, second = x.chunk(2, dim=-1)
    return torch.nn.functional.silu(first) * second


def compiled_tables(cos: Tensor, sin: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
    """Look cosines and sines up: tables [P, d], positions [T] -> [T, d] twice."""
    return cos.index_select(0, positions), sin.index_select(0, positions)


def moe_permute(x: Tensor, order: Tensor, chosen: int) -> Tensor:
    """Put rows in the order of their experts: [T, D], places among all choices [R] -> [R, D]."""
    return x.index_select(0, order // chosen)


def compiled_rows(  # noqa: PLR0917 - tensors of one kernel
    x: Tensor, attended: Tensor, root: Tensor, order: Tensor, weight: Tensor, chosen: int
) -> Tensor:
    """Norm rows anew in the order of their experts: [T, D] twice, [T], places [R], [D] -> [R, D]."""
    rows = order // chosen
    wide = (x.index_select(0, rows) + attended.index_select(0, rows)).to(torch.float32)
    return weight * (wide * root.index_select(0, rows).unsqueeze(-1)).to(x.dtype)


def compiled_sort(experts: Tensor) -> tuple[Tensor, Tensor]:
    """Sort the numbers of up to 512 experts: int64 [R] -> sorted int64 [R], their places int16 [R]."""
    ranked, order = experts.sort()
    return ranked, order.to(torch.int16)


def compiled_weighted_add(sums: Tensor, order: Tensor, x: Tensor, weights: Tensor, chosen: int) -> None:
    """Weigh rows in fp32 and add them to their tokens' sums: sums [T, D], places [R], rows [R, D], weights [R]."""
    sums.index_add_(0, order // chosen, x * weights.index_select(0, order).unsqueeze(-1))


def weighted_expert_sum(x: Tensor, order: Tensor, weights: Tensor, chosen: int) -> Tensor:
    """Sum each token's rows, weighed in fp32: rows [R, D], their places [R], weights [R] -> [T, D]."""
    at = order.argsort()
    parts = (x.index_select(0, at) * weights.unsqueeze(-1)).view(-1, chosen, x.shape[-1])
    return parts.sum(1).to(x.dtype)


def compiled_shares(weights: Tensor) -> Tensor:
    """Divide the weights of each token's experts by their sum: [T, k] -> [T, k]."""
    return weights / weights.sum(-1, keepdim=True)


def topk_softmax(scores: Tensor, chosen: int) -> tuple[Tensor, Tensor]:
    """Choose experts by their softmax: [T, E] -> weights and experts [T, k]."""
    weights, experts = torch.topk(scores.softmax(dim=-1), k=chosen, dim=-1, sorted=False)
    return weights, experts


PLAIN: dict[str, Callable[..., Any]] = {
    "compiled_norm": norm,
    "rms_norm": norm,
    "compiled_gate": gate,
    "silu_and_mul": gate,
    **{
        each.__name__: each
        for each in (
            fused_add_rms_norm,
            compiled_residual_norm,
            compiled_widened_norm,
            compiled_next_norm,
            compiled_routed_norm,
            compiled_routed_alone_norm,
            compiled_shares,
            compiled_rotary,
            compiled_sort,
            moe_permute,
            compiled_tables,
            compiled_rows,
            weighted_expert_sum,
            topk_softmax,
        )
    },
}
"""What each kernel computes, by its name; those that write in place stand apart."""
GROUPS: dict[str, Any] = {name: one_launch(plain, name) for name, plain in PLAIN.items()}
GROUPS["compiled_weighted_add"] = one_launch(compiled_weighted_add, written=("sums",))
GROUPS["rotary_and_cache"] = torch.library.custom_op(
    "dsocr_symbolic::rotary_and_cache", rotary_and_cache, mutates_args=("pages",)
)
GROUPS["rotary_and_cache"].register_fake(lambda _, qkv, *__: qkv.new_empty(qkv.shape[0], __[-1], qkv.shape[2]))
"""Every kernel as one operator."""
