"""Autocast where no GPU is: CUDA's casting policy on tensors that hold no values."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

CUDA = "cuda"


def has_values(tensor: Tensor) -> bool:
    """Say whether a tensor holds numbers, or only a shape and a dtype (meta and fake tensors)."""
    return not (tensor.is_meta or isinstance(tensor, FakeTensor))


def contiguous(tensor: Tensor) -> Tensor:
    """Copy a tensor into row-major order, unless it is.

    The method of the same name asks for the device's runtime, which fake CUDA tensors lack.
    """
    out: Tensor = torch.ops.aten.contiguous(tensor)
    return out


def autocast_is_on(tensor: Tensor) -> bool:
    """Say whether autocast is active for a tensor's device; it does not exist for the meta device."""
    return not tensor.is_meta and torch.is_autocast_enabled(tensor.device.type)


@contextmanager
def _autocast_state(device_type: str, *, enabled: bool, dtype: torch.dtype) -> Iterator[None]:
    before = torch.is_autocast_enabled(device_type), torch.get_autocast_dtype(device_type)
    torch.set_autocast_enabled(device_type, enabled)
    torch.set_autocast_dtype(device_type, dtype)
    torch.autocast_increment_nesting()
    try:
        yield
    finally:
        if torch.autocast_decrement_nesting() == 0:
            torch.clear_autocast_cache()
        torch.set_autocast_enabled(device_type, before[0])
        torch.set_autocast_dtype(device_type, before[1])


def without_autocast(tensor: Tensor) -> AbstractContextManager[None]:
    """Switch autocast off for the device that a tensor lives on."""
    if not autocast_is_on(tensor):
        return nullcontext()
    device_type = tensor.device.type
    return _autocast_state(device_type, enabled=False, dtype=torch.get_autocast_dtype(device_type))


def cuda_autocast(dtype: torch.dtype = torch.bfloat16) -> AbstractContextManager[None]:
    """Switch CUDA's autocast on, also where no GPU is.

    ``torch.autocast("cuda")`` switches itself off without a GPU, and the CPU's policy casts other operators
    (it leaves layer_norm, softmax, pow and rsqrt alone). The state set here acts on fake CUDA tensors too.
    """
    return _autocast_state(CUDA, enabled=True, dtype=dtype)


def fake_cuda() -> FakeTensorMode:
    """Return a mode under which ``device="cuda"`` needs no GPU, for a model's construction and its calls alike."""
    return FakeTensorMode(allow_non_fake_inputs=True)
