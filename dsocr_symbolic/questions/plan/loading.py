"""What requests that arrive at random wait on a machine, and how much of it may be planned with."""

from collections.abc import Sequence

import numpy as np

from dsocr_symbolic.questions.plan import steady
from dsocr_symbolic.questions.plan.choosing import Chosen, Load, Wishes, inputs_of, load_at
from dsocr_symbolic.questions.plan.demand import Answers
from dsocr_symbolic.questions.plan.hosting import HostWork, before_s
from dsocr_symbolic.questions.plan.steps import StepTimes

# Shares of what is planned with that are tried where limits do not hold at all of it.
_TRIED = 20
_STATE = ("requests_per_s", "ttft_s", "tpot_s", "busy", "full")


def loads(
    steps: StepTimes, answers: Answers, choice: Chosen, arrivals_per_s: Sequence[float], host: HostWork | None = None
) -> list[Load]:
    """Return the steady state of one machine at several rates of arrival, the host's work before it too."""
    rates = np.array(arrivals_per_s, dtype=np.float64)[:, None]
    found = steady.open_loop(
        {**inputs_of(steps, answers), "concurrency": float(choice.concurrency), "arrivals_per_s": rates},
        steps.decode,
        choice.concurrency,
        steps.saved,
    )
    columns = {name: np.broadcast_to(found[name], rates.shape)[:, 0] for name in _STATE}
    columns["ttft_s"] = columns["ttft_s"] + [before_s(host, rate) for rate in arrivals_per_s]
    columns["running"] = np.broadcast_to(found["mean_running"], rates.shape)[:, 0]
    return [
        load_at({name: float(column[place]) for name, column in columns.items()}, choice.full.requests_per_s)
        for place in range(len(rates))
    ]


def kept_to(steps: StepTimes, answers: Answers, choice: Chosen, wishes: Wishes, host: HostWork | None = None) -> float:
    """Return the share of the most that is planned with: less than asked where limits would not hold at that load.

    Where they hold at none that is tried, it is the one asked for.
    """
    if wishes.ttft_s is None and wishes.tpot_s is None:
        return wishes.utilisation
    shares = wishes.utilisation * np.arange(_TRIED, 0, -1) / _TRIED
    rates = shares * choice.full.requests_per_s
    for share, load in zip(shares, loads(steps, answers, choice, list(rates), host), strict=True):
        if keeps(load, wishes):
            return float(share)
    return wishes.utilisation


def keeps(load: Load, wishes: Wishes) -> bool:
    """Say whether a load keeps to the limits."""
    limits = ((load.ttft_s, wishes.ttft_s), (load.tpot_s, wishes.tpot_s))
    return all(limit is None or seconds <= limit for seconds, limit in limits)
