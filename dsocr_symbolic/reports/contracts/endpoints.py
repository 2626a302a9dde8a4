"""The three endpoints of the contract, as data."""

from collections.abc import Mapping

from attrs import frozen

from dsocr_symbolic.reports.contracts.messages import (
    AnalyticProblem,
    DeepSeekOCRAnalyticAccepted,
    DeepSeekOCRAnalyticReportSummary,
    DeepSeekOCRAnalyticRequest,
)
from dsocr_symbolic.reports.contracts.model_report import AnalyticModelReport

_BASE = "/analytic/deepseek-ocr"


RUN_PATH = f"{_BASE}/run"


SUMMARY_PATH = f"{_BASE}/{{report_id}}/summary"


MODEL_PATH = f"{_BASE}/{{report_id}}/model"


PROBLEM = AnalyticProblem
"""What every failure returns."""


@frozen(kw_only=True)
class Endpoint:
    """One request that a client can make.

    Attributes
    ----------
    method : str
        ``get`` or ``post``.
    path : str
        With the report's id in braces.
    operation : str
        Name for generated clients.
    summary : str
        What it does.
    request : type or None
        The body.
    response : type
        What a success returns.
    status : int
        HTTP status of a success.
    problems : mapping of int to str
        HTTP status of a failure -> when it occurs.
    command : str
        The command line that gives the same.
    function : str
        The function that gives the same.
    """

    method: str
    path: str
    operation: str
    summary: str
    request: type | None
    response: type
    status: int
    problems: Mapping[int, str]
    command: str
    function: str


_UNKNOWN = {404: "There is no report with this id."}


ENDPOINTS = (
    Endpoint(
        method="post",
        path=RUN_PATH,
        operation="run_analytic_report",
        summary="Estimate a workload and keep the report.",
        request=DeepSeekOCRAnalyticRequest,
        response=DeepSeekOCRAnalyticAccepted,
        status=202,
        problems={422: "A name is unknown, or a value is not allowed."},
        command="dsocr report --workload NAME --gpu NAME --out DIR",
        function="request_contract.requested_report, request_contract.accept",
    ),
    Endpoint(
        method="get",
        path=SUMMARY_PATH,
        operation="read_analytic_summary",
        summary="Read the totals of a report.",
        request=None,
        response=DeepSeekOCRAnalyticReportSummary,
        status=200,
        problems=_UNKNOWN,
        command="dsocr totals --workload NAME --gpu NAME --format json",
        function="artifact_file.load_report, summary.summarise",
    ),
    Endpoint(
        method="get",
        path=MODEL_PATH,
        operation="read_analytic_model",
        summary="Read a whole report.",
        request=None,
        response=AnalyticModelReport,
        status=200,
        problems=_UNKNOWN,
        command="dsocr report --workload NAME --gpu NAME --out DIR",
        function="artifact_file.load_report",
    ),
)


# Field of the request -> the option that gives the same; the choices of the network have an option each.
OPTIONS: Mapping[str, str] = {
    "profile_id": "--workload NAME",
    "settings": "--set SYMBOL=VALUE",
    "gpu": "--gpu NAME",
}
