"""``dsocr explore``: the explorer as one page."""

from pathlib import Path
from typing import Any

import click

from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.questions.options import MODEL
from dsocr_symbolic.writing.terminal import progress


def explore_command(definition: Definition) -> click.Command:
    """Make ``dsocr explore``."""
    parameters: list[click.Parameter] = [
        MODEL,
        click.Option(
            ["--out"], metavar="FILE", required=True, type=click.Path(path_type=Path), help="The page to write."
        ),
        click.Option(["--force"], is_flag=True, help="Replace the file if it is there."),
    ]
    return click.Command(
        "explore",
        params=parameters,
        callback=lambda **given: _explore(definition, given),
        help="Write one page with fields and sliders that evaluates the formulas in a browser, without a network."
        " It answers every option alone, and beside one that sets others; of other combinations of choices it says"
        " that totals answers them.",
    )


def _explore(definition: Definition, given: dict[str, Any]) -> int:
    from dsocr_symbolic.explorer.page import explorer_page
    from dsocr_symbolic.writing.files import check_target, said_if_unwritable, written_whole

    path: Path = given["out"]
    check_target(path, force=given["force"])
    with progress("printing the formulas"):
        page = explorer_page(definition)
    with said_if_unwritable(path), written_whole(path) as draft:
        draft.write_text(page, encoding="utf-8")
    click.echo(f"{path}: {len(page.encode()):,} bytes; open it in a browser")
    return 0
