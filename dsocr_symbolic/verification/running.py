"""Run every comparison on all cores, one job after the other in each process."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache, partial
from itertools import chain
from typing import Any

from attrs import Factory, frozen

from dsocr_symbolic.verification.calls.bench import Bench
from dsocr_symbolic.verification.calls.cases import WHOLE, Case, formula_file, peak_cases, sampled_cases
from dsocr_symbolic.verification.calls.comparison import Counted, Difference, Verdict, compare
from dsocr_symbolic.verification.calls.requirements import require_transformers
from dsocr_symbolic.verification.calls.subjects import count_case
from dsocr_symbolic.verification.proof import proof_cells, prove
from dsocr_symbolic.verification.training import PeakBench, TrainingBench, training_cases
from dsocr_symbolic.verification.workers import in_processes

Differing = tuple[tuple[Mapping[str, Any], tuple[Difference, ...]], ...]


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
        Of a single call formula over count by metric; None where no formula is built yet.
    beside : mapping of str to float
        Of a backward what the conventions leave out, by kind, as parts of what they count.
    """

    source: str
    layer: str
    name: str
    precision: str
    points: int
    degrees: Mapping[str, int]
    differing: Differing
    ratios: Mapping[str, float | None] = Factory(dict)
    beside: Mapping[str, float] = Factory(dict)

    @property
    def proven(self) -> bool:
        """Whether a full product grid was compared."""
        return bool(self.degrees)


Job = tuple[str, int, str]


def jobs() -> list[Job]:
    """List the library's parts, every cell and every single call, by kind, index and precision; long ones first."""
    cells = [("cell", index, precision) for index, cell in enumerate(proof_cells()) for precision in cell.precisions]
    cases = [("case", index, precision) for index, case in enumerate(sampled_cases()) for precision in case.precisions]
    steps = [("steps", index, "plain") for index in range(len(steps_by_layer()))]
    return [("oracles", 0, "plain"), *steps, *reversed(cases), *cells]


def run_job(job: Job) -> list[Outcome]:
    """Run one job in this process."""
    kind, index, precision = job
    match kind:
        case "oracles":
            return [single_outcome(compare(counted)) for counted in oracle_counts()]
        case "steps":
            return [single_outcome(compare(step())) for step in list(steps_by_layer().values())[index]]
        case "cell":
            return [_prove(index, precision)]
    return [single_outcome(compare(count_case(sampled_cases()[index], Bench(precision))))]


def oracle_counts() -> Iterable[Counted]:
    """Count the library's modules at full size; the first needs seconds, for the library's import."""
    require_transformers()
    from dsocr_symbolic.verification.oracles.decoder import decoder_counts
    from dsocr_symbolic.verification.oracles.vision import vision_counts

    return chain(vision_counts(), decoder_counts())


def _prove(index: int, precision: str) -> Outcome:
    proof = prove(proof_cells()[index], precision)
    return Outcome(
        source="reference",
        layer=formula_file(proof.cell.layer),
        name=proof.cell.name,
        precision=precision,
        points=len(proof.verdicts),
        degrees=dict(proof.degrees),
        differing=_differing(proof.verdicts),
    )


def single_outcome(verdict: Verdict) -> Outcome:
    """Turn one verdict into an outcome."""
    counted = verdict.counted
    choices = [option for name, option in counted.choices.items() if name != "precision"]
    settings = [f"{name}={value}" for name, value in counted.settings.items()]
    return Outcome(
        source=counted.source,
        layer=counted.layer,
        name=", ".join([*choices, *settings]),
        precision=counted.choices.get("precision", "plain"),
        points=1,
        degrees={},
        differing=_differing([verdict]),
        ratios=dict(verdict.ratios),
        beside={
            kind: cost / counted.metrics[metric]
            for metric, kinds in counted.beside.items()
            for kind, cost in kinds.items()
            if counted.metrics[metric]
        },
    )


def _differing(verdicts: Sequence[Verdict]) -> Differing:
    return tuple((dict(verdict.counted.settings), verdict.differences) for verdict in verdicts if verdict.differences)


def run_all(workers: int) -> Iterator[list[Outcome]]:
    """Run every job, yielding its outcomes as they come, in no fixed order; one worker is this process."""
    todo = jobs()
    if workers == 1:
        yield from map(run_job, todo)
        return
    for _, outcomes in in_processes(run_job, [(job,) for job in todo], workers):
        yield outcomes


def in_order(outcomes: Iterable[Outcome]) -> list[Outcome]:
    """Bring outcomes into an order that does not depend on which came first."""
    return sorted(outcomes, key=lambda outcome: (not outcome.proven, outcome.layer, outcome.name, outcome.precision))


@cache
def steps_by_layer() -> Mapping[str, tuple[Callable[[], Counted], ...]]:
    """Group steps and peaks by what they call, so that one process makes a network once; the longest group first."""
    steps: dict[str, list[Callable[[], Counted]]] = {WHOLE: []}
    for bench, cases in ((TrainingBench, training_cases()), (PeakBench, peak_cases())):
        for case in cases:
            steps.setdefault(case.layer, []).append(partial(_count, case, bench))
    return {layer: tuple(counts) for layer, counts in steps.items()}


def _count(case: Case, bench: Callable[[], Bench]) -> Counted:
    return count_case(case, bench())
