"""What autograd keeps for the backward pass of a call."""

import weakref
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor

_ORIGINAL = "dsocr_stands_for"


def original(tensor: Tensor) -> Tensor:
    """Return the tensor in whose place another one stands."""
    found: Tensor = getattr(tensor, _ORIGINAL, tensor)
    return found


def stand_in(tensor: Tensor, original: Tensor) -> Tensor:
    """Mark a tensor that takes the place of another one: what autograd saves of it counts as the original."""
    setattr(tensor, _ORIGINAL, original)
    return tensor


class SavedTensors:
    """Count the storages that autograd saves within the block and still holds: whole, each once, inputs too.

    Those of excluded tensors (parameters) and their views do not count. Backward works as usual, within the block or
    after it.
    """

    def __init__(self, excluded: Iterable[Tensor] = ()) -> None:
        self._hooks = torch.autograd.graph.saved_tensors_hooks(self._pack, _unpack)
        self._excluded = {_address(tensor) for tensor in excluded}
        self._sizes: dict[int, int] = {}
        self._watches: dict[int, object] = {}

    @property
    def nbytes(self) -> int:
        """Bytes of all of them by now."""
        return sum(self._sizes.values())

    def __enter__(self) -> Self:
        self._hooks.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._hooks.__exit__(kind, value, traceback)

    def _pack(self, tensor: Tensor) -> tuple[Tensor, Tensor]:
        saved = original(tensor)
        address = _address(saved)
        if address not in self._excluded and address not in self._sizes:
            storage = saved.untyped_storage()
            self._sizes[address] = storage.nbytes()
            # A part of the graph that leads nowhere is dropped, and its tensors with it.
            self._watches[address] = weakref.ref(storage, lambda _: self._sizes.pop(address, None))
        # Detached, or an output that is saved would hold its own graph for ever.
        return tensor.detach(), saved.detach()


def _unpack(packed: tuple[Tensor, Tensor]) -> Any:
    tensor, saved = packed
    return tensor if tensor.untyped_storage()._cdata == saved.untyped_storage()._cdata else stand_in(tensor, saved)  # noqa: SLF001


def _address(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)  # noqa: SLF001
