"""What passes beside kernels: before and after them, between them, and where a CUDA graph replays them."""

import statistics
from typing import Any

import torch
from attrs import frozen

from dsocr_symbolic.measurement.host import CALLS, WARM_UPS, Stack, normal, wall_seconds
from dsocr_symbolic.measurement.kernels import Timed, busy, event_seconds

GRAPH_KERNELS = (10, 100, 1000)
REPLAYS = 20
STREAM_ELEMENTS, STREAM_KERNELS = 100_000_000, 100
"""Kernels long enough that the host is ahead of them."""


@frozen(kw_only=True)
class GraphCost:
    """What a CUDA graph takes beyond the time that its kernels are at work; all 0 in a dry run.

    Attributes
    ----------
    per_kernel_s : float
        Seconds before each small elementwise kernel.
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
        self.m_long = normal(device, 100 if dry else STREAM_ELEMENTS)
        self.m_short = torch.zeros(8, device=device)
        counts = (1, 2) if dry else (1, STREAM_KERNELS)
        self.m_walls = {count: self._wall(count) for count in counts}
        self.m_graphs = {} if dry else {count: self._graph(count) for count in GRAPH_KERNELS}
        self.m_replays = {count: _replayed(graph) for count, graph in self.m_graphs.items()}

    def _multiply(self, count: int) -> None:
        for _ in range(count):
            self.m_long.mul_(1.0)

    def _add(self, count: int) -> None:
        for _ in range(count):
            self.m_short.add_(1)

    def _wall(self, count: int) -> float:
        stack = Stack(name="stream", call=lambda: self._multiply(count), reset=lambda: None)
        return min(wall_seconds(stack, 1 if self.m_dry else CALLS, WARM_UPS) for _ in range(WARM_UPS))

    def _graph(self, count: int) -> Any:
        beside: Any = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            self._add(count)
        torch.cuda.current_stream().wait_stream(beside)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._add(count)
        return graph

    def costs(self) -> tuple[StreamCost, GraphCost]:
        """Return what passed beside the kernels: of a stream, and a straight line through the graphs."""
        if self.m_dry:
            return StreamCost(wait_s=0.0, gap_s=0.0), GraphCost(per_kernel_s=0.0, per_replay_s=0.0)
        (kernel,) = busy([Timed(call=lambda: self._multiply(1))])
        one, many = self.m_walls[1], self.m_walls[STREAM_KERNELS]
        gap = (many - one) / (STREAM_KERNELS - 1) - kernel.seconds
        beyond = []
        for count, graph in self.m_graphs.items():
            (device,) = busy([Timed(call=graph.replay)], calls=3, warm_ups=1)
            beyond.append(self.m_replays[count] - device.seconds)
        line = statistics.linear_regression(GRAPH_KERNELS, beyond)
        return (
            StreamCost(wait_s=max(one - kernel.seconds, 0.0), gap_s=max(gap, 0.0)),
            GraphCost(per_kernel_s=line.slope, per_replay_s=max(line.intercept, 0.0)),
        )


def _replayed(graph: Any) -> float:
    for _ in range(WARM_UPS):
        graph.replay()
    return statistics.median(event_seconds(graph.replay) for _ in range(REPLAYS))
