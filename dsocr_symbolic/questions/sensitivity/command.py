"""``dsocr sensitivity``: what a metric hangs on."""

from typing import Any

import click

from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.questions.options import asked_scenario, format_option, whole_options

_VIEWS = ("symbol", "group")


def sensitivity_command(definition: Definition) -> click.Command:
    """Make ``dsocr sensitivity``."""
    parameters = [
        *whole_options(definition),
        click.Option(["--metric"], metavar="NAME", default="roofline_s", help="See symbols --metrics."),
        click.Option(["--of", "part"], metavar="PATH", default="", help="A part of the network; the whole by default."),
        click.Option(["--symbol", "symbols"], metavar="NAME", multiple=True, help="Look at this symbol alone."),
        click.Option(["--by"], type=click.Choice(_VIEWS), default="symbol", help="One table, or one for each group."),
        format_option(),
    ]
    return click.Command(
        "sensitivity",
        params=parameters,
        callback=lambda **given: _sensitivity(definition, given),
        help="What a metric hangs on: derivative, elasticity and growth in every symbol.",
    )


def _sensitivity(definition: Definition, given: dict[str, Any]) -> int:
    from attrs import asdict

    from dsocr_symbolic.language.registry import Term
    from dsocr_symbolic.questions.question import of_scenario
    from dsocr_symbolic.questions.sensitivity.effects import rank
    from dsocr_symbolic.questions.sensitivity.text import sensitivity_text
    from dsocr_symbolic.writing.data import to_json

    question = of_scenario(asked_scenario(definition, {**given, "layer": None}))
    part = "" if given["part"] == "total" else given["part"]
    found = rank(question, Term(paths=(part,), metric=given["metric"]), given["symbols"] or None)
    if given["format"] == "json":
        click.echo(to_json({**question.described(), "sensitivity": asdict(found)}), nl=False)
    else:
        click.echo(sensitivity_text(question, found, given["by"]), nl=False)
    return 0
