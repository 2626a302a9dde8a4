"""``dsocr export``: the model as a live spreadsheet."""

from pathlib import Path
from typing import Any

import click

from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.questions.options import asked_scenario, question_options, warn
from dsocr_symbolic.writing.terminal import hung, progress


def export_command(definition: Definition) -> click.Command:
    """Make ``dsocr export``, with one option per choice of the model."""
    parameters = [
        *question_options(definition),
        click.Option(
            ["--xlsx"], metavar="FILE", required=True, type=click.Path(path_type=Path), help="The workbook to write."
        ),
        click.Option(["--force"], is_flag=True, help="Replace the file if it is there."),
    ]
    return click.Command(
        "export",
        params=parameters,
        callback=lambda **given: _export(definition, given),
        help="Write a spreadsheet of live formulas: change an input and every node recalculates.",
    )


def _export(definition: Definition, given: dict[str, Any]) -> int:
    from dsocr_symbolic.reports.spreadsheet.file import check_file, write_workbook
    from dsocr_symbolic.reports.spreadsheet.workbook import make_workbook
    from dsocr_symbolic.scenario.scenario import scenario_values

    check_file(given["xlsx"], force=given["force"])
    scenario = asked_scenario(definition, given)
    with progress("writing"):
        workbook = make_workbook(scenario)
        write_workbook(workbook, given["xlsx"], force=given["force"])
    sheets = ", ".join(f"{sheet.name} ({len(sheet.lines)} lines)" for sheet in workbook.sheets)
    click.echo(hung(f"{given['xlsx']}: {sheets}"))
    warn(scenario_values(scenario).warnings)
    return 0
