"""What an engine says beside what the formulas give, and the ratio of both."""

from collections.abc import Mapping
from typing import Any

from attrs import asdict, evolve, frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.answer import answer, scenario_program
from dsocr_symbolic.evaluation.program import run_program
from dsocr_symbolic.language.expression import evaluate, names
from dsocr_symbolic.language.files.server_file import ALONE, load_server
from dsocr_symbolic.measurement.comparison.engine import EngineFile
from dsocr_symbolic.questions.capacity import kv_pool
from dsocr_symbolic.scenario.scenario import Scenario, scenario_values, with_user


@frozen(kw_only=True)
class EngineLine:
    """One number of an engine.

    Attributes
    ----------
    name : str
        As formulas/server.yaml or the benchmark calls it.
    engine : float
        What the engine says.
    ours, ratio : float or None
        What the formulas give, and that over what the engine says; None where no formula gives it.
    """

    name: str
    engine: float
    ours: float | None
    ratio: float | None


@frozen(kw_only=True)
class EngineComparison:
    """An engine's numbers beside ours.

    Attributes
    ----------
    kind : str
        ``log`` or ``benchmark``.
    told : mapping of str to int
        Symbols that were taken from the engine's words.
    scenario : Scenario
        What was evaluated.
    lines : tuple of EngineLine
        In the order of the engine's file.
    """

    kind: str
    told: Mapping[str, int]
    scenario: Scenario
    lines: tuple[EngineLine, ...]


def compare_engine(file: EngineFile, scenario: Scenario) -> EngineComparison:
    """Evaluate what an engine was asked: its own words count where the user has not set a symbol.

    Raises
    ------
    UserError
        If the network has no server, or a rule refuses what the engine was told.
    """
    definition = scenario.definition
    if definition.server is None:
        raise UserError(f"{definition.file}: what an engine says is compared with a server's: it needs a 'server'")
    roles = {"batch": definition.roles.batch, "new_tokens": definition.roles.new_tokens}
    told = {roles.get(name, name): value for name, value in file.told.items()}
    told = {name: value for name, value in told.items() if name and name not in scenario.user}
    asked = with_user(scenario, told)
    ours = _held(asked) if file.kind == "log" else _served(asked)
    return EngineComparison(
        kind=file.kind,
        told=told,
        scenario=asked,
        lines=tuple(_line(name, value, ours.get(name)) for name, value in file.said.items()),
    )


def _line(name: str, engine: float, ours: Any) -> EngineLine:
    if ours is None:
        return EngineLine(name=name, engine=engine, ours=None, ratio=None)
    return EngineLine(name=name, engine=engine, ours=float(ours), ratio=float(ours) / engine if engine else None)


def _held(scenario: Scenario) -> dict[str, Any]:
    fold = run_program(scenario_program(scenario), scenario_values(scenario).numbers)
    found = kv_pool(scenario, fold)
    return {} if found is None else asdict(found)


def _served(scenario: Scenario) -> dict[str, Any]:
    """Evaluate the benchmark's formulas: metrics of the workload, and of one of its requests alone."""
    program = scenario_program(scenario)
    whole = answer(scenario, details=False, program=program)
    batch = scenario.definition.roles.batch
    # Experts that are set as hit are those of all requests together.
    user = {name: value for name, value in scenario.user.items() if name not in scenario.definition.roles.hit}
    alone = answer(with_user(evolve(scenario, user=user), {batch: 1}), details=False, program=program)
    scope = {**whole.values.numbers, **whole.total}
    scope |= {f"{ALONE}{name}": value for name, value in alone.total.items()}
    served: dict[str, Any] = {}
    for name, formula in load_server().benchmark.items():
        missing = [used for used in names(formula) if scope.get(used) is None]
        try:
            served[name] = None if missing else evaluate(formula, scope, arithmetic)
        except ZeroDivisionError:
            served[name] = None
    return served
