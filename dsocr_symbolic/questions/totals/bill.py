"""What a document costs: each page a request of its own, equal grids evaluated once."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import fields, frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.answer import scenario_details, scenario_program
from dsocr_symbolic.evaluation.estimate import Estimate, estimate, sum_estimates, with_fused_traffic
from dsocr_symbolic.evaluation.program import Program
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.roles import Roles, played
from dsocr_symbolic.questions.host_pages import HostBill, host_bill, host_page, is_measured
from dsocr_symbolic.scenario.crop_grids import crop_grid
from dsocr_symbolic.scenario.documents import PageSize
from dsocr_symbolic.scenario.scenario import Scenario, of_documents, scenario_values, with_user


@frozen(kw_only=True)
class Bill:
    """What every page costs, and their sum.

    Attributes
    ----------
    rows : tuple of dict
        JSON-ready, a page each: its size, grid and tokens with its total, or its error.
    grids : tuple of dict
        JSON-ready, every grid with its tokens, the number of its ``pages`` and the total of one; fewest tokens first.
    cutting : mapping of str to int or None
        By what pages are cut: ``side``, ``uncut``, ``least`` and ``most``; None if each is one view.
    total : Estimate or None
        None if no page could be read.
    largest : Scenario or None
        That of a page that needs most memory.
    host : HostBill or None
        What pages take on the host; None where no constants of it are known.
    """

    rows: tuple[dict[str, Any], ...]
    grids: tuple[dict[str, Any], ...]
    cutting: Mapping[str, int] | None
    total: Estimate | None
    largest: Scenario | None
    host: HostBill | None = None


def make_bill(
    scenario: Scenario,
    pages: Iterable[PageSize],
    *,
    details: bool = True,
    fused: bool = False,
    program: Program | None = None,
    dpi: float = 144,
) -> Bill:
    """Evaluate every page of a document: flows add up, stocks count once, the KV cache is that of the largest page.

    ``fused`` reads compulsory bytes for those moved, of pages too. ``program`` is the compiled model, if at hand.
    Pages of PDFs are drawn at ``dpi`` on the host.
    """
    scenario = of_documents(scenario)
    roles = scenario.definition.roles
    (crops,) = played(roles, scenario.definition.name, fields(Roles).crops)
    # What pages decide a user cannot set as well.
    for name in scenario.user:
        if name in (crops.columns, crops.rows, crops.number):
            ways = _instead(scenario.definition, crops.limit)
            raise UserError(f"{name}: the pages decide it; drop --set {name} or --document{ways}")
    if crops.limit in scenario.user and scenario.workload and scenario.workload.document == "native":
        raise UserError(f"{crops.limit}: {scenario.workload.name} cuts no page; drop it or take another workload")
    one = roles.batch
    if scenario.settings.get(one, 1) != 1:
        raise UserError(f"{one}: each page of a document is one request of {one} 1; drop --set {one} or --document")
    if scenario.workload is None:
        raise UserError("--layer: a layer alone reads no document; drop --layer or --document")
    program = scenario_program(scenario) if program is None else program
    more = scenario_details(scenario) if details else None
    values = scenario_values(scenario, {crops.columns: 0, crops.rows: 0})
    uncut, has_host = values.numbers, is_measured(values.known)
    cutting = None if scenario.workload.document == "native" else crops.cutting(uncut)
    shown = (crops.columns, crops.rows, crops.number, roles.image_tokens, roles.prompt_tokens)
    estimates: dict[tuple[int, int], Estimate] = {}
    counts: Counter[tuple[int, int]] = Counter()
    rows, on_host = [], []
    for page in pages:
        row: dict[str, Any] = {"path": page.path, "page": page.page, "width": page.width, "height": page.height}
        if page.width is None or page.height is None:
            rows.append({**row, "error": page.error, "host_s": None, "first_token_s": None})
            continue
        grid = crop_grid(page.width, page.height, **cutting) if cutting else (0, 0)
        if grid not in estimates:
            of_grid = scenario_values(scenario, {crops.columns: grid[0], crops.rows: grid[1]})
            result = estimate(program, of_grid, more)
            estimates[grid] = with_fused_traffic(result) if fused else result
        counts[grid] += 1
        host = host_page(scenario, values, page, grid, dpi) if has_host else None
        on_host += [host] if host else []
        seconds = host.seconds.total if host and host.seconds else None
        about = {**row, **_symbols(estimates[grid], shown), "error": None, "host_s": seconds}
        about["first_token_s"] = _first_token(estimates[grid].total, seconds)
        rows.append({**about, "total": dict(estimates[grid].total)})
    total, largest = None, None
    if counts:
        total = sum_estimates([(estimates[grid], count) for grid, count in counts.items()])
        most = max(estimates, key=lambda grid: estimates[grid].total["peak_memory_bytes"])
        largest = with_user(scenario, {crops.columns: most[0], crops.rows: most[1]})
    by_length = sorted(estimates, key=lambda grid: (estimates[grid].values.numbers[roles.prompt_tokens], grid))
    grids = (
        {**_symbols(estimates[grid], shown), "pages": counts[grid], "total": dict(estimates[grid].total)}
        for grid in by_length
    )
    measured = scenario.gpu.host.said if scenario.gpu.host else "as it was set"
    return Bill(
        rows=tuple(rows),
        grids=tuple(grids),
        cutting=cutting,
        total=total,
        largest=largest,
        host=host_bill(on_host, measured, None if total is None else total.total["wall_s"]),
    )


def _symbols(page: Estimate, names: Iterable[str]) -> dict[str, Any]:
    return {name: arithmetic.whole(page.values.numbers[name]) for name in names}


def _first_token(total: Mapping[str, Any], host_s: float | None) -> float | None:
    """Return what a reader of a page alone waits for, the host's work too; None where one of them is not known."""
    return None if host_s is None or total["ttft_wall_s"] is None else host_s + float(total["ttft_wall_s"])


def _instead(definition: Definition, limit: str) -> str:
    """Say how a user has a say in the grids of pages."""
    one_view = [name for name, workload in definition.workloads.items() if workload.document == "native"]
    ways = [f"--set {limit}=N limits the pieces of a page"] if limit else []
    ways += [f"--workload {one_view[-1]} cuts none"] if one_view else []
    return f"; {', '.join(ways)}" if ways else ""
