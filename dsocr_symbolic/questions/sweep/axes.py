"""What varies in a sweep: axes of numbers, of crop grids and of names, from words and Python values of a user."""

import re
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from math import lcm
from typing import Any

import numpy as np
from attrs import frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.algebras.branches import exact
from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.files.server_file import load_server, unknown_symbol
from dsocr_symbolic.language.roles import Crops
from dsocr_symbolic.questions.sweep.grids import GRID, asked_grids
from dsocr_symbolic.scenario.checks import check_setting, parse_number
from dsocr_symbolic.scenario.hardware import load_gpu
from dsocr_symbolic.scenario.values import load_workload

MOST_POINTS = 10**12
_GRID = re.compile(r"(\d{1,9})x(\d{1,9})", re.ASCII)
_SIDES = 2
_UNCUT = "none"
_PLACES = ("gpu", "workload")


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
    name, meaning : str
        The symbol, ``crop_grid``, ``gpu``, ``workload``, or a choice with underscores; what that is, in words.
    labels : Range or ndarray
        What stands along it: numbers (int64, float64) or names.
    numbers : mapping of str to Range or ndarray
        The symbols that it gives values, with one number per label; empty for names.
    """

    name: str
    meaning: str
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
    """Return the labels or numbers at some places of an axis, in the shape of the places."""
    if not isinstance(numbers, Range):
        return numbers[places]
    if numbers.whole:
        return numbers.first + numbers.step * places
    # In float64 numerators that outgrow int64 do not wrap, and those below 2**53 are exact.
    return (float(numbers.first) + float(numbers.step) * places) / numbers.below


def check_axes(axes: Sequence[Axis]) -> None:
    """Check that axes go together: none gives a symbol values twice, and their points can be counted."""
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


def read_vary(definition: Definition, given: Iterable[str]) -> dict[str, Any]:
    """Read NAME=VALUES words; the text of numbers and crop grids is left to :func:`make_axis`."""
    vary: dict[str, Any] = {}
    for word in given:
        name, equals, values = word.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name:
            raise UserError(f"--vary {word}: expected NAME=VALUES, such as batch=1:128 or gpu=rtx5090,h200")
        if name in vary:
            raise UserError(f"--vary {name}: given twice; give it once")
        vary[name] = [label.strip() for label in values.split(",")] if is_named(definition, name) else values
    return vary


def is_named(definition: Definition, name: str) -> bool:
    """Return whether an axis holds names: GPUs, workloads, the options of a choice."""
    return name in _PLACES or name in _choices(definition)


def make_axis(definition: Definition, name: str, values: Any, most: int | None = None) -> Axis:
    """Make an axis of names, numbers or crop grids, every label allowed by itself, from text or Python values.

    ``most`` is how many pieces of a page the crop grids ``all`` go up to, the model file's number if None.
    """
    if is_named(definition, name):
        return _named_axis(definition, name, values)
    if name == GRID and definition.roles.crops is not None:
        return _grid_axis(definition, definition.roles.crops, values, most)
    _check_variable(definition, name)
    quantity = definition.quantities[name]
    if isinstance(values, str) and ":" in values:
        pieces = values.split(":")
        if len(pieces) > 3:  # noqa: PLR2004
            raise UserError(f"{name}={values}: a range is FIRST:LAST or FIRST:LAST:STEP")
        if len(pieces) == 2 and quantity.real:  # noqa: PLR2004
            raise UserError(f"{name}={values}: it may have fractions, so say the step: {name}={values}:STEP")
        ends = [parse_number(piece, name) for piece in pieces]
        labels: Numbers = _steps(definition, name, f"{name}={values}", ends)
    elif isinstance(values, range) and values:
        labels = _steps(definition, name, f"{name}: {values}", [values[0], values[-1], values.step])
    else:
        listed = values.split(",") if isinstance(values, str) else _listed(name, values)
        numbers = [parse_number(value, name) if isinstance(value, str) else _plain(value) for value in listed]
        for number in numbers:
            check_setting(definition, name, number)
        _check_distinct(name, numbers)
        labels = np.array(numbers, dtype=np.float64 if quantity.real else np.int64)
    return Axis(name=name, meaning=quantity.meaning, labels=labels, numbers={name: labels})


def _choices(definition: Definition) -> dict[str, str]:
    return {name.replace("-", "_"): name for name in definition.choices}


def _listed(name: str, values: Any) -> list[Any]:
    if isinstance(values, Iterable):
        return list(values)
    raise UserError(f"{name}: {values!r} is not a list of values")


def _plain(value: Any) -> Any:
    """Turn a number of numpy into one of Python, and a whole float into an int."""
    value = value.item() if hasattr(value, "item") else value
    return arithmetic.whole(value) if isinstance(value, float) and np.isfinite(value) else value


def _check_distinct(name: str, labels: Sequence[Any]) -> None:
    if not labels:
        raise UserError(f"{name}: no value given; give one or more")
    if len(set(labels)) < len(labels):
        twice = next(label for place, label in enumerate(labels) if label in labels[:place])
        raise UserError(f"{name}: {twice} stands twice; give it once")


def _named_axis(definition: Definition, name: str, values: Any) -> Axis:
    labels = [values] if isinstance(values, str) else _listed(name, values)
    _check_distinct(name, labels)
    choice = _choices(definition).get(name, "")
    for label in labels:
        if not isinstance(label, str):
            raise UserError(f"{name}: {label!r} is not a name")
        if name == "gpu":
            load_gpu(label)
        elif name == "workload":
            load_workload(definition, label)
        elif label not in (options := definition.choices[choice].options):
            raise UserError(f"{choice}: unknown option '{label}': {nearest(label, options)}")
    meaning = definition.choices[choice].summary if choice else {"gpu": "machine", "workload": "workload"}[name]
    return Axis(name=name, meaning=meaning, labels=np.array(labels), numbers={})


def _grid_axis(definition: Definition, crops: Crops, values: Any, most: int | None) -> Axis:
    grids = [_grid(value) for value in _listed(GRID, asked_grids(definition, values, most))]
    labels = [f"{columns}x{rows}" for columns, rows in grids]
    _check_distinct(GRID, labels)
    numbers = dict(zip((crops.columns, crops.rows), zip(*grids, strict=True), strict=True))
    for symbol, column in numbers.items():
        for number in column:
            check_setting(definition, symbol, number)
    return Axis(
        name=GRID,
        meaning=" x ".join(definition.quantities[symbol].meaning for symbol in numbers),
        labels=np.array(labels),
        numbers={symbol: np.array(column, dtype=np.int64) for symbol, column in numbers.items()},
    )


def _grid(value: Any) -> tuple[Any, Any]:
    if isinstance(value, str):
        if value.strip() == _UNCUT:
            return 0, 0
        sides = _GRID.fullmatch(value.strip())
        if not sides:
            raise UserError(f"{GRID}: '{value}' is not a grid; write columns x rows, such as 3x2, {_UNCUT} or all")
        return int(sides[1]), int(sides[2])
    if isinstance(value, Sequence | np.ndarray) and len(value) == _SIDES:
        return _plain(value[0]), _plain(value[1])
    raise UserError(f"{GRID}: {value!r} is not a pair of columns and rows, such as (3, 2)")


def _steps(definition: Definition, name: str, shown: str, ends: Sequence[Any]) -> Range:
    """Return the numbers from a first to a last one, with the step if it is not 1."""
    first, last, step = (*ends, 1)[:3]
    if step <= 0:
        raise UserError(f"{shown}: the step {step} is not greater than 0")
    if last < first:
        raise UserError(f"{shown}: the range is empty, {last} is less than {first}")
    start, end, distance = (Fraction(exact(end)) for end in (first, last, step))
    count = (end - start) // distance + 1
    if count == 1:
        distance = Fraction(1)
    below = lcm(start.denominator, distance.denominator)
    if count > MOST_POINTS:
        raise UserError(f"{shown}: {count:.3g} points; at most {MOST_POINTS:.0e}: take larger steps")
    steps = Range(
        first=int(start * below),
        step=int(distance * below),
        below=below,
        count=count,
        whole=not definition.quantities[name].real,
    )
    for place in {0, min(1, count - 1), count - 1}:
        check_setting(definition, name, steps.exact(place))
    return steps


def _check_variable(definition: Definition, name: str) -> None:
    """Refuse what does not exist, and what is fixed; what follows from other symbols may vary by itself."""
    quantity = definition.quantities.get(name)
    if quantity is None:
        known = [name for name, other in definition.quantities.items() if not other.fixed]
        grid = [GRID] if definition.roles.crops else []
        if name in load_server().symbols:
            raise unknown_symbol(name, known)
        raise UserError(f"cannot vary '{name}': {nearest(name, [*known, *_choices(definition), *_PLACES, *grid])}")
    if quantity.fixed:
        raise UserError(f"{name}: {quantity.meaning} is a definition and cannot vary")
