"""What the seconds of a request are spent on: compute, bandwidth, latency, the host."""

from collections.abc import Mapping

import numpy as np
from attrs import frozen

from dsocr_symbolic.algebras import arrays
from dsocr_symbolic.language.expression import evaluate, names
from dsocr_symbolic.language.files.service_file import load_service
from dsocr_symbolic.questions.plan.steps import StepTimes


@frozen(kw_only=True, eq=False)
class Spending:
    """Seconds of steps by the metrics that they are made of.

    Attributes
    ----------
    parts : mapping of str to StepTimes
        By metric.
    new_tokens : float
        Decode steps of a request.
    """

    parts: Mapping[str, StepTimes]
    new_tokens: float

    def at(self, place: int) -> "Spending":
        """Return that of one machine."""
        return Spending(parts={name: steps.at(place) for name, steps in self.parts.items()}, new_tokens=self.new_tokens)

    def shares(self, running: float) -> dict[str, float]:
        """Return the share of each limit at a batch of decode, on one machine."""
        service = load_service()
        seconds = {
            name: evaluate(
                service.request,
                {
                    "before": steps.encode_s[0, 0] + steps.prefill_s[0, 0],
                    "each": steps.decode(np.array([[running]]))[0, 0],
                    "new_tokens": self.new_tokens,
                    "running": running,
                },
                arrays,
            )
            for name, steps in self.parts.items()
        }
        limits = {name: float(evaluate(formula, seconds, arrays)) for name, formula in service.limits.items()}
        whole = sum(limits.values())
        return {name: limit / whole for name, limit in limits.items()}


def metrics_spent() -> tuple[str, ...]:
    """Return the metrics that limits are made of."""
    return tuple(sorted(set[str]().union(*(names(formula) for formula in load_service().limits.values()))))
