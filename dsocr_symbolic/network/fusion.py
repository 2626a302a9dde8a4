"""Compulsory traffic: what a perfect compiler must still move for a call.

Each call reads its weights once, reads its inputs and writes its outputs once, and reads the KV cache once and
appends to it once. What stays between its operators is never moved: no scores, no mask, no copies.
"""

from collections.abc import Iterable, Mapping

from dsocr_symbolic.algebras.value import Expr
from dsocr_symbolic.language.formula import Operator
from dsocr_symbolic.network.dataflow import Conditions, any_of, either, of_storages
from dsocr_symbolic.network.node import Node, Port, Storage


def boundaries(stages: tuple[Node, ...]) -> Mapping[tuple[str, ...], Expr]:
    """Return the bytes of inputs and outputs that one call of each layer moves; operators are left out."""
    moved: dict[tuple[str, ...], Expr] = {}
    for stage in stages:
        _visit(stage, moved)
    return moved


def _visit(node: Node, moved: dict[tuple[str, ...], Expr]) -> tuple[Conditions, Conditions]:
    """Find the boundary of a node, and return what it reads and writes of its caller's storages."""
    if isinstance(node.formula, Operator):
        reads = of_storages(port.inside for port in node.inputs)
        writes = of_storages(port.inside for port in node.outputs)
    else:
        below = [_visit(child, moved) for child in node.children]
        reads = any_of((condition, storage) for read, _ in below for storage, condition in read.items())
        writes = any_of((condition, storage) for _, written in below for storage, condition in written.items())
        read = sum(port.size * _touches(port, reads) for port in node.inputs)
        moved[node.path] = read + sum(port.size * _touches(port, writes) for port in node.outputs)
    return _outside(node.inputs, reads, node), _outside((*node.inputs, *node.outputs), writes, node)


def _touches(port: Port, touched: Conditions) -> Expr:
    """Say whether anything inside touches what stands behind a port."""
    return either(condition * touched.get(storage, 0) for condition, storage in port.inside)


def _outside(ports: Iterable[Port], touched: Conditions, node: Node) -> Conditions:
    """Say of the caller's storages what is known of those inside."""
    parts: list[tuple[Expr, Storage]] = []
    for port in ports:
        if port.outside is port.inside:
            parts += ((node.runs * touched.get(storage, 0), storage) for _, storage in port.inside)
            continue
        any_inside = _touches(port, touched)
        for condition, storage in port.outside:
            parts.append((node.runs * condition * any_inside, storage))
            parts.append((node.runs * touched.get(storage, 0), storage))
    return any_of(parts)
