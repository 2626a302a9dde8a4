"""Measure pages on the host at hand and fix the constants of formulas/time/host by them."""

import gc
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from statistics import mean
from typing import Any

import sympy
import torch
import yaml
from attrs import frozen

from dsocr_symbolic.algebras import symbolic
from dsocr_symbolic.algebras.value import Expr
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.files.calibration_file import PagesFile, load_pages
from dsocr_symbolic.language.registry import load_machine
from dsocr_symbolic.language.time_formula import load_time
from dsocr_symbolic.measurement.fit import MeasuredRecord, fixed
from dsocr_symbolic.measurement.machine_file import rounded, written
from dsocr_symbolic.measurement.pages.records import PageRecord, page_records
from dsocr_symbolic.network.kernels import machine_symbols
from dsocr_symbolic.scenario.measured import HOST_SCHEMA

Say = Callable[[str], None]
ROUNDS = 5
"""Over all pages, of which each page's quickest counts: others of a shared machine come and go."""
_CALLS = 2
# Less than this for a byte or a pixel is nothing that was seen.
_NOTHING = 1e-14


@frozen(kw_only=True)
class FittedPages:
    """What pages took and what that fixes.

    Attributes
    ----------
    constants : mapping of str to float
        By symbol, in SI.
    seconds, errors : mapping of str to float
        Of each record, what it took on one core, and what the formula gives over that, less 1.
    groups : mapping of str to str
        The group of each record.
    fixed_by : mapping of str to tuple of str
        The groups that fix each constant.
    """

    constants: Mapping[str, float]
    seconds: Mapping[str, float]
    errors: Mapping[str, float]
    groups: Mapping[str, str]
    fixed_by: Mapping[str, tuple[str, ...]]


@contextmanager
def one_core() -> Iterator[None]:
    """Let torch use one thread meanwhile, and no collection of garbage fall into a measurement."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        torch.set_num_threads(threads)


def quickest(calls: Mapping[str, Callable[[], object]], rounds: int = ROUNDS) -> dict[str, float]:
    """Return the CPU seconds of the quickest call of each, in rounds over all of them."""
    found = dict.fromkeys(calls, float("inf"))
    with one_core():
        for _ in range(rounds):
            for name, call in calls.items():
                for _ in range(_CALLS):
                    began = time.process_time_ns()
                    call()
                    found[name] = min(found[name], (time.process_time_ns() - began) / 1e9)
            gc.collect()
    return found


def predicted(record: PageRecord) -> Expr:
    """Return the seconds of a record as its formula gives them, in symbols of the machine."""
    amounts = {name: sympy.nsimplify(value) for name, value in record.amounts.items()}
    seconds: Expr = load_time(f"host/{record.use}").spelled({**machine_symbols(), **amounts}, symbolic)["seconds"]
    return seconds


def fit_pages(pages: PagesFile, records: Sequence[PageRecord], seconds: Mapping[str, float]) -> FittedPages:
    """Fix every constant whose groups have records; a group without any leaves its own constants out."""
    formulas = {record.name: predicted(record) for record in records}
    known: dict[str, float] = {}
    fixed_by: dict[str, tuple[str, ...]] = {}
    for fit in pages.fits:
        mine = [
            MeasuredRecord(formula=formulas[record.name], seconds=seconds[record.name])
            for record in records
            if record.group in fit.groups
        ]
        if len(mine) < len(fit.constants):
            continue
        found = fixed(fit.constants, mine, known)
        known |= {name: value if value > _NOTHING else 0.0 for name, value in found.items()}
        fixed_by |= dict.fromkeys(fit.constants, fit.groups)
    values = {symbolic.symbol(name): value for name, value in known.items()}
    errors = {
        name: float(formula.xreplace(values)) / seconds[name] - 1
        for name, formula in formulas.items()
        if not formula.free_symbols - values.keys()
    }
    groups = {record.name: record.group for record in records if record.name in errors}
    return FittedPages(constants=known, seconds=dict(seconds), errors=errors, groups=groups, fixed_by=fixed_by)


def residuals(found: FittedPages) -> dict[str, dict[str, Any]]:
    """Return how far the formulas are from the measurements, by group."""
    errors: dict[str, list[float]] = {}
    for name, error in found.errors.items():
        errors.setdefault(found.groups[name], []).append(abs(error))
    return {
        group: {"records": len(these), "mean": round(mean(these), 4), "worst": round(max(these), 4)}
        for group, these in errors.items()
    }


def calibrate_documents(folder: Path | None, say: Say) -> dict[str, Any]:
    """Measure pages, those of a folder or made ones, and return what a host file says."""
    from dsocr_symbolic.measurement.pages.folder import folder_records

    pages = load_pages()
    say("making pages" if folder is None else f"reading pages of {folder}")
    made = list(page_records(pages))
    records = made if folder is None else folder_records(folder, made)
    say(f"measuring {len(records)} pages and steps, {ROUNDS} rounds")
    seconds = quickest({record.name: record.call for record in records})
    found = fit_pages(pages, records, seconds)
    for group, residual in residuals(found).items():
        say(f"{group:24} {residual['records']:3} records, mean {residual['mean']:6.1%}, worst {residual['worst']:6.1%}")
    return host_document(found)


def host_document(found: FittedPages) -> dict[str, Any]:
    """Lay out a host file."""
    machine = load_machine()
    return {
        "schema": HOST_SCHEMA,
        "processor": processor(),
        "date": datetime.now(UTC).date().isoformat(),
        "pillow": version("pillow"),
        "pdfium": version("pypdfium2"),
        "torch": str(torch.__version__),
        "constants": {
            key: {"value": value, "records": list(found.fixed_by[name])}
            for name, si in found.constants.items()
            for key, value in [written(machine[name].gpu[0], si)]
        },
        "classes": residuals(found),
        "seconds": {name: rounded(value) for name, value in found.seconds.items()},
        "errors": {name: round(error, 4) for name, error in found.errors.items()},
    }


def processor() -> str:
    """Name the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "")
    return named or platform.processor() or platform.machine() or "unknown"


def host_text(document: Mapping[str, Any], command: str) -> str:
    """Return the text of a host file."""
    if not document["constants"]:
        raise UserError("--documents: too few pages to fix any constant; name a folder with more, or none")
    ordered = {
        "schema": document["schema"],
        "command": command,
        **{key: document[key] for key in document if key != "schema"},
    }
    text: str = yaml.safe_dump(ordered, sort_keys=False, width=118, default_flow_style=None, allow_unicode=True)
    return text
