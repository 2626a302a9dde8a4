"""Reports by the hash of their content, each in a file that is whole before anybody is told of it."""

from pathlib import Path

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.reports.contracts.artifact_file import load_report, write_report
from dsocr_symbolic.reports.contracts.constraints import CONTENT_HASH
from dsocr_symbolic.reports.contracts.endpoints import requested_report
from dsocr_symbolic.reports.contracts.messages import DeepSeekOCRAnalyticRequest
from dsocr_symbolic.reports.contracts.model_report import AnalyticModelReport

_ID = CONTENT_HASH["metadata"]["pattern"]


def kept_report(request: DeepSeekOCRAnalyticRequest, folder: Path) -> AnalyticModelReport:
    """Answer a request and keep the report; one that is there and whole stays unless it is to be written anew."""
    report = requested_report(request, folder)
    path = _path(folder, report.report_id)
    if request.force_rebuild or not _is_whole(path):
        write_report(report, path, force=True)
    return report


def known_report(report_id: str, folder: Path) -> AnalyticModelReport | None:
    """Return the report of an id; None where there is none."""
    path = _path(folder, report_id)
    return load_report(path) if path.is_file() else None


def _path(folder: Path, report_id: str) -> Path:
    return folder / f"{report_id}.json"


def is_id(text: str) -> bool:
    """Say whether a text is the id of a report, and so no path to elsewhere."""
    import re

    return re.fullmatch(_ID, text) is not None


def _is_whole(path: Path) -> bool:
    try:
        return path.is_file() and bool(load_report(path))
    except UserError:
        return False
