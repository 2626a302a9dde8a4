"""Does a workload fit a machine: its worst moment against usable memory, and the largest batch that fits."""

from typing import Any

from attrs import frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.answer import scenario_program
from dsocr_symbolic.evaluation.program import Program, run_program
from dsocr_symbolic.scenario.scenario import Scenario, scenario_values

_LARGEST_BATCH = 10**9


@frozen(kw_only=True)
class Moment:
    """The moment at which most memory is resident.

    Attributes
    ----------
    stage, at : str
        The stage, and the operator that runs then.
    weight_bytes, kv_cache_bytes, activation_bytes : int or float
        Weights of the whole network, KV cache at the stage's end, live activations.
    peak_memory_bytes : int or float
        All three.
    """

    stage: str
    at: str
    weight_bytes: Any
    kv_cache_bytes: Any
    activation_bytes: Any
    peak_memory_bytes: Any


@frozen(kw_only=True)
class Fit:
    """A workload against the memory of a machine.

    Attributes
    ----------
    capacity_bytes : int or float
        What may be taken: usable memory less the reserve.
    reserve_bytes : int or float
        What is kept free.
    moment : Moment
        The worst one.
    fits : bool
        Whether it fits.
    largest_batch : int or None
        The largest batch that fits, 0 if not even one request does; None where the workload has no batch to vary.
    beyond : Moment or None
        The worst moment of the next larger batch.
    """

    capacity_bytes: Any
    reserve_bytes: Any
    moment: Moment
    fits: bool
    largest_batch: int | None
    beyond: Moment | None


def fit(scenario: Scenario, program: Program | None = None) -> Fit:
    """Compare a workload with its machine.

    Parameters
    ----------
    scenario : Scenario
        The question.
    program : Program or None
        Its compiled model, if it is at hand.

    Returns
    -------
    Fit
        Whether it fits, and up to which batch.

    Raises
    ------
    UserError
        If a value is not allowed.
    """
    program = scenario_program(scenario) if program is None else program
    values = scenario_values(scenario)
    capacity = values.numbers["capacity"]
    moment = worst_moment(program, values.numbers)
    largest, beyond = None, None
    requests = scenario.definition.roles.batch
    if scenario.workload is not None and requests:
        largest = _largest_batch(scenario, program, values.numbers[requests], moment, capacity)
        if largest is not None:
            beyond = worst_moment(program, scenario_values(scenario, {requests: largest + 1}).numbers)
    return Fit(
        capacity_bytes=arithmetic.whole(capacity),
        reserve_bytes=arithmetic.whole(values.numbers["reserve"]),
        moment=moment,
        fits=moment.peak_memory_bytes <= capacity,
        largest_batch=largest,
        beyond=beyond,
    )


def worst_moment(program: Program, numbers: Any) -> Moment:
    """Return the moment of a workload at which most memory is resident.

    Parameters
    ----------
    program : Program
        The compiled model.
    numbers : mapping of str to number
        A value for every symbol.

    Returns
    -------
    Moment
        Of the stage that needs most.
    """
    return max(stage_moments(program, numbers), key=lambda moment: moment.peak_memory_bytes)


def stage_moments(program: Program, numbers: Any) -> list[Moment]:
    """Return the moment of each stage at which most memory is resident, in the order of the stages."""
    rows, fold = program.rows, run_program(program, numbers)
    weights, peaks = fold.owned("forward_weight_bytes", 0), fold.column("peak_memory_bytes")

    def operator(index: int) -> int:
        while below := fold.below[index]:
            index = max(below, key=lambda child: fold.around[child])
        return index

    return [
        Moment(
            stage=rows[stage].path,
            at=rows[operator(stage)].path,
            weight_bytes=arithmetic.whole(weights),
            kv_cache_bytes=arithmetic.whole(fold.owned("forward_kv_cache_bytes", stage)),
            activation_bytes=arithmetic.whole(fold.around[stage]),
            peak_memory_bytes=arithmetic.whole(peaks[stage]),
        )
        for stage in fold.below[0]
    ]


def _peak(scenario: Scenario, program: Program, batch: int) -> Any:
    values = scenario_values(scenario, {scenario.definition.roles.batch: batch})
    return run_program(program, values.numbers).column("peak_memory_bytes")[0]


def _largest_batch(scenario: Scenario, program: Program, batch: int, moment: Moment, capacity: Any) -> int | None:
    """Find the largest batch that fits: along a straight line first, for memory grows nearly like one."""
    known = {batch: moment.peak_memory_bytes}

    def peak(each: int) -> Any:
        if each not in known:
            known[each] = _peak(scenario, program, each)
        return known[each]

    try:
        if peak(1) > capacity:
            return 0
        fits, slope = 1, peak(2) - peak(1)
        if slope <= 0:
            return None
        guess = min(max(2, int(1 + (capacity - peak(1)) // slope)), _LARGEST_BATCH)
        while peak(guess) <= capacity:
            fits, guess = guess, guess + max(1, int((capacity - peak(guess)) // slope))
            if fits >= _LARGEST_BATCH:
                return None
        beyond = guess
        while beyond - fits > 1:
            middle = max(fits + 1, min(beyond - 1, int(beyond - -(-(peak(beyond) - capacity) // slope))))
            if peak(middle) <= capacity:
                fits = middle
            else:
                beyond = middle
    except UserError:
        # What the user set holds for this batch alone, such as the experts that it hits.
        return None
    return fits
