"""The calls that a benchmark may name: what each makes of a record's tensors and settings."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812 - its name everywhere
from attrs import frozen
from torch import Tensor

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.measurement.served.compiled import can_compile, compiled_function

DTYPES = {"bf16": torch.bfloat16, "fp32": torch.float32, "int64": torch.int64, "bool": torch.bool}
"""By their names in records."""

Setting = int | float | str
Call = Callable[[], object]

# The kernel is the same whatever the slope.
_QUICK_GELU = "def quick_gelu(x):\n    return x * torch.sigmoid(1.5 * x)\n"
_SCALAR, _ID, _COPIES = 1.5, 3, 6
_FIRST_CALLS = 4
_EPSILON = 1e-6


@frozen(kw_only=True)
class OperatorInputs:
    """What a record gives to a call.

    Attributes
    ----------
    tensors : tuple of Tensor
        Its operands, in the call's order.
    settings : mapping of str to (int, float or str)
        As the record has them.
    device : str
        Where tensors are made.
    """

    tensors: tuple[Tensor, ...] = ()
    settings: Mapping[str, Setting]
    device: str

    def whole(self, name: str, default: int = 0) -> int:
        """Return a setting that is an integer; those that an operator needs are there."""
        return int(self.settings.get(name, default))

    def dtype(self, default: str | None = None) -> torch.dtype | None:
        """Return the setting ``dtype``, by default another one or none."""
        name = self.settings.get("dtype", default)
        return None if name is None else DTYPES[str(name)]


@frozen(kw_only=True)
class TimedOperator:
    """What can be timed.

    Attributes
    ----------
    bind : callable
        From what is given to what is called, with everything premade that is not part of it.
    operands : tuple of int
        How many tensors it takes, at least and at most.
    settings : tuple of str
        Those that a record must have.
    options : tuple of str
        Those that it may have.
    in_place : bool
        Whether it writes into its first tensor.
    """

    bind: Callable[[OperatorInputs], Call]
    operands: tuple[int, int]
    settings: tuple[str, ...] = ()
    options: tuple[str, ...] = ()
    in_place: bool = False


def _on_tensors(function: Callable[..., object], operands: int, *, in_place: bool = False) -> TimedOperator:
    """Describe what takes tensors alone."""
    return TimedOperator(
        bind=lambda given: lambda: function(*given.tensors), operands=(operands, operands), in_place=in_place
    )


def _on_given(
    function: Callable[[OperatorInputs], object],
    operands: int,
    settings: str = "",
    options: str = "",
    *,
    most: int | None = None,
) -> TimedOperator:
    """Describe what takes settings, or another number of tensors from case to case."""
    return TimedOperator(
        bind=lambda given: lambda: function(given),
        operands=(operands, operands if most is None else most),
        settings=tuple(settings.split()),
        options=tuple(options.split()),
    )


def _put(y: Tensor, index: Tensor, x: Tensor) -> Tensor:
    y[index] = x
    return y


def _quick_gelu(given: OperatorInputs) -> Call:
    """Compile it afresh: TorchScript keeps what it made of the shapes that it saw first."""
    compiled = torch.jit.CompilationUnit(_QUICK_GELU).quick_gelu
    (x,) = given.tensors
    for _ in range(_FIRST_CALLS):
        compiled(x)
    return lambda: compiled(x)


def _grouped(given: OperatorInputs) -> Call:
    """Multiply equal groups of x [T, K] by their w [E, N, K] each."""
    product: Any = getattr(torch, "_grouped_mm", None) or getattr(F, "grouped_mm", None)
    if product is None:
        raise UserError(f"torch {torch.__version__} has no grouped product: leave this record out")
    x, w = given.tensors
    ends = torch.arange(1, len(w) + 1, device=given.device) * len(x) // len(w)
    offsets, transposed = ends.to(torch.int32), w.transpose(-2, -1)
    return lambda: product(x, transposed, offs=offsets)


def _compiled(function: Callable[..., object]) -> Callable[[OperatorInputs], Call]:
    """Let a function of the tensors be compiled for a GPU; a CPU calls it as it is."""

    def bind(given: OperatorInputs) -> Call:
        made = function if given.device == "cpu" else torch.compile(function, fullgraph=True, dynamic=False)
        return lambda: made(*given.tensors)

    return bind


def _sum_and_norm(x: Tensor, added: Tensor, weight: Tensor) -> Tensor:
    """Return the root-mean-square norm, taken in fp32, of a sum [T, D]."""
    total = x + added
    wide = total.float()
    return weight * (wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + _EPSILON)).to(x.dtype)


def _row_add(y: Tensor, order: Tensor, weights: Tensor, x: Tensor) -> Tensor:
    """Add rows of x [R, D], weighed in the order of their places, to rows of y [T, D]: place // (R/T)."""
    rows = order // (len(order) // len(y))
    return y.index_add_(0, rows, x * weights.index_select(0, order).unsqueeze(-1))


def _attention(given: OperatorInputs) -> Tensor:
    q, k, v = given.tensors
    return F.scaled_dot_product_attention(q, k, v, is_causal=bool(given.whole("causal")))


def _masked_attention(q: Tensor, k: Tensor, v: Tensor, mask: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)


def _sum_in_order(x: Tensor, y: Tensor) -> Tensor:
    return (x + y).contiguous()


def _compiled_sum(given: OperatorInputs) -> Call:
    """Add, and write the sum in order of its axes, in one kernel of a compiler; plainly where there is none."""
    x, y = given.tensors
    compiles = given.device != "cpu" and can_compile()
    function = compiled_function(_sum_in_order) if compiles else _sum_in_order
    return lambda: function(x, y)


def _convolution(given: OperatorInputs) -> Tensor:
    x, w, *bias = given.tensors
    stride, padding = given.whole("stride"), given.whole("padding")
    return F.conv2d(x, w, bias[0] if bias else None, stride=stride, padding=padding)


def _bicubic(given: OperatorInputs) -> Tensor:
    side, antialias = given.whole("size"), bool(given.whole("antialias"))
    return F.interpolate(given.tensors[0], size=(side, side), mode="bicubic", align_corners=False, antialias=antialias)


def _linear_resize(given: OperatorInputs) -> Tensor:
    return F.interpolate(given.tensors[0], size=given.whole("size"), mode="linear", align_corners=False)


def _sum(given: OperatorInputs) -> Tensor:
    return given.tensors[0].sum(given.whole("axis"), keepdim=bool(given.whole("keepdim", 0)))


def _mean(given: OperatorInputs) -> Tensor:
    return given.tensors[0].mean(given.whole("axis"), keepdim=bool(given.whole("keepdim")))


def _pad(given: OperatorInputs) -> Tensor:
    """Add rows below and columns to the right of [batch, height, width, channels]."""
    by = given.whole("by")
    return F.pad(given.tensors[0], (0, 0, 0, by, 0, by))


def _new_zeros(given: OperatorInputs) -> Tensor:
    """Make as many rows as the tensor has, as a router's counts are made."""
    x = given.tensors[0]
    return x.new_zeros((len(x), given.whole("columns")))


OPERATORS: Mapping[str, TimedOperator] = {
    # Elementwise.
    "add": _on_tensors(torch.add, 2),
    "subtract": _on_tensors(torch.sub, 2),
    "multiply": _on_tensors(torch.mul, 2),
    "divide": _on_tensors(torch.div, 2),
    "lt": _on_tensors(torch.lt, 2),
    "add_scalar": _on_tensors(lambda x: x + _SCALAR, 1),
    "multiply_scalar": _on_tensors(lambda x: x * _SCALAR, 1),
    "floor_divide": _on_tensors(lambda x: x // _COPIES, 1),
    "eq": _on_tensors(lambda x: x == _ID, 1),
    "neg": _on_tensors(torch.neg, 1),
    "square": _on_tensors(lambda x: x.pow(2), 1),
    "sqrt": _on_tensors(torch.sqrt, 1),
    "rsqrt": _on_tensors(torch.rsqrt, 1),
    "cos": _on_tensors(torch.cos, 1),
    "sin": _on_tensors(torch.sin, 1),
    "sigmoid": _on_tensors(torch.sigmoid, 1),
    "silu": _on_tensors(F.silu, 1),
    "gelu": _on_tensors(F.gelu, 1),
    "quick_gelu": TimedOperator(bind=_quick_gelu, operands=(1, 1)),
    "widen": _on_tensors(lambda x: x.float(), 1),
    "narrow": _on_tensors(lambda x: x.bfloat16(), 1),
    "to_int64": _on_tensors(lambda x: x.long(), 1),
    "contiguous": _on_tensors(lambda x: x.contiguous(), 1),
    "add_inplace": _on_tensors(lambda x, y: x.add_(y), 2, in_place=True),
    "multiply_inplace": _on_tensors(lambda x, y: x.mul_(y), 2, in_place=True),
    "masked_fill": _on_tensors(lambda x, mask: x.masked_fill_(mask, 0), 2, in_place=True),
    # Along an axis.
    "sum": _on_given(_sum, 1, "axis", "keepdim"),
    "mean": _on_given(_mean, 1, "axis keepdim"),
    "integer_sum": _on_tensors(lambda x: x.sum(0), 1),
    "cumsum": _on_tensors(lambda x: x.cumsum(-1), 1),
    "layer_norm": _on_tensors(lambda x, w, b: F.layer_norm(x, w.shape, w, b), 3),
    "softmax": _on_given(lambda given: F.softmax(given.tensors[0], dim=-1, dtype=given.dtype()), 1, options="dtype"),
    "topk": _on_given(lambda given: torch.topk(given.tensors[0], given.whole("k"), dim=-1, sorted=False), 1, "k"),
    "argsort": _on_tensors(lambda x: x.argsort(), 1),
    # As a compiler writes them.
    "compiled_norm": TimedOperator(bind=_compiled(_sum_and_norm), operands=(3, 3)),
    "compiled_sort": TimedOperator(bind=_compiled(lambda x: x.sort()), operands=(1, 1)),
    "compiled_row_add": TimedOperator(bind=_compiled(_row_add), operands=(4, 4), in_place=True),
    # Made, moved.
    "arange": _on_given(lambda given: torch.arange(given.whole("elements"), device=given.device), 0, "elements"),
    "zeros": _on_given(
        lambda given: torch.zeros(given.whole("elements"), dtype=given.dtype("bf16"), device=given.device),
        0,
        "elements",
        "dtype",
    ),
    "full": _on_given(
        lambda given: torch.full((given.whole("elements"),), _ID, dtype=given.dtype("bf16"), device=given.device),
        0,
        "elements",
        "dtype",
    ),
    "new_zeros": _on_given(_new_zeros, 1, "columns"),
    "pad_bottom_right": _on_given(_pad, 1, "by"),
    "cat": _on_given(lambda given: torch.cat(given.tensors, dim=given.whole("axis")), 1, "axis", most=100),
    "to_host": _on_tensors(lambda x: x.cpu(), 1),
    "item": _on_tensors(lambda x: x.item(), 1),
    "compiled_sum": TimedOperator(bind=_compiled_sum, operands=(2, 2)),
    # By index.
    "scatter_ones": _on_tensors(lambda counts, index: counts.scatter_(1, index, 1), 2, in_place=True),
    "index_rows": _on_tensors(lambda x, index: x[index], 2),
    "embedding": _on_tensors(F.embedding, 2),
    "index_put": _on_tensors(_put, 3, in_place=True),
    "masked_put": _on_tensors(_put, 3, in_place=True),
    "masked_scatter": _on_tensors(lambda y, mask, x: y.masked_scatter_(mask, x), 3, in_place=True),
    # Products.
    "mm": _on_tensors(F.linear, 2),
    "addmm": _on_tensors(F.linear, 3),
    "bmm": _on_tensors(torch.matmul, 2),
    "grouped_mm": TimedOperator(bind=_grouped, operands=(2, 2)),
    "sdpa": _on_given(_attention, 3, "causal"),
    "sdpa_mask": _on_tensors(_masked_attention, 4),
    "conv2d": _on_given(_convolution, 2, "stride padding", most=3),
    "bicubic": _on_given(_bicubic, 1, "size antialias"),
    "linear_resize": _on_given(_linear_resize, 1, "size"),
}
"""By the name of the call. Tensors stand in PyTorch's order, what is written into first, weights as [out, in]."""
