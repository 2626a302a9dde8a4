"""Where modules are called without values: on the meta device, or on a fake GPU under autocast."""

from collections.abc import Callable, Iterable
from contextlib import ExitStack
from typing import Any

import torch
from attrs import frozen
from torch import Tensor, nn

from dsocr_symbolic.verification.calls.counted import Counted
from dsocr_symbolic.verification.reference.build import UninitialisedParameters, default_dtype
from dsocr_symbolic.verification.reference.llama import KeyValueCache
from dsocr_symbolic.verification.reference.precision import cuda_autocast, fake_cuda
from dsocr_symbolic.verification.reference.trace import OperatorTrace

_DTYPES = {1: torch.bool, 2: torch.bfloat16, 4: torch.float32, 8: torch.int64}


@frozen(kw_only=True)
class Subject:
    """A module made for some settings, and one call of it.

    Attributes
    ----------
    owner : nn.Module or None
        Whose parameters the layer owns.
    call : callable
        Runs the call on tensors made before.
    kv_bytes : callable or None
        Bytes of KV cache after the call.
    without : tuple of str
        Nodes of the formula that the call leaves out.
    cache : KeyValueCache or None
        The reference's cache that the call grows.
    """

    owner: nn.Module | None
    call: Callable[[], Any]
    kv_bytes: Callable[[], int] | None = None
    without: tuple[str, ...] = ()
    cache: KeyValueCache | None = None


class Bench:
    """Makes tensors and modules of one precision, and counts calls.

    Parameters
    ----------
    precision : str
        ``plain`` (bf16 on the meta device) or ``autocast`` (CUDA's casts on a fake GPU).
    """

    def __init__(self, precision: str) -> None:
        self.m_precision = precision
        self.m_fake = fake_cuda() if precision == "autocast" else None

    @property
    def precision(self) -> str:
        """The precision it was made for."""
        return self.m_precision

    @property
    def autocast(self) -> bool:
        """Whether autocast casts."""
        return self.m_fake is not None

    @property
    def device(self) -> str:
        """Where tensors live."""
        return "cuda" if self.autocast else "meta"

    def context(self) -> ExitStack:
        """Enter the precision, without gradients."""
        stack = ExitStack()
        if self.m_fake is not None:
            stack.enter_context(self.m_fake)
            stack.enter_context(cuda_autocast())
        stack.enter_context(torch.no_grad())
        return stack

    def empty(self, *shape: int, size: int = 2) -> Tensor:
        """Make a tensor whose elements have so many bytes."""
        return torch.empty(*(int(each) for each in shape), dtype=_DTYPES[size], device=self.device)

    def constant(self, *shape: int) -> Tensor:
        """Make a tensor of activations that no gradient is taken of: pixels, masks, angles."""
        return Bench.empty(self, *shape)

    def wide(self, *shape: int) -> Tensor:
        """Make a tensor of the dtype that autocast leaves in CLIP's residual stream."""
        return self.empty(*shape, size=4 if self.autocast else 2)

    def module(self, make: Callable[[], nn.Module]) -> nn.Module:
        """Make a module in bf16 without values, where the tensors live."""
        # Fake CUDA tensors cannot be drawn or sliced at construction: make on meta, then move.
        from torch._subclasses.fake_tensor import unset_fake_temporarily

        with unset_fake_temporarily(), default_dtype(torch.bfloat16), UninitialisedParameters(), torch.device("meta"):
            made = make().eval()
        return made if not self.autocast else made.to_empty(device="cuda")

    def count(
        self, layer: str, settings: dict[str, Any], choices: dict[str, str], subject: Subject, source: str
    ) -> Counted:
        """Run the call under the trace.

        Parameters
        ----------
        layer, settings, choices
            What the call stands for.
        subject : Subject
            The call.
        source : str
            Whose module it is.

        Returns
        -------
        Counted
            FLOPs of both kinds, bytes, launches, parameters, KV bytes.
        """
        with OperatorTrace() as trace:
            subject.call()
        total = trace.total
        metrics = {
            "forward_tensor_core_flops": total.tensor_core_flops,
            "forward_cuda_core_flops": total.cuda_core_flops,
            "forward_io_bytes": total.io_bytes,
            "operator_launches": total.launches,
            "parameters": parameters(subject.owner),
            "forward_weight_bytes": weight_bytes(subject.owner),
        }
        if subject.kv_bytes is not None:
            metrics["forward_kv_cache_bytes"] = subject.kv_bytes()
        return Counted(
            source=source,
            layer=layer,
            settings=settings,
            choices={**choices, "precision": self.m_precision},
            metrics=metrics,
            by_aten={name: (each.io_bytes, each.launches) for name, each in trace.by_operator.items()},
            without=subject.without,
        )


def weight_bytes(owner: nn.Module | None) -> int:
    """Add up the bytes of a module's parameters."""
    owned: Iterable[Tensor] = () if owner is None else owner.parameters()
    return sum(each.nbytes for each in owned)


def parameters(owner: nn.Module | None) -> int:
    """Count a module's parameters."""
    owned: Iterable[Tensor] = () if owner is None else owner.parameters()
    return sum(each.numel() for each in owned)
