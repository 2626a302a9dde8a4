"""The crop grid that the network chooses for a page of each size."""

import math
from functools import lru_cache

from dsocr_symbolic.errors import UserError

_MOST_PIECES = 10_000


@lru_cache
def all_grids(least: int = 2, most: int = 9) -> tuple[tuple[int, int], ...]:
    """List the crop grids, (columns, rows), in the order in which the network tries them: its own limits give 22."""
    if least < 2:  # noqa: PLR2004
        raise UserError(f"least: {least} pieces of a page; must be at least 2, as a 1 x 1 grid is not cut")
    if most > _MOST_PIECES:
        raise UserError(f"{most} pieces of a page: at most {_MOST_PIECES}, for every grid is tried; lower the limit")
    if least > most:
        raise UserError(f"least: {least} pieces is more than most, {most}; lower one or raise the other")
    grids = [(columns, rows) for columns in range(1, most + 1) for rows in range(1, most // columns + 1)]
    wanted = [grid for grid in grids if grid[0] * grid[1] >= least]
    # By area, then as CPython iterates over a set. The order of insertion shapes a set; the network inserts by longer
    # side first. It could only decide a tie between grids of equal area: with these limits none are next to each other.
    inserted = sorted(wanted, key=lambda grid: (max(least, *grid), grid))
    return tuple(sorted(set(inserted), key=lambda grid: grid[0] * grid[1]))


def crop_grid(
    width: int, height: int, *, side: int = 640, uncut: int = 640, least: int = 2, most: int = 9
) -> tuple[int, int]:
    """Choose the crop grid of one image, sides in pixels, exactly as the network's own preprocessing does.

    The grid whose columns/rows is closest to width/height wins. Of equally close grids a later (larger) one wins if the
    image has more than half the pixels of its crops, which are ``side`` wide and high. ``(0, 0)``, no crops, if both
    sides of the image are at most ``uncut``; never 1 x 1, which is none of the grids.
    """
    for name, pixels in (("width", width), ("height", height), ("side", side), ("uncut", uncut)):
        if pixels <= 0:
            raise UserError(f"{name}: {pixels} pixels; must be at least 1")
    grids = all_grids(least, most)
    if width <= uncut and height <= uncut:
        return (0, 0)
    best, smallest = (0, 0), math.inf
    for columns, rows in grids:
        # Two float64 quotients, as the network takes them: exact fractions would break ties otherwise.
        distance = abs(width / height - columns / rows)
        fills_half = width * height > 0.5 * side * side * columns * rows
        if distance < smallest or (distance == smallest and fills_half):
            best, smallest = (columns, rows), distance
    return best
