"""What varies in a sweep: axes of numbers, of crop grids, and of names."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
from attrs import frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.errors import UserError

MOST_POINTS = 10**12


@frozen(kw_only=True)
class Range:
    """Numbers at equal distances, ``(first + step*place)/below``, however many: none is kept.

    Attributes
    ----------
    first, step, below : int
        Whole numbers, so that each value is the nearest float64 of the exact one.
    count : int
        How many there are.
    whole : bool
        Whether they are int64, else float64.
    """

    first: int
    step: int
    below: int
    count: int
    whole: bool

    def __len__(self) -> int:
        return self.count

    def exact(self, place: int) -> Any:
        """Return one of them as a Python number."""
        return arithmetic.whole(Fraction(self.first + self.step * place, self.below))


Numbers = Range | np.ndarray[Any, Any]


@frozen(kw_only=True, eq=False)
class Axis:
    """One dimension of a sweep.

    Attributes
    ----------
    name : str
        The symbol, ``crop_grid``, ``gpu``, ``workload``, or a choice with underscores.
    meaning : str
        What it is, in words.
    choice : str
        The choice's own name, which may have hyphens; empty for anything else.
    labels : Range or ndarray
        What stands along it: numbers (int64, float64) or names.
    numbers : mapping of str to Range or ndarray
        The symbols that it gives values, with one number per label; empty for names.
    """

    name: str
    meaning: str
    choice: str
    labels: Numbers
    numbers: Mapping[str, Numbers]

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def numeric(self) -> bool:
        """Whether its labels are numbers."""
        return self.name in self.numbers

    @property
    def names(self) -> tuple[str, ...]:
        """Its labels, if they are names of GPUs, workloads or options."""
        return () if self.numbers or isinstance(self.labels, Range) else tuple(self.labels.tolist())


def at(numbers: Numbers, places: Any) -> Any:
    """Return the labels or numbers at some places of an axis.

    Parameters
    ----------
    numbers : Range or ndarray
        What stands along the axis.
    places : ndarray of int
        Of any shape.

    Returns
    -------
    ndarray
        Of that shape.
    """
    if not isinstance(numbers, Range):
        return numbers[places]
    if numbers.whole:
        return numbers.first + numbers.step * places
    # In float64 numerators that outgrow int64 do not wrap, and those below 2**53 are exact.
    return (float(numbers.first) + float(numbers.step) * places) / numbers.below


def check_axes(axes: Sequence[Axis]) -> None:
    """Check that axes go together.

    Raises
    ------
    UserError
        If two of them give the same symbol values, there is none, or there are too many points.
    """
    if not axes:
        raise UserError("nothing varies; name an axis, such as --vary batch=1:128")
    points = 1
    for place, axis in enumerate(axes):
        points *= len(axis)
        for other in axes[:place]:
            for symbol in other.numbers.keys() & axis.numbers.keys():
                raise UserError(f"{symbol}: varies in {other.name} and in {axis.name}; keep one of them")
    if points > MOST_POINTS:
        raise UserError(f"{points:.3g} points; at most {MOST_POINTS:.0e}: shorten an axis or take larger steps")
