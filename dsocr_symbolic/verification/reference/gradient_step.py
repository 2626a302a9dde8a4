"""One gradient step of a call: what its backward launches, what it keeps, and the gradients that it leaves."""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from dsocr_symbolic.verification.reference.backward import BackwardTrace
from dsocr_symbolic.verification.reference.saved import SavedTensors


def gradient_step(
    owner: nn.Module, parameters: Sequence[nn.Parameter], results: Callable[[], list[Tensor]]
) -> tuple[BackwardTrace, dict[str, int]]:
    """Count the gradient of the sum of results, by metric, and leave the module as it was.

    Parameters
    ----------
    owner : nn.Module
        The module in its training branch; its gradients are empty before and after.
    parameters : sequence of nn.Parameter
        What the step is of [gradients in bytes]; of what autograd keeps these do not count.
    results : callable
        The call; returns those of its results that require a gradient.
    """
    owner.train()
    try:
        with SavedTensors(parameters) as saved:
            outs = results()
            kept = saved.nbytes
            with BackwardTrace(outs) as trace:
                if outs:
                    torch.autograd.backward(outs, [torch.empty_like(out) for out in outs])
        gradients = sum(parameter.grad.nbytes for parameter in parameters if parameter.grad is not None)
    finally:
        owner.eval()
        owner.zero_grad(set_to_none=True)
    return trace, {
        "backward_tensor_core_flops": trace.derivatives.tensor_core_flops,
        "backward_cuda_core_flops": trace.derivatives.cuda_core_flops,
        "backward_io_bytes": trace.derivatives.io_bytes,
        "backward_activation_bytes": kept,
        "backward_weight_bytes": gradients,
    }
