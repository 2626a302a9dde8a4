"""``dsocr bounds``: where one cost passes another."""

import click

from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.questions import options

_BY = "One machine, or a table of all."
_HELP = "Where one cost passes another: ridge points and regime boundaries, all of them or those NAMES."


def bounds_command(definition: Definition) -> click.Command:
    """Make ``dsocr bounds``."""
    parameters = [
        *options.whole_options(definition),
        options.TIME,
        click.Option(["--by"], type=click.Choice(("bound", "gpu")), default="bound", help=_BY),
        options.FORMAT,
        click.Argument(["names"], nargs=-1),
    ]
    return options.command(definition, "bounds", _bounds, parameters, _HELP)


def _bounds(definition: Definition, given: options.Given) -> int:
    from attrs import evolve

    from dsocr_symbolic.errors import UserError
    from dsocr_symbolic.questions.bounds.regimes import find_bounds
    from dsocr_symbolic.questions.bounds.text import bounds_table, bounds_text
    from dsocr_symbolic.questions.question import of_scenario, stated
    from dsocr_symbolic.questions.settings_text import command_notes
    from dsocr_symbolic.scenario.hardware import load_gpus
    from dsocr_symbolic.scenario.provenance import common
    from dsocr_symbolic.writing.terminal import hung, indented, tracked

    question = of_scenario(options.asked_scenario(definition, given))
    by_gpu = given["by"] == "gpu"
    if by_gpu and given["gpu"] is not None:
        raise UserError("--by gpu takes every machine; drop --gpu")
    gpus = load_gpus() if by_gpu else [question.scenario.gpu]
    machines, set_on, left_out = [], [], {}
    for gpu in tracked(gpus, "machines", len(gpus)):
        machine = evolve(question, scenario=evolve(question.scenario, gpu=gpu))
        try:
            # The table shows where, and not why.
            derived = not by_gpu or given["format"] == "json"
            machines.append(find_bounds(machine, given["names"] or None, given["time"], derived=derived))
            set_on.append(machine.was_set())
        except UserError as error:
            # A machine without the chosen dtype takes no row; what no machine can do is an error.
            left_out[gpu.name] = str(error)
    if not machines:
        raise UserError(left_out.get(question.scenario.gpu.name) or next(iter(left_out.values())))
    document = {
        **question.described(),
        "time": given["time"],
        "bounds": [options.as_data(bounds) for bounds in machines],
    }
    if by_gpu:
        everywhere = common(set_on)
        document["overridden"] = {name: setting.data for name, setting in everywhere.items()}
        about = {**document, "gpu_title": f"{len(machines)} machines", "unverified": []}
        heading = indented([stated(about, definition), *command_notes(document["command"])])
        document["left_out"] = left_out
        lines = [f"{hung(f'left out: {reason}')}\n" for reason in left_out.values()]
    return options.show(
        given,
        document,
        lambda: (
            f"{heading}\n\n{bounds_table(machines)}{''.join(lines)}" if by_gpu else bounds_text(question, machines[0])
        ),
    )
