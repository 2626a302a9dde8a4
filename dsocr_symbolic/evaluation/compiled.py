"""Fast functions of a few symbols: exact on Python numbers, float64 on arrays."""

import math
import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from fractions import Fraction
from functools import cached_property
from importlib import import_module
from types import ModuleType
from typing import Any, Literal

from attrs import field, frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.evaluation.source import compile_function
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import Expression, evaluate
from dsocr_symbolic.scenario.values import LARGEST, check_rules, check_setting
from dsocr_symbolic.writing.notebook import Shown

Backend = Literal["numpy", "torch"]


Result = dict[str, dict[str, Any]]


_ALGEBRAS = {"numpy": "arrays", "torch": "torch_arrays"}


# A symbol, its least value, whether it is whole, and whether it is greater than the least value.
_Range = tuple[str, int, bool, bool]


@frozen(kw_only=True)
class Column:
    """One number of the result.

    Attributes
    ----------
    metric, part : str
        A name of the registry, and the path of a part (``total`` for the whole).
    places : tuple of (str, tuple of int)
        Which outputs of the generated function add up to it. A ratio has one entry per metric in its formula.
    ratio : Expression or None
        The formula of a ratio.
    """

    metric: str
    part: str
    places: tuple[tuple[str, tuple[int, ...]], ...]
    ratio: Expression | None


@frozen(kw_only=True, repr=False)
class Compiled(Shown):
    """A function of some symbols: ``function(batch=8, new_tokens=array)``.

    Immutable, hashable, picklable, and safe to call from many threads at once.

    Attributes
    ----------
    columns : tuple of Column
        What it returns.
    inputs : tuple of str
        Its arguments.
    following : tuple of str
        Symbols that follow from them.
    guarded : tuple of str
        Those of them that a user's formula gives: their values are checked as those of inputs are.
    follow, require, exact, decimal : str
        Generated source: the following symbols; the rules as 1 or 0; the outputs, exactly; the outputs with
        float64 constants, for arrays.
    definition : Definition
        The model without its tree: what symbols may be, what rules say.
    numbers : tuple of (str, number)
        All other symbols.
    waived : frozenset of str
        Switches that lift rules.
    backend : str
        ``numpy`` or ``torch``.
    threads : int or None
        Threads over blocks of numpy arrays; None for one per core.
    """

    columns: tuple[Column, ...]
    inputs: tuple[str, ...]
    following: tuple[str, ...]
    guarded: tuple[str, ...]
    follow: str
    require: str
    exact: str
    decimal: str
    definition: Definition = field(hash=False)
    numbers: tuple[tuple[str, Any], ...]
    waived: frozenset[str]
    backend: Backend
    threads: int | None

    def __call__(self, /, **values: Any) -> Result:
        """Evaluate.

        Parameters
        ----------
        **values : int, float, Fraction or array
            One for each input, by symbol. Arrays (and lists) broadcast with one another; integer arrays of any
            width are converted to float64 before anything is computed. An array without dimensions is a number.

        Returns
        -------
        dict of str to dict of str to number or array
            By metric, then by part: ``result["forward_io_bytes"]["total"]``, in the registry's units. Exact ints
            wherever the inputs are whole Python numbers and the result is; float64 arrays of the common shape
            if any input is an array. A ratio of nothing is None, in arrays not a number.

        Raises
        ------
        UserError
            If an input is missing or unknown, a value is not allowed, or a rule is broken; for arrays it names
            the first such point.
        """
        if values.keys() != self._names:
            self._refuse_names(values)
        if {type(value) for value in values.values()} <= {int}:
            return self._scalar(values)
        values = {name: _plain(value) for name, value in values.items()}
        if all(isinstance(value, int | float | Fraction) for value in values.values()):
            return self._scalar(values)
        return self._arrays(values)

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(self.inputs)

    @cached_property
    def _ranges(self) -> tuple[tuple[_Range, ...], tuple[_Range, ...]]:
        """What inputs may be, and what guarded symbols may be."""
        found = self.definition.quantities
        inputs, guarded = (
            tuple(
                (name, found[name].least, not found[name].real, found[name].group == "machine" and not found[name].zero)
                for name in names
            )
            for names in (self.inputs, self.guarded)
        )
        return inputs, guarded

    @cached_property
    def _exact(self) -> tuple[Callable[[Mapping[str, Any]], Any], ...]:
        return tuple(compile_function(each, arithmetic) for each in (self.follow, self.require, self.exact))

    @cached_property
    def _decimal(self) -> tuple[Callable[[Mapping[str, Any]], Any], ...]:
        return tuple(compile_function(each, self._algebra) for each in (self.follow, self.require, self.decimal))

    @cached_property
    def _algebra(self) -> ModuleType:
        return import_module(f"dsocr_symbolic.algebras.{_ALGEBRAS[self.backend]}")

    def _refuse_names(self, values: Mapping[str, Any]) -> None:
        for name in values:
            if name not in self._names:
                raise UserError(f"unknown input '{name}': {nearest(name, self.inputs)}")
        missing = ", ".join(name for name in self.inputs if name not in values)
        raise UserError(f"{missing}: no value given; this function was compiled over {', '.join(self.inputs)}")

    def _scalar(self, values: dict[str, Any]) -> Result:
        follow, require, exact = self._exact
        inputs, guarded = self._ranges
        try:
            self._check_scalars(inputs, values)
            values.update(zip(self.following, follow(values)[0], strict=True))
            self._check_scalars(guarded, values)
            if not all(require(values)[0]):
                self._refuse_rules(values, "")
            outputs = exact(values)[0]
        except (OverflowError, ZeroDivisionError) as error:
            given = ", ".join(f"{name} = {values[name]}" for name in self.inputs)
            raise UserError(f"{given}: a formula has no value there; give other values") from error
        result: Result = {column.metric: {} for column in self.columns}
        for column in self.columns:
            result[column.metric][column.part] = _exact_value(column, outputs)
        return result

    def _check_scalars(self, ranges: tuple[_Range, ...], values: Mapping[str, Any]) -> None:
        for name, least, _, above in ranges:
            value = values[name]
            if type(value) is not int or not least + above <= value <= LARGEST:
                check_setting(self.definition, name, arithmetic.whole(value))

    def _refuse_rules(self, values: Mapping[str, Any], where: str) -> None:
        """Say which rule is broken, in the words of the model file."""
        try:
            check_rules(self.definition, {**dict(self.numbers), **values}, self.waived)
        except UserError as error:
            raise UserError(f"{error}{where}") from None

    def _arrays(self, values: Mapping[str, Any]) -> Result:
        algebra = self._algebra
        wide: dict[str, Any] = {}
        for name, value in values.items():
            try:
                is_number = isinstance(value, int | float | Fraction) and not isinstance(value, bool)
                wide[name] = algebra.float64(float(value)) if is_number else algebra.numeric(value)
            except (TypeError, ValueError, OverflowError) as error:
                raise UserError(f"{name}: {error} is not what can be computed with; give real numbers") from error
        single = {name: algebra.float64(value) for name, value in wide.items() if value.ndim == 0}
        arrays = {name: value for name, value in wide.items() if value.ndim > 0}
        try:
            shape, flat = algebra.flattened(list(arrays.values()))
        except ValueError as error:
            shapes = ", ".join(f"{name} {tuple(value.shape)}" for name, value in arrays.items())
            raise UserError(f"{shapes}: arrays of these shapes or devices do not go together") from error
        points = dict(zip(arrays, flat, strict=True))
        count = len(flat[0])
        results = [algebra.empty(count, flat[0]) for _ in self.columns]

        def run(start: int) -> None:
            block = slice(start, start + algebra.BLOCK)
            with algebra.quiet():
                given = single | {name: algebra.float64(each[block]) for name, each in points.items()}
                found = self._block(given, start)
                for column, room in zip(self.columns, results, strict=True):
                    room[block] = _array_value(column, found, algebra)

        starts = range(0, count, algebra.BLOCK)
        threads = min(self.threads or _cores(), len(starts)) if algebra.THREADED else 1
        if threads > 1:
            with ThreadPoolExecutor(threads) as pool:
                list(pool.map(run, starts))
        else:
            for start in starts:
                run(start)
        result: Result = {column.metric: {} for column in self.columns}
        for column, room in zip(self.columns, results, strict=True):
            result[column.metric][column.part] = room.reshape(shape)
        return result

    def _block(self, values: dict[str, Any], start: int) -> Sequence[Any]:
        """Return the outputs at a block of points, once their values and rules are checked."""
        follow, require, decimal = self._decimal
        inputs, guarded = self._ranges
        given = dict(values)
        for each in inputs:
            self._check_range(each, values[each[0]], start)
        values.update(zip(self.following, follow(values)[0], strict=True))
        for each in guarded:
            self._check_range(each, values[each[0]], start)
        broken = [each == 0 for each in require(values)[0]]
        places = [place for each in broken if (place := self._algebra.first_true(each)) is not None]
        if places:
            self._refuse_points(given, broken, min(places), start)
        found: Sequence[Any] = decimal(values)[0]
        return found

    def _refuse_points(self, given: Mapping[str, Any], broken: Sequence[Any], first: int, start: int) -> None:
        """Name the first point that breaks a rule in exact numbers too, float64 being a hair off at worst."""
        for place in range(first, max(len(each) for each in given.values() if each.ndim)):
            if any(bool(each[place] if getattr(each, "ndim", 0) else each) for each in broken):
                point = {name: _at(each, place) for name, each in given.items()}
                point.update(zip(self.following, self._exact[0](point)[0], strict=True))
                self._refuse_rules(point, f" (point {start + place})")

    def _check_range(self, allowed_range: _Range, values: Any, start: int) -> None:
        name, least, whole, above = allowed_range
        smallest, floor = values.min(), self._algebra.floor
        enough = smallest > least if above else smallest >= least
        if enough and values.max() <= LARGEST and (not whole or (values == floor(values)).all()):
            return
        allowed = (values > least if above else values >= least) & (values <= LARGEST)
        place = self._algebra.first_true(~(allowed & (values == floor(values)) if whole else allowed)) or 0
        try:
            check_setting(self.definition, name, _at(values, place))
        except UserError as error:
            raise UserError(f"{error} (point {start + place})") from None


def _plain(value: Any) -> Any:
    """Turn a single number of numpy or torch into one of Python, an int where it is whole; arrays stay."""
    number = value.item() if getattr(value, "ndim", None) == 0 else value
    return arithmetic.whole(number) if isinstance(number, float) and math.isfinite(number) else number


def _at(values: Any, place: int) -> Any:
    """Return one number of an array, an int where it is whole."""
    number = (values[place] if values.ndim else values).item()
    return arithmetic.whole(number) if math.isfinite(number) else number


def _exact_value(column: Column, outputs: Sequence[Any]) -> Any:
    if column.ratio is None:
        ((_, places),) = column.places
        return arithmetic.whole(outputs[places[0]] if len(places) == 1 else sum(outputs[each] for each in places))
    try:
        found = {metric: sum(outputs[place] for place in places) for metric, places in column.places}
        return arithmetic.whole(evaluate(column.ratio, found, arithmetic))
    except ZeroDivisionError:
        return None


def _array_value(column: Column, outputs: Sequence[Any], algebra: ModuleType) -> Any:
    found = {metric: sum(outputs[place] for place in places) for metric, places in column.places}
    return found[column.metric] if column.ratio is None else evaluate(column.ratio, found, algebra)


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
