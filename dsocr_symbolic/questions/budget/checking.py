"""Hold the assertions of a budget, and say which nodes moved what broke."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.answer import answer
from dsocr_symbolic.evaluation.estimate import Estimate
from dsocr_symbolic.language.files.budget_file import Assertion, BudgetFile, read_budget
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.language.schema import structure
from dsocr_symbolic.questions.budget.baseline import Baseline, KeptScenario, NodeValues, read_baseline, write_baseline
from dsocr_symbolic.questions.budget.changes import MetricChange, bad_way, change_of
from dsocr_symbolic.questions.compare.comparison import parts_of
from dsocr_symbolic.questions.solve.constraint import Constraint, Sides, left_over, put_in, read_constraint
from dsocr_symbolic.scenario.scenario import Scenario, make_scenario, read_scenario
from dsocr_symbolic.writing.notebook import Shown


@frozen(kw_only=True)
class CheckedAssertion:
    """An assertion and what it came to.

    Attributes
    ----------
    text, asked : str
        As it was written, and what it is asked of, with everything that the file and the options give.
    holds : bool
        Whether it does.
    left, right : int or float
        Both sides; at the boundary it holds.
    unit : str
        Of a side that is a metric; empty where none is.
    before : str
        What the baseline asked it of where that differs; empty otherwise.
    changes : tuple of MetricChange
        Where it breaks and there is a baseline: each of its metrics.
    """

    text: str
    asked: str
    holds: bool
    left: Exact
    right: Exact
    unit: str
    before: str
    changes: tuple[MetricChange, ...]


@frozen(kw_only=True, repr=False)
class Budget(Shown):
    """What a budget came to.

    Attributes
    ----------
    model, source : str
        The network, and the file; empty for assertions that Python gave.
    assertions : tuple of CheckedAssertion
        In the order of the file.
    baseline : Baseline
        The values of this run, to be kept.
    against : bool
        Whether there was a baseline.
    warnings : tuple of str
        What the model file warns of.
    """

    model: str
    source: str
    assertions: tuple[CheckedAssertion, ...]
    baseline: Baseline
    against: bool
    warnings: tuple[str, ...]

    @property
    def broken(self) -> tuple[CheckedAssertion, ...]:
        """The assertions that do not hold."""
        return tuple(each for each in self.assertions if not each.holds)

    @property
    def holds(self) -> bool:
        """Whether all of them hold."""
        return not self.broken


def budget(
    assertions: str | Path | Mapping[str, Any] | Sequence[str],
    *,
    model: str = "deepseek-ocr",
    baseline: str | Path | None = None,
    save_baseline: str | Path | None = None,
) -> Budget:
    """Hold assertions over metrics.

    >>> from dsocr_symbolic import budget
    >>> budget(["parameters <= 4e9", "ttft_s <= 1e-6 on h200"]).broken[0].text
    'ttft_s <= 1e-6 on h200'

    Parameters
    ----------
    assertions : str or Path, mapping or sequence of str
        A budget file, what one holds, or its assertions alone.
    model : str
        Name or file of the network.
    baseline, save_baseline : str or Path, optional
        A baseline to hold broken assertions against; a file that gets the values of this run, replaced if it is there.

    Returns
    -------
    Budget
        Each assertion with both sides; of broken ones the nodes that moved.

    Raises
    ------
    UserError
        If a file, a name, a comparison or a number is wrong, or a metric has no value where it is asked of.
    """
    definition = default_definition(model)
    if isinstance(assertions, str | Path):
        source, file = str(assertions), read_budget(Path(assertions))
    else:
        raw = assertions if isinstance(assertions, Mapping) else {"assertions": list(assertions)}
        source, file = "", structure(BudgetFile, dict(raw), "budget")
    known = None if baseline is None else read_baseline(Path(baseline), definition.name)
    found = check_budget(file, make_scenario(definition=definition), source=source, baseline=known)
    if save_baseline is not None:
        write_baseline(Path(save_baseline), found.baseline)
    return found


def check_budget(file: BudgetFile, base: Scenario, *, source: str = "", baseline: Baseline | None = None) -> Budget:
    """Hold every assertion of a budget; ``base`` is what all are asked of that say nothing else."""
    where = source or "budget"
    known = [(each, *_asked(each, file.given, base, f"{where}: '{each.text}'")) for each in file.assertions]
    answers: dict[str, Estimate] = {}
    kept: dict[str, KeptScenario] = {}
    checked = []
    for assertion, scenario, constraint in known:
        place, own, asked = f"{where}: '{assertion.text}'", _own(assertion), asked_of(scenario)
        if asked not in answers:
            wanted = {name for _, other, said in known if asked_of(other) == asked for name in said.terms}
            answers[asked] = _answered(scenario, wanted, place)
        values = {name: _values(name, scenario, answers[asked], place) for name in sorted(constraint.terms)}
        before = None if baseline is None else baseline.scenarios.get(own, KeptScenario(asked="", metrics={}))
        both = _sides(constraint, answers[asked], values, place)
        holds = bool(left_over(constraint, both) >= 0)
        checked.append(
            CheckedAssertion(
                text=assertion.text,
                asked=asked,
                holds=holds,
                left=arithmetic.whole(both[0]),
                right=arithmetic.whole(both[1]),
                unit=_unit(constraint),
                before=before.asked if before and before.asked != asked else "",
                changes=() if holds else _changes(constraint, values, before),
            )
        )
        kept[own] = KeptScenario(asked=asked, metrics={**(kept[own].metrics if own in kept else {}), **values})
    said = {warning: None for result in answers.values() for warning in result.values.warnings}
    return Budget(
        model=base.definition.name,
        source=source,
        assertions=tuple(checked),
        baseline=Baseline(model=base.definition.name, scenarios=kept),
        against=baseline is not None,
        warnings=tuple(said),
    )


def _asked(assertion: Assertion, given: Mapping[str, Any], base: Scenario, where: str) -> tuple[Scenario, Constraint]:
    """Return what an assertion is asked of, its own word the last, and what it says."""
    try:
        _, scenario = read_scenario({**given, **assertion.given}, base)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error
    return scenario, read_constraint(assertion.constraint, scenario.definition.quantities, "roofline", where)


def _own(assertion: Assertion) -> str:
    """Return what an assertion says of its own: a baseline knows it by that, whatever the rest has become."""
    return ", ".join(f"{name}={value}" for name, value in sorted(assertion.given.items())) or "as it is"


def asked_of(scenario: Scenario) -> str:
    """Say what is asked of: network, workload, GPU, and what differs from the defaults."""
    choices = scenario.definition.choices
    chosen = {name: option for name, option in scenario.options.items() if option != choices[name].default}
    parts = {
        "model": scenario.definition.name,
        **({"config": scenario.config_file.name} if scenario.config_file else {}),
        **({"workload": scenario.workload.name} if scenario.workload else {}),
        "gpu": scenario.gpu.name,
        **dict(sorted(chosen.items())),
        **{name: arithmetic.whole(value) for name, value in sorted(scenario.user.items())},
    }
    return ", ".join(f"{name}={value}" for name, value in parts.items())


def _answered(scenario: Scenario, metrics: Iterable[str], where: str) -> Estimate:
    details = any(name.startswith("backward_") or name == "forward_fused_io_bytes" for name in metrics)
    try:
        return answer(scenario, details=details)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error


def _values(metric: str, scenario: Scenario, result: Estimate, where: str) -> NodeValues:
    """Return a metric of the whole and of its parts; one that does not exist cannot be held."""
    total = result.total[metric]
    if total is None:
        why = result.values.claims.refusal(metric, scenario.gpu.name) or load_metrics()[metric].reason
        raise UserError(f"{where}: {metric} has no value there: {why or 'it does not exist'}")
    return NodeValues(total=total, nodes=parts_of(metric, scenario, result))


def _sides(constraint: Constraint, result: Estimate, values: Mapping[str, NodeValues], where: str) -> Sides:
    scope = {**result.values.numbers, **{name: value.total for name, value in values.items()}}
    try:
        return put_in(constraint, scope)
    except UserError as error:
        raise UserError(f"{where}: {error}") from error


def _changes(
    constraint: Constraint, values: Mapping[str, NodeValues], before: KeptScenario | None
) -> tuple[MetricChange, ...]:
    if before is None:
        return ()
    kept = before.metrics
    return tuple(change_of(name, kept.get(name), values[name], bad_way(name, constraint)) for name in values)


def _unit(constraint: Constraint) -> str:
    """Return the unit of both sides: that of a metric which is a side of its own."""
    alone = [constraint.terms[side.text] for side in constraint.sides if side.text in constraint.terms]
    return load_metrics()[alone[0].metric].unit if alone else ""
