"""What launches cost beside the kernels: the host's work, or what a replayed graph pauses."""

from functools import cache

from dsocr_symbolic.algebras import symbolic
from dsocr_symbolic.algebras.value import Expr
from dsocr_symbolic.language.time_formula import load_time
from dsocr_symbolic.network.flows import over_steps, total_calls
from dsocr_symbolic.network.kernels import machine_symbols
from dsocr_symbolic.network.node import Node


def host_seconds(node: Node) -> Expr:
    """Return what the host spends on the launches of a node itself, over all calls.

    Nothing where a graph replays, or where another operator's kernel does this one's work.
    """
    if node.launch is None or not node.kernels:
        return 0
    return (1 - node.captured) * total_calls(node) * _seconds(node.host)


def gap_seconds(node: Node) -> Expr:
    """Return how long the GPU pauses between kernels of a node itself, over all calls."""
    runs = symbolic.total(kernel.runs for kernel in node.kernels)
    return over_steps(node, runs) * (node.captured * _seconds("gap") + (1 - node.captured) * _seconds("pause"))


def replay_seconds(node: Node) -> Expr:
    """Return how long the GPU waits for a node's graphs, one for each call."""
    return node.captured * total_calls(node) * _seconds("replay")


@cache
def _seconds(name: str) -> Expr:
    """Evaluate each file of formulas/time/host once."""
    return load_time(f"host/{name}").spelled(machine_symbols(), symbolic)["seconds"]
