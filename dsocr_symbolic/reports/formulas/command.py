"""``dsocr docs``: a Markdown page of every formula, with the numbers put in."""

from pathlib import Path
from typing import Any

import click

from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.questions.options import asked_scenario, question_options, warn
from dsocr_symbolic.questions.server_options import told
from dsocr_symbolic.writing.files import check_folder, write_files
from dsocr_symbolic.writing.terminal import progress, tracked

_UNASKED = ("layer", "gpu", "reserve", *told())


def docs_command(definition: Definition) -> click.Command:
    """Make ``dsocr docs``, with the options that decide the values on the pages."""
    out = click.Option(
        ["--out"],
        metavar="DIR",
        type=click.Path(path_type=Path),
        default=Path("reports/formulas"),
        help="Write pages here; reports/formulas by default.",
    )
    return click.Command(
        "docs",
        params=[out, *(option for option in question_options(definition) if option.name not in _UNASKED)],
        callback=lambda **given: _docs(definition, given),
        help="Write a Markdown page of every layer and operator: its formulas, the numbers put in, the result.",
    )


def _docs(definition: Definition, given: dict[str, Any]) -> int:
    from dsocr_symbolic.reports.formulas.page import rendered_pages
    from dsocr_symbolic.reports.formulas.places import lay_out
    from dsocr_symbolic.scenario.scenario import scenario_values

    check_folder(given["out"])
    scenario = asked_scenario(definition, {**dict.fromkeys(_UNASKED), **given})
    with progress("building the model"):
        places = lay_out(scenario)
    rendered = rendered_pages(places)
    files = dict(tracked(rendered, "pages", len(places.library.formulas) + 1))
    write_files(given["out"], files)
    click.echo(f"{len(files)} pages in {given['out']}; begin with index.md")
    warn(scenario_values(scenario).warnings)
    return 0
