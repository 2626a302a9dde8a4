"""Totals of a node: its launches times its calls, summed over its steps, and the compulsory traffic at its edge.

A perfect compiler must still move that for a call: weights, inputs and KV cache read once, outputs and what the cache
gains written once. What stays between its operators is never moved: no scores, no mask, no copies.
"""

from collections.abc import Iterable, Mapping

import sympy

from dsocr_symbolic.algebras import symbolic
from dsocr_symbolic.algebras.value import Expr
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.expression import evaluate
from dsocr_symbolic.language.formula import Operator
from dsocr_symbolic.language.registry import TimeFormula, load_machine
from dsocr_symbolic.network.costs import either
from dsocr_symbolic.network.dataflow import Conditions, any_of, of_storages
from dsocr_symbolic.network.node import Launch, Node, Port, Steps, Storage, walk


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


def phase_seconds(phase: Node, edges: Mapping[tuple[str, ...], Expr], time: TimeFormula) -> Expr:
    """Return the seconds of a phase as a whole, its steps one after the other, given the bytes at each call's edge."""
    inside = list(walk((phase,)))
    launches = [(node.calls, node.launch) for node in inside if node.launch is not None]
    required = sympy.Add(*(node.calls * node.required_bytes for node in inside))
    whole = Launch(
        tensor_core_flops=sympy.Add(*(calls * launch.tensor_core_flops for calls, launch in launches)),
        cuda_core_flops=sympy.Add(*(calls * launch.cuda_core_flops for calls, launch in launches)),
        io_bytes=phase.calls * edges.get(phase.path, 0) + required,
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


def boundaries(stages: tuple[Node, ...]) -> Mapping[tuple[str, ...], Expr]:
    """Return the bytes of inputs and outputs that one call of each layer moves; operators are left out."""
    moved: dict[tuple[str, ...], Expr] = {}
    for stage in stages:
        _visit(stage, moved)
    return moved


def _visit(node: Node, moved: dict[tuple[str, ...], Expr]) -> tuple[Conditions, Conditions]:
    """Find the boundary of a node, and return what it reads and writes of its caller's storages."""
    if isinstance(node.formula, Operator):
        reads = of_storages(port.inside for port in node.inputs)
        writes = of_storages(port.inside for port in node.outputs)
    else:
        below = [_visit(child, moved) for child in node.children]
        reads = any_of((condition, storage) for read, _ in below for storage, condition in read.items())
        writes = any_of((condition, storage) for _, written in below for storage, condition in written.items())
        read = sum(port.size * _touches(port, reads) for port in node.inputs)
        moved[node.path] = read + sum(port.size * _touches(port, writes) for port in node.outputs)
    return _outside(node.inputs, reads, node), _outside((*node.inputs, *node.outputs), writes, node)


def _touches(port: Port, touched: Conditions) -> Expr:
    """Say whether anything inside touches what stands behind a port."""
    return either(condition * touched.get(storage, 0) for condition, storage in port.inside)


def _outside(ports: Iterable[Port], touched: Conditions, node: Node) -> Conditions:
    """Say of the caller's storages what is known of those inside."""
    parts: list[tuple[Expr, Storage]] = []
    for port in ports:
        if port.outside is port.inside:
            parts += ((node.runs * touched.get(storage, 0), storage) for _, storage in port.inside)
            continue
        any_inside = _touches(port, touched)
        for condition, storage in port.outside:
            parts.append((node.runs * condition * any_inside, storage))
            parts.append((node.runs * touched.get(storage, 0), storage))
    return any_of(parts)
