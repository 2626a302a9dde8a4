"""``dsocr compare``: scenarios against a baseline."""

from typing import Any

import click

from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.questions.options import asked_scenario, format_option, time_option, whole_options


def compare_command(definition: Definition) -> click.Command:
    """Make ``dsocr compare``."""
    parameters = [
        *whole_options(definition),
        time_option(),
        click.Option(["--metric", "metrics"], metavar="NAME", multiple=True, help="See symbols --metrics."),
        format_option(),
        click.Argument(["scenarios"], nargs=-1),
    ]
    return click.Command(
        "compare",
        params=parameters,
        callback=lambda **given: _compare(definition, given),
        help="Compare SCENARIOS, each KEY=VALUE,KEY=VALUE or a YAML file, with the first; options hold for all.",
    )


def _compare(definition: Definition, given: dict[str, Any]) -> int:
    from attrs import asdict

    from dsocr_symbolic.questions.compare.comparison import METRICS, compare_with
    from dsocr_symbolic.questions.compare.text import comparison_text
    from dsocr_symbolic.writing.data import to_json

    base = asked_scenario(definition, {**given, "layer": None})
    found = compare_with(base, given["scenarios"], given["metrics"] or METRICS, given["time"])
    if given["format"] == "json":
        click.echo(to_json({"time": given["time"], "comparison": asdict(found)}), nl=False)
    else:
        click.echo(comparison_text(found), nl=False)
    return 0
