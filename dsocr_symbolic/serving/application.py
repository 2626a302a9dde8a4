"""The server as a Starlette application: each endpoint of the contract, the explorer, and what watches them."""

import json
from collections.abc import Awaitable, Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from attrs import frozen
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.reports.contracts import questions
from dsocr_symbolic.reports.contracts.contract_files import openapi_text
from dsocr_symbolic.reports.contracts.conversion import structure, unstructure
from dsocr_symbolic.reports.contracts.endpoints import ENDPOINTS, Endpoint, accept
from dsocr_symbolic.reports.contracts.report_contract import summarise
from dsocr_symbolic.serving.answering import Answering
from dsocr_symbolic.serving.problems import Refused, field_of, problem
from dsocr_symbolic.serving.store import is_id, kept_report, known_report

Handler = Callable[[Request], Awaitable[Response]]
# More than any float has; beyond a few thousand Python would refuse to read them itself.
_LONGEST_NUMBER = 400
_HTTP_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}

# The page compiles the formulas that it holds, and neither loads nor sends anything.
_POLICY = "default-src 'none'; script-src 'unsafe-inline' 'unsafe-eval'; style-src 'unsafe-inline'; img-src data:"
_PAGE_HEADERS = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": f"{_POLICY}; base-uri 'none'"}


@frozen(kw_only=True)
class Limits:
    """What the server takes on.

    Attributes
    ----------
    body_bytes, waiting, seconds : int, int, float
        Bytes of a request's body, questions that may wait, and seconds that one may take.
    """

    body_bytes: int = 64 * 1024
    waiting: int = 32
    seconds: float = 60.0


def application(folder: Path, limits: Limits, hosts: tuple[str, ...] = ("*",)) -> Starlette:
    """Make the server; reports lie in a folder, ``hosts`` are the names by which it may be asked."""
    work = Answering(limits.waiting, limits.seconds)
    # Each operation of the contract has its answer here.
    posted: Mapping[str, Callable[[Any], Any]] = {
        "run_analytic_report": lambda request: unstructure(accept(kept_report(request, folder))),
        "ask_totals": questions.totals,
        "ask_sweep": questions.sweep,
        "ask_solve": questions.solve,
        "ask_plan": questions.plan,
    }
    read: Mapping[str, Callable[[Any], Any]] = {
        "read_analytic_summary": lambda report: unstructure(summarise(report)),
        "read_analytic_model": unstructure,
    }
    routes = [
        Route(each.path, _asked(each, posted[each.operation], work, limits), methods=["POST"])
        if each.request
        else Route(each.path, _looked_up(read[each.operation], work, folder), methods=["GET"])
        for each in ENDPOINTS
    ]
    routes += [Route("/", _explorer(work)), Route("/healthz", _healthy), Route("/openapi.json", _openapi)]
    return Starlette(
        routes=routes,
        middleware=[Middleware(TrustedHostMiddleware, allowed_hosts=list(hosts))],
        exception_handlers={Refused: _refused, HTTPException: _not_there, Exception: _failed},
    )


def _asked(endpoint: Endpoint, answer: Callable[[Any], Any], work: Answering, limits: Limits) -> Handler:
    """Make the handler of a question: its body is read, checked and answered."""

    async def handle(request: Request) -> Response:
        raw = _plain(await _body(request, limits))
        content = await work.of(_answered, endpoint, answer, raw)
        return _json(content, endpoint.status)

    return handle


def _answered(endpoint: Endpoint, answer: Callable[[Any], Any], raw: Any) -> str:
    """Return an answer as text; what a user can mend is refused with its field."""
    assert endpoint.request is not None  # noqa: S101 - of endpoints that take a body alone
    try:
        return _text(answer(structure(raw, endpoint.request, "request")))
    except UserError as error:
        raise Refused(422, str(error), field_of(str(error), raw)) from error
    except (ArithmeticError, RecursionError) as error:
        raise Refused(422, "these values have no answer in numbers; give others") from error
    except MemoryError as error:
        raise Refused(422, "it needs more memory than there is; ask for less at once") from error


def _looked_up(shown: Callable[[Any], Any], work: Answering, folder: Path) -> Handler:
    """Make the handler that reads a report."""

    async def handle(request: Request) -> Response:
        report_id = request.path_params["report_id"]
        if not is_id(report_id):
            raise Refused(404, "report_id: an id has 16 digits of 0 to 9 and a to f", "report_id")
        report = await work.of(known_report, report_id, folder)
        if report is None:
            raise Refused(404, f"report_id: there is no report {report_id}; run it first", "report_id")
        return _json(_text(shown(report)), 200)

    return handle


async def _body(request: Request, limits: Limits) -> bytes:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json":
        raise Refused(415, "content-type: expected application/json", "content-type")
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > limits.body_bytes:
            raise Refused(413, f"the body has more than {limits.body_bytes} bytes")
    return body


def _plain(body: bytes) -> Any:
    """Read JSON strictly: no repeated keys, no NaN, nothing deep."""
    try:
        return json.loads(body, object_pairs_hook=_without_repeats, parse_constant=_no_constant, parse_int=_whole)
    except (ValueError, RecursionError) as error:
        said = getattr(error, "msg", None) or str(error)
        raise Refused(400, f"the body is no JSON that is taken: {said}") from error


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    known = dict(pairs)
    if len(known) < len(pairs):
        raise ValueError("a key stands twice")
    return known


def _whole(digits: str) -> int:
    if len(digits) > _LONGEST_NUMBER:
        raise ValueError(f"a whole number has more than {_LONGEST_NUMBER} digits")
    return int(digits)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _text(content: Any) -> str:
    try:
        return json.dumps(content, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise Refused(422, "the answer is no number here; give other values") from error


def _json(text: str, status: int) -> Response:
    return Response(text, status_code=status, media_type="application/json", headers=_HTTP_HEADERS)


def _explorer(work: Answering) -> Handler:
    """Make the handler of the front page, which is made once."""

    async def handle(_: Request) -> Response:
        return HTMLResponse(await work.of(_page), headers=_PAGE_HEADERS)

    return handle


@cache
def _page() -> str:
    from dsocr_symbolic.explorer.page import explorer_page

    return explorer_page(default_definition(None))


async def _healthy(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _openapi(_: Request) -> Response:
    return JSONResponse(_document())


@cache
def _document() -> Any:
    return yaml.safe_load(openapi_text())


async def _refused(_: Request, error: Exception) -> Response:
    assert isinstance(error, Refused)  # noqa: S101 - registered for it
    return problem(error)


async def _not_there(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for it
    return problem(Refused(error.status_code, f"{request.method}: {error.detail}", headers=error.headers))


async def _failed(_: Request, __: Exception) -> Response:
    return problem(Refused(500, "the server failed at this request; its log says how"))
