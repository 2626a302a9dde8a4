"""Which operator reads what which other one wrote: in a call as it runs, and in the tree of its formulas.

Operators are known by their aten names, and whatever comes from outside the call is left out. A tensor that an operator
takes twice is read once.
"""

from collections import Counter
from collections.abc import Container, Iterable
from fractions import Fraction
from itertools import chain
from typing import Any

from attrs import evolve, frozen
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.language.formula import Layer, Operator
from dsocr_symbolic.network.node import Node, Storage, Storages
from dsocr_symbolic.verification.reference.trace import OVERWRITES, is_free, tensors_in

Edges = Counter[tuple[str, str]]
"""How often the second operator reads what the first one wrote."""


class FlowTrace(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follow what every operator within the block writes to those that read it; a view is the tensor that it is of."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.m_edges: Edges = Counter()
        self.m_writers: dict[int, str] = {}
        # A storage that is gone would lend its number to the next one.
        self.m_written: list[Tensor] = []

    @property
    def edges(self) -> Edges:
        """What was read of what."""
        return Counter(self.m_edges)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operator; views and allocations write nothing."""
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        if is_free(func):
            return out
        name = func._overloadpacket.__name__  # noqa: SLF001
        # What is overwritten is not read.
        read = {_number(tensor) for tensor in tensors_in((*args[name in OVERWRITES :], *kwargs.values()))}
        self.m_edges.update((self.m_writers[number], name) for number in read & self.m_writers.keys())
        for tensor in tensors_in((out,)):
            self.m_writers[_number(tensor)] = name
            self.m_written.append(tensor)
        return out


def _number(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)  # noqa: SLF001


@frozen(kw_only=True)
class _Written:
    """Who wrote what stands for a name.

    Attributes
    ----------
    by : str
        The operator's aten name.
    share : number
        In which part of the calls of a reader it is this one.
    copies : number
        How many tensors it stands for, where calls beside each other wrote one each.
    """

    by: str
    share: Exact = 1
    copies: Exact = 1


_Writers = dict[Storage, tuple[_Written, ...]]


def edges_of(nodes: Iterable[Node], without: Container[str] = ()) -> Edges:
    """Follow tensors through the operators of a tree of numbers, in order of execution; some nodes are left out."""
    edges: Edges = Counter()
    _follow(nodes, edges, {}, without)
    return Counter({edge: count for edge, count in edges.items() if count})


def _follow(nodes: Iterable[Node], edges: Edges, writers: _Writers, without: Container[str]) -> None:
    for node in nodes:
        if node.path[-1] in without:
            continue
        if not node.calls:
            if isinstance(node.formula, Layer) and node.inputs and node.outputs:
                # Layers of which there is none hand on what they are given.
                _hand_on(node.inputs[0].outside, node.outputs[0].outside, writers, 1)
            continue
        if isinstance(node.formula, Operator):
            _read(node, node.formula.aten, edges, writers)
        else:
            _enter(node, edges, writers, without)
        for port in node.outputs:
            inside = {storage for _, storage in port.inside}
            beyond = tuple(part for part in port.outside if part[1] not in inside)
            _hand_on(port.inside, beyond, writers, 1 if node.again else node.calls)


def _read(node: Node, aten: str, edges: Edges, writers: _Writers) -> None:
    own = {storage for port in node.outputs for _, storage in port.inside}
    seen: set[Storage] = set()
    for port in node.inputs:
        read = [storage for condition, storage in port.inside if condition and storage not in seen]
        seen.update(read)
        behind = [writers[storage] for storage in read if storage in writers]
        # What copies filled part by part is one tensor.
        filled = [each for each in behind if {written.by for written in each} <= OVERWRITES]
        apart = [each for each in behind if each not in filled]
        for written in chain(*apart, *dict.fromkeys(filled)):
            edges[written.by, aten] += max(node.calls * written.share, written.copies)
    for storage in own & seen & writers.keys():
        # What repeats in place reads itself, but for the first time.
        again = node.calls - node.calls // node.repeats
        for written in writers[storage]:
            edges[written.by, aten] -= again * written.share
        edges[aten, aten] += again
    writers.update((storage, (_Written(by=aten),)) for storage in own)


def _enter(node: Node, edges: Edges, writers: _Writers, without: Container[str]) -> None:
    """Follow the calls of a layer; where each reads what the one before wrote, the first alone reads from outside."""
    for port in node.inputs:
        if port.inside is not port.outside:
            _hand_on(port.outside, port.inside, writers, 1)
    if node.again and node.repeats > 1:
        once = dict(writers)
        _follow(node.children, Counter(), once, without)
        ((_, link),) = node.inputs[0].inside
        first = [evolve(each, share=each.share * Fraction(1, node.repeats)) for each in writers.get(link, ())]
        later = 1 - Fraction(1, node.repeats)
        made = (storage for condition, storage in node.outputs[0].inside if condition)
        after = [evolve(each, share=each.share * later) for storage in made for each in once.get(storage, ())]
        writers[link] = (*first, *after)
    _follow(node.children, edges, writers, without)


def _hand_on(source: Storages, target: Storages, writers: _Writers, copies: Exact) -> None:
    """Let what stands behind one name be what was written under another."""
    known = [each for condition, storage in source if condition for each in writers.get(storage, ())]
    if known:
        handed = tuple(evolve(each, copies=max(each.copies, copies)) for each in known)
        writers.update((storage, handed) for _, storage in target)
