"""The command ``dsocr``: parse, ask, print. Every number comes from the modules below it."""

import contextlib
import io
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any

import click

from dsocr_symbolic.errors import UserError, one_line
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.questions.bounds.command import bounds_command
from dsocr_symbolic.questions.compare.command import compare_command
from dsocr_symbolic.questions.formula.command import formula_command
from dsocr_symbolic.questions.listings import print_listing, schema_command
from dsocr_symbolic.questions.options import MODEL
from dsocr_symbolic.questions.sensitivity.command import sensitivity_command
from dsocr_symbolic.questions.solve.command import solve_command
from dsocr_symbolic.questions.sweep.command import sweep_command
from dsocr_symbolic.questions.totals.command import totals_command, tree_command
from dsocr_symbolic.reports.formulas.command import docs_command
from dsocr_symbolic.reports.performance.command import report_command
from dsocr_symbolic.reports.spreadsheet.command import export_command
from dsocr_symbolic.verification.command import torchinfo_command, verify_command
from dsocr_symbolic.version import __version__


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line: exit 0 if all is well, 1 if a page could not be read, 2 for a mistake, 130 for Ctrl-C."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        definition = default_definition(_model_name(arguments))
        status = _commands(definition).main(arguments, prog_name="dsocr", standalone_mode=False)
    except UserError as error:
        status = _failed(str(error))
    except click.ClickException as error:
        status = _failed(error.format_message())
    except (click.Abort, KeyboardInterrupt):
        status = _interrupted()
    except MemoryError:
        status = _failed("out of memory; ask for less at once")
    except OSError as error:
        status = _after_write_error(error)
    except SystemExit:
        # click leaves like this when the reader of its output has gone: that is no failure of ours.
        status = 0
    sys.exit(status if isinstance(status, int) else 0)


def _failed(why: str) -> int:
    """Say in one line what went wrong, wherever standard error leads."""
    with contextlib.suppress(OSError):
        click.echo(f"dsocr: {one_line(why)}", err=True)
    return 2


def _interrupted() -> int:
    """Say that Ctrl-C ended it, below the ``^C`` that a terminal shows."""
    with contextlib.suppress(OSError):
        click.echo(f"{chr(10) if sys.stderr.isatty() else ''}dsocr: interrupted", err=True)
    return 130


def _after_write_error(error: OSError) -> int:
    """Say why output could not be written; a reader that has gone is no mistake."""
    with contextlib.suppress(OSError):
        sys.stdout.close()
    if isinstance(error, BrokenPipeError):
        return 0
    why = error.strerror or str(error)
    return _failed(f"{error.filename}: {why}" if error.filename else f"cannot write the output: {why}")


class _Group(click.Group):
    """Commands that Ctrl-C ends without the empty line that click prints."""

    def invoke(self, context: click.Context) -> Any:
        """Invoke one of them."""
        try:
            return super().invoke(context)
        except KeyboardInterrupt as error:
            raise click.Abort from error


def capture(arguments: Sequence[str]) -> str:
    """Return what a command prints, without colour.

    Raises
    ------
    UserError
        If the command fails.
    """
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        _commands(default_definition(_model_name(arguments))).main(
            list(arguments), prog_name="dsocr", standalone_mode=False
        )
    return output.getvalue()


def _model_name(arguments: Sequence[str]) -> str | None:
    """Look for --model ahead of parsing: the model file decides which options there are."""
    for place, argument in enumerate(arguments):
        if argument == "--model" and place + 1 < len(arguments):
            return arguments[place + 1]
        if argument.startswith("--model="):
            return argument.partition("=")[2]
    return None


def _commands(definition: Definition) -> click.Group:
    group = _Group(
        "dsocr",
        help="Exact FLOPs, traffic and memory of DeepSeek-OCR, with the formula behind each number.",
        context_settings={"help_option_names": ["-h", "--help"]},
        no_args_is_help=False,
    )
    group.params.append(_version_option())
    group.add_command(totals_command(definition))
    group.add_command(tree_command(definition))
    group.add_command(report_command(definition))
    group.add_command(formula_command(definition))
    group.add_command(export_command(definition))
    group.add_command(sweep_command(definition))
    group.add_command(solve_command(definition))
    group.add_command(sensitivity_command(definition))
    group.add_command(bounds_command(definition))
    group.add_command(compare_command(definition))
    group.add_command(docs_command(definition))
    group.add_command(verify_command())
    group.add_command(torchinfo_command())
    listings = {
        "models": "Networks that can be evaluated.",
        "gpus": "Machines and their numbers.",
        "workloads": "Named workloads of the model.",
        "layers": "Layers and operators with a formula file.",
    }
    for name, text in listings.items():
        listing = partial(print_listing, definition, name)
        group.add_command(click.Command(name, params=[MODEL], callback=listing, help=text))
    metrics = click.Option(["--metrics"], is_flag=True, help="List the metrics instead.")
    symbols = click.Command("symbols", params=[MODEL, metrics], help="Symbols of the model: value, meaning.")
    symbols.callback = lambda metrics, **_: print_listing(definition, "metrics" if metrics else "symbols")
    group.add_command(symbols)
    group.add_command(schema_command())
    return group


def _version_option() -> click.Option:
    def show(context: click.Context, _: Any, value: bool) -> None:
        if value:
            click.echo(f"dsocr {__version__}")
            context.exit()

    return click.Option(["--version"], is_flag=True, is_eager=True, expose_value=False, callback=show, help="Show it.")
