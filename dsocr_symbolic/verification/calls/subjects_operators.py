"""One real launch of every operator file."""

import operator
from collections.abc import Callable, Mapping
from typing import Any

import torch
from attrs import frozen
from torch import Tensor, nn
from torch.nn import functional

from dsocr_symbolic.verification.calls.bench import Bench, Maker, Subject, on_one_tensor

Settings = Mapping[str, Any]


aten = torch.ops.aten


@frozen
class _Shape:
    """Sizes of a tensor and the bytes of its elements, as numbers or by symbol; whether the call writes it in place."""

    sizes: tuple[str | int, ...]
    element: str | int
    written: bool

    def made(self, bench: Bench, s: Settings) -> Tensor:
        sizes = (s[size] if isinstance(size, str) else size for size in self.sizes)
        made = bench.empty(*sizes, size=s[self.element] if isinstance(self.element, str) else self.element)
        return bench.written(made) if self.written else made


def _of(*sizes: str | int, element: str | int = 2, written: bool = False) -> _Shape:
    return _Shape(sizes, element, written)


def _call(function: Callable[..., Any], *shapes: _Shape, then: tuple[str, ...] = ()) -> Maker:
    """Call a function on tensors of these shapes, and then on the values of some symbols."""

    def make(bench: Bench, s: Settings) -> Subject:
        arguments = [*(shape.made(bench, s) for shape in shapes), *(s[name] for name in then)]
        return Subject(owner=None, call=lambda: function(*arguments))

    return make


def _unary(function: Callable[[Any], Any], element: str | int = "dtype_x") -> Maker:
    return _call(function, _of("elements", element=element))


def _binary(function: Callable[[Any, Any], Any], a: str = "dtype", b: str = "dtype", *, written: bool = False) -> Maker:
    """Call f(a, b) with the smaller operand broadcast, or both where the result is larger; a may be written.

    The elements of the smaller one divide those of the other.
    """

    def operand(bench: Bench, count: int, other: int, size: int) -> Tensor:
        return bench.empty(count // other, other, size=size) if count > other else bench.empty(count, size=size)

    def make(bench: Bench, s: Settings) -> Subject:
        if s.get("y", 0) > max(s["a"], s["b"]):
            left, right = bench.empty(s["a"], 1, size=s[a]), bench.empty(s["b"], size=s[b])
        else:
            left, right = operand(bench, s["a"], s["b"], s[a]), operand(bench, s["b"], s["a"], s[b])
        first = bench.written(left) if written else left
        return Subject(owner=None, call=lambda: function(first, right))

    return make


def _row(function: Callable[[Any, Any], Any], row: str, others: str, dtypes: Mapping[str, str]) -> Maker:
    """Call f(a, b) on a row and any number of others, even one."""

    def make(bench: Bench, s: Settings) -> Subject:
        one = bench.empty(s[row], size=s[dtypes[row]])
        many = bench.empty(s[others] // s[row], s[row], size=s[dtypes[others]])
        operands = (one, many) if row == "a" else (many, one)
        return Subject(owner=None, call=lambda: function(*operands))

    return make


def _mixed(function: Callable[[Any, Any], Any]) -> Maker:
    return _binary(function, "dtype_a", "dtype_b")


def _reduce(function: Callable[..., Any]) -> Maker:
    def make(bench: Bench, s: Settings) -> Subject:
        x = bench.empty(s["results"], s["elements"] // s["results"], size=s["dtype_x"])
        return Subject(owner=None, call=lambda: function(x, dim=1))

    return make


def _linear(*, bias: bool) -> Maker:
    return on_one_tensor(lambda s: nn.Linear(s["in_features"], s["out_features"], bias=bias), "tokens", "in_features")


def _convolution(s: Settings) -> nn.Module:
    kernel, side, out = s["kernel"], s["in_side"], s["out_side"]
    stride = max(1, (side - kernel) // max(out - 1, 1))
    return nn.Conv2d(s["in_channels"], s["out_channels"], kernel, stride=stride, bias=bool(s["bias"]))


def _embedding(bench: Bench, s: Settings) -> Subject:
    made = bench.module(lambda: nn.Embedding(s["rows_stored"], s["width"]))
    index = bench.empty(s["tokens"], size=8)
    return Subject(owner=made, call=lambda: made(index))


def _repeat(bench: Bench, s: Settings) -> Subject:
    x = bench.empty(s["read"], 1, size=s["dtype"])
    return Subject(owner=None, call=lambda: x.repeat_interleave(s["written"] // s["read"], dim=0))


def _concatenate(bench: Bench, s: Settings) -> Subject:
    x, y = bench.empty(s["read"] - 1, size=s["dtype"]), bench.empty(1, size=s["dtype"])
    return Subject(owner=None, call=lambda: torch.cat([x, y]))


def _scatter(bench: Bench, s: Settings) -> Subject:
    index, target = bench.empty(s["read"], size=8), bench.empty(2 * s["read"], size=8)
    return Subject(owner=None, call=lambda: target.scatter_(0, index, 1))


def _joined(*tensors: Tensor) -> Tensor:
    return torch.cat(tensors)


def _masked_attention(*tensors: Tensor) -> Any:
    keeps = torch.is_grad_enabled()
    return aten._scaled_dot_product_efficient_attention(*tensors, keeps)[0]  # noqa: SLF001 - as PyTorch has it


def _resized(x: Tensor, side: int) -> Tensor:
    return functional.interpolate(x, size=(side, side), mode="bicubic", antialias=True)


_QUERIES, _KEYS = _of("batch", "heads", "queries", "head_dim"), _of("batch", "heads", "keys", "head_dim")
OPERATORS: Mapping[str, Maker] = {
    "operators/linear": _linear(bias=True),
    "operators/linear_no_bias": _linear(bias=False),
    "operators/conv2d": on_one_tensor(_convolution, "images", "in_channels", "in_side", "in_side"),
    "operators/matmul": _call(
        torch.bmm,
        _of("entries", "rows", "inner", element="dtype_a"),
        _of("entries", "inner", "columns", element="dtype_b"),
    ),
    "operators/mm": _call(
        torch.mm, _of("rows", "inner", element="dtype_a"), _of("inner", "columns", element="dtype_b")
    ),
    "operators/sdpa_flash": _call(aten._scaled_dot_product_flash_attention, _QUERIES, _KEYS, _KEYS),  # noqa: SLF001
    "operators/sdpa_masked": _call(_masked_attention, _QUERIES, _KEYS, _KEYS, _of("batch", "heads", "queries", "keys")),
    "operators/softmax": _unary(lambda x: torch.softmax(x, -1), 2),
    "operators/native_layer_norm": _call(
        lambda x, weight, bias, width: torch.native_layer_norm(x, [width], weight, bias, 1e-5),
        _of("rows", "width", element="dtype"),
        *(2 * [_of("width", element="dtype")]),
        then=("width",),
    ),
    "operators/gelu": _unary(functional.gelu, 2),
    "operators/silu": _unary(functional.silu, 2),
    "operators/embedding": _embedding,
    "operators/neg": _unary(operator.neg),
    "operators/square": _unary(lambda x: x.pow(2)),
    "operators/sqrt": _unary(torch.sqrt),
    "operators/rsqrt": _unary(torch.rsqrt),
    "operators/cos": _unary(torch.cos),
    "operators/sin": _unary(torch.sin),
    "operators/sigmoid": _unary(torch.sigmoid),
    "operators/add_scalar": _unary(lambda x: x + 1),
    "operators/multiply_scalar": _unary(lambda x: x * 2),
    "operators/divide_scalar": _unary(lambda x: x / 2),
    "operators/integer_add": _unary(lambda x: x + 1),
    "operators/integer_floor_divide": _unary(lambda x: x // 2),
    "operators/add": _binary(torch.add),
    "operators/subtract": _binary(torch.sub),
    "operators/multiply": _binary(torch.mul),
    "operators/add_mixed": _mixed(torch.add),
    "operators/multiply_mixed": _mixed(torch.mul),
    "operators/divide_mixed": _mixed(torch.div),
    "operators/multiply_row": _row(torch.mul, "a", "b", {"a": "dtype", "b": "dtype"}),
    "operators/multiply_row_mixed": _row(torch.mul, "a", "b", {"a": "dtype_a", "b": "dtype_b"}),
    "operators/add_row_mixed": _row(torch.add, "b", "a", {"a": "dtype_a", "b": "dtype_b"}),
    "operators/multiply_inplace": _binary(Tensor.mul_, written=True),
    "operators/sum": _reduce(torch.sum),
    "operators/mean": _reduce(torch.mean),
    "operators/integer_sum": _reduce(torch.sum),
    "operators/clone": _call(torch.clone, _of("read", element="dtype")),
    "operators/repeat": _repeat,
    "operators/concatenate": _concatenate,
    "operators/concatenate_mixed": _call(_joined, _of("a", element="dtype_a"), _of("b", element="dtype_b")),
    "operators/pad": _call(
        lambda x, read, written: functional.pad(x, (0, written - read)),
        _of("read", element="dtype"),
        then=("read", "written"),
    ),
    "operators/new_zeros": _call(Tensor.new_zeros, _of("read", element="dtype"), then=("written",)),
    "operators/scatter": _scatter,
    "operators/append_cache": _call(_joined, _of("old"), _of("new")),
    "operators/cast": _call(Tensor.type_as, _of("elements", element="dtype_x"), _of(1, element="dtype_y")),
    "operators/arange": _call(lambda like, last: torch.arange(last, device=like.device), _of(1), then=("elements",)),
    "operators/full": _call(
        lambda like, count: torch.full((count,), 1, dtype=like.dtype, device=like.device),
        _of(1, element="dtype"),
        then=("elements",),
    ),
    "operators/zeros": _call(
        lambda like, count: torch.zeros(count, dtype=like.dtype, device=like.device),
        _of(1, element="dtype"),
        then=("elements",),
    ),
    "operators/gather": _call(
        lambda x, index: aten.index(x, [index]), _of("stored", "width"), _of("indices", element=8)
    ),
    "operators/scatter_rows": _call(
        lambda x, index, rows: x.detach().index_put_((index,), rows),
        *(_of(99, "width"), _of("indices", element=8), _of("indices", "width")),
    ),
    "operators/masked_scatter": _call(
        Tensor.masked_scatter_,
        _of("rows", "width", written=True),
        _of("rows", 1, element=1),
        _of("source_rows", "width"),
    ),
    "operators/masked_fill": _call(
        lambda x, mask: x.masked_fill_(mask, 0), _of("elements", element=4), _of("elements", element=1)
    ),
    "operators/equal": _call(lambda x: x == 1, _of("elements", element=8)),
    "operators/less_than": _call(operator.lt, _of("positions", element=8), _of("positions", 1, element=8)),
    "operators/sort": _unary(torch.sort, 8),
    "operators/topk": _call(torch.topk, _of("rows", "choices", element=4), then=("chosen",)),
    "operators/cumulative_sum": _call(
        lambda x, size: torch.cumsum(x, 0, dtype=torch.int32 if size < x.itemsize else None),
        _of("elements", element=8),
        then=("dtype_y",),
    ),
    "operators/interpolate_bicubic": _call(_resized, _of(1, "width", "side", "side", element=4), then=("new_side",)),
    "operators/interpolate_linear": _call(
        lambda x, rows: functional.interpolate(x, size=rows, mode="linear"),
        _of(1, "width", "rows", element=4),
        then=("new_rows",),
    ),
}
