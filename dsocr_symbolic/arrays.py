"""The float64 algebra: the primitives of generated source on numpy arrays that broadcast."""

from collections.abc import Sequence
from itertools import combinations, pairwise
from typing import Any

import numpy as np


def divide(left: Any, right: Any) -> Any:
    """Divide in float64."""
    return np.true_divide(left, right)


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
    return np.where(np.greater(value, 0), 1.0, 0.0)


def nonzero(value: Any) -> Any:
    """Return 1.0 where the value differs from 0, else 0.0."""
    return np.where(np.not_equal(value, 0), 1.0, 0.0)


def power(base: Any, exponent: Any) -> Any:
    """Raise to any real power."""
    return np.power(np.asarray(base, dtype=np.float64), exponent)


def sum_maxima(lines: Sequence[tuple[Any, Any]], last: Any) -> Any:
    """Sum the maximum of straight lines over the steps 1 to last, at each place.

    Parameters
    ----------
    lines : sequence of (intercept, slope)
        Arrays that broadcast with one another and with ``last``.
    last : array
        The last step; 0 sums nothing.

    Returns
    -------
    ndarray of float64
        Between two neighbouring crossings one line leads, and its steps add up in closed form.
    """
    last = np.asarray(last, dtype=np.float64)
    starts = [np.ones_like(last)]
    for (intercept, slope), (other, gradient) in combinations(lines, 2):
        steeper = np.subtract(gradient, slope, dtype=np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            crossing = np.ceil(np.subtract(intercept, other, dtype=np.float64) / steeper)
        crossing = np.where(np.isfinite(crossing), crossing, 1.0)
        starts.append(np.clip(crossing, 1.0, last + 1))
    edges = np.sort(np.stack(np.broadcast_arrays(*starts, last + 1)), axis=0)
    total = np.zeros(edges.shape[1:])
    for first, end in pairwise(edges):
        count = np.maximum(end - first, 0.0)
        middle = (first + end - 1) / 2
        # Within a segment one line leads throughout: its mean is its value in the middle.
        total = total + count * maximum(*(intercept + slope * middle for intercept, slope in lines))
    return total
