"""The endpoints of the contract as data, and what a server does behind them, without the server."""

from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from dsocr_symbolic.evaluation.answer import answer
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.reports.contracts.messages import (
    AnalyticProblem,
    DeepSeekOCRAnalyticAccepted,
    DeepSeekOCRAnalyticReportSummary,
    DeepSeekOCRAnalyticRequest,
)
from dsocr_symbolic.reports.contracts.model_report import AnalyticModelReport
from dsocr_symbolic.reports.contracts.report_contract import make_report
from dsocr_symbolic.scenario.scenario import make_scenario

_BASE = "/analytic/deepseek-ocr"
_SUMMARY_PATH = f"{_BASE}/{{report_id}}/summary"
_MODEL_PATH = f"{_BASE}/{{report_id}}/model"
PROBLEM = AnalyticProblem
"""What every failure returns."""


@frozen(kw_only=True)
class Endpoint:
    """One request that a client can make.

    Attributes
    ----------
    method, path : str
        ``get`` or ``post``, and where: with the report's id in braces.
    operation, summary : str
        A name for generated clients, and what it does.
    request, response : type
        What is sent, None if nothing is, and what a success returns.
    status : int
        HTTP status of a success.
    problems : mapping of int to str
        HTTP status of a failure -> when it occurs.
    command, function : str
        The command line, and the functions, that give the same.
    """

    method: str
    path: str
    operation: str
    summary: str
    request: type | None = None
    response: type
    status: int = 200
    problems: Mapping[int, str]
    command: str
    function: str


_UNKNOWN = {404: "There is no report with this id."}
ENDPOINTS = (
    Endpoint(
        method="post",
        path=f"{_BASE}/run",
        operation="run_analytic_report",
        summary="Estimate a workload and keep the report.",
        request=DeepSeekOCRAnalyticRequest,
        response=DeepSeekOCRAnalyticAccepted,
        status=202,
        problems={422: "A name is unknown, or a value is not allowed."},
        command="dsocr report --workload NAME --gpu NAME --out DIR",
        function="endpoints.requested_report, endpoints.accept",
    ),
    Endpoint(
        method="get",
        path=_SUMMARY_PATH,
        operation="read_analytic_summary",
        summary="Read the totals of a report.",
        response=DeepSeekOCRAnalyticReportSummary,
        problems=_UNKNOWN,
        command="dsocr totals --workload NAME --gpu NAME --format json",
        function="artifact_file.load_report, report_contract.summarise",
    ),
    Endpoint(
        method="get",
        path=_MODEL_PATH,
        operation="read_analytic_model",
        summary="Read a whole report.",
        response=AnalyticModelReport,
        problems=_UNKNOWN,
        command="dsocr report --workload NAME --gpu NAME --out DIR",
        function="artifact_file.load_report",
    ),
)

# Field of the request -> the option that gives the same; the choices of the network have an option each.
OPTIONS: Mapping[str, str] = {"profile_id": "--workload NAME", "settings": "--set SYMBOL=VALUE", "gpu": "--gpu NAME"}


def requested_report(request: DeepSeekOCRAnalyticRequest, folder: Path) -> AnalyticModelReport:
    """Answer a request; nothing is written, ``folder`` is where the report will lie."""
    scenario = make_scenario(
        definition=default_definition(None),
        workload=request.profile_id,
        settings=request.settings,
        choices=request.choices,
        gpu=request.gpu,
    )
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
        summary_url=_SUMMARY_PATH.format(report_id=report.report_id),
        model_url=_MODEL_PATH.format(report_id=report.report_id),
    )
