"""What each symbol is in a compiled function: an input, a number, or a formula of inputs."""

from collections.abc import Iterable, Mapping
from typing import Any

import sympy
from attrs import evolve, frozen

from dsocr_symbolic.algebras import arithmetic, symbolic
from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.evaluation.source import compile_function, function_source
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import evaluate, names
from dsocr_symbolic.scenario.hardware import Gpu
from dsocr_symbolic.scenario.overrides import as_number, as_rational
from dsocr_symbolic.scenario.values import check_setting, resolve


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
    taken = {name: value for name, value in defaults.items() if name not in (*decided, *inputs)} | dict(settings)
    for name, value in taken.items():
        check_setting(definition, name, value)
    plain = _plain_numbers(definition, (*inputs, *decided), taken, options, gpu)
    binder = _Binder(definition, inputs, overrides, plain | taken)
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


def _plain_numbers(
    definition: Definition, needless: Iterable[str], settings: Mapping[str, Any], options: Mapping[str, str], gpu: Gpu
) -> dict[str, Any]:
    """Return the numbers of all symbols that have no formula of other symbols."""
    plain = {name: each for name, each in definition.quantities.items() if not names(each.formula)}
    given = {name: value for name, value in settings.items() if name in plain}
    # What an input or an override stands for needs no number: that of the GPU may not even exist.
    given |= {name: max(plain[name].least, 1) for name in needless if name in plain}
    only = evolve(definition, quantities=plain, rules=())
    return dict(resolve(only, options=options, settings=given, gpu=gpu).numbers)


class _Binder:
    """Follows formulas from symbol to symbol; a Python number means that no input is involved."""

    def __init__(
        self, definition: Definition, inputs: tuple[str, ...], overrides: Mapping[str, Any], numbers: Mapping[str, Any]
    ) -> None:
        self.m_definition = definition
        self.m_inputs = inputs
        self.m_overrides = overrides
        self.m_numbers = numbers
        self.m_values: dict[str, Any] = {}
        self.m_above: list[str] = []

    def value(self, name: str) -> Any:
        """Return what stands for a symbol: what was put in for it, else the free symbol."""
        if name not in self.m_values:
            if name in self.m_above:
                chain = " -> ".join((*self.m_above, name))
                raise UserError(f"{chain}: these values need one another; give one of them a number")
            self.m_above.append(name)
            self.m_values[name] = self._overridden(name) if name in self.m_overrides else self._free(name)
            self.m_above.pop()
        return self.m_values[name]

    def _overridden(self, name: str) -> Any:
        expression = self.m_overrides[name]
        used = sorted(str(each) for each in expression.free_symbols)
        scope = {each: self._free(name) if each == name else self.value(each) for each in used}
        replaced = expression.xreplace({symbolic.symbol(each): as_expression(value) for each, value in scope.items()})
        if replaced.free_symbols:
            return replaced
        value = number_of(replaced)
        check_setting(self.m_definition, name, arithmetic.whole(value))
        return value

    def _free(self, name: str) -> Any:
        if name in self.m_inputs:
            return symbolic.symbol(name)
        if name in self.m_numbers:
            return self.m_numbers[name]
        formula = self.m_definition.quantities[name].formula
        scope = {each: self.value(each) for each in sorted(names(formula))}
        try:
            if any(isinstance(value, sympy.Basic) for value in scope.values()):
                found = evaluate(formula, {each: as_expression(value) for each, value in scope.items()}, symbolic)
                return found if found.free_symbols else arithmetic.whole(number_of(found))
            return arithmetic.whole(evaluate(formula, scope, arithmetic))
        except (OverflowError, ZeroDivisionError) as error:
            raise UserError(f"{name}: its formula {formula.text} has no value here; set {name} itself") from error


def as_expression(value: Any) -> Any:
    """Turn a number into a sympy number; an expression stays what it is."""
    return value if isinstance(value, sympy.Basic) else as_rational(value)


def number_of(expression: Any) -> Any:
    """Evaluate an expression without free symbols exactly."""
    if expression.is_Rational:
        return as_number(expression)
    return compile_function(function_source([[expression]], ()), arithmetic)({})[0][0]
