"""Time what a call launches on a CUDA GPU, kernel by kernel, as CUPTI records it.

Events and wall clocks cannot resolve kernels of microseconds. So each call stands between two marker kernels, and
everything that the GPU does between them is the call's. A dry run calls everything on a CPU and times nothing.
"""

import math
import shutil
import statistics
import subprocess
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

import torch
from attrs import frozen
from torch import Tensor

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.measurement.cupti import Record, between_markers, mark, recorded

AT_ONCE = 24
"""How many are timed in one session of the profiler: starting one takes longer than they do."""
COLD_BYTES = 256 * 2**20
"""Read before a cold call: about four times the largest L2."""
ATTEMPTS = 3
IDLE_SPREAD, IDLE_MEDIANS, IDLE_CALLS, IDLE_ELEMENTS = 1.3, 10, 9, 10**8
BOOST_SECONDS = 1.0
"""How long a GPU computes before its clocks are what they stay."""


@frozen(kw_only=True)
class MeasuredKernel:
    """One kernel, copy or filling of memory.

    Attributes
    ----------
    name : str
        As CUPTI names it.
    seconds : float
        From its first to its last instant on the GPU.
    """

    name: str
    seconds: float


@frozen(kw_only=True)
class Busy:
    """How long one call keeps the GPU busy.

    Attributes
    ----------
    seconds : float
        Durations of its kernels together; the median over the calls.
    least : float
        The same of the fastest call.
    kernels : tuple of MeasuredKernel
        Those of the call that is the median, in their order.
    """

    seconds: float
    least: float
    kernels: tuple[MeasuredKernel, ...]


@frozen(kw_only=True)
class Timed:
    """What to time.

    Attributes
    ----------
    call : callable
        Takes nothing; what it returns is freed after its second marker.
    cold : bool
        Whether the L2 cache is emptied before every call.
    hot : tuple of Tensor
        Rewritten in place after that, so that a network's activations are in the cache and its weights are not.
    """

    call: Callable[[], object]
    cold: bool = False
    hot: tuple[Tensor, ...] = ()


@frozen(kw_only=True)
class GpuFacts:
    """What was measured on.

    Attributes
    ----------
    name, torch, cuda, driver : str
        The GPU, and the versions of PyTorch, of its CUDA and of the driver.
    multiprocessors : int
        Of the GPU.
    date : str
        Of today, as ISO 8601 writes it.
    """

    name: str
    torch: str
    cuda: str
    driver: str
    multiprocessors: int
    date: str


def on_gpu() -> bool:
    """Say whether PyTorch sees a CUDA GPU of NVIDIA."""
    return torch.version.cuda is not None and torch.cuda.is_available()


def require_gpu(*, dry: bool = False) -> GpuFacts:
    """Describe the current GPU, or refuse to measure without one; a dry run needs none."""
    date = datetime.now(tz=UTC).date().isoformat()
    if dry:
        return GpuFacts(
            name="none (dry run)", torch=torch.__version__, cuda="none", driver="none", multiprocessors=0, date=date
        )
    if not on_gpu():
        raise UserError(
            f"torch {torch.__version__} sees no CUDA GPU, and only one can be measured: run this on a machine with an"
            " NVIDIA GPU, its driver and a torch built for CUDA"
        )
    properties = torch.cuda.get_device_properties(torch.cuda.current_device())
    return GpuFacts(
        name=properties.name,
        torch=torch.__version__,
        cuda=str(torch.version.cuda),
        driver=_driver(),
        multiprocessors=properties.multi_processor_count,
        date=date,
    )


def _driver() -> str:
    """Ask the driver's own tool for its version."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return "unknown"
    question = [tool, "--query-gpu=driver_version", "--format=csv,noheader"]
    try:
        said = subprocess.run(question, capture_output=True, text=True, timeout=30, check=True).stdout  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    lines = said.split()
    return lines[0] if lines else "unknown"


def check_idle(*, dry: bool = False) -> float:
    """Refuse to measure on a GPU that somebody else uses: the same stream of bytes takes different times there.

    Returns
    -------
    float
        The slowest median over the fastest one; 1 in a dry run.
    """
    a = torch.ones(8 if dry else IDLE_ELEMENTS, dtype=torch.bfloat16, device="cpu" if dry else "cuda")
    if dry:
        a.mul_(1)
        return 1.0
    until = time.perf_counter() + BOOST_SECONDS
    while time.perf_counter() < until:
        a.mul_(1)
        torch.cuda.synchronize()
    # By events: a profiler would stay with the process and slow down every launch after it.
    medians = [
        statistics.median(event_seconds(lambda: a.mul_(1)) for _ in range(IDLE_CALLS)) for _ in range(IDLE_MEDIANS)
    ]
    spread = max(medians) / min(medians)
    if spread > IDLE_SPREAD:
        raise UserError(
            f"the GPU is busy: one and the same stream of bytes took {min(medians) * 1e6:.0f} to"
            f" {max(medians) * 1e6:.0f} us, {spread:.2f} times as long; run again when nothing else uses it"
        )
    return spread


def event_seconds(call: Callable[[], object]) -> float:
    """Return the seconds between two events around a call on the GPU."""
    events: Any = torch.cuda.Event
    start, stop = events(enable_timing=True), events(enable_timing=True)
    start.record()
    call()
    stop.record()
    torch.cuda.synchronize()
    return float(start.elapsed_time(stop)) * 1e-3


def busy(timed: Sequence[Timed], *, calls: int = 9, warm_ups: int = 4, dry: bool = False) -> list[Busy]:
    """Time calls on the current GPU, without gradients being recorded.

    Parameters
    ----------
    timed : sequence of Timed
        What to call; the tensors of all of them stand in memory together.
    calls, warm_ups : int
        How often each is timed, and called before that.
    dry : bool
        Call each once on a CPU and time nothing: no seconds, no kernels.

    Returns
    -------
    list of Busy
        In the same order.
    """
    found: list[Busy] = []
    with torch.no_grad():
        if dry:
            for each in timed:
                _prepare_caches(each, torch.ones(16))
                each.call()
                found.append(Busy(seconds=0.0, least=0.0, kernels=()))
            return found
        any_cold = any(each.cold for each in timed)
        swept = torch.ones(COLD_BYTES // 4 if any_cold else 1, device="cuda")
        for start in range(0, len(timed), AT_ONCE):
            found.extend(_batch(timed[start : start + AT_ONCE], calls, warm_ups, swept))
    return found


def _prepare_caches(timed: Timed, swept: Tensor) -> None:
    if timed.cold:
        swept.sum()
        for tensor in timed.hot:
            if tensor.dtype == torch.bool:
                tensor.logical_or_(tensor)
            else:
                tensor.mul_(1)


def _batch(timed: Sequence[Timed], calls: int, warm_ups: int, swept: Tensor) -> list[Busy]:
    """Time some calls in one session; where it lost a marker, each in one of its own."""

    def run() -> None:
        for each in timed:
            for _ in range(warm_ups):
                each.call()
            for _ in range(calls):
                _prepare_caches(each, swept)
                torch.cuda.synchronize()
                mark()
                out = each.call()
                mark()
                del out

    for _ in range(ATTEMPTS if len(timed) == 1 else 1):
        pieces = between_markers(recorded(run))
        if len(pieces) == 2 * calls * len(timed):
            # What follows every other marker is what lies between two calls.
            within = pieces[::2]
            return [_median(within[start : start + calls]) for start in range(0, len(within), calls)]
    if len(timed) > 1:
        return [found for each in timed for found in _batch([each], calls, warm_ups, swept)]
    raise UserError(
        f"torch.profiler lost some of {2 * calls} marker kernels, {ATTEMPTS} times: run again when no other profiler"
        " is at work on the GPU"
    )


def _median(calls: Sequence[Sequence[Record]]) -> Busy:
    kernels = [tuple(MeasuredKernel(name=name, seconds=length * 1e-9) for _, length, name in call) for call in calls]
    sums = [math.fsum(kernel.seconds for kernel in call) for call in kernels]
    middle = statistics.median_high(sums)
    return Busy(seconds=middle, least=min(sums), kernels=kernels[sums.index(middle)])
