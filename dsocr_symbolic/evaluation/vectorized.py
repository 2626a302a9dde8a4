"""Compiled functions on arrays: block after block, in threads; arrays that broadcast keep their axes apart."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from math import prod
from typing import Any

from dsocr_symbolic.algebras.product_grid import Box, ProductGrid, product_grid, within
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.kernel import Kernel, Result, as_float64, checked_numbers, output_value


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
    count = prod(shape)
    rooms = [algebra.empty(count, next(iter(points.values()))) for _ in function.outputs]

    def run(start: int) -> None:
        block = slice(start, start + algebra.BLOCK)
        with algebra.quiet():
            given = single | {name: algebra.float64(column[block]) for name, column in points.items()}
            numbers = checked_numbers(function, given, start)
            for output, room in zip(function.outputs, rooms, strict=True):
                room[block] = output_value(output, numbers, algebra)

    _in_threads(function, run, range(0, count, algebra.BLOCK))
    return function.result(room.reshape(shape) for room in rooms)


def _on_grid(
    function: Kernel, grid: ProductGrid, arrays: Mapping[str, Any], single: Mapping[str, Any], shape: Sequence[int]
) -> Result:
    """Return the outputs on axes that stay apart: what does not depend on one is computed and kept once along it."""
    algebra, like = function.algebra, next(iter(arrays.values()))
    laid = {
        name: algebra.turned(algebra.spelled_out(value, grid.spelled[name], grid.shapes[name]), grid.order)
        for name, value in arrays.items()
    }

    def numbers_in(box: Box) -> list[Any]:
        with algebra.quiet():
            given = dict(single)
            given |= {
                name: algebra.float64(value[within(grid.turned(grid.shapes[name]), box)])
                for name, value in laid.items()
            }
            numbers = checked_numbers(function, given, None)
            return [output_value(output, numbers, algebra) for output in function.outputs]

    # Two points of each axis tell which ones an output depends on.
    kept = [grid.kept(getattr(value, "shape", ())) for value in numbers_in((slice(0, 2),) * len(grid.shape))]
    rooms = [algebra.empty(prod(sides), like).reshape(sides) for sides in kept]
    views = [algebra.turned(room, grid.order) for room in rooms]
    turned = [grid.turned(sides) for sides in kept]

    def run(box: Box) -> None:
        for value, view, sides in zip(numbers_in(box), views, turned, strict=True):
            view[within(sides, box)] = value

    _in_threads(function, run, list(grid.boxes(algebra.BLOCK)))
    whole = prod(shape)
    return function.result(
        room.reshape(shape) if prod(room.shape) == whole else algebra.spelled_out(room, grid.shape, shape)
        for room in rooms
    )


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
