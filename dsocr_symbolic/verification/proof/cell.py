"""A cell: a family of calls with one operator sequence, on which every count is a polynomial of the axes."""

from collections.abc import Callable, Mapping

from attrs import frozen

from dsocr_symbolic.language.formula import EMPTY

Point = dict[str, int]


def _same(point: Point) -> Point:
    return point


@frozen(kw_only=True)
class Cell:
    """A family of calls.

    Attributes
    ----------
    layer : str
        The formula file; behind a blank, which of its variants is called.
    name : str
        What is the same in all calls, in words.
    axes : mapping of str to (int, int)
        For each free axis its first value and its stride.
    settings : callable
        From a point on the axes to the formula's symbols.
    autocast : tuple of str or None
        Axes that vary under autocast as well, the others stay at their first value; None if it is left out.
    choices : mapping of str to str
        Options of the model's choices.
    """

    layer: str
    name: str
    axes: Mapping[str, tuple[int, int]]
    settings: Callable[[Point], Point] = _same
    autocast: tuple[str, ...] | None = None
    choices: Mapping[str, str] = EMPTY
