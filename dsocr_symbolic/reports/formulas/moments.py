"""The moment of one call at which the most is alive, and what is alive then."""

from collections.abc import Mapping
from typing import Any

import sympy
from attrs import evolve, frozen

from dsocr_symbolic.language.formula import Layer, Operator, outputs
from dsocr_symbolic.network.liveness import Memory, memory
from dsocr_symbolic.network.node import Node, Storage, walk
from dsocr_symbolic.reports.formulas.alone import Alone
from dsocr_symbolic.reports.formulas.named_parts import Part, shown


@frozen(kw_only=True)
class Moment:
    """When the most is alive, and what.

    Attributes
    ----------
    at : str
        The operator that runs then, below the call; empty for an operator itself.
    alive : tuple of Part
        The tensors that lie in memory, with their bytes.
    """

    at: str
    alive: tuple[Part, ...]


def deciding_moment(alone: Alone) -> Moment:
    """Find the moment that decides the peak of a call.

    Parameters
    ----------
    alone : Alone
        The call.

    Returns
    -------
    Moment
        The first one with the most bytes; sizes of what is alive add up to ``forward_activation_bytes``.
    """
    found = memory((alone.node,))
    names = _Names(alone)
    parts: list[Part] = []
    node = alone.node
    while node.children:
        live = [_around(alone, child, found) for child in node.children]
        node = node.children[live.index(max(live))]
        parts += _alive(alone, names, found[node.path].kept)
        if alone.exact(node.accumulated):
            parts.append(_part(alone, f"earlier repeats of {names.below(node.path)}", node.accumulated))
        if not alone.exact(node.runs):
            break
    if isinstance(node.formula, Operator) and alone.exact(node.runs):
        parts += _alive(alone, names, found[node.path].touched)
    numbered = (evolve(part, place=place) for place, part in enumerate(parts, start=1))
    return Moment(at=names.below(node.path), alive=tuple(numbered))


def _around(alone: Alone, node: Node, found: Mapping[tuple[str, ...], Memory]) -> Any:
    """Return the bytes alive at the worst moment of a call, with what its caller keeps."""
    inside = alone.exact(sympy.Add(*found[node.path].own))
    if node.children:
        inside = max(_around(alone, child, found) for child in node.children)
    return alone.exact(node.runs) * inside + alone.exact(sympy.Add(*found[node.path].beside))


def _alive(alone: Alone, names: "_Names", sizes: Mapping[Storage, Any]) -> list[Part]:
    """Return what takes room: a condition that holds is left out."""
    return [_part(alone, names.of(storage), storage.size) for storage, size in sizes.items() if alone.exact(size) != 0]


def _part(alone: Alone, label: str, size: Any) -> Part:
    return Part(place=0, label=label, each=shown(alone, size), value=alone.exact(size))


class _Names:
    """What a reader of the file calls the storages of a call."""

    def __init__(self, alone: Alone) -> None:
        self.m_root = alone.node.path
        self.m_nodes = {"/".join(node.path): node for node in walk((alone.node,))}
        self.m_written: dict[str, tuple[str, ...]] = {}
        if isinstance(alone.formula, Layer):
            for group in alone.groups:
                if not group.call.inline:
                    self.m_written["/".join(group.nodes[0].path)] = group.call.writes

    def below(self, path: tuple[str, ...]) -> str:
        """Return a path below the call."""
        return "/".join(path[len(self.m_root) :])

    def of(self, storage: Storage) -> str:
        """Return the layer's own name of a tensor, or the path of what writes it."""
        path, _, name = storage.key.rpartition(":")
        name, repeated, _ = name.partition(".all")
        every = ", of all repeats" if repeated else ""
        below = path.removeprefix("/".join(self.m_root)).removeprefix("/")
        if not below:
            return name
        node = self.m_nodes.get(path)
        if node is None:
            return below + every
        given = outputs(node.formula)
        if name not in given:
            return f"{below}, handed from repeat to repeat"
        written = self.m_written.get(path, ())
        if given.index(name) < len(written):
            return written[given.index(name)] + every
        return (below if name == given[0] else f"{below}: {name}") + every
