"""Peak memory: a tensor lives from its writer to its last reader, views and results in place share it.

A caller keeps what it hands in until the call returns, and what its code names longer than it reads
(``holds``). Weights and the KV cache are no activations; a cache that is copied stands twice meanwhile.
"""

from collections.abc import Iterable, Mapping

import sympy
from attrs import frozen

from dsocr_symbolic.algebras import symbolic
from dsocr_symbolic.algebras.value import Expr
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import evaluate
from dsocr_symbolic.language.formula import Operator
from dsocr_symbolic.network.costs import either, times
from dsocr_symbolic.network.dataflow import Conditions, of_storages
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
        The bytes that those are made of; what earlier repeats keep is in ``beside`` alone.
    """

    beside: tuple[Expr, ...]
    own: tuple[Expr, ...]
    kept: Conditions
    touched: Conditions


def memory(stages: tuple[Node, ...]) -> Mapping[tuple[str, ...], Memory]:
    """Return the memory of every call; of one that repeats over steps, that of the last step."""
    caches = of_storages(node.caches for node in walk(stages))
    memories: dict[tuple[str, ...], Memory] = {}
    inputs = _open_inputs(stages)
    _place(stages, inputs, inputs, caches, memories)
    return memories


def _open_inputs(stages: tuple[Node, ...]) -> Conditions:
    """Return what the stages read and none of them wrote."""
    written: set[Storage] = set()
    opened: Conditions = {}
    for node in stages:
        opened |= {s: c for s, c in of_storages(port.outside for port in node.inputs).items() if s not in written}
        written |= set(of_storages(port.outside for port in node.outputs))
    return opened


def _place(
    children: tuple[Node, ...],
    inputs: Conditions,
    behind: Conditions,
    caches: Conditions,
    memories: dict[tuple[str, ...], Memory],
) -> None:
    """Find the memory of calls in order, given what is at hand before and what must be there behind them."""
    born = dict.fromkeys(inputs, -1)
    for place, child in enumerate(children):
        for storage in of_storages(port.outside for port in child.outputs):
            born.setdefault(storage, place)
    # Walking backwards, what is needed later grows by what each call takes.
    later: dict[Storage, list[Expr]] = {storage: [condition] for storage, condition in behind.items()}
    needed: dict[Storage, Expr] = {}

    def take(storage: Storage, condition: Expr) -> None:
        later.setdefault(storage, []).append(condition)
        needed.pop(storage, None)

    for place, child in reversed(list(enumerate(children))):
        ports = (*child.inputs, *child.outputs)
        own = _own_storages(child)
        for condition, storage in child.kept:
            take(storage, condition)
        kept = {
            storage: times(
                needed[storage] if storage in needed else needed.setdefault(storage, either(conditions)),
                1 - own.get(storage, 0),
                _size(storage, caches),
            )
            for storage, conditions in later.items()
            if born.get(storage, place) < place and storage.kind == "activation"
        }
        # A cache that was counts where it is joined, and where code holds on to it.
        kept |= {
            storage: times(condition, 1 - own.get(storage, 0), _size(storage, caches))
            for condition, storage in child.kept
            if storage.kind == "past"
        }
        inside = of_storages(port.inside for port in ports) if isinstance(child.formula, Operator) else {}
        touched = {storage: times(condition, _size(storage, caches)) for storage, condition in inside.items()}
        memories[child.path] = Memory(
            beside=_last([child.accumulated, *kept.values()], child),
            own=_last(touched.values(), child),
            kept=kept,
            touched=touched,
        )
        for storage, condition in of_storages(port.outside for port in child.inputs).items():
            take(storage, condition)
        taken = of_storages(port.inside for port in child.inputs)
        returned = of_storages([child.held, *(port.inside for port in ports)])
        _place(child.children, taken, returned, caches, memories)


def _own_storages(node: Node) -> Conditions:
    """Return what a call counts as its own: what it takes and gives, of a chain only as long as it is the first."""
    ports = (*node.inputs, *node.outputs)
    chained = of_storages(port.outside for port in ports if port.outside is not port.inside)
    first = {storage: (1 - node.again) * condition for storage, condition in chained.items()}
    own = of_storages(port.outside for port in ports if port.outside is port.inside)
    return {storage: either([own.get(storage, 0), first.get(storage, 0)]) for storage in {**first, **own}}


def _size(storage: Storage, caches: Conditions) -> Expr:
    return times(storage.size, 1 - caches.get(storage, 0)) if storage.kind in _COUNTED else 0


def _last(terms: Iterable[Expr], node: Node) -> tuple[Expr, ...]:
    """Drop what is nothing, and take the last step where there are some."""
    there = tuple(sympy.sympify(term) for term in terms if term != 0)
    steps = node.steps
    return there if steps is None else tuple(term.subs(steps.index, steps.last) for term in there)


def forward_bytes(definition: Definition, peaks: Iterable[Expr]) -> list[Expr]:
    """Return the activations of a server's largest forward, of those of all stages; none where there is no server."""
    if definition.server is None:
        return []
    highest = sympy.sympify(symbolic.highest(peaks))
    return [highest.xreplace(_in_forward(definition))]


def _in_forward(definition: Definition) -> Mapping[Expr, Expr]:
    """Return what stands for symbols in that forward: the experts that it hits are those of its own tokens."""
    assert definition.server is not None  # noqa: S101 - the caller asks
    scope = {name: symbolic.symbol(name) for name in definition.quantities}
    given = {name: evaluate(formula, scope, symbolic) for name, formula in definition.server.forward.items()}
    for name in definition.roles.hit:
        given[name] = evaluate(definition.quantities[name].formula, {**scope, **given}, symbolic)
    return {scope[name]: sympy.sympify(value) for name, value in given.items()}
