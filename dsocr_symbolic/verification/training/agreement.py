"""Compare gradient steps and peaks with the formulas: exactly, or within a limit where lifetimes decide."""

from collections.abc import Mapping
from functools import cache
from typing import Any

from attrs import frozen

from dsocr_symbolic.evaluation.answer import scenario_details, scenario_program
from dsocr_symbolic.evaluation.estimate import estimate
from dsocr_symbolic.evaluation.program import Program
from dsocr_symbolic.language.formula import EMPTY
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.scenario.scenario import Scenario, make_scenario, scenario_values
from dsocr_symbolic.verification.calls.comparison import formula_numbers
from dsocr_symbolic.verification.calls.counted import Counted, Difference
from dsocr_symbolic.verification.calls.whole import WHOLE

LIMITS: Mapping[str, float] = {"backward_activation_bytes": 0.01, "forward_activation_bytes": 0.05}
"""How far a formula may be off, as a part of the count; a metric that is not named here agrees to the last digit."""


LEAST_BYTES = 2**16
"""Metrics with a limit are compared from here on: below, the few bytes of a kernel's seeds would show."""


@frozen(kw_only=True)
class Agreement:
    """A count next to what the formulas say.

    Attributes
    ----------
    counted : Counted
        The count.
    formula : mapping of str to number or None
        By metric; None where no formula is built yet. Metrics too small to compare are left out.
    """

    counted: Counted
    formula: Mapping[str, Any]

    @property
    def differences(self) -> tuple[Difference, ...]:
        """What is off by more than it may be."""
        return tuple(
            Difference(name=name, formula=number, counted=self.counted.metrics[name])
            for name, number in self.formula.items()
            if number is not None and not _agrees(name, number, self.counted.metrics[name])
        )

    @property
    def ratios(self) -> Mapping[str, float | None]:
        """Formula over count; None where no formula is built yet."""
        return {
            name: None if number is None else _ratio(number, self.counted.metrics[name])
            for name, number in self.formula.items()
        }


def _ratio(formula: Any, counted: int) -> float:
    """Divide; next to a count of nothing, nothing is right and everything else is wholly wrong."""
    return float(formula / counted) if counted else float(formula == 0)


def _agrees(name: str, formula: Any, counted: int) -> bool:
    return bool(abs(formula - counted) <= LIMITS.get(name, 0) * counted)


def agree(counted: Counted) -> Agreement:
    """Put a count of training or memory next to its formula.

    Parameters
    ----------
    counted : Counted
        The count.

    Returns
    -------
    Agreement
        Both.
    """
    total = _network_total(counted) if counted.layer == WHOLE else formula_numbers(counted).total
    large = {name for name, count in counted.metrics.items() if name not in LIMITS or not count or count >= LEAST_BYTES}
    return Agreement(counted=counted, formula={name: total[name] for name in counted.metrics if name in large})


def _network_total(counted: Counted) -> Mapping[str, Any]:
    """Put the stages before decode together: a peak is the highest of them, everything else adds up."""
    scenario, program = _network(tuple(sorted(counted.choices.items())))
    stages = estimate(program, scenario_values(scenario, counted.settings), details=scenario_details(scenario)).stages
    before = [metrics for name, metrics in stages.items() if name != "decode"]
    return {name: _together(name, [metrics[name] for metrics in before]) for name in counted.metrics}


def _together(name: str, numbers: list[Any]) -> Any:
    if any(number is None for number in numbers):
        return None
    return max(numbers) if name == "forward_activation_bytes" else sum(numbers)


@cache
def _network(choices: tuple[tuple[str, str], ...]) -> tuple[Scenario, Program]:
    scenario = make_scenario(
        definition=default_definition(None),
        settings=EMPTY,
        choices=dict(choices),
        waived=frozenset({"allow_any_grid"}),
    )
    return scenario, scenario_program(scenario)
