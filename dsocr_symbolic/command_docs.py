"""``dsocr docs``: a Markdown page of every formula, with the numbers put in."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

from dsocr_symbolic.command_options import asked_scenario, question_options
from dsocr_symbolic.definition import Definition
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.progress import tracked
from dsocr_symbolic.whole_file import written_whole

_UNASKED = ("layer", "gpu", "reserve")


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
        params=[out, *(each for each in question_options(definition) if each.name not in _UNASKED)],
        callback=lambda **given: _docs(definition, given),
        help="Write a Markdown page of every layer and operator: its formulas, the numbers put in, the result.",
    )


def _docs(definition: Definition, given: dict[str, Any]) -> int:
    from dsocr_symbolic.formula_pages import rendered_pages
    from dsocr_symbolic.network import lay_out

    check_folder(given["out"])
    network = lay_out(asked_scenario(definition, {**dict.fromkeys(_UNASKED), **given}))
    rendered = rendered_pages(network)
    files = dict(tracked(rendered, "pages", len(network.library.formulas) + 1))
    write_files(given["out"], files)
    click.echo(f"{len(files)} pages in {given['out']}; begin with index.md")
    return 0


def check_folder(folder: Path) -> None:
    """Make a folder, if it is not there.

    Raises
    ------
    UserError
        If nothing can be written into it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK | os.X_OK)
    except OSError as error:
        raise _unwritable(folder, error.strerror or str(error)) from error
    if not writable:
        raise _unwritable(folder, "permission denied")


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write files, each whole or not at all.

    Parameters
    ----------
    folder : Path
        Where.
    files : mapping of str to str
        Path below the folder, and text.

    Raises
    ------
    UserError
        If one cannot be written.
    """
    for name, text in files.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(path) as draft:
                draft.write_text(text, encoding="utf-8")
        except OSError as error:
            raise _unwritable(folder, error.strerror or str(error)) from error


def _unwritable(folder: Path, why: str) -> UserError:
    return UserError(f"--out {folder}: cannot be written ({why.lower()}); give another folder")
