"""Totals of a node: its launches times its calls, summed over its steps, as sympy expressions."""

from collections.abc import Mapping

import sympy

from dsocr_symbolic.algebras import symbolic
from dsocr_symbolic.algebras.value import Expr
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.expression import evaluate
from dsocr_symbolic.language.registry import TimeFormula, load_machine
from dsocr_symbolic.network.node import Launch, Node, Steps, walk


def total_calls(node: Node) -> Expr:
    """Return the calls of a node, steps included."""
    return node.calls if node.steps is None else node.calls * node.steps.last


def over_steps(node: Node, term: Expr) -> Expr:
    """Total what one call costs over all calls and steps of a node; no polynomial in the step is a UserError."""
    if node.steps is None:
        return node.calls * term
    try:
        return node.calls * symbolic.sum_steps(term, node.steps.index, node.steps.last)
    except ValueError as error:
        raise UserError(
            f"{'/'.join(node.path)}: a cost is no polynomial in the step {node.steps.index}; pass a 0|1 for a guard"
        ) from error


def phase_seconds(phase: Node, boundaries: Mapping[tuple[str, ...], Expr], time: TimeFormula) -> Expr:
    """Return the seconds of a phase as a whole, its steps one after the other, given the bytes at each call's edge."""
    inside = list(walk((phase,)))
    launches = [(node.calls, node.launch) for node in inside if node.launch is not None]
    required = sympy.Add(*(node.calls * node.required_bytes for node in inside))
    whole = Launch(
        tensor_core_flops=sympy.Add(*(calls * launch.tensor_core_flops for calls, launch in launches)),
        cuda_core_flops=sympy.Add(*(calls * launch.cuda_core_flops for calls, launch in launches)),
        io_bytes=phase.calls * boundaries.get(phase.path, 0) + required,
    )
    return launch_seconds(whole, phase.steps, time, phase.path)


def launch_seconds(launch: Launch, steps: Steps | None, time: TimeFormula, path: tuple[str, ...]) -> Expr:
    """Evaluate a time formula, summed over steps in closed form."""
    scope: dict[str, Expr] = {name: symbolic.symbol(name) for name in load_machine()}
    scope |= {name: getattr(launch, name) for name in time.arguments}
    seconds = evaluate(time.seconds, scope, symbolic)
    if steps is None:
        return seconds
    if not seconds.has(steps.index):
        return steps.last * seconds
    terms = seconds.args if isinstance(seconds, symbolic.maximum) else (seconds,)
    lines = symbolic.lines(terms, steps.index)
    if lines is None:
        raise UserError(f"{'/'.join(path)}: a cost that is not straight in the step {steps.index} has no closed time")
    return symbolic.sum_maxima(steps.last, *(end for line in lines for end in line))
