"""Compare counts with formulas: no tolerance, and the operator that differs named."""

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Any

from dsocr_symbolic.evaluation.answer import scenario_details, scenario_program
from dsocr_symbolic.evaluation.estimate import Estimate, NodeNumbers, estimate
from dsocr_symbolic.evaluation.program import Program
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.scenario.scenario import Scenario, make_scenario, scenario_values
from dsocr_symbolic.verification.calls.counted import FUNCTION_COSTS, Comparison, Counted, Difference

Evaluator = Callable[[Counted], Estimate]


@lru_cache(maxsize=1)
def _definition() -> Definition:
    return default_definition(None)


def formula_numbers(counted: Counted) -> Estimate:
    """Evaluate the formula that a count stands for.

    Parameters
    ----------
    counted : Counted
        Its layer, settings and choices.

    Returns
    -------
    Estimate
        The formula's numbers.

    Raises
    ------
    UserError
        If the layer or a symbol is unknown.
    """
    scenario, program = _prepared(counted.layer, tuple(sorted(counted.choices.items())))
    values = scenario_values(scenario, {**FUNCTION_COSTS, **counted.settings})
    if not any(name.startswith("backward_") for name in counted.metrics):
        return estimate(program, values)
    return estimate(program, values, details=_details(counted.layer, tuple(sorted(counted.choices.items()))))


@cache
def _prepared(layer: str, choices: tuple[tuple[str, str], ...]) -> tuple[Scenario, Program]:
    """Read and compile a layer once for all of its counts."""
    scenario = make_scenario(
        definition=_definition(), layer=layer, choices=dict(choices), waived=frozenset({"allow_any_grid"})
    )
    return scenario, scenario_program(scenario)


@cache
def _details(layer: str, choices: tuple[tuple[str, str], ...]) -> Program:
    """Read and compile a layer's training step once for all of its counts."""
    return scenario_details(_prepared(layer, choices)[0])


def compare(counted: Counted, evaluate: Evaluator = formula_numbers) -> Comparison:
    """Put a count next to its formula.

    Parameters
    ----------
    counted : Counted
        The count.
    evaluate : callable
        Gives the formula's numbers; mutants have their own.

    Returns
    -------
    Comparison
        Its differences: metrics first, then aten operators.
    """
    result = evaluate(counted)
    operators = [node for node in result.nodes if node.row.aten and not _left_out(node, counted.without)]
    differences = []
    for name, count in counted.metrics.items():
        number = result.total[name]
        if counted.without and name not in _STOCKS:
            number = sum(node.metrics[name] for node in operators)
        if number != count:
            differences.append(Difference(name=name, formula=number, counted=count))
    if counted.by_aten:
        differences += _by_aten(operators, counted)
    return Comparison(counted=counted, differences=tuple(differences))


_STOCKS = ("parameters", "forward_weight_bytes", "forward_kv_cache_bytes")


def _left_out(node: NodeNumbers, without: tuple[str, ...]) -> bool:
    return bool(without) and bool(set(node.row.path.split("/")) & set(without))


def _by_aten(operators: list[NodeNumbers], counted: Counted) -> list[Difference]:
    """Compare bytes and launches of each aten operator."""
    found: dict[str, tuple[Any, Any]] = {}
    for node in operators:
        size, launches = found.get(node.row.aten, (0, 0))
        metrics = node.metrics
        found[node.row.aten] = (size + metrics["forward_io_bytes"], launches + metrics["operator_launches"])
    names = sorted(set(found) | set(counted.by_aten))
    pairs = [(name, found.get(name, (0, 0)), tuple(counted.by_aten.get(name, (0, 0)))) for name in names]
    return [
        Difference(name=f"aten {name}", formula=ours, counted=theirs) for name, ours, theirs in pairs if ours != theirs
    ]
