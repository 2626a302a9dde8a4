"""Compiled functions on arrays: block after block, in threads; arrays that broadcast keep their axes apart."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import prod
from typing import Any

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.kernel import Kernel, Result, as_float64, checked_numbers, output_value
from dsocr_symbolic.evaluation.product_grid import Box, ProductGrid, product_grid


def evaluate_arrays(function: Kernel, values: Mapping[str, Any]) -> Result:
    """Return the outputs at all points of arrays that broadcast, as float64; refuse the first bad point."""
    algebra = function.algebra
    wide = {name: as_float64(name, value, algebra) for name, value in values.items()}
    single = {name: algebra.float64(value) for name, value in wide.items() if value.ndim == 0}
    arrays = {name: value for name, value in wide.items() if value.ndim > 0}
    try:
        shape = algebra.common_shape(list(arrays.values()))
    except ValueError as error:
        shapes = ", ".join(f"{name} {tuple(value.shape)}" for name, value in arrays.items())
        raise UserError(f"{shapes}: arrays of these shapes or devices do not go together") from error
    grid = product_grid(shape, {name: tuple(value.shape) for name, value in arrays.items()})
    if grid is not None:
        try:
            return _on_grid(function, grid, arrays, single, shape)
        except UserError:
            # Points one after another tell which is the first that is not allowed.
            pass
    points = {name: algebra.spelled_out(value, shape, (-1,)) for name, value in arrays.items()}
    rooms = _rooms(function, shape, arrays)
    flat = [room.reshape(-1) for room in rooms]

    def run(start: int) -> None:
        block = slice(start, start + algebra.BLOCK)
        with algebra.quiet():
            given = single | {name: algebra.float64(column[block]) for name, column in points.items()}
            numbers = checked_numbers(function, given, start)
            for output, room in zip(function.outputs, flat, strict=True):
                room[block] = output_value(output, numbers, algebra)

    _in_threads(function, run, range(0, prod(shape), algebra.BLOCK))
    return function.result(rooms)


def _on_grid(
    function: Kernel, grid: ProductGrid, arrays: Mapping[str, Any], single: Mapping[str, Any], shape: Sequence[int]
) -> Result:
    """Return the outputs on axes that stay apart: what does not depend on one is computed once along it."""
    algebra = function.algebra
    laid = {
        name: algebra.turned(algebra.spelled_out(value, grid.spelled[name], grid.shapes[name]), grid.order)
        for name, value in arrays.items()
    }
    rooms = _rooms(function, shape, arrays)
    views = [algebra.turned(room.reshape(grid.shape), grid.order) for room in rooms]

    def run(box: Box) -> None:
        with algebra.quiet():
            given = dict(single)
            given |= {name: algebra.float64(value[grid.inside(name, box)]) for name, value in laid.items()}
            numbers = checked_numbers(function, given, None)
            for output, view in zip(function.outputs, views, strict=True):
                view[box] = output_value(output, numbers, algebra)

    _in_threads(function, run, list(grid.boxes(algebra.BLOCK)))
    return function.result(rooms)


def _rooms(function: Kernel, shape: Sequence[int], arrays: Mapping[str, Any]) -> list[Any]:
    """Return room for each output."""
    algebra, like = function.algebra, next(iter(arrays.values()))
    return [algebra.empty(prod(shape), like).reshape(shape) for _ in function.outputs]


def _in_threads(function: Kernel, run: Callable[[Any], None], parts: Sequence[Any]) -> None:
    threads = min(function.threads or _cores(), len(parts)) if function.algebra.THREADED else 1
    if threads > 1:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(run, parts))
    else:
        for part in parts:
            run(part)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
