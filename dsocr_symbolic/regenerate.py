"""Write the committed reports and schemas anew: ``python -m dsocr_symbolic.regenerate [FOLDER]``."""

import sys
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path

from dsocr_symbolic.cli import capture
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.program import shipped_file, to_ship
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.lookup import default_definition, find_definition
from dsocr_symbolic.paths import PACKAGE, data_files
from dsocr_symbolic.reports.contracts.contract_files import contract_files
from dsocr_symbolic.reports.guide import GUIDES, guide_page, page_of
from dsocr_symbolic.reports.measured import memory_page
from dsocr_symbolic.scenario.scenario import make_scenario
from dsocr_symbolic.scenario.schema_files import schema_files
from dsocr_symbolic.scenario.values import choose, chosen_slots
from dsocr_symbolic.writing.files import check_folder, write_files, written_whole

# File below reports/ -> the command that prints it.
REPORTS: Mapping[str, tuple[str, ...]] = {
    "totals/gundam.md": ("totals", "--closed-form", "--format", "markdown"),
    "totals/dsocr-standard-v2.md": (
        *("totals", "--workload", "dsocr-standard-v2", "--closed-form", "--format", "markdown"),
    ),
}
MEASURED = PACKAGE.parent / "reports" / "measured" / "memory-h200.json"
SECONDS = MEASURED.parent / "h200"
# Folder below reports/ -> the command that fills it with a performance report.
PERFORMANCE: Mapping[str, tuple[str, ...]] = {
    f"performance/{workload}-{gpu}": ("report", "--workload", workload, "--gpu", gpu, "--layer-docs", "../../formulas")
    for workload, gpu in (("gundam", "rtx5090"), ("dsocr-standard-v2", "rtx5090"))
}
# File below reports/ that says what drew the figures: another version may round and order them otherwise.
DRAWN_BY = "performance/drawn-by.txt"


def drawn_by() -> str:
    """Return what draws figures here."""
    return f"matplotlib {version('matplotlib')}\n"


def report_text(name: str) -> str:
    """Return what a report must hold now."""
    return capture(REPORTS[name])


def formula_pages() -> Mapping[str, str]:
    """Return what the pages below reports/formulas must hold now, by file."""
    from dsocr_symbolic.reports.formulas.page import written_pages
    from dsocr_symbolic.reports.formulas.places import lay_out

    return dict(written_pages(lay_out(make_scenario(definition=default_definition(None)))))


def write_performance(name: str, folder: Path) -> None:
    """Write one performance report into a folder, whatever lies there."""
    capture((*PERFORMANCE[name], "--out", str(folder), "--force"))


def guide_text(name: str) -> str:
    """Return what a guide must hold now."""
    return guide_page(name, capture)


def write_reports(folder: Path) -> None:
    """Write every report, the guides and the files of the contracts below a folder."""
    from dsocr_symbolic.measurement.comparison.rounds import round_pages

    write_files(folder / "formulas", formula_pages())
    for name in PERFORMANCE:
        write_performance(name, folder / name)
    texts = {name: report_text(name) for name in REPORTS} | contract_files()
    texts |= {"measured/memory.md": memory_page(MEASURED), DRAWN_BY: drawn_by()}
    texts |= {"measured/rtx5090.md": page_of("derived_rtx5090.md.jinja", capture)}
    texts |= {f"measured/h200/{name}": text for name, text in round_pages(SECONDS).items()}
    write_files(folder, texts | {f"guide/{name}.md": guide_text(name) for name in GUIDES})


def default_slots(definition: Definition) -> dict[str, str]:
    """Return what the default choices put into a network's slots."""
    return chosen_slots(definition, choose(definition, {}))


def write_programs() -> None:
    """Write the programs that are shipped: what every network counts, and the details of the default one."""
    default = default_definition(None).name
    for name in data_files("formulas/models"):
        for details in (False, True) if name == default else (False,):
            definition, path = find_definition(name), shipped_file(name, details=details)
            path.parent.mkdir(exist_ok=True)
            with written_whole(path) as draft:
                draft.write_bytes(to_ship(definition, default_slots(definition), details=details))


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the reports into a folder, those of the checkout if none is named; exit 2 for a mistake, 130 for Ctrl-C."""
    arguments = sys.argv[1:] if arguments is None else arguments
    try:
        write_reports(_folder(arguments))
        if not arguments:
            write_files(PACKAGE.parent / "formulas" / "schema", schema_files())
            write_programs()
    except UserError as error:
        print(f"regenerate: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(2)
    except KeyboardInterrupt:
        print("regenerate: interrupted", file=sys.stderr)  # noqa: T201
        sys.exit(130)


def _folder(arguments: Sequence[str]) -> Path:
    """Return the folder to write to; raise where there is none."""
    if not MEASURED.is_file():
        raise UserError(f"{MEASURED}: is not there; reports are written in a checkout of the repository")
    if len(arguments) > 1 or (arguments and arguments[0].startswith("-")):
        raise UserError(f"{' '.join(arguments)}: takes one folder, or none for that of the checkout")
    folder = Path(arguments[0]) if arguments else MEASURED.parent.parent
    check_folder(folder)
    return folder


if __name__ == "__main__":
    main()
