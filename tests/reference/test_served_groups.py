"""Kernels of compilers and engines compute, as one operator, what the served decoder does, and count as formulas."""

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from dsocr_symbolic.verification.calls.comparison import formula_numbers
from dsocr_symbolic.verification.reference.deepseek_v2 import DeepseekV2RMSNorm
from dsocr_symbolic.verification.reference.llama import rotate
from dsocr_symbolic.verification.reference.trace import OperatorTrace
from dsocr_symbolic.verification.served.experts import gated
from dsocr_symbolic.verification.served.groups import EPSILON, GROUPS, PLAIN
from dsocr_symbolic.verification.served.pages import write_pages

Sizes = dict[str, int]
METRICS = ("forward_tensor_core_flops", "forward_io_bytes", "operator_launches")


@frozen(kw_only=True)
class Kernel:
    """A kernel at some sizes.

    Attributes
    ----------
    formula, symbols : str, mapping
        The formula's file, and its symbols by sizes.
    inputs : tuple
        Shape and dtype of each tensor by sizes, and numbers that follow them; ``float`` is the network's dtype.
    steps : callable
        What the served decoder does instead, operator by operator.
    """

    formula: str
    symbols: Callable[[Sizes], Sizes]
    inputs: Callable[[Sizes], tuple[Any, ...]]
    steps: Callable[..., Any]


def _norm(x: Tensor, weight: Tensor) -> Tensor:
    module = DeepseekV2RMSNorm(len(weight), EPSILON)
    module.weight.data = weight
    return module(x)  # type: ignore[no-any-return]


def _after(x: Tensor, added: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    return x + added, _norm(x + added, weight)


def _rooted(x: Tensor, added: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    total, normed = _after(x, added, weight)
    return normed, normed, (total.pow(2).mean(-1) + EPSILON).rsqrt()


def _turned(qkv: Tensor, cos: Tensor, sin: Tensor, heads: int) -> tuple[Tensor, Tensor]:
    kv_heads = (qkv.shape[1] - heads) // 2
    both = rotate(qkv[None, :, : heads + kv_heads], cos[None, :, None], sin[None, :, None])[0]
    return both[:, :heads], torch.cat((both[:, heads:], qkv[:, heads + kv_heads :]), dim=1)


def _written(pages: Tensor, qkv: Tensor, cos: Tensor, sin: Tensor, places: Tensor, heads: int) -> Tensor:  # noqa: PLR0917
    queries, rows = _turned(qkv, cos, sin, heads)
    write_pages(pages.view(len(pages), 1, 2, -1, pages.shape[-1]), rows.view(len(rows), 2, -1, rows.shape[-1]), places)
    return queries


def _combined(x: Tensor, order: Tensor, weights: Tensor, chosen: int) -> Tensor:
    sums = torch.zeros(len(x) // chosen, x.shape[-1])
    return sums.index_add_(0, order // chosen, x * weights[order][:, None])


def _added(sums: Tensor, order: Tensor, x: Tensor, weights: Tensor, chosen: int) -> None:
    sums += _combined(x, order, weights, chosen)


def _rows(s: Sizes) -> tuple[Any, ...]:
    return (s["t"], s["d"]), float


def _of_heads(s: Sizes) -> tuple[Any, ...]:
    angles = (s["t"], s["w"]), float
    return ((s["t"], s["h"] + 2 * s["g"], s["w"]), float), angles, angles


def _rotary(s: Sizes) -> Sizes:
    widths = {"q_width": s["h"] * s["w"], "kv_width": s["g"] * s["w"], "head_dim": s["w"]}
    return {"tokens": s["t"], **widths}


def _residual(s: Sizes, **more: int) -> Sizes:
    return {"tokens": s["t"], "hidden_size": s["d"], **more}


_WEIGHT = lambda s: ((s["d"],), float)  # noqa: E731
_THREE = lambda s: (_rows(s), _rows(s), _WEIGHT(s))  # noqa: E731
_ORDER = lambda s: ((s["t"] * s["k"],), int)  # noqa: E731
# As a sort in one block leaves them.
_PLACES = lambda s: ((s["t"] * s["k"],), torch.int16)  # noqa: E731
_SHARES = lambda s: ((s["t"] * s["k"],), torch.float32)  # noqa: E731
_CHOSEN = lambda s: ((s["t"] * s["k"], s["d"]), float)  # noqa: E731
KERNELS: dict[str, Kernel] = {
    **{
        name: Kernel(formula=formula, symbols=_residual, inputs=lambda s: (_rows(s), _WEIGHT(s)), steps=_norm)
        for name, formula in (("compiled_norm", "compiled_norm"), ("rms_norm", "engine_norm"))
    },
    "fused_add_rms_norm": Kernel(
        formula="engine_residual_norm", symbols=lambda s: _residual(s, widened=0), inputs=_THREE, steps=_after
    ),
    "compiled_residual_norm": Kernel(
        formula="residual_norm_group",
        symbols=lambda s: _residual(s, widened=0),
        inputs=_THREE,
        steps=lambda *tensors: _after(*tensors)[1],
    ),
    "compiled_widened_norm": Kernel(
        formula="residual_norm_group", symbols=lambda s: _residual(s, widened=1), inputs=_THREE, steps=_rooted
    ),
    "compiled_next_norm": Kernel(
        formula="next_norm_group",
        symbols=_residual,
        inputs=lambda s: (_rows(s), _rows(s), _rows(s), _WEIGHT(s)),
        steps=lambda x, attended, fed, weight: _after(x + attended, fed, weight),
    ),
    "compiled_routed_norm": Kernel(
        formula="routed_norm_group",
        symbols=_residual,
        inputs=lambda s: (_rows(s), _rows(s), ((s["t"], s["d"]), torch.float32), _rows(s), _WEIGHT(s)),
        steps=lambda x, attended, routed, shared, weight: _after(x + attended, routed + shared, weight),
    ),
    "compiled_routed_alone_norm": Kernel(
        formula="routed_alone_group",
        symbols=_residual,
        inputs=lambda s: (_rows(s), _rows(s), ((s["t"], s["d"]), torch.float32), _WEIGHT(s)),
        steps=lambda x, attended, routed, weight: _after(x + attended, routed, weight),
    ),
    "compiled_shares": Kernel(
        formula="share_group",
        symbols=lambda s: {"tokens": s["t"], "num_experts_per_tok": s["k"]},
        inputs=lambda s: (((s["t"], s["k"]), torch.float32),),
        steps=lambda weights: weights / weights.sum(-1)[:, None],
    ),
    "compiled_sort": Kernel(
        formula="sort_group",
        symbols=lambda s: {"elements": s["t"] * s["k"]},
        inputs=lambda s: (_ORDER(s),),
        steps=lambda experts: (experts.sort()[0], experts.argsort().to(torch.int16)),
    ),
    "compiled_rotary": Kernel(
        formula="rotary_group", symbols=_rotary, inputs=lambda s: (*_of_heads(s), s["h"]), steps=_turned
    ),
    "rotary_and_cache": Kernel(
        formula="rotary_write",
        symbols=_rotary,
        inputs=lambda s: (((9, 2 * s["g"], s["w"]), float), *_of_heads(s), ((s["t"],), int), s["h"]),
        steps=_written,
    ),
    **{
        name: Kernel(
            formula=formula,
            symbols=lambda s: {"elements": s["t"] * s["d"]},
            inputs=lambda s: (((s["t"], 2 * s["d"]), float),),
            steps=gated,
        )
        for name, formula in (("compiled_gate", "compiled_gate"), ("silu_and_mul", "engine_gate"))
    },
    "compiled_tables": Kernel(
        formula="table_group",
        symbols=lambda s: {"stored": 9, "tokens": s["t"], "head_dim": s["w"]},
        inputs=lambda s: (*(2 * [((9, s["w"]), float)]), ((s["t"],), int)),
        steps=lambda cos, sin, places: (cos[places], sin[places]),
    ),
    "moe_permute": Kernel(
        formula="engine_rows",
        symbols=lambda s: {"stored": s["t"], "indices": s["t"] * s["k"], "width": s["d"]},
        inputs=lambda s: (_rows(s), _ORDER(s), s["k"]),
        steps=lambda x, order, chosen: x[order // chosen],
    ),
    "compiled_rows": Kernel(
        formula="row_group",
        symbols=lambda s: {"stored": s["t"], "indices": s["t"] * s["k"], "width": s["d"]},
        inputs=lambda s: (_rows(s), _rows(s), ((s["t"],), torch.float32), _PLACES(s), _WEIGHT(s), s["k"]),
        steps=lambda x, attended, root, order, weight, chosen: (
            weight * ((x + attended) * root[:, None])[order // chosen]
        ),
    ),
    "compiled_weighted_add": Kernel(
        formula="weighted_add_group",
        symbols=lambda s: {"rows": s["t"] * s["k"], "width": s["d"]},
        inputs=lambda s: (((s["t"], s["d"]), torch.float32), _PLACES(s), _CHOSEN(s), _SHARES(s), s["k"]),
        steps=_added,
    ),
    "weighted_expert_sum": Kernel(
        formula="weighted_expert_sum",
        symbols=lambda s: {"targets": s["t"], "rows": s["t"] * s["k"], "width": s["d"]},
        inputs=lambda s: (_CHOSEN(s), _ORDER(s), _SHARES(s), s["k"]),
        steps=_combined,
    ),
    "topk_softmax": Kernel(
        formula="topk_softmax",
        symbols=lambda s: {"rows": s["t"], "choices": s["k"] + 3, "chosen": s["k"]},
        inputs=lambda s: (((s["t"], s["k"] + 3), torch.float32), s["k"]),
        steps=lambda scores, chosen: scores.softmax(-1).topk(chosen, sorted=False),
    ),
}
SIZES = st.fixed_dictionaries(
    {
        "t": st.integers(1, 5),
        "d": st.integers(2, 9),
        "h": st.integers(1, 4),
        "g": st.integers(1, 2),
        "w": st.integers(1, 4).map(lambda half: 2 * half),
        "k": st.integers(1, 3),
    }
)


def _made(kernel: Kernel, sizes: Sizes, device: str, wide: torch.dtype) -> list[Any]:
    """Make the inputs; whole numbers are places, each of which stands there once."""
    made: list[Any] = []
    for each in kernel.inputs(sizes):
        if isinstance(each, int):
            made.append(each)
            continue
        shape, kind = each
        if kind in {int, torch.int16}:
            # Operators of PyTorch, which say on a CPU what a kernel computes, look nothing up by 2 bytes.
            narrow = kind is torch.int16 and device == "meta"
            made.append(torch.randperm(*shape).to(device, torch.int16 if narrow else torch.int64))
        else:
            made.append(torch.randn(shape).to(device, wide if kind is float else kind))
    return made


def test_every_kernel_of_a_compiler_or_an_engine_is_here() -> None:
    assert KERNELS.keys() == GROUPS.keys()


@pytest.mark.parametrize("name", KERNELS)
@settings(max_examples=10, deadline=None)
@given(sizes=SIZES)
def test_a_kernel_computes_what_the_served_decoder_does(name: str, sizes: Sizes) -> None:
    kernel = KERNELS[name]
    given_ = _made(kernel, sizes, "cpu", torch.float32)
    alike = [each.clone() if isinstance(each, Tensor) else each for each in given_]
    with torch.no_grad():
        found, expected = GROUPS[name](*given_), kernel.steps(*alike)
    # What is written in place is a result as well.
    torch.testing.assert_close(given_, alike)
    torch.testing.assert_close(tuple(found) if isinstance(expected, tuple) else found, expected)


@pytest.mark.parametrize("name", KERNELS)
@settings(max_examples=10, deadline=None)
@given(sizes=SIZES)
def test_a_kernel_counts_as_its_formula(name: str, sizes: Sizes) -> None:
    kernel = KERNELS[name]
    given_ = _made(kernel, sizes, "meta", torch.bfloat16)
    with torch.no_grad(), OperatorTrace() as trace:
        GROUPS[name](*given_)
    total = trace.total
    counted = (total.tensor_core_flops, total.io_bytes, total.launches)
    numbers = formula_numbers(f"operators/{kernel.formula}", kernel.symbols(sizes), {}).total
    assert tuple(numbers[metric] for metric in METRICS) == counted
    # Its FLOPs are those of the operators that it stands for.
    plain = PLAIN.get(name) or GROUPS[name]._init_fn
    with torch.no_grad(), OperatorTrace() as steps:
        plain(*given_)
    assert numbers["forward_cuda_core_flops"] == steps.total.cuda_core_flops
