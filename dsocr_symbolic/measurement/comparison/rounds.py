"""Every round of predicting and measuring on a GPU, one after the other, as a page."""

from pathlib import Path
from typing import Any

from dsocr_symbolic.language.schema import structure
from dsocr_symbolic.language.strict_yaml import read_yaml
from dsocr_symbolic.measurement.comparison import text as words
from dsocr_symbolic.measurement.comparison.files import read_measured, read_predicted
from dsocr_symbolic.measurement.comparison.page import comparison_files
from dsocr_symbolic.measurement.comparison.pairs import compare, violations
from dsocr_symbolic.scenario.measured import Measured
from dsocr_symbolic.writing.templates import template


def round_pages(folder: Path) -> dict[str, str]:
    """Return the pages and the figure of a folder's ``predicted-N.json`` and ``measured-N.json``, by file.

    ``rounds.md`` is of all rounds, of templates/measured_rounds.md.jinja, the others are of the last one.

    Raises
    ------
    UserError
        If a file is not one of those, or its prediction is missing.
    """
    numbers = sorted(int(path.stem.rpartition("-")[2]) for path in folder.glob("measured-*.json"))
    rounds: list[dict[str, Any]] = []
    for number in numbers:
        measured = read_measured(folder / f"measured-{number}.json")
        found = compare(measured, read_predicted(folder / f"predicted-{number}.json"))
        machine = folder / found.predicted_on.rpartition("/")[2]
        constants = structure(Measured, read_yaml(machine), str(machine)).constants
        rounds.append(
            {
                "number": number,
                "found": found,
                "launches": [constants[f"{kind}_launch_s"] for kind in ("decoder", "vision")],
                "inside": words.inside(found.cases),
                "bounds": (len(found.cases) - len(violations(found)), len(found.cases)),
                "worst": max((case.error for case in found.cases if case.mode != "backward"), key=abs),
            }
        )
    rendered: str = template("measured_rounds.md.jinja").render(rounds=rounds, percent=words.percent)
    return {**comparison_files(found, f"measured-{number}.json"), "rounds.md": rendered}
