"""Render the pages of the formulas as Markdown, and their index."""

from collections.abc import Iterator
from typing import Any

from dsocr_symbolic.language.formula import Layer, Operator, outputs
from dsocr_symbolic.language.registry import load_conventions, load_metrics
from dsocr_symbolic.network.flows import total_calls
from dsocr_symbolic.network.node import Node
from dsocr_symbolic.reports.formulas.page import Page, pages
from dsocr_symbolic.reports.formulas.places import Network, file_name, shape
from dsocr_symbolic.writing.amounts import cell
from dsocr_symbolic.writing.templates import template

_FEW_PLACES = 8


_OF_THE_INDEX = ("forward_tensor_core_flops", "forward_cuda_core_flops", "forward_io_bytes")


def rendered_pages(network: Network) -> Iterator[tuple[str, str]]:
    """Render every page, the index last.

    Parameters
    ----------
    network : Network
        The workload that gives values and places.

    Yields
    ------
    (str, str)
        File below the folder, and text.

    Raises
    ------
    UserError
        If formulas do not fit together.
    """
    options = network.scenario.options
    page_template = template("formula_page.md.jinja")
    rows: dict[str, list[dict[str, Any]]] = {}
    for page in pages(network):
        text = page_template.render(
            page=page,
            operator=isinstance(page.formula, Operator),
            results=outputs(page.formula),
            workload=_workload(network),
            choices=", ".join(f"{name} {option}" for name, option in options.items()),
            few=_FEW_PLACES,
            exact=exact,
            cell=cell,
        )
        yield f"{page.name}.md", tidy(text)
        rows.setdefault(page.name.partition("/")[0], []).append(_index_row(page))
    text = template("formula_index.md.jinja").render(
        workload=_workload(network),
        choices=options,
        values={name: network.numbers[name] for name in _workload_symbols(network)},
        folders=rows,
        tree=list(_layers(network.stages, 0, set())),
        metrics=load_metrics().values(),
        conventions=load_conventions().statements,
    )
    yield "index.md", tidy(text)


def exact(value: Any) -> str:
    """Print a count with all its digits."""
    return f"{value:,}" if isinstance(value, int) else f"{float(value):,.3f}".rstrip("0").rstrip(".")


def tidy(text: str) -> str:
    """Leave one blank line where a template leaves several."""
    lines: list[str] = []
    for line in text.splitlines():
        if line.strip() or (lines and lines[-1]):
            lines.append(line.rstrip())
    return "\n".join(lines).rstrip("\n") + "\n"


def _workload(network: Network) -> str:
    workload = network.scenario.workload
    return workload.name if workload else ""


def _workload_symbols(network: Network) -> list[str]:
    groups = ("workload", "derived")
    return [name for name, each in network.scenario.definition.quantities.items() if each.group in groups]


def _index_row(page: Page) -> dict[str, Any]:
    values = {section.metric: section.value for section in page.sections}
    calls = sum(each.calls for each in page.record.comparisons)
    differing = sum(each.differing for each in page.record.comparisons)
    return {
        "page": page.name,
        "name": page.formula.name,
        "summary": page.formula.summary,
        "cells": [cell(metric, values.get(metric, 0)) for metric in _OF_THE_INDEX],
        "calls": calls,
        "differing": differing,
        "uncounted": page.record.uncounted,
    }


def _layers(nodes: tuple[Node, ...], depth: int, seen: set[tuple[str, ...]]) -> Iterator[dict[str, Any]]:
    """Walk the layers of the network; what stands in one is listed at its first place alone."""
    for node in nodes:
        if not isinstance(node.formula, Layer) or not total_calls(node):
            continue
        inside = shape(node)
        again = inside in seen
        page = file_name(node.formula)
        yield {"depth": depth, "name": node.path[-1], "page": page, "calls": total_calls(node), "again": again}
        seen.add(inside)
        if not again:
            yield from _layers(node.children, depth + 1, seen)
