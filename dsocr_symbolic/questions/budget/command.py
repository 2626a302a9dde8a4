"""``dsocr budget``: assertions over metrics, for the CI of those who change networks or kernels."""

from pathlib import Path

import click

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.questions import options
from dsocr_symbolic.writing.terminal import progress

FORMATS = ("text", "json", "github")
_HELP = (
    "Hold the assertions of FILE, such as 'ttft_s <= 0.3 on rtx5090 with attention=eager'; exit 3 where one breaks, "
    "with the nodes that moved since a saved baseline."
)
_FORMAT = "Output; github: a broken assertion as an annotation of its line."


def budget_command(definition: Definition) -> click.Command:
    """Make ``dsocr budget``."""
    path = click.Path(path_type=Path)
    parameters = [
        *options.whole_options(definition),
        click.Option(["--baseline"], metavar="FILE", type=path, help="Say what moved since these values were saved."),
        click.Option(["--save-baseline"], metavar="FILE", type=path, help="Save the values of this run, node by node."),
        click.Option(["--force"], is_flag=True, help="Replace a baseline that is there."),
        click.Option(["--format"], type=click.Choice(FORMATS), default="text", help=_FORMAT),
        click.Argument(["file"], type=path),
    ]
    return options.command(definition, "budget", _budget, parameters, _HELP)


def _budget(definition: Definition, given: options.Given) -> int:
    from attrs import asdict

    from dsocr_symbolic.language.files.budget_file import read_budget
    from dsocr_symbolic.questions.budget.baseline import read_baseline, write_baseline
    from dsocr_symbolic.questions.budget.checking import check_budget
    from dsocr_symbolic.questions.budget.text import budget_text, github_text
    from dsocr_symbolic.writing.files import check_target

    target = given["save_baseline"]
    if target is None and given["force"]:
        raise UserError("--force replaces a baseline; add --save-baseline FILE or drop it")
    if target is not None:
        check_target(target, force=given["force"])
    file = read_budget(given["file"])
    before = None if given["baseline"] is None else read_baseline(given["baseline"], definition.name)
    with progress("evaluating"):
        found = check_budget(
            file, options.asked_scenario(definition, given), source=str(given["file"]), baseline=before
        )
    if target is not None:
        write_baseline(target, found.baseline)
    document = {
        "schema": "dsocr budget 1",
        "model": found.model,
        "file": found.source,
        "command": options.typed() or None,
        "holds": found.holds,
        "against": None if given["baseline"] is None else str(given["baseline"]),
        "assertions": [asdict(each) for each in found.assertions],
        "warnings": list(found.warnings),
    }
    write = github_text if given["format"] == "github" else budget_text
    options.show(given, document, lambda: write(found))
    return 0 if found.holds else 3
