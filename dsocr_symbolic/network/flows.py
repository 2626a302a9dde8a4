"""Totals of a node: its launches times its calls, summed over its steps, and the compulsory traffic at its edge.

A perfect compiler must still move that for a call: weights, inputs and KV cache read once, outputs and what the cache
gains written once. What stays between its operators is never moved: no scores, no mask, no copies.
"""

from collections.abc import Iterable, Mapping, Sequence

import sympy

from dsocr_symbolic.algebras import symbolic
from dsocr_symbolic.algebras.value import Expr
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.expression import evaluate
from dsocr_symbolic.language.formula import Operator
from dsocr_symbolic.language.registry import TimeFormula, load_machine
from dsocr_symbolic.network.dataflow import Conditions, any_of, either, of_storages
from dsocr_symbolic.network.node import Launch, Moved, Node, PhaseWork, Port, Steps, Storage, walk


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


def phase_seconds(
    phase: Sequence[Node],
    edges: Mapping[tuple[str, ...], Moved],
    time: TimeFormula,
    fewest: Mapping[Expr, Expr],
    *,
    first: bool,
) -> Expr:
    """Return the least seconds of nodes that overlap, their steps one after the other, given the bytes at their edges.

    Calls that do not depend on one another overlap, too: of what follows another phase only the last one is sure to.
    """
    work = [_least(node, edges, first=first) for node in phase]
    weights = [node_weights(node) for node in phase]
    keys = dict.fromkeys(key for owned in weights for key in owned)
    read = sympy.Add(*(symbolic.highest(owned[key] for owned in weights if key in owned) for key in keys))
    whole = PhaseWork(
        tensor_core_flops=sympy.Add(*(part.tensor_core_flops for part in work)).xreplace(fewest),
        cuda_core_flops=sympy.Add(*(part.cuda_core_flops for part in work)).xreplace(fewest),
        read_bytes=sympy.Add(read, *(part.read_bytes for part in work)).xreplace(fewest),
        written_bytes=sympy.Add(*(part.written_bytes for part in work)).xreplace(fewest),
    )
    return launch_seconds(whole, phase[0].steps, time, phase[0].path)


def _least(phase: Node, edges: Mapping[tuple[str, ...], Moved], *, first: bool) -> PhaseWork:
    """Return what a phase cannot do without, its weights left out."""
    inside = list(walk((phase,)))
    share = 1 if first else symbolic.positive(phase.calls) / phase.calls
    launches = [(node.calls * node.needed, node.launch) for node in inside if node.launch is not None]
    caches = [(node.calls, node.required.cache) for node in inside]
    edge = edges.get(phase.path, Moved(read=0, written=0))
    return PhaseWork(
        tensor_core_flops=share * sympy.Add(*(calls * launch.tensor_core_flops for calls, launch in launches)),
        cuda_core_flops=share * sympy.Add(*(calls * launch.cuda_core_flops for calls, launch in launches)),
        read_bytes=share * sympy.Add(phase.calls * edge.read, *(calls * cache.read for calls, cache in caches)),
        written_bytes=share
        * sympy.Add(phase.calls * edge.written, *(calls * cache.written for calls, cache in caches)),
    )


def node_weights(phase: Node) -> dict[str, Expr]:
    """Return the bytes of each distinct weight at or below a node that all its calls together read at least."""
    read: dict[str, list[Expr]] = {}
    for node in walk((phase,)):
        for key, size in node.read_once.items():
            read.setdefault(key, []).append(size)
    return {key: symbolic.highest(dict.fromkeys(sizes)) for key, sizes in read.items()}


def launch_seconds(launch: Launch | PhaseWork, steps: Steps | None, time: TimeFormula, path: tuple[str, ...]) -> Expr:
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


def boundaries(stages: tuple[Node, ...]) -> Mapping[tuple[str, ...], Moved]:
    """Return the bytes of inputs and outputs that one call of each layer moves; operators are left out."""
    moved: dict[tuple[str, ...], Moved] = {}
    for stage in stages:
        _visit(stage, moved)
    return moved


def _visit(node: Node, moved: dict[tuple[str, ...], Moved]) -> tuple[Conditions, Conditions]:
    """Find the boundary of a node, and return what it reads and writes of its caller's storages."""
    if isinstance(node.formula, Operator):
        reads = of_storages(port.inside for port in node.inputs)
        writes = of_storages(port.inside for port in node.outputs)
    else:
        below = [_visit(child, moved) for child in node.children]
        reads = any_of((condition, storage) for read, _ in below for storage, condition in read.items())
        writes = any_of((condition, storage) for _, written in below for storage, condition in written.items())
        read = sum(port.size * _touches(port, reads) for port in node.inputs)
        written = sum(port.size * _touches(port, writes) for port in node.outputs)
        moved[node.path] = Moved(read=read, written=written)
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
