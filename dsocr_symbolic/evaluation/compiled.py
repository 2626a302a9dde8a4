"""Fast functions of a few symbols: exact on Python numbers, float64 on arrays."""

import math
from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from functools import cached_property
from importlib import import_module
from types import ModuleType
from typing import Any, Literal

from attrs import field, frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.evaluation.generated import Run, compile_function
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import Expression, evaluate
from dsocr_symbolic.scenario.checks import LARGEST, check_rules, check_setting
from dsocr_symbolic.writing.notebook import Shown

Backend = Literal["numpy", "torch"]


Result = dict[str, dict[str, Any]]


_ALGEBRAS = {"numpy": "arrays", "torch": "torch_arrays"}


# A symbol, its least value, whether it is whole, and whether it is greater than the least value.
Range = tuple[str, int, bool, bool]


@frozen(kw_only=True)
class Output:
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
    outputs : tuple of Output
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

    outputs: tuple[Output, ...]
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
        from dsocr_symbolic.evaluation.blocks import evaluate_arrays

        return evaluate_arrays(self, values)

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(self.inputs)

    @cached_property
    def ranges(self) -> tuple[tuple[Range, ...], tuple[Range, ...]]:
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
    def on_numbers(self) -> tuple[Run, ...]:
        """What follows, what rules say, and the outputs, exactly."""
        return tuple(compile_function(each, arithmetic) for each in (self.follow, self.require, self.exact))

    @cached_property
    def on_arrays(self) -> tuple[Run, ...]:
        """The same on arrays of the backend."""
        return tuple(compile_function(each, self.algebra) for each in (self.follow, self.require, self.decimal))

    @cached_property
    def algebra(self) -> ModuleType:
        """The algebra of the backend's arrays."""
        return import_module(f"dsocr_symbolic.algebras.{_ALGEBRAS[self.backend]}")

    def _refuse_names(self, values: Mapping[str, Any]) -> None:
        for name in values:
            if name not in self._names:
                raise UserError(f"unknown input '{name}': {nearest(name, self.inputs)}")
        missing = ", ".join(name for name in self.inputs if name not in values)
        raise UserError(f"{missing}: no value given; this function was compiled over {', '.join(self.inputs)}")

    def _scalar(self, values: dict[str, Any]) -> Result:
        follow, require, exact = self.on_numbers
        inputs, guarded = self.ranges
        try:
            self._check_scalars(inputs, values)
            values.update(zip(self.following, follow(values)[0], strict=True))
            self._check_scalars(guarded, values)
            if not all(require(values)[0]):
                self.refuse_rules(values, "")
            numbers = exact(values)[0]
        except (OverflowError, ZeroDivisionError) as error:
            given = ", ".join(f"{name} = {values[name]}" for name in self.inputs)
            raise UserError(f"{given}: a formula has no value there; give other values") from error
        return self.result(_exact_value(output, numbers) for output in self.outputs)

    def result(self, values: Iterable[Any]) -> Result:
        """Name the values of the outputs by metric and part."""
        result: Result = {output.metric: {} for output in self.outputs}
        for output, value in zip(self.outputs, values, strict=True):
            result[output.metric][output.part] = value
        return result

    def _check_scalars(self, ranges: tuple[Range, ...], values: Mapping[str, Any]) -> None:
        for name, least, _, above in ranges:
            value = values[name]
            if type(value) is not int or not least + above <= value <= LARGEST:
                check_setting(self.definition, name, arithmetic.whole(value))

    def refuse_rules(self, values: Mapping[str, Any], where: str) -> None:
        """Say which rule is broken, in the words of the model file."""
        try:
            check_rules(self.definition, {**dict(self.numbers), **values}, self.waived)
        except UserError as error:
            raise UserError(f"{error}{where}") from None


def _plain(value: Any) -> Any:
    """Turn a single number of numpy or torch into one of Python, an int where it is whole; arrays stay."""
    number = value.item() if getattr(value, "ndim", None) == 0 else value
    return arithmetic.whole(number) if isinstance(number, float) and math.isfinite(number) else number


def _exact_value(output: Output, numbers: Sequence[Any]) -> Any:
    if output.ratio is None:
        ((_, places),) = output.places
        return arithmetic.whole(numbers[places[0]] if len(places) == 1 else sum(numbers[place] for place in places))
    try:
        found = {metric: sum(numbers[place] for place in places) for metric, places in output.places}
        return arithmetic.whole(evaluate(output.ratio, found, arithmetic))
    except ZeroDivisionError:
        return None
