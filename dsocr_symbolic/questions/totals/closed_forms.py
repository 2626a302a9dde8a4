"""Totals of stages as formulas that a person can read: few symbols stay free."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import sympy

from dsocr_symbolic.algebras import symbolic
from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.network.leaves import metric_expression
from dsocr_symbolic.network.node import Node
from dsocr_symbolic.scenario.values import Values
from dsocr_symbolic.writing.formula_text import as_text


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
