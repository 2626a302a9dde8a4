"""``dsocr totals`` and ``dsocr tree``: what a workload or a document costs, and where."""

from collections import Counter
from typing import Any

import click

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.estimate import Estimate
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.roles import Roles
from dsocr_symbolic.questions.options import Given, asked_scenario, command, question_options, warn
from dsocr_symbolic.scenario.scenario import Scenario
from dsocr_symbolic.scenario.values import Values
from dsocr_symbolic.writing.terminal import progress, tracked

FORMATS = ("text", "json", "yaml", "csv", "markdown")
_DATA = ("json", "yaml")
_DEPTH = 3
_DPI = 144.0
TRAFFIC = ("eager", "fused")
VIEWS = ("total", "stage", "category", "layer", "operator", "page")
_ROWS = "Rows; stage by default, and a row per grid of pages. page: each page of a document, as csv does by default."
_TRAFFIC = "Bytes of every launched operator, or what a perfect compiler must still move; eager by default."


def totals_command(definition: Definition) -> click.Command:
    """Make ``dsocr totals``, with one option per choice of the model."""
    parameters = [
        *question_options(definition),
        click.Option(["--document"], metavar="PATH", multiple=True, help="Images, PDFs and folders; a bill per page."),
        click.Option(["--dpi"], type=float, help="Pixels per inch of PDF pages; 144 by default."),
        click.Option(["--by"], type=click.Choice(VIEWS), help=_ROWS),
        click.Option(["--traffic"], type=click.Choice(TRAFFIC), default="eager", help=_TRAFFIC),
        click.Option(["--closed-form"], is_flag=True, help="Print totals as formulas of few symbols."),
        click.Option(["--keep"], metavar="SYMBOL", multiple=True, help="Leave one more symbol free in closed forms."),
        click.Option(["--format"], type=click.Choice(FORMATS), default="text", help="Output; text by default."),
        click.Argument(["more"], nargs=-1),
    ]
    return command(definition, "totals", _totals, parameters, "What a workload or a document costs, and where.")


def tree_command(definition: Definition) -> click.Command:
    """Make ``dsocr tree``, with one option per choice of the model."""
    depth = click.Option(["--depth"], type=click.IntRange(min=1), default=_DEPTH, help=f"Levels; {_DEPTH} by default.")
    parameters = [*question_options(definition), depth, click.Argument(["path"], default="")]
    help_text = "The network, or the part at PATH, as a tree with the cost of each node."
    return command(definition, "tree", _tree, parameters, help_text)


def _tree(definition: Definition, given: Given) -> int:
    from dsocr_symbolic.evaluation.answer import answer
    from dsocr_symbolic.questions.totals.document import totals_document
    from dsocr_symbolic.questions.totals.tree_text import tree_text

    scenario = asked_scenario(definition, given)
    with progress("evaluating"):
        result = answer(scenario, details=False)
    part = "" if given["path"] == "total" else given["path"].strip("/")
    click.echo(tree_text(totals_document(scenario, result), definition.roles, result, given["depth"], part))
    return 0


def _totals(definition: Definition, given: Given) -> int:
    from dsocr_symbolic.evaluation.answer import answer, scenario_program
    from dsocr_symbolic.evaluation.estimate import with_fused_traffic
    from dsocr_symbolic.questions.capacity import fit
    from dsocr_symbolic.questions.totals.document import totals_document
    from dsocr_symbolic.questions.totals.pages import left_out_text, unread_text, unreadable

    _check_together(given)
    scenario = asked_scenario(definition, given)
    with progress("building the model"):
        program = scenario_program(scenario)
    bill, status, left_out = None, 0, Counter[str]()
    # The text shows no backward, and, unless it is asked for, neither compulsory bytes nor what limits an operator.
    details = given["format"] != "text" or given["traffic"] == "fused" or given["by"] == "operator"
    if given["document"]:
        from dsocr_symbolic.questions.totals.bill import make_bill
        from dsocr_symbolic.scenario.documents import read_pages

        dpi = _DPI if given["dpi"] is None else given["dpi"]
        pages = read_pages([*given["document"], *given["more"]], dpi=dpi, left_out=left_out)
        fused = given["traffic"] == "fused"
        bill = make_bill(scenario, tracked(pages, "pages"), details=details, fused=fused, program=program, dpi=dpi)
        result, largest = bill.total, bill.largest
        status = int(any(row["error"] for row in bill.rows))
        click.echo(left_out_text(left_out), nl=False, err=True)
        if result is None or largest is None:
            click.echo(unreadable(bill, left_out, given["format"]), nl=False, err=given["format"] not in _DATA)
            return 1
        click.echo(unread_text(bill.rows), nl=False, err=True)
    else:
        with progress("evaluating"):
            result, largest = answer(scenario, details=details, program=program), scenario
    if given["traffic"] == "fused":
        result = with_fused_traffic(result)
    forms, where = _closed_forms(scenario, result.values, given)
    document = totals_document(
        scenario,
        result,
        operators=given["by"] == "operator",
        nodes=given["format"] in _DATA,
        closed_form=forms,
        closed_form_where=where,
        bill=bill,
        left_out=left_out,
        memory=fit(largest, program, None if bill else result.fold),
    )
    by = given["by"] or ("page" if bill and given["format"] == "csv" else "stage")
    click.echo(_formatted(document, definition.roles, result, by, given["format"]), nl=False)
    if given["format"] == "csv":
        warn(document["warnings"])
    return status


def _check_together(given: Given) -> None:
    """Refuse options that would silently be ignored."""
    if given["more"] and not given["document"]:
        raise UserError(f"unexpected argument '{given['more'][0]}'; documents follow --document")
    if given["by"] == "page" and not given["document"]:
        raise UserError("--by page: only a document has pages; add --document PATH or drop --by page")
    if given["dpi"] is not None and not given["document"]:
        raise UserError("--dpi is of the pages of a document; add --document PATH or drop --dpi")
    if given["by"] not in (None, "operator") and given["format"] in _DATA:
        raise UserError(
            f"--format {given['format']} holds every stage, layer and page, and with --by operator the operators;"
            f" drop --by {given['by']}"
        )
    if given["document"] and (given["closed_form"] or given["keep"]):
        raise UserError("--closed-form is of one workload, not of a document; drop one of them")
    if given["format"] == "csv" and (given["closed_form"] or given["keep"]):
        raise UserError("--format csv holds numbers; closed forms come as text, json, yaml or markdown")


def _closed_forms(scenario: Scenario, values: Values, given: Given) -> tuple[Any, list[str]]:
    if not given["closed_form"] and not given["keep"]:
        return None, []
    from dsocr_symbolic.language.files.server_file import unknown_symbol
    from dsocr_symbolic.questions.totals.closed_forms import closed_forms, held_where

    known = scenario.definition.quantities
    for name in given["keep"]:
        if name not in known:
            raise unknown_symbol(name, known, "--keep")
    kept = {*(name for name in scenario.definition.roles.free if name not in scenario.user), *given["keep"]}
    with progress("closed forms"):
        forms = closed_forms(scenario, values, kept, latex=given["format"] == "markdown")
    return forms, held_where(scenario, values, kept)


def _formatted(document: dict[str, Any], roles: Roles, result: Estimate, view: str, output: str) -> str:
    from dsocr_symbolic.language.registry import load_conventions
    from dsocr_symbolic.questions.totals import text, views
    from dsocr_symbolic.writing.data import to_json, to_yaml

    if output == "json":
        return to_json(document)
    if output == "yaml":
        return to_yaml(document)
    if view == "category":
        lines = views.by_category(result, load_conventions().categories)
    elif view == "page":
        lines = views.by_total(result)
    else:
        lines = getattr(views, f"by_{view}")(result)
    views.check_sums(result, lines)
    if output == "csv":
        return text.to_csv(document, roles, view, lines)
    if output == "markdown":
        return text.to_markdown(document, roles, view, lines)
    return text.to_text(document, roles, view, lines)
