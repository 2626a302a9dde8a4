"""Where modules are called without values, on the meta device or on a fake GPU under autocast, and how calls count."""

from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import torch
from attrs import frozen
from torch import Tensor, nn

from dsocr_symbolic.verification.calls.cases import formula_file
from dsocr_symbolic.verification.calls.comparison import Counted
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

    @property
    def parameters(self) -> list[nn.Parameter]:
        """The parameters that the layer owns."""
        return [] if self.owner is None else list(self.owner.parameters())


Maker = Callable[["Bench", Mapping[str, Any]], Subject]
"""Makes the subject of a layer: modules of the reference of any size that a formula's symbols ask for."""


class Bench:
    """Makes tensors and modules, and counts calls: ``plain`` in bf16 without values, or ``autocast`` on a fake GPU."""

    source = "reference"

    def __init__(self, precision: str = "plain") -> None:
        # What the call measured last costs beside its metrics.
        self.beside: Mapping[str, Mapping[str, int]] = {}
        self.precision = precision
        self.fake = fake_cuda() if precision == "autocast" else None
        self.device = "meta" if self.fake is None else "cuda"

    def context(self) -> ExitStack:
        """Enter the precision, without gradients."""
        stack = ExitStack()
        if self.fake is not None:
            stack.enter_context(self.fake)
            stack.enter_context(cuda_autocast())
        stack.enter_context(torch.no_grad())
        return stack

    def empty(self, *shape: int, size: int = 2) -> Tensor:
        """Make a tensor whose elements have so many bytes."""
        return torch.empty(*shape, dtype=_DTYPES[size], device=self.device)

    def integers(self, *shape: int) -> Tensor:
        """Make a tensor of int32, which grouped products ask for."""
        return torch.empty(*shape, dtype=torch.int32, device=self.device)

    def constant(self, *shape: int) -> Tensor:
        """Make a tensor of activations that no gradient is taken of: pixels, masks, angles."""
        return Bench.empty(self, *shape)

    def written(self, tensor: Tensor) -> Tensor:
        """Return what a call may write in place."""
        return tensor

    def wide(self, *shape: int) -> Tensor:
        """Make a tensor of the dtype that autocast leaves in CLIP's residual stream."""
        return self.empty(*shape, size=2 if self.fake is None else 4)

    def module(self, make: Callable[[], nn.Module]) -> Any:
        """Make a module in bf16 without values, where the tensors live."""
        # Fake CUDA tensors cannot be drawn or sliced at construction: make on meta, then move.
        from torch._subclasses.fake_tensor import unset_fake_temporarily

        with unset_fake_temporarily(), default_dtype(torch.bfloat16), UninitialisedParameters(), torch.device("meta"):
            made = make().eval()
        return made if self.fake is None else made.to_empty(device="cuda")

    def count(
        self,
        layer: str,
        settings: Mapping[str, Any],
        choices: Mapping[str, str],
        subject: Subject,
        source: str | None = None,
    ) -> Counted:
        """Run a call, and say what it stands for and what it costs."""
        metrics, by_aten = self.measure(subject)
        return Counted(
            source=source or self.source,
            layer=formula_file(layer),
            settings=dict(settings),
            choices={**choices, "precision": self.precision},
            metrics=metrics,
            by_aten=by_aten,
            without=subject.without,
            beside=self.beside,
        )

    def measure(self, subject: Subject) -> tuple[dict[str, int], dict[str, tuple[int, int]]]:
        """Run a call under the trace: metrics, and bytes and launches by aten operator."""
        with OperatorTrace() as trace:
            subject.call()
        total = trace.total
        metrics = {
            "forward_tensor_core_flops": total.tensor_core_flops,
            "forward_cuda_core_flops": total.cuda_core_flops,
            "forward_io_bytes": total.io_bytes,
            "operator_launches": total.launches,
            "parameters": sum(parameter.numel() for parameter in subject.parameters),
            "forward_weight_bytes": sum(parameter.nbytes for parameter in subject.parameters),
        }
        if subject.kv_bytes is not None:
            metrics["forward_kv_cache_bytes"] = subject.kv_bytes()
        return metrics, {name: (traffic.io_bytes, traffic.launches) for name, traffic in trace.by_operator.items()}


def on_one_tensor(make: Callable[[Mapping[str, Any]], nn.Module], *shape: str | int, tensor: str = "empty") -> Maker:
    """Call a module on one tensor, whose sizes go by symbol; ``tensor`` is the bench's method that makes it."""

    def subject(bench: Bench, settings: Mapping[str, Any]) -> Subject:
        made = bench.module(lambda: make(settings))
        x = getattr(bench, tensor)(*(settings[size] if isinstance(size, str) else size for size in shape))
        return Subject(owner=made, call=lambda: made(x))

    return subject
