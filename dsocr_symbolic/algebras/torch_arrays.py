"""The float64 algebra on tensors: the primitives of ``arrays``, on the tensors' own device."""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import reduce
from itertools import combinations, pairwise
from typing import Any

import numpy as np
import torch

from dsocr_symbolic.algebras import arrays

# Points evaluated at once: enough to keep a GPU busy, and few enough to hold all intermediate results.
BLOCK = 1 << 21
THREADED = False


def numeric(value: Any) -> Any:
    """Return a tensor of real numbers, of whatever width it has; TypeError if it holds anything else."""
    if not isinstance(value, torch.Tensor):
        # A list of Python numbers would become float32.
        return torch.tensor(arrays.float64(arrays.numeric(value)))
    if value.dtype is torch.bool or value.is_complex():
        raise TypeError(f"a tensor of {value.dtype}")
    return value


def common_shape(values: Sequence[Any]) -> tuple[int, ...]:
    """Return what tensors broadcast to; ValueError if their shapes or devices do not fit."""
    if len({value.device for value in values}) > 1:
        raise ValueError("tensors on several devices")
    return np.broadcast_shapes(*(tuple(value.shape) for value in values))


def spelled_out(value: Any, shape: Sequence[int], laid: Sequence[int]) -> Any:
    """Broadcast a tensor to a shape, and lay its numbers out in another one, in C order."""
    return value.broadcast_to(tuple(shape)).reshape(tuple(laid))


def turned(value: Any, order: Sequence[int]) -> Any:
    """Return a view of a tensor with its axes in another order."""
    return value.permute(tuple(order))


def float64(value: Any) -> Any:
    """Convert to float64; nothing wraps from here on."""
    return torch.as_tensor(value, dtype=torch.float64)


def empty(count: int, like: Any) -> Any:
    """Return room for so many results, on the device of another tensor."""
    return torch.empty(count, dtype=torch.float64, device=like.device)


def first_true(mask: Any) -> int | None:
    """Return the first place where a mask holds, None if there is none."""
    places = torch.as_tensor(mask).reshape(-1).nonzero()
    return int(places[0]) if len(places) else None


def quiet() -> AbstractContextManager[None]:
    """Return a context in which a division by zero is infinite or no number, without a warning."""
    return nullcontext()


def number(value: Any) -> Any:
    """Return a literal as a number of float64."""
    return float(value)


def divide(left: Any, right: Any) -> Any:
    """Divide in float64."""
    return left / right


def ceiling(value: Any) -> Any:
    """Round up to whole numbers."""
    return torch.ceil(_tensor(value))


def floor(value: Any) -> Any:
    """Round down to whole numbers."""
    return torch.floor(_tensor(value))


def maximum(*values: Any) -> Any:
    """Return the largest value at each place."""
    tensors, numbers = _sorted(values)
    result = reduce(torch.maximum, tensors) if tensors else _tensor(max(numbers))
    return torch.clamp(result, min=max(numbers)) if tensors and numbers else result


def minimum(*values: Any) -> Any:
    """Return the smallest value at each place."""
    tensors, numbers = _sorted(values)
    result = reduce(torch.minimum, tensors) if tensors else _tensor(min(numbers))
    return torch.clamp(result, max=min(numbers)) if tensors and numbers else result


def positive(value: Any) -> Any:
    """Return 1.0 where the value is greater than 0, else 0.0."""
    return (_tensor(value) > 0).to(torch.float64)


def nonzero(value: Any) -> Any:
    """Return 1.0 where the value differs from 0, else 0.0."""
    return (_tensor(value) != 0).to(torch.float64)


def power(base: Any, exponent: Any) -> Any:
    """Raise to any real power."""
    return torch.pow(_tensor(base), exponent)


def sum_maxima(lines: Sequence[tuple[Any, Any]], last: Any) -> Any:
    """Sum the maximum of straight lines over the steps 1 to last, as ``arrays.sum_maxima``."""
    last = _tensor(last)
    starts = [torch.ones_like(last)]
    for (intercept, slope), (other, gradient) in combinations(lines, 2):
        crossing = torch.ceil(_tensor(intercept - other) / _tensor(gradient - slope))
        crossing = torch.where(torch.isfinite(crossing), crossing, 1.0)
        starts.append(torch.minimum(torch.clamp(crossing, min=1.0), last + 1))
    shape = np.broadcast_shapes(*(tuple(start.shape) for start in starts))
    edges = torch.stack([start.broadcast_to(shape) for start in (*starts, last + 1)])
    total = torch.zeros_like(edges[0])
    for first, end in pairwise(edges if len(edges) <= 3 else torch.sort(edges, dim=0).values):  # noqa: PLR2004
        middle = (first + end - 1) / 2
        count = torch.clamp(end - first, min=0.0)
        total = total + count * maximum(*(intercept + slope * middle for intercept, slope in lines))
    return total


def _tensor(value: Any) -> Any:
    return value if isinstance(value, torch.Tensor) else torch.tensor(float(value), dtype=torch.float64)


def _sorted(values: Sequence[Any]) -> tuple[list[Any], list[float]]:
    """Tell tensors from bare numbers, which lie on no device."""
    tensors = [value for value in values if isinstance(value, torch.Tensor)]
    return tensors, [float(value) for value in values if not isinstance(value, torch.Tensor)]
