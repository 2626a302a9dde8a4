"""The numbers of a performance report: where time, FLOPs, bytes and memory of a workload go, and what decides."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.evaluation.answer import scenario_details, scenario_program
from dsocr_symbolic.evaluation.estimate import Estimate, Metrics, estimate, with_fused_traffic
from dsocr_symbolic.evaluation.program import Program
from dsocr_symbolic.language.expression import evaluate
from dsocr_symbolic.language.registry import load_conventions, load_time
from dsocr_symbolic.questions.capacity import Fit, Moment, fit, stage_moments
from dsocr_symbolic.questions.totals import views
from dsocr_symbolic.scenario.scenario import Scenario, scenario_values

RESOURCES: Mapping[str, str] = {
    "tensor_core_flops": "Tensor Cores",
    "cuda_core_flops": "CUDA cores",
    "io_bytes": "memory",
}
"""What a launch gives to a time formula -> the resource that it keeps busy."""


_METRIC = {
    "tensor_core_flops": "forward_tensor_core_flops",
    "cuda_core_flops": "forward_cuda_core_flops",
    "io_bytes": "forward_io_bytes",
}


LARGEST_PART = 0.25


_Below = Mapping[int, Sequence[int]]


@frozen(kw_only=True)
class Part:
    """A stage, a module, or all operators of a category, and what its time goes to.

    Attributes
    ----------
    name, stage : str
        Its path, or the category; a category has no stage.
    calls : int or float
        Calls in the whole workload.
    metrics : mapping of str to number
        Its metrics; None where one does not exist.
    share : float
        Its part of the roofline time of the whole.
    decided : mapping of str to float
        Roofline seconds of its operators by the resource that takes longest, see ``RESOURCES``.
    alone : mapping of str to float
        Seconds that each resource would need for all of it, were the others free.
    """

    name: str
    stage: str
    calls: Any
    metrics: Metrics
    share: float
    decided: Mapping[str, float]
    alone: Mapping[str, float]

    @property
    def resource(self) -> str:
        """The resource that decides most of its time."""
        return max(self.decided, key=lambda each: self.decided[each])

    @property
    def flops(self) -> Any:
        """FLOPs of both kinds."""
        return self.metrics["forward_tensor_core_flops"] + self.metrics["forward_cuda_core_flops"]


@frozen(kw_only=True)
class Performance:
    """Everything that the text of a report rests on.

    Attributes
    ----------
    scenario : Scenario
        The question.
    program : Program
        The compiled model.
    result : Estimate
        The answer, with the training step.
    whole : Part
        The whole network.
    stages, categories : tuple of Part
        In order of execution and of the conventions; each adds up to the whole.
    parts : tuple of Part
        Modules and operators that make up the network, the slowest first: a module that takes more than a quarter
        of its stage's time is split as long as it holds modules.
    seconds : mapping of (str, str) to float
        Roofline seconds by stage and category.
    compulsory : mapping of str to Metrics
        By stage, and ``total``: the metrics with compulsory bytes in place of those moved.
    rated_bounds : mapping of str to number
        By stage, and ``total``: the lower bound in seconds at the clock at which peaks are stated.
    rates : mapping of str to float
        FLOP/s and byte/s that the machine reaches, by resource.
    moments : tuple of Moment
        The worst moment of each stage.
    fit : Fit
        The workload against the machine's memory.
    """

    scenario: Scenario
    program: Program
    result: Estimate
    whole: Part
    stages: tuple[Part, ...]
    categories: tuple[Part, ...]
    parts: tuple[Part, ...]
    seconds: Mapping[tuple[str, str], float]
    compulsory: Mapping[str, Metrics]
    rated_bounds: Mapping[str, Any]
    rates: Mapping[str, float]
    moments: tuple[Moment, ...]
    fit: Fit

    @property
    def ridges(self) -> Mapping[str, float]:
        """For each kind of cores: FLOPs per byte at which they take as long as memory does."""
        return {each: rate / self.rates["io_bytes"] for each, rate in self.rates.items() if each != "io_bytes"}


def performance(scenario: Scenario) -> Performance:
    """Find out where the cost of a workload goes.

    Parameters
    ----------
    scenario : Scenario
        The question, of a whole network.

    Returns
    -------
    Performance
        The numbers of its report.

    Raises
    ------
    UserError
        If a value is not allowed.
    """
    program, values = scenario_program(scenario), scenario_values(scenario)
    result = estimate(program, values, scenario_details(scenario))
    at_rated = scenario_values(scenario, {"highest_clock": values.numbers["rated_clock"]})
    rated, fused = estimate(program, at_rated), with_fused_traffic(result)
    below, decided = _below(result), _decided(result)

    def part(index: int) -> Part:
        node = result.nodes[index - 1]
        row = node.row
        return _part(result, decided[index], node.metrics, name=row.path, stage=row.stage, calls=node.calls)

    parts = [part(index) for stage in below[0] for index in _split(result, below, stage)]
    return Performance(
        scenario=scenario,
        program=program,
        result=result,
        whole=_part(result, decided[0], result.total, name="total", stage="", calls=1),
        stages=tuple(part(index) for index in below[0]),
        categories=_categories(result, decided),
        parts=tuple(sorted(parts, key=lambda each: -each.metrics["roofline_s"])),
        seconds=_seconds(result),
        compulsory={**fused.stages, "total": fused.total},
        rated_bounds={name: each["lower_bound_s"] for name, each in {**rated.stages, "total": rated.total}.items()},
        rates={each: float(1 / _time({each: 1}, values.numbers)) for each in RESOURCES},
        moments=tuple(stage_moments(program, values.numbers)),
        fit=fit(scenario),
    )


def _part(
    result: Estimate, decided: Mapping[str, float], metrics: Metrics, *, name: str, stage: str, calls: Any
) -> Part:
    whole = result.total["roofline_s"]
    return Part(
        name=name,
        stage=stage,
        calls=calls,
        metrics=metrics,
        share=float(metrics["roofline_s"] / whole) if whole else 0.0,
        decided=decided,
        alone=_alone(metrics, result.values.numbers),
    )


def _alone(metrics: Metrics, numbers: Mapping[str, Any]) -> Mapping[str, float]:
    return {each: float(_time({each: metrics[_METRIC[each]]}, numbers)) for each in RESOURCES}


def _below(result: Estimate) -> _Below:
    """Return the children of each row; 0 is the whole."""
    below: dict[int, list[int]] = {}
    for index, node in enumerate(result.nodes, start=1):
        below.setdefault(node.row.parent, []).append(index)
    return below


def _decided(result: Estimate) -> list[Mapping[str, float]]:
    """Return the roofline seconds of each row, the whole first, by the resource that takes longest."""
    found = [dict.fromkeys(RESOURCES, 0.0) for _ in range(len(result.nodes) + 1)]
    for index in range(len(result.nodes), 0, -1):
        node = result.nodes[index - 1]
        if node.row.aten:
            taken = _alone(node.metrics, result.values.numbers)
            longest = max(taken, key=lambda each: taken[each])
            found[index][longest] = float(node.metrics["roofline_s"])
        for each, seconds in found[index].items():
            found[node.row.parent][each] += seconds
    return list(found)


def _time(spent: Mapping[str, Any], numbers: Mapping[str, Any]) -> Any:
    """Evaluate the roofline of a launch that spends nothing but this."""
    formula = load_time("roofline")
    return evaluate(formula.seconds, {**numbers, **dict.fromkeys(formula.arguments, 0), **spent}, arithmetic)


def _split(result: Estimate, below: _Below, stage: int) -> Iterator[int]:
    """Split a stage into parts."""
    most = LARGEST_PART * result.nodes[stage - 1].metrics["roofline_s"]

    def descend(index: int) -> Iterator[int]:
        inside = below.get(index, ())
        holds_modules = any(not result.nodes[each - 1].row.aten for each in inside)
        if holds_modules and result.nodes[index - 1].metrics["roofline_s"] > most:
            for each in inside:
                yield from descend(each)
        else:
            yield index

    return descend(stage)


def _categories(result: Estimate, decided: Sequence[Mapping[str, float]]) -> tuple[Part, ...]:
    known = load_conventions().categories
    sums = {name: dict.fromkeys(RESOURCES, 0.0) for name in known}
    for index, node in enumerate(result.nodes, start=1):
        if node.row.aten:
            mine = sums[node.row.category or "other"]
            for each, seconds in decided[index].items():
                mine[each] += seconds
    lines = views.by_category(result, known)
    views.check_sums(result, lines)
    return tuple(
        _part(result, sums[each.name], each.metrics, name=each.name, stage="", calls=each.calls)
        for each in lines
        if each.calls
    )


def _seconds(result: Estimate) -> Mapping[tuple[str, str], float]:
    found: dict[tuple[str, str], float] = {}
    for node in result.nodes:
        if node.row.aten:
            key = node.row.stage, node.row.category or "other"
            found[key] = found.get(key, 0.0) + float(node.metrics["roofline_s"])
    return found
