"""How cost grows: a workload evaluated again with more crops, longer contexts and larger batches."""

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeVar

from attrs import Attribute, fields, frozen

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.estimate import Metrics, estimate
from dsocr_symbolic.language.roles import Roles, played
from dsocr_symbolic.questions.capacity import PeakMoment, worst_moment
from dsocr_symbolic.reports.performance.numbers import Performance
from dsocr_symbolic.scenario.crop_grids import all_grids
from dsocr_symbolic.scenario.scenario import scenario_values

T = TypeVar("T")

_BATCHES_DRAWN = 24
_BEYOND = 1.25
_DOUBLINGS = (-3, 3)
_POWERS = 4
_OF_A_STEP = "tpot_s"
GRID_METRICS = ("forward_tensor_core_flops", "forward_cuda_core_flops", "forward_io_bytes", "operator_launches")
"""What is known of each way to cut a page."""


@frozen(kw_only=True)
class CropGrid:
    """A page cut into crops: what each stage costs then."""

    columns: int
    rows: int
    stages: Mapping[str, Metrics]

    @property
    def crops(self) -> int:
        """How many crops there are."""
        return self.columns * self.rows


@frozen(kw_only=True)
class Step:
    """One decode step of a batch whose new token attends ``context`` tokens, itself included; roofline seconds."""

    batch: int
    context: int
    seconds: float


@frozen(kw_only=True)
class Resident:
    """What is resident at the worst moment of a batch."""

    batch: int
    moment: PeakMoment


@frozen(kw_only=True)
class Curves:
    """Points of the curves of a report.

    Attributes
    ----------
    grids : tuple of CropGrid
        By number of crops, none first.
    steps : tuple of Step
        By batch and context.
    batches : tuple of Resident
        By batch.
    missing : mapping of str to str
        Why there are no points of ``grids``, ``steps`` or ``batches``.
    """

    grids: tuple[CropGrid, ...]
    steps: tuple[Step, ...]
    batches: tuple[Resident, ...]
    missing: Mapping[str, str]


def curves(numbers: Performance) -> Curves:
    """Evaluate a workload again with other crops, contexts and batches, where rules and what the user set allow it."""
    missing: dict[str, str] = {}

    def points(name: str, evaluate: Callable[[Performance], Iterable[T]]) -> tuple[T, ...]:
        try:
            return tuple(evaluate(numbers))
        except UserError as error:
            missing[name] = str(error)
            return ()

    return Curves(
        grids=points("grids", _grids),
        steps=points("steps", _steps),
        batches=points("batches", _batches),
        missing=missing,
    )


def _grids(numbers: Performance) -> Iterable[CropGrid]:
    (crops,) = _played(numbers, fields(Roles).crops)
    limits = crops.cutting(scenario_values(numbers.scenario).numbers)
    grids = [(0, 0), *all_grids(limits["least"], limits["most"])]
    for columns, rows in sorted(grids, key=lambda grid: (grid[0] * grid[1], -grid[0])):
        values = scenario_values(numbers.scenario, {crops.columns: columns, crops.rows: rows})
        yield CropGrid(columns=columns, rows=rows, stages=estimate(numbers.program, values, only=GRID_METRICS).stages)


def _steps(numbers: Performance) -> Iterable[Step]:
    requests, prompt, steps = _played(
        numbers, fields(Roles).batch, fields(Roles).prompt_tokens, fields(Roles).new_tokens
    )
    if "tpot" not in numbers.scenario.definition.latencies:
        raise UserError(f"{numbers.scenario.definition.name}: the model file gives no latency 'tpot'")
    for batch in _drawn_batches(numbers):
        for context in _contexts(numbers):
            settings = {requests: batch, prompt: context - 1, steps: 1}
            values = scenario_values(numbers.scenario, settings)
            result = estimate(numbers.program, values, only=(_OF_A_STEP,))
            yield Step(batch=batch, context=context, seconds=float(result.total[_OF_A_STEP]))


def _drawn_batches(numbers: Performance) -> list[int]:
    """Return a few batches up to the largest one that fits, that one and the one asked for."""
    asked = numbers.asked(numbers.roles.batch)
    largest = numbers.fit.largest_batch or asked
    base = 4
    while base**_POWERS < largest:
        base *= 4
    return sorted({*(base**power for power in range(_POWERS) if base**power < largest), largest, asked})


def _contexts(numbers: Performance) -> list[int]:
    """Return powers of two around the tokens that the last step of the workload attends."""
    last = round(math.log2(numbers.asked(numbers.roles.prompt_tokens) + numbers.asked(numbers.roles.new_tokens)))
    return [2**power for power in range(max(1, last + _DOUBLINGS[0]), last + _DOUBLINGS[1] + 1)]


def _batches(numbers: Performance) -> Iterable[Resident]:
    (requests,) = _played(numbers, fields(Roles).batch)
    asked, largest = numbers.asked(numbers.roles.batch), numbers.fit.largest_batch
    if largest is None:
        why = f"memory does not grow with the {requests}, or what is set holds for one {requests} only"
        raise UserError(f"no largest {requests}: {why}")
    last = math.ceil(max(largest + 2, asked) * _BEYOND)
    stride = max(1, last // _BATCHES_DRAWN)
    for batch in sorted({*range(1, last + 1, stride), asked, largest, largest + 1, last} - {0}):
        moment = worst_moment(numbers.program, scenario_values(numbers.scenario, {requests: batch}).numbers)
        yield Resident(batch=batch, moment=moment)


def _played(numbers: Performance, *parts: "Attribute[Any]") -> tuple[Any, ...]:
    return played(numbers.roles, numbers.scenario.definition.name, *parts)
