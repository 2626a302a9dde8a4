"""Write the committed reports anew: ``python -m dsocr_symbolic.regenerate [FOLDER]``."""

import sys
from collections.abc import Mapping
from pathlib import Path

from dsocr_symbolic.cli import capture
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.paths import PACKAGE
from dsocr_symbolic.reports.contracts.contract_files import contract_files
from dsocr_symbolic.reports.measured import memory_page
from dsocr_symbolic.scenario.scenario import make_scenario
from dsocr_symbolic.writing.files import write_files

# File below reports/ -> the command that prints it.
REPORTS: Mapping[str, tuple[str, ...]] = {
    "totals/gundam.md": ("totals", "--closed-form", "--format", "markdown"),
    "totals/dsocr-standard-v2.md": (
        *("totals", "--workload", "dsocr-standard-v2", "--closed-form", "--format", "markdown"),
    ),
}


MEASURED = PACKAGE.parent / "reports" / "measured" / "memory-h200.json"


# Folder below reports/ -> the command that fills it with a performance report.
PERFORMANCE: Mapping[str, tuple[str, ...]] = {
    f"performance/{workload}-{gpu}": ("report", "--workload", workload, "--gpu", gpu, "--layer-docs", "../../formulas")
    for workload, gpu in (("gundam", "rtx5090"), ("dsocr-standard-v2", "rtx5090"))
}


def report_text(name: str) -> str:
    """Return what a report must hold now."""
    return capture(REPORTS[name])


def formula_pages() -> Mapping[str, str]:
    """Return what the pages below reports/formulas must hold now, by file."""
    from dsocr_symbolic.reports.formulas.page import rendered_pages
    from dsocr_symbolic.reports.formulas.places import lay_out

    return dict(rendered_pages(lay_out(make_scenario(definition=default_definition(None)))))


def write_performance(name: str, folder: Path) -> None:
    """Write one performance report into a folder, whatever lies there."""
    capture((*PERFORMANCE[name], "--out", str(folder), "--force"))


def write_reports(folder: Path) -> None:
    """Write every report and the files of the contracts below a folder."""
    write_files(folder / "formulas", formula_pages())
    for name in PERFORMANCE:
        write_performance(name, folder / name)
    texts = {name: report_text(name) for name in REPORTS} | contract_files()
    texts["measured/memory.md"] = memory_page(MEASURED)
    for name, text in texts.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write_reports(Path(sys.argv[1]) if len(sys.argv) > 1 else PACKAGE.parent / "reports")
