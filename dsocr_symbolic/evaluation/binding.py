"""What each symbol is in a compiled function: an input, a number, or a formula of inputs."""

from collections.abc import Iterable, Mapping
from typing import Any

import sympy
from attrs import frozen

from dsocr_symbolic.algebras import arithmetic, symbolic
from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.evaluation.generated import compile_function
from dsocr_symbolic.evaluation.source import function_source
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import Expression, evaluate
from dsocr_symbolic.scenario.checks import check_free, check_setting
from dsocr_symbolic.scenario.hardware import Gpu
from dsocr_symbolic.scenario.origins import Origin, layered, origins
from dsocr_symbolic.scenario.overrides import as_number, as_rational
from dsocr_symbolic.scenario.values import Resolver


@frozen(kw_only=True)
class Binding:
    """Every symbol of a model, sorted by what gives it its value.

    Attributes
    ----------
    inputs : tuple of str
        The arguments of the function.
    numbers : mapping of str to int, float or Fraction
        Symbols that do not depend on an input.
    following : mapping of str to sympy.Expr
        Symbols that do, in terms of inputs alone; an input that was overridden follows from itself.
    """

    inputs: tuple[str, ...]
    numbers: Mapping[str, Any]
    following: Mapping[str, Any]

    @property
    def folded(self) -> dict[Any, Any]:
        """The numbers as replacements for expressions."""
        return {symbolic.symbol(name): as_rational(value) for name, value in self.numbers.items()}


def bind(
    definition: Definition,
    *,
    inputs: Iterable[str],
    overrides: Mapping[str, Any],
    defaults: Mapping[str, Any],
    settings: Mapping[str, Any],
    options: Mapping[str, str],
    gpu: Gpu,
) -> Binding:
    """Decide what every symbol of a model is.

    Parameters
    ----------
    definition : Definition
        The model.
    inputs : iterable of str
        Symbols that the function takes.
    overrides : mapping of str to sympy.Expr
        What stands for a symbol; the symbol itself in its own value is the free one.
    defaults : mapping of str to number
        Values from config and workload, where nothing else gives one.
    settings : mapping of str to number
        The user's own values of free symbols.
    options : mapping of str to str
        One option per choice.
    gpu : Gpu
        The machine.

    Returns
    -------
    Binding
        An input, a number or a formula for every symbol.

    Raises
    ------
    UserError
        If a symbol is unknown or given twice, a value is not allowed, or values need one another.
    """
    inputs = tuple(inputs)
    for name in (*inputs, *settings):
        if name not in definition.quantities:
            raise UserError(f"unknown symbol '{name}': {nearest(name, definition.quantities)}")
    decided = {name for name, value in overrides.items() if symbolic.symbol(name) not in value.free_symbols}
    for name in (*inputs, *settings):
        if name in decided:
            raise UserError(f"{name}: what_if put {overrides[name]} in for it; start from the model before that")
        if (*inputs, *settings).count(name) > 1:
            raise UserError(f"{name}: named twice in over and settings; name it once")
    for name in inputs:
        check_free(definition.quantities[name], name)
    taken = layered(settings, {name: value for name, value in defaults.items() if name not in (*decided, *inputs)})
    for name, value in taken.items():
        check_setting(definition, name, value)
    sources = origins(definition, options, taken, gpu)
    sources |= {name: Origin(kind="input", value=symbolic.symbol(name)) for name in inputs}
    binder = _Binder(definition, sources, gpu, overrides)
    found = {name: binder.value(name) for name in definition.quantities}
    return Binding(
        inputs=inputs,
        numbers={name: value for name, value in found.items() if not isinstance(value, sympy.Basic)},
        following={
            name: value
            for name, value in found.items()
            if isinstance(value, sympy.Basic) and not (name in inputs and value == symbolic.symbol(name))
        },
    )


class _Binder(Resolver):
    """Resolves in formulas of the inputs; a Python number means that no input is involved."""

    def __init__(
        self, definition: Definition, sources: Mapping[str, Origin], gpu: Gpu, overrides: Mapping[str, Any]
    ) -> None:
        super().__init__(definition, sources, gpu)
        self.m_overrides = overrides

    def found(self, name: str) -> Any:
        """Return what was put in for a symbol, else what its origin gives: the free symbol."""
        if name not in self.m_overrides:
            return super().found(name)
        expression = self.m_overrides[name]
        used = sorted(str(symbol) for symbol in expression.free_symbols)
        free = super().found
        scope = {symbol: as_expression(free(name) if symbol == name else self.value(symbol)) for symbol in used}
        replaced = expression.xreplace({symbolic.symbol(symbol): value for symbol, value in scope.items()})
        if replaced.free_symbols:
            return replaced
        value = number_of(replaced)
        check_setting(self.m_definition, name, arithmetic.whole(value))
        return value

    def worked_out(self, formula: Expression, scope: Mapping[str, Any]) -> Any:
        """Evaluate a formula in sympy where an input is involved."""
        if not any(isinstance(value, sympy.Basic) for value in scope.values()):
            return super().worked_out(formula, scope)
        found = evaluate(formula, {name: as_expression(value) for name, value in scope.items()}, symbolic)
        return found if found.free_symbols else arithmetic.whole(number_of(found))


def as_expression(value: Any) -> Any:
    """Turn a number into a sympy number; an expression stays what it is."""
    return value if isinstance(value, sympy.Basic) else as_rational(value)


def number_of(expression: Any) -> Any:
    """Evaluate an expression without free symbols exactly."""
    if expression.is_Rational:
        return as_number(expression)
    return compile_function(function_source([[expression]], ()))({})[0][0]
