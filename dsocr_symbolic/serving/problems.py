"""Failures as problem+json: what kind, one line, and the field that it is about; never how it came about inside."""

import re
from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any

from starlette.responses import JSONResponse, Response

from dsocr_symbolic.reports.contracts.conversion import unstructure
from dsocr_symbolic.reports.contracts.endpoints import PROBLEM

# How our lines name what they are about: the field of a message, a word of it, what they begin with.
_PLACE = re.compile(r" @ \w+\.(\w+)(?:\['([^']{1,64})'\])?$")
_NAMED = re.compile(r"(?:unknown (?:key|symbol|choice) )?'([A-Za-z_][\w.-]{0,63})'")
_UNKNOWN = re.compile(r"unknown (GPU|workload|model|metric) ")
_OPTION = re.compile(r"--([a-z][\w-]*)")
_FIRST = re.compile(r"([A-Za-z_][\w.-]{0,63}):")
_NOUNS = {"GPU": "gpu", "metric": "metrics"}
_LONGEST = 500


class Refused(Exception):  # noqa: N818 - a refusal is an answer, not an error of ours
    """A request that is not answered, with its HTTP status, one line and headers."""

    def __init__(
        self, status: int, detail: str, field: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.field = field
        self.headers = dict(headers or {})


def problem(refused: Refused) -> Response:
    """Return a refusal as a response."""
    detail = " ".join(refused.detail.split())[:_LONGEST] or HTTPStatus(refused.status).phrase
    content = PROBLEM(
        title=HTTPStatus(refused.status).phrase, status=refused.status, detail=detail, field=refused.field
    )
    return JSONResponse(
        unstructure(content),
        status_code=refused.status,
        headers=refused.headers,
        media_type="application/problem+json",
    )


def field_of(detail: str, asked: Any) -> str | None:
    """Return the field, symbol or choice of a request that a line is about."""
    detail = detail.removeprefix("request: ")
    if place := _PLACE.search(detail):
        return place[2] or place[1]
    if named := _NAMED.match(detail):
        return named[1]
    if unknown := _UNKNOWN.match(detail):
        return _NOUNS.get(unknown[1], unknown[1])
    if (option := _OPTION.match(detail)) and isinstance(asked, dict):
        field = option[1].replace("-", "_")
        return next((name for name in (field, f"{field}s") if name in asked), None)
    if first := _FIRST.match(detail):
        return first[1]
    words = set(re.findall(r"\w+", detail))
    return next((name for name in _names(asked) if name in words), None)


def _names(asked: Any) -> Iterator[str]:
    """Yield what a request names: symbols and choices before fields."""
    if isinstance(asked, dict):
        for inner in asked.values():
            yield from _names(inner)
        yield from asked
