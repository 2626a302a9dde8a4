"""How many requests at once: the fewest that end nearly as many pages as limits and memory allow."""

from collections.abc import Mapping, Sequence
from math import inf
from typing import Any, Literal

import numpy as np
from attrs import frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.language.expression import evaluate
from dsocr_symbolic.language.files.service_file import load_service
from dsocr_symbolic.questions.plan import steady
from dsocr_symbolic.questions.plan.demand import Answers
from dsocr_symbolic.questions.plan.hosting import HostWork, before_s, prepared_per_s
from dsocr_symbolic.questions.plan.steps import BATCHES, StepTimes

_STATE = ("requests_per_s", "ttft_s", "tpot_s", "running", "busy")
Held = Literal["memory", "ttft", "tpot", "enough", "host", "most", "asked"]


@frozen(kw_only=True)
class Wishes:
    """What a plan must keep to.

    Attributes
    ----------
    ttft_s, tpot_s : float or None
        Most seconds to the first token and per further token, on average.
    concurrency : int or None
        Requests at once; None for what is best.
    utilisation : float
        Share of the most that is planned with.
    prices : mapping of str to float
        Of a GPU in an hour.
    merged : bool
        Whether a chunk of a prompt and a decode step are one forward.
    simulate : bool
        Whether the first one is simulated, too.
    """

    ttft_s: float | None = None
    tpot_s: float | None = None
    concurrency: int | None = None
    utilisation: float = 0.7
    prices: Mapping[str, float] = {}
    merged: bool = False
    simulate: bool = False


@frozen(kw_only=True)
class Load:
    """A steady state of one machine.

    Attributes
    ----------
    requests_per_s, ttft_s, tpot_s, running, busy : float
        Requests that end in a second, mean seconds to the first token and per further one, batch of decode, share of
        rounds with a chunk.
    load, trusted : float, bool
        Requests per second over the most, 1 where the next one always waits, and whether the formulas were held
        against a simulation there.
    """

    requests_per_s: float
    ttft_s: float
    tpot_s: float
    running: float
    busy: float
    load: float
    trusted: bool


@frozen(kw_only=True)
class State:
    """What a machine does with so many requests at any time.

    Attributes
    ----------
    concurrency : int
    requests_per_s, residence_s : float
        Requests that end in a second, and mean seconds from arrival to the last token.
    """

    concurrency: int
    requests_per_s: float
    residence_s: float


@frozen(kw_only=True)
class Chosen:
    """Requests at once on a machine.

    Attributes
    ----------
    concurrency, held_by : int, str
        How many, and what holds them: ``memory``, ``ttft``, ``tpot``, ``most`` (as many as engines run), ``enough``
        (more end hardly more pages), ``host`` (its cores prepare no more), ``asked``.
    full : Load
        With as many requests as that at any time.
    engine_per_s : float
        Requests that end in a second where the host keeps up: as many as those of ``full``, or the most that limits
        and memory allow where the host holds them.
    knee : int
        Requests at once where the asymptotes of throughput meet.
    curve : tuple of State
        With other numbers of requests that its memory holds.
    """

    concurrency: int
    held_by: Held
    full: Load
    engine_per_s: float
    knee: int
    curve: tuple[State, ...]


@frozen(kw_only=True)
class Missed:
    """No number of requests keeps to the limits: what one request at a time needs, over what is allowed.

    Attributes
    ----------
    limit : str
        ``ttft`` or ``tpot``, the one that is missed by more, or ``memory``.
    seconds, ratio : float
        What it takes, and that over what is allowed.
    concurrency : int
        Requests at once at which it takes so long.
    """

    limit: str
    seconds: float
    ratio: float
    concurrency: int


def inputs_of(steps: StepTimes, answers: Answers) -> dict[str, Any]:
    """Return what the formulas of a steady state start from, but for concurrency and arrivals."""
    return {
        "encode_s": steps.encode_s,
        "prefill_s": steps.prefill_s,
        "work_spread": steps.work_spread,
        "chunks": steps.chunks,
        "new_tokens": answers.mean,
        "spread": answers.spread,
        "merged": float(steps.saved_s is not None),
    }


def choose(
    steps: StepTimes,
    answers: Answers,
    held: Sequence[float],
    *,
    wishes: Wishes,
    most: int,
    host: HostWork | None = None,
) -> list[Chosen | Missed]:
    """Choose for each machine; ``held`` are the requests that its memory holds, ``most`` those that an engine runs."""
    tried = np.arange(1.0, most + 1)[None, :]
    found = steady.closed({**inputs_of(steps, answers), "concurrency": tried}, steps.decode, steps.saved)
    shape = (len(held), most)
    columns = {name: np.broadcast_to(found[name], shape) for name in (*_STATE, "residence_s")}
    alone = columns["ttft_s"][:, 0] + answers.mean * columns["tpot_s"][:, 0]
    # A page is prepared while the engine has others: it adds to what its own request waits for alone.
    columns |= {name: columns[name] + before_s(host, 0.0) for name in ("ttft_s", "residence_s")}
    fed = prepared_per_s(host)
    return [
        _chosen({name: column[place] for name, column in columns.items()}, room, wishes, float(alone[place]), fed)
        for place, room in enumerate(held)
    ]


def _chosen(column: dict[str, Any], room: float, wishes: Wishes, alone: float, fed: float) -> Chosen | Missed:
    """Choose along the requests at once on one machine, from 1 on; ``fed`` are the pages that its host prepares."""
    limits = {"ttft": wishes.ttft_s or inf, "tpot": wishes.tpot_s or inf}
    most = len(column["running"])
    fits = np.arange(1, most + 1) <= room
    met = {name: column[f"{name}_s"] <= limit for name, limit in limits.items()}
    good = fits & met["ttft"] & met["tpot"]
    first = (wishes.concurrency or 1) - 1
    if not good[first]:
        return _missed(column, limits, fits, first)
    engine, top = column["requests_per_s"], float(column["requests_per_s"][fits].max())
    ends = column["requests_per_s"] = np.minimum(engine, fed)
    held_by: Held
    if wishes.concurrency:
        place, held_by = first, "asked"
    else:
        # Limits hold up to a number of requests, and from there on no more.
        last = most if good.all() else int(np.argmin(good))
        reasons: dict[Held, Any] = {"memory": fits, "ttft": met["ttft"], "tpot": met["tpot"]}
        beyond: Held = next((name for name, holds in reasons.items() if last < most and not holds[last]), "most")
        share = load_service().enough
        is_fed = fed >= share * engine[:last].max()
        place = int(np.argmax(ends[:last] >= (share * ends[:last].max() if is_fed else fed)))
        held_by = "host" if not is_fed else "enough" if place < last - 1 else beyond
    knee = evaluate(load_service().knee.concurrency, {"most_per_s": top, "alone_s": alone}, arithmetic)
    return Chosen(
        concurrency=place + 1,
        held_by=held_by,
        full=load_at({name: float(values[place]) for name, values in column.items()}),
        engine_per_s=float(engine[good].max() if held_by == "host" else engine[place]),
        knee=max(1, round(float(knee))),
        curve=tuple(
            State(
                concurrency=batch,
                requests_per_s=float(column["requests_per_s"][batch - 1]),
                residence_s=float(column["residence_s"][batch - 1]),
            )
            for batch in sorted({*BATCHES, place + 1})
            if batch <= most and fits[batch - 1]
        ),
    )


def _missed(column: Mapping[str, Any], limits: Mapping[str, float], fits: Any, place: int) -> Missed:
    if not fits[place]:
        return Missed(limit="memory", seconds=inf, ratio=inf, concurrency=place + 1)
    ratios = {name: float(column[f"{name}_s"][place]) / limit for name, limit in limits.items()}
    worst = max(ratios, key=lambda name: ratios[name])
    return Missed(limit=worst, seconds=float(column[f"{worst}_s"][place]), ratio=ratios[worst], concurrency=place + 1)


def load_at(found: Mapping[str, float], most_per_s: float | None = None) -> Load:
    """Return a steady state as data; of requests that arrive, ``most_per_s`` is what could end in a second."""
    knee = load_service().knee
    load = 1.0 if most_per_s is None else found["requests_per_s"] / most_per_s
    return Load(
        **{name: found[name] for name in _STATE},
        load=load,
        trusted=found["busy"] <= knee.busy
        and (most_per_s is None or (load <= knee.load and found["full"] <= knee.full)),
    )
