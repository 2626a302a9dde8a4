"""Count what a backward pass launches, autograd node by autograd node.

What a node launches belongs to the operator whose derivative it is, with three exceptions, which are counted by
themselves: sums of the gradients that meet at one tensor, copies where a gradient passes through a view or a tensor
that was written in place, and zero strides: a gradient that was expanded is read as if it had been written out.
Where rows are taken one part after the other, the gradient of each part is as large as the whole: their sums belong to
the taking, and copies of the whole to the putting.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor

from dsocr_symbolic.verification.reference.trace import CountingMode, Traffic, stored_elements, tensors_in

_VIEWS = frozenset(
    f"{name}Backward"
    for name in (
        *("Alias", "AsStrided", "Expand", "Permute", "ReshapeAlias", "Select", "Slice", "Split", "SplitWithSizes"),
        *("Squeeze", "T", "Transpose", "Unbind", "UnsafeView", "Unsqueeze", "View"),
    )
)
_ACCUMULATE, _TAKEN, _IN_PLACE, _INTO_VIEW = "AccumulateGrad", "Part", "IndexPutBackward", "CopySlices"
# Of a node that writes in place, what hands on the gradient of the destination.
_HANDED_ON = {_IN_PLACE: frozenset({"zeros", "index_put"}), _INTO_VIEW: frozenset({"clone", "copy_"})}


def _nodes(results: Iterable[Tensor]) -> list[Any]:
    """List the nodes of a graph, each once, from the results down."""
    waiting: list[Any] = [result.grad_fn for result in results]
    nodes: dict[Any, None] = {}
    while waiting:
        node = waiting.pop()
        if node is not None and node not in nodes:
            nodes[node] = None
            waiting += [below for below, _ in node.next_functions]
    return list(nodes)


def _kind(node: Any) -> str:
    """Name a node's kind, without its namespace and the number of its overload."""
    return str(node.name()).rpartition(":")[2].rstrip("0123456789")


def _role(node: Any, copied: set[Any]) -> str:
    """Name a node's kind, and by names of their own an expansion that is copied and rows taken of a result."""
    kind = _kind(node)
    if kind == "ExpandBackward" and node in copied:
        # An operator of the forward, which repeats, and no view.
        return "Repeat"
    if kind == "IndexBackward" and _kind(node.next_functions[0][0]) != _ACCUMULATE:
        return _TAKEN
    return kind


class BackwardTrace(CountingMode):
    """Count the backward pass of some results that runs within the block.

    Attributes
    ----------
    derivatives : Traffic
        What the derivatives of the forward's operators cost.
    sums, views : Traffic
        Sums of gradients, and gradients that pass through views and writes in place: beside the derivatives.
    expanded_bytes : int
        Bytes that derivatives are counted to read of expanded gradients, and that a kernel reads once instead.
    copied_bytes : int
        Size of what is copied before it is written, which PyTorch does in one operator.
    """

    def __init__(self, results: Iterable[Tensor]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.derivatives, self.sums, self.views = Traffic(), Traffic(), Traffic()
        self.expanded_bytes = self.copied_bytes = 0
        self._kind = self._last = ""
        self._expanded: set[tuple[int, torch.Size]] = set()
        nodes = _nodes(results)
        copied = {below for node in nodes if _kind(node) == "CloneBackward" for below, _ in node.next_functions}
        for node in nodes:
            self._watch(node, _role(node, copied))

    def _watch(self, node: Any, kind: str) -> None:
        def enter(gradients: Iterable[Tensor | None]) -> None:
            self._kind = self._last = kind
            self._expanded = {
                _place(gradient)
                for gradient in gradients
                if gradient is not None and 0 in gradient.stride() and gradient.numel()
            }

        def leave(*_: object) -> None:
            self._kind = ""

        if kind != _ACCUMULATE:
            node.register_prehook(enter)
            node.register_hook(leave)

    def count(self, name: str, args: tuple[Any, ...], traffic: Traffic) -> None:
        """Add what an operator costs to the derivatives, to the sums or to the views."""
        if not self._kind:
            (self.derivatives if self._last == _TAKEN else self.sums).add(traffic)
        elif self._kind in _VIEWS or name in _HANDED_ON.get(self._kind, ()):
            if name == "index_put":
                # Not in place: the whole of it is copied first.
                self.derivatives.add(Traffic(bytes_read=args[0].nbytes, bytes_written=args[0].nbytes))
                self.copied_bytes += args[0].nbytes
            self.views.add(traffic)
        else:
            whole = sum(
                (tensor.numel() - stored_elements(tensor)) * tensor.itemsize
                for tensor in tensors_in(args)
                if _place(tensor) in self._expanded
            )
            traffic.bytes_read += whole
            self.expanded_bytes += whole
            self.derivatives.add(traffic)


def _place(tensor: Tensor) -> tuple[int, torch.Size]:
    return int(tensor.untyped_storage()._cdata), tensor.shape  # noqa: SLF001
