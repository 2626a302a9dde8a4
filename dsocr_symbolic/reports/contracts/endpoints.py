"""The endpoints of the contract as data, and what a server does behind them, without the server."""

from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.answer import answer
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.reports.contracts.messages import (
    AnalyticProblem,
    DeepSeekOCRAnalyticAccepted,
    DeepSeekOCRAnalyticReportSummary,
    DeepSeekOCRAnalyticRequest,
)
from dsocr_symbolic.reports.contracts.model_report import AnalyticModelReport
from dsocr_symbolic.reports.contracts.question_messages import (
    PlanQuestion,
    SolveQuestion,
    SweepQuestion,
    TotalsQuestion,
)
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
        What is sent, None if nothing is, and what a success returns, None for the JSON of the command.
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
    response: type | None
    status: int = 200
    problems: Mapping[int, str]
    command: str
    function: str


# What a server says before it has looked at what is asked.
_REFUSED = {
    400: "The body is no JSON.",
    413: "The body is too large.",
    415: "The body is not application/json.",
    422: "A name is unknown, or a value is not allowed.",
    429: "Too much is asked at once; the header Retry-After says when to ask again.",
    503: "It takes longer than the server may.",
}
_UNKNOWN = {
    404: "There is no report with this id.",
    429: "Too much is asked at once; the header Retry-After says when to ask again.",
}
ENDPOINTS = (
    Endpoint(
        method="post",
        path=f"{_BASE}/run",
        operation="run_analytic_report",
        summary="Estimate a workload and keep the report.",
        request=DeepSeekOCRAnalyticRequest,
        response=DeepSeekOCRAnalyticAccepted,
        status=202,
        problems=_REFUSED,
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
    Endpoint(
        method="post",
        path="/totals",
        operation="ask_totals",
        summary="What a workload costs, and where.",
        request=TotalsQuestion,
        response=None,
        problems=_REFUSED,
        command="dsocr totals --format json",
        function="questions.totals",
    ),
    Endpoint(
        method="post",
        path="/sweep",
        operation="ask_sweep",
        summary="Metrics at every combination of values.",
        request=SweepQuestion,
        response=None,
        problems=_REFUSED,
        command="dsocr sweep --vary NAME=VALUES --metric NAME --format json",
        function="questions.sweep",
    ),
    Endpoint(
        method="post",
        path="/solve",
        operation="ask_solve",
        summary="The largest or smallest value of a symbol that meets a constraint.",
        request=SolveQuestion,
        response=None,
        problems=_REFUSED,
        command="dsocr solve SYMBOL CONSTRAINT --format json",
        function="questions.solve",
    ),
    Endpoint(
        method="post",
        path="/plan",
        operation="ask_plan",
        summary="How many GPUs a number of pages takes, and what they cost.",
        request=PlanQuestion,
        response=None,
        problems=_REFUSED,
        command="dsocr plan --pages-per-day N --format json",
        function="questions.plan",
    ),
)

# Field of the request -> the option that gives the same; the choices of the network have an option each.
OPTIONS: Mapping[str, str] = {
    "profile_id": "--workload NAME",
    "workload_profile_id": "--workload NAME",
    "settings": "--set SYMBOL=VALUE",
    "gpu": "--gpu NAME",
}


def requested_report(request: DeepSeekOCRAnalyticRequest, folder: Path) -> AnalyticModelReport:
    """Answer a request; nothing is written, ``folder`` is where the report will lie."""
    definition = default_definition(None)
    _check_identity(definition, request)
    if request.profile_id is not None and request.workload_profile_id not in (None, request.profile_id):
        raise UserError("workload_profile_id: another name of profile_id, and differs from it; give one of them")
    scenario = make_scenario(
        definition=definition,
        workload=request.profile_id or request.workload_profile_id,
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


def _check_identity(definition: Definition, request: DeepSeekOCRAnalyticRequest) -> None:
    """Refuse a checkpoint or a variant that the formulas are not of."""
    for name in ("model_id", "model_variant"):
        asked, known = getattr(request, name), getattr(definition.identity, name)
        if asked not in (None, known):
            raise UserError(f"{name}: '{asked}' is not modelled here; known: {known}")


def accept(report: AnalyticModelReport) -> DeepSeekOCRAnalyticAccepted:
    """Say where a report can be read."""
    return DeepSeekOCRAnalyticAccepted(
        report_id=report.report_id,
        status="complete",
        summary_url=_SUMMARY_PATH.format(report_id=report.report_id),
        model_url=_MODEL_PATH.format(report_id=report.report_id),
    )
