"""Seconds of a server's steps on many machines: the compiled network at the workloads and batches that are asked."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from attrs import evolve, frozen

from dsocr_symbolic.algebras import arrays
from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.generated import compile_function
from dsocr_symbolic.evaluation.program import Program, folded
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import ZERO, names
from dsocr_symbolic.questions.plan.workloads import AskedPages, chunk_settings, chunk_symbols, chunked
from dsocr_symbolic.scenario.hardware import Gpu
from dsocr_symbolic.scenario.scenario import Scenario, scenario_values

# Batches at which a decode step is evaluated; between them it is taken as straight.
BATCHES = (1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
# What passes for a caller, in the registry of metrics.
WALL = "wall_s"


@frozen(kw_only=True)
class Stages:
    """Which stages come before the first token, and which ones after it.

    Attributes
    ----------
    encode, prefill, decode : frozenset of str
        What sees the page, what reads the prompt, and one step of the rest.
    """

    encode: frozenset[str]
    prefill: frozenset[str]
    decode: frozenset[str]


def stages_of(definition: Definition) -> Stages:
    """Return the stages by when a server runs them: the last phase before decode reads the prompt."""
    first, each = (names(definition.latencies.get(name, ZERO)) for name in ("ttft", "tpot"))
    stages = {call.name for call in definition.stages}
    decode = frozenset(each & stages)
    before = [phase for phase in definition.phases if not {path.partition("/")[0] for path in phase} & decode]
    if not before or not decode:
        raise UserError(f"{definition.file}: latencies: a plan takes ttft and tpot, and a phase before decode")
    prefill = frozenset(path.partition("/")[0] for path in before[-1])
    return Stages(encode=frozenset(first & stages) - prefill, prefill=prefill, decode=decode)


@frozen(kw_only=True, eq=False)
class Machines:
    """Machines side by side, with every number that the network takes from them.

    Attributes
    ----------
    gpus : tuple of Gpu
    values : tuple of mapping of str to number
        Every symbol of the average page on each.
    numbers : mapping of str to array
        Symbols of the machine, shaped (machines, 1).
    """

    gpus: tuple[Gpu, ...]
    values: tuple[Mapping[str, Exact], ...]
    numbers: Mapping[str, Any]

    def some(self, places: Sequence[int]) -> "Machines":
        """Return some of them."""
        numbers = {name: column[list(places)] for name, column in self.numbers.items()}
        gpus = tuple(self.gpus[place] for place in places)
        return Machines(gpus=gpus, values=tuple(self.values[place] for place in places), numbers=numbers)


def machines(scenario: Scenario, gpus: Sequence[Gpu]) -> tuple[Machines, dict[str, str]]:
    """Return the machines that have a forecast, and why each other one has none."""
    symbols = [name for name, known in scenario.definition.quantities.items() if known.group == "machine"]
    kept: list[tuple[Gpu, Mapping[str, Exact]]] = []
    refused: dict[str, str] = {}
    for gpu in gpus:
        try:
            values = scenario_values(evolve(scenario, gpu=gpu))
        except UserError as error:
            refused[gpu.name] = str(error)
            continue
        if said := values.claims.refusal(WALL, gpu.name):
            refused[gpu.name] = said
        else:
            kept.append((gpu, values.numbers))
    columns = {name: np.array([[float(each[name])] for _, each in kept]) for name in symbols}
    return Machines(
        gpus=tuple(gpu for gpu, _ in kept), values=tuple(each for _, each in kept), numbers=columns
    ), refused


def stage_seconds(
    programs: Sequence[Program], on: Machines, workloads: Sequence[Mapping[str, Exact]], metrics: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Return metrics by stage, shaped (machines, workloads).

    ``programs`` are the compiled network and, if a metric is one of them, its details.
    """
    scope: dict[str, Any] = {}
    for name in workloads[0]:
        values = [each[name] for each in workloads]
        alike = all(value == values[0] for value in values)
        scope[name] = float(values[0]) if alike else np.array([list(map(float, values))])
    scope |= on.numbers
    outputs = [compile_function(program.source, arrays)(scope) for program in programs]
    fold, rows = folded(programs, outputs, scope, arrays), programs[0].rows
    shape = (len(on.gpus), len(workloads))
    return {
        metric: {rows[stage].path: np.broadcast_to(column[stage], shape) for stage in fold.below[0]}
        for metric in metrics
        for column in [fold.column(metric)]
    }


@frozen(kw_only=True, eq=False)
class StepTimes:
    """What the steps of a server take on each machine.

    Attributes
    ----------
    encode_s, prefill_s : array
        Of the average request, shaped (machines, 1).
    work_spread : array
        Standard deviation of both together over the mean, shaped (machines, 1).
    prompts : tuple of array
        By kind of page: what it does before its first token, vision in the first chunk, shaped (machines, chunks).
    chunks : float
        Of the average prompt.
    batches, step_s : array
        Batches, and seconds of a decode step at each, shaped (machines, batches).
    saved_s : array or None
        Seconds that a forward of a chunk and such a step takes less than both, shaped alike; None where they are two.
    """

    encode_s: Any
    prefill_s: Any
    work_spread: Any
    prompts: tuple[Any, ...]
    chunks: float
    batches: Any
    step_s: Any
    saved_s: Any = None

    def at(self, place: int) -> "StepTimes":
        """Return those of one machine."""
        one = slice(place, place + 1)
        return evolve(
            self,
            encode_s=self.encode_s[one],
            prefill_s=self.prefill_s[one],
            work_spread=self.work_spread[one],
            prompts=tuple(prompt[one] for prompt in self.prompts),
            step_s=self.step_s[one],
            saved_s=None if self.saved_s is None else self.saved_s[one],
        )

    def decode(self, running: Any) -> Any:
        """Return the seconds of a decode step at batches, shaped (machines, points); straight between those known."""
        return self._between(running, self.step_s)

    def saved(self, running: Any) -> Any:
        """Return the seconds that a chunk and a decode step take less in one forward, shaped alike."""
        return self._between(running, np.zeros_like(self.step_s) if self.saved_s is None else self.saved_s)

    def _between(self, running: Any, of: Any) -> Any:
        running = np.broadcast_to(running, (len(of), np.shape(running)[-1]))
        return np.stack([np.interp(wanted, self.batches, known) for wanted, known in zip(running, of, strict=True)])


def steps_of(
    asked: AskedPages,
    programs: Sequence[Program],
    on: Machines,
    batches: Sequence[int],
    metrics: Sequence[str] = (WALL,),
) -> dict[str, StepTimes]:
    """Return what steps take on machines, in seconds of each metric; ``programs`` as :func:`stage_seconds` has them."""
    roles = asked.average.definition.roles
    workloads: list[Mapping[str, Exact]] = []
    places: list[list[int]] = []
    for kind in asked.kinds:
        numbers = scenario_values(kind).numbers
        # Experts that the user set as hit are those of the workload's own forward.
        server = evolve(kind, user={name: value for name, value in kind.user.items() if name not in roles.hit})
        parts = chunked(int(numbers[roles.prompt_tokens]), asked.chunk)
        places.append(list(range(len(workloads), len(workloads) + len(parts) + 1)))
        workloads.append(scenario_values(kind, {roles.batch: 1}).numbers)
        workloads += _chunks(server, [chunk_settings(kind, numbers, start, tokens) for start, tokens in parts])
    workloads += [scenario_values(asked.average, {roles.batch: batch}).numbers for batch in batches]
    seconds = stage_seconds(programs, on, workloads, metrics)
    return {metric: _steps(asked, seconds[metric], places, batches) for metric in metrics}


def _chunks(server: Scenario, parts: Sequence[Mapping[str, Exact]]) -> list[Mapping[str, Exact]]:
    """Return the workload of each chunk of a prompt; a network whose code takes no chunks says so."""
    try:
        return [scenario_values(server, part).numbers for part in parts]
    except UserError as error:
        if len(parts) == 1:
            raise
        names = ", ".join(sorted(chunk_symbols(server.definition)))
        raise UserError(f"{names}: a prompt in {len(parts)} chunks: {error}") from error


def _steps(
    asked: AskedPages, seconds: Mapping[str, Any], places: Sequence[Sequence[int]], batches: Sequence[int]
) -> StepTimes:
    """Sort the seconds of stages at workloads: of each kind of page, then of its chunks; last those of batches."""
    definition = asked.average.definition
    stages = stages_of(definition)
    encode, prefill, decode = (added_up(seconds, part) for part in (stages.encode, stages.prefill, stages.decode))
    before = [encode[:, [place]] for place, *_ in places]
    prompts = [prefill[:, chunks] for _, *chunks in places]
    whole = [
        np.concatenate([each[:, :1] + vision, each[:, 1:]], axis=1)
        for each, vision in zip(prompts, before, strict=True)
    ]
    count = float(scenario_values(asked.average).numbers[definition.roles.new_tokens])
    return StepTimes(
        encode_s=_mean(asked.shares, before),
        prefill_s=_mean(asked.shares, [each.sum(axis=1, keepdims=True) for each in prompts]),
        work_spread=_spread(asked.shares, [each.sum(axis=1, keepdims=True) for each in whole]),
        prompts=tuple(whole),
        chunks=float(_mean(asked.shares, [float(each.shape[1]) for each in prompts])),
        batches=np.array(batches, dtype=np.float64),
        step_s=decode[:, -len(batches) :] / count,
    )


def added_up(seconds: Mapping[str, Any], stages: frozenset[str]) -> Any:
    """Return the sum over some stages."""
    return sum((seconds[stage] for stage in sorted(stages)), start=np.zeros_like(next(iter(seconds.values()))))


def _mean(shares: Sequence[float], values: Sequence[Any]) -> Any:
    return sum(share * value for share, value in zip(shares, values, strict=True))


def _spread(shares: Sequence[float], values: Sequence[Any]) -> Any:
    """Return the standard deviation over the mean."""
    mean = _mean(shares, values)
    square = _mean(shares, [(value - mean) ** 2 for value in values])
    return np.sqrt(square) / mean
