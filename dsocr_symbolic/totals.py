"""Metrics of a node as sympy expressions, and closed forms of whole stages."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import sympy

from dsocr_symbolic import symbolic
from dsocr_symbolic.definition_file import load_metrics, load_time
from dsocr_symbolic.expression import evaluate, names
from dsocr_symbolic.flows import operator_flow
from dsocr_symbolic.printing import as_text
from dsocr_symbolic.tree import Node, walk
from dsocr_symbolic.values import Values

_FLOWS = {
    "forward_tensor_core_flops": "tensor_core_flops",
    "forward_cuda_core_flops": "cuda_core_flops",
    "forward_io_bytes": "io_bytes",
    "operator_launches": "operator_launches",
    "roofline_s": "seconds",
}
_STOCKS = {
    "parameters": "parameters",
    "forward_weight_bytes": "weight_bytes",
    "forward_kv_cache_bytes": "kv_cache_bytes",
}
FREE = ("batch", "crops", "image_tokens", "prompt_tokens", "new_tokens")


def metric_expression(nodes: tuple[Node, ...], metric: str) -> Any | None:
    """Return a metric of some nodes together.

    Parameters
    ----------
    nodes : tuple of Node
        For example one node, or all stages.
    metric : str
        A name of the registry.

    Returns
    -------
    sympy.Expr or None
        The expression, every symbol free; None for a metric that is not built yet.
    """
    everything = list(walk(nodes))
    if metric in _FLOWS:
        time = load_time() if metric == "roofline_s" else None
        flows = (operator_flow(node, time) for node in everything if node.launch is not None)
        return sympy.Add(*(getattr(flow, _FLOWS[metric]) for flow in flows))
    if metric in _STOCKS:
        # A tensor counts once, in its last state.
        owned = {stock.key: stock for node in everything for stock in node.stocks}
        return sympy.Add(*(getattr(stock, _STOCKS[metric]) for stock in owned.values()))
    formula = load_metrics()[metric].formula
    if formula is None:
        return None
    return evaluate(formula, {name: metric_expression(nodes, name) for name in names(formula)}, symbolic)


def closed_forms(
    stages: tuple[Node, ...], values: Values, kept: Iterable[str], show: Callable[[Any], str] = as_text
) -> dict[str, dict[str, str | None]]:
    """Print every metric of every stage and of the whole with few symbols free.

    Parameters
    ----------
    stages : tuple of Node
        The tree.
    values : Values
        What stands for the symbols that do not stay free.
    kept : iterable of str
        The symbols that do.
    show : callable
        Prints an expression.

    Returns
    -------
    dict of str to dict of str to str or None
        By stage (and ``total``) and metric; None for what has no closed form or is not built yet.
    """
    kept = set(kept)
    numbers = {symbolic.symbol(name): _exact(value) for name, value in values.numbers.items() if name not in kept}
    parts: dict[str, tuple[Node, ...]] = {stage.path[0]: (stage,) for stage in stages}
    parts["total"] = stages
    return {
        name: {metric: _closed_form(nodes, metric, numbers, show) for metric in load_metrics()}
        for name, nodes in parts.items()
    }


def _closed_form(
    nodes: tuple[Node, ...], metric: str, numbers: Mapping[Any, Any], show: Callable[[Any], str]
) -> str | None:
    """Print one metric; times and ratios of sums are no closed forms that a person could read."""
    if load_metrics()[metric].kind not in ("flow", "stock"):
        return None
    expression = metric_expression(nodes, metric)
    return None if expression is None else show(sympy.sympify(expression).xreplace(numbers))


def _exact(value: Any) -> Any:
    return sympy.Float(value) if isinstance(value, float) else sympy.Rational(value)
