"""Fast functions of a few symbols: exact on Python numbers, float64 on arrays."""

import math
from collections.abc import Mapping, Sequence
from fractions import Fraction
from functools import cached_property
from typing import Any

from attrs import frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.evaluation.kernel import Allowed, Kernel, Output, Result, find_warnings
from dsocr_symbolic.evaluation.vectorized import evaluate_arrays
from dsocr_symbolic.language.expression import evaluate
from dsocr_symbolic.scenario.checks import LARGEST, check_setting
from dsocr_symbolic.writing.notebook import Shown


@frozen(kw_only=True, repr=False)
class Compiled(Kernel, Shown):
    """A function of some symbols: ``function(batch=8, new_tokens=array)``.

    Immutable, hashable, picklable, and safe to call from many threads at once.
    """

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
            if any input is an array; where arrays are the axes of a grid (``np.ix_``), read-only views of what does
            not depend on all of them. A ratio of nothing is None, in arrays not a number; so is a lower bound on a GPU
            whose file lacks a number that it needs.

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
        return evaluate_arrays(self, values)

    def warnings(self, /, **values: Any) -> tuple[str, ...]:
        """Say what the model file warns of at values as those of a call; of arrays, at how many points and the first.

        Parameters
        ----------
        **values : int, float, Fraction or array
            As in a call.

        Returns
        -------
        tuple of str
            One text for each warning; empty where there is none.

        Raises
        ------
        UserError
            If an input is missing or unknown, or is no number.
        """
        if values.keys() != self._names:
            self._refuse_names(values)
        many = any(getattr(value, "ndim", 0) or isinstance(value, list) for value in values.values())
        return tuple(
            f"{said} (point {place}, {count} in all)" if many else said
            for _, said, place, count in find_warnings(self, values)
        )

    @cached_property
    def _names(self) -> frozenset[str]:
        return frozenset(self.inputs)

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
            values.update(zip(self.following, map(arithmetic.counted, follow(values)[0]), strict=True))
            self._check_scalars(guarded, values)
            if not all(require(values)[0]):
                self.refuse_rules(values, "")
            numbers = exact(values)[0]
        except (OverflowError, ZeroDivisionError) as error:
            given = ", ".join(f"{name} = {values[name]}" for name in self.inputs)
            raise UserError(f"{given}: a formula has no value there; give other values") from error
        return self.result(_exact_value(output, numbers) for output in self.outputs)

    def _check_scalars(self, ranges: tuple[Allowed, ...], values: Mapping[str, Any]) -> None:
        for name, least, _, above in ranges:
            value = values[name]
            if type(value) is not int or not least + above <= value <= LARGEST:
                check_setting(self.definition, name, arithmetic.whole(value))


def _plain(value: Any) -> Any:
    """Turn a single number of numpy or torch into one of Python, an int where it is whole; arrays stay."""
    number = value.item() if getattr(value, "ndim", None) == 0 else value
    return arithmetic.whole(number) if isinstance(number, float) and math.isfinite(number) else number


def _exact_value(output: Output, numbers: Sequence[Exact]) -> Any:
    if not output.places:
        return None
    if output.ratio is None and not output.steps:
        ((_, places),) = output.places
        return arithmetic.whole(numbers[places[0]] if len(places) == 1 else sum(numbers[place] for place in places))
    try:
        sums = {metric: sum(numbers[place] for place in places) for metric, places in output.places}
        for name, formula in output.steps:
            sums[name] = evaluate(formula, sums, arithmetic)
        if output.ratio is None:
            return arithmetic.whole(sums[output.steps[-1][0]])
        return arithmetic.whole(evaluate(output.ratio, sums, arithmetic))
    except ZeroDivisionError:
        return None
