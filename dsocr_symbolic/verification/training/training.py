"""Count a gradient step: the backward pass of a call of the reference, and what autograd saves for it.

Convention: pixels, ids, positions and masks need no gradient, all parameters and all other activations do. The mixture
of experts runs its training branch, the auxiliary loss is off, logits are of all positions, and there is no optimiser.
The gradient is that of the sum of the outputs.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn

from dsocr_symbolic.verification.calls.bench import Bench, Subject
from dsocr_symbolic.verification.calls.cases import Case
from dsocr_symbolic.verification.calls.counted import Counted
from dsocr_symbolic.verification.calls.published import few_blocks, published_layers
from dsocr_symbolic.verification.calls.subjects import SUBJECTS
from dsocr_symbolic.verification.calls.whole import WHOLE, page_settings, whole_prefill
from dsocr_symbolic.verification.proof.proof import CELLS
from dsocr_symbolic.verification.reference.saved import SavedTensors
from dsocr_symbolic.verification.reference.trace import OperatorTrace, tensors_in

SOURCE = "training"


class TrainingBench(Bench):
    """Makes tensors whose gradient is taken, in bf16 on the meta device."""

    def __init__(self) -> None:
        super().__init__("plain")

    def context(self) -> ExitStack:
        """Enter a block with gradients."""
        stack = ExitStack()
        stack.enter_context(torch.enable_grad())
        return stack

    def empty(self, *shape: int, size: int = 2) -> Tensor:
        """Make a tensor; activations need a gradient, ids and masks have none."""
        made = super().empty(*shape, size=size)
        return made.requires_grad_(made.is_floating_point())


def subject_of(bench: Bench, case: Case) -> Subject:
    """Make the call of a case, a layer's or the whole network's."""
    if case.layer == WHOLE:
        return whole_prefill(bench, case.settings, case.choices["attention"], case.choices["logits"])
    return SUBJECTS[case.layer](bench, case.settings)


def count_training(case: Case) -> Counted:
    """Run a call forward and backward.

    Parameters
    ----------
    case : Case
        The formula file, its variant, settings and choices.

    Returns
    -------
    Counted
        Backward FLOPs, bytes saved for backward, bytes of the parameters' gradients.
    """
    bench = TrainingBench()
    with bench.context():
        subject = subject_of(bench, case)
        metrics = _step(subject.owner or nn.Module(), subject.call)
    return Counted(
        source=SOURCE,
        layer=case.layer.partition(" ")[0] if case.layer != WHOLE else WHOLE,
        settings=dict(case.settings),
        choices={**case.choices, "precision": "plain"},
        metrics=metrics,
        without=subject.without,
    )


def _step(owner: nn.Module, call: Callable[[], Any]) -> dict[str, int]:
    """Count one step, and leave the module as it was: the published network is made once for all calls."""
    parameters = list(owner.parameters())
    owner.train()
    try:
        with OperatorTrace() as trace, SavedTensors(parameters) as saved:
            results = [out for out in tensors_in((call(),)) if out.requires_grad]
            forward, kept = trace.total.tensor_core_flops, saved.nbytes
            if results:
                torch.autograd.backward([out.sum() for out in results])
        gradients = sum(each.grad.nbytes for each in parameters if each.grad is not None)
    finally:
        owner.eval()
        owner.zero_grad(set_to_none=True)
    return {
        "backward_tensor_core_flops": trace.total.tensor_core_flops - forward,
        "backward_activation_bytes": kept,
        "backward_weight_bytes": gradients,
    }


def training_cases() -> Iterator[Case]:
    """Yield the calls that are compared: a small one of every cell, the layers at published widths, and pages."""
    for cell in CELLS:
        settings = cell.settings({axis: first + stride for axis, (first, stride) in cell.axes.items()})
        if not _decodes(settings):
            yield Case(layer=cell.layer, settings=few_blocks(settings), choices=cell.choices)
    yield from published_layers()
    for columns, rows, kind in ((0, 0, "flash"), (3, 2, "flash"), (2, 1, "eager")):
        choices = {"attention": kind, "logits": "all"}
        yield Case(layer=WHOLE, settings=page_settings(columns, rows), choices=choices)


def _decodes(settings: Mapping[str, Any]) -> bool:
    """Say whether a call is a step of decode, which has no backward."""
    return settings.get("sequence") == 1 or settings.get("past", 0) > 0
