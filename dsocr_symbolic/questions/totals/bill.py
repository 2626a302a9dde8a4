"""What a document costs: each page a request of its own, equal grids evaluated once."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

from attrs import fields, frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.answer import scenario_details, scenario_program
from dsocr_symbolic.evaluation.estimate import Estimate, estimate, sum_estimates
from dsocr_symbolic.language.roles import Roles, played
from dsocr_symbolic.scenario.crop_grids import crop_grid
from dsocr_symbolic.scenario.documents import PageSize
from dsocr_symbolic.scenario.scenario import Scenario, scenario_values

Grid = tuple[int, int]


@frozen(kw_only=True)
class BilledPage:
    """A page with its crop grid and its numbers; both None if it cannot be read."""

    page: PageSize
    grid: Grid | None
    numbers: Estimate | None


@frozen(kw_only=True)
class Bill:
    """All pages and their sum; None if no page could be read."""

    pages: tuple[BilledPage, ...]
    total: Estimate | None


def make_bill(scenario: Scenario, pages: Iterable[PageSize], *, details: bool = True) -> Bill:
    """Evaluate every page of a document.

    Parameters
    ----------
    scenario : Scenario
        The question; its workload says whether crops are cut, and of what size.
    pages : iterable of PageSize
        Sizes, or why there is none.
    details : bool
        Whether the training step and compulsory bytes are asked for as well.

    Returns
    -------
    Bill
        A row per page; flows add up, stocks count once, the KV cache is that of the largest page.

    Raises
    ------
    UserError
        If the user set what the pages decide, or a batch.
    """
    roles = scenario.definition.roles
    (crops,) = played(roles, scenario.definition.name, fields(Roles).crops)
    # What pages decide a user cannot set as well.
    for name in scenario.user:
        if name in (crops.columns, crops.rows, crops.number):
            raise UserError(f"{name}: the pages decide it; drop --set {name} or --document")
    one = roles.batch
    if scenario.settings.get(one, 1) != 1:
        raise UserError(f"{one}: each page of a document is one request of {one} 1; drop --set {one} or --document")
    if scenario.workload is None:
        raise UserError("--layer: a layer alone reads no document; drop --layer or --document")
    native = scenario.workload.document == "native"
    program = scenario_program(scenario)
    more = scenario_details(scenario) if details else None
    tile = scenario_values(scenario, {crops.columns: 0, crops.rows: 0}).numbers[crops.side]
    found: dict[Grid, Estimate] = {}
    billed = []
    for page in pages:
        grid: Grid | None = None
        if page.width is not None and page.height is not None:
            grid = (
                (0, 0) if native else crop_grid(page.width, page.height, tile=tile, least=crops.least, most=crops.most)
            )
            if grid not in found:
                values = scenario_values(scenario, {crops.columns: grid[0], crops.rows: grid[1]})
                found[grid] = estimate(program, values, more)
        billed.append(BilledPage(page=page, grid=grid, numbers=None if grid is None else found[grid]))
    counts = Counter(each.grid for each in billed if each.grid is not None)
    total = sum_estimates([(found[grid], count) for grid, count in counts.items()]) if counts else None
    return Bill(pages=tuple(billed), total=total)


def page_rows(bill: Bill, roles: Roles) -> list[dict[str, Any]]:
    """Return a JSON-ready row per page: its size, grid and tokens with its total, or its error."""
    crops = roles.crops
    shown = (crops.columns, crops.rows, crops.number, roles.image_tokens, roles.prompt_tokens) if crops else ()
    rows = []
    for billed in bill.pages:
        page = billed.page
        row: dict[str, Any] = {"path": page.path, "page": page.page, "width": page.width, "height": page.height}
        if billed.numbers is None:
            rows.append({**row, "error": page.error})
            continue
        numbers = billed.numbers.values.numbers
        symbols = {name: arithmetic.whole(numbers[name]) for name in shown}
        rows.append({**row, **symbols, "error": None, "total": dict(billed.numbers.total)})
    return rows
