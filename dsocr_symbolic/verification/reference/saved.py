"""What autograd keeps for the backward pass of a call."""

import weakref
from collections.abc import Iterable
from types import TracebackType
from typing import Any, Self

import torch
from attrs import frozen
from torch import Tensor

_ORIGINAL = "dsocr_stands_for"


def stand_in(tensor: Tensor, original: Tensor) -> Tensor:
    """Say that a tensor takes the place of another one, which autograd would save in its stead.

    Parameters
    ----------
    tensor
        What is used, because tensors without values allow nothing else.
    original
        What would be used.

    Returns
    -------
    Tensor
        The tensor, marked.
    """
    setattr(tensor, _ORIGINAL, original)
    return tensor


@frozen(kw_only=True)
class SavedStorage:
    """A storage that is saved for backward.

    Attributes
    ----------
    nbytes : int
        All of its bytes, also where a view of it is saved.
    shape : tuple of int
        Of the tensor that was saved first.
    dtype : torch.dtype
        Of that tensor.
    """

    nbytes: int
    shape: tuple[int, ...]
    dtype: torch.dtype


class SavedTensors:
    """List the storages that autograd saves within the block and still holds.

    Backward works as usual, within the block or after it.

    Parameters
    ----------
    excluded
        Tensors whose storages do not count: parameters. Views of them do not count either.
    """

    def __init__(self, excluded: Iterable[Tensor] = ()) -> None:
        self._hooks = torch.autograd.graph.saved_tensors_hooks(self._pack, _unpack)
        self._excluded = {_address(tensor) for tensor in excluded}
        self._found: dict[int, SavedStorage] = {}
        self._watches: dict[int, object] = {}

    @property
    def storages(self) -> tuple[SavedStorage, ...]:
        """Each storage once, in the order in which they were saved; inputs that are saved count."""
        return tuple(self._found.values())

    @property
    def nbytes(self) -> int:
        """Bytes of all of them."""
        return sum(each.nbytes for each in self.storages)

    def __enter__(self) -> Self:
        self._hooks.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._hooks.__exit__(kind, value, traceback)

    def _pack(self, tensor: Tensor) -> tuple[Tensor, Tensor]:
        saved: Tensor = getattr(tensor, _ORIGINAL, tensor)
        address = _address(saved)
        if address not in self._excluded and address not in self._found:
            storage = saved.untyped_storage()
            self._found[address] = SavedStorage(nbytes=storage.nbytes(), shape=tuple(saved.shape), dtype=saved.dtype)
            # A part of the graph that leads nowhere is dropped, and its tensors with it.
            self._watches[address] = weakref.ref(storage, lambda _: self._found.pop(address, None))
        # Detached, or an output that is saved would hold its own graph for ever.
        return tensor.detach(), saved.detach()


def _unpack(packed: tuple[Tensor, Tensor]) -> Any:
    return packed[0]


def _address(tensor: Tensor) -> int:
    return int(tensor.untyped_storage()._cdata)  # noqa: SLF001
