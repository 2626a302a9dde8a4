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


@frozen(kw_only=True)
class Bill:
    """What every page costs, and their sum.

    Attributes
    ----------
    rows : tuple of dict
        JSON-ready, a page each: its size, grid and tokens with its total, or its error.
    total : Estimate or None
        None if no page could be read.
    """

    rows: tuple[dict[str, Any], ...]
    total: Estimate | None


def make_bill(scenario: Scenario, pages: Iterable[PageSize], *, details: bool = True) -> Bill:
    """Evaluate every page of a document: flows add up, stocks count once, the KV cache is that of the largest page."""
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
    shown = (crops.columns, crops.rows, crops.number, roles.image_tokens, roles.prompt_tokens)
    estimates: dict[tuple[int, int], Estimate] = {}
    counts: Counter[tuple[int, int]] = Counter()
    rows = []
    for page in pages:
        row: dict[str, Any] = {"path": page.path, "page": page.page, "width": page.width, "height": page.height}
        if page.width is None or page.height is None:
            rows.append({**row, "error": page.error})
            continue
        grid = (0, 0)
        if not native:
            grid = crop_grid(page.width, page.height, tile=tile, least=crops.least, most=crops.most)
        if grid not in estimates:
            values = scenario_values(scenario, {crops.columns: grid[0], crops.rows: grid[1]})
            estimates[grid] = estimate(program, values, more)
        counts[grid] += 1
        numbers = estimates[grid].values.numbers
        symbols = {name: arithmetic.whole(numbers[name]) for name in shown}
        rows.append({**row, **symbols, "error": None, "total": dict(estimates[grid].total)})
    total = sum_estimates([(estimates[grid], count) for grid, count in counts.items()]) if counts else None
    return Bill(rows=tuple(rows), total=total)
