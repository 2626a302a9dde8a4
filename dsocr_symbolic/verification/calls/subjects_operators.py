"""One real launch of every operator file."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from dsocr_symbolic.verification.calls.bench import Bench, Subject

Settings = Mapping[str, Any]


Maker = Callable[[Bench, Settings], Subject]


aten = torch.ops.aten


def _unary(function: Callable[[Any], Any]) -> Maker:
    """Call f(x)."""

    def make(bench: Bench, s: Settings) -> Subject:
        x = bench.empty(s["elements"], size=s.get("dtype_x", 2))
        return Subject(owner=None, call=lambda: function(x))

    return make


def _integers(function: Callable[[Any], Any]) -> Maker:
    def make(bench: Bench, s: Settings) -> Subject:
        x = bench.empty(s["elements"], size=8)
        return Subject(owner=None, call=lambda: function(x))

    return make


def _binary(function: Callable[[Any, Any], Any]) -> Maker:
    """Call f(a, b) with b broadcast: its elements divide those of a."""

    def make(bench: Bench, s: Settings) -> Subject:
        a = bench.empty(s["a"] // s["b"], s["b"], size=s.get("dtype_a", s.get("dtype", 2)))
        b = bench.empty(s["b"], size=s.get("dtype_b", s.get("dtype", 2)))
        return Subject(owner=None, call=lambda: function(a, b))

    return make


def _linear(*, bias: bool) -> Maker:
    def make(bench: Bench, s: Settings) -> Subject:
        made = bench.module(lambda: nn.Linear(s["in_features"], s["out_features"], bias=bias))
        x = bench.empty(s["tokens"], s["in_features"])
        return Subject(owner=made, call=lambda: made(x))

    return make


def _conv2d(bench: Bench, s: Settings) -> Subject:
    kernel, side, out = s["kernel"], s["in_side"], s["out_side"]
    stride = max(1, (side - kernel) // max(out - 1, 1))
    made = bench.module(
        lambda: nn.Conv2d(s["in_channels"], s["out_channels"], kernel, stride=stride, bias=bool(s["bias"]))
    )
    x = bench.empty(s["images"], s["in_channels"], side, side)
    return Subject(owner=made, call=lambda: made(x))


def _matmul(bench: Bench, s: Settings) -> Subject:
    a = bench.empty(s["entries"], s["rows"], s["inner"], size=s["dtype_a"])
    b = bench.empty(s["entries"], s["inner"], s["columns"], size=s["dtype_b"])
    return Subject(owner=None, call=lambda: torch.bmm(a, b))


def _mm(bench: Bench, s: Settings) -> Subject:
    a = bench.empty(s["rows"], s["inner"], size=s["dtype_a"])
    b = bench.empty(s["inner"], s["columns"], size=s["dtype_b"])
    return Subject(owner=None, call=lambda: torch.mm(a, b))


def _heads(bench: Bench, s: Settings) -> list[Any]:
    sizes = (s["queries"], s["keys"], s["keys"])
    return [bench.empty(s["batch"], s["heads"], size, s["head_dim"]) for size in sizes]


def _flash(bench: Bench, s: Settings) -> Subject:
    q, k, v = _heads(bench, s)
    return Subject(owner=None, call=lambda: aten._scaled_dot_product_flash_attention(q, k, v))  # noqa: SLF001


def _masked(bench: Bench, s: Settings) -> Subject:
    q, k, v = _heads(bench, s)
    mask = bench.empty(s["batch"], s["heads"], s["queries"], s["keys"])
    return Subject(
        owner=None,
        call=lambda: aten._scaled_dot_product_efficient_attention(q, k, v, mask, False),  # noqa: SLF001
    )


def _layer_norm(bench: Bench, s: Settings) -> Subject:
    x = bench.empty(s["rows"], s["width"], size=s["dtype"])
    weight, bias = (bench.empty(s["width"], size=s["dtype"]) for _ in range(2))
    return Subject(owner=None, call=lambda: torch.native_layer_norm(x, [s["width"]], weight, bias, 1e-5))


def _embedding(bench: Bench, s: Settings) -> Subject:
    made = bench.module(lambda: nn.Embedding(s["rows_stored"], s["width"]))
    index = bench.empty(s["tokens"], size=8)
    return Subject(owner=made, call=lambda: made(index))


def _reduce(function: str) -> Maker:
    def make(bench: Bench, s: Settings) -> Subject:
        x = bench.empty(s["results"], s["elements"] // s["results"], size=s["dtype_x"])
        return Subject(owner=None, call=lambda: getattr(x, function)(dim=1))

    return make


def _clone(bench: Bench, s: Settings) -> Subject:
    x = bench.empty(s["read"], size=s["dtype"])
    return Subject(owner=None, call=x.clone)


def _concatenate(bench: Bench, s: Settings) -> Subject:
    x, y = bench.empty(s["read"] - 1, size=s["dtype"]), bench.empty(1, size=s["dtype"])
    return Subject(owner=None, call=lambda: torch.cat([x, y]))


def _pad(bench: Bench, s: Settings) -> Subject:
    x = bench.empty(s["read"], size=s["dtype"])
    return Subject(owner=None, call=lambda: functional.pad(x, (0, s["written"] - s["read"])))


def _new_zeros(bench: Bench, s: Settings) -> Subject:
    x = bench.empty(s["read"], size=s["dtype"])
    return Subject(owner=None, call=lambda: x.new_zeros(s["written"]))


def _scatter(bench: Bench, s: Settings) -> Subject:
    index, target = bench.empty(s["read"], size=8), bench.empty(2 * s["read"], size=8)
    return Subject(owner=None, call=lambda: target.scatter_(0, index, 1))


def _append(bench: Bench, s: Settings) -> Subject:
    old, new = bench.empty(s["old"]), bench.empty(s["new"])
    return Subject(owner=None, call=lambda: torch.cat([old, new]))


def _concatenate_mixed(bench: Bench, s: Settings) -> Subject:
    a, b = bench.empty(s["a"], size=s["dtype_a"]), bench.empty(s["b"], size=s["dtype_b"])
    return Subject(owner=None, call=lambda: torch.cat([a, b]))


def _cast(bench: Bench, s: Settings) -> Subject:
    x, like = bench.empty(s["elements"], size=s["dtype_x"]), bench.empty(1, size=s["dtype_y"])
    return Subject(owner=None, call=lambda: x.to(like.dtype))


def _arange(bench: Bench, s: Settings) -> Subject:
    return Subject(owner=None, call=lambda: torch.arange(s["elements"], device=bench.device))


def _full(bench: Bench, s: Settings) -> Subject:
    like = bench.empty(1, size=s["dtype"])
    return Subject(owner=None, call=lambda: torch.full((s["elements"],), 1, dtype=like.dtype, device=bench.device))


def _gather(bench: Bench, s: Settings) -> Subject:
    table, index = bench.empty(99, s["width"]), bench.empty(s["indices"], size=8)
    return Subject(owner=None, call=lambda: aten.index(table, [index]))


def _scatter_rows(bench: Bench, s: Settings) -> Subject:
    target, index = bench.empty(99, s["width"]), bench.empty(s["indices"], size=8)
    rows = bench.empty(s["indices"], s["width"])
    return Subject(owner=None, call=lambda: target.index_put_((index,), rows))


def _masked_scatter(bench: Bench, s: Settings) -> Subject:
    x, rows = bench.empty(s["rows"], s["width"]), bench.empty(s["source_rows"], s["width"])
    mask = bench.empty(s["rows"], 1, size=1)
    return Subject(owner=None, call=lambda: x.masked_scatter_(mask, rows))


def _masked_fill(bench: Bench, s: Settings) -> Subject:
    x, mask = bench.empty(s["elements"], size=4), bench.empty(s["elements"], size=1)
    return Subject(owner=None, call=lambda: x.masked_fill_(mask, 0))


def _less_than(bench: Bench, s: Settings) -> Subject:
    a, b = bench.empty(s["positions"], size=8), bench.empty(s["positions"], 1, size=8)
    return Subject(owner=None, call=lambda: a < b)


def _topk(bench: Bench, s: Settings) -> Subject:
    x = bench.empty(s["rows"], s["choices"], size=4)
    return Subject(owner=None, call=lambda: torch.topk(x, s["chosen"]))


def _bicubic(bench: Bench, s: Settings) -> Subject:
    x, new = bench.empty(1, s["width"], s["side"], s["side"], size=4), s["new_side"]
    return Subject(owner=None, call=lambda: functional.interpolate(x, size=(new, new), mode="bicubic", antialias=True))


def _linear_rows(bench: Bench, s: Settings) -> Subject:
    x = bench.empty(1, s["width"], s["rows"], size=4)
    return Subject(owner=None, call=lambda: functional.interpolate(x, size=s["new_rows"], mode="linear"))


OPERATORS: Mapping[str, Maker] = {
    "operators/linear": _linear(bias=True),
    "operators/linear_no_bias": _linear(bias=False),
    "operators/conv2d": _conv2d,
    "operators/matmul": _matmul,
    "operators/mm": _mm,
    "operators/sdpa_flash": _flash,
    "operators/sdpa_masked": _masked,
    "operators/softmax": _unary(lambda x: torch.softmax(x, -1)),
    "operators/native_layer_norm": _layer_norm,
    "operators/gelu": _unary(functional.gelu),
    "operators/silu": _unary(functional.silu),
    "operators/embedding": _embedding,
    "operators/neg": _unary(lambda x: -x),
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
    "operators/add_mixed": _binary(torch.add),
    "operators/multiply_mixed": _binary(torch.mul),
    "operators/divide_mixed": _binary(torch.div),
    "operators/multiply_inplace": _binary(lambda a, b: a.mul_(b)),
    "operators/sum": _reduce("sum"),
    "operators/mean": _reduce("mean"),
    "operators/integer_sum": _reduce("sum"),
    "operators/clone": _clone,
    "operators/concatenate": _concatenate,
    "operators/concatenate_mixed": _concatenate_mixed,
    "operators/pad": _pad,
    "operators/new_zeros": _new_zeros,
    "operators/scatter": _scatter,
    "operators/append_cache": _append,
    "operators/cast": _cast,
    "operators/arange": _arange,
    "operators/full": _full,
    "operators/gather": _gather,
    "operators/scatter_rows": _scatter_rows,
    "operators/masked_scatter": _masked_scatter,
    "operators/masked_fill": _masked_fill,
    "operators/less_than": _less_than,
    "operators/sort": _integers(torch.sort),
    "operators/topk": _topk,
    "operators/cumulative_sum": _integers(lambda x: torch.cumsum(x, 0)),
    "operators/interpolate_bicubic": _bicubic,
    "operators/interpolate_linear": _linear_rows,
}
