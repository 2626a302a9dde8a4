"""``dsocr solve``: the largest or smallest value of a symbol that meets a constraint."""

from typing import Any

import click

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.questions.options import (
    asked_scenario,
    format_option,
    time_option,
    whole_options,
)


def solve_command(definition: Definition) -> click.Command:
    """Make ``dsocr solve``."""
    parameters = [
        *whole_options(definition),
        time_option(),
        format_option(),
        click.Argument(["symbol"]),
        click.Argument(["constraint"]),
    ]
    return click.Command(
        "solve",
        params=parameters,
        callback=lambda **given: _solve(definition, given),
        help='The value of SYMBOL that still meets CONSTRAINT, such as "peak_memory_bytes <= capacity".',
    )


def _solve(definition: Definition, given: dict[str, Any]) -> int:
    from attrs import asdict

    from dsocr_symbolic.questions.question import of_scenario
    from dsocr_symbolic.questions.solve.solution import solve_question
    from dsocr_symbolic.questions.solve.text import solution_text
    from dsocr_symbolic.writing.data import to_json

    symbol = given["symbol"]
    scenario = asked_scenario(definition, {**given, "layer": None})
    if symbol in scenario.user:
        raise UserError(f"{symbol}: is solved for, and has a value in --set; drop one of them")
    question = of_scenario(scenario)
    solution = solve_question(question, symbol, given["constraint"], given["time"])
    if given["format"] == "json":
        click.echo(to_json({**question.described(), "time": given["time"], "solution": asdict(solution)}), nl=False)
    else:
        click.echo(solution_text(question, solution), nl=False)
    return 0
