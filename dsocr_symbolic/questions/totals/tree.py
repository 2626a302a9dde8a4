"""``dsocr tree``: the network as a tree, with the cost of each node."""

import sys
from collections.abc import Iterator
from typing import Any

import click

from dsocr_symbolic.evaluation.estimate import Estimate, Metrics, NodeNumbers
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.questions.options import asked_scenario, question_options

_DEPTH = 3
_COLUMNS = (
    ("TC", "forward_tensor_core_flops"),
    ("moved", "forward_io_bytes"),
    ("live", "forward_activation_bytes"),
    ("time", "roofline_s"),
)
_HOT, _WARM = 0.2, 0.05
# What stands before a child, and before what is below it; for a child that others follow, and for the last one.
_GUIDES = {True: (("├─ ", "│  "), ("└─ ", "   ")), False: (("|- ", "|  "), ("`- ", "   "))}
_LEGEND = """TC: FLOPs on Tensor Cores, 2 per multiply-add. moved: bytes that the launched operators read and
write. live: peak bytes of activations inside one call. time: roofline_s, each operator at its
slowest resource, no overlap, every operand from DRAM: neither a bound nor a forecast. share: of the
time. GB = 1e9 bytes. +: more is below, see --depth. -: never runs."""


def tree_command(definition: Definition) -> click.Command:
    """Make ``dsocr tree``, with one option per choice of the model."""
    depth = click.Option(["--depth"], type=click.IntRange(min=1), default=_DEPTH, help=f"Levels; {_DEPTH} by default.")
    return click.Command(
        "tree",
        params=[*question_options(definition), depth],
        callback=lambda **given: _tree(definition, given),
        help="The network as a tree, with the cost of each node.",
    )


def _tree(definition: Definition, given: dict[str, Any]) -> int:
    from dsocr_symbolic.evaluation.answer import answer
    from dsocr_symbolic.questions.totals.document import totals_document
    from dsocr_symbolic.questions.totals.text import preamble
    from dsocr_symbolic.writing.terminal import on_terminal

    scenario = asked_scenario(definition, given)
    result = answer(scenario, details=False)
    document = totals_document(
        scenario.definition, result, workload=scenario.workload, gpu=scenario.gpu, options=scenario.options
    )
    tree = on_terminal(_table(result, given["depth"]))
    click.echo("\n\n".join([preamble(document, definition.roles), tree.strip("\n"), _LEGEND]))
    return 0


def _table(result: Estimate, depth: int) -> Any:
    from rich.text import Text

    from dsocr_symbolic.questions.totals.text import count
    from dsocr_symbolic.writing.amounts import cell
    from dsocr_symbolic.writing.terminal import table

    def cells(metrics: Metrics) -> list[str]:
        return [cell(metric, metrics[metric], 3) for _, metric in _COLUMNS]

    made = table("node", *(f">{title}" for title in ("calls", *dict(_COLUMNS), "share")), gap=1)
    whole = result.total["roofline_s"]
    for guide, name, node in _lines(result, depth):
        share = node.metrics["roofline_s"] / whole if whole else 0.0
        label = Text.assemble((guide, "dim"), (name, "" if guide else "bold"))
        numbers = [*cells(node.metrics), f"{share:.1%}"] if node.calls else ["-"] * (len(_COLUMNS) + 1)
        style = "dim" if not node.calls else "red" if share >= _HOT else "yellow" if share >= _WARM else ""
        made.add_row(label, *(Text(number, style) for number in (count(node.calls), *numbers)))
    made.add_row("total", "", *cells(result.total), f"{1.0:.1%}" if whole else "", style="bold")
    return made


def _lines(result: Estimate, depth: int) -> Iterator[tuple[str, str, NodeNumbers]]:
    """Yield what stands before each node, its name and the node, down to a depth."""
    from dsocr_symbolic.questions.totals.views import children

    below = children(result)
    inner, last = _GUIDES[(sys.stdout.encoding or "utf-8").lower().startswith("utf")]

    def descend(index: int, level: int, guide: str, after: str) -> Iterator[tuple[str, str, NodeNumbers]]:
        node, inside = result.nodes[index - 1], below.get(index, [])
        hidden = " +" if inside and level == depth else ""
        yield guide, node.row.path.rpartition("/")[2] + hidden, node
        for child in inside if level < depth else ():
            first, rest = last if child == inside[-1] else inner
            yield from descend(child, level + 1, after + first, after + rest)

    for stage in below.get(0, []):
        yield from descend(stage, 1, "", "")
