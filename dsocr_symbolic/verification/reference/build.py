"""Construction of the reference where, and in the dtype, that it is wanted."""

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch._guards import detect_fake_mode
from torch._subclasses.fake_tensor import unset_fake_temporarily
from torch.overrides import TorchFunctionMode

from dsocr_symbolic.verification.reference.config import OcrConfig
from dsocr_symbolic.verification.reference.deepseek_ocr import DeepseekOCRForCausalLM
from dsocr_symbolic.verification.reference.deepseek_v2 import Routing, balanced_rows


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    """Make new parameters of a dtype; buffers with a dtype of their own keep it, unlike with ``Module.to``."""
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


class UninitialisedParameters(TorchFunctionMode):
    """Leave new parameters as they are: without values there is nothing to draw, and drawing takes seconds."""

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Return the tensor unchanged where an initialiser was called, and call everything else."""
        kwargs = kwargs or {}
        if getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        return func(*args, **kwargs)


def build(
    config: OcrConfig | None = None,
    *,
    device: str = "meta",
    dtype: torch.dtype = torch.bfloat16,
    routing: Routing = balanced_rows,
) -> DeepseekOCRForCausalLM:
    """Build the network for inference, in evaluation mode; under ``fake_cuda`` the device "cuda" needs no GPU."""
    if device != "meta" and detect_fake_mode() is not None:
        # Construction subscripts tensors and draws values, which fake CUDA tensors cannot do without a GPU.
        with unset_fake_temporarily():
            empty = build(config, dtype=dtype, routing=routing)
        return empty.to_empty(device=device)
    values = nullcontext() if device != "meta" else UninitialisedParameters()
    with default_dtype(dtype), values, torch.device(device):
        return DeepseekOCRForCausalLM(config, routing).eval()
