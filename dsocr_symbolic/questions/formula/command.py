"""."""

from typing import Any

import click

from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.questions.options import asked_scenario, question_options

_FIRST_METRIC = "forward_tensor_core_flops"


def _formula_command(definition: Definition) -> click.Command:
    options = [each for each in question_options(definition) if each.name != "layer"]
    parameters = [
        *options,
        click.Argument(["path"]),
        click.Option(["--metric"], metavar="NAME", default=_FIRST_METRIC, help="See symbols --metrics."),
        click.Option(["--format"], type=click.Choice(("text", "latex")), default="text", help="Output."),
    ]
    return click.Command(
        "formula",
        params=parameters,
        callback=lambda **given: _formula(definition, given),
        help="The formula of a node or layer, the numbers put in, the result.",
    )


def _formula(definition: Definition, given: dict[str, Any]) -> int:
    from dsocr_symbolic.questions.formula.derivation import derive

    scenario = asked_scenario(definition, {**given, "layer": None})
    click.echo(derive(scenario, given["path"], given["metric"], given["format"]), nl=False)
    return 0
