"""What a CUDA GPU did, kernel by kernel, as CUPTI hands it to PyTorch's profiler, cut at marker kernels."""

from collections.abc import Callable, Iterable
from typing import Any

import torch

from dsocr_symbolic.errors import UserError

MARKER = "spin_kernel"
"""What the kernel of ``torch.cuda._sleep`` is called."""
NO_WORK = (
    "Activity Buffer",
    "Buffer Flush",
    "Command Buffer",
    "Context Sync",
    "Event Sync",
    "Instrumentation",
    "Lazy Function",
    "Resource",
    "Runtime Triggered",
    "Stream Sync",
    "Stream Wait",
)
"""How the profiler's own records begin that stand among the kernels without being any."""
MARKER_CYCLES = 1000

Record = tuple[int, int, str]
"""Start and duration in nanoseconds, and name."""


def mark() -> None:
    """Launch a marker kernel."""
    torch.cuda._sleep(MARKER_CYCLES)  # type: ignore[no-untyped-call]  # noqa: SLF001 - nothing public spins


def between_markers(records: Iterable[Record]) -> list[list[Record]]:
    """Cut what a GPU did at the marker kernels.

    Parameters
    ----------
    records : iterable of (int, int, str)
        Start and duration in nanoseconds, and name; in any order.

    Returns
    -------
    list of list of (int, int, str)
        One list per marker: the work that follows it. What comes before the first one is left out.
    """
    pieces: list[list[Record]] = []
    for record in sorted(records):
        _, _, name = record
        if MARKER in name:
            pieces.append([])
        elif pieces and not name.startswith(NO_WORK):
            pieces[-1].append(record)
    return pieces


def recorded(run: Callable[[], None]) -> list[Record]:
    """Record what the GPU does while a function runs, and until it has done it.

    Parameters
    ----------
    run : callable
        Launches at least one marker.

    Returns
    -------
    list of (int, int, str)
        Start and duration in nanoseconds, and name; copies and fillings of memory too.
    """
    from torch.profiler import ProfilerActivity, profile

    torch.cuda.synchronize()
    with profile(activities=[ProfilerActivity.CUDA]) as session:
        run()
        torch.cuda.synchronize()
    records = _device_records(session)
    if not any(MARKER in name for _, _, name in records):
        raise UserError(
            f"torch.profiler saw no kernel on {torch.cuda.get_device_name()}: CUPTI is missing or in use; end other"
            " profilers, allow performance counters, or install a torch with CUPTI (its wheels for CUDA have it)"
        )
    return records


def _device_records(session: Any) -> list[Record]:
    try:
        events = session.profiler.kineto_results.events()
        return [
            (event.start_ns(), event.duration_ns(), event.name())
            for event in events
            if str(event.device_type()).endswith("CUDA")
        ]
    except AttributeError:
        # The public list is slower and rounds, and holds the same.
        return [
            (round(event.time_range.start * 1e3), round(event.time_range.elapsed_us() * 1e3), event.name)
            for event in session.events()
            if str(event.device_type).endswith("CUDA")
        ]
