"""What a compiled function is made of, and what it gives at a block of points, each in its range and the rules."""

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from functools import cached_property
from importlib import import_module
from math import isfinite, nan, prod
from types import ModuleType
from typing import Any, Literal

from attrs import frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.generated import Run, compile_function
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import Expression, evaluate, names
from dsocr_symbolic.language.rules import Rule
from dsocr_symbolic.scenario.checks import LARGEST, check_rules, check_setting, rule_says

Backend = Literal["numpy", "torch", "c"]
Result = dict[str, dict[str, Any]]
_ALGEBRAS = {"numpy": "arrays", "torch": "torch_arrays", "c": "arrays"}
# A symbol, its least value, whether it is whole, and whether it is greater than the least value.
Allowed = tuple[str, int, bool, bool]


@frozen(kw_only=True)
class Output:
    """One number of the result.

    Attributes
    ----------
    metric, part : str
        A name of the registry, and the path of a part (``total`` for the whole).
    places, ratio : tuple of (str, tuple of int), Expression or None
        Which outputs of the generated function add up to it, none where it does not exist; the formula of a ratio, of
        which each metric has an entry.
    steps : tuple of (str, Expression)
        Formulas that lead from these to it, the last one its own; none for most.
    """

    metric: str
    part: str
    places: tuple[tuple[str, tuple[int, ...]], ...]
    ratio: Expression | None
    steps: tuple[tuple[str, Expression], ...] = ()


@frozen(kw_only=True, repr=False)
class Kernel:
    """Generated source with what its arguments may be.

    Attributes
    ----------
    outputs : tuple of Output
        What it returns.
    inputs, following, guarded : tuple of str
        Its arguments; symbols that follow from them; those of them that a user's formula gives: their values are
        checked as those of inputs are.
    follow, require, exact, decimal : str
        Generated source: the following symbols; the rules as 1 or 0; the outputs, exactly; the outputs with
        float64 constants, for arrays.
    warned, warn : tuple of str, str
        Symbols that follow and that warnings are about; generated source of them, and of the warnings as 1 or 0.
    definition : Definition
        The model without its tree: what symbols may be, what rules say.
    numbers : tuple of (str, Exact)
        All other symbols.
    waived : frozenset of str
        Switches that lift rules.
    backend, threads : str, int or None
        ``numpy``, ``torch`` or ``c``; threads over blocks of numpy arrays, None for one per core.
    """

    outputs: tuple[Output, ...]
    inputs: tuple[str, ...]
    following: tuple[str, ...]
    guarded: tuple[str, ...]
    follow: str
    require: str
    exact: str
    decimal: str
    warned: tuple[str, ...]
    warn: str
    definition: Definition
    numbers: tuple[tuple[str, Exact], ...]
    waived: frozenset[str]
    backend: Backend
    threads: int | None

    @cached_property
    def ranges(self) -> tuple[tuple[Allowed, ...], tuple[Allowed, ...]]:
        """What inputs may be, and what guarded symbols may be."""

        def allowed(name: str) -> Allowed:
            quantity = self.definition.quantities[name]
            return name, quantity.least, not quantity.real, quantity.above_zero

        return tuple(map(allowed, self.inputs)), tuple(map(allowed, self.guarded))

    @cached_property
    def on_numbers(self) -> tuple[Run, ...]:
        """What follows, what rules say, and the outputs, exactly."""
        return tuple(compile_function(source, arithmetic) for source in (self.follow, self.require, self.exact))

    @cached_property
    def on_arrays(self) -> tuple[Run, ...]:
        """The same on arrays of the backend."""
        follow, require, decimal = (
            compile_function(source, self.algebra) for source in (self.follow, self.require, self.decimal)
        )
        if self.backend == "c":
            from dsocr_symbolic.evaluation.native import on_blocks

            decimal = on_blocks(self.decimal, decimal)
        return follow, require, decimal

    @cached_property
    def warned_numbers(self) -> Run:
        """The warnings and what they name, exactly."""
        return compile_function(self.warn, arithmetic)

    @cached_property
    def warned_arrays(self) -> Run:
        """The same on arrays of the backend."""
        return compile_function(self.warn, self.algebra)

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
            check_rules(self.definition.rules, {**dict(self.numbers), **values}, self.waived)
        except UserError as error:
            raise UserError(f"{error}{where}") from None


def find_warnings(function: Kernel, values: Mapping[str, Any]) -> list[tuple[Rule, str, int, int]]:
    """Return each warning that a point of some arrays deserves: what it says of the first one, its place, how many."""
    shape, points, broken_rules = _broken_warnings(function, values)
    found = []
    for rule, broken in zip(function.definition.warnings, broken_rules, strict=True):
        if (place := function.algebra.first_true(broken)) is not None:
            point = {name: _at(column, place) for name, column in points.items()}
            point.update(zip(function.warned, function.warned_numbers(point)[0], strict=True))
            count = int(broken.sum()) if broken.ndim else prod(shape)
            found.append((rule, rule_says(rule, {**dict(function.numbers), **point}), place, count))
    return found


def deserves_warning(function: Kernel, values: Mapping[str, Any]) -> bool:
    """Return whether any point of some arrays that broadcast deserves a warning."""
    algebra = function.algebra
    wide = {name: as_float64(name, value, algebra) for name, value in values.items()}
    with algebra.quiet():
        _, kept = function.warned_arrays(wide)
    return any(algebra.first_true(algebra.float64(keeps) == 0) is not None for keeps in kept)


def find_warned(function: Kernel, values: Mapping[str, Any]) -> list[Any]:
    """Return for each warning at which points of some arrays it is deserved: true or false, or an array of them."""
    return _broken_warnings(function, values)[2]


def _broken_warnings(function: Kernel, values: Mapping[str, Any]) -> tuple[Sequence[int], dict[str, Any], list[Any]]:
    algebra = function.algebra
    wide = {name: as_float64(name, value, algebra) for name, value in values.items()}
    shape = algebra.common_shape(list(wide.values()))
    points = {name: algebra.spelled_out(value, shape, (-1,)) for name, value in wide.items()}
    with algebra.quiet():
        _, kept = function.warned_arrays(points)
    return shape, points, [algebra.float64(keeps) == 0 for keeps in kept]


def find_symbol(function: Kernel, name: str, values: Mapping[str, Any]) -> Any:
    """Return a symbol of the machine at some points: a number, or an array where it follows from what varies."""
    scope: dict[str, Any] = {**dict(function.numbers), **values}
    if name in scope:
        return scope[name]
    formula = function.definition.quantities[name].formula
    if not names(formula) <= scope.keys():
        scope.update(zip(function.following, function.on_arrays[0](dict(values))[0], strict=True))
    return evaluate(formula, scope, function.algebra)


def as_float64(name: str, value: Any, algebra: ModuleType) -> Any:
    """Return a number as float64 and an array as it is; raise where it holds no real numbers."""
    try:
        is_number = isinstance(value, int | float | Fraction) and not isinstance(value, bool)
        return algebra.float64(float(value)) if is_number else algebra.numeric(value)
    except (TypeError, ValueError, OverflowError) as error:
        raise UserError(f"{name}: {error} is not what can be computed with; give real numbers") from error


def checked_numbers(function: Kernel, values: dict[str, Any], start: int | None) -> Sequence[Any]:
    """Return the numbers at a block of points, once their values and rules are checked.

    ``start`` is the number of its first point, by which an error names one; None for a block of several axes, of which
    an error only says that one of its points is not allowed.
    """
    follow, require, decimal = function.on_arrays
    inputs, guarded = function.ranges
    given = dict(values)
    for allowed in inputs:
        _check_range(function, allowed, values[allowed[0]], start or 0)
    values.update(zip(function.following, follow(values)[0], strict=True))
    for allowed in guarded:
        _check_range(function, allowed, values[allowed[0]], start or 0)
    broken = [required == 0 for required in require(values)[0]]
    places = [place for rule in broken if (place := function.algebra.first_true(rule)) is not None]
    if places:
        if start is None:
            raise UserError("a rule is broken")
        refuse_points(function, given, broken, min(places), start)
    return decimal(values)[0]


def refuse_points(function: Kernel, given: Mapping[str, Any], broken: Sequence[Any], first: int, start: int) -> None:
    """Name the first point that breaks a rule in exact numbers too, float64 being a hair off at worst."""
    for place in range(first, max(len(values) for values in given.values() if values.ndim)):
        if any(bool(rule[place] if getattr(rule, "ndim", 0) else rule) for rule in broken):
            point = {name: _at(values, place) for name, values in given.items()}
            point.update(zip(function.following, function.on_numbers[0](point)[0], strict=True))
            function.refuse_rules(point, f" (point {start + place})")


def _check_range(function: Kernel, allowed: Allowed, values: Any, start: int) -> None:
    name, least, whole, above = allowed
    smallest, floor = values.min(), function.algebra.floor
    enough = smallest > least if above else smallest >= least
    if enough and values.max() <= LARGEST and (not whole or (values == floor(values)).all()):
        return
    inside = (values > least if above else values >= least) & (values <= LARGEST)
    place = function.algebra.first_true(~(inside & (values == floor(values)) if whole else inside)) or 0
    try:
        check_setting(function.definition, name, _at(values, place))
    except UserError as error:
        raise UserError(f"{error} (point {start + place})") from None


def _at(values: Any, place: int) -> Any:
    """Return one number of an array, an int where it is whole."""
    number = (values.reshape(-1)[place] if values.ndim else values).item()
    return arithmetic.whole(number) if isfinite(number) else number


def output_value(output: Output, numbers: Sequence[Any], algebra: ModuleType) -> Any:
    """Return an output of the numbers that the generated function gave; nan where there is none."""
    if not output.places:
        return nan
    sums = {metric: sum(numbers[place] for place in places) for metric, places in output.places}
    for name, formula in output.steps:
        sums[name] = evaluate(formula, sums, algebra)
    if output.steps:
        return sums[output.steps[-1][0]]
    return sums[output.metric] if output.ratio is None else evaluate(output.ratio, sums, algebra)
