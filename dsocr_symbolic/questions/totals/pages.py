"""What text says of a document's pages: how they are cut, what one costs, what is not counted."""

from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from dsocr_symbolic.errors import one_line
from dsocr_symbolic.language.roles import Roles
from dsocr_symbolic.questions.totals.document import SCHEMA_VERSION, pages_document
from dsocr_symbolic.questions.totals.seconds_text import LATENCIES
from dsocr_symbolic.writing.amounts import cell, seconds
from dsocr_symbolic.writing.data import Document, to_json, to_yaml
from dsocr_symbolic.writing.terminal import table

if TYPE_CHECKING:
    from dsocr_symbolic.questions.totals.bill import Bill

_MOST_LINES = 10
_METRICS = {
    "TC": "forward_tensor_core_flops",
    "CC": "forward_cuda_core_flops",
    "moved": "forward_io_bytes",
    "KV": "forward_kv_cache_bytes",
    "device": "device_s",
    "wall": "wall_s",
    "roofline": "roofline_s",
}


def left_out_text(left_out: Mapping[str, int]) -> str:
    """Say what folders hold besides images and PDFs: a line, or nothing."""
    kinds = ", ".join(f"{one_line(kind)} ({count})" for kind, count in sorted(left_out.items()))
    return f"dsocr: left out of folders, as neither images nor PDFs: {kinds}\n" if kinds else ""


def unread_text(pages: Sequence[Mapping[str, Any]]) -> str:
    """Say in one line how many pages cannot be read, and why the first of them; nothing if all can."""
    failed = [page for page in pages if page["error"]]
    if not failed:
        return ""
    said = f"{len(failed)} of {len(pages)} pages cannot be read and are not counted"
    return f"dsocr: {said}, the first: {_unread(failed[0])}\n"


def unreadable(bill: "Bill", left_out: Mapping[str, int], output: str) -> str:
    """Say why no page of a document could be read, in the format that was asked for."""
    if output in ("json", "yaml"):
        document = {"schema_version": SCHEMA_VERSION, "total": None, **pages_document(bill, left_out)}
        return (to_json if output == "json" else to_yaml)(document)
    return "".join(f"dsocr: {line}\n" for line in unread_lines(bill.rows))


def limit_notes(document: Document, roles: Roles) -> list[str]:
    """Say how many pieces a page is cut into at most, and who cuts so."""
    cutting, crops = document["cutting"], roles.crops
    if cutting is None or crops is None:
        return []
    by = crops.cut_by.get(str(cutting["most"]), "")
    return [f"at most {cutting['most']} {crops.number} a page" + (f", as {by}" if by else "")]


def pages_table(document: Document, roles: Roles, *, each: bool) -> Any:
    """One row per grid, with the numbers of one of its pages, or one row per page, with the reason if it is unread."""
    crops = roles.crops
    assert crops is not None  # noqa: S101 - a bill has them
    name, size = ("page", "pixels") if each else ("pages", "")
    shown = {title: metric for title, metric in _METRICS.items() if document["total"][metric] is not None}
    host = ["host"] if each and document["host"] else []
    heads = [*([size] if each else []), crops.number, "image", "tokens", *host, *shown]
    made = table(name, *(f">{head}" for head in heads), gap=1)
    for page in document["pages" if each else "grids"]:
        if page.get("error"):
            made.add_row(_unread(page), style="red")
            continue
        grid, total = shown_grid(page, roles), page["total"]
        about = (
            [one_line(f"{page['path']}:{page['page']}"), f"{page['width']}x{page['height']}"]
            if each
            else [str(page["pages"])]
        )
        tokens = [str(page[name]) for name in (roles.image_tokens, roles.prompt_tokens)]
        waits = ["-" if page["host_s"] is None else seconds(page["host_s"], 3)] if host else []
        made.add_row(*about, grid, *tokens, *waits, *(cell(metric, total[metric], 3) for metric in shown.values()))
    return made


def unread_lines(pages: Sequence[Mapping[str, Any]]) -> list[str]:
    """Name the pages that cannot be read: those of a file that fail alike in one line, and not more than a few."""
    lines = []
    for (path, error), alike in groupby(pages, key=lambda page: (page["path"], page["error"])):
        numbers = [page["page"] for page in alike]
        last = f"-{numbers[-1]}" if len(numbers) > 1 else ""
        lines += [one_line(f"{path}:{numbers[0]}{last}: {error}")] if error else []
    more = len(lines) - _MOST_LINES
    return [*lines[:_MOST_LINES], *([f"and {more} more; --by page or --format json names all"] if more > 0 else [])]


def _unread(page: Mapping[str, Any]) -> str:
    return one_line(f"{page['path']}:{page['page']}: {page['error']}")


def shown_grid(page: Mapping[str, Any], roles: Roles) -> str:
    """Print how a page is cut."""
    crops = roles.crops
    return f"{page[crops.columns]}x{page[crops.rows]}" if crops and page[crops.number] else "none"


def page_latency_lines(document: Document) -> list[str]:
    """Say what a reader of one page waits for, from the shortest page to the longest."""
    between: Mapping[str, Mapping[str, float]] = document.get("page_latencies", {})

    def span(metric: str) -> str:
        least, most = (seconds(between[metric][end]) for end in ("least", "most"))
        return least if least == most else f"{least} to {most}"

    lines = []
    for metric, name in LATENCIES:
        if f"{metric}_s" in between:
            bound = f"{metric}_lower_bound_s"
            least = f", at least {span(bound)}" if bound in between else ""
            forecast = f"{span(f'{metric}_wall_s')} by forecast, " if f"{metric}_wall_s" in between else ""
            lines.append(f"{name} of a page alone: {forecast}{span(f'{metric}_s')} by roofline{least}; no host work")
    return lines


def host_lines(document: Document) -> list[str]:
    """Say what pages take on the host before the GPU sees them, and where that is from."""
    host = document.get("host")
    if host is None:
        return []
    least, most = seconds(host["least_s"]), seconds(host["most_s"])
    between = f", {least} to {most}" if least != most else ""
    parts = ", ".join(f"{name} {seconds(part / host['pages'])}" for name, part in host["parts"].items())
    lines = [
        f"host before the GPU: {seconds(host['mean_s'])} a page on one core{between} ({parts}); {host['measured']}"
    ]
    waits = [page["first_token_s"] for page in document["pages"] if page["first_token_s"] is not None]
    if waits:
        span = " to ".join(dict.fromkeys(seconds(end) for end in (min(waits), max(waits))))
        lines.append(f"first token of a page alone with that: {span} by forecast")
    if host["cores"] is not None:
        lines.append(f"cores that feed this GPU where one page follows the other: {host['cores']:.2g}")
    for reason, count in host["unknown"].items():
        lines.append(one_line(f"no host seconds of {count} page{'s' * (count > 1)}: {reason}"))
    return lines


def largest_page(document: Document, roles: Roles) -> str:
    """Name the page of a document that memory is of; nothing for a workload."""
    if "grids" not in document:
        return ""
    page = max(document["grids"], key=lambda grid: grid["total"]["peak_memory_bytes"])
    return f" of the largest page ({roles.crops.number if roles.crops else ''} {shown_grid(page, roles)})"
