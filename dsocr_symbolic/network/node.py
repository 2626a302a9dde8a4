"""The model tree as data: every call of every formula with its costs, in the algebra it was built in."""

from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any, Literal

from attrs import frozen

from dsocr_symbolic.language.formula import Formula

Scope = Mapping[str, Any]

Repetition = Literal["none", "for", "parfor"]
"""How calls repeat: at most once, one after the other (layers, steps), or independent of each other (samples)."""


@frozen(kw_only=True)
class Site:
    """Where a callee stands.

    Attributes
    ----------
    key : str
        Its path.
    calls : sympy.Expr
        Calls of its caller, the callee's own guard left out.
    repeats : sympy.Expr
        How often it repeats in one of them.
    scope : mapping of str to value
        Values of its symbols.
    algebra : module
        Where they are from.
    """

    key: str
    calls: Any
    repeats: Any
    scope: Scope
    algebra: ModuleType


@frozen(kw_only=True)
class Steps:
    """A step that runs from 1 to ``last``."""

    index: Any
    last: Any


@frozen(kw_only=True)
class Launch:
    """What one launch of an operator costs: FLOPs and bytes, as expressions; backward: all launches it has."""

    tensor_core_flops: Any
    cuda_core_flops: Any
    io_bytes: Any


@frozen(kw_only=True, eq=False)
class Storage:
    """Memory that a call allocates; views and results in place share it.

    Attributes
    ----------
    key : str
        The path of what made it, and its name there.
    kind : str
        ``activation``, ``weight``, ``buffer`` or ``past``.
    size : sympy.Expr
        Bytes.
    copies : sympy.Expr
        How many of it one run of the whole makes.
    gradient : bool
        Whether a training step needs its gradient.
    """

    key: str
    kind: str
    size: Any
    copies: Any
    gradient: bool


Value = tuple[tuple[Any, Storage], ...]
"""What a name stands for: storages, each with a condition of 1 or 0, for a guard decides which one it is."""


@frozen(kw_only=True)
class Port:
    """A tensor that a call takes or gives: what it is for the caller, and what stands for it inside.

    They differ where a call repeats: inside is the tensor of one repeat. ``size`` is what the call declares of it, in
    bytes: a part of the caller's tensor if that is all it reads.
    """

    name: str
    size: Any
    outside: Value
    inside: Value


@frozen(kw_only=True)
class Stock:
    """What a module owns, once however often it runs.

    Attributes
    ----------
    key : str
        The tensor's checkpoint path; equal keys are one tensor.
    parameters, weight_bytes, kv_cache_bytes : sympy.Expr
        Elements and bytes, all copies together, at the end of the node that declares it.
    gradient_bytes : sympy.Expr
        Bytes of its gradient; 0 for a weight that never runs.
    """

    key: str
    parameters: Any
    weight_bytes: Any
    kv_cache_bytes: Any
    gradient_bytes: Any


@frozen(kw_only=True)
class Node:
    """A call in its place.

    Attributes
    ----------
    path : tuple of str
        From the stage down; labels may hold dots.
    formula : Formula
        The operator or layer that is called.
    given : mapping of str to sympy.Expr
        A value for each of its symbols.
    module : str
        Checkpoint path.
    category : str
        Of an operator; empty for layers.
    calls : sympy.Expr
        Calls of this node in the whole workload, guards of 1 or 0 included, steps left out.
    steps : Steps or None
        Over which the calls repeat once more.
    repetition : str
        How it repeats in one call of its parent.
    launch : Launch or None
        Of an operator.
    stocks : tuple of Stock
        Declared by this very node.
    runs : sympy.Expr
        1 if its own guard lets it run at all, else 0.
    again : sympy.Expr
        1 if it repeats and each repeat reads what the one before it wrote, else 0.
    inputs, outputs : tuple of Port
        The tensors that it takes and gives.
    caches : Value
        Storages that are KV cache when it returns.
    kept : Value
        Storages that its caller holds while it runs, without handing them in.
    held : Value
        Storages that it keeps until it returns, beyond their last reader.
    accumulated : sympy.Expr
        Bytes of outputs that earlier repeats keep beside those of the last one.
    required_bytes : sympy.Expr
        Bytes of its own weights and of its KV cache that one call cannot avoid to move.
    saved : Value
        Storages that an operator keeps for its backward; empty in inference.
    children : tuple of Node
        In order of execution.
    training : Node or None
        The same call in a training step, its launch that of the backward; None where there is no backward.
    """

    path: tuple[str, ...]
    formula: Formula
    given: Mapping[str, Any]
    module: str
    category: str
    calls: Any
    steps: Steps | None
    repetition: Repetition
    launch: Launch | None
    stocks: tuple[Stock, ...]
    runs: Any
    again: Any
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    caches: Value
    kept: Value
    held: Value
    accumulated: Any
    required_bytes: Any
    saved: Value
    children: tuple["Node", ...]
    training: "Node | None" = None


def walk(nodes: tuple[Node, ...]) -> Iterator[Node]:
    """Yield every node, parents before children."""
    for node in nodes:
        yield node
        yield from walk(node.children)
