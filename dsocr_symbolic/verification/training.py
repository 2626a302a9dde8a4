"""Count gradient steps and peaks of memory of the reference.

A step takes the gradient of the sum of a call's outputs: pixels, ids, positions and masks need none, all parameters and
all other activations do; of whole pages those of vision and projector only where all is trained. The mixture of experts
runs its training branch, the auxiliary loss is off, logits are of all positions, and there is no optimiser. A peak is
the most bytes of tensors that are alive in a call without gradients: inputs count throughout, outputs too; parameters,
buffers and the KV cache do not.
"""

from collections.abc import Iterator
from contextlib import ExitStack

import torch
from torch import Tensor, nn

from dsocr_symbolic.language.formula import Operator
from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.verification.calls.bench import Bench, Subject
from dsocr_symbolic.verification.calls.cases import (
    Case,
    corner_cases,
    decodes,
    published_layers,
    sampled_cases,
    training_pages,
)
from dsocr_symbolic.verification.proof import proof_cells, small_call
from dsocr_symbolic.verification.reference.gradient_step import gradient_step
from dsocr_symbolic.verification.reference.memory import Peak, allocation_peak
from dsocr_symbolic.verification.reference.trace import tensors_in

# Trained as a whole, with its head.
_PAGE = "core/deepseek_ocr_model"


class TrainingBench(Bench):
    """Makes tensors whose gradient is taken, in bf16 on the meta device, and counts gradient steps."""

    source = "training"

    def context(self) -> ExitStack:
        """Enter a block with gradients."""
        stack = ExitStack()
        stack.enter_context(torch.enable_grad())
        return stack

    def empty(self, *shape: int, size: int = 2) -> Tensor:
        """Make a tensor; activations need a gradient, ids and masks have none."""
        made = super().empty(*shape, size=size)
        return made.requires_grad_(made.is_floating_point())

    def written(self, tensor: Tensor) -> Tensor:
        """Copy what a call writes in place, as autograd asks for."""
        return tensor.clone()

    def measure(self, subject: Subject) -> tuple[dict[str, int], dict[str, tuple[int, int]]]:
        """Count one step, and leave the module as it was: the published network is made once for all calls."""
        trace, counts = gradient_step(
            subject.owner or nn.Module(),
            subject.parameters,
            lambda: [out for out in tensors_in((subject.call(),)) if out.requires_grad],
        )
        moved = {"sum_bytes": trace.sums.io_bytes, "view_bytes": trace.views.io_bytes}
        self.beside = {
            "backward_io_bytes": {**moved, "expanded_bytes": -trace.expanded_bytes},
            "backward_cuda_core_flops": {"sum_flops": trace.sums.cuda_core_flops + trace.views.cuda_core_flops},
        }
        return counts, {}


class PeakBench(Bench):
    """Makes tensors, in bf16 on the meta device, remembers them as a call's inputs, and finds the call's peak."""

    source = "training"

    def __init__(self, precision: str = "plain") -> None:
        super().__init__(precision)
        self.inputs: list[Tensor] = []

    def empty(self, *shape: int, size: int = 2) -> Tensor:
        """Make a tensor."""
        made = super().empty(*shape, size=size)
        self.inputs.append(made)
        return made

    def integers(self, *shape: int) -> Tensor:
        """Make a tensor of int32."""
        made = super().integers(*shape)
        self.inputs.append(made)
        return made

    def constant(self, *shape: int) -> Tensor:
        """Make a tensor."""
        return self.empty(*shape)

    def peak(self, subject: Subject) -> Peak:
        """Find the most bytes alive, and the operator at which they are reached."""
        cache = subject.cache

        def cached() -> list[Tensor]:
            return [] if cache is None else [*cache.keys, *cache.values]

        past = {id(tensor) for tensor in cached()}
        return allocation_peak(subject.call, [tensor for tensor in self.inputs if id(tensor) not in past], cached)

    def measure(self, subject: Subject) -> tuple[dict[str, int], dict[str, tuple[int, int]]]:
        """Count the peak alone."""
        return {"forward_activation_bytes": self.peak(subject).peak_bytes}, {}


def training_cases() -> Iterator[Case]:
    """Yield the calls that are compared: operators, corners, a small one of every cell, published layers, and pages."""
    library = load_library()
    for case in sampled_cases():
        operator = library[case.layer.rpartition("/")[2]] if case.layer.startswith("operators/") else None
        if isinstance(operator, Operator) and operator.backward is not None:
            yield case
    yield from (case for case in corner_cases() if not decodes(case.settings) and case.layer != _PAGE)
    # A step of decode has no backward.
    yield from (case for case in map(small_call, proof_cells()) if not decodes(case.settings))
    yield from published_layers()
    yield from training_pages()
