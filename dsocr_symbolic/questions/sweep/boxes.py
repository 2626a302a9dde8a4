"""Points of a sweep that follow one another, as boxes: product grids of some labels of every axis."""

from collections.abc import Iterator, Sequence
from math import prod

# The first place along each axis, and the one behind the last.
Spans = tuple[tuple[int, int], ...]


def boxes(start: int, stop: int, shape: Sequence[int]) -> Iterator[Spans]:
    """Cut the points ``start`` to ``stop``, counted in C order, into as few boxes as they make, in this order."""
    if start >= stop:
        return
    if not shape:
        yield ()
        return
    inside = prod(shape[1:])
    first, last = -(-start // inside), stop // inside
    if first > last:
        # Within one label of the first axis.
        first = last
        yield from _beside(first, start - first * inside, stop - first * inside, shape)
        return
    yield from _beside(first - 1, start - (first - 1) * inside, inside, shape)
    if last > first:
        yield ((first, last), *((0, length) for length in shape[1:]))
    yield from _beside(last, 0, stop - last * inside, shape)


def _beside(place: int, start: int, stop: int, shape: Sequence[int]) -> Iterator[Spans]:
    for spans in boxes(start, stop, shape[1:]):
        yield ((place, place + 1), *spans)


def sides(spans: Spans) -> tuple[int, ...]:
    """Return how many labels of each axis a box has."""
    return tuple(stop - start for start, stop in spans)
