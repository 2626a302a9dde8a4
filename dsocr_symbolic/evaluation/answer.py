"""."""

from dsocr_symbolic.evaluation.estimate import Estimate, estimate
from dsocr_symbolic.evaluation.program import Details, Program, load_details, load_program
from dsocr_symbolic.scenario.scenario import Scenario, scenario_values
from dsocr_symbolic.scenario.values import chosen_slots


def scenario_program(scenario: Scenario) -> Program:
    """Return the compiled model of a scenario."""
    return load_program(scenario.definition, chosen_slots(scenario.definition, scenario.options))


def scenario_details(scenario: Scenario) -> Details:
    """Return the compiled details of a scenario."""
    return load_details(scenario.definition, chosen_slots(scenario.definition, scenario.options))


def answer(scenario: Scenario, *, details: bool = True, program: Program | None = None) -> Estimate:
    """Evaluate a scenario.

    Parameters
    ----------
    scenario : Scenario
        The question.
    details : bool
        Whether the training step and compulsory bytes are asked for as well.
    program : Program or None
        The compiled model, if it is at hand.

    Returns
    -------
    Estimate
        Its numbers.

    Raises
    ------
    UserError
        If a value is not allowed.
    """
    return estimate(
        scenario_program(scenario) if program is None else program,
        scenario_values(scenario),
        scenario.definition.latencies,
        scenario_details(scenario) if details else None,
    )
