"""Run every comparison on all cores, one job after the other in each process."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from functools import cache, partial
from multiprocessing import get_context
from typing import Any

from attrs import Factory, evolve, frozen

from dsocr_symbolic.verification.calls.counted import Comparison, Counted, Difference
from dsocr_symbolic.verification.calls.whole import WHOLE
from dsocr_symbolic.verification.training.memory import count_peak, peak_cases
from dsocr_symbolic.verification.training.training import count_training, training_cases


@frozen(kw_only=True)
class Outcome:
    """What one job found.

    Attributes
    ----------
    source : str
        Whose modules were counted.
    layer : str
        The formula file.
    name : str
        The cell in words, or the call's settings.
    precision : str
        ``plain`` or ``autocast``.
    points : int
        Calls compared.
    degrees : mapping of str to int
        For a cell the degree in each axis; empty for a single call.
    differing : tuple of (settings, differences)
        Calls that do not agree.
    ratios : mapping of str to float or None
        For a gradient step or a peak, formula over count by metric; None where no formula is built yet.
    """

    source: str
    layer: str
    name: str
    precision: str
    points: int
    degrees: Mapping[str, int]
    differing: tuple[tuple[Mapping[str, Any], tuple[Difference, ...]], ...]
    ratios: Mapping[str, float | None] = Factory(dict)

    @property
    def proven(self) -> bool:
        """Whether a full product grid was compared."""
        return bool(self.degrees)


Job = tuple[str, int, str]


def jobs() -> list[Job]:
    """List the library's parts, every cell and every single call, by kind, index and precision; long ones first."""
    from dsocr_symbolic.verification.calls.cases import sampled_cases
    from dsocr_symbolic.verification.proof.proof import CELLS
    from dsocr_symbolic.verification.running import steps_by_layer

    cells = [
        ("cell", index, precision)
        for index, cell in enumerate(CELLS)
        for precision in ("plain", *(("autocast",) if cell.autocast is not None else ()))
    ]
    cases = [("case", index, precision) for index, case in enumerate(sampled_cases()) for precision in case.precisions]
    steps = [("steps", index, "plain") for index in range(len(steps_by_layer()))]
    return [("oracles", 0, "plain"), *steps, *reversed(cases), *cells]


def run_job(job: Job) -> list[Outcome]:
    """Run one job in this process."""
    kind, index, precision = job
    if kind == "oracles":
        from dsocr_symbolic.verification.calls.comparison import compare
        from dsocr_symbolic.verification.oracles.counts import oracle_counts

        return [single_outcome(compare(each)) for each in oracle_counts()]
    if kind == "steps":
        return _steps(index)
    return [_prove(index, precision) if kind == "cell" else _sample(index, precision)]


def _prove(index: int, precision: str) -> Outcome:
    from dsocr_symbolic.verification.proof.proof import CELLS, prove

    proof = prove(CELLS[index], precision)
    return Outcome(
        source="reference",
        layer=proof.cell.layer.partition(" ")[0],
        name=proof.cell.name,
        precision=precision,
        points=len(proof.comparisons),
        degrees=dict(proof.degrees),
        differing=_differing(proof.comparisons),
    )


def _sample(index: int, precision: str) -> Outcome:
    from dsocr_symbolic.verification.calls.cases import sampled_cases
    from dsocr_symbolic.verification.calls.comparison import compare
    from dsocr_symbolic.verification.calls.subjects import count_case

    return single_outcome(compare(count_case(list(sampled_cases())[index], precision)))


def _steps(index: int) -> list[Outcome]:
    from dsocr_symbolic.verification.running import steps_by_layer
    from dsocr_symbolic.verification.training.agreement import agree

    layer = list(steps_by_layer())[index]
    found = [agree(step()) for step in steps_by_layer()[layer]]
    return [
        evolve(single_outcome(Comparison(counted=each.counted, differences=each.differences)), ratios=dict(each.ratios))
        for each in found
    ]


def single_outcome(comparison: Comparison) -> Outcome:
    """Turn one comparison into an outcome."""
    counted = comparison.counted
    choices = [option for name, option in counted.choices.items() if name != "precision"]
    settings = [f"{name}={value}" for name, value in counted.settings.items()]
    return Outcome(
        source=counted.source,
        layer=counted.layer,
        name=", ".join([*choices, *settings]),
        precision=counted.choices.get("precision", "plain"),
        points=1,
        degrees={},
        differing=_differing([comparison]),
    )


def _differing(comparisons: Sequence[Comparison]) -> tuple[tuple[Mapping[str, Any], tuple[Difference, ...]], ...]:
    return tuple((dict(each.counted.settings), each.differences) for each in comparisons if each.differences)


def run_all(workers: int) -> Iterator[list[Outcome]]:
    """Run every job, yielding its outcomes as they come.

    Parameters
    ----------
    workers : int
        Processes; 1 runs in this one.

    Yields
    ------
    list of Outcome
        Of one job; jobs come in no fixed order.
    """
    todo = jobs()
    if workers == 1:
        yield from map(run_job, todo)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        futures = [pool.submit(run_job, job) for job in todo]
        for future in as_completed(futures):
            yield future.result()


def in_order(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Bring outcomes into an order that does not depend on which came first."""
    return sorted(outcomes, key=lambda each: (not each.proven, each.layer, each.name, each.precision))


Step = Callable[[], Counted]


@cache
def steps_by_layer() -> Mapping[str, tuple[Step, ...]]:
    """Group the counts by what they call, so that one process makes a network once; the longest group first.

    Returns
    -------
    mapping of str to tuple of callable
        Each counts one step or one peak.
    """
    found: dict[str, list[Step]] = {WHOLE: []}
    for case in training_cases():
        found.setdefault(case.layer, []).append(partial(count_training, case))
    for case in peak_cases():
        found.setdefault(case.layer, []).append(partial(count_peak, case))
    return {layer: tuple(steps) for layer, steps in found.items()}
