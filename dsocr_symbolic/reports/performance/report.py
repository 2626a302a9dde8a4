"""The files of a performance report: text for people, data for programs, figures."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from dsocr_symbolic.evaluation.estimate import Estimate
from dsocr_symbolic.language.library import find_formula
from dsocr_symbolic.language.registry import load_conventions, load_metrics
from dsocr_symbolic.reports.contracts.artifact_file import to_text
from dsocr_symbolic.reports.contracts.model_report import SCHEMA_VERSION
from dsocr_symbolic.reports.contracts.report_contract import make_report
from dsocr_symbolic.reports.performance.curves import Curves, Grid, curves
from dsocr_symbolic.reports.performance.figure_roofline import SMALLEST_SHARE
from dsocr_symbolic.reports.performance.figures import NAMES, figures, missing
from dsocr_symbolic.reports.performance.numbers import LARGEST_PART, RESOURCES, Part, Performance, performance
from dsocr_symbolic.scenario.scenario import Scenario
from dsocr_symbolic.writing import amounts
from dsocr_symbolic.writing.templates import template

VERSION = SCHEMA_VERSION


TEXT, YAML, JSON = "report.md", "report.yaml", "report.json"


FILES = (*(f"{name}.svg" for name in NAMES), TEXT, YAML, JSON)


STEPS = len(NAMES) + 4


_TOP_PARTS = 15


_TOP_OPERATORS = 4


_MICROSECOND = 1e-6


_ADDED = ("forward_tensor_core_flops", "forward_cuda_core_flops", "forward_io_bytes", "roofline_s")


_UNITS = {
    "tensor_core_peak": "FLOP/s",
    "cuda_core_peak": "FLOP/s",
    "memory_bandwidth": "B/s",
    "rated_clock": "Hz",
    "highest_clock": "Hz",
    "usable_memory": "B",
    "reserve": "B",
    "capacity": "B",
}


def report_files(
    scenario: Scenario,
    command: str,
    advance: Callable[[str], Any] = lambda _: None,
    *,
    layer_docs: Path | None = None,
) -> dict[str, str]:
    """Write every file of a report as text.

    Parameters
    ----------
    scenario : Scenario
        The question, of a whole network.
    command : str
        What a reader types to make the report again.
    advance : callable
        Is told at most ``STEPS`` times what is being done.
    layer_docs : Path or None
        Folder with a page per layer, relative to that of the report.

    Returns
    -------
    dict of str to str
        Text by name, one of ``FILES``; what cannot be drawn is left out and the text says why.

    Raises
    ------
    UserError
        If a value is not allowed, or matplotlib is not installed.
    """
    advance("numbers")
    numbers = performance(scenario)
    advance("curves")
    points = curves(numbers)
    found = {f"{name}.svg": text for name, text in figures(numbers, points, advance).items()}
    advance("text")
    found[TEXT] = report_text(numbers, points, command)
    advance("data")
    # Paths of an artifact are relative to the folder it lies in.
    document = make_report(scenario, numbers.result, folder=Path(), layer_docs=layer_docs)
    found[YAML] = to_text(document, ".yaml")
    found[JSON] = to_text(document, ".json")
    return found


def report_text(numbers: Performance, points: Curves, command: str) -> str:
    """Render templates/report.md.jinja.

    Parameters
    ----------
    numbers : Performance
        Every number that the text holds.
    points : Curves
        The points of the curves; the text says which figures there are.
    command : str
        What a reader types to make the report again.

    Returns
    -------
    str
        Markdown.
    """
    definition, absent = numbers.scenario.definition, missing(numbers, points)
    text: str = template("report.md.jinja").render(
        **_WORDS,
        command=command,
        scenario=numbers.scenario,
        definition=definition,
        values=numbers.result.values,
        quantities=lambda *groups: {name: q for name, q in definition.quantities.items() if q.group in groups},
        numbers=numbers,
        total=numbers.whole.metrics,
        stages=list(numbers.stages),
        slowest=max(numbers.stages, key=lambda stage: stage.share),
        summaries={call.name: find_formula(call.use).summary for call in definition.stages},
        latencies={name: each.text for name, each in definition.latencies.items()},
        categories=sorted(numbers.categories, key=lambda each: -each.share),
        operators=_operators(numbers.result),
        parts=numbers.parts[:_TOP_PARTS],
        rest=_rest(numbers.parts[_TOP_PARTS:]),
        largest={stage.name: _largest(numbers, stage) for stage in numbers.stages},
        trained=_trained(numbers),
        grids=[_grid(grid) for grid in points.grids],
        usable=numbers.fit.capacity_bytes + numbers.fit.reserve_bytes,
        binding=_binding(numbers),
        overhead=_time(numbers.whole.metrics["operator_launches"] * _MICROSECOND),
        largest_part=_percent(LARGEST_PART),
        smallest_drawn=_percent(SMALLEST_SHARE, digits=2),
        resources=RESOURCES,
        metrics=load_metrics(),
        conventions=load_conventions().statements,
        drawn=[name for name in NAMES if name not in absent],
        missing=absent,
    )
    return text


def _operators(result: Estimate) -> Mapping[str, list[str]]:
    """Return the kinds of operators of each category, the slowest first."""
    found: dict[str, dict[str, float]] = {}
    for node in result.nodes:
        if node.row.aten and node.calls:
            kinds = found.setdefault(node.row.category or "other", {})
            name = node.row.layer.rpartition("/")[2]
            kinds[name] = kinds.get(name, 0.0) + node.metrics["roofline_s"]
    return {category: _first(sorted(kinds, key=lambda name: -kinds[name])) for category, kinds in found.items()}


def _first(names: list[str]) -> list[str]:
    """Shorten a long list to its first names and how many more there are."""
    more = len(names) - _TOP_OPERATORS
    return [*names[:_TOP_OPERATORS], f"{more} more"] if more > 1 else names


def _rest(parts: Sequence[Part]) -> Mapping[str, Any]:
    """Add up the parts that have no line of their own."""
    sums = {name: sum(part.metrics[name] for part in parts) for name in _ADDED}
    return {"count": len(parts), "share": sum(part.share for part in parts), **sums}


def _grid(grid: Grid) -> Mapping[str, Any]:
    """Add up what a grid costs."""
    metrics = grid.stages.values()
    flops = sum(each["forward_tensor_core_flops"] + each["forward_cuda_core_flops"] for each in metrics)
    return {"crops": grid.crops, "flops": flops, "moved": sum(each["forward_io_bytes"] for each in metrics)}


def _largest(numbers: Performance, stage: Part) -> Part:
    """Return the slowest part of a stage."""
    return next(part for part in numbers.parts if part.stage == stage.name)


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
    return max(sizes, key=lambda each: sizes[each])


def _trained(numbers: Performance) -> Mapping[str, Any]:
    """Add up the forward of the stages that a training step runs."""
    stages = [stage for stage in numbers.stages if stage.metrics["backward_io_bytes"] is not None]
    return {name: sum(stage.metrics[name] for stage in stages) for name in _ADDED}


def verdict(part: Part) -> str:
    """Name the resource that decides most of a part's time, and how much of it."""
    whole = sum(part.decided.values())
    return f"{RESOURCES[part.resource]} ({_percent(part.decided[part.resource], whole, 0)})" if whole else "-"


def _flop(value: Any) -> str:
    return "-" if value is None else amounts.scaled(value, "FLOP")


def _size(value: Any) -> str:
    return "-" if value is None else amounts.scaled(value, "B")


def _time(value: Any) -> str:
    return "-" if value is None else amounts.seconds(value).replace(" us", " µs")


def _count(value: Any) -> str:
    return "-" if value is None else f"{value:,.0f}"


def _ratio(value: Any) -> str:
    return amounts.cell("forward_arithmetic_intensity", value)


def _percent(part: Any, whole: Any = 1, digits: int = 1) -> str:
    if not whole:
        return "-"
    least = 10.0 ** -(digits + 2)
    shown, sign = (least, "< ") if 0 < part / whole < least / 2 else (part / whole, "")
    return f"{sign}{shown:.{digits}%}".replace("%", " %")


def _per_second(seconds: Any) -> str:
    return _count(1 / seconds) if seconds else "-"


def _times(large: Any, small: Any) -> str:
    return f"{large / small:.3g} x" if small else "-"


def _of_machine(name: str, value: Any) -> str:
    unit = _UNITS.get(name, "")
    return amounts.scaled(value, unit) if unit else amounts.amount(value)


_WORDS: Mapping[str, Callable[..., str]] = {
    "flop": _flop,
    "size": _size,
    "time": _time,
    "count": _count,
    "ratio": _ratio,
    "percent": _percent,
    "per_second": _per_second,
    "times": _times,
    "of_machine": _of_machine,
    "amount": amounts.amount,
    "verdict": verdict,
}
