"""Metrics as sums over operators and modules, said once more."""

from collections.abc import Iterator, Mapping
from typing import Any

from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.language.time_formula import is_forecast
from dsocr_symbolic.network.flows import boundaries, total_calls
from dsocr_symbolic.network.fold import is_detail
from dsocr_symbolic.network.leaves import saved_storages
from dsocr_symbolic.network.node import Node
from dsocr_symbolic.verification.expectations.facts import Facts, at_step, exact, number, page, steps
from dsocr_symbolic.verification.expectations.machine import Fact

_FLOWS = {"tensor_core_flops": "tensor_core_flops", "cuda_core_flops": "cuda_core_flops", "io_bytes": "io_bytes"}
_STOCKS = {
    "parameters": "parameters",
    "forward_weight_bytes": "weight_bytes",
    "forward_kv_cache_bytes": "kv_cache_bytes",
    "backward_weight_bytes": "gradient_bytes",
}
_KEPT = ("weight_bytes", "activation_bytes")
_NOT_HERE = ("roofline_s", "lower_bound_s", "ttft_s", "tpot_s", "ttft_lower_bound_s", "tpot_lower_bound_s")


def _measured() -> list[str]:
    """Return the metrics that measurements judge."""
    return [name for name in load_metrics() if is_forecast(name) or name == "device_kernels"]


def metrics() -> Iterator[Fact]:
    """Work every metric of every stage out from the nodes of the tree, with and without gradients of the encoder."""
    shipped = page()
    for stage in ("vision", "projector"):
        of_nothing = {f"backward_{name}": shipped.given(f"backward_{name}", stage) for name in (*_FLOWS, *_KEPT)}
        yield f"backward of {stage} as shipped", of_nothing, dict.fromkeys(of_nothing, 0)
        yield f"intensity of {stage}", shipped.given("backward_arithmetic_intensity", stage), None
    for point in (shipped, page(trains_encoder=1)):
        yield from _metrics(point)


def _metrics(point: Facts) -> Iterator[Fact]:
    stages = {node.path[0]: node for node in point.tree.stages}
    elsewhere = {*_NOT_HERE, *_measured(), *(name for name, known in load_metrics().items() if known.kind == "server")}
    yield "metrics", {*load_metrics()} - elsewhere, {*_stated(point, "prefill", stages["prefill"])}
    whole: dict[str, Any] = {}
    for stage, node in stages.items():
        for name, stated in _stated(point, stage, node).items():
            yield f"{name} of {stage}", point.given(name, stage), stated
            whole.setdefault(name, []).append(stated)
    for name in (
        "forward_tensor_core_flops",
        "forward_cuda_core_flops",
        "forward_io_bytes",
        "forward_fused_io_bytes",
        "operator_launches",
    ):
        yield f"{name} of the whole", point.given(name), sum(whole[name])
    for kind in _FLOWS:
        yield f"backward {kind} of the whole", point.given(f"backward_{kind}"), sum(whole[f"backward_{kind}"][:3])
    yield "memory of the whole", point.given("peak_memory_bytes"), max(whole["peak_memory_bytes"])
    for name, attribute in _STOCKS.items():
        yield f"{name} of the whole", point.given(name), _owned(point, tuple(point.nodes()), attribute)
    operator = next(row for row in point.fold.leaves.rows if row.aten and row.path.startswith("prefill"))
    moved = point.given("forward_io_bytes", operator.path)
    yield "compulsory bytes of an operator", point.given("forward_fused_io_bytes", operator.path), moved
    nowhere = {name for name, metric in load_metrics().items() if metric.kind == "null"}
    yield "what exists nowhere", nowhere, {"backward_kv_cache_bytes"}
    details = {"forward_fused_io_bytes", *(f"backward_{kind}" for kind in _FLOWS), "backward_activation_bytes"}
    there = {name for name, metric in load_metrics().items() if is_detail(metric)}
    yield "details", there - {*_measured()}, details


def _stated(point: Facts, stage: str, node: Node) -> dict[str, Any]:
    """State every metric of a stage but its times."""
    nodes = point.nodes(stage)
    launches = list(point.launches(stage))
    tensor_core, cuda_core, moved = (sum(launch[0] * launch[kind] for launch in launches) for kind in (1, 2, 3))
    back = {kind: _backward(nodes, kind) for kind in _FLOWS} if node.steps is None else dict.fromkeys(_FLOWS)
    trained = node.steps is None
    edges = boundaries(point.tree.stages)[node.path]
    required = sum((total(inside, inside.required.moved) for inside in nodes), start=total(node, edges.moved))
    row = [row.path for row in point.fold.leaves.rows].index(stage)
    alive, own = (number(peak[row], point.numbers) for peak in (point.fold.around, point.fold.inside))
    cache = _owned(point, tuple(nodes), "kv_cache_bytes")
    return {
        "forward_tensor_core_flops": tensor_core,
        "forward_cuda_core_flops": cuda_core,
        "forward_io_bytes": moved,
        "forward_fused_io_bytes": required,
        "forward_arithmetic_intensity": (tensor_core + cuda_core) / moved,
        "forward_activation_bytes": own,
        **{f"backward_{kind}": value for kind, value in back.items()},
        "backward_arithmetic_intensity": _intensity(back) if trained else None,
        "backward_activation_bytes": sum(map(exact, saved_storages((node,)).values())) if trained else None,
        "backward_kv_cache_bytes": None,
        "operator_launches": sum(exact(total_calls(inside)) for inside in nodes if inside.launch is not None),
        "peak_memory_bytes": _owned(point, tuple(point.nodes()), "weight_bytes") + cache + alive,
        **{name: _owned(point, tuple(nodes), attribute) for name, attribute in _STOCKS.items()},
        **({} if trained else {"backward_weight_bytes": None}),
    }


def _intensity(back: Mapping[str, Any]) -> Any:
    return (back["tensor_core_flops"] + back["cuda_core_flops"]) / back["io_bytes"] if back["io_bytes"] else None


def total(node: Node, cost: Any) -> Any:
    """Add a cost up over the calls of a node, step by step."""
    return sum(exact(node.calls) * exact(at_step(cost, node, step)) for step in steps(node))


def _backward(nodes: list[Node], kind: str) -> Any:
    trained = [node.training for node in nodes if node.training is not None and node.training.launch is not None]
    return sum(exact(node.calls) * exact(getattr(node.launch, kind)) for node in trained)


def _owned(point: Facts, nodes: tuple[Node, ...], attribute: str) -> Any:
    """Count what modules own once: of one key the last that is declared."""
    stocks = {stock.key: getattr(stock, attribute) for node in nodes for stock in node.stocks}
    return sum(number(stock, point.numbers) for stock in stocks.values())
