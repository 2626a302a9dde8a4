"""Metrics along one symbol: everything else put in, and what follows from the symbol following."""

from collections.abc import Mapping
from functools import cached_property
from types import ModuleType
from typing import Any

from attrs import frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.algebras.branches import exact
from dsocr_symbolic.evaluation.binding import Binding
from dsocr_symbolic.evaluation.source import function_source
from dsocr_symbolic.evaluation.terms import compiled, term_values
from dsocr_symbolic.language.registry import Term
from dsocr_symbolic.questions.question import Question
from dsocr_symbolic.scenario.checks import check_rules, check_setting


@frozen(kw_only=True)
class Curve:
    """Metrics of some parts as functions of one symbol, everything else put in.

    Attributes
    ----------
    question : Question
        What is put in.
    symbol : str
        What is left free; what follows from it follows.
    terms : tuple of Term
        The metrics.
    """

    question: Question
    symbol: str
    terms: tuple[Term, ...]

    @cached_property
    def binding(self) -> Binding:
        """What every other symbol is."""
        return self.question.bound(self.symbol)

    @cached_property
    def _fixed(self) -> Mapping[str, Any]:
        return {name: exact(value) for name, value in self.binding.numbers.items()}

    @cached_property
    def _follow(self) -> str:
        return function_source([list(self.binding.following.values())], self.question.definition.quantities)

    def scope(self, value: Any, algebra: ModuleType = arithmetic) -> dict[str, Any]:
        """Return every symbol's value in an algebra, given that of the free one."""
        found = {**self._fixed, self.symbol: value}
        follow = compiled(self._follow, algebra)
        return found | dict(zip(self.binding.following, follow(found)[0], strict=True))

    def metrics(self, scope: Mapping[str, Any], algebra: ModuleType = arithmetic) -> tuple[Any, ...]:
        """Return the metrics, in the order of the terms."""
        return term_values(self.question.model, self.terms, scope, algebra)

    def check(self, value: Any) -> None:
        """Raise where a value of the free symbol breaks its range or a rule of the model."""
        definition = self.question.definition
        check_setting(definition, self.symbol, value)
        numbers = self.scope(exact(value))
        for name, _ in self.question.model.overrides:
            check_setting(definition, name, arithmetic.whole(numbers[name]))
        check_rules(definition, numbers, self.question.scenario.waived)
