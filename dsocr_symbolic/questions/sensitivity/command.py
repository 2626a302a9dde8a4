"""``dsocr sensitivity``: what a metric hangs on."""

import click

from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.questions.options import FORMAT, Given, as_data, asked_scenario, command, show, whole_options
from dsocr_symbolic.writing.terminal import progress

_BY = "One table, or one for each group."


def sensitivity_command(definition: Definition) -> click.Command:
    """Make ``dsocr sensitivity``."""
    parameters = [
        *whole_options(definition),
        click.Option(["--metric"], metavar="NAME", default="roofline_s", help="See symbols --metrics."),
        click.Option(["--of", "part"], metavar="PATH", default="", help="A part of the network; the whole by default."),
        click.Option(["--symbol", "symbols"], metavar="NAME", multiple=True, help="Look at this symbol alone."),
        click.Option(["--by"], type=click.Choice(("symbol", "group")), default="symbol", help=_BY),
        FORMAT,
    ]
    help_text = "What a metric hangs on: derivative, elasticity and growth in every symbol."
    return command(definition, "sensitivity", _sensitivity, parameters, help_text)


def _sensitivity(definition: Definition, given: Given) -> int:
    from dsocr_symbolic.language.registry import Term
    from dsocr_symbolic.questions.question import of_scenario
    from dsocr_symbolic.questions.sensitivity.effects import rank
    from dsocr_symbolic.questions.sensitivity.text import sensitivity_text

    question = of_scenario(asked_scenario(definition, given))
    part = "" if given["part"] == "total" else given["part"]
    with progress("deriving"):
        ranking = rank(question, Term(paths=(part,), metric=given["metric"]), given["symbols"] or None)
    document = {**question.described(), "sensitivity": as_data(ranking)}
    return show(given, document, lambda: sensitivity_text(question, ranking, given["by"]))
