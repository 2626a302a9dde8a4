"""What a user lets vary: words of the command line and Python values become axes."""

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from math import lcm
from typing import Any

import numpy as np

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import names
from dsocr_symbolic.language.roles import Crops
from dsocr_symbolic.questions.sweep.axes import MOST_POINTS, Axis, Numbers, Range
from dsocr_symbolic.scenario.checks import check_setting, parse_number
from dsocr_symbolic.scenario.crop_grids import all_grids
from dsocr_symbolic.scenario.hardware import load_gpu
from dsocr_symbolic.scenario.values import load_workload

GRID = "crop_grid"


_GRID = re.compile(r"(\d{1,9})x(\d{1,9})", re.ASCII)


_SIDES = 2
_PLACES = ("gpu", "workload")


def read_vary(definition: Definition, given: Iterable[str]) -> dict[str, Any]:
    """Read NAME=VALUES words.

    Parameters
    ----------
    definition : Definition
        The model.
    given : iterable of str
        ``"batch=1:128"``, ``"base_size=512,640"``, ``"gpu=rtx5090,h200"``, ``"crop_grid=all"``.

    Returns
    -------
    dict of str to str or list of str
        By axis; the text of numbers and crop grids is left to :func:`make_axis`.

    Raises
    ------
    UserError
        If one is no such word, or a name stands twice.
    """
    found: dict[str, Any] = {}
    for each in given:
        name, equals, values = each.partition("=")
        name = name.strip().replace("-", "_")
        if not equals or not name:
            raise UserError(f"--vary {each}: expected NAME=VALUES, such as batch=1:128 or gpu=rtx5090,h200")
        if name in found:
            raise UserError(f"--vary {name}: given twice; give it once")
        found[name] = [word.strip() for word in values.split(",")] if is_named(definition, name) else values
    return found


def is_named(definition: Definition, name: str) -> bool:
    """Return whether an axis holds names: GPUs, workloads, the options of a choice."""
    return name in _PLACES or name in _choices(definition)


def make_axis(definition: Definition, name: str, values: Any) -> Axis:
    """Make an axis.

    Parameters
    ----------
    definition : Definition
        The model.
    name : str
        What varies.
    values : str or iterable
        Names for a GPU, workload or choice. Numbers, or text such as ``"1:128"``, ``"1:128:8"`` (the last one
        is included) and ``"1,2,4"`` for a symbol. Pairs, ``"all"`` or text such as ``"2x1,3x2"`` for crop grids.

    Returns
    -------
    Axis
        The axis, every label allowed by itself.

    Raises
    ------
    UserError
        If there is no such thing to vary, or a value is not allowed, stands twice, or none is given.
    """
    if is_named(definition, name):
        return _named_axis(definition, name, values)
    if name == GRID and definition.roles.crops is not None:
        return _grid_axis(definition, definition.roles.crops, values)
    _check_variable(definition, name)
    quantity = definition.quantities[name]
    if isinstance(values, str) and ":" in values:
        labels: Numbers = _read_steps(definition, name, values)
    elif isinstance(values, range) and values:
        labels = _steps(definition, name, f"{name}: {values}", [values[0], values[-1], values.step])
    else:
        listed = values.split(",") if isinstance(values, str) else _listed(name, values)
        found = [parse_number(each, name) if isinstance(each, str) else _plain(each) for each in listed]
        for each in found:
            check_setting(definition, name, each)
        _check_distinct(name, found)
        labels = np.array(found, dtype=np.float64 if quantity.real else np.int64)
    return Axis(name=name, meaning=quantity.meaning, choice="", labels=labels, numbers={name: labels})


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
        twice = next(each for place, each in enumerate(labels) if each in labels[:place])
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
    return Axis(name=name, meaning=meaning, choice=choice, labels=np.array(labels), numbers={})


def _grid_axis(definition: Definition, crops: Crops, values: Any) -> Axis:
    if isinstance(values, str):
        grids = (
            [(0, 0), *all_grids(crops.least, crops.most)]
            if values.strip() == "all"
            else [_grid(each) for each in values.split(",")]
        )
    else:
        grids = [_grid(each) for each in _listed(GRID, values)]
    labels = [f"{columns}x{rows}" for columns, rows in grids]
    _check_distinct(GRID, labels)
    numbers = dict(zip((crops.columns, crops.rows), zip(*grids, strict=True), strict=True))
    for symbol, column in numbers.items():
        for number in column:
            check_setting(definition, symbol, number)
    return Axis(
        name=GRID,
        meaning=" x ".join(definition.quantities[symbol].meaning for symbol in numbers),
        choice="",
        labels=np.array(labels),
        numbers={symbol: np.array(column, dtype=np.int64) for symbol, column in numbers.items()},
    )


def _grid(value: Any) -> tuple[Any, Any]:
    if isinstance(value, str):
        found = _GRID.fullmatch(value.strip())
        if not found:
            raise UserError(f"{GRID}: '{value}' is not a grid; write columns x rows, such as 3x2, or all")
        return int(found[1]), int(found[2])
    if isinstance(value, Sequence | np.ndarray) and len(value) == _SIDES:
        return _plain(value[0]), _plain(value[1])
    raise UserError(f"{GRID}: {value!r} is not a pair of columns and rows, such as (3, 2)")


def _read_steps(definition: Definition, name: str, text: str) -> Range:
    pieces = text.split(":")
    if len(pieces) > 3:  # noqa: PLR2004
        raise UserError(f"{name}={text}: a range is FIRST:LAST or FIRST:LAST:STEP")
    if len(pieces) == 2 and definition.quantities[name].real:  # noqa: PLR2004
        raise UserError(f"{name}={text}: it may have fractions, so say the step: {name}={text}:STEP")
    return _steps(definition, name, f"{name}={text}", [parse_number(each, name) for each in pieces])


def _steps(definition: Definition, name: str, shown: str, ends: Sequence[Any]) -> Range:
    """Return the numbers from a first to a last one, with the step if it is not 1."""
    first, last, step = (*ends, 1)[:3]
    if step <= 0:
        raise UserError(f"{shown}: the step {step} is not greater than 0")
    if last < first:
        raise UserError(f"{shown}: the range is empty, {last} is less than {first}")
    start, end, distance = (_fraction(each) for each in (first, last, step))
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


def _fraction(value: Any) -> Fraction:
    """Take a float for the decimal that it prints as."""
    return Fraction(repr(value)) if isinstance(value, float) else Fraction(value)


def _check_variable(definition: Definition, name: str) -> None:
    """Refuse what does not exist, what is fixed, and what follows from other symbols."""
    quantity = definition.quantities.get(name)
    if quantity is None or quantity.fixed:
        known = [name for name, each in definition.quantities.items() if each.group != "derived" and not each.fixed]
        if quantity is not None:
            raise UserError(f"{name}: {quantity.meaning} is a definition and cannot vary")
        raise UserError(f"cannot vary '{name}': {nearest(name, [*known, *_choices(definition), *_PLACES, GRID])}")
    if quantity.group == "derived":
        used = [each for each in definition.quantities if each in names(quantity.formula)]
        free = [each for each in used if definition.quantities[each].group == "workload"]
        cut = definition.roles.crops
        sides = {cut.columns, cut.rows} if cut else set()
        if sides and sides <= set(free):
            free = [*(symbol for symbol in free if symbol not in sides), GRID]
        raise UserError(
            f"{name}: it follows from other symbols; vary {' or '.join(free or used)},"
            " or give it one value in settings (--set)"
        )
