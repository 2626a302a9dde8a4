"""Time per page once sizes are read. Run: python tests/benchmarks/bench_documents.py."""

import random
import time

from dsocr_symbolic.evaluation.answer import scenario_program
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.questions.totals.bill import make_bill, page_rows
from dsocr_symbolic.scenario.documents import PageSize
from dsocr_symbolic.scenario.scenario import make_scenario

PAGES = 20_000


def main() -> None:
    """Print microseconds per page and what they have to be."""
    rng = random.Random(1)
    pages = [
        PageSize(path="a.pdf", page=place, width=rng.randint(100, 4000), height=rng.randint(100, 4000), error=None)
        for place in range(PAGES)
    ]
    scenario = make_scenario(definition=default_definition(None))
    scenario_program(scenario)
    start = time.perf_counter()
    rows = page_rows(make_bill(scenario, pages), scenario.definition.roles)
    spent = time.perf_counter() - start
    grids = {(row["crop_columns"], row["crop_rows"]) for row in rows}
    print(f"{len(rows)} pages of {len(grids)} grids: {spent / PAGES * 1e6:.1f} us a page  (at most 50)")


if __name__ == "__main__":
    main()
