"""A budget in words: a line per assertion, below a broken one what grew; and as annotations of a CI."""

from collections.abc import Iterator
from pathlib import Path

from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.questions.budget.changes import MetricChange
from dsocr_symbolic.questions.budget.checking import Budget, CheckedAssertion
from dsocr_symbolic.writing.amounts import compared, measured
from dsocr_symbolic.writing.notebook import Page, TextGrid, warned

_MOST_NODES = 10


def budget_text(budget: Budget) -> str:
    """Print a line per assertion, and below a broken one the nodes that moved."""
    lines = []
    for each in budget.assertions:
        lines.append(f"{'ok    ' if each.holds else 'BROKEN'} {_said(each)}")
        lines += [f"       {said}" for said in _reasons(budget, each)]
    return "\n".join([*lines, line(budget)]) + "\n"


def github_text(budget: Budget) -> str:
    """Print the same, a broken one as an annotation of its line in the file, as GitHub Actions reads them."""
    lines = []
    for each in budget.assertions:
        if each.holds:
            lines.append(f"ok     {_said(each)}")
            continue
        message = "\n".join([_said(each), *_reasons(budget, each)])
        place = _place(budget.source, each.text)
        lines.append(f"::error {place}title=dsocr budget::{_escaped(message)}")
    return "\n".join([*lines, line(budget)]) + "\n"


def _escaped(message: str) -> str:
    return message.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _place(source: str, text: str) -> str:
    """Say where an assertion stands in its file."""
    if not source:
        return ""
    name = source.replace("%", "%25").replace(",", "%2C").replace(":", "%3A")
    for number, row in enumerate(Path(source).read_text(encoding="utf-8").splitlines(), start=1):
        if text in " ".join(row.split()):
            return f"file={name},line={number},"
    return f"file={name},"


def _said(each: CheckedAssertion) -> str:
    return f"{each.text}: {compared(each.left, each.right, each.unit)}"


def _reasons(budget: Budget, each: CheckedAssertion) -> Iterator[str]:
    """Yield what moved each metric of a broken assertion."""
    if each.holds or not budget.against:
        return
    if each.before:
        yield f"asked of {each.asked}; in the baseline of {each.before}"
    for change in each.changes:
        unit = load_metrics()[change.metric].unit
        if change.before is None or change.difference is None:
            yield f"{change.metric}: the baseline has none of it"
            continue
        after, before = measured(change.after, unit), measured(change.before, unit)
        moved = f"{before} -> {after}, {_signed(change.difference, unit)}{_share(change)}"
        yield f"{change.metric}: {moved}" if change.difference else f"{change.metric}: as in the baseline, {after}"
        for node in change.nodes[:_MOST_NODES]:
            both = f"{measured(node.before, unit)} -> {measured(node.after, unit)}"
            yield f"  {node.path}: {both}, {_signed(node.difference, unit)}"
        more = len(change.nodes) - _MOST_NODES
        if more > 0:
            yield f"  {more} more nodes differ; --format json lists them"


def _signed(value: Exact, unit: str) -> str:
    return f"{'+' if value > 0 else ''}{measured(value, unit)}"


def _share(change: MetricChange) -> str:
    return f" ({float(change.difference / change.before):+.1%})" if change.before and change.difference else ""


def line(budget: Budget) -> str:
    """Say how many assertions hold."""
    count, broken = len(budget.assertions), len(budget.broken)
    of = f" of {budget.source}" if budget.source else ""
    if broken:
        return f"{budget.model}: {broken} of {count} assertions{of} broken"
    return f"{budget.model}: {f'all {count} assertions{of} hold' if count > 1 else f'1 assertion{of} holds'}"


def page(budget: Budget) -> Page:
    """Say every assertion, then what moved those that are broken."""
    rows = tuple(
        ("ok" if each.holds else "broken", each.text, compared(each.left, each.right, each.unit))
        for each in budget.assertions
    )
    moved = [said for each in budget.broken for said in _reasons(budget, each)]
    return Page(
        head=line(budget),
        blocks=(TextGrid(columns=("", "assertion", "value"), rows=rows), *moved, *warned(budget.warnings)),
    )
