"""A chunk of a prompt and a decode step as one forward, which reads weights once."""

from collections.abc import Sequence

from attrs import evolve

from dsocr_symbolic.algebras import arrays
from dsocr_symbolic.evaluation.program import Program
from dsocr_symbolic.language.expression import evaluate
from dsocr_symbolic.language.files.service_file import load_service
from dsocr_symbolic.questions.plan.steps import Machines, StepTimes, added_up, stage_seconds, stages_of
from dsocr_symbolic.questions.plan.workloads import AskedPages
from dsocr_symbolic.scenario.scenario import scenario_values


def merged_steps(
    asked: AskedPages, programs: Sequence[Program], on: Machines, steps: StepTimes, batches: Sequence[int]
) -> StepTimes:
    """Return steps of which a chunk and a decode step are one forward that reads weights once.

    ``programs`` are the compiled network and its details.
    """
    merged, roles = load_service().merged, asked.average.definition.roles
    element = scenario_values(asked.average).numbers[merged.element]
    workloads = [
        scenario_values(asked.average, {roles.batch: batch, merged.element: element * times}).numbers
        for times in (1, 2)
        for batch in batches
    ]
    moved = stage_seconds(programs, on, workloads, (merged.bytes,))[merged.bytes]
    decode = added_up(moved, stages_of(asked.average.definition).decode)
    count = float(scenario_values(asked.average).numbers[roles.new_tokens])
    # As weights alone grow with the bytes of their elements, twice as large ones are as many bytes more.
    more = (decode[:, len(batches) :] - decode[:, : len(batches)]) / count
    return evolve(steps, saved_s=evaluate(merged.saved_s, {**on.numbers, "weight_bytes": more}, arrays))
