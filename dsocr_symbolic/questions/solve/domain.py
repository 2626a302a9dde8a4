"""The values that a symbol may have: whole numbers that rules allow, or float64 numbers."""

import math
from collections.abc import Callable
from typing import Any, Protocol

from attrs import frozen

from dsocr_symbolic.scenario.checks import LARGEST

# Allowed whole numbers are no farther apart than this.
_REACH = 2048


# How far all values are looked at.
_FARTHEST = 10**9


class Domain(Protocol):
    """The values that a symbol may have."""

    @property
    def start(self) -> Any:
        """The value to start from."""

    @property
    def least(self) -> Any:
        """The least value."""

    def previous(self, value: Any) -> Any | None:
        """Return the next allowed value below one."""

    def above(self, value: Any, step: int) -> Any | None:
        """Return an allowed value well above one; nearer ones for smaller steps, None at the end."""

    def below(self, value: Any, step: int) -> Any | None:
        """Return an allowed value well below one."""

    def between(self, low: Any, high: Any) -> Any | None:
        """Return an allowed value in the middle, None if there is none between."""

    def lowest(self) -> Any:
        """Return where to begin to look at all values."""

    def onward(self, value: Any) -> Any | None:
        """Return an allowed value that is larger by about a quarter, None where to stop looking."""


@frozen(kw_only=True)
class WholeDomain:
    """Whole numbers, those that rules allow.

    Attributes
    ----------
    start : int
        An allowed value.
    least : int
        No value is smaller.
    allowed : callable
        Whether a value is allowed.
    """

    start: int
    least: int
    allowed: Callable[[int], bool]

    def above(self, value: int, step: int) -> int | None:
        """Return the next allowed value from a step above on."""
        first = value + step
        return self._first(range(first, min(first + _REACH, LARGEST + 1)))

    def below(self, value: int, step: int) -> int | None:
        """Return the next allowed value from a step below down."""
        first = value - step
        return self._first(range(first, max(first - _REACH, self.least - 1), -1))

    def lowest(self) -> int:
        """Return the least allowed value, or where to begin if it is far from the least one."""
        found = self._first(range(self.least, self.least + _REACH))
        return self.start if found is None else found

    def onward(self, value: int) -> int | None:
        """Return an allowed value that is larger by about a quarter, up to a billion."""
        step = max(1, value // 4)
        found = self.above(value, step) or (self.above(value, 1) if step > 1 else None)
        return None if found is None or found > _FARTHEST else found

    def previous(self, value: int) -> int | None:
        """Return the next allowed value below one."""
        return self.below(value, 1)

    def between(self, low: int, high: int) -> int | None:
        """Return the allowed value that is nearest to the middle."""
        middle = (low + high) // 2
        down = self._first(range(middle, low, -1))
        return self._first(range(middle + 1, high)) if down is None else down

    def _first(self, values: range) -> int | None:
        return next((each for each in values if each >= self.least and self.allowed(each)), None)


@frozen(kw_only=True)
class RealDomain:
    """Float64 numbers from a smallest to a largest one."""

    start: float
    least: float
    most: float = float(LARGEST)

    def above(self, value: float, step: int) -> float | None:
        """Return a multiple, the next float for a step of 1 near the end."""
        further = min(max(value, self.least or 1 / LARGEST) * (1 + step), self.most)
        return further if further > value else None

    def below(self, value: float, step: int) -> float | None:
        """Return a fraction; the least value behind the smallest one."""
        further = max(value / (1 + step), self.least)
        if further < 1 / LARGEST:
            further = self.least
        return further if further < value else None

    def lowest(self) -> float:
        """Return a billionth of the start."""
        return max(self.least, self.start / _FARTHEST)

    def onward(self, value: float) -> float | None:
        """Return a number larger by a quarter, up to a billion times the start."""
        return value * 5 / 4 if value < min(self.start * _FARTHEST, self.most / 2) else None

    def previous(self, value: float) -> float:
        """Return the next number below one."""
        return math.nextafter(value, -math.inf)

    def between(self, low: float, high: float) -> float | None:
        """Return the middle, by ratio where they are far apart."""
        middle = math.sqrt(low * high) if low > 0 and high > 2 * low else (low + high) / 2
        return middle if low < middle < high else None
