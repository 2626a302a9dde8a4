"""Capture of a prepared call in a CUDA graph."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.measurement.components import Prepared

WARM_UPS = 3


def captured(prepared: Prepared, *, dry: bool = False) -> Callable[[], object]:
    """Capture a call and return its replay, which holds the graph and its memory; raise UserError if it cannot be.

    A call that waits for the GPU is found before the capture: a capture that fails leaves PyTorch's allocator
    in a state in which it frees nothing more.
    """
    if dry:
        return prepared.call
    current = torch.cuda.current_stream()
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(current)
    with torch.cuda.stream(side):
        for number in range(WARM_UPS):
            prepared.before()
            if number < WARM_UPS - 1:
                prepared.call()
            else:
                _call_without_waits(prepared)
    current.wait_stream(side)
    torch.cuda.synchronize()
    prepared.before()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        out = prepared.call()

    def replay() -> object:
        graph.replay()
        return out

    return replay


def _call_without_waits(prepared: Prepared) -> None:
    with _waits_are_errors():
        try:
            prepared.call()
        except RuntimeError as error:
            if "synchroniz" not in str(error):
                raise
            raise UserError(
                "a CUDA graph cannot hold this call: its host waits for the GPU (an MoE layer reads how many rows each"
                " expert has); measure it in eager mode"
            ) from error


@contextmanager
def _waits_are_errors() -> Iterator[None]:
    """Let PyTorch raise where the host would wait for the GPU."""
    with warnings.catch_warnings():
        # It says that the mode is a prototype.
        warnings.simplefilter("ignore")
        torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")
