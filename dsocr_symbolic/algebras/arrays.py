"""The float64 algebra: the primitives of generated source on numpy arrays that broadcast."""

import math
from collections.abc import Iterable, Sequence
from functools import cache
from itertools import combinations, pairwise
from typing import Any

import numpy as np

# Points evaluated at once: few enough for the caches, enough for threads not to wait for one another.
BLOCK = 1 << 16
THREADED = True
_LARGE_BLOCK = 30 << 20


def numeric(value: Any) -> Any:
    """Return an array of real numbers of whatever width; TypeError if it holds others, or wider ones than float64."""
    array = np.asarray(value)
    if array.dtype.kind not in "iuf" or array.dtype.itemsize > np.dtype(np.float64).itemsize:
        raise TypeError(f"an array of {array.dtype}")
    return array


def common_shape(values: Sequence[Any]) -> tuple[int, ...]:
    """Return what arrays broadcast to; ValueError if their shapes do not fit."""
    return np.broadcast_shapes(*(value.shape for value in values))


def spelled_out(value: Any, shape: Sequence[int], laid: Sequence[int]) -> Any:
    """Broadcast an array to a shape, and lay its numbers out in another one, in C order."""
    return np.broadcast_to(value, shape).reshape(laid)


def turned(value: Any, order: Sequence[int]) -> Any:
    """Return a view of an array with its axes in another order."""
    return value.transpose(order)


def float64(value: Any) -> Any:
    """Convert to float64; nothing wraps from here on."""
    return np.asarray(value, dtype=np.float64)


def empty(count: int, like: Any) -> Any:  # noqa: ARG001 - torch needs to know where
    """Return room for so many results."""
    _keep_freed_memory()
    return np.empty(count, dtype=np.float64)


@cache
def _keep_freed_memory() -> None:
    """Make glibc reuse freed memory: until it has seen a large block go, it hands each one back to the system.

    Intermediate results of a block of points are freed all the time; the page faults would cost two thirds of
    the speed.
    """
    np.empty(_LARGE_BLOCK, dtype=np.int8)


def first_true(mask: Any) -> int | None:
    """Return the first place where a mask holds, None if there is none."""
    flat = np.ravel(mask)
    place = int(flat.argmax())
    return place if flat[place] else None


def quiet() -> Any:
    """Return a context in which a division by zero is infinite or no number, without a warning."""
    return np.errstate(divide="ignore", invalid="ignore")


def divide(left: Any, right: Any) -> Any:
    """Divide in float64."""
    return np.true_divide(left, right)


def number(value: Any) -> float:
    """Return a number of a formula."""
    return float(value)


def total(values: Iterable[Any]) -> Any:
    """Add up."""
    return sum(values)


def ceiling(value: Any) -> Any:
    """Round up to whole numbers."""
    return np.ceil(value)


def floor(value: Any) -> Any:
    """Round down to whole numbers."""
    return np.floor(value)


def maximum(*values: Any) -> Any:
    """Return the largest value at each place."""
    result = values[0]
    for value in values[1:]:
        result = np.maximum(result, value)
    return result


def minimum(*values: Any) -> Any:
    """Return the smallest value at each place."""
    result = values[0]
    for value in values[1:]:
        result = np.minimum(result, value)
    return result


def positive(value: Any) -> Any:
    """Return 1.0 where the value is greater than 0, else 0.0."""
    return np.greater(value, 0).astype(np.float64)


def nonzero(value: Any) -> Any:
    """Return 1.0 where the value differs from 0, else 0.0."""
    return np.not_equal(value, 0).astype(np.float64)


def power(base: Any, exponent: Any) -> Any:
    """Raise to any real power."""
    if isinstance(base, int | float) and base > 0:
        # Four times as fast as np.power, and as exact where a power is not yet lost beside 1.
        return np.exp(np.multiply(exponent, math.log(base)))
    return np.power(np.asarray(base, dtype=np.float64), exponent)


def sum_maxima(lines: Sequence[tuple[Any, Any]], last: Any) -> Any:
    """Sum the maximum of straight lines over the steps 1 to last, at each place, in float64; 0 steps sum nothing.

    Lines are (intercept, slope) and broadcast with one another and with ``last``. Between two neighbouring crossings
    one line leads, and its steps add up in closed form.
    """
    last = np.asarray(last, dtype=np.float64)
    starts = [np.ones_like(last)]
    for (intercept, slope), (other, gradient) in combinations(lines, 2):
        steeper = np.subtract(gradient, slope, dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            crossing = np.ceil(np.subtract(intercept, other, dtype=np.float64) / steeper)
        crossing = np.where(np.isfinite(crossing), crossing, 1.0)
        starts.append(np.clip(crossing, 1.0, last + 1))
    edges = np.stack(np.broadcast_arrays(*starts, last + 1))
    total = np.zeros(edges.shape[1:])
    # One crossing lies between the first and the last step as it is.
    for first, end in pairwise(edges if len(edges) <= 3 else np.sort(edges, axis=0)):  # noqa: PLR2004
        count = np.maximum(end - first, 0.0)
        middle = (first + end - 1) / 2
        # Within a segment one line leads throughout: its mean is its value in the middle.
        total = total + count * maximum(*(intercept + slope * middle for intercept, slope in lines))
    return total
