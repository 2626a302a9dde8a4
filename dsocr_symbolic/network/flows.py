"""Totals of a node: its launches times its calls, summed over its steps, and the compulsory traffic at its edge.

A perfect compiler must still move that for a call: weights, inputs and KV cache read once, outputs and what the cache
gains written once. What stays between its operators is never moved: no scores, no mask, no copies.
"""

from collections.abc import Container, Iterable, Mapping, Sequence
from functools import cache

import sympy
from attrs import asdict, frozen

from dsocr_symbolic.algebras import steps, symbolic
from dsocr_symbolic.algebras.value import Expr
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.expression import evaluate
from dsocr_symbolic.language.formula import Operator
from dsocr_symbolic.language.registry import load_machine
from dsocr_symbolic.language.time_formula import TimeFormula, load_time
from dsocr_symbolic.network.costs import either
from dsocr_symbolic.network.dataflow import Conditions, any_of, of_storages
from dsocr_symbolic.network.kernel_seconds import summed
from dsocr_symbolic.network.kernels import machine_symbols
from dsocr_symbolic.network.node import Launch, Node, PhaseWork, Port, Steps, Storage, walk


@frozen(kw_only=True)
class Crossing:
    """What one call of a layer moves at its edge: bytes of each input that is read and each output that is written."""

    reads: tuple[tuple[Port, Expr], ...]
    writes: tuple[tuple[Port, Expr], ...]

    @property
    def moved(self) -> Expr:
        """The bytes of all of them."""
        return sum(size for _, size in (*self.reads, *self.writes))


def total_calls(node: Node) -> Expr:
    """Return the calls of a node, steps included."""
    return node.calls if node.steps is None else node.calls * node.steps.last


def over_steps(node: Node, term: Expr) -> Expr:
    """Total what one call costs over all calls and steps of a node; one without a closed sum is a UserError."""
    if node.steps is None:
        return node.calls * term
    try:
        return node.calls * steps.sum_steps(term, node.steps.index, node.steps.last)
    except ValueError as error:
        raise UserError(
            f"{'/'.join(node.path)}: a cost has no closed sum over the step {node.steps.index}: {error}"
        ) from error


def phase_seconds(
    phase: Sequence[Node],
    edges: Mapping[tuple[str, ...], Crossing],
    handed_on: Container[Storage],
    time: TimeFormula,
    fewest: Mapping[Expr, Expr],
) -> Expr:
    """Return the least seconds of nodes that overlap, their steps one after the other, given what crosses their edges.

    What one hands on to another one need not be moved; a weight that several read is read once.
    """
    inside = [node for member in phase for node in walk((member,))]
    launches = [(node.calls * node.needed, node.launch) for node in inside if node.launch is not None]
    given = [(member.calls, edges[member.path]) for member in phase if member.path in edges]
    read = [calls * size for calls, edge in given for port, size in edge.reads if _crosses(port, handed_on)]
    written = [calls * size for calls, edge in given for port, size in edge.writes if _crosses(port, handed_on)]
    whole = PhaseWork(
        tensor_core_flops=sympy.Add(*(calls * launch.tensor_core_flops for calls, launch in launches)),
        cuda_core_flops=sympy.Add(*(calls * launch.cuda_core_flops for calls, launch in launches)),
        read_bytes=sympy.Add(*read, *weights_read(inside), *(node.calls * node.required.cache_read for node in inside)),
        written_bytes=sympy.Add(*written, *(node.calls * node.required.cache_written for node in inside)),
    )
    least = PhaseWork(**{name: sympy.sympify(work).xreplace(fewest) for name, work in asdict(whole).items()})
    return launch_seconds(least, phase[0].steps, time, phase[0].path)


def _crosses(port: Port, handed_on: Container[Storage]) -> bool:
    return not any(storage in handed_on for _, storage in port.outside)


def handed_on(phase: Sequence[Node]) -> set[Storage]:
    """Return the storages that one of some nodes makes and another one takes."""
    made = {
        storage
        for member in phase
        for port in member.outputs
        for _, storage in port.outside
        if storage.key.startswith(f"{'/'.join(member.path)}/")
    }
    return made & {storage for member in phase for port in member.inputs for _, storage in port.outside}


def weights_read(nodes: Iterable[Node]) -> list[Expr]:
    """Return the bytes of each distinct weight that all calls of some nodes together read at least."""
    read: dict[str, dict[Expr, None]] = {}
    for node in nodes:
        for key, size in node.read_once.items():
            read.setdefault(key, {})[size] = None
    return [symbolic.highest(sizes) for sizes in read.values()]


def launch_seconds(launch: Launch | PhaseWork, steps: Steps | None, time: TimeFormula, path: tuple[str, ...]) -> Expr:
    """Evaluate a time formula, summed over steps in closed form."""
    scope: dict[str, Expr] = {name: symbolic.symbol(name) for name in load_machine()}
    scope |= {name: getattr(launch, name) for name in time.arguments}
    return summed(evaluate(time.seconds, scope, symbolic), steps, path)


def boundaries(stages: tuple[Node, ...]) -> Mapping[tuple[str, ...], Crossing]:
    """Return the bytes of inputs and outputs that one call of each layer moves; operators are left out."""
    moved: dict[tuple[str, ...], Crossing] = {}
    for stage in stages:
        _visit(stage, moved)
    return moved


def _visit(node: Node, moved: dict[tuple[str, ...], Crossing]) -> tuple[Conditions, Conditions]:
    """Find the boundary of a node, and return what it reads and writes of its caller's storages."""
    if isinstance(node.formula, Operator):
        reads = of_storages(port.inside for port in node.inputs)
        writes = of_storages(port.inside for port in node.outputs)
    else:
        below = [_visit(child, moved) for child in node.children]
        reads = any_of((condition, storage) for read, _ in below for storage, condition in read.items())
        writes = any_of((condition, storage) for _, written in below for storage, condition in written.items())
        moved[node.path] = Crossing(
            reads=tuple((port, port.size * _touches(port, reads)) for port in node.inputs),
            writes=tuple((port, port.size * _touches(port, writes)) for port in node.outputs),
        )
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


def host_seconds(node: Node) -> Expr:
    """Return what the host spends on the launches of a node itself, over all calls.

    Nothing where a graph replays, or where another operator's kernel does this one's work.
    """
    if node.launch is None or not node.kernels:
        return 0
    given = tuple((name, node.given[name]) for name in load_time(f"host/{node.host}").arguments)
    return (1 - node.captured) * total_calls(node) * _seconds(node.host, given)


def gap_seconds(node: Node) -> Expr:
    """Return how long the GPU pauses between kernels of a node itself, over all calls."""
    runs = symbolic.total(kernel.runs for kernel in node.kernels)
    return over_steps(node, runs) * (node.captured * _seconds("gap") + (1 - node.captured) * _seconds("pause"))


def replay_seconds(node: Node) -> Expr:
    """Return how long the GPU waits for a node's graphs, one for each call."""
    return node.captured * total_calls(node) * _seconds("replay")


@cache
def _seconds(name: str, given: tuple[tuple[str, Expr], ...] = ()) -> Expr:
    """Evaluate each file of formulas/time/host once for equal arguments, which are symbols of the operator."""
    return load_time(f"host/{name}").spelled({**machine_symbols(), **dict(given)}, symbolic)["seconds"]
