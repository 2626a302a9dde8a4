"""``dsocr formula``: how a number comes about."""

import click

from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.questions.options import Given, asked_scenario, command, warn, whole_options
from dsocr_symbolic.writing.terminal import progress

_FIRST_METRIC = "forward_tensor_core_flops"


def formula_command(definition: Definition) -> click.Command:
    """Make ``dsocr formula``."""
    parameters = [
        *whole_options(definition),
        click.Argument(["path"]),
        click.Option(["--metric"], metavar="NAME", default=_FIRST_METRIC, help="See symbols --metrics."),
        click.Option(["--format"], type=click.Choice(("text", "latex")), default="text", help="Output."),
    ]
    help_text = "The formula of a node or layer, the numbers put in, the result."
    return command(definition, "formula", _formula, parameters, help_text)


def _formula(definition: Definition, given: Given) -> int:
    from dsocr_symbolic.questions.formula.derivation import derive, refuse_workload

    scenario = asked_scenario(definition, given)
    if given["workload"] is not None:
        refuse_workload(scenario, given["path"])
    with progress("building the model"):
        text, warnings = derive(scenario, given["path"], given["metric"], given["format"])
    click.echo(text, nl=False)
    warn(warnings)
    return 0
