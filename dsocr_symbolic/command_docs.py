"""``dsocr docs``: a Markdown page of every formula, with the numbers put in."""

import contextlib
import os
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import click

from dsocr_symbolic.command_options import asked_scenario, question_options
from dsocr_symbolic.definition import Definition
from dsocr_symbolic.errors import UserError

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
    files = dict(_with_progress(rendered, len(network.library.formulas) + 1))
    write_files(given["out"], files)
    click.echo(f"{len(files)} pages in {given['out']}; begin with index.md")
    return 0


def _with_progress(rendered: Iterable[tuple[str, str]], count: int) -> Iterable[tuple[str, str]]:
    """Show progress on a terminal, on standard error."""
    if not sys.stderr.isatty():
        return rendered
    from rich.console import Console
    from rich.progress import track

    return track(rendered, "pages", total=count, console=Console(stderr=True), transient=True)


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
        draft = path.with_name(f".{path.name}.{os.getpid()}")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            draft.write_text(text, encoding="utf-8")
            draft.replace(path)
        except OSError as error:
            with contextlib.suppress(OSError):
                draft.unlink(missing_ok=True)
            raise _unwritable(folder, error.strerror or str(error)) from error


def _unwritable(folder: Path, why: str) -> UserError:
    return UserError(f"--out {folder}: cannot be written ({why.lower()}); give another folder")
