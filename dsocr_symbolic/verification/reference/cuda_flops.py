"""CUDA-core FLOPs of one dispatched operator, of forward or backward, from its tensors and the convention table.

Written down independently of the formula files, so that each judges the other. Integer work counts nothing.
"""

import math
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

from torch import Tensor

# Each function has a cost of its own, so that a formula which names another one is told apart.
COSTS = {"div": 23, "sqrt": 3, "rsqrt": 5, "exp": 7, "erf": 11, "sigmoid": 13, "sin": 17, "cos": 19, "tanh": 29}
# Per element of the result.
_PER_RESULT = {
    **dict.fromkeys(("add", "add_", "sub", "mul", "mul_", "neg", "pow"), 1),
    "div_": COSTS["div"],
    **{name: COSTS[name] for name in ("div", "sqrt", "rsqrt", "cos", "sin", "sigmoid")},
    "silu": 1 + COSTS["sigmoid"],
    "gelu": 4 + COSTS["erf"],
    "_softmax": 3 + COSTS["exp"] + COSTS["div"],
    # y' = y(1 - y).
    "sigmoid_backward": 3,
    # y' = s(1 + x(1 - s)), s the sigmoid of x.
    "silu_backward": 5 + COSTS["sigmoid"],
    # y' = P + x p, P = (1 + erf(x/2**0.5))/2 and p = exp(-x*x/2) times a constant.
    "gelu_backward": (3 + COSTS["erf"]) + (3 + COSTS["exp"]) + 3,
    # x' = y(g - s), s the row's sum of g y.
    "_softmax_backward_data": 4,
}
_BICUBIC_REACH = 2


def _bias(index: int) -> Callable[[Any, Any], int]:
    def count(args: Any, out: Tensor) -> int:
        return int(out.numel()) if args[index] is not None else 0

    return count


def _layer_norm(args: Any, _: Any) -> int:
    """Sum, centre, square, sum, scale, weight and bias per element; 2 div, 1 add and 1 rsqrt per row."""
    x: Tensor = args[0]
    rows = x.numel() // math.prod(args[1])
    return int(7 * x.numel() + rows * (1 + 2 * COSTS["div"] + COSTS["rsqrt"]))


def _attention(args: Any, _: Any) -> int:
    """Scale, max, subtract, exp, sum and div per score, and one more for a mask that is added."""
    q, k = args[0], args[1]
    scores = q.shape[0] * q.shape[1] * q.shape[2] * k.shape[2]
    masked = len(args) > 3 and isinstance(args[3], Tensor)  # noqa: PLR2004 - the mask is the fourth argument
    return int(scores * (4 + masked + COSTS["exp"] + COSTS["div"]))


def _layer_norm_backward(args: Any, _: Any) -> int:
    """Count from n = (x - m) r and h = g w: x' = r (h - mean(h) - n mean(h n)), w' = sum of g n, b' = sum of g.

    Per element 2 for n, 1 for h, 3 for its sums, 4 for x', 2 for w', 1 for b'; 2 div per row.
    """
    x: Tensor = args[1]
    return int(13 * x.numel() + x.numel() // math.prod(args[2]) * 2 * COSTS["div"])


def _attention_backward(args: Any, *, masked: bool) -> int:
    """Count p = exp(c s - l) anew, and s' = c p (p' - d), d the row's sum of g y; one more for a mask that is added."""
    q, k = args[1], args[2]
    rows = q.shape[0] * q.shape[1] * q.shape[2]
    return int(rows * k.shape[2] * (5 + masked + COSTS["exp"]) + 2 * rows * q.shape[3])


def _put(args: Any, _: Any) -> int:
    """Count an addition per element that is put where there may be others already."""
    return args[2].numel() if len(args) > 3 and args[3] else 0  # noqa: PLR2004 - whether it adds up is the fourth


def _bicubic(args: Any, out: Any) -> int:
    """One axis after the other, 2 per tap; the kernel widens when it shrinks a grid."""
    return _resized(args[0], out)


def _resized(x: Tensor, out: Tensor) -> int:
    images, (height, width), (new_height, new_width) = x.shape[0] * x.shape[1], x.shape[2:], out.shape[2:]

    def taps(old: int, new: int) -> int:
        return 2 * math.ceil(_BICUBIC_REACH * max(1.0, old / new)) + 1

    across = 2 * taps(width, new_width) * height * new_width
    return int(images * (across + 2 * taps(height, new_height) * new_height * new_width))


def _latent_attention(args: Any, _: Any) -> int:
    """Count as of plain attention; keys [B, K, r + d] have no heads."""
    q, latents = args[0], args[1]
    return int(q.shape[0] * q.shape[1] * q.shape[2] * latents.shape[1] * (4 + COSTS["exp"] + COSTS["div"]))


_BY_OPERATOR: dict[str, Callable[[Any, Any], int]] = {
    "addmm": lambda _, out: out.numel(),
    "convolution": _bias(2),
    "sum": lambda args, _: args[0].numel(),
    "mean": lambda args, out: args[0].numel() + out.numel() * COSTS["div"],
    "native_layer_norm": _layer_norm,
    "_scaled_dot_product_flash_attention": _attention,
    "_scaled_dot_product_efficient_attention": _attention,
    # Its fourth argument is the window.
    "window_attention": _attention,
    "latent_attention": _latent_attention,
    "_upsample_bicubic2d_aa": _bicubic,
    "upsample_linear1d": lambda _, out: 4 * out.numel(),
    # Each tap of the forward, transposed: what was read is written.
    "_upsample_bicubic2d_aa_backward": lambda args, out: _resized(out, args[0]),
    "upsample_linear1d_backward": lambda args, _: 4 * args[0].numel(),
    "native_layer_norm_backward": _layer_norm_backward,
    "_scaled_dot_product_flash_attention_backward": lambda args, _: _attention_backward(args, masked=False),
    "_scaled_dot_product_efficient_attention_backward": lambda args, _: _attention_backward(
        args, masked=args[4] is not None
    ),
    "convolution_backward": lambda args, _: args[0].numel() if args[-1][2] else 0,
    "embedding_dense_backward": lambda args, _: args[0].numel(),
    "index_put": _put,
    "index_put_": _put,
    "index_add_": lambda args, _: args[3].numel(),
}


def _complex(name: str, args: tuple[Any, ...], out: Tensor) -> int:
    """Count numbers made of radius and angle, and products: of two numbers 4 and 2 additions, with a real one 2."""
    if name == "polar":
        return out.numel() * (2 + COSTS["cos"] + COSTS["sin"])
    both = all(isinstance(factor, Tensor) and factor.is_complex() for factor in args[:2])
    return out.numel() * (6 if both else 2) if name == "mul" else 0


def _gelu_of_tanh(out: Tensor) -> int:
    """Count x/2 (1 + tanh(c (x + d x x x))): 2 for the cube, d, an addition, c, tanh, 1, and 2 for x/2."""
    return out.numel() * (8 + COSTS["tanh"])


def cuda_core_flops(
    name: str, args: tuple[Any, ...], out: Any, kwargs: Mapping[str, Any] = MappingProxyType({})
) -> int:
    """Count one aten operator, named without overload; 0 for data movement and integer work."""
    # A backward leaves out the gradients that nobody needs.
    first = next((each for each in out if each is not None), None) if isinstance(out, list | tuple) else out
    if isinstance(first, Tensor) and first.is_complex():
        return _complex(name, args, first)
    if not isinstance(first, Tensor) or not first.dtype.is_floating_point:
        return 0
    if name == "gelu" and kwargs.get("approximate") == "tanh":
        return _gelu_of_tanh(first)
    if name in _PER_RESULT:
        return _PER_RESULT[name] * first.numel()
    rule = _BY_OPERATOR.get(name)
    return rule(args, first) if rule else 0
