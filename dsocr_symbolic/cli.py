"""The command ``dsocr``: parse, ask, print. Every number comes from the modules below it."""

import contextlib
import io
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click

import dsocr_symbolic
from dsocr_symbolic.definition import Definition
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.scenario import Scenario, default_definition, make_scenario

FORMATS = ("text", "json", "yaml", "csv", "markdown")
_FIRST_METRIC = "forward_tensor_core_flops"
VIEWS = ("total", "stage", "category", "layer", "operator")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line: exit 0 if all is well, 1 if a page could not be read, 2 for a mistake."""
    arguments = list(sys.argv[1:] if arguments is None else arguments)
    try:
        definition = default_definition(_model_name(arguments))
        status = _commands(definition).main(arguments, prog_name="dsocr", standalone_mode=False)
    except UserError as error:
        click.echo(f"dsocr: {error}", err=True)
        status = 2
    except click.ClickException as error:
        click.echo(f"dsocr: {error.format_message()}", err=True)
        status = 2
    except (click.Abort, KeyboardInterrupt):
        status = 130
    except OSError as error:
        status = _after_write_error(error)
    except SystemExit:
        # click leaves like this when the reader of its output has gone: that is no failure of ours.
        status = 0
    sys.exit(status if isinstance(status, int) else 0)


def _after_write_error(error: OSError) -> int:
    """Say why output could not be written; a reader that has gone is no mistake."""
    with contextlib.suppress(OSError):
        sys.stdout.close()
    if isinstance(error, BrokenPipeError):
        return 0
    click.echo(f"dsocr: cannot write the output: {error.strerror}", err=True)
    return 2


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
    group = click.Group(
        "dsocr",
        help="Exact FLOPs, traffic and memory of DeepSeek-OCR, with the formula behind each number.",
        context_settings={"help_option_names": ["-h", "--help"]},
        no_args_is_help=False,
    )
    group.params.append(_version_option())
    group.add_command(_totals_command(definition))
    group.add_command(_formula_command(definition))
    group.add_command(_verify_command())
    group.add_command(_torchinfo_command())
    listings = {
        "models": "Networks that can be evaluated.",
        "gpus": "Machines and their numbers.",
        "workloads": "Named workloads of the model.",
        "layers": "Layers and operators with a formula file.",
    }
    for name, text in listings.items():
        group.add_command(click.Command(name, params=[_model_option()], callback=_listing(definition, name), help=text))
    metrics = click.Option(["--metrics"], is_flag=True, help="List the metrics instead.")
    symbols = click.Command("symbols", params=[_model_option(), metrics], help="Symbols of the model: value, meaning.")
    symbols.callback = lambda metrics, **_: _print_listing(definition, "metrics" if metrics else "symbols")
    group.add_command(symbols)
    return group


def _checkpoint_options() -> list[click.Parameter]:
    return [
        click.Option(["--checkpoint"], metavar="DIR", type=click.Path(path_type=Path), help="Snapshot of the network."),
        click.Option(["--trust-remote-code"], is_flag=True, help="Run the snapshot's Python files."),
        click.Option(["--out"], metavar="DIR", type=click.Path(path_type=Path), help="Write results here."),
    ]


def _verify_command() -> click.Command:
    mutants = click.Option(["--mutants"], is_flag=True, help="Change every formula in every place as well.")
    return click.Command(
        "verify",
        params=[*_checkpoint_options(), mutants],
        callback=lambda **given: _verify(given),
        help="Compare every formula with real modules, to the last digit. Exit 1 if one differs.",
    )


def _verify(given: dict[str, Any]) -> int:
    from dsocr_symbolic.verification.command import check_folder, verify, verify_checkpoint

    out = check_folder(given["out"]) if given["out"] else None
    if given["checkpoint"]:
        if given["mutants"]:
            raise UserError("--mutants are run on the reference; drop --checkpoint")
        return verify_checkpoint(given["checkpoint"], trusted=given["trust_remote_code"], out=out, say=click.echo)
    return verify(out=out, mutants=given["mutants"], say=click.echo)


def _torchinfo_command() -> click.Command:
    return click.Command(
        "torchinfo",
        params=_checkpoint_options(),
        callback=lambda **given: _torchinfo(given),
        help="Classes, stages and calls of the network; checks that every layer has a formula file.",
    )


def _torchinfo(given: dict[str, Any]) -> int:
    from dsocr_symbolic.static_analysis import MissingLayersError, run
    from dsocr_symbolic.verification.requirements import require_torch

    require_torch()
    out = given["out"] or Path("reports/torchinfo")
    try:
        lines = run(out, given["checkpoint"], given["trust_remote_code"])
    except MissingLayersError as error:
        click.echo("\n".join(error.lines))
        return int(error.status)
    click.echo("\n".join(lines))
    return 0


def _version_option() -> click.Option:
    def show(context: click.Context, _: Any, value: bool) -> None:
        if value:
            click.echo(f"dsocr {dsocr_symbolic.__version__}")
            context.exit()

    return click.Option(["--version"], is_flag=True, is_eager=True, expose_value=False, callback=show, help="Show it.")


def _model_option() -> click.Option:
    return click.Option(["--model"], metavar="NAME|FILE", help="Network; deepseek-ocr by default.")


def _question_options(definition: Definition) -> list[click.Parameter]:
    """Options that decide the numbers, one per choice of the model among them."""
    options: list[click.Parameter] = [
        _model_option(),
        click.Option(["--workload"], metavar="NAME|FILE", help=f"Workload; {definition.default_workload} by default."),
        click.Option(["--set", "settings"], metavar="SYMBOL=VALUE", multiple=True, help="Give a symbol a value."),
        click.Option(["--config"], metavar="FILE", type=click.Path(path_type=Path), help="Sizes from a config.json."),
        click.Option(["--layer"], metavar="NAME", help="Evaluate one layer alone."),
        click.Option(["--gpu"], metavar="NAME|FILE", help=f"Machine; {definition.default_gpu} by default."),
        click.Option(["--allow-any-grid"], is_flag=True, help="Let crop grids be what the network never cuts."),
    ]
    for name, choice in definition.choices.items():
        help_text = f"{choice.summary[0].upper()}{choice.summary[1:]}; {choice.default} by default."
        options.append(click.Option([f"--{name}", _choice_key(name)], metavar="|".join(choice.options), help=help_text))
    return options


def _scenario(definition: Definition, given: dict[str, Any]) -> Scenario:
    choices = {name: given[key] for name in definition.choices if given.get(key := _choice_key(name)) is not None}
    return make_scenario(
        definition=definition,
        layer=given["layer"],
        workload=given["workload"],
        settings=_settings(given["settings"]),
        choices=choices,
        gpu=given["gpu"],
        config=given["config"],
        waived=frozenset({"allow_any_grid"} if given["allow_any_grid"] else ()),
    )


def _choice_key(name: str) -> str:
    return f"choice_{name}".replace("-", "_").lower()


def _settings(given: Iterable[str]) -> dict[str, Any]:
    from dsocr_symbolic.values import parse_number

    settings: dict[str, Any] = {}
    for each in given:
        name, equals, value = each.partition("=")
        name = name.strip()
        if not equals:
            raise UserError(f"--set {each}: expected SYMBOL=VALUE")
        if name in settings:
            raise UserError(f"--set {name}: given twice; give it once")
        settings[name] = parse_number(value, name)
    return settings


def _totals_command(definition: Definition) -> click.Command:
    parameters = [
        *_question_options(definition),
        click.Option(["--document"], metavar="PATH", multiple=True, help="Images, PDFs and folders; a bill per page."),
        click.Option(["--dpi"], type=float, default=144.0, help="Pixels per inch of PDF pages; 144 by default."),
        click.Option(["--by"], type=click.Choice(VIEWS), default="stage", help="Rows; stage by default."),
        click.Option(["--closed-form"], is_flag=True, help="Print totals as formulas of few symbols."),
        click.Option(["--keep"], metavar="SYMBOL", multiple=True, help="Leave one more symbol free in closed forms."),
        click.Option(["--format"], type=click.Choice(FORMATS), default="text", help="Output; text by default."),
        click.Argument(["more"], nargs=-1),
    ]
    return click.Command(
        "totals",
        params=parameters,
        callback=lambda **given: _totals(definition, given),
        help="What a workload or a document costs, and where.",
    )


def _totals(definition: Definition, given: dict[str, Any]) -> int:
    from dsocr_symbolic.bill import make_bill, page_rows
    from dsocr_symbolic.documents import read_pages
    from dsocr_symbolic.rendering import unreadable
    from dsocr_symbolic.report import totals_document
    from dsocr_symbolic.scenario import answer

    _check_together(given)
    scenario = _scenario(definition, given)
    rows, status = None, 0
    if given["document"]:
        pages = read_pages([*given["document"], *given["more"]], dpi=given["dpi"])
        bill = make_bill(scenario, _with_progress(pages), _settings(given["settings"]))
        rows = page_rows(bill)
        status = int(any(row["error"] for row in rows))
        result = bill.total
    else:
        result = answer(scenario)
    if result is None:
        click.echo(unreadable(rows or [], given["format"]), nl=False, err=given["format"] not in ("json", "yaml"))
        return 1
    closed = _closed_forms(scenario, result.values, given) if given["closed_form"] or given["keep"] else None
    document = totals_document(
        scenario.definition,
        result,
        workload=scenario.workload,
        gpu=scenario.gpu,
        options=scenario.options,
        operators=given["by"] == "operator",
        closed_form=closed,
        pages=rows,
    )
    click.echo(_formatted(document, result, given["by"], given["format"]), nl=False)
    return status


def _check_together(given: dict[str, Any]) -> None:
    """Refuse options that would silently be ignored."""
    if given["more"] and not given["document"]:
        raise UserError(f"unexpected argument '{given['more'][0]}'; documents follow --document")
    if given["layer"] is not None and given["workload"] is not None:
        raise UserError("--layer evaluates one layer alone: it has no --workload; drop one of them")
    if given["document"] and (given["closed_form"] or given["keep"]):
        raise UserError("--closed-form is of one workload, not of a document; drop one of them")
    if given["format"] == "csv" and (given["closed_form"] or given["keep"]):
        raise UserError("--format csv holds numbers; closed forms come as text, json, yaml or markdown")


def _with_progress(pages: Iterable[Any]) -> Iterable[Any]:
    """Show progress on a terminal, on standard error."""
    if not sys.stderr.isatty():
        return pages
    from rich.console import Console
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    def counted() -> Iterable[Any]:
        columns = (SpinnerColumn(), TextColumn("{task.completed:.0f} pages"), TimeElapsedColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("pages", total=None)
            for page in pages:
                yield page
                progress.advance(task)

    return counted()


def _closed_forms(scenario: Scenario, values: Any, given: dict[str, Any]) -> Any:
    from dsocr_symbolic.errors import nearest
    from dsocr_symbolic.printing import as_latex
    from dsocr_symbolic.totals import FREE, closed_forms
    from dsocr_symbolic.tree_builder import model_tree
    from dsocr_symbolic.values import chosen_slots

    known = scenario.definition.quantities
    for name in given["keep"]:
        if name not in known:
            raise UserError(f"--keep: unknown symbol '{name}': {nearest(name, known)}")
    set_by_user = _settings(given["settings"])
    kept = [name for name in FREE if name not in set_by_user] + list(given["keep"])
    stages = model_tree(scenario.definition, chosen_slots(scenario.definition, scenario.options))
    if given["format"] == "markdown":
        letters = {name: each.letter for name, each in known.items()}
        return closed_forms(stages, values, kept, lambda expression: as_latex(expression, letters))
    return closed_forms(stages, values, kept)


def _formatted(document: dict[str, Any], result: Any, view: str, output: str) -> str:
    from dsocr_symbolic import rendering

    if output == "json":
        return rendering.to_json(document)
    if output == "yaml":
        return rendering.to_yaml(document)
    lines = _lines(result, view)
    if output == "csv":
        return rendering.to_csv(view, lines, document.get("pages"))
    if output == "markdown":
        return rendering.to_markdown(document, view, lines)
    return rendering.to_text(document, view, lines)


def _lines(result: Any, view: str) -> list[Any]:
    from dsocr_symbolic import estimate
    from dsocr_symbolic.definition_file import load_conventions

    if view == "category":
        lines = estimate.by_category(result, load_conventions().categories)
    else:
        lines = getattr(estimate, f"by_{view}")(result)
    estimate.check_sums(result, lines)
    return lines


def _formula_command(definition: Definition) -> click.Command:
    options = [each for each in _question_options(definition) if each.name != "layer"]
    parameters = [
        *options,
        click.Argument(["path"]),
        click.Option(["--metric"], metavar="NAME", default=_FIRST_METRIC, help="See symbols --metrics."),
        click.Option(["--format"], type=click.Choice(("text", "latex")), default="text", help="Output."),
    ]
    return click.Command(
        "formula",
        params=parameters,
        callback=lambda **given: _formula(definition, given),
        help="The formula of a node or layer, the numbers put in, the result.",
    )


def _formula(definition: Definition, given: dict[str, Any]) -> int:
    from dsocr_symbolic.derivation import derive

    scenario = _scenario(definition, {**given, "layer": None})
    click.echo(derive(scenario, given["path"], given["metric"], given["format"]), nl=False)
    return 0


def _listing(definition: Definition, name: str) -> Any:
    return lambda **_: _print_listing(definition, name)


def _print_listing(definition: Definition, name: str) -> int:
    from dsocr_symbolic import listings
    from dsocr_symbolic.rendering import on_terminal

    click.echo(on_terminal(getattr(listings, f"{name}_table")(definition)), nl=False)
    return 0
