"""Artifacts for the tests: arbitrary ones that meet every constraint, and real ones of named workloads."""

from functools import cache
from pathlib import Path
from types import NoneType
from typing import Any, Literal, get_args, get_origin

import attrs
from attrs import evolve
from hypothesis import strategies as st

from dsocr_symbolic.evaluation.answer import answer
from dsocr_symbolic.evaluation.estimate import Estimate
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.reports.contracts.contract_files import classes_of
from dsocr_symbolic.reports.contracts.conversion import content_hash
from dsocr_symbolic.reports.contracts.endpoints import ENDPOINTS
from dsocr_symbolic.reports.contracts.model_report import AnalyticModelReport
from dsocr_symbolic.reports.contracts.operator_list import TargetOperatorList
from dsocr_symbolic.reports.contracts.report_contract import make_report
from dsocr_symbolic.scenario.scenario import Scenario, make_scenario

TOP = Path(__file__).resolve().parent.parent.parent
MESSAGES = [kind for each in ENDPOINTS for kind in (each.request, each.response) if kind is not None]
ROOTS = list(dict.fromkeys([AnalyticModelReport, TargetOperatorList, *MESSAGES]))
CLASSES = list(dict.fromkeys(each for root in ROOTS for each in classes_of(root)))


@cache
def answered(workload: str = "gundam", gpu: str = "rtx5090", **choices: str) -> tuple[Scenario, Estimate]:
    options = {name.replace("_", "-"): option for name, option in choices.items()}
    scenario = make_scenario(definition=default_definition(None), workload=workload, gpu=gpu, choices=options)
    return scenario, answer(scenario)


@cache
def real_report(workload: str = "gundam") -> AnalyticModelReport:
    scenario, result = answered(workload)
    return make_report(scenario, result, folder=TOP)


def with_hash(report: AnalyticModelReport, **changes: Any) -> AnalyticModelReport:
    """Change a report and give it the id of its new content."""
    changed = evolve(report, **changes)
    return evolve(changed, report_id=content_hash(changed, "report_id"))


def artifacts(kind: Any) -> st.SearchStrategy[Any]:
    """Build any artifact of a class that meets the constraints of its fields."""
    return st.builds(kind, **{each.name: _values(each.type, each.metadata) for each in attrs.fields(kind)})


def _values(kind: Any, limits: Any) -> st.SearchStrategy[Any]:
    origin, arguments = get_origin(kind), get_args(kind)
    if attrs.has(kind):
        return artifacts(kind)
    if origin is Literal:
        return st.sampled_from(arguments)
    if origin is tuple:
        return st.lists(_values(arguments[0], limits), max_size=2).map(tuple)
    if origin is dict:
        return st.dictionaries(_text(), _values(arguments[1], limits), max_size=2)
    if arguments:
        return st.one_of(*(_values(each, limits) for each in arguments))
    return _scalars(kind, limits)


def _scalars(kind: Any, limits: Any) -> st.SearchStrategy[Any]:
    least, most, above = (limits.get(name) for name in ("minimum", "maximum", "exclusiveMinimum"))
    if kind is NoneType:
        return st.none()
    if kind is bool:
        return st.booleans()
    if kind is int:
        first = above + 1 if above is not None else least
        return st.integers(first if first is not None else -(10**24), most if most is not None else 10**24)
    if kind is float:
        first, beyond = (least, False) if above is None else (above, True)
        return st.floats(first, most, exclude_min=beyond, allow_nan=False, allow_infinity=False)
    if "pattern" in limits:
        return st.from_regex(limits["pattern"].removesuffix("$"), fullmatch=True).filter(_is_encodable)
    return _text(limits.get("minLength", 0))


def _text(least: int = 0) -> st.SearchStrategy[str]:
    odd = [
        "1e5",
        "no",
        "1_000",
        "0x1F",
        "2024-01-01",
        "null",
        "~",
        "",
        " a ",
        "a: b # c",
        "'\"",
        "\x85\u2028",
        "é",
        "=",
        "<<",
    ]
    anything = st.text(st.characters(exclude_categories=["Cs"]), min_size=least, max_size=12)
    return st.one_of(st.sampled_from([each for each in odd if len(each) >= least]), anything)


def _is_encodable(text: str) -> bool:
    return not any("\ud800" <= letter <= "\udfff" for letter in text)
