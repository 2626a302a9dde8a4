"""Measure the grid on the GPU at hand and fix the constants of the time formulas by it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.registry import load_machine
from dsocr_symbolic.measurement.benchmarks import measure_all
from dsocr_symbolic.measurement.fit import fitted
from dsocr_symbolic.measurement.grid import benchmarks, load_grid
from dsocr_symbolic.measurement.host import HostRounds
from dsocr_symbolic.measurement.kernels import GpuFacts, check_idle, require_gpu
from dsocr_symbolic.measurement.machine_file import machine_file, residuals
from dsocr_symbolic.measurement.streams import StreamWalls
from dsocr_symbolic.scenario.hardware import Gpu, load_gpus
from dsocr_symbolic.scenario.origins import first_number
from dsocr_symbolic.writing.files import check_target, written_whole

Say = Callable[[str], None]
ROUNDS = 5
"""Rounds of the host's cost, of which the quietest counts."""


def calibrate(
    out: Path, *, host: bool, force: bool, command: str, say: Say, pages: Mapping[str, Any] | None = None
) -> None:
    """Write a machine file of the GPU at hand.

    Parameters
    ----------
    out : Path
        The file; one that exists is replaced with ``force`` alone.
    host : bool
        Whether to measure what launches cost on the host as well.
    force, command : bool, str
        Whether to replace a file; the command as it was typed, for the file.
    say : callable
        Gets a line of progress.
    pages : mapping, optional
        What a host file says, to be part of the machine file.

    Raises
    ------
    UserError
        If there is no GPU, an unknown one or a busy one, or the file is there.
    """
    check_target(out, force=force)
    facts = require_gpu()
    gpu = known_gpu(facts)
    check_idle()
    grid = load_grid()
    # A profiler stays with the process and slows down each launch after it: the host comes first.
    rounds = HostRounds() if host else None
    stream = StreamWalls() if host else None
    if rounds is not None:
        rounds.take(ROUNDS)
    busy = {benchmark.name: found for benchmark, found in measure_all(benchmarks(grid), say=say)}
    found = fitted(grid, busy, datasheet(gpu))
    costs = None if rounds is None or stream is None else (rounds.costs(), *stream.costs())
    text = machine_file(
        gpu=gpu.name, facts=facts, command=command, grid=grid, fitted=found, busy=busy, host=costs, pages=pages
    )
    with written_whole(out) as draft:
        draft.write_text(text, encoding="utf-8")
    for use, residual in residuals(grid, found).items():
        say(f"{use:24} {residual['records']:3} records, mean {residual['mean']:6.1%}, worst {residual['worst']:6.1%}")
    if costs is not None:
        for cost in costs[0]:
            say(f"host {cost.name}: {cost.per_launch_s * 1e6:.2f} us a launch, slowest round +{cost.spread:.0%}")
        if not any(cost.work for cost in costs[0]):
            say("host: torch finds no Triton here, so that launches of compiled code are not measured")
    say(f"wrote {out}")


def known_gpu(facts: GpuFacts) -> Gpu:
    """Return the file in hardware/ that is of the GPU at hand, by the longest title or name that fits the driver's."""
    words = facts.name.lower().replace("nvidia", "").replace("geforce", "").split()
    fits = [gpu for gpu in load_gpus() if all(word in gpu.title.lower().split() for word in words)]
    if not fits:
        raise UserError(f"no file in hardware/ is of {facts.name}: add one, with its datasheet's numbers and sources")
    return min(fits, key=lambda gpu: len(gpu.title))


def datasheet(gpu: Gpu) -> Mapping[str, float]:
    """Return the numbers of a GPU that are not measured here, by symbol."""
    numbers = {name: first_number(known, gpu) for name, known in load_machine().items() if known.scales is None}
    return {name: float(number) for name, number in numbers.items() if number is not None}
