"""Compare counts with formulas: exactly, or within a limit where lifetimes decide; what differs is named."""

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

from attrs import frozen

from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.evaluation.answer import scenario_details, scenario_program
from dsocr_symbolic.evaluation.estimate import Estimate, NodeNumbers, estimate
from dsocr_symbolic.evaluation.program import Program
from dsocr_symbolic.language.expression import EMPTY
from dsocr_symbolic.language.lookup import default_definition, layer_definition
from dsocr_symbolic.scenario.scenario import Scenario, make_scenario, scenario_values, switches
from dsocr_symbolic.verification.calls.cases import WHOLE
from dsocr_symbolic.verification.reference.cuda_flops import COSTS

FUNCTION_COSTS = {f"flops_per_{name}": cost for name, cost in COSTS.items()}
"""The ``flops_per_`` symbols as the counts have them."""
LIMITS: Mapping[str, float] = {"backward_activation_bytes": 0.01, "forward_activation_bytes": 0.05}
"""How far a formula may be off, as a part of the count; a metric that is not named here agrees to the last digit."""
LEAST_BYTES = 2**16
"""Metrics with a limit are compared from here on: below, the few bytes of a kernel's seeds would show."""


@frozen(kw_only=True)
class Counted:
    """Counts of one call of one module.

    Attributes
    ----------
    source : str
        Whose module it is: ``reference``, ``transformers 5.x``, ``checkpoint``.
    layer : str
        The formula file it stands for: ``vision/attention``.
    settings : mapping of str to number
        The formula's symbols in this call.
    choices : mapping of str to str
        Options of the model's choices in this call: ``attention``, ``precision``, ``experts``.
    metrics : mapping of str to int
        Counts by metric name of the registry; those that this source can count.
    by_aten : mapping of str to (int, int)
        Bytes moved and launches by aten operator; empty if not counted.
    without : tuple of str
        Nodes of the formula (last part of the path) that the call leaves out, such as ``embed_tokens``.
    beside : mapping of str to (mapping of str to int)
        By metric what a backward costs besides, by the kinds that the conventions leave out; less than 0 where it costs
        less.
    """

    source: str
    layer: str
    settings: Mapping[str, Any]
    choices: Mapping[str, str] = EMPTY
    metrics: Mapping[str, int]
    by_aten: Mapping[str, tuple[int, int]] = EMPTY
    without: tuple[str, ...] = ()
    beside: Mapping[str, Mapping[str, int]] = EMPTY


@frozen(kw_only=True)
class Difference:
    """A metric, or bytes and launches of an aten operator, that does not agree."""

    name: str
    formula: Any
    counted: Any


@frozen(kw_only=True)
class Verdict:
    """A count next to its formula.

    Attributes
    ----------
    counted : Counted
        The count.
    differences : tuple of Difference
        What is off by more than it may be: metrics first, then aten operators.
    ratios : mapping of str to float or None
        Formula over count by metric; None where no formula is built yet. Metrics too small to compare are left out.
    """

    counted: Counted
    differences: tuple[Difference, ...]
    ratios: Mapping[str, float | None]


def compare(counted: Counted) -> Verdict:
    """Put a count next to its formula."""
    differences = []
    ratios: dict[str, float | None] = {}
    numbers, operators = _numbers(counted)
    for name, count in counted.metrics.items():
        limit = LIMITS.get(name, 0)
        if limit and 0 < count < LEAST_BYTES:
            continue
        number = numbers[name]
        ratios[name] = None if number is None else _ratio(number, count)
        if number is not None and not -limit * count <= number - count <= limit * count:
            differences.append(Difference(name=name, formula=number, counted=count))
    if counted.by_aten:
        differences += _by_aten(operators, counted)
    return Verdict(counted=counted, differences=tuple(differences), ratios=ratios)


def _ratio(formula: Exact, counted: int) -> float:
    """Divide; next to a count of nothing, nothing is right and everything else is wholly wrong."""
    return float(formula / counted) if counted else float(formula == 0)


_STOCKS = ("parameters", "forward_weight_bytes", "forward_kv_cache_bytes")


def _numbers(counted: Counted) -> tuple[Mapping[str, Exact | None], Sequence[NodeNumbers]]:
    """Evaluate the formula for the metrics that were counted, and for its operators; what was left out adds nothing."""
    backward = any(name.startswith("backward_") for name in counted.metrics)
    result = formula_numbers(counted.layer, counted.settings, counted.choices, backward=backward)
    if counted.layer == WHOLE:
        return _before_decode(result, counted.metrics), ()
    if not counted.by_aten and not counted.without:
        return result.total, ()
    left_out = set(counted.without)
    operators = [node for node in result.nodes if node.row.aten and not left_out & set(node.row.path.split("/"))]
    flows = [name for name in counted.metrics if counted.without and name not in _STOCKS]
    return {**result.total, **{name: sum(node.metrics[name] for node in operators) for name in flows}}, operators


def _before_decode(result: Estimate, metrics: Mapping[str, int]) -> dict[str, Exact | None]:
    """Put the stages before decode together: a peak is the highest of them, everything else adds up."""
    stages = [numbers for name, numbers in result.stages.items() if name != "decode"]
    together: dict[str, Exact | None] = {}
    for name in metrics:
        numbers: list[Any] = [stage[name] for stage in stages]
        peaks = name == "forward_activation_bytes"
        together[name] = None if None in numbers else max(numbers) if peaks else sum(numbers)
    return together


def _by_aten(operators: Sequence[NodeNumbers], counted: Counted) -> list[Difference]:
    """Compare bytes and launches of each aten operator."""
    totals: dict[str, tuple[Any, Any]] = {}
    for node in operators:
        size, launches = totals.get(node.row.aten, (0, 0))
        metrics = node.metrics
        totals[node.row.aten] = (size + metrics["forward_io_bytes"], launches + metrics["operator_launches"])
    names = sorted(set(totals) | set(counted.by_aten))
    pairs = [(name, totals.get(name, (0, 0)), tuple(counted.by_aten.get(name, (0, 0)))) for name in names]
    return [
        Difference(name=f"aten {name}", formula=ours, counted=theirs) for name, ours, theirs in pairs if ours != theirs
    ]


def formula_numbers(
    layer: str, settings: Mapping[str, Exact], choices: Mapping[str, str], *, backward: bool = False
) -> Estimate:
    """Evaluate a formula file, or the whole network; without backward its metrics of training are left out."""
    key = (layer, tuple(sorted(choices.items())))
    scenario, program = _prepared(*key)
    values = scenario_values(scenario, {**FUNCTION_COSTS, **settings})
    return estimate(program, values, details=_details(*key)) if backward else estimate(program, values)


@cache
def _prepared(layer: str, choices: tuple[tuple[str, str], ...]) -> tuple[Scenario, Program]:
    """Read and compile a layer once for all of its counts."""
    definition = default_definition(None)
    alone = None if layer == WHOLE else layer
    scenario = make_scenario(
        definition=definition,
        layer=alone,
        settings=EMPTY,
        choices=dict(choices),
        waived=switches(definition if alone is None else layer_definition(definition, alone)),
    )
    return scenario, scenario_program(scenario)


@cache
def _details(layer: str, choices: tuple[tuple[str, str], ...]) -> Program:
    """Read and compile a layer's training step once for all of its counts."""
    return scenario_details(_prepared(layer, choices)[0])
