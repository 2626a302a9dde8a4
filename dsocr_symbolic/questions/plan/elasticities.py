"""What moves the cost of a page most: the percent that it changes by where an input grows by one percent."""

from collections.abc import Sequence

import numpy as np
from attrs import evolve, frozen

from dsocr_symbolic.evaluation.program import Program
from dsocr_symbolic.language.registry import load_machine
from dsocr_symbolic.questions.plan import steady
from dsocr_symbolic.questions.plan.choosing import inputs_of
from dsocr_symbolic.questions.plan.demand import Answers
from dsocr_symbolic.questions.plan.hosting import HostWork, prepared_per_s
from dsocr_symbolic.questions.plan.merging import merged_steps
from dsocr_symbolic.questions.plan.steps import WALL, Machines, StepTimes, steps_of
from dsocr_symbolic.questions.plan.workloads import AskedPages

_STEP = 0.01
# An elasticity below this is none.
_LEAST = 0.005


@frozen(kw_only=True)
class Elasticity:
    """An input, and by how many percent the cost of a page changes where it grows by one.

    Attributes
    ----------
    symbol, meaning : str
        Of a server's formulas or of the machine.
    elasticity : float
        At the planned requests at once, all else as it is.
    """

    symbol: str
    meaning: str
    elasticity: float


def elasticities(
    asked: AskedPages,
    programs: Sequence[Program],
    on: Machines,
    *,
    steps: StepTimes,
    answers: Answers,
    concurrency: int,
    host: HostWork | None = None,
) -> tuple[Elasticity, ...]:
    """Return what moves the cost of a page on one machine most, the largest first."""
    if prepared_per_s(host) <= _ends(steps, answers, concurrency)[0]:
        # Pages end as the cores prepare them, whatever the GPU does.
        return (
            Elasticity(symbol="host_s", meaning="seconds of one core that a page takes", elasticity=1.0),
            Elasticity(symbol="cores", meaning="cores that prepare pages for one GPU", elasticity=-1.0),
        )
    found = [
        *_of_steps(steps, answers, concurrency),
        *_of_machine(asked, programs, on, steps=steps, answers=answers, concurrency=concurrency),
    ]
    return tuple(
        sorted((each for each in found if abs(each.elasticity) >= _LEAST), key=lambda each: -abs(each.elasticity))
    )


def _ends(steps: StepTimes, answers: Answers, concurrency: float) -> np.ndarray:
    inputs = {**inputs_of(steps, answers), "concurrency": np.array([[concurrency]])}
    ends: np.ndarray = np.ravel(steady.closed(inputs, steps.decode, steps.saved)["requests_per_s"])
    return ends


def _of_steps(steps: StepTimes, answers: Answers, concurrency: int) -> Sequence[Elasticity]:
    """Move what a server's formulas start from."""
    more = 1 + _STEP
    moved = {
        "vision and projector of a request": (evolve(steps, encode_s=steps.encode_s * more), answers, concurrency),
        "prefill of a request": (evolve(steps, prefill_s=steps.prefill_s * more), answers, concurrency),
        "a decode step at every batch": (evolve(steps, step_s=steps.step_s * more), answers, concurrency),
        "decode steps of a request": (steps, evolve(answers, mean=answers.mean * more), concurrency),
        "requests at once": (steps, answers, concurrency * more),
    }
    now = _ends(steps, answers, concurrency)[0]
    names = ("encode_s", "prefill_s", "step_s", "new_tokens", "concurrency")
    return [
        Elasticity(symbol=symbol, meaning=meaning, elasticity=float(np.log(now / _ends(*state)[0]) / np.log(more)))
        for symbol, (meaning, state) in zip(names, moved.items(), strict=True)
    ]


def _of_machine(
    asked: AskedPages,
    programs: Sequence[Program],
    on: Machines,
    *,
    steps: StepTimes,
    answers: Answers,
    concurrency: int,
) -> Sequence[Elasticity]:
    """Move each number of a machine: as many machines side by side, each with one of them larger."""
    known = load_machine()
    names = [name for name in on.numbers if name in known and known[name].scales is not None]
    larger = {name: np.array([[0.0], *([float(name == each)] for each in names)]) for name in on.numbers}
    numbers = {
        name: np.repeat(column, len(names) + 1, axis=0) * (1 + _STEP * larger[name])
        for name, column in on.numbers.items()
    }
    many = Machines(gpus=on.gpus * (len(names) + 1), values=on.values * (len(names) + 1), numbers=numbers)
    around = sorted({max(1, concurrency // 2), concurrency, concurrency + 1})
    moved = steps_of(asked, programs[:1], many, around)[WALL]
    if steps.saved_s is not None:
        moved = merged_steps(asked, programs, many, moved, around)
    now, *ends = _ends(moved, answers, concurrency)
    return [
        Elasticity(symbol=name, meaning=known[name].meaning, elasticity=float(np.log(now / end) / np.log(1 + _STEP)))
        for name, end in zip(names, ends, strict=True)
    ]
