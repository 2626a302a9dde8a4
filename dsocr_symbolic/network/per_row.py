"""A metric of each row, worked out where it is asked for: most questions ask for a few rows of many."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

_OPEN = object()


class RowByRow(Sequence[Any]):
    """Values of rows, each made once; ``make`` may ask for those of other rows."""

    __slots__ = ("m_make", "m_values")

    def __init__(self, rows: int, make: Callable[[int], Any]) -> None:
        self.m_values: list[Any] = [_OPEN] * rows
        self.m_make = make

    def __getitem__(self, index: Any) -> Any:
        """Return the value of a row, or those of a slice of rows."""
        if isinstance(index, slice):
            return [self[place] for place in range(*index.indices(len(self.m_values)))]
        value = self.m_values[index]
        if value is _OPEN:
            place = range(len(self.m_values))[index]
            value = self.m_values[place] = self.m_make(place)
        return value

    def __iter__(self) -> Iterator[Any]:
        """Yield the value of each row."""
        for place, value in enumerate(self.m_values):
            yield self[place] if value is _OPEN else value

    def __len__(self) -> int:
        """Return how many rows there are."""
        return len(self.m_values)
