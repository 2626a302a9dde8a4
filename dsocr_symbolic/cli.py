"""The command ``dsocr``: parse, ask, print. Every number comes from the modules below it."""

import contextlib
import io
import os
import shlex
import sys
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from functools import partial
from importlib import import_module
from typing import Any

import click

from dsocr_symbolic.errors import UserError, nearest, one_line
from dsocr_symbolic.evaluation.networks import load_network
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import ZERO
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.language.read_objects import keep_objects, recall_objects
from dsocr_symbolic.language.strict_yaml import keep_documents, recall_documents
from dsocr_symbolic.questions.options import Invocation, refuse_empty, warn
from dsocr_symbolic.version import __version__

# By verb the module that makes it, and whether that asks for the network; a verb is made when it is asked for.
_VERBS: Mapping[str, tuple[str, str, bool]] = {
    "totals": ("questions.totals.command", "totals_command", True),
    "tree": ("questions.totals.command", "tree_command", True),
    "report": ("reports.performance.command", "report_command", True),
    "formula": ("questions.formula.command", "formula_command", True),
    "export": ("reports.spreadsheet.command", "export_command", True),
    "explore": ("explorer.command", "explore_command", True),
    "serve": ("serving.command", "serve_command", False),
    "sweep": ("questions.sweep.command", "sweep_command", True),
    "solve": ("questions.solve.command", "solve_command", True),
    "sensitivity": ("questions.sensitivity.command", "sensitivity_command", True),
    "bounds": ("questions.bounds.command", "bounds_command", True),
    "compare": ("questions.compare.command", "compare_command", True),
    "plan": ("questions.plan.command", "plan_command", True),
    "budget": ("questions.budget.command", "budget_command", True),
    "docs": ("reports.formulas.command", "docs_command", True),
    "check": ("questions.check.command", "check_command", True),
    "verify": ("verification.command", "verify_command", False),
    "torchinfo": ("verification.command", "torchinfo_command", False),
    "calibrate": ("measurement.command", "calibrate_command", False),
    "measure": ("measurement.command", "measure_command", False),
    "compare-measured": ("measurement.command", "compare_measured_command", True),
    "models": ("questions.listings", "models_command", True),
    "gpus": ("questions.listings", "gpus_command", True),
    "workloads": ("questions.listings", "workloads_command", True),
    "layers": ("questions.listings", "layers_command", True),
    "symbols": ("questions.listings", "symbols_command", True),
    "schema": ("questions.listings", "schema_command", False),
}
# What these verbs say holds whatever a user's examples say.
_WITHOUT_NUMBERS = ("check", *(verb for verb, (module, _, _) in _VERBS.items() if module == "questions.listings"))
_WITHOUT_CONFIG = ("serve", "torchinfo", "calibrate", "measure")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line: exit 0, 1 for an unread page, 2 for a mistake, 3 for what does not hold, 130 for Ctrl-C."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        recall_documents()
        recall_objects(word for name in ("--model", "--config") if (word := _option(arguments, name)))
        status = _run(_definition(arguments), arguments)
        keep_documents()
        keep_objects()
    except UserError as error:
        status = _failed(str(error))
    except click.ClickException as error:
        status = _failed(_said(error))
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


def _said(error: click.ClickException) -> str:
    """Say what is wrong with options, and which one was meant."""
    if isinstance(error, click.NoSuchOption) and error.ctx is not None:
        options = [name for known in error.ctx.command.get_params(error.ctx) for name in known.opts if name[:1] == "-"]
        return f"no such option '{error.option_name}': {nearest(error.option_name, options)}"
    return error.format_message()


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


def capture(arguments: Sequence[str]) -> str:
    """Return what a command prints, without colour.

    Raises
    ------
    UserError
        If the command fails.
    """
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        _run(_definition(arguments), list(arguments))
    return output.getvalue()


def _run(definition: Definition, arguments: list[str]) -> Any:
    """Run a command; what was typed goes with it, for outputs that say so."""
    invocation = Invocation(command=shlex.join(["dsocr", *arguments]))
    status = _commands(definition).main(arguments, prog_name="dsocr", standalone_mode=False, obj=invocation)
    invocation.end()
    return status


class _Verbs(click.Group):
    """The commands; of an unknown one it says which is nearest, and Ctrl-C leaves no empty line."""

    def invoke(self, context: click.Context) -> Any:
        """Invoke one of them."""
        try:
            return super().invoke(context)
        except KeyboardInterrupt as error:
            raise click.Abort from error

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command that the first word names."""
        if args and args[0] not in self.commands and not ctx.resilient_parsing and args[0][:1] != "-":
            raise UserError(f"no such command '{args[0]}': {nearest(args[0], self.commands)}")
        return super().resolve_command(ctx, args)


def _definition(arguments: Sequence[str]) -> Definition:
    """Load the network that the words name; a verb that asks it for numbers wants a user's files to hold."""
    if "_DSOCR_COMPLETE" in os.environ:
        return _while_typing()
    verb = next((word for word in arguments if not word.startswith("-")), "")
    if verb in _WITHOUT_NUMBERS or {"-h", "--help", "--version"} & set(arguments):
        return default_definition(_option(arguments, "--model"))
    model, config = (_option(arguments, name) for name in ("--model", "--config"))
    # An empty word is refused where the options are parsed.
    return load_network(model, arguments, None if verb in _WITHOUT_CONFIG else config or None)


def _while_typing() -> Definition:
    """Load the network of a line that is being typed, the default one where that cannot be loaded yet."""
    from dsocr_symbolic.questions.shells import asked_words

    try:
        return default_definition(_option(asked_words(), "--model"))
    except UserError:
        return default_definition(None)


def _option(arguments: Sequence[str], name: str) -> str | None:
    """Look for --model or --config ahead of parsing: the model file decides which options there are."""
    for place, argument in enumerate(arguments):
        if argument == name and place + 1 < len(arguments):
            return arguments[place + 1]
        if argument.startswith(f"{name}="):
            return argument.partition("=")[2]
    return None


class _Commands(MutableMapping[str, click.Command]):
    """The commands by their verbs, each made when it is first asked for: its imports are most of a start."""

    def __init__(self, definition: Definition) -> None:
        self.m_definition = definition
        self.m_made: dict[str, click.Command] = {}
        self.m_verbs = dict(_VERBS)

    def __getitem__(self, verb: str) -> click.Command:
        """Return the command of a verb."""
        if verb not in self.m_made:
            module, maker, asks = self.m_verbs[verb]
            make = getattr(import_module(f"dsocr_symbolic.{module}"), maker)
            self[verb] = make(self.m_definition) if asks else make()
        return self.m_made[verb]

    def __setitem__(self, verb: str, command: click.Command) -> None:
        """Add a command, whose options complete names and take no empty word."""
        from dsocr_symbolic.questions.completion import attach

        attach(command, self.m_definition)
        refuse_empty(command.params)
        self.m_made[verb] = command

    def __delitem__(self, verb: str) -> None:
        """Take a command away."""
        del self.m_verbs[verb]
        self.m_made.pop(verb, None)

    def __iter__(self) -> Iterator[str]:
        """Yield the verbs in the order of the help."""
        return iter(self.m_verbs)

    def __len__(self) -> int:
        """Return how many verbs there are."""
        return len(self.m_verbs)

    def __contains__(self, verb: object) -> bool:
        """Say whether there is such a verb, without making its command."""
        return verb in self.m_verbs


def _commands(definition: Definition) -> click.Group:
    from dsocr_symbolic.writing.terminal import columns

    group = _Verbs(
        "dsocr",
        help="Exact FLOPs, traffic and memory of DeepSeek-OCR, with the formula behind each number.",
        context_settings={"help_option_names": ["-h", "--help"], "max_content_width": columns() + 2},
        invoke_without_command=True,
        callback=partial(_begin, definition),
        commands=_Commands(definition),
    )
    group.params.append(_version_option())
    return group


def _begin(definition: Definition) -> None:
    """Print help where nothing is asked; say what is doubtful of a network whatever is asked."""
    context = click.get_current_context()
    if context.invoked_subcommand is None:
        click.echo(context.get_help())
    else:
        warn(rule.say for rule in definition.warnings if rule.require == ZERO)


def _version_option() -> click.Option:
    def show(context: click.Context, _: Any, value: bool) -> None:
        if value:
            click.echo(f"dsocr {__version__}")
            context.exit()

    return click.Option(["--version"], is_flag=True, is_eager=True, expose_value=False, callback=show, help="Show it.")
