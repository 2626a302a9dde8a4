"""Labels that lie on nothing: the nearest free spot beside a dot, names of lines apart from one another."""

import math
from collections.abc import Iterator, Sequence
from itertools import product

from attrs import frozen

Point = tuple[float, float]
Circle = tuple[float, float, float]
Size = tuple[float, float]
_AIR = 1.0
# Of labels around a dot: distances in points, and directions, the lower right first.
_DISTANCES = (1.5, 4.0, 7.0, 11.0, 16.0, 22.0, 30.0)
_TURNS = tuple(math.radians(-45 + 15 * turn) for turn in sorted(range(-12, 12), key=lambda turn: (abs(turn), -turn)))
_STEP = 6.0


def ranges(numbers: Sequence[int]) -> str:
    """Write ascending numbers, three or more in a row as the first and the last one."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    long = 3
    words = [f"{run[0]}\u2013{run[-1]}" if len(run) >= long else ", ".join(map(str, run)) for run in runs]
    return ", ".join(words)


@frozen(kw_only=True)
class Rectangle:
    """A piece of paper, in points."""

    left: float
    bottom: float
    right: float
    top: float

    @property
    def middle(self) -> Point:
        """Its middle."""
        return (self.left + self.right) / 2, (self.bottom + self.top) / 2

    def holds(self, other: "Rectangle") -> bool:
        """Whether another one lies inside."""
        across = self.left <= other.left and other.right <= self.right
        return across and self.bottom <= other.bottom and other.top <= self.top

    def meets(self, other: "Rectangle") -> bool:
        """Whether another one lies on it."""
        across = self.left < other.right and other.left < self.right
        return across and self.bottom < other.top and other.bottom < self.top

    def meets_circle(self, circle: Circle) -> bool:
        """Whether a circle lies on it."""
        x, y, radius = circle
        nearest = min(max(x, self.left), self.right), min(max(y, self.bottom), self.top)
        return math.dist(nearest, (x, y)) < radius

    def meets_line(self, start: Point, end: Point) -> bool:
        """Whether a straight line passes through it."""
        first, last = 0.0, 1.0
        sides = ((start[0], end[0], self.left, self.right), (start[1], end[1], self.bottom, self.top))
        for begin, finish, low, high in sides:
            along = finish - begin
            if not along:
                if not low < begin < high:
                    return False
                continue
            entry, leaving = sorted(((low - begin) / along, (high - begin) / along))
            first, last = max(first, entry), min(last, leaving)
        return first < last


@frozen(kw_only=True)
class Room:
    """Where labels may stand, and what they must not lie on.

    Attributes
    ----------
    inside : Rectangle
        The paper for labels.
    circles : tuple of Circle
    lines : tuple of (Point, Point)
    """

    inside: Rectangle
    circles: tuple[Circle, ...]
    lines: tuple[tuple[Point, Point], ...]

    def place(self, labels: Sequence[tuple[Circle, Size]]) -> list[Point]:
        """Return the middle of a free spot for the label of each dot, the nearest one; the least bad where none is.

        Labels take their turns in one of several orders, the first one that leaves room for all.
        """
        known = range(len(labels))
        orders = [list(known), *(sorted(known, key=lambda place: labels[place][0][axis]) for axis in (0, 1))]
        orders += [order[::-1] for order in orders[1:]]
        least, best = math.inf, [dot[:2] for dot, _ in labels]
        for order in orders:
            spots, met = self._in_order([labels[place] for place in order])
            if met < least:
                least, best = met, [spots[order.index(place)] for place in known]
            if not met:
                break
        return best

    def _in_order(self, labels: Sequence[tuple[Circle, Size]]) -> tuple[list[Point], int]:
        spots: list[Point] = []
        words: list[Rectangle] = []
        leaders: list[tuple[Point, Point]] = []
        worst = 0
        for dot, size in labels:
            least, best = math.inf, dot[:2]
            for spot in self._spots(dot, size):
                met = self._met(dot, around(spot, size), words, leaders)
                if met < least:
                    least, best = met, spot
                if not met:
                    break
            spots.append(best)
            words.append(around(best, size))
            leaders.append((dot[:2], best))
            worst += int(least)
        return spots, worst

    def _spots(self, dot: Circle, size: Size) -> Iterator[Point]:
        """Yield spots around a dot from near to far, then all of the paper."""
        x, y, radius = dot
        for distance, angle in product(_DISTANCES, _TURNS):
            across, up = math.cos(angle), math.sin(angle)
            half = min(size[0] / 2 / max(abs(across), 1e-9), size[1] / 2 / max(abs(up), 1e-9))
            reach = radius + distance + half
            yield x + reach * across, y + reach * up
        wide, high = self.inside.right - self.inside.left, self.inside.top - self.inside.bottom
        grid = product(range(1 + int(wide / _STEP)), range(1 + int(high / _STEP)))
        everywhere = [(self.inside.left + i * _STEP, self.inside.bottom + j * _STEP) for i, j in grid]
        yield from sorted(everywhere, key=lambda spot: math.dist(spot, (x, y)))

    def _met(
        self, dot: Circle, label: Rectangle, words: Sequence[Rectangle], leaders: Sequence[tuple[Point, Point]]
    ) -> int:
        """Count what a label and the line to it would lie on, more for worse things."""
        met = 100 * (not self.inside.holds(label)) + 10 * sum(map(label.meets, words))
        met += sum(map(label.meets_circle, self.circles))
        met += sum(label.meets_line(*line) for line in (*self.lines, *leaders))
        return met + sum(other.meets_line(dot[:2], label.middle) for other in words)


def around(middle: Point, size: Size) -> Rectangle:
    """Return the paper that words take, and a little air."""
    wide, high = size[0] / 2 + _AIR, size[1] / 2 + _AIR
    return Rectangle(left=middle[0] - wide, bottom=middle[1] - high, right=middle[0] + wide, top=middle[1] + high)


def apart(heights: Sequence[float], least: float, low: float, high: float) -> list[float]:
    """Move heights as little as it takes to stand ``least`` apart, between two ends, in the same order."""
    order = sorted(range(len(heights)), key=lambda place: heights[place])
    least = min(least, (high - low) / max(1, len(heights) - 1))
    moved = list(heights)
    floor = low
    for place in order:
        moved[place] = floor = max(moved[place], floor)
        floor += least
    ceiling = high
    for place in reversed(order):
        moved[place] = ceiling = min(moved[place], ceiling)
        ceiling -= least
    return moved
