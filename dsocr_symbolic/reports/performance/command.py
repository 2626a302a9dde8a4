"""``dsocr report``: where the cost of a workload goes, as text, data and figures in a folder."""

import shlex
from pathlib import Path
from typing import Any

import click

from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.questions.options import asked_scenario, question_options, warn
from dsocr_symbolic.scenario.scenario import Scenario, scenario_values
from dsocr_symbolic.writing.terminal import hung, progress

_NOT_PART_OF_THE_QUESTION = ("layer", "out", "layer_docs", "force")


def report_command(definition: Definition) -> click.Command:
    """Make ``dsocr report``, with one option per choice of the model."""
    out = click.Option(
        ["--out"], metavar="DIR", type=click.Path(path_type=Path), required=True, help="Write the report here."
    )
    docs = click.Option(
        ["--layer-docs"],
        metavar="DIR",
        type=click.Path(path_type=Path),
        help="Folder of formula pages, relative to the report's; report.json names it.",
    )
    force = click.Option(["--force"], is_flag=True, help="Replace files that this version did not write.")
    return click.Command(
        "report",
        params=[*(option for option in question_options(definition) if option.name != "layer"), out, docs, force],
        callback=lambda **given: _report(definition, given),
        help="Where the cost of a workload goes: report.md, report.yaml, report.json and figures in a folder.",
    )


def _report(definition: Definition, given: dict[str, Any]) -> int:
    from dsocr_symbolic.reports.performance.report import FILES, JSON, STEPS, VERSION, report_files
    from dsocr_symbolic.writing.files import check_folder, check_replaceable, write_folder

    scenario = asked_scenario(definition, {**given, "layer": None})
    if not given["force"]:
        check_replaceable(given["out"], FILES, JSON, VERSION)
    check_folder(given["out"])
    with progress(total=STEPS) as advance:
        texts = report_files(scenario, _command(given, scenario), advance, layer_docs=given["layer_docs"])
    write_folder(given["out"], texts, FILES)
    click.echo(hung(f"{given['out']}: {', '.join(sorted(texts))}"))
    warn(scenario_values(scenario).warnings)
    return 0


def _command(given: dict[str, Any], scenario: Scenario) -> str:
    """Return what to type for the same report, workload and machine named."""
    named = {**given, "workload": given["workload"] or scenario.definition.default_workload}
    named["gpu"] = given["gpu"] or scenario.definition.default_gpu
    words = ["dsocr", "report"]
    for option in click.get_current_context().command.params:
        value = named[str(option.name)]
        if option.name in _NOT_PART_OF_THE_QUESTION or value in (None, False, ()):
            continue
        for one in value if isinstance(value, tuple) else (value,):
            words += [option.opts[0]] if one is True else [option.opts[0], str(one)]
    return shlex.join([*words, "--out", "DIR"])
