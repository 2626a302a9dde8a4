"""Totals of a node: its launches times its calls, summed over its steps, as sympy expressions."""

from typing import Any

import sympy
from attrs import frozen

from dsocr_symbolic import symbolic
from dsocr_symbolic.definition import TimeFormula
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.expression import evaluate
from dsocr_symbolic.tree import Node


@frozen(kw_only=True)
class Flow:
    """What an operator costs in the whole workload."""

    operator_launches: Any
    tensor_core_flops: Any
    cuda_core_flops: Any
    io_bytes: Any
    seconds: Any


def total_calls(node: Node) -> Any:
    """Return the calls of a node, steps included."""
    return node.calls if node.steps is None else node.calls * node.steps.last


def operator_flow(node: Node, time: TimeFormula | None) -> Flow:
    """Total the flows of an operator.

    Parameters
    ----------
    node : Node
        An operator.
    time : TimeFormula or None
        Seconds of one launch; without it seconds are 0.

    Returns
    -------
    Flow
        Launches, FLOPs, bytes and seconds over all calls and steps.

    Raises
    ------
    UserError
        If a cost is no polynomial in the step.
    """
    launch = node.launch
    assert launch is not None  # noqa: S101 - operators carry a launch by construction
    return Flow(
        operator_launches=total_calls(node),
        tensor_core_flops=_over_steps(node, launch.tensor_core_flops),
        cuda_core_flops=_over_steps(node, launch.cuda_core_flops),
        io_bytes=_over_steps(node, launch.io_bytes),
        seconds=sympy.S.Zero if time is None else _seconds(node, time),
    )


def _over_steps(node: Node, term: Any) -> Any:
    if node.steps is None:
        return node.calls * term
    try:
        return node.calls * symbolic.sum_steps(term, node.steps.index, node.steps.last)
    except ValueError as error:
        raise UserError(
            f"{'/'.join(node.path)}: a cost is no polynomial in the step {node.steps.index}; pass a 0|1 for a guard"
        ) from error


def _seconds(node: Node, time: TimeFormula) -> Any:
    launch = node.launch
    scope: dict[str, Any] = {name: symbolic.symbol(name) for name in time.symbols}
    scope |= {name: getattr(launch, name) for name in time.arguments}
    seconds = evaluate(time.seconds_per_launch, scope, symbolic)
    if node.steps is None:
        return node.calls * seconds
    index, last = node.steps.index, node.steps.last
    if not seconds.has(index):
        return node.calls * last * seconds
    terms = seconds.args if isinstance(seconds, symbolic.maximum) else (seconds,)
    lines = symbolic.lines(terms, index)
    if lines is None:
        raise UserError(f"{'/'.join(node.path)}: a cost that is not straight in the step {index} has no closed time")
    return node.calls * symbolic.sum_maxima(last, *(each for line in lines for each in line))
