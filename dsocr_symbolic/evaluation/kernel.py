"""What a compiled function is made of, whatever it is evaluated on."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from importlib import import_module
from types import ModuleType
from typing import Any, Literal

from attrs import field, frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.generated import Run, compile_function
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import Expression
from dsocr_symbolic.scenario.checks import check_rules

Backend = Literal["numpy", "torch"]
Result = dict[str, dict[str, Any]]
_ALGEBRAS = {"numpy": "arrays", "torch": "torch_arrays"}
# A symbol, its least value, whether it is whole, and whether it is greater than the least value.
Allowed = tuple[str, int, bool, bool]


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
class Kernel:
    """Generated source with what its arguments may be.

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

    @cached_property
    def ranges(self) -> tuple[tuple[Allowed, ...], tuple[Allowed, ...]]:
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

    def result(self, values: Iterable[Any]) -> Result:
        """Name the values of the outputs by metric and part."""
        result: Result = {output.metric: {} for output in self.outputs}
        for output, value in zip(self.outputs, values, strict=True):
            result[output.metric][output.part] = value
        return result

    def refuse_rules(self, values: Mapping[str, Any], where: str) -> None:
        """Say which rule is broken, in the words of the model file."""
        try:
            check_rules(self.definition, {**dict(self.numbers), **values}, self.waived)
        except UserError as error:
            raise UserError(f"{error}{where}") from None
