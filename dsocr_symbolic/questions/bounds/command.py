"""``dsocr bounds``: where one cost passes another."""

from typing import Any

import click

from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.questions.options import asked_scenario, format_option, time_option, whole_options

_VIEWS = ("bound", "gpu")


def bounds_command(definition: Definition) -> click.Command:
    """Make ``dsocr bounds``."""
    parameters = [
        *whole_options(definition),
        time_option(),
        click.Option(["--by"], type=click.Choice(_VIEWS), default="bound", help="One machine, or a table of all."),
        format_option(),
        click.Argument(["names"], nargs=-1),
    ]
    return click.Command(
        "bounds",
        params=parameters,
        callback=lambda **given: _bounds(definition, given),
        help="Where one cost passes another: ridge points and regime boundaries, all of them or those NAMES.",
    )


def _bounds(definition: Definition, given: dict[str, Any]) -> int:
    from attrs import asdict

    from dsocr_symbolic.errors import UserError
    from dsocr_symbolic.questions.bounds.regimes import find_bounds, on_gpu
    from dsocr_symbolic.questions.bounds.text import bounds_table, bounds_text
    from dsocr_symbolic.questions.question import of_scenario
    from dsocr_symbolic.scenario.hardware import load_gpus
    from dsocr_symbolic.writing.data import to_json

    question = of_scenario(asked_scenario(definition, {**given, "layer": None}))
    if given["by"] == "gpu" and given["gpu"] is not None:
        raise UserError("--by gpu takes every machine; drop --gpu")
    names = given["names"] or None
    machines = [gpu.name for gpu in load_gpus()] if given["by"] == "gpu" else [question.scenario.gpu.name]
    asked = [on_gpu(question, name) for name in machines] if given["by"] == "gpu" else [question]
    found = [find_bounds(each, names, given["time"]) for each in asked]
    if given["format"] == "json":
        document = {**question.described(), "time": given["time"], "bounds": [asdict(each) for each in found]}
        click.echo(to_json(document), nl=False)
    elif given["by"] == "gpu":
        click.echo(bounds_table(found, [each.name for each in found[0].bounds]), nl=False)
    else:
        click.echo(bounds_text(question, found[0]), nl=False)
    return 0
