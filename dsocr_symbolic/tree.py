"""The model tree as data: every call of every formula with its costs, in the algebra it was built in."""

from collections.abc import Iterator
from typing import Any

from attrs import frozen

from dsocr_symbolic.formula import Formula


@frozen(kw_only=True)
class Steps:
    """A step that runs from 1 to ``last``."""

    index: Any
    last: Any


@frozen(kw_only=True)
class Launch:
    """What one launch of an operator costs: FLOPs and bytes, as expressions."""

    tensor_core_flops: Any
    cuda_core_flops: Any
    io_bytes: Any


@frozen(kw_only=True)
class Stock:
    """What a module owns, once however often it runs.

    Attributes
    ----------
    key : str
        The tensor's checkpoint path; equal keys are one tensor.
    parameters, weight_bytes, kv_cache_bytes : sympy.Expr
        Elements and bytes, all copies together, at the end of the node that declares it.
    """

    key: str
    parameters: Any
    weight_bytes: Any
    kv_cache_bytes: Any


@frozen(kw_only=True)
class Node:
    """A call in its place.

    Attributes
    ----------
    path : tuple of str
        From the stage down; labels may hold dots.
    formula : Formula
        The operator or layer that is called.
    module : str
        Checkpoint path.
    category : str
        Of an operator; empty for layers.
    calls : sympy.Expr
        Calls of this node in the whole workload, guards of 1 or 0 included, steps left out.
    steps : Steps or None
        Over which the calls repeat once more.
    launch : Launch or None
        Of an operator.
    stocks : tuple of Stock
        Declared by this very node.
    children : tuple of Node
        In order of execution.
    """

    path: tuple[str, ...]
    formula: Formula
    module: str
    category: str
    calls: Any
    steps: Steps | None
    launch: Launch | None
    stocks: tuple[Stock, ...]
    children: tuple["Node", ...]


def walk(nodes: tuple[Node, ...]) -> Iterator[Node]:
    """Yield every node, parents before children."""
    for node in nodes:
        yield node
        yield from walk(node.children)
