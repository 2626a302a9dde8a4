"""``dsocr solve``: the largest or smallest value of a symbol that meets a constraint."""

from typing import Any

import click

from dsocr_symbolic.command_options import asked_scenario, question_options, read_settings
from dsocr_symbolic.definition import Definition
from dsocr_symbolic.errors import UserError

_TIME = "What time metrics stand for; roofline by default."


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


def whole_options(definition: Definition) -> list[click.Parameter]:
    """Options that decide the numbers of a whole network: no layer stands alone."""
    return [each for each in question_options(definition) if each.name != "layer"]


def time_option() -> click.Option:
    """Offer the kinds of time."""
    return click.Option(["--time"], type=click.Choice(("roofline", "lower_bound")), default="roofline", help=_TIME)


def format_option() -> click.Option:
    """Offer text and JSON."""
    return click.Option(["--format"], type=click.Choice(("text", "json")), default="text", help="Output.")


def _solve(definition: Definition, given: dict[str, Any]) -> int:
    from attrs import asdict

    from dsocr_symbolic.question import of_scenario
    from dsocr_symbolic.rendering import to_json
    from dsocr_symbolic.solution import solve_question
    from dsocr_symbolic.solution_text import solution_text

    symbol = given["symbol"]
    if symbol in read_settings(given["settings"]):
        raise UserError(f"{symbol}: is solved for, and has a value in --set; drop one of them")
    question = of_scenario(asked_scenario(definition, {**given, "layer": None}))
    solution = solve_question(question, symbol, given["constraint"], given["time"])
    if given["format"] == "json":
        click.echo(to_json({**question.described(), "time": given["time"], "solution": asdict(solution)}), nl=False)
    else:
        click.echo(solution_text(question, solution), nl=False)
    return 0
