"""Peak memory: a tensor lives from its writer to its last reader, views and results in place share it.

A caller keeps what it hands in until the call returns, and what its code names longer than it reads
(``holds``). Weights and the KV cache are no activations; a cache that is copied stands twice meanwhile.
"""

from collections.abc import Iterable, Mapping
from typing import Any

import sympy
from attrs import frozen

from dsocr_symbolic.language.formula import Operator
from dsocr_symbolic.network.dataflow import either, of_storages
from dsocr_symbolic.network.node import Node, Storage, walk

_COUNTED = ("activation", "past")


@frozen(kw_only=True)
class Memory:
    """Bytes of activations around one call, tensor by tensor.

    Attributes
    ----------
    beside : tuple of sympy.Expr
        What its caller keeps alive meanwhile, besides what the call takes and gives.
    own : tuple of sympy.Expr
        What an operator itself takes and gives; nothing for a layer.
    kept, touched : mapping of Storage to sympy.Expr
        The bytes that ``beside`` and ``own`` are made of; what earlier repeats keep is in ``beside`` alone.
    """

    beside: tuple[Any, ...]
    own: tuple[Any, ...]
    kept: Mapping[Storage, Any]
    touched: Mapping[Storage, Any]


def memory(stages: tuple[Node, ...]) -> Mapping[tuple[str, ...], Memory]:
    """Return the memory of every call; of one that repeats over steps, that of the last step."""
    caches = of_storages(node.caches for node in walk(stages))
    found: dict[tuple[str, ...], Memory] = {}
    inputs = _open_inputs(stages)
    _place(stages, inputs, inputs, caches, found)
    return found


def _open_inputs(stages: tuple[Node, ...]) -> dict[Storage, Any]:
    """Return what the stages read and none of them wrote."""
    written: set[Storage] = set()
    opened: dict[Storage, Any] = {}
    for node in stages:
        opened |= {s: c for s, c in of_storages(port.outside for port in node.inputs).items() if s not in written}
        written |= set(of_storages(port.outside for port in node.outputs))
    return opened


def _place(
    children: tuple[Node, ...],
    inputs: Mapping[Storage, Any],
    behind: Mapping[Storage, Any],
    caches: Mapping[Storage, Any],
    found: dict[tuple[str, ...], Memory],
) -> None:
    """Find the memory of calls in order, given what is at hand before and what must be there behind them."""
    takes = [of_storages(port.outside for port in child.inputs) for child in children]
    gives = [of_storages(port.outside for port in child.outputs) for child in children]
    born = dict.fromkeys(inputs, -1)
    for place, given in enumerate(gives):
        for storage in given:
            born.setdefault(storage, place)
    # Walking backwards, what is needed later grows by what each call takes.
    later: dict[Storage, list[Any]] = {storage: [condition] for storage, condition in behind.items()}
    for place in range(len(children) - 1, -1, -1):
        child = children[place]
        own = _own_storages(child)
        for condition, storage in child.kept:
            later.setdefault(storage, []).append(condition)
        kept = {
            storage: either(conditions) * (1 - own.get(storage, 0)) * _size(storage, caches)
            for storage, conditions in later.items()
            if born.get(storage, place) < place and storage.kind == "activation"
        }
        touched = _own(child, caches)
        found[child.path] = Memory(
            beside=_last([child.accumulated, *kept.values()], child),
            own=_last(touched.values(), child),
            kept=kept,
            touched=touched,
        )
        for storage, condition in takes[place].items():
            later.setdefault(storage, []).append(condition)
        inside = of_storages(port.inside for port in child.inputs)
        returned = of_storages([child.held, *(port.inside for port in (*child.inputs, *child.outputs))])
        _place(child.children, inside, returned, caches, found)


def _own_storages(node: Node) -> Mapping[Storage, Any]:
    """Return what a call counts as its own: what it takes and gives, of a chain only as long as it is the first."""
    values = [port.outside for port in (*node.inputs, *node.outputs) if port.outside is port.inside]
    chained = [port.outside for port in (*node.inputs, *node.outputs) if port.outside is not port.inside]
    first = {storage: (1 - node.again) * condition for storage, condition in of_storages(chained).items()}
    own = of_storages(values)
    return {storage: either([own.get(storage, 0), first.get(storage, 0)]) for storage in {**first, **own}}


def _own(node: Node, caches: Mapping[Storage, Any]) -> Mapping[Storage, Any]:
    if not isinstance(node.formula, Operator):
        return {}
    touched = of_storages(port.inside for port in (*node.inputs, *node.outputs))
    return {storage: condition * _size(storage, caches) for storage, condition in touched.items()}


def _size(storage: Storage, caches: Mapping[Storage, Any]) -> Any:
    if storage.kind not in _COUNTED:
        return 0
    return storage.size * (1 - caches.get(storage, 0))


def _last(terms: Iterable[Any], node: Node) -> tuple[Any, ...]:
    """Drop what is nothing, and take the last step where there are some."""
    there = [sympy.sympify(each) for each in terms if each != 0]
    if node.steps is None:
        return tuple(there)
    return tuple(each.subs(node.steps.index, node.steps.last) for each in there)
