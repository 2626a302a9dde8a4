"""The network as a tree in a terminal, with the cost of each node."""

import sys
from collections.abc import Iterator, Sequence
from typing import Any

from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.evaluation.estimate import Estimate, Metrics, NodeNumbers
from dsocr_symbolic.language.roles import Roles
from dsocr_symbolic.questions.totals.seconds_text import forecast_lines
from dsocr_symbolic.questions.totals.text import count, legend_text, mark, preamble, sentences, shared_time
from dsocr_symbolic.writing.amounts import cell
from dsocr_symbolic.writing.data import Document
from dsocr_symbolic.writing.terminal import coloured, on_terminal, table

_TREE_COLUMNS = (
    ("TC", "forward_tensor_core_flops"),
    ("moved", "forward_io_bytes"),
    ("live", "forward_activation_bytes"),
    ("device", "device_s"),
    ("wall", "wall_s"),
    ("roofline", "roofline_s"),
)
_TREE_SPARE = ("roofline", "live", "calls", "TC")
_HOT, _WARM = 0.2, 0.05
# What stands before a child, and before what is below it; for a child that others follow, and for the last one.
_GUIDES = {True: (("├─ ", "│  "), ("└─ ", "   ")), False: (("|- ", "|  "), ("`- ", "   "))}
_TREE_LEGEND = """TC: FLOPs on Tensor Cores, 2 per multiply-add. moved: bytes that the launched operators read and
write. live: peak bytes of activations inside one call. {forecast}
roofline: each operator at its slowest resource, no overlap, every operand from DRAM: neither a bound nor a
forecast. share: of {share}. GB = 1e9 bytes. +: more is below, see --depth. -: never runs."""


def tree_text(document: Document, roles: Roles, result: Estimate, depth: int, part: str = "") -> str:
    """Print the network, or a part of it, as a tree with the cost of each node, down to a depth."""
    roots = [_node_at(result, part)] if part else result.below[0]
    made = on_terminal(_tree_table(document, result, depth, roots), spare=_TREE_SPARE)
    legend = legend_text(document, "tree", _TREE_LEGEND)
    return "\n\n".join([preamble(document, roles), made.strip("\n"), sentences(forecast_lines(document)), legend])


def _node_at(result: Estimate, part: str) -> int:
    """Find the row of a path, or of one with the numbers that layers have here."""
    for row, node in enumerate(result.nodes, start=1):
        if part in (node.row.path, node.label):
            return row
    raise UserError(f"unknown part '{part}': {nearest(part, [node.row.path for node in result.nodes])}")


def _tree_table(document: Document, result: Estimate, depth: int, roots: Sequence[int]) -> Any:
    def cells(metrics: Metrics) -> list[str]:
        return [cell(metric, metrics[metric], 3) for metric in shown.values()]

    shown = {title: metric for title, metric in _TREE_COLUMNS if result.total[metric] is not None}
    titles = [f"{title}{mark(document, metric)}" for title, metric in shown.items()]

    made = table("node", *(f">{title}" for title in ("calls", *titles, "share")), gap=1)
    shared = shared_time(result.total)
    whole = result.total[shared]
    for guide, name, node in _tree_lines(result, depth, roots):
        share = node.metrics[shared] / whole if whole else 0.0
        label = coloured((guide, "dim"), (name, "" if guide else "bold"))
        numbers = [*cells(node.metrics), f"{share:.1%}"] if node.calls else ["-"] * (len(shown) + 1)
        style = "dim" if not node.calls else "red" if share >= _HOT else "yellow" if share >= _WARM else ""
        made.add_row(label, *(coloured((number, style)) for number in (count(node.calls), *numbers)))
    made.add_row("total", "", *cells(result.total), f"{1.0:.1%}" if whole else "", style="bold")
    return made


def _tree_lines(result: Estimate, depth: int, roots: Sequence[int]) -> Iterator[tuple[str, str, NodeNumbers]]:
    """Yield what stands before each node, its name and the node, down to a depth; roots have their whole path."""
    below = result.below
    inner, last = _GUIDES[(sys.stdout.encoding or "utf-8").lower().startswith("utf")]

    def there(rows: Sequence[int]) -> list[int]:
        return [row for row in rows if result.nodes[row - 1].label is not None]

    def descend(index: int, level: int, guide: str, after: str) -> Iterator[tuple[str, str, NodeNumbers]]:
        node, children = result.nodes[index - 1], there(below[index])
        hidden = " +" if children and level == depth else ""
        label = node.label or node.row.path
        yield guide, (label.rpartition("/")[2] if guide else label) + hidden, node
        for child in children if level < depth else ():
            first, rest = last if child == children[-1] else inner
            yield from descend(child, level + 1, after + first, after + rest)

    for root in roots:
        yield from descend(root, 1, "", "")
