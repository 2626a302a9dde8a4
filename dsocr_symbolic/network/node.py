"""The model tree as data: every call of every formula with its costs, in the algebra it was built in."""

from collections.abc import Iterator, Mapping
from types import ModuleType
from typing import Any, Literal

from attrs import frozen

from dsocr_symbolic.algebras.value import Expr, Value
from dsocr_symbolic.language.formula import Formula

Scope = Mapping[str, Value]

Repetition = Literal["none", "for", "parfor"]
"""How calls repeat: at most once, one after the other (layers, steps), or independent of each other (samples)."""


@frozen(kw_only=True)
class Site:
    """Where a callee stands.

    Attributes
    ----------
    key : str
        Its path.
    calls, repeats : Value
        Calls of its caller, the callee's own guard left out, and how often it repeats in one of them.
    scope, algebra : mapping of str to Value, module
        Values of its symbols, and where they are from.
    """

    key: str
    calls: Value
    repeats: Value
    scope: Scope
    algebra: ModuleType


@frozen(kw_only=True)
class Steps:
    """A step that runs from 1 to ``last``."""

    index: Expr
    last: Expr


@frozen(kw_only=True)
class Launch:
    """What one launch of an operator costs: FLOPs and bytes; backward: all launches it has."""

    tensor_core_flops: Value
    cuda_core_flops: Value
    io_bytes: Value


@frozen(kw_only=True)
class DeviceKernel:
    """What runs on a GPU in one call.

    Attributes
    ----------
    name, time, arguments : str, str, mapping of str to Value
        What its formula calls it, its class in formulas/time/device, and a value for each symbol of that.
    runs, waits : Value, bool
        How often it runs, and whether the host waits for it.
    """

    name: str
    time: str
    arguments: Mapping[str, Any]
    runs: Any
    waits: bool


@frozen(kw_only=True)
class Required:
    """Bytes that one call cannot avoid: its weights and cache read once, what the cache gains written once."""

    weights: Value
    cache_read: Value
    cache_written: Value

    @property
    def moved(self) -> Value:
        """All of them."""
        moved: Value = self.weights + (self.cache_read + self.cache_written)
        return moved


@frozen(kw_only=True)
class PhaseWork:
    """What a phase cannot do without: FLOPs, bytes read and bytes written."""

    tensor_core_flops: Value
    cuda_core_flops: Value
    read_bytes: Value
    written_bytes: Value


@frozen(kw_only=True, eq=False)
class Storage:
    """Memory that a call allocates; views and results in place share it.

    Attributes
    ----------
    key : str
        The path of what made it, and its name there.
    kind, gradient : str, Value
        ``activation``, ``weight``, ``buffer`` or ``past``; 1 if a training step needs its gradient, else 0.
    size, copies : Value
        Bytes, and how many of it one run of the whole makes.
    """

    key: str
    kind: str
    size: Value
    copies: Value
    gradient: Value


Storages = tuple[tuple[Expr, Storage], ...]
"""What a name stands for: storages, each with a condition of 1 or 0, for a guard decides which one it is."""


@frozen(kw_only=True)
class Port:
    """A tensor that a call takes or gives: what it is for the caller, and what stands for it inside.

    They differ where a call repeats: inside is the tensor of one repeat. ``size`` is what the call declares of it, in
    bytes: a part of the caller's tensor if that is all it reads.
    """

    name: str
    size: Value
    outside: Storages
    inside: Storages


@frozen(kw_only=True)
class Stock:
    """What a module owns, once however often it runs.

    Attributes
    ----------
    key : str
        The tensor's checkpoint path; equal keys are one tensor.
    parameters, weight_bytes, kv_cache_bytes : Value
        Elements and bytes, all copies together, at the end of the node that declares it.
    gradient_bytes : Value
        Bytes of its gradient; 0 for a weight that never runs, or runs without gradients.
    """

    key: str
    parameters: Value
    weight_bytes: Value
    kv_cache_bytes: Value
    gradient_bytes: Value


@frozen(kw_only=True)
class Node:
    """A call in its place.

    Attributes
    ----------
    path : tuple of str
        From the stage down; names may hold dots.
    stem, numbers : str, tuple of sympy.Expr
        Of a name that ends in numbers, what stands before them, and the first and last one; else empty.
    formula : Formula
        The operator or layer that is called.
    given : mapping of str to sympy.Expr
        A value for each of its symbols.
    slots : mapping of str to (str, mapping of str to sympy.Expr)
        The formulas that its caller puts into its slots, and values for the symbols that these give.
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
    kernels, host, captured : tuple of DeviceKernel, str, Value
        What the GPU runs in one call for this very node, what code launches it, and 1 where a graph does.
    repeats : sympy.Expr
        Calls in one call of its parent, guards of 1 or 0 included, steps left out.
    stocks : tuple of Stock
        Declared by this very node.
    runs : sympy.Expr
        1 if its own guard lets it run at all, else 0.
    again : sympy.Expr
        1 if it repeats and each repeat reads what the one before it wrote, else 0.
    inputs, outputs : tuple of Port
        The tensors that it takes and gives.
    caches : Storages
        Storages that are KV cache when it returns.
    kept : Storages
        Storages that its caller holds while it runs, without handing them in.
    held : Storages
        Storages that it keeps until it returns, beyond their last reader.
    accumulated : sympy.Expr
        Bytes of outputs that earlier repeats keep beside those of the last one.
    required : Required
        Bytes of its own weights and of its KV cache that one call cannot avoid to move.
    read_once : mapping of str to Value
        Bytes of each weight of its own that all calls together read at least, by checkpoint path.
    needed : sympy.Expr
        Share of its FLOPs that a perfect kernel cannot skip.
    saved : Storages
        Storages that an operator keeps for its backward; empty in inference.
    children : tuple of Node
        In order of execution.
    training : Node or None
        The same call in a training step, its launch that of the backward; None where there is no backward.
    """

    path: tuple[str, ...]
    stem: str
    numbers: tuple[Any, ...]
    formula: Formula
    given: Mapping[str, Any]
    slots: Mapping[str, tuple[str, Mapping[str, Any]]]
    module: str
    category: str
    calls: Any
    steps: Steps | None
    repetition: Repetition
    launch: Launch | None
    kernels: tuple[DeviceKernel, ...]
    host: str
    captured: Any
    repeats: Any
    stocks: tuple[Stock, ...]
    runs: Any
    again: Any
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    caches: Storages
    kept: Storages
    held: Storages
    accumulated: Any
    required: Required
    read_once: Mapping[str, Any]
    needed: Any
    saved: Storages
    children: tuple["Node", ...]
    training: "Node | None" = None


def walk(nodes: tuple[Node, ...]) -> Iterator[Node]:
    """Yield every node, parents before children."""
    for node in nodes:
        yield node
        yield from walk(node.children)
