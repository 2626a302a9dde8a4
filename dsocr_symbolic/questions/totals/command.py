"""``dsocr totals``: what a workload or a document costs, and where."""

from typing import Any

import click

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.roles import Roles
from dsocr_symbolic.questions.options import asked_scenario, question_options
from dsocr_symbolic.scenario.scenario import Scenario
from dsocr_symbolic.writing.terminal import tracked

FORMATS = ("text", "json", "yaml", "csv", "markdown")


TRAFFIC = ("eager", "fused")


VIEWS = ("total", "stage", "category", "layer", "operator")


_TRAFFIC = "Bytes of every launched operator, or what a perfect compiler must still move; eager by default."


def totals_command(definition: Definition) -> click.Command:
    """Make ``dsocr totals``, with one option per choice of the model."""
    parameters = [
        *question_options(definition),
        click.Option(["--document"], metavar="PATH", multiple=True, help="Images, PDFs and folders; a bill per page."),
        click.Option(["--dpi"], type=float, default=144.0, help="Pixels per inch of PDF pages; 144 by default."),
        click.Option(["--by"], type=click.Choice(VIEWS), default="stage", help="Rows; stage by default."),
        click.Option(["--traffic"], type=click.Choice(TRAFFIC), default="eager", help=_TRAFFIC),
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
    from dsocr_symbolic.evaluation.answer import answer, scenario_program
    from dsocr_symbolic.evaluation.estimate import with_fused_traffic
    from dsocr_symbolic.questions.capacity import fit
    from dsocr_symbolic.questions.totals.bill import make_bill, page_rows
    from dsocr_symbolic.questions.totals.document import totals_document
    from dsocr_symbolic.questions.totals.text import unreadable
    from dsocr_symbolic.scenario.documents import read_pages

    _check_together(given)
    scenario = asked_scenario(definition, given)
    rows, status, program = None, 0, None
    # The text shows neither the backward nor, unless it is asked for, compulsory bytes.
    details = given["format"] != "text" or given["traffic"] == "fused"
    if given["document"]:
        pages = read_pages([*given["document"], *given["more"]], dpi=given["dpi"])
        bill = make_bill(scenario, tracked(pages, "pages"), details=details)
        rows = page_rows(bill, definition.roles)
        status = int(any(row["error"] for row in rows))
        result = bill.total
    else:
        program = scenario_program(scenario)
        result = answer(scenario, details=details, program=program)
    if result is None:
        click.echo(unreadable(rows or [], given["format"]), nl=False, err=given["format"] not in ("json", "yaml"))
        return 1
    if given["traffic"] == "fused":
        result = with_fused_traffic(result)
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
        memory=None if program is None else fit(scenario, program),
    )
    click.echo(_formatted(document, definition.roles, result, given["by"], given["format"]), nl=False)
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


def _closed_forms(scenario: Scenario, values: Any, given: dict[str, Any]) -> Any:
    from dsocr_symbolic.errors import nearest
    from dsocr_symbolic.network.builder import model_tree
    from dsocr_symbolic.questions.totals.closed_forms import closed_forms
    from dsocr_symbolic.scenario.values import chosen_slots
    from dsocr_symbolic.writing.latex import as_latex

    known = scenario.definition.quantities
    for name in given["keep"]:
        if name not in known:
            raise UserError(f"--keep: unknown symbol '{name}': {nearest(name, known)}")
    kept = [name for name in scenario.definition.roles.free if name not in scenario.user] + list(given["keep"])
    stages = model_tree(scenario.definition, chosen_slots(scenario.definition, scenario.options))
    if given["format"] == "markdown":
        letters = {name: each.letter for name, each in known.items()}
        return closed_forms(stages, values, kept, lambda expression: as_latex(expression, letters))
    return closed_forms(stages, values, kept)


def _formatted(document: dict[str, Any], roles: Roles, result: Any, view: str, output: str) -> str:
    from dsocr_symbolic.questions.totals import text
    from dsocr_symbolic.writing.data import to_json, to_yaml

    if output == "json":
        return to_json(document)
    if output == "yaml":
        return to_yaml(document)
    lines = _lines(result, view)
    if output == "csv":
        return text.to_csv(roles, view, lines, document.get("pages"))
    if output == "markdown":
        return text.to_markdown(document, roles, view, lines)
    return text.to_text(document, roles, view, lines)


def _lines(result: Any, view: str) -> list[Any]:
    from dsocr_symbolic.language.registry import load_conventions
    from dsocr_symbolic.questions.totals import views

    if view == "category":
        lines = views.by_category(result, load_conventions().categories)
    else:
        lines = getattr(views, f"by_{view}")(result)
    views.check_sums(result, lines)
    return lines
