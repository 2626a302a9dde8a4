"""A scenario's numbers: its compiled model at its values."""

from dsocr_symbolic.evaluation.estimate import Estimate, estimate
from dsocr_symbolic.evaluation.program import Program, load_program
from dsocr_symbolic.scenario.scenario import Scenario, scenario_values
from dsocr_symbolic.scenario.values import chosen_slots


def scenario_program(scenario: Scenario) -> Program:
    """Return the compiled model of a scenario."""
    return load_program(scenario.definition, chosen_slots(scenario.definition, scenario.options))


def scenario_details(scenario: Scenario) -> Program:
    """Return what most questions do not ask of it: compulsory bytes and the training step."""
    return load_program(scenario.definition, chosen_slots(scenario.definition, scenario.options), details=True)


def answer(scenario: Scenario, *, details: bool = True, program: Program | None = None) -> Estimate:
    """Evaluate a scenario; ``details`` asks for compulsory bytes and the training step too."""
    return estimate(
        scenario_program(scenario) if program is None else program,
        scenario_values(scenario),
        scenario_details(scenario) if details else None,
    )
