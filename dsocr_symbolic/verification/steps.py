"""Every gradient step and every peak that is counted, by layer."""

from collections.abc import Callable, Mapping
from functools import cache, partial

from dsocr_symbolic.verification.counted import Counted
from dsocr_symbolic.verification.memory import count_peak, peak_cases
from dsocr_symbolic.verification.training import count_training, training_cases
from dsocr_symbolic.verification.whole import WHOLE

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
