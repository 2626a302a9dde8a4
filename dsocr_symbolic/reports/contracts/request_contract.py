"""From a request to its report: what a server does, without the server."""

from pathlib import Path

from dsocr_symbolic.evaluation.answer import answer
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.reports.contracts.endpoints import MODEL_PATH, SUMMARY_PATH
from dsocr_symbolic.reports.contracts.messages import DeepSeekOCRAnalyticAccepted, DeepSeekOCRAnalyticRequest
from dsocr_symbolic.reports.contracts.model_report import AnalyticModelReport
from dsocr_symbolic.reports.contracts.report_contract import make_report
from dsocr_symbolic.scenario.scenario import Scenario, make_scenario


def requested_scenario(request: DeepSeekOCRAnalyticRequest) -> Scenario:
    """Put together what a request asks.

    Raises
    ------
    UserError
        If a name is unknown.
    """
    return make_scenario(
        definition=default_definition(None),
        workload=request.profile_id,
        settings=request.settings,
        choices=request.choices,
        gpu=request.gpu,
    )


def requested_report(request: DeepSeekOCRAnalyticRequest, folder: Path) -> AnalyticModelReport:
    """Answer a request; nothing is written.

    Parameters
    ----------
    request : DeepSeekOCRAnalyticRequest
        What is asked.
    folder : Path
        Where the report will lie.

    Returns
    -------
    AnalyticModelReport
        The report.

    Raises
    ------
    UserError
        If a name is unknown or a value is not allowed.
    """
    scenario = requested_scenario(request)
    return make_report(
        scenario,
        answer(scenario),
        folder=folder,
        doc_kind=request.doc_kind,
        include=request.include,
        profile_run_id=request.profile_run_id,
        measured_total_time_ms=request.measured_total_time_ms,
    )


def accept(report: AnalyticModelReport) -> DeepSeekOCRAnalyticAccepted:
    """Say where a report can be read."""
    return DeepSeekOCRAnalyticAccepted(
        report_id=report.report_id,
        status="complete",
        summary_url=SUMMARY_PATH.format(report_id=report.report_id),
        model_url=MODEL_PATH.format(report_id=report.report_id),
    )
