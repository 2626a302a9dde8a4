"""Scenarios against a baseline: what differs, by how much, and which nodes explain it."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import Factory, field, frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.answer import answer, scenario_program
from dsocr_symbolic.evaluation.estimate import Estimate, NodeNumbers, beside_operators
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import names
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.language.registry import known_metric, load_metrics
from dsocr_symbolic.language.time_formula import timed
from dsocr_symbolic.network.rows import STOCKS
from dsocr_symbolic.questions.capacity import worst_moment
from dsocr_symbolic.questions.question import of_scenario, stated
from dsocr_symbolic.scenario.scenario import Scenario, make_scenario, read_scenario
from dsocr_symbolic.writing.notebook import Shown

METRICS = ("forward_tensor_core_flops", "forward_io_bytes", "roofline_s", "peak_memory_bytes")
_ENOUGH = 0.9
OTHERS = "/..."
"""Behind a path: what just one of two scenarios has below it, all together."""


@frozen(kw_only=True)
class Cause:
    """A node that explains a difference.

    Attributes
    ----------
    path, label : str
        A node; of memory, the part that it is of. One with ``/...`` behind it stands for all nodes below that just one
        of both has. Its label has the numbers that layers have here, in both scenarios.
    baseline, value : int or float
        The metric there, in the baseline and in the scenario; 0 where there is no such node.
    difference : int or float
        What it adds.
    """

    path: str
    baseline: int | float
    value: int | float
    difference: int | float
    label: str = field(default=Factory(lambda cause: cause.path, takes_self=True))


@frozen(kw_only=True)
class MetricDifference:
    """One metric of a scenario against the baseline.

    Attributes
    ----------
    value : int, float or None
        In the scenario.
    difference, ratio : int, float or None
        Against the baseline; None where one of them does not exist.
    causes : tuple of Cause
        The fewest deepest nodes whose differences, taken without signs, are nine tenths of all; the largest first.
    explained : float
        The share of all differences, taken without signs, that they are.
    others : int
        Nodes that differ besides.
    """

    value: Exact | None
    difference: Exact | None
    ratio: Exact | None
    causes: tuple[Cause, ...]
    explained: float
    others: int


@frozen(kw_only=True, repr=False)
class Comparison(Shown):
    """Scenarios against the first one.

    Attributes
    ----------
    names, metrics : tuple of str
        The scenarios, the baseline first; names of the registry.
    about : tuple of mapping
        Model, workload, GPU, choices and settings of each, numbers of the GPU that no source confirms, warnings; all
        of it but warnings in one line under ``stated``.
    baseline : tuple of number or None
        Each metric in the baseline.
    differences : tuple of tuple of MetricDifference
        For each metric, one per scenario behind the baseline.
    """

    names: tuple[str, ...]
    about: tuple[Mapping[str, Any], ...]
    metrics: tuple[str, ...]
    baseline: tuple[Exact | None, ...]
    differences: tuple[tuple[MetricDifference, ...], ...]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What the model file warns of, scenario by scenario."""
        named = zip(self.names, self.about, strict=True)
        return tuple(f"{name}: {said}" for name, about in named for said in about["warnings"])


def compare(
    *scenarios: str | Mapping[str, Any],
    model: str = "deepseek-ocr",
    metrics: Iterable[str] = METRICS,
    time: str = "roofline",
    waived: Iterable[str] = (),
) -> Comparison:
    """Compare scenarios with the first one.

    >>> from dsocr_symbolic import compare
    >>> compare("batch=1", {"batch": 2}, metrics=["forward_kv_cache_bytes"]).differences[0][0].ratio
    2

    Parameters
    ----------
    *scenarios : str or mapping
        Each ``"gpu=h200,batch=8"``, a YAML file of the same keys, or a mapping: symbols, choices, GPU, workload.
    model : str
        Name or file of the network.
    metrics : iterable of str
        Names of the registry.
    time : str
        ``roofline`` or ``lower_bound``: what the time metrics stand for.
    waived : iterable of str
        Switches that lift rules.

    Returns
    -------
    Comparison
        Differences and ratios, and the nodes that explain them.

    Raises
    ------
    UserError
        If there are fewer than two, or one of them says what is unknown or not allowed.
    """
    base = make_scenario(definition=default_definition(model), waived=frozenset(waived))
    return compare_with(base, scenarios, metrics, time)


def compare_with(
    base: Scenario, texts: Sequence[str | Mapping[str, Any]], metrics: Iterable[str] = METRICS, time: str = "roofline"
) -> Comparison:
    """Compare scenarios that have a common part, see :func:`compare`."""
    if len(texts) < 2:  # noqa: PLR2004 - a baseline and what is compared with it
        raise UserError("compare takes a baseline and at least one more scenario")
    asked = tuple(dict.fromkeys(timed(name, time) for name in metrics))
    for name in asked:
        known_metric(name)
    known = [read_scenario(text, base) for text in texts]
    details = any(name.startswith("backward_") or name == "forward_fused_io_bytes" for name in asked)
    first, *others = ((scenario, answer(scenario, details=details)) for _, scenario in known)
    return Comparison(
        names=tuple(name for name, _ in known),
        about=tuple(_about(scenario) for _, scenario in known),
        metrics=asked,
        baseline=tuple(first[1].total[name] for name in asked),
        differences=tuple(tuple(_difference(name, first, other) for other in others) for name in asked),
    )


def _about(scenario: Scenario) -> dict[str, Any]:
    """Say what a scenario is about: choices in the order of the model file, and nothing is put in."""
    about = of_scenario(scenario).described() | {"choices": dict(scenario.options)}
    kept = {key: value for key, value in about.items() if key not in ("gpu_title", "what_if", "command")}
    return kept | {"stated": stated(about, scenario.definition)}


_Answered = tuple[Scenario, Estimate]


def _difference(metric: str, baseline: _Answered, other: _Answered) -> MetricDifference:
    before, after = (result.total[metric] for _, result in (baseline, other))
    if before is None or after is None:
        return MetricDifference(value=after, difference=None, ratio=None, causes=(), explained=0.0, others=0)
    labelled = [{node.row.path: node.label for node in result.nodes} for _, result in (baseline, other)]
    left, right = (_met(parts_of(metric, *answered), labelled) for answered in (baseline, other))
    causes = [
        Cause(
            path=path,
            baseline=left.get(path, 0),
            value=right.get(path, 0),
            difference=change,
            label=_label(path, labelled),
        )
        for path in {**left, **right}
        if (change := right.get(path, 0) - left.get(path, 0)) != 0
    ]
    causes.sort(key=lambda cause: -abs(cause.difference))
    kept, explained = _fewest(causes)
    return MetricDifference(
        value=after,
        difference=after - before,
        ratio=arithmetic.whole(arithmetic.divide(after, before)) if before else None,
        causes=kept,
        explained=explained,
        others=len(causes) - len(kept),
    )


def _met(parts: Mapping[str, Any], labelled: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Add up, where just one of two trees has a node, all such nodes below the deepest one that both have."""
    met: dict[str, Any] = {}
    for path, value in parts.items():
        place = path
        while sum(place in tree for tree in labelled) == 1:
            place = place.rpartition("/")[0]
        place = path if place in ("", path) else f"{place}{OTHERS}"
        met[place] = met.get(place, 0) + value
    return met


def _label(path: str, labelled: Iterable[Mapping[str, str | None]]) -> str:
    """Name a node as both scenarios number its layers; where they differ, each as it does."""
    rest = OTHERS if path.endswith(OTHERS) else ""
    names = [label.split("/") for labels in labelled if (label := labels.get(path.removesuffix(OTHERS)))]
    return "/".join("|".join(dict.fromkeys(parts)) for parts in zip(*names, strict=True)) + rest or path


def _fewest(causes: Sequence[Cause]) -> tuple[tuple[Cause, ...], float]:
    """Return the fewest of the largest causes that are enough, and the share that they are."""
    whole = sum(abs(cause.difference) for cause in causes)
    covered: Any = 0
    for place, cause in enumerate(causes):
        covered += abs(cause.difference)
        if covered >= _ENOUGH * whole:
            return tuple(causes[: place + 1]), float(covered / whole)
    return (), 0.0


def parts_of(metric: str, scenario: Scenario, result: Estimate) -> dict[str, Any]:
    """Return what a metric of the whole is made of, by path; nothing for a ratio or a peak."""
    known = load_metrics()[metric]
    if known.kind == "memory":
        moment = worst_moment(scenario_program(scenario), result.values.numbers)
        return dict(zip(("weights", "KV cache", "live activations"), moment.parts.values(), strict=True))
    if known.kind == "stock":
        return _owned(metric, scenario, result)
    nodes = [node for node in result.nodes if node.metrics[metric] is not None]
    if known.kind == "latency" and known.unit.endswith("/s"):
        # A rate is of all stages together: none of them has a part of it.
        return {}
    if known.kind == "latency":
        used = names(scenario.definition.latencies[known.latency])
        parts = parts_of(known.of, scenario, result)
        parts = {path: time for path, time in parts.items() if path.partition("/")[0] in used}
        # A latency may divide its stages' times: each part has its share of it.
        whole = sum(parts.values()) or 1
        return {path: result.total[metric] * time / whole for path, time in parts.items()}
    if known.kind == "bound":
        nodes = _phases(nodes, scenario.definition)
    elif known.kind in ("flow", "time"):
        nodes = [node for node in nodes if node.row.aten]
        if known.takes in ("device", "kernels"):
            nodes += [node for node in beside_operators(result) if node.metrics[metric] is not None]
    elif known.kind in ("boundary", "wall"):
        nodes = [node for node in nodes if node.row.parent == 0]
    else:
        nodes = []
    return {node.row.path: node.metrics[metric] for node in nodes}


def _phases(nodes: Sequence[NodeNumbers], definition: Definition) -> list[NodeNumbers]:
    """Return the nodes whose bounds add up to that of the whole: of what overlaps each has what it adds."""
    return [node for node in nodes if any(node.row.path in phase for phase in definition.phases)]


def _owned(metric: str, scenario: Scenario, result: Estimate) -> dict[str, Any]:
    """Return what nodes own beside what is below them, each stock of the whole once; nothing where nodes know none."""
    program = scenario_program(scenario)
    rows, stocks = program.rows, program.members[STOCKS]
    whole = set(stocks[0])
    owning = {place for place, row in enumerate(rows) if set(stocks[place]) & whole}
    own = {place: result.nodes[place - 1].metrics[metric] for place in owning if place}
    if None in own.values():
        return {}
    for place in list(own):
        own[rows[place].parent] = own.get(rows[place].parent, 0) - result.nodes[place - 1].metrics[metric]
    return {rows[place].path: value for place, value in own.items() if place and value}
