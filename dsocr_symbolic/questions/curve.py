"""Metrics along one symbol, everything else put in and what follows following: values, forms and exact slopes."""

from collections.abc import Mapping
from functools import cached_property
from types import ModuleType
from typing import Any

import sympy
from attrs import frozen

from dsocr_symbolic.algebras import arithmetic, branches, symbolic
from dsocr_symbolic.algebras.branches import Branch, as_sympy, exact, unknown
from dsocr_symbolic.algebras.value import Exact, Expr, Value
from dsocr_symbolic.evaluation.source import function_source
from dsocr_symbolic.evaluation.terms import compiled, term_values
from dsocr_symbolic.language.registry import Term
from dsocr_symbolic.questions.question import Question
from dsocr_symbolic.scenario.checks import check_rules, check_setting

_DIGITS = 50


@frozen(kw_only=True)
class Curve:
    """Metrics of some parts as functions of one symbol.

    Attributes
    ----------
    question : Question
        What is put in.
    symbol : str
        What is left free.
    terms : tuple of Term
    """

    question: Question
    symbol: str
    terms: tuple[Term, ...]

    @cached_property
    def _bound(self) -> tuple[dict[str, Exact], tuple[str, ...], str]:
        """Numbers of what stays, names of what follows, and the source of a function of them."""
        binding = self.question.bound(self.symbol)
        self.question.refuse_unclaimed(self.terms, binding.unclaimed)
        source = function_source([list(binding.following.values())], self.question.definition.quantities)
        return {name: exact(value) for name, value in binding.numbers.items()}, tuple(binding.following), source

    def scope(self, value: Value, algebra: ModuleType = arithmetic) -> dict[str, Any]:
        """Return every symbol's value in an algebra, given that of the free one."""
        fixed, names, source = self._bound
        scope: dict[str, Value] = {**fixed, self.symbol: value}
        return scope | dict(zip(names, compiled(source, algebra)(scope)[0], strict=True))

    def metrics(self, scope: Mapping[str, Value], algebra: ModuleType = arithmetic) -> tuple[Any, ...]:
        """Return the metrics, in the order of the terms."""
        return term_values(self.question.model, self.terms, scope, algebra)

    def form(self, value: Exact) -> Any:
        """Return the branch of the first metric that leads at a value; a number if it does not depend on the symbol."""
        return self.metrics(self.scope(branches.free(self.symbol, value), branches), branches)[0]

    def check(self, value: Exact) -> None:
        """Raise where a value of the free symbol breaks its range or a rule of the model."""
        definition = self.question.definition
        check_setting(definition, self.symbol, value)
        numbers: dict[str, Any] = self.scope(exact(value))
        for name, _ in self.question.model.overrides:
            check_setting(definition, name, arithmetic.whole(numbers[name]))
        check_rules(definition, numbers, self.question.scenario.waived)


@frozen(kw_only=True)
class Slope:
    """The derivative of a formula at a point.

    Attributes
    ----------
    derivative : sympy.Expr
        An exact rational, or 50 digits where a power is involved.
    tied : bool
        Whether another branch leads right beside the point: a kink, or a jump of a guard or a rounding.
    """

    derivative: Expr
    tied: bool


def slope(branch: Value, symbol: str, value: Exact) -> Slope:
    """Differentiate the branch that leads at a point; guards and roundings count as constant."""
    if not isinstance(branch, Branch):
        return Slope(derivative=sympy.Integer(0), tied=False)
    key, point = unknown(symbol), as_sympy(value)
    return Slope(
        derivative=_derivative(branch.form, key, point),
        tied=any(_derivative(tie, key, point) != 0 for tie in branch.ties),
    )


def _derivative(form: Expr, key: Expr, point: Expr) -> Expr:
    """Differentiate exactly, or to 50 digits where a power moves with the symbol."""
    derivative = sympy.diff(smooth(form, key, point), key)
    if derivative.is_rational_function(key):
        return derivative.xreplace({key: point})
    return derivative.evalf(_DIGITS, subs={key: point})


def smooth(form: Expr, key: Expr, point: Expr) -> Expr:
    """Put the numbers of roundings in, and powers that sympy differentiates."""
    held = {rounding: sympy.Dummy() for rounding in form.atoms(sympy.floor, sympy.ceiling)}
    plain = form.xreplace(held).replace(symbolic.power, sympy.Pow)
    return plain.xreplace({dummy: rounding.xreplace({key: point}) for rounding, dummy in held.items()})
