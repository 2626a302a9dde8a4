"""What a server of the network holds: formulas/server.yaml on what weights, its largest forward and a cache take."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from dsocr_symbolic.language.expression import Expression, evaluate, names
from dsocr_symbolic.language.files.server_file import HELD, load_server
from dsocr_symbolic.language.registry import Metric, load_metrics

FORWARD = "forward"
"""The column of activations in a server's largest forward: one value, or none without a server."""


def held(fold: Any, *wanted: str) -> dict[str, Any]:
    """Return some of what a server holds by a network's fold, and what these are made of; None is what has no value.

    Nothing is there where the network has no server.
    """
    if not fold.leaves.columns[FORWARD]:
        return {}
    leaves, formulas = fold.leaves, load_server().holds
    found: dict[str, Any] = {
        "weight_bytes": fold.owned("forward_weight_bytes", 0),
        "activation_bytes": leaves.columns[FORWARD][0],
        "kv_cache_bytes": fold.owned("forward_kv_cache_bytes", 0),
    }

    def work_out(name: str) -> None:
        for used in sorted(names(formulas[name]) & formulas.keys() - found.keys()):
            work_out(used)
        found[name] = quotient(formulas[name], {**leaves.scope, **found}, leaves.algebra)

    for name in wanted:
        work_out(name)
    return found


def chain(metric: Metric) -> tuple[tuple[str, Expression], ...]:
    """Return the formulas that lead to a metric of a server from others and from symbols, its own the last.

    None for other metrics, and for one that follows from weights, activations and cache at once.
    """
    if metric.kind != "server":
        return ()
    formulas, steps = load_server().holds, dict[str, Expression]()
    others = {known.takes for known in load_metrics().values() if known.kind == "server"} - {metric.takes}

    def follow(name: str) -> bool:
        used = names(formulas[name])
        steps_below = [follow(inside) for inside in sorted(used & formulas.keys() - others - steps.keys())]
        steps[name] = formulas[name]
        return all(steps_below) and not used & {*HELD}

    return tuple(steps.items()) if follow(metric.takes) else ()


def quotient(formula: Expression, scope: Mapping[str, Any], algebra: ModuleType) -> Any:
    """Evaluate a formula of metrics; nothing moved is no ratio, and what does not exist has none."""
    try:
        return evaluate(formula, scope, algebra)
    except (ZeroDivisionError, KeyError, TypeError):
        return None
