"""How arrays that broadcast are evaluated without being spelled out: each axis stays one, cut into boxes of points."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from itertools import product
from math import prod

from attrs import frozen

Shape = tuple[int, ...]
Box = tuple[slice, ...]

# Of fewer points an inner loop costs more than what is saved.
SHORTEST = 64
# The last axis is what one pass over memory goes along: the others are cut before it gets shorter.
_LEAST_CUT = 1024


@frozen(kw_only=True)
class ProductGrid:
    """The common shape of some arrays, with as few axes as tell what depends on what.

    Attributes
    ----------
    shape : tuple of int
        Its axes; neighbours on which the same arrays depend are one.
    order : tuple of int
        The axes as they are evaluated: the last one is long.
    shapes : mapping of str to tuple of int
        Each array on these axes, 1 along those that it does not depend on.
    spelled : mapping of str to tuple of int
        What each array broadcasts to on its own axes before they are joined.
    """

    shape: Shape
    order: tuple[int, ...]
    shapes: Mapping[str, Shape]
    spelled: Mapping[str, Shape]

    @cached_property
    def lengths(self) -> Shape:
        """The axes' lengths in the order of evaluation."""
        return tuple(self.shape[axis] for axis in self.order)

    def boxes(self, most: int) -> Iterable[Box]:
        """Cut the points into boxes of at most so many, along the longest side again and again."""
        *sides, last = self.lengths
        while prod(sides) * last > most:
            if last > _LEAST_CUT or max(sides) == 1:
                last = -(-last // 2)
            else:
                longest = sides.index(max(sides))
                sides[longest] = -(-sides[longest] // 2)
        spans = [
            [slice(start, min(start + side, length)) for start in range(0, length, side)]
            for side, length in zip((*sides, last), self.lengths, strict=True)
        ]
        return product(*spans)

    def turned(self, sides: Shape) -> Shape:
        """Return lengths along the axes in the order of evaluation."""
        return tuple(sides[axis] for axis in self.order)

    def kept(self, sides: Shape) -> Shape:
        """Return the shape that holds a result, by that of its value at two points of each axis in order."""
        padded = (1,) * (len(self.order) - len(sides)) + tuple(sides)
        depends = {axis for axis, side in zip(self.order, padded, strict=True) if side != 1}
        return tuple(length if axis in depends else 1 for axis, length in enumerate(self.shape))


def within(sides: Shape, box: Box) -> Box:
    """Return where in an array the numbers of a box stand; there is but one along an axis it does not depend on."""
    return tuple(slice(None) if side == 1 else cut for side, cut in zip(sides, box, strict=True))


def product_grid(shape: Shape, shapes: Mapping[str, Shape]) -> ProductGrid | None:
    """Return the grid of arrays that broadcast to a shape; None where keeping axes apart saves nothing."""
    padded = {name: (1,) * (len(shape) - len(own)) + tuple(own) for name, own in shapes.items()}
    groups: list[list[int]] = []
    before: list[bool] = []
    for axis in (axis for axis, length in enumerate(shape) if length != 1):
        depends = [own[axis] != 1 for own in padded.values()]
        if depends != before:
            groups.append([])
        groups[-1].append(axis)
        before = depends
    if max(_lengths(shape, groups), default=0) < SHORTEST:
        while len(groups) > 1 and _lengths(shape, groups)[-1] < SHORTEST:
            groups[-2:] = [groups[-2] + groups[-1]]
    lengths = _lengths(shape, groups)
    if len(groups) <= 1 or 0 in lengths:
        return None
    last = len(groups) - 1
    long = last if lengths[last] >= SHORTEST else lengths.index(max(lengths))
    spelled = {name: _spelled(own, shape, groups) for name, own in padded.items()}
    return ProductGrid(
        shape=lengths,
        order=(*(place for place in range(len(groups)) if place != long), long),
        shapes={name: _lengths(own, groups) for name, own in spelled.items()},
        spelled=spelled,
    )


def _lengths(shape: Shape, groups: Iterable[Iterable[int]]) -> Shape:
    return tuple(prod(shape[axis] for axis in group) for group in groups)


def _spelled(own: Shape, shape: Shape, groups: Iterable[Iterable[int]]) -> Shape:
    """Return the shape of an array that has all axes of a group where it has one of them."""
    spelled = list(own)
    for group in groups:
        if any(own[axis] != 1 for axis in group):
            for axis in group:
                spelled[axis] = shape[axis]
    return tuple(spelled)
