"""The same engine, event by event: it takes the seconds of steps that the formulas take and proves the queueing."""

import heapq
import math
import sys
from collections import deque
from collections.abc import Callable, Generator, Sequence
from random import Random
from statistics import fmean, pstdev
from typing import Any

from attrs import define, frozen

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.questions.plan.demand import Answers
from dsocr_symbolic.questions.plan.hosting import HostWork

REQUESTS = 12000
# What is left out at first: the engine begins empty, or all requests at once.
_WARM = 0.2
_PERCENTILE = 0.99


@frozen(kw_only=True)
class Engine:
    """What a simulation knows of a machine and its pages.

    Attributes
    ----------
    prompts : tuple of tuple of float
        By kind of page, seconds of each chunk, vision in the first one.
    shares : tuple of float
        Of each kind.
    step_s : callable
        Seconds of a decode step at a whole batch.
    answers : Answers
        Lengths: those that are known are drawn from, else a log-normal distribution of their mean and spread.
    host : HostWork or None
        What is done of pages that arrive before the engine sees them, each on a free core.
    saved_s : callable or None
        Seconds that a chunk and a decode step of a batch take less in one forward; None where they are two.
    """

    prompts: tuple[tuple[float, ...], ...]
    shares: tuple[float, ...]
    step_s: Callable[[int], float]
    answers: Answers
    host: HostWork | None = None
    saved_s: Callable[[int], float] | None = None


@frozen(kw_only=True)
class Simulated:
    """What a simulation saw.

    Attributes
    ----------
    requests, seed : int
        How many ended that count, and what it was drawn with.
    requests_per_s, ttft_s, tpot_s, ttft_p99_s, tpot_p99_s, running : float
        Requests that ended in a second, means and 99th percentiles of seconds, the mean batch of decode steps.
    drawn : Answers
        Mean and spread of the lengths as they were drawn.
    """

    requests: int
    seed: int
    requests_per_s: float
    ttft_s: float
    tpot_s: float
    ttft_p99_s: float
    tpot_p99_s: float
    running: float
    drawn: Answers


@define(kw_only=True)
class _Request:
    """A page on its way."""

    arrived: float
    chunks: list[float]
    steps: int
    first: float = 0.0
    last: float = 0.0


@define(kw_only=True)
class _State:
    """What is going on."""

    waiting: deque[_Request]
    running: list[tuple[int, int, _Request]]
    ended: list[_Request]
    awake: Any = None
    begun: int = 0
    rounds: int = 0
    stepped: int = 0


def simulate(
    engine: Engine,
    *,
    concurrency: int,
    arrivals_per_s: float | None = None,
    requests: int = REQUESTS,
    seed: int = 0,
) -> Simulated:
    """Let an engine work until so many requests have ended.

    Parameters
    ----------
    engine : Engine
    concurrency : int
        Requests at any time; of those that arrive at random, how many run at most.
    arrivals_per_s : float, optional
        Requests that arrive in a second, at random; left out, as one ends the next one comes.
    requests, seed : int
        How many end, a fifth of which does not count, and what all is drawn with.

    Raises
    ------
    UserError
        If simpy is not installed.
    """
    try:
        import simpy
    except ImportError as error:
        raise UserError('simpy cannot be imported; pip install "dsocr_symbolic[service]" brings it') from error
    world, lots = simpy.Environment(), Random(seed)  # noqa: S311 - a simulation, no secret
    state = _State(waiting=deque(), running=[], ended=[])
    draw = _drawer(engine, lots)
    cores = simpy.Resource(world, (engine.host and engine.host.cores) or sys.maxsize)

    def arrive(part: float = 1.0, arrived: float | None = None) -> None:
        chunks, steps = draw()
        since = world.now if arrived is None else arrived
        state.waiting.append(_Request(arrived=since, chunks=chunks, steps=max(1, math.ceil(steps * part))))
        if state.awake is not None and not state.awake.triggered:
            state.awake.succeed()

    def arrivals(rate: float) -> Generator[Any, Any, None]:
        while True:
            yield world.timeout(lots.expovariate(rate))
            if engine.host is None:
                arrive()
            else:
                world.process(prepared(engine.host))

    def prepared(host: HostWork) -> Generator[Any, Any, None]:
        arrived, takes = world.now, lots.choice(host.seconds or (host.host_s,))
        with cores.request() as core:
            yield core
            yield world.timeout(takes)
        arrive(arrived=arrived)

    def work() -> Generator[Any, Any, None]:
        while len(state.ended) < requests:
            if not state.waiting and not state.running:
                state.awake = world.event()
                yield state.awake
            chunk = state.waiting[0].chunks.pop(0) if state.waiting and len(state.running) < concurrency else None
            if chunk is not None and engine.saved_s is None:
                yield world.timeout(chunk)
                _begin(state, world.now)
                chunk = None
            yield world.timeout(_round_s(engine, len(state.running), chunk))
            ended = _step(state, world.now)
            if chunk is not None:
                _begin(state, world.now)
            for _ in range(0 if arrivals_per_s is not None else ended):
                arrive()

    if arrivals_per_s is None:
        # As if they had been at it for a while: each of the first is somewhere within its answer.
        for _ in range(concurrency):
            arrive(lots.random() or 1.0)
    else:
        world.process(arrivals(arrivals_per_s))
    world.run(world.process(work()))
    return _seen(state, seed)


def _round_s(engine: Engine, batch: int, chunk: float | None) -> float:
    """Return the seconds of a decode step, if any requests run, and of a chunk that is in the same forward."""
    if not batch:
        return chunk or 0.0
    saved = engine.saved_s(batch) if chunk is not None and engine.saved_s is not None else 0.0
    return (chunk or 0.0) + engine.step_s(batch) - saved


def _begin(state: _State, now: float) -> None:
    """Let the first request that waits run, if that was its last chunk: its first token is there."""
    if state.waiting[0].chunks:
        return
    request = state.waiting.popleft()
    request.first = now
    state.begun += 1
    heapq.heappush(state.running, (state.rounds + request.steps, state.begun, request))


def _step(state: _State, now: float) -> int:
    """End a decode step, if any requests run; return how many end with it."""
    if not state.running:
        return 0
    state.rounds += 1
    state.stepped += len(state.running)
    before = len(state.ended)
    while state.running and state.running[0][0] <= state.rounds:
        request = heapq.heappop(state.running)[2]
        request.last = now
        state.ended.append(request)
    return len(state.ended) - before


def _drawer(engine: Engine, lots: Random) -> Callable[[], tuple[list[float], int]]:
    """Return what draws the chunks and the decode steps of a request."""
    answers = engine.answers
    sigma = math.sqrt(math.log(1 + answers.spread**2))
    middle = math.log(answers.mean) - sigma**2 / 2

    def draw() -> tuple[list[float], int]:
        (prompt,) = lots.choices(engine.prompts, engine.shares)
        if answers.steps:
            return list(prompt), lots.choice(answers.steps)
        return list(prompt), max(1, round(lots.lognormvariate(middle, sigma) if sigma else answers.mean))

    return draw


def _seen(state: _State, seed: int) -> Simulated:
    ended = state.ended
    first = round(_WARM * len(ended))
    kept = ended[first:]
    since = ended[first - 1].last if first else 0.0
    to_first = sorted(request.first - request.arrived for request in kept)
    each = sorted((request.last - request.first) / request.steps for request in kept)
    steps = [request.steps for request in kept]
    return Simulated(
        requests=len(kept),
        seed=seed,
        requests_per_s=len(kept) / (kept[-1].last - since),
        ttft_s=fmean(to_first),
        tpot_s=fmean(each),
        ttft_p99_s=_percentile(to_first),
        tpot_p99_s=_percentile(each),
        running=state.stepped / state.rounds,
        drawn=Answers(mean=fmean(steps), spread=pstdev(steps) / fmean(steps), longest=max(steps)),
    )


def _percentile(ordered: Sequence[float]) -> float:
    return ordered[min(len(ordered) - 1, math.ceil(_PERCENTILE * len(ordered)) - 1)]
