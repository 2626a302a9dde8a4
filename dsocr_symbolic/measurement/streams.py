"""What passes beside kernels: before and after them, between them, and where a CUDA graph replays them."""

import statistics
from collections.abc import Callable
from typing import Any

import torch
from attrs import frozen

from dsocr_symbolic.measurement.cupti import MARKER, recorded
from dsocr_symbolic.measurement.host import CALLS, WARM_UPS, Stack, wall_seconds
from dsocr_symbolic.measurement.kernels import Timed, busy
from dsocr_symbolic.measurement.served.compiled import can_compile
from dsocr_symbolic.measurement.served.stacks import decode_step

GRAPH_KERNELS = (10, 100, 1000)
QUIETEST_OF = 3
SPIN_CYCLES, STREAM_KERNELS = 100_000, 200
"""Kernels long enough that the host is ahead of them."""


@frozen(kw_only=True)
class GraphCost:
    """What a CUDA graph takes beyond the time that its kernels are at work; all 0 in a dry run.

    Attributes
    ----------
    per_kernel_s : float
        Seconds before each kernel of a decode step, small ones and products in a network's proportions; where nothing
        can be compiled, before each small elementwise kernel.
    per_replay_s : float
        Seconds of a replay.
    """

    per_kernel_s: float
    per_replay_s: float


@frozen(kw_only=True)
class StreamCost:
    """What passes beside kernels where the host is ahead of them.

    Attributes
    ----------
    wait_s : float
        Seconds of one call of a long kernel between two synchronisations, less the kernel's.
    gap_s : float
        Seconds between two kernels of a stream.
    """

    wait_s: float
    gap_s: float


class StreamWalls:
    """Walls of kernels and of graphs, taken before a profiler says how long the kernels themselves are.

    Parameters
    ----------
    dry : bool
        Call everything once on a CPU: all costs are 0 then.
    """

    def __init__(self, *, dry: bool = False) -> None:
        device = "cpu" if dry else "cuda"
        self.m_dry = dry
        self.m_short = torch.zeros(8, device=device)
        counts = (1, 2) if dry else (1, STREAM_KERNELS)
        self.m_walls = {count: self._wall(count) for count in counts}
        self.m_graphs = {} if dry else {count: self._graph(count) for count in GRAPH_KERNELS}
        self.m_replays = {count: self._clocked(graph.replay) for count, graph in self.m_graphs.items()}
        # A graph reads what its call holds, which has to stay.
        self.m_decode = None if dry or not can_compile() else decode_step(device)
        self.m_step = None if self.m_decode is None else self._captured(self.m_decode)
        self.m_step_wall = 0.0 if self.m_step is None else self._clocked(self.m_step.replay)

    def _wait(self, count: int) -> None:
        for _ in range(0 if self.m_dry else count):
            torch.cuda._sleep(SPIN_CYCLES)  # type: ignore[no-untyped-call]  # noqa: SLF001 - a kernel that moves nothing

    def _add(self, count: int) -> None:
        for _ in range(count):
            self.m_short.add_(1)

    def _wall(self, count: int) -> float:
        return self._clocked(lambda: self._wait(count))

    def _clocked(self, call: Callable[[], object]) -> float:
        stack = Stack(name="stream", call=call, reset=lambda: None)
        return min(wall_seconds(stack, 1 if self.m_dry else CALLS, WARM_UPS) for _ in range(QUIETEST_OF))

    def _graph(self, count: int) -> Any:
        return self._captured(lambda: self._add(count))

    @staticmethod
    def _captured(call: Callable[[], object]) -> Any:
        beside: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            for _ in range(WARM_UPS):
                call()
        torch.cuda.current_stream().wait_stream(beside)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            call()
        return graph

    def costs(self) -> tuple[StreamCost, GraphCost]:
        """Return what passed beside the kernels: of a stream, and a straight line through the graphs."""
        if self.m_dry:
            return StreamCost(wait_s=0.0, gap_s=0.0), GraphCost(per_kernel_s=0.0, per_replay_s=0.0)
        kernel = self._kernel_seconds()
        one, many = self.m_walls[1], self.m_walls[STREAM_KERNELS]
        gap, wait = (many - one) / (STREAM_KERNELS - 1) - kernel, max(one - kernel, 0.0)
        beyond = []
        for count, graph in self.m_graphs.items():
            (device,) = busy([Timed(call=graph.replay)], calls=3, warm_ups=1)
            beyond.append(self.m_replays[count] - device.seconds)
        line = statistics.linear_regression(GRAPH_KERNELS, beyond)
        replay = max(line.intercept - wait, 0.0)
        between = line.slope
        if self.m_step is not None:
            (step,) = busy([Timed(call=self.m_step.replay)], calls=3, warm_ups=1)
            between = (self.m_step_wall - step.seconds - wait - replay) / len(step.kernels)
        return (
            StreamCost(wait_s=wait, gap_s=max(gap, 0.0)),
            GraphCost(per_kernel_s=max(between, 0.0), per_replay_s=replay),
        )

    def _kernel_seconds(self) -> float:
        """Return the seconds of one kernel that spins; markers are of its kind, so that nothing cuts it out."""
        spins = [seconds for _, seconds, name in recorded(lambda: self._wait(STREAM_KERNELS)) if MARKER in name]
        return statistics.median(spins) * 1e-9
