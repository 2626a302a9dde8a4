"""How much memory the tensors of a call take at most, with values or without.

A storage counts once, however many views share it, from the operator that makes it until nothing refers to it.
"""

import gc
import weakref
from collections.abc import Callable, Iterable
from importlib import import_module
from itertools import count
from types import TracebackType
from typing import Any, Self

import torch
from attrs import frozen
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from dsocr_symbolic.verification.reference.trace import tensors_in


@frozen(kw_only=True)
class Peak:
    """Bytes of live storages during a call.

    Attributes
    ----------
    peak_bytes : int
        The most that was alive at once.
    end_bytes : int
        What is alive when the call has returned: inputs, outputs and whatever the call left behind.
    operator : str
        The aten operator whose result brought the peak; ``inputs`` if nothing came on top of them.
    """

    peak_bytes: int
    end_bytes: int
    operator: str


class AllocationTrace(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Follow every storage that operators make within the block, from its making until it is freed.

    Storages that were there before count only if they belong to an input, and those from the block's beginning to its
    end; parameters and buffers do not. What is ``replaced``, such as the cache of the step before, counts from the
    making of what takes its place until it is freed: both stand at once only meanwhile.
    """

    def __init__(self, inputs: Iterable[Tensor] = (), replaced: Iterable[Tensor] = ()) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._inputs, self._waiting = list(inputs), list(replaced)
        self._replaced: list[int] = []
        self._events: list[tuple[int, int, str]] = []
        self._numbers: dict[int, int] = {}
        self._references: dict[int, object] = {}
        self._count = count()
        self._open = False
        self._collects = False

    def __enter__(self) -> Self:
        # The first dispatch would import this, and the import's frames would keep the caller's tensors alive.
        import_module("torch._dynamo")
        # Cycles would be freed whenever the collector happens to run; without it the count is the same every time.
        self._collects = gc.isenabled()
        gc.disable()
        self._open = True
        for tensor in self._inputs:
            self._follow(tensor, "inputs")
        for tensor in self._waiting:
            self._follow(tensor, "replaced")
            self._replaced.append(self._numbers[tensor.untyped_storage()._cdata])  # noqa: SLF001
            del tensor
        # Nothing here may keep alive what the call frees.
        self._waiting.clear()
        super().__enter__()  # type: ignore[no-untyped-call]
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        super().__exit__(kind, value, traceback)  # type: ignore[no-untyped-call]
        self._open = False
        if self._collects:
            gc.enable()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operator and note the storages that it makes."""
        kwargs = kwargs or {}
        for tensor in tensors_in((*args, *kwargs.values())):
            self._follow(tensor, None)
        out = func(*args, **kwargs)
        for tensor in tensors_in((out,)):
            self._follow(tensor, func._overloadpacket.__name__)  # noqa: SLF001
        return out

    def _follow(self, tensor: Tensor, operator: str | None) -> None:
        """Note a storage that is new, and when it is freed; without an operator it was there before."""
        storage = tensor.untyped_storage()
        address = storage._cdata  # noqa: SLF001
        if address in self._numbers:
            return
        # Of a cache that keeps a part of what was joined, that part is what it holds.
        number, size = next(self._count), tensor.nbytes if operator == "replaced" else storage.nbytes()
        self._numbers[address] = number
        if operator is not None:
            self._events.append((number, size, operator))

        def freed(_: object) -> None:
            del self._numbers[address], self._references[number]
            if operator is not None and self._open:
                self._events.append((number, -size, operator))

        # The storage's Python object lives exactly as long as the storage itself.
        self._references[number] = weakref.ref(storage, freed)

    def peak(self, excluded: Iterable[Tensor] = ()) -> Peak:
        """Find the peak without some tensors that still exist (a KV cache), left out from their making on.

        They take the places of what was said to be replaced, in that order.
        """
        left_out = [self._numbers.get(tensor.untyped_storage()._cdata) for tensor in excluded]  # noqa: SLF001
        before = dict(zip(left_out, self._replaced, strict=False))
        sizes = {number: size for number, size, _ in self._events if size > 0}
        alive, most, place = 0, 0, "inputs"
        for number, change, operator in self._events:
            if number in before:
                alive += sizes[before[number]]
            elif number not in left_out and not (number in self._replaced and change > 0):
                alive += change
            if alive > most:
                most, place = alive, operator
        return Peak(peak_bytes=most, end_bytes=alive, operator=place)


def allocation_peak(
    call: Callable[[], object], inputs: Iterable[Tensor] = (), kept: Callable[[], Iterable[Tensor]] = tuple
) -> Peak:
    """Call a function without gradients and find the most bytes of storages that were alive.

    Inputs and what it returns count until the end; ``kept`` gives, after the call, tensors that do not: a KV cache's.
    """
    with torch.no_grad(), AllocationTrace(inputs) as trace:
        out = call()
    peak = trace.peak(kept())
    del out
    return peak
