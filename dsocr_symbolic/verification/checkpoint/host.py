"""What the checkpoint's code asks of a machine that tensors without values cannot give, answered in its stead."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from types import ModuleType
from typing import Any
from warnings import catch_warnings, simplefilter

import numpy as np
import torch
from attrs import define
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from dsocr_symbolic.verification.reference.attention import scaled_dot_product_attention
from dsocr_symbolic.verification.reference.precision import contiguous


@define
class _OnHost:
    """Rows per expert, as they would arrive on the host."""

    rows: list[int]

    def numpy(self) -> Any:
        """Return them as the code asks for them."""
        return np.array(self.rows)


def _items(index: Any, dimensions: int) -> list[Any]:
    items = list(index) if isinstance(index, tuple) else [index]
    if any(item is Ellipsis for item in items):
        place = next(at for at, item in enumerate(items) if item is Ellipsis)
        taken = sum(item is not None for item in items) - 1
        items[place : place + 1] = [slice(None)] * (dimensions - taken)
    return items


def subscript(tensor: Tensor, index: Any) -> Tensor:
    """Do what ``tensor[index]`` does, in operators that need no GPU."""
    gathers: list[Tensor | None] = []
    at = 0
    for item in _items(index, tensor.dim()):
        if item is None:
            tensor = tensor.unsqueeze(at)
        elif isinstance(item, slice):
            start, stop, step = item.indices(tensor.shape[at])
            tensor = torch.ops.aten.slice(tensor, at, start, stop, step)
        elif isinstance(item, Tensor):
            gathers += [None] * (at - len(gathers)) + [item]
        else:
            tensor = tensor.select(at, int(item))
            continue
        at += 1
    gathered: Tensor = torch.ops.aten.index(tensor, gathers) if gathers else tensor
    return gathered


class _OnShapes(TorchFunctionMode):
    """Answers calls that need values or a GPU's runtime, with so many rows for each expert."""

    def __init__(self, rows: list[int]) -> None:
        super().__init__()
        self._rows = rows

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Answer, or call the function."""
        kwargs = kwargs or {}
        if func is functional.scaled_dot_product_attention:
            # Without values PyTorch would take the decomposed path.
            q, k, v = args
            return scaled_dot_product_attention(q, k, v, kwargs.get("attn_mask"), causal=False)
        if func is Tensor.cpu:
            return _OnHost(self._rows)
        if func is Tensor.cuda:
            return args[0]
        if isinstance(args[0] if args else None, Tensor) and not args[0].is_meta:
            if func is Tensor.contiguous:
                return contiguous(args[0])
            if func is Tensor.__getitem__:
                return subscript(*args)
            if func is Tensor.__setitem__:
                return torch.ops.aten.index_put_(args[0], [args[1]], args[2])
        return func(*args, **kwargs)


class _Read(TorchDispatchMode):
    """Gives the host the numbers it reads, one after the other."""

    def __init__(self, numbers: list[float]) -> None:
        super().__init__()  # type: ignore[no-untyped-call, unused-ignore]
        self._numbers = iter(numbers)

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Answer a read, or run the operator."""
        if func is torch.ops.aten._local_scalar_dense.default:  # noqa: SLF001
            return next(self._numbers)
        return func(*args, **(kwargs or {}))


def _flash(q: Tensor, k: Tensor, v: Tensor, *_: object, **__: object) -> Tensor:
    """Attend as the flash library would, which needs a GPU to be installed."""
    q, k, v = (tensor.transpose(1, 2) for tensor in (q, k, v))
    return scaled_dot_product_attention(q, k, v, causal=q.shape[-2] > 1).transpose(1, 2)


@contextmanager
def replaced(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Give an attribute another value within the block."""
    before = owner.__dict__[name]
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, before)


def _autocast(real: Callable[..., Any]) -> Callable[..., Any]:
    def autocast(device_type: str, **settings: Any) -> Any:
        if device_type == "meta":
            return nullcontext()
        # It warns that there is no GPU; the code only switches it off here, which works.
        with catch_warnings():
            simplefilter("ignore")
            return real(device_type, **settings)

    return autocast


@contextmanager
def hosted(llama: ModuleType, rows: list[int], reads: list[float]) -> Iterator[None]:
    """Stand in for the machine while the checkpoint's code runs.

    Experts receive these rows; the code reads these numbers back in turn: sums of pixels, not 0 where an image is.
    """
    with ExitStack() as stack:
        stack.enter_context(replaced(torch, "autocast", _autocast(torch.autocast)))
        stack.enter_context(replaced(llama, "_flash_attention_forward", _flash))
        stack.enter_context(_Read(reads))
        stack.enter_context(_OnShapes(rows))
        yield
