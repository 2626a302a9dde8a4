"""Measure parts of the network on a GPU: what keeps it busy, what a caller waits for, and what belongs to which module.

Times on a shared host vary, so walls are taken in rounds, each with all cases in an order of its own.
"""

import random
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from attrs import asdict, evolve, field, frozen

from dsocr_symbolic.measurement.attribution import attribute
from dsocr_symbolic.measurement.comparison.files import MEASURED
from dsocr_symbolic.measurement.components import Prepared, TimedCase, check_case, make
from dsocr_symbolic.measurement.graphs import captured
from dsocr_symbolic.measurement.kernels import GpuFacts, Timed, busy, check_idle, require_gpu
from dsocr_symbolic.measurement.lines import MeasuredLine, empty, one_line, said
from dsocr_symbolic.measurement.network import NetworkCache, tiny_config
from dsocr_symbolic.measurement.served.network import ServedCache
from dsocr_symbolic.measurement.served.parts import by_name, check_served, make_served

CALLS, WARM_UPS = 5, 1
LONG_SECONDS, ROUND_SECONDS = 0.05, 0.15
"""Of calls that take longer than the first, as many are timed in a round as fit into the second; one at least."""
_WALL_SHARE = 0.5
_FULL = 0.6
# A dry run's sizes: the smallest that every component takes.
_SMALL = {"batch": 2, "image_size": 128, "feature_grid": 2, "sequence": 7, "past": 5, "tokens": 3}


@frozen(kw_only=True)
class _Session:
    """What all cases share: the network, the clock, and where words and results go."""

    cache: NetworkCache
    served: ServedCache | None
    dry: bool
    say: Callable[[str], None]
    save: Callable[[], None]
    began: float = field(factory=time.monotonic)
    budget: float

    def has(self, share: float = 1.0) -> bool:
        """Say whether less than this share of the time is spent."""
        return time.monotonic() - self.began < share * self.budget

    def make(self, case: TimedCase) -> Prepared:
        """Prepare a case, of the plain network or of the served one."""
        return make(case, self.cache) if self.served is None else make_served(case, self.served)

    def wait(self) -> None:
        """Wait for the GPU; a dry run has none to wait for."""
        if not self.dry:
            torch.cuda.synchronize()


def measure_cases(
    cases: Sequence[TimedCase],
    *,
    rounds: int = 7,
    say: Callable[[str], None],
    save: Callable[[dict[str, Any]], None] = lambda _: None,
    budget: float = 330.0,
    seed: int = 0,
    network_cache: NetworkCache | None = None,
    served: bool = False,
    dry: bool = False,
) -> dict[str, Any]:
    """Measure cases on the current GPU.

    Parameters
    ----------
    cases : sequence of TimedCase
        What to measure.
    rounds : int
        How often the wall time of every case is taken, each time in another order.
    say : callable
        Receives one line per case and round.
    save : callable
        Receives the result so far after each case and each round.
    budget : float
        Seconds after which nothing new begins; what is left out then is said under ``left_out``.
    seed : int
        Of the orders.
    network_cache : NetworkCache, optional
        The network to use; by default the published one is built.
    served : bool
        Whether the cases are parts of the served network. They are compiled first, for which no time is reckoned.
    dry : bool
        Run everything once on a CPU, on small sizes, and time no kernel; nothing is compiled.

    Returns
    -------
    dict
        Plain JSON data. ``machine`` says on what; each of ``cases`` has ``device_s`` and ``device_least_s`` (median
        and least busy time of the GPU in one call, s), ``kernels`` of one call, ``wall_s`` (s, one per round),
        ``experts_hit`` per MoE layer, ``peak_bytes`` above what was allocated before, ``operators``, or an ``error``.
        Peaks of a graph are those of the call that it holds, of a backward those of a forward and a backward, and a
        decoding step's hold the whole grown KV cache beside the old one. A graph has no operators. A case of the served
        network has none either, and has ``kernels_by_name`` instead: how often each kernel ran in a call and its s.
    """
    for case in cases:
        (check_served if served else check_case)(case)
    facts = require_gpu(dry=dry)
    check_idle(dry=dry)
    found: dict[str, Any] = {
        "schema": MEASURED,
        "machine": _machine(facts),
        "rounds": rounds,
        "dry": dry,
        "left_out": [],
        "cases": [],
    }
    if network_cache is None:
        network_cache = NetworkCache(device="cpu", config=tiny_config()) if dry else NetworkCache()
    cache = ServedCache(plain=network_cache, compiles=not dry) if served else None
    session = _Session(cache=network_cache, served=cache, dry=dry, say=say, save=lambda: save(found), budget=budget)
    lines = [MeasuredLine(case=_sized(session, case), found=empty(case)) for case in cases]
    found["cases"] = [line.found for line in lines]
    if served:
        _compile_part(session, lines)
        session = evolve(session, began=time.monotonic())
    # A profiler stays with the process and slows down each launch after it: walls come first.
    _wall_part(session, lines, found, rounds, random.Random(seed))  # noqa: S311 - an order, no secret
    _device_part(session, lines, found)
    for each in found["left_out"]:
        say(f"left out: {each}")
    session.save()
    return found


def _machine(facts: GpuFacts) -> dict[str, Any]:
    said = asdict(facts)
    return {"gpu": said.pop("name"), **said}


def _sized(session: _Session, case: TimedCase) -> TimedCase:
    """Return the case as it is, or as small as a dry run has it."""
    if not session.dry:
        return case
    return evolve(case, settings={name: min(value, _SMALL[name]) for name, value in case.settings.items()})


def _compile_part(session: _Session, lines: Sequence[MeasuredLine]) -> None:
    """Call every case once, which compiles what it needs."""
    for line in lines:
        began = time.monotonic()
        try:
            session.make(line.case).call()
            session.wait()
        except Exception as error:  # noqa: BLE001 - one case may not end the others
            line.found["error"] = one_line(error)
        session.say(f"{line.case.label}: {line.found.get('error', 'compiled')}; {time.monotonic() - began:.1f} s")


def _device_part(session: _Session, lines: Sequence[MeasuredLine], found: dict[str, Any]) -> None:
    """Take everything but walls, case by case."""
    for number, line in enumerate(lines):
        if not session.has():
            found["left_out"] += [f"{left.case.label}: no time left" for left in lines[number:]]
            return
        if "error" in line.found:
            continue
        began = time.monotonic()
        try:
            line.found |= _device_facts(session, line.case)
        except Exception as error:  # noqa: BLE001 - one case may not end the others
            line.found["error"] = one_line(error)
        _free(session)
        session.say(f"{said(line)}; {time.monotonic() - began:.1f} s")
        session.save()


def _device_facts(session: _Session, case: TimedCase) -> dict[str, Any]:
    """Take experts, peak memory, busy time and, of what is no graph, operators."""
    prepared = session.make(case)
    prepared.before()
    prepared.call()
    # Both warm up as well: TorchScript compiles at its second call, libraries take their workspaces at the first.
    facts: dict[str, Any] = {"experts_hit": prepared.experts_hit(), "peak_bytes": _peak(session, prepared)}
    call = captured(prepared, dry=session.dry) if case.mode == "graph" else prepared.call

    def reset_and_call() -> object:
        prepared.before()
        return call()

    timed = Timed(call=reset_and_call, cold=bool(prepared.hot), hot=prepared.hot)
    (one,) = busy([timed], calls=CALLS, warm_ups=WARM_UPS, dry=session.dry)
    facts |= {"device_s": one.seconds, "device_least_s": one.least, "kernels": len(one.kernels)}
    if session.served is not None:
        facts["kernels_by_name"] = by_name(one.kernels)
    elif case.mode != "graph":
        prepared.before()
        backward = case.mode == "backward"
        found = attribute(prepared.whole, prepared.modules, backward=backward, dry=session.dry)
        facts["operators"] = [asdict(each) | {"names": list(each.names)} for each in found]
    prepared.before()
    return facts


def _peak(session: _Session, prepared: Prepared) -> int:
    """Return the most bytes that a call allocates beyond what was allocated before it."""
    prepared.before()
    if session.dry:
        prepared.whole()
        return 0
    session.wait()
    before = torch.cuda.memory_allocated()
    torch.cuda.reset_peak_memory_stats()
    out = prepared.whole()
    session.wait()
    del out
    return int(torch.cuda.max_memory_allocated() - before)


def _wall_part(
    session: _Session, lines: Sequence[MeasuredLine], found: dict[str, Any], rounds: int, order: random.Random
) -> None:
    """Take walls in rounds."""
    for number in range(rounds):
        began = time.monotonic()
        shuffled = order.sample(lines, len(lines))
        for place, line in enumerate(shuffled):
            if not session.has(_WALL_SHARE):
                found["left_out"].append(f"round {number + 1} of {rounds} from its case {place + 1} on: no time left")
                return
            if "error" not in line.found:
                try:
                    line.found["wall_s"].append(_wall(session, line.case))
                except Exception as error:  # noqa: BLE001 - one case may not end the others
                    line.found["error"] = one_line(error)
                _free(session)
        session.say(f"round {number + 1} of {rounds}: {time.monotonic() - began:.1f} s")
        session.save()


def _wall(session: _Session, case: TimedCase) -> float:
    """Return the median seconds that a caller waits for one call, beginning and ending with an idle GPU."""
    prepared = session.make(case)
    call = captured(prepared, dry=session.dry) if case.mode == "graph" else prepared.call

    def clocked() -> float:
        prepared.before()
        session.wait()
        began = time.perf_counter()
        out = call()
        session.wait()
        seconds = time.perf_counter() - began
        del out
        return seconds

    if session.dry:
        return clocked()
    last = [clocked() for _ in range(WARM_UPS)][-1]
    calls = CALLS if last <= LONG_SECONDS else max(1, int(ROUND_SECONDS / last))
    return statistics.median(clocked() for _ in range(calls))


def _free(session: _Session) -> None:
    """Give cached memory back where it fills much of the GPU; taking it anew takes time."""
    if not session.dry:
        total = torch.cuda.get_device_properties(torch.cuda.current_device()).total_memory
        if torch.cuda.memory_reserved() > _FULL * total:
            torch.cuda.empty_cache()
