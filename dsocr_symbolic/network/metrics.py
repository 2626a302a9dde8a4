"""Metrics of a node as sympy expressions, and closed forms of whole stages."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import sympy
from attrs import frozen

from dsocr_symbolic.algebras import symbolic
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import Expression, evaluate, names
from dsocr_symbolic.language.registry import load_metrics, load_time
from dsocr_symbolic.network.dataflow import Found, of_storages
from dsocr_symbolic.network.flows import operator_flow, over_steps, phase_seconds
from dsocr_symbolic.network.fusion import boundaries
from dsocr_symbolic.network.liveness import Memory, highest, memory, peak
from dsocr_symbolic.network.node import Node, Storage, Value, walk


def _kept(node: Node) -> Value:
    """Return what an operator saves, weights left out: they are there anyway."""
    saved = node.training.saved if node.training else ()
    return tuple((condition, storage) for condition, storage in saved if storage.kind != "weight")


def saved_storages(nodes: tuple[Node, ...]) -> dict[Storage, Any]:
    """Return every storage that nodes save in a training step, weights left out, with its bytes over all calls."""
    return _sizes(of_storages(_kept(node) for node in walk(nodes)))


def _sizes(found: Found) -> dict[Storage, Any]:
    return {storage: condition * storage.size * storage.copies for storage, condition in found.items()}


_FLOWS = {
    "tensor_core_flops": "tensor_core_flops",
    "cuda_core_flops": "cuda_core_flops",
    "io_bytes": "io_bytes",
    "operator_launches": "operator_launches",
    "roofline_s": "seconds",
}


_STOCKS = {
    "parameters": "parameters",
    "forward_weight_bytes": "weight_bytes",
    "forward_kv_cache_bytes": "kv_cache_bytes",
    "backward_weight_bytes": "gradient_bytes",
}


@frozen(kw_only=True)
class Whole:
    """The tree that nodes are part of, for metrics that depend on what stands around them."""

    definition: Definition
    stages: tuple[Node, ...]

    @cached_property
    def memory(self) -> Mapping[tuple[str, ...], Memory]:
        """The memory of every call."""
        return memory(self.stages)


def metric_expression(nodes: tuple[Node, ...], metric: str, whole: Whole | None = None) -> Any | None:
    """Return a metric of some nodes together.

    Parameters
    ----------
    nodes : tuple of Node
        One node, or all stages.
    metric : str
        A name of the registry.
    whole : Whole or None
        The tree that they are part of: bounds, peaks and latencies need it.

    Returns
    -------
    sympy.Expr or None
        The expression, every symbol free; None for a metric that does not exist there.
    """
    known = load_metrics()[metric]
    if known.kind in ("flow", "time"):
        return _flow(nodes, metric)
    if known.kind == "stock":
        return _stock(nodes, metric)
    if known.kind == "boundary":
        return sympy.Add(*(_compulsory(node) for node in nodes))
    if known.kind == "ratio" and known.formula is not None:
        parts = {name: metric_expression(nodes, name, whole) for name in names(known.formula)}
        return None if None in parts.values() else evaluate(known.formula, parts, symbolic)
    if whole is None:
        return None
    if known.kind == "peak":
        return sympy.sympify(highest(nodes, whole.memory) if len(nodes) > 1 else peak(nodes[0], whole.memory))
    if known.kind == "bound":
        return _bound(nodes, whole)
    if known.kind == "memory" and known.formula is not None:
        return _resident(nodes, known.formula, whole)
    return _latency(nodes, metric, whole) if known.kind == "latency" else None


def _flow(nodes: tuple[Node, ...], metric: str) -> Any | None:
    """Add up a flow over operators; a backward over those that have one."""
    backward = metric.startswith("backward_")
    name = metric.removeprefix("backward_").removeprefix("forward_")
    everything = [node.training if backward else node for node in walk(nodes)]
    if backward and not any(everything):
        return None
    time = load_time("roofline") if metric == "roofline_s" else None
    flows = (operator_flow(node, time) for node in everything if node is not None and node.launch is not None)
    return sympy.Add(*(getattr(flow, _FLOWS[name]) for flow in flows))


def _stock(nodes: tuple[Node, ...], metric: str) -> Any | None:
    """Add up distinct stocks, each in its last state."""
    everything = [node for node in walk(nodes) if node.training is not None or not metric.startswith("backward_")]
    if not everything:
        return None
    if metric == "backward_activation_bytes":
        return sympy.Add(*saved_storages(nodes).values())
    owned = {stock.key: stock for node in everything for stock in node.stocks}
    return sympy.Add(*(getattr(stock, _STOCKS[metric]) for stock in owned.values()))


def _compulsory(node: Node) -> Any:
    """Return the bytes that a node cannot avoid: its edge, its weights and its cache; an operator's own traffic."""
    if node.launch is not None:
        return over_steps(node, node.launch.io_bytes)
    edge = over_steps(node, boundaries((node,))[node.path])
    return edge + sympy.Add(*(over_steps(each, each.required_bytes) for each in walk((node,))))


def _bound(nodes: tuple[Node, ...], whole: Whole) -> Any | None:
    """Add up the phases at or below nodes."""
    inside = [node for node in walk(nodes) if "/".join(node.path) in whole.definition.phases]
    edges = boundaries(nodes)
    bound = load_time("lower_bound")
    return sympy.Add(*(phase_seconds(node, edges, bound) for node in inside)) if inside else None


def _resident(nodes: tuple[Node, ...], formula: Expression, whole: Whole) -> Any | None:
    """Return what is resident at the worst moment of stages."""
    if any(node not in whole.stages for node in nodes):
        return None
    found = whole.memory
    resident = metric_expression(whole.stages, "forward_weight_bytes")
    moments = []
    for node in nodes:
        live = peak(node, found) + sympy.Add(*found[node.path].beside)
        cache = metric_expression((node,), "forward_kv_cache_bytes")
        scope = {"resident_weight_bytes": resident, "live_activation_bytes": live, "forward_kv_cache_bytes": cache}
        moments.append(evaluate(formula, scope, symbolic))
    return moments[0] if len(moments) == 1 else symbolic.maximum(*moments)


def _latency(nodes: tuple[Node, ...], metric: str, whole: Whole) -> Any | None:
    """Evaluate a latency of the whole in the stages' times."""
    known = load_metrics()[metric]
    if nodes != whole.stages or known.latency not in whole.definition.latencies:
        return None
    formula = whole.definition.latencies[known.latency]
    scope: dict[str, Any] = {name: symbolic.symbol(name) for name in whole.definition.quantities}
    used = names(formula)
    scope |= {
        node.path[0]: metric_expression((node,), known.of, whole) for node in whole.stages if node.path[0] in used
    }
    return evaluate(formula, scope, symbolic)
