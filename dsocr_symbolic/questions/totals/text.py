"""Views of a totals document: text for a terminal, Markdown, CSV, YAML and JSON."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

from dsocr_symbolic.evaluation.estimate import Metrics
from dsocr_symbolic.language.registry import load_conventions, load_metrics
from dsocr_symbolic.language.roles import Roles
from dsocr_symbolic.language.time_formula import is_forecast, is_time
from dsocr_symbolic.questions.settings_text import command_notes, lifted, setting_notes
from dsocr_symbolic.questions.totals.memory_text import memory_lines
from dsocr_symbolic.questions.totals.pages import (
    host_lines,
    limit_notes,
    page_latency_lines,
    pages_table,
    unread_lines,
)
from dsocr_symbolic.questions.totals.seconds_text import is_derived, limit_of, seconds_lines
from dsocr_symbolic.questions.totals.views import ViewLine
from dsocr_symbolic.writing.amounts import amount, cell
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
    ("device", "device_s"),
    ("wall", "wall_s"),
    ("roofline", "roofline_s"),
)
_LEGEND = """TC, CC: FLOPs on Tensor and CUDA cores, 2 per multiply-add. moved: {traffic} F/B: FLOPs of both
kinds per byte. ops: operators launched. weights, KV: what distinct modules own, once. GB = 1e9 bytes. {forecast}
roofline: each operator at its slowest resource, no overlap, every operand from DRAM: neither a bound nor a
forecast. share: of {share}. JSON, YAML and CSV hold more: activations, backward, compulsory bytes; what does not
exist is null in JSON, with its reason."""
_TRAFFIC = {
    "eager": "bytes that every launched operator reads and writes (eager).",
    "fused": "bytes that a perfect compiler must still move (fused; parts do not add up).",
}


_FORECAST = """device: time for which the GPU is busy. wall: time that passes between two waits of the host, for each
row apart, so that rows need not add up. """
_LIMIT = """limit: what most of the device seconds go into: compute, memory, access (elements that are not read
in order), latency (starting, and steps that follow one another), or the host, for which the GPU waits longer than
it works. """
_DERIVED = """~: derived from measurements of another GPU. """
# Views of single kernels, of which one says what limits it.
_LIMITED = ("operator",)
# What a narrow terminal does without, the first first.
_SPARE = ("F/B", "KV", "CC", "ops", "weights", "calls", "roofline", "TC")
_PAGES_SPARE = ("roofline", "pixels", "CC", "image", "KV", "TC")


def to_csv(document: Document, roles: Roles, head: str, lines: Sequence[ViewLine]) -> str:
    """Write what it is of as comments, then a row per line, or page, and a column per metric; null is empty.

    Warnings go elsewhere.
    """
    import csv

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
        about += ("host_s", "first_token_s") if document["host"] else ()
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
        summary=[
            *seconds_lines(document),
            *page_latency_lines(document),
            *host_lines(document),
            *memory_lines(document, roles),
        ],
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
    result += config_notes(document)
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


def config_notes(document: Document) -> list[str]:
    """Say whose config.json sizes are of, and whether the weights that lie beside it are as large as ours."""
    config = document.get("config")
    if config is None:
        return []
    said = [f"{config['file']}: model_type {config['model_type']}; the network is {document['model']}"]
    if config["index"]:
        ours, stored = document["total"]["forward_weight_bytes"], config["stored_bytes"]
        gap = ours - stored
        compared = "as many as here" if gap == 0 else f"{abs(gap):,} {'fewer' if gap > 0 else 'more'} than here"
        said.append(f"{config['index']}: {stored:,} bytes of weights, {compared}")
    return said


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
        ""
        if head == "page"
        else sentences([f"not counted: {line}" for line in unread_lines(document.get("pages", []))]),
        on_terminal(made, spare=_SPARE),
        sentences(
            [
                *seconds_lines(document),
                *page_latency_lines(document),
                *host_lines(document),
                *memory_lines(document, roles),
            ]
        ),
        _closed_form_text(document["closed_form"]),
        legend_text(document, head),
    ]
    return "\n\n".join(part.strip("\n") for part in parts if part) + "\n"


def _totals_table(document: Document, head: str, lines: Sequence[ViewLine], digits: int) -> Any:
    rows = [*lines] if len(lines) == 1 else [*lines, _total(document)]
    shown = {title: metric for title, metric in _COLUMNS if any(line.metrics[metric] is not None for line in lines)}
    titles = [f"{title}{mark(document, metric)}" for title, metric in shown.items()]
    limits = [limit_of(line.metrics) for line in rows] if head in _LIMITED else []
    limited = ["limit"] if any(limits) else []
    made = _table(head, "calls", *titles, "share", *limited)
    made.columns[0].no_wrap = True
    shared = shared_time(document["total"])
    whole = document["total"][shared]
    for place, line in enumerate(rows):
        share = line.metrics[shared] / whole if whole else 0
        cells = [cell(metric, line.metrics[metric], digits) for metric in shown.values()]
        last = place == len(rows) - 1 and len(rows) > 1
        by = [limits[place] or "-"] if limited else []
        made.add_row(line.name, count(line.calls), *cells, f"{share:.1%}", *by, style="bold" if last else None)
    return made


def shared_time(total: Metrics) -> str:
    """Return the time that shares are of: that of the GPU where it is forecast."""
    return "device_s" if total.get("device_s") is not None else "roofline_s"


def mark(document: Document, metric: str) -> str:
    """Mark what rests on doubtful numbers, and what was measured on another GPU."""
    if is_forecast(metric):
        return "~" if is_derived(document) else ""
    return "?" if is_time(metric) and document["machine"]["unverified"] else ""


def legend_text(document: Document, head: str, legend: str = _LEGEND) -> str:
    """Say what the titles of a table mean: a text with places for forecasts, shares and traffic."""
    forecast = shared_time(document["total"]) == "device_s"
    said = _FORECAST * forecast + _LIMIT * (forecast and head in _LIMITED) + _DERIVED * is_derived(document)
    traffic, share = _TRAFFIC[document["traffic"]], "device seconds" if forecast else "the roofline's time"
    return flowed(legend.format(traffic=traffic, forecast=said, share=share))


def sentences(said: Sequence[str]) -> str:
    """Print sentences, each from a line of its own on."""
    return "\n".join(line for sentence in said for line in wrapped(sentence))


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
