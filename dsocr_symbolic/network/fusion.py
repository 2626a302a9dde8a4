"""Compulsory traffic: what a perfect compiler must still move for a call.

Each call reads its weights once, reads its inputs and writes its outputs once, and reads the KV cache once and
appends to it once. What stays between its operators is never moved: no scores, no mask, no copies.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from dsocr_symbolic.language.formula import Operator
from dsocr_symbolic.network.dataflow import either, of_storages
from dsocr_symbolic.network.node import Node, Port, Storage

_Touched = tuple[Mapping[Storage, Any], Mapping[Storage, Any]]


def boundaries(stages: tuple[Node, ...]) -> Mapping[tuple[str, ...], Any]:
    """Return the bytes of inputs and outputs that one call of each layer moves; operators are left out."""
    found: dict[tuple[str, ...], Any] = {}
    for stage in stages:
        _visit(stage, found)
    return found


def _visit(node: Node, found: dict[tuple[str, ...], Any]) -> _Touched:
    """Find the boundary of a node, and return what it reads and writes of its caller's storages."""
    if isinstance(node.formula, Operator):
        reads: Mapping[Storage, Any] = of_storages(port.inside for port in node.inputs)
        writes: Mapping[Storage, Any] = of_storages(port.inside for port in node.outputs)
    else:
        touched = [_visit(child, found) for child in node.children]
        reads = _joined(each for each, _ in touched)
        writes = _joined(each for _, each in touched)
        read = sum(port.size * _touches(port, reads) for port in node.inputs)
        found[node.path] = read + sum(port.size * _touches(port, writes) for port in node.outputs)
    return _outside(node.inputs, reads, node), _outside((*node.inputs, *node.outputs), writes, node)


def _touches(port: Port, touched: Mapping[Storage, Any]) -> Any:
    """Say whether anything inside touches what stands behind a port."""
    return either(condition * touched.get(storage, 0) for condition, storage in port.inside)


def _outside(ports: Iterable[Port], touched: Mapping[Storage, Any], node: Node) -> Mapping[Storage, Any]:
    """Say of the caller's storages what is known of those inside."""
    found: dict[Storage, list[Any]] = {}
    for port in ports:
        if port.outside is port.inside:
            for _, storage in port.inside:
                found.setdefault(storage, []).append(node.runs * touched.get(storage, 0))
            continue
        any_inside = _touches(port, touched)
        for condition, storage in port.outside:
            found.setdefault(storage, []).append(node.runs * condition * any_inside)
            found[storage].append(node.runs * touched.get(storage, 0))
    return {storage: either(conditions) for storage, conditions in found.items()}


def _joined(parts: Iterable[Mapping[Storage, Any]]) -> Mapping[Storage, Any]:
    found: dict[Storage, list[Any]] = {}
    for part in parts:
        for storage, condition in part.items():
            found.setdefault(storage, []).append(condition)
    return {storage: either(conditions) for storage, conditions in found.items()}
