"""The numbers of a performance report: where time, FLOPs, bytes and memory of a workload go, and what decides."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from attrs import frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.evaluation.answer import scenario_details, scenario_program
from dsocr_symbolic.evaluation.estimate import Estimate, Metrics, estimate, with_fused_traffic
from dsocr_symbolic.evaluation.program import Program
from dsocr_symbolic.language.expression import evaluate
from dsocr_symbolic.language.registry import load_conventions
from dsocr_symbolic.language.roles import Roles
from dsocr_symbolic.language.time_formula import load_time
from dsocr_symbolic.questions.capacity import Fit, PeakMoment, fit, stage_moments
from dsocr_symbolic.questions.totals import views
from dsocr_symbolic.scenario.scenario import Scenario, scenario_values

RESOURCES: Mapping[str, str] = {
    "tensor_core_flops": "Tensor Cores",
    "cuda_core_flops": "CUDA cores",
    "io_bytes": "memory",
}
"""What a launch gives to a time formula, without ``forward_`` of the metric -> the resource that it keeps busy."""

LARGEST_PART = 0.25


@frozen(kw_only=True)
class Spender:
    """A stage, a module, or all operators of a category, and what its time goes to.

    Attributes
    ----------
    name, stage : str
        Its path, or the category; a category has no stage.
    calls : int or float
        Calls in the whole workload.
    share : float
        Its part of the roofline time of the whole.
    decided : mapping of str to float
        Roofline seconds of its operators by the resource that takes longest, see ``RESOURCES``.
    alone : mapping of str to float
        Seconds that each resource would need for all of it, were the others free.
    """

    name: str
    stage: str
    calls: int | float
    metrics: Metrics
    share: float
    decided: Mapping[str, float]
    alone: Mapping[str, float]

    @property
    def resource(self) -> str:
        """The resource that decides most of its time."""
        return max(self.decided, key=lambda resource: self.decided[resource])

    @property
    def flops(self) -> Exact:
        """FLOPs of both kinds."""
        flops: Exact = self.metrics["forward_tensor_core_flops"] + self.metrics["forward_cuda_core_flops"]
        return flops


@frozen(kw_only=True)
class Performance:
    """Everything that the text of a report rests on.

    Attributes
    ----------
    result : Estimate
        The answer, with the training step.
    whole : Spender
        The whole network.
    stages, categories : tuple of Spender
        In order of execution and of the conventions; each adds up to the whole.
    parts : tuple of Spender
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
    moments : tuple of PeakMoment
        The worst moment of each stage.
    fit : Fit
        The workload against the machine's memory.
    """

    scenario: Scenario
    program: Program
    result: Estimate
    whole: Spender
    stages: tuple[Spender, ...]
    categories: tuple[Spender, ...]
    parts: tuple[Spender, ...]
    seconds: Mapping[tuple[str, str], float]
    compulsory: Mapping[str, Metrics]
    rated_bounds: Mapping[str, Exact]
    rates: Mapping[str, float]
    moments: tuple[PeakMoment, ...]
    fit: Fit

    @property
    def roles(self) -> Roles:
        """Which symbols of the network play which part."""
        return self.scenario.definition.roles

    def asked(self, symbol: str) -> Any:
        """Return what the workload asks of a symbol."""
        return self.result.values.numbers[symbol]

    @property
    def ridges(self) -> Mapping[str, float]:
        """For each kind of cores: FLOPs per byte at which they take as long as memory does."""
        bandwidth = self.rates["io_bytes"]
        return {resource: rate / bandwidth for resource, rate in self.rates.items() if resource != "io_bytes"}


def performance(scenario: Scenario) -> Performance:
    """Find out where the cost of a workload on a whole network goes."""
    program, values = scenario_program(scenario), scenario_values(scenario)
    result = estimate(program, values, scenario_details(scenario))
    at_rated = scenario_values(scenario, {"highest_clock": values.numbers["rated_clock"]})
    rated, fused = estimate(program, at_rated), with_fused_traffic(result)
    below, decided = result.below, _decided(result)

    def part(index: int) -> Spender:
        node = result.nodes[index - 1]
        row = node.row
        return _spender(
            result, decided[index], node.metrics, name=node.label or row.path, stage=row.stage, calls=node.calls
        )

    parts = [part(index) for stage in below[0] for index in _split(result, below, stage)]
    return Performance(
        scenario=scenario,
        program=program,
        result=result,
        whole=_spender(result, decided[0], result.total, name="total", stage="", calls=1),
        stages=tuple(part(index) for index in below[0]),
        categories=_categories(result, decided),
        parts=tuple(sorted(parts, key=lambda spender: -spender.metrics["roofline_s"])),
        seconds=_seconds(result),
        compulsory={**fused.stages, "total": fused.total},
        rated_bounds={name: row["lower_bound_s"] for name, row in {**rated.stages, "total": rated.total}.items()},
        rates={resource: float(1 / _time({resource: 1}, values.numbers)) for resource in RESOURCES},
        moments=tuple(stage_moments(program, values.numbers)),
        fit=fit(scenario, program),
    )


def _spender(
    result: Estimate, decided: Mapping[str, float], metrics: Metrics, *, name: str, stage: str, calls: float
) -> Spender:
    whole = result.total["roofline_s"]
    return Spender(
        name=name,
        stage=stage,
        calls=calls,
        metrics=metrics,
        share=float(metrics["roofline_s"] / whole) if whole else 0.0,
        decided=decided,
        alone=_alone(metrics, result.values.numbers),
    )


def _alone(metrics: Metrics, numbers: Mapping[str, Exact]) -> Mapping[str, float]:
    return {resource: float(_time({resource: metrics[f"forward_{resource}"]}, numbers)) for resource in RESOURCES}


def _decided(result: Estimate) -> list[Mapping[str, float]]:
    """Return the roofline seconds of each row, the whole first, by the resource that takes longest."""
    decided = [dict.fromkeys(RESOURCES, 0.0) for _ in range(len(result.nodes) + 1)]
    for index in range(len(result.nodes), 0, -1):
        node = result.nodes[index - 1]
        if node.row.aten:
            taken = _alone(node.metrics, result.values.numbers)
            decided[index][max(taken, key=taken.__getitem__)] = float(node.metrics["roofline_s"])
        for resource, seconds in decided[index].items():
            decided[node.row.parent][resource] += seconds
    return list(decided)


def _time(spent: Mapping[str, Exact], numbers: Mapping[str, Exact]) -> Exact:
    """Evaluate the roofline of a launch that spends nothing but this."""
    formula = load_time("roofline")
    seconds: Exact = evaluate(formula.seconds, {**numbers, **dict.fromkeys(formula.arguments, 0), **spent}, arithmetic)
    return seconds


def _split(result: Estimate, below: Sequence[Sequence[int]], stage: int) -> Iterator[int]:
    """Split a stage into parts, see :class:`Performance`."""
    most = LARGEST_PART * result.nodes[stage - 1].metrics["roofline_s"]

    def descend(index: int) -> Iterator[int]:
        inside = below[index]
        holds_modules = any(not result.nodes[child - 1].row.aten for child in inside)
        if holds_modules and result.nodes[index - 1].metrics["roofline_s"] > most:
            for child in inside:
                yield from descend(child)
        else:
            yield index

    return descend(stage)


def _categories(result: Estimate, decided: Sequence[Mapping[str, float]]) -> tuple[Spender, ...]:
    known = load_conventions().categories
    sums = {name: dict.fromkeys(RESOURCES, 0.0) for name in known}
    for index, node in enumerate(result.nodes, start=1):
        if node.row.aten:
            mine = sums[node.row.category or "other"]
            for resource, seconds in decided[index].items():
                mine[resource] += seconds
    lines = views.by_category(result, known)
    views.check_sums(result, lines)
    return tuple(
        _spender(result, sums[line.name], line.metrics, name=line.name, stage="", calls=line.calls)
        for line in lines
        if line.calls
    )


def _seconds(result: Estimate) -> Mapping[tuple[str, str], float]:
    sums: dict[tuple[str, str], float] = {}
    for node in result.nodes:
        if node.row.aten:
            key = node.row.stage, node.row.category or "other"
            sums[key] = sums.get(key, 0.0) + float(node.metrics["roofline_s"])
    return sums
