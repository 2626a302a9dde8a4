"""Metrics along one symbol, everything else put in and what follows following: values and exact slopes."""

from collections.abc import Mapping
from functools import cached_property, lru_cache
from types import ModuleType
from typing import Any

from attrs import frozen

from dsocr_symbolic.algebras import arithmetic, tangents
from dsocr_symbolic.algebras.branches import exact
from dsocr_symbolic.algebras.tangents import Tangent
from dsocr_symbolic.algebras.value import Exact, Value
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.generated import compile_function
from dsocr_symbolic.evaluation.source import function_source
from dsocr_symbolic.evaluation.terms import term_symbols, term_values
from dsocr_symbolic.language.expression import names
from dsocr_symbolic.language.registry import Term
from dsocr_symbolic.language.rules import Rule
from dsocr_symbolic.questions.question import Question
from dsocr_symbolic.scenario.checks import check_rules, check_setting


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
        self.question.refuse_unclaimed(self.terms, binding.claims)
        source = function_source([list(binding.following.values())], self.question.definition.quantities)
        return {name: exact(value) for name, value in binding.numbers.items()}, tuple(binding.following), source

    def scope(self, value: Value, algebra: ModuleType = arithmetic) -> dict[str, Any]:
        """Return every symbol's value in an algebra, given that of the free one."""
        if algebra is not arithmetic:
            return self._scope(value, algebra)
        # One point is asked for by the rules, by the slack and by what is told of it.
        key = (type(value), value)
        if self._asked.get("key") != key:
            self._asked.update(key=key, scope=self._scope(value, algebra))
        return dict(self._asked["scope"])

    @cached_property
    def _asked(self) -> dict[str, Any]:
        """The last point in exact numbers."""
        return {}

    def _scope(self, value: Value, algebra: ModuleType) -> dict[str, Any]:
        fixed, following, source = self._bound
        try:
            if algebra is arithmetic:
                point: Any = value
                values = _followed(source, self.symbol, point)
            else:
                values = compile_function(source, algebra)({self.symbol: value})[0]
        except (ZeroDivisionError, OverflowError, ValueError) as error:
            text = f"{self.symbol}: what follows from it has no value there ({error}); give another one"
            raise UserError(text) from error
        return {**fixed, self.symbol: value, **dict(zip(following, values, strict=True))}

    def metrics(self, scope: Mapping[str, Value], algebra: ModuleType = arithmetic) -> tuple[Any, ...]:
        """Return the metrics, in the order of the terms."""
        return term_values(self.question.model, self.terms, scope, algebra)

    @property
    def is_flat(self) -> bool:
        """Whether no metric hangs on the symbol, or on what follows from it."""
        _, following, _ = self._bound
        return not {self.symbol, *following} & term_symbols(self.question.model, self.terms)

    def slope(self, value: Exact) -> Tangent:
        """Return the first metric at a value with its slope there, on the branch that leads."""
        (metric, *_) = self.metrics(self.scope(tangents.free(value), tangents), tangents)
        return metric if isinstance(metric, Tangent) else Tangent(value=metric, slope=0)

    def check(self, value: Exact) -> None:
        """Raise where a value of the free symbol breaks its range or a rule of the model."""
        known, key = self._checked, (type(value), value)
        if key not in known:
            known[key] = None
            try:
                self._check(value)
            except UserError as error:
                known[key] = error
        if (refused := known[key]) is not None:
            raise refused

    @cached_property
    def _checked(self) -> dict[tuple[type, Exact], UserError | None]:
        """What was checked before; machines alone differ in what no rule looks at."""
        fixed, _, source = self._bound
        moving, refused = self._rules
        if refused:
            return {}
        looked_at = {name for rule in moving for name in names(rule.require)}
        looked_at |= {name for name, _ in self.question.model.overrides}
        standing = tuple((name, type(fixed[name]), fixed[name]) for name in sorted(looked_at & fixed.keys()))
        about = (self.question.model, self.question.scenario.waived)
        return _verdicts(about, self.symbol, source, standing)

    def _check(self, value: Exact) -> None:
        definition = self.question.definition
        check_setting(definition, self.symbol, value)
        numbers: dict[str, Any] = self.scope(exact(value))
        for name, _ in self.question.model.overrides:
            check_setting(definition, name, arithmetic.whole(numbers[name]))
        moving, refused = self._rules
        if refused:
            raise refused
        check_rules(moving, numbers, self.question.scenario.waived)

    @cached_property
    def _rules(self) -> tuple[list[Rule], UserError | None]:
        """The rules on what moves with the free symbol, and what the others refuse whatever it is."""
        fixed, following, _ = self._bound
        moving: list[Rule] = []
        standing: list[Rule] = []
        for rule in self.question.definition.rules:
            (moving if {self.symbol, *following} & names(rule.require) else standing).append(rule)
        try:
            check_rules(standing, fixed, self.question.scenario.waived)
        except UserError as error:
            return moving, error
        return moving, None


@lru_cache(maxsize=4096, typed=True)
def _followed(source: str, symbol: str, value: Exact) -> tuple[Any, ...]:
    """Return what follows from a symbol alone, exactly: it is the same on every machine."""
    return tuple(map(arithmetic.counted, compile_function(source)({symbol: value})[0]))


@lru_cache(maxsize=64)
def _verdicts(*about: Any) -> dict[tuple[type, Exact], UserError | None]:  # noqa: ARG001 - what it is kept for
    """Return room for what is refused of values of a symbol, the same one for the same rules and numbers."""
    return {}
