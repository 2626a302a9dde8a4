"""What each symbol is in a compiled function: an input, a number, or a formula of inputs."""

from collections.abc import Iterable, Mapping

import sympy
from attrs import frozen

from dsocr_symbolic.algebras import arithmetic, symbolic
from dsocr_symbolic.algebras.value import Exact, Expr
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.generated import compile_function
from dsocr_symbolic.evaluation.source import function_source
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import Expression, evaluate
from dsocr_symbolic.scenario.checks import check_free, check_setting, quantity_of
from dsocr_symbolic.scenario.claims import Claims, claims_of
from dsocr_symbolic.scenario.hardware import Gpu
from dsocr_symbolic.scenario.origins import Origin, layered, origins
from dsocr_symbolic.scenario.overrides import as_number, as_rational
from dsocr_symbolic.scenario.values import Resolver


@frozen(kw_only=True)
class Binding:
    """Every symbol of a model, sorted by what gives it its value.

    Attributes
    ----------
    inputs, numbers : tuple of str, mapping of str to Exact
        The arguments of the function, and symbols that do not depend on them.
    following : mapping of str to Expr
        Symbols that do, in terms of inputs alone; an input that was overridden follows from itself.
    claims : Claims
        Numbers that the GPU lacks, without which no lower bound or no forecast is claimed.
    """

    inputs: tuple[str, ...]
    numbers: Mapping[str, Exact]
    following: Mapping[str, Expr]
    claims: Claims

    @property
    def folded(self) -> dict[Expr, Expr]:
        """The numbers as replacements for expressions."""
        return {symbolic.symbol(name): as_rational(value) for name, value in self.numbers.items()}


def bind(
    definition: Definition,
    *,
    inputs: Iterable[str],
    overrides: Mapping[str, Expr],
    defaults: Mapping[str, Exact],
    settings: Mapping[str, Exact],
    options: Mapping[str, str],
    gpu: Gpu,
) -> Binding:
    """Decide what every symbol of a model is; settings are the user's own, defaults those of config and workload."""
    inputs = tuple(inputs)
    for name in (*inputs, *settings):
        quantity_of(definition, name)
    decided = {name for name, value in overrides.items() if symbolic.symbol(name) not in value.free_symbols}
    for name in (*inputs, *settings):
        if name in decided:
            raise UserError(f"{name}: what_if put {overrides[name]} in for it; start from the model before that")
        if (*inputs, *settings).count(name) > 1:
            raise UserError(f"{name}: named twice in over and settings; name it once")
    for name in inputs:
        # What stands for a symbol in bounds may move, though nobody sets it.
        if not definition.quantities[name].in_bounds_for:
            check_free(definition.quantities[name], name)
    taken = layered(settings, {name: value for name, value in defaults.items() if name not in (*decided, *inputs)})
    for name, value in taken.items():
        check_setting(definition, name, value)
    sources = origins(definition, options, taken, gpu, moved={*inputs, *overrides})
    for name, quantity in definition.quantities.items():
        given = next((given for given in (name, quantity.in_bounds_for) if given in inputs), "")
        if given:
            sources[name] = Origin(kind="input", value=symbolic.symbol(given))
    binder = _Binder(definition, sources, gpu, overrides)
    said = {name for name, quantity in definition.quantities.items() if {name, quantity.in_bounds_for} & decided}
    unsaid = {name: origin for name, origin in sources.items() if name not in said}
    values = {name: binder.value(name) for name in definition.quantities}
    return Binding(
        inputs=inputs,
        numbers={name: value for name, value in values.items() if not isinstance(value, sympy.Basic)},
        following={
            name: value
            for name, value in values.items()
            if isinstance(value, sympy.Basic) and not (name in inputs and value == symbolic.symbol(name))
        },
        claims=claims_of(unsaid),
    )


class _Binder(Resolver):
    """Resolves in formulas of the inputs; a Python number means that no input is involved."""

    def __init__(
        self, definition: Definition, sources: Mapping[str, Origin], gpu: Gpu, overrides: Mapping[str, Expr]
    ) -> None:
        super().__init__(definition, sources, gpu)
        self.m_overrides = overrides

    def given(self, name: str) -> Exact | Expr:
        """Return what was put in for a symbol, else what its origin gives: the free symbol."""
        if name not in self.m_overrides:
            stands_for = self.m_definition.quantities[name].in_bounds_for
            return self.value(stands_for) if stands_for in self.m_overrides else super().given(name)
        expression = self.m_overrides[name]
        used = sorted(str(symbol) for symbol in expression.free_symbols)
        free = super().given
        scope = {symbol: as_expression(free(name) if symbol == name else self.value(symbol)) for symbol in used}
        replaced = expression.xreplace({symbolic.symbol(symbol): value for symbol, value in scope.items()})
        if replaced.free_symbols:
            return replaced
        value = number_of(replaced)
        check_setting(self.m_definition, name, arithmetic.whole(value))
        return value

    def worked_out(self, formula: Expression, scope: Mapping[str, Exact | Expr]) -> Exact | Expr:
        """Evaluate a formula in sympy where an input is involved."""
        if not any(isinstance(value, sympy.Basic) for value in scope.values()):
            return super().worked_out(formula, scope)
        value = evaluate(formula, {symbol: as_expression(number) for symbol, number in scope.items()}, symbolic)
        return value if value.free_symbols else number_of(value)


def as_expression(value: Exact | Expr) -> Expr:
    """Turn a number into a sympy number; an expression stays what it is."""
    return value if isinstance(value, sympy.Basic) else as_rational(value)


def number_of(expression: Expr) -> Exact:
    """Evaluate an expression without free symbols exactly."""
    if expression.is_Rational:
        return as_number(expression)
    number: Exact = compile_function(function_source([[expression]], ()))({})[0][0]
    return number
