"""Views of a totals document: text for a terminal, Markdown, CSV, YAML and JSON."""

import csv
import io
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.evaluation.estimate import Estimate, Metrics, NodeNumbers
from dsocr_symbolic.language.registry import load_conventions, load_metrics
from dsocr_symbolic.language.roles import Roles
from dsocr_symbolic.questions.settings_text import command_notes, lifted, setting_notes
from dsocr_symbolic.questions.totals.memory_text import memory_lines
from dsocr_symbolic.questions.totals.pages import (
    limit_notes,
    page_latency_lines,
    pages_table,
    unread_lines,
)
from dsocr_symbolic.questions.totals.views import ViewLine
from dsocr_symbolic.writing.amounts import amount, cell, seconds
from dsocr_symbolic.writing.comments import commented
from dsocr_symbolic.writing.data import Document
from dsocr_symbolic.writing.templates import template
from dsocr_symbolic.writing.terminal import columns, flowed, indented, natural_width, on_terminal, table, wrapped

WARNING = "warning: "
_COLUMNS: tuple[tuple[str, str], ...] = (
    ("TC", "forward_tensor_core_flops"),
    ("CC", "forward_cuda_core_flops"),
    ("moved", "forward_io_bytes"),
    ("F/B", "forward_arithmetic_intensity"),
    ("ops", "operator_launches"),
    ("weights", "forward_weight_bytes"),
    ("KV", "forward_kv_cache_bytes"),
    ("time", "roofline_s"),
)
_LEGEND = """TC, CC: FLOPs on Tensor and CUDA cores, 2 per multiply-add. moved: {traffic} F/B: FLOPs of both
kinds per byte. ops: operators launched. weights, KV: what distinct modules own, once. GB = 1e9 bytes. time:
roofline_s, each operator at its slowest resource, no overlap, every operand from DRAM: neither a bound nor a
forecast. share: of the time. JSON, YAML and CSV hold more: activations, backward, compulsory bytes; what does not
exist is null in JSON, with its reason."""
_TRAFFIC = {
    "eager": "bytes that every launched operator reads and writes (eager).",
    "fused": "bytes that a perfect compiler must still move (fused; parts do not add up).",
}


_TREE_COLUMNS = (
    ("TC", "forward_tensor_core_flops"),
    ("moved", "forward_io_bytes"),
    ("live", "forward_activation_bytes"),
    ("time", "roofline_s"),
)
# What a narrow terminal does without, the first first.
_SPARE = ("ops", "KV", "CC", "F/B", "weights", "calls", "TC")
_PAGES_SPARE = ("pixels", "CC", "image", "KV", "TC")
_TREE_SPARE = ("live", "calls", "TC")
_HOT, _WARM = 0.2, 0.05
# What stands before a child, and before what is below it; for a child that others follow, and for the last one.
_GUIDES = {True: (("├─ ", "│  "), ("└─ ", "   ")), False: (("|- ", "|  "), ("`- ", "   "))}
_TREE_LEGEND = """TC: FLOPs on Tensor Cores, 2 per multiply-add. moved: bytes that the launched operators read and
write. live: peak bytes of activations inside one call. time: roofline_s, each operator at its
slowest resource, no overlap, every operand from DRAM: neither a bound nor a forecast. share: of the
time. GB = 1e9 bytes. +: more is below, see --depth. -: never runs."""


def to_csv(document: Document, roles: Roles, head: str, lines: Sequence[ViewLine]) -> str:
    """Write what it is of as comments, then a row per line, or page, and a column per metric; null is empty.

    Warnings go elsewhere.
    """
    pages = document.get("pages") if head == "page" else None
    buffer = io.StringIO()
    said = [note for note in notes(document, roles) if not note.startswith(WARNING)]
    buffer.write(commented([heading(document), *said, *command_notes(document["command"])]))
    writer = csv.writer(buffer, lineterminator="\n")
    if pages is None:
        writer.writerow([head, "calls", *load_metrics()])
        writer.writerows([line.name, line.calls, *line.metrics.values()] for line in lines)
    else:
        nothing = dict.fromkeys(load_metrics())
        cut = (roles.crops.columns, roles.crops.rows) if roles.crops else ()
        about = ("path", "page", "width", "height", *cut, roles.image_tokens, roles.prompt_tokens, "error")
        writer.writerow([*about, *load_metrics()])
        writer.writerows(
            [*(page.get(key) for key in about), *(page.get("total") or nothing).values()] for page in pages
        )
    return buffer.getvalue()


def to_markdown(document: Document, roles: Roles, head: str, lines: Sequence[ViewLine]) -> str:
    """Render templates/totals.md.jinja; closed forms of the document are LaTeX."""
    rendered: str = template("totals.md.jinja").render(
        title=heading(document),
        notes=notes(document, roles),
        command=document["command"],
        roles=roles,
        head=head,
        rows=[{"name": line.name, "calls": line.calls, **_shown(line)} for line in [*lines, _total(document)]],
        closed_form=document["closed_form"],
        pages=document.get("pages", []),
        grids=[] if head == "page" else document.get("grids", []),
        units={name: metric.unit for name, metric in load_metrics().items()},
        conventions=load_conventions().statements,
        null_everywhere={name: metric.reason for name, metric in load_metrics().items() if metric.kind == "null"},
        summary=[*latency_lines(document), *page_latency_lines(document), *memory_lines(document, roles)],
    )
    return rendered


def _total(document: Document) -> ViewLine:
    return ViewLine(name="total", calls="", metrics=document["total"])


def _shown(line: ViewLine) -> dict[str, Any]:
    return {
        name: "" if value is None else f"{value:.6g}" if isinstance(value, float) else value
        for name, value in line.metrics.items()
    }


def heading(document: Document) -> str:
    """Say what the numbers are of, in one line."""
    what = document["workload_name"] or f"the layer {next(iter(document['stages']))} alone"
    return f"{document['model']}, {what}, on {document['machine']['title']}"


def notes(document: Document, roles: Roles) -> list[str]:
    """Say what a reader must know before the numbers."""
    values = document["workload"]
    failed = sum(page["error"] is not None for page in document.get("pages", []))
    shown = ", ".join(f"{name} {amount(value)}" for name, value in values.items())
    result = [shown, "choices: " + ", ".join(f"{name} {option}" for name, option in document["choices"].items())]
    result += [*setting_notes(document["overridden"]), *lifted(document["waived"])]
    if example := document["of_example"]:
        result.append(f"of the layer's example, until --set gives others: {', '.join(example)}")
    if "pages" in document:
        pages = f"{len(document['pages'])} pages, each a request of its own"
        result[0] = f"{pages}; symbols are those of the first page: {shown}"
        result += [*limit_notes(document, roles), "a row of pages of one grid holds the numbers of one page"]
    result += [f"{WARNING}{said}" for said in document["warnings"]]
    if failed:
        result.append(f"{failed} of {len(document['pages'])} pages cannot be read and are not counted")
    if document["closed_form"]:
        hits = [name for name in roles.hit if name in values]
        put_in = ", ".join(f"{name} {amount(values[name])}" for name in hits)
        result += [f"closed forms hold at {put_in}; --keep leaves a symbol free"] if hits else []
    if document["closed_form_where"]:
        result.append(f"closed forms hold where {' and '.join(document['closed_form_where'])}")
    doubtful = document["machine"]["unverified"]
    return [*result, *(f"unverified: {name} is from memory, or its sources conflict (marked ?)" for name in doubtful)]


def preamble(document: Document, roles: Roles) -> str:
    """Print the heading and the notes, as lines of a terminal, and what was typed."""
    said = [*notes(document, roles), *command_notes(document["command"])]
    return "\n".join([indented([heading(document)]), *(f"  {line}" for note in said for line in wrapped(note))])


def to_text(document: Document, roles: Roles, head: str, lines: Sequence[ViewLine]) -> str:
    """Print a table, a total below several lines, notes around it; in as many digits as the terminal has room for."""
    made = _totals_table(document, head, lines, 4)
    if natural_width(made) > columns():
        made = _totals_table(document, head, lines, 3)
    parts = [
        preamble(document, roles),
        on_terminal(pages_table(document, roles, each=head == "page"), spare=_PAGES_SPARE)
        if "pages" in document
        else "",
        "" if head == "page" else _lines([f"not counted: {line}" for line in unread_lines(document.get("pages", []))]),
        on_terminal(made, spare=_SPARE),
        _lines([*latency_lines(document), *page_latency_lines(document), *memory_lines(document, roles)]),
        _closed_form_text(document["closed_form"]),
        flowed(_LEGEND.format(traffic=_TRAFFIC[document["traffic"]])),
    ]
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def _totals_table(document: Document, head: str, lines: Sequence[ViewLine], digits: int) -> Any:
    rows = [*lines] if len(lines) == 1 else [*lines, _total(document)]
    shown = {title: metric for title, metric in _COLUMNS if any(line.metrics[metric] is not None for line in lines)}
    made = _table(head, "calls", *shown, "share")
    if document["machine"]["unverified"]:
        made.columns[-2].header += " ?"
    whole = document["total"]["roofline_s"]
    for place, line in enumerate(rows):
        share = line.metrics["roofline_s"] / whole if whole else 0
        cells = [cell(metric, line.metrics[metric], digits) for metric in shown.values()]
        last = place == len(rows) - 1 and len(rows) > 1
        made.add_row(line.name, count(line.calls), *cells, f"{share:.1%}", style="bold" if last else None)
    return made


def _lines(said: Sequence[str]) -> str:
    return "\n".join(line for sentence in said for line in wrapped(sentence))


def latency_lines(document: Document) -> list[str]:
    """Say what the phases need at least, and what a reader of tokens waits for."""
    total = document["total"]
    if total["lower_bound_s"] is None:
        return [document["null_because"]["lower_bound_s"]] if document["machine"]["lacking"] else []
    at = f" at {document['machine']['highest_clock'] / 1e6:.0f} MHz"
    stages = [f"{name} {seconds(metrics['lower_bound_s'])}" for name, metrics in document["stages"].items()]
    parts = f" ({', '.join(stages)})" if len(stages) > 1 else ""
    lines = [f"lower bound: {seconds(total['lower_bound_s'])}{at}{parts}"]
    for metric, name in (("ttft", "first token (ttft)"), ("tpot", "each further token (tpot)")):
        if total[f"{metric}_s"] is not None:
            bound = seconds(total[f"{metric}_lower_bound_s"])
            lines.append(f"{name}: {seconds(total[f'{metric}_s'])} by roofline, at least {bound}; no host work")
    return lines


def _closed_form_text(forms: Mapping[str, Mapping[str, str | None]]) -> str:
    """Print closed forms stage by stage."""
    lines = {
        stage: [f"  {metric} = {form}" for metric, form in metrics.items() if form is not None]
        for stage, metrics in forms.items()
    }
    return "\n\n".join("\n".join([stage, *said]) for stage, said in lines.items())


def _table(head: str, *titles: str) -> Any:
    return table(head, *(f">{title}" for title in titles), gap=1)


def count(calls: Any) -> str:
    """Print how often something runs, which may be an expectation; a word stays."""
    return calls if isinstance(calls, str) else f"{calls:,.1f}" if isinstance(calls, float) else f"{calls:,}"


def tree_text(document: Document, roles: Roles, result: Estimate, depth: int, part: str = "") -> str:
    """Print the network, or a part of it, as a tree with the cost of each node, down to a depth."""
    roots = [_node_at(result, part)] if part else result.below[0]
    made = on_terminal(_tree_table(result, depth, roots), spare=_TREE_SPARE)
    return "\n\n".join([preamble(document, roles), made.strip("\n"), flowed(_TREE_LEGEND)])


def _node_at(result: Estimate, part: str) -> int:
    """Find the row of a path, or of one with the numbers that layers have here."""
    for row, node in enumerate(result.nodes, start=1):
        if part in (node.row.path, node.label):
            return row
    raise UserError(f"unknown part '{part}': {nearest(part, [node.row.path for node in result.nodes])}")


def _tree_table(result: Estimate, depth: int, roots: Sequence[int]) -> Any:
    from rich.text import Text

    def cells(metrics: Metrics) -> list[str]:
        return [cell(metric, metrics[metric], 3) for _, metric in _TREE_COLUMNS]

    made = table("node", *(f">{title}" for title in ("calls", *dict(_TREE_COLUMNS), "share")), gap=1)
    whole = result.total["roofline_s"]
    for guide, name, node in _tree_lines(result, depth, roots):
        share = node.metrics["roofline_s"] / whole if whole else 0.0
        label = Text.assemble((guide, "dim"), (name, "" if guide else "bold"))
        numbers = [*cells(node.metrics), f"{share:.1%}"] if node.calls else ["-"] * (len(_TREE_COLUMNS) + 1)
        style = "dim" if not node.calls else "red" if share >= _HOT else "yellow" if share >= _WARM else ""
        made.add_row(label, *(Text(number, style) for number in (count(node.calls), *numbers)))
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
