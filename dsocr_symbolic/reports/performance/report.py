"""The files of a performance report: text for people, data for programs, figures."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.evaluation.estimate import Estimate
from dsocr_symbolic.language.library import find_formula
from dsocr_symbolic.language.registry import load_conventions, load_metrics
from dsocr_symbolic.questions.settings_text import lifted, otherwise, setting_notes
from dsocr_symbolic.questions.totals.document import measured_by, reasons
from dsocr_symbolic.questions.totals.seconds_text import limit_of, provenance
from dsocr_symbolic.reports.contracts.artifact_file import to_text
from dsocr_symbolic.reports.contracts.model_report import SCHEMA_VERSION
from dsocr_symbolic.reports.contracts.report_contract import make_report
from dsocr_symbolic.reports.performance.curves import CropGrid, Curves, curves
from dsocr_symbolic.reports.performance.figure_roofline import SMALLEST_SHARE
from dsocr_symbolic.reports.performance.figures import Figure, figures, missing
from dsocr_symbolic.reports.performance.numbers import LARGEST_PART, RESOURCES, Performance, Spender, performance
from dsocr_symbolic.scenario.provenance import what_was_set
from dsocr_symbolic.scenario.scenario import Scenario
from dsocr_symbolic.writing import amounts
from dsocr_symbolic.writing.templates import template

VERSION = SCHEMA_VERSION
TEXT, YAML, JSON = "report.md", "report.yaml", "report.json"
FILES = (*(f"{name}.svg" for name in Figure), TEXT, YAML, JSON)
STEPS = len(Figure) + 4
_TOP_PARTS = 15
_TOP_OPERATORS = 4
_MICROSECOND = 1e-6
_ADDED = ("forward_tensor_core_flops", "forward_cuda_core_flops", "forward_io_bytes", "roofline_s", "device_s")


def report_files(
    scenario: Scenario,
    command: str,
    advance: Callable[[str], Any] = lambda _: None,
    *,
    layer_docs: Path | None = None,
) -> dict[str, str]:
    """Write every file of a report on a whole network as text, by name; what cannot be drawn is left out.

    Parameters
    ----------
    scenario : Scenario
        The question.
    command : str
        What a reader types to make the report again.
    advance : callable
        Is told at most ``STEPS`` times what is being done.
    layer_docs : Path or None
        Folder with a page per layer, relative to that of the report.

    Raises
    ------
    UserError
        If a value is not allowed, or matplotlib is not installed.
    """
    advance("numbers")
    numbers = performance(scenario)
    advance("curves")
    points = curves(numbers)
    texts = {f"{name}.svg": text for name, text in figures(numbers, points, advance).items()}
    advance("text")
    texts[TEXT] = report_text(numbers, points, command)
    advance("data")
    # Paths of an artifact are relative to the folder it lies in.
    document = make_report(scenario, numbers.result, folder=Path(), layer_docs=layer_docs)
    return texts | {YAML: to_text(document, ".yaml"), JSON: to_text(document, ".json")}


def report_text(numbers: Performance, points: Curves, command: str) -> str:
    """Render templates/report.md.jinja to Markdown; it says which figures there are."""
    definition, absent = numbers.scenario.definition, missing(numbers, points)
    was_set = what_was_set(numbers.scenario, numbers.result.values.numbers)
    said_null = reasons(numbers.result, numbers.scenario.gpu, numbers.scenario.definition)
    told = {name: setting.data for name, setting in was_set.items()}
    layers = {node.row.path: node.row.layer for node in numbers.result.nodes}
    text: str = template("report.md.jinja").render(
        **_WORDS,
        of_machine=lambda name, value: _of_unit(definition.quantities[name].unit, value),
        command=command,
        was_set=told,
        otherwise=otherwise,
        set_notes=[*setting_notes(told), *lifted(sorted(numbers.scenario.waived))],
        scenario=numbers.scenario,
        definition=definition,
        values=numbers.result.values,
        quantities=lambda *groups: {name: q for name, q in definition.quantities.items() if q.group in groups},
        numbers=numbers,
        total=numbers.whole.metrics,
        no_bound=said_null["lower_bound_s"],
        no_forecast=said_null["device_s"],
        forecast=numbers.whole.metrics["device_s"] is not None,
        provenance=provenance(measured_by(numbers.scenario.gpu, numbers.result.values.origins)),
        limit=lambda part: limit_of(part.metrics) or "-",
        stages=list(numbers.stages),
        slowest=max(numbers.stages, key=lambda stage: stage.share),
        summaries={call.name: find_formula(layers[call.name]).summary for call in definition.stages},
        latencies={name: latency.text for name, latency in definition.latencies.items()},
        categories=sorted(numbers.categories, key=lambda category: -category.share),
        operators=_operators(numbers.result),
        parts=numbers.parts[:_TOP_PARTS],
        rest=_rest(numbers.parts[_TOP_PARTS:]),
        largest={
            stage.name: next(part for part in numbers.parts if part.stage == stage.name) for stage in numbers.stages
        },
        trained=_added([stage for stage in numbers.stages if stage.metrics["backward_io_bytes"] is not None]),
        grids=[_grid(grid) for grid in points.grids],
        usable=numbers.fit.capacity_bytes + numbers.fit.reserve_bytes,
        binding=_binding(numbers),
        overhead=_time(numbers.whole.metrics["operator_launches"] * _MICROSECOND),
        largest_part=_percent(LARGEST_PART),
        smallest_drawn=_percent(SMALLEST_SHARE, digits=2),
        resources=RESOURCES,
        metrics=load_metrics(),
        conventions=load_conventions().statements,
        drawn=[name.value for name in Figure if name not in absent],
        missing=absent,
    )
    return text


def _operators(result: Estimate) -> Mapping[str, list[str]]:
    """Return the kinds of operators of each category, the slowest first; of many the first, and how many more."""
    categories: dict[str, dict[str, float]] = {}
    for node in result.nodes:
        if node.row.aten and node.calls:
            kinds = categories.setdefault(node.row.category or "other", {})
            name = node.row.layer.rpartition("/")[2]
            kinds[name] = kinds.get(name, 0.0) + node.metrics["roofline_s"]

    def slowest(kinds: Mapping[str, float]) -> list[str]:
        names = sorted(kinds, key=lambda name: -kinds[name])
        more = len(names) - _TOP_OPERATORS
        return [*names[:_TOP_OPERATORS], f"{more} more"] if more > 1 else names

    return {category: slowest(kinds) for category, kinds in categories.items()}


def _added(parts: Sequence[Spender]) -> Mapping[str, Exact]:
    there = [name for name in _ADDED if all(part.metrics[name] is not None for part in parts)]
    return {name: sum(part.metrics[name] for part in parts) for name in there}


def _rest(parts: Sequence[Spender]) -> Mapping[str, Exact]:
    """Add up the parts that have no line of their own."""
    return {"count": len(parts), "share": sum(part.share for part in parts), **_added(parts)}


def _grid(grid: CropGrid) -> Mapping[str, Exact]:
    """Add up what a grid costs."""
    stages = grid.stages.values()
    flops = sum(stage["forward_tensor_core_flops"] + stage["forward_cuda_core_flops"] for stage in stages)
    return {"number": grid.crops, "flops": flops, "moved": sum(stage["forward_io_bytes"] for stage in stages)}


def _binding(numbers: Performance) -> str:
    """Name what fills most of the memory of the first batch that does not fit."""
    beyond = numbers.fit.beyond
    if beyond is None:
        return ""
    sizes = {
        "weights": beyond.weight_bytes,
        "the KV cache": beyond.kv_cache_bytes,
        "activations": beyond.activation_bytes,
    }
    return max(sizes, key=lambda name: sizes[name])


# What a number looks like in the text; "-" where there is none.


def _verdict(part: Spender) -> str:
    """Name the resource that decides most of a part's time, and how much of it."""
    whole = sum(part.decided.values())
    return f"{RESOURCES[part.resource]} ({_percent(part.decided[part.resource], whole, 0)})" if whole else "-"


def _flop(value: Exact | None) -> str:
    return "-" if value is None else amounts.scaled(value, "FLOP")


def _size(value: Exact | None) -> str:
    return "-" if value is None else amounts.scaled(value, "B")


def _time(value: Exact | None) -> str:
    return "-" if value is None else amounts.duration(value)


def _count(value: Exact | None) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _percent(part: Exact, whole: Exact = 1, digits: int = 1) -> str:
    if not whole:
        return "-"
    least = 10.0 ** -(digits + 2)
    shown, sign = (least, "< ") if 0 < part / whole < least / 2 else (part / whole, "")
    return f"{sign}{shown:.{digits}%}".replace("%", " %")


def _of_unit(unit: str, value: Exact | None) -> str:
    if value is None:
        return "unknown"
    if unit == "s":
        return amounts.duration(value)
    return amounts.scaled(value, amounts.short(unit)) if unit else amounts.amount(value)


_WORDS: Mapping[str, Callable[..., str]] = {
    "flop": _flop,
    "size": _size,
    "time": _time,
    "count": _count,
    "ratio": lambda value: amounts.cell("forward_arithmetic_intensity", value),
    "percent": _percent,
    "per_second": lambda seconds: _count(1 / seconds if seconds else None),
    "times": lambda large, small: f"{large / small:.3g} x" if small else "-",
    "amount": amounts.amount,
    "verdict": _verdict,
}
