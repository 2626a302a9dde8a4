"""Does a workload fit a machine: its worst moment against usable memory, and the largest batch that fits."""

from collections.abc import Iterable, Mapping
from typing import Any

from attrs import fields

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.answer import scenario_program
from dsocr_symbolic.evaluation.program import Program, run_memory, run_program
from dsocr_symbolic.network.fold import Fold
from dsocr_symbolic.network.labels import labels_of
from dsocr_symbolic.network.serving import held
from dsocr_symbolic.records import frozen
from dsocr_symbolic.scenario.scenario import Scenario, scenario_numbers, scenario_values

_LARGEST_BATCH = 10**9


@frozen(kw_only=True)
class PeakMoment:
    """The moment at which most memory is resident.

    Attributes
    ----------
    stage, at, label : str
        The stage, and the operator that runs then; the latter with the numbers that layers have here.
    weight_bytes, kv_cache_bytes, activation_bytes : int or float
        Weights of the whole network, KV cache at the stage's end, live activations.
    peak_memory_bytes : int or float
        All three.
    """

    stage: str
    at: str
    label: str
    weight_bytes: Exact
    kv_cache_bytes: Exact
    activation_bytes: Exact
    peak_memory_bytes: Exact

    @property
    def parts(self) -> dict[str, Exact]:
        """What is resident, by its name in print."""
        return {"weights": self.weight_bytes, "KV": self.kv_cache_bytes, "activations": self.activation_bytes}


@frozen(kw_only=True)
class KvPool:
    """What a server has for its KV cache, by the formulas of formulas/server.yaml.

    Attributes
    ----------
    memory_bytes, weight_bytes, activation_bytes, graph_bytes : int or float
        What it takes of the machine, and what weights, its largest forward and captured graphs need of that; 0 bytes of
        graphs where nobody said how many they are.
    bytes : int or float
        What is left; 0 or less where these alone do not fit.
    page_tokens, pages, tokens : int, and int or None
        Tokens of a page, whole pages that it holds, and their tokens; None where a request keeps nothing.
    request_pages, requests, largest_batch : int or float, or None
        Whole pages of one request of the workload, how many such requests it holds, and whole ones at once.
    max_model_len, longest_requests : int, and int or float or None
        The most tokens of a request, and how many requests of that many tokens it holds.
    batch, preempted_share : int, and int or float or None
        Requests of the workload, and the share of them that must be evicted where new tokens vary.
    chunk : int
        Tokens of a prompt in that forward, which is of one request with its image.
    request : tuple of int
        Tokens of a request's prompt, and its decode steps.
    """

    memory_bytes: Exact
    weight_bytes: Exact
    activation_bytes: Exact
    graph_bytes: Exact
    bytes: Exact
    page_tokens: Exact
    pages: Exact | None
    tokens: Exact | None
    request_pages: Exact | None
    requests: Exact | None
    largest_batch: Exact | None
    max_model_len: Exact
    longest_requests: Exact | None
    batch: Exact
    preempted_share: Exact | None
    chunk: Exact
    request: tuple[Exact, Exact]


@frozen(kw_only=True)
class Fit:
    """A workload against the memory of a machine.

    Attributes
    ----------
    capacity_bytes, reserve_bytes : int or float
        What may be taken, usable memory less the reserve; what is kept free.
    moment : PeakMoment
    fits : bool
    largest_batch : int or None
        The largest batch that fits, 0 if not even one request does; None where the workload has no batch to vary.
    beyond : PeakMoment or None
        The worst moment of the next larger batch.
    kv_pool : KvPool or None
        What a server has for its KV cache; None where the model file does not say what a server does.
    """

    capacity_bytes: Exact
    reserve_bytes: Exact
    moment: PeakMoment
    fits: bool
    largest_batch: int | None
    beyond: PeakMoment | None
    kv_pool: KvPool | None


def fit(scenario: Scenario, program: Program | None = None, fold: Fold | None = None) -> Fit:
    """Compare a workload with its machine; its compiled model, and what it gave, are taken where they are at hand."""
    program = scenario_program(scenario) if program is None else program
    if fold is None:
        fold = run_program(program, scenario_values(scenario).numbers)
    numbers = fold.leaves.scope
    capacity = numbers["capacity"]
    moment = _worst(moments_of(fold))
    largest, beyond = None, None
    requests = scenario.definition.roles.batch
    if scenario.workload is not None and requests:
        largest = _largest_batch(scenario, program, numbers[requests], moment, capacity)
        if largest is not None:
            beyond = worst_moment(program, scenario_numbers(scenario, {requests: largest + 1}))
    return Fit(
        capacity_bytes=arithmetic.whole(capacity),
        reserve_bytes=arithmetic.whole(numbers["reserve"]),
        moment=moment,
        fits=moment.peak_memory_bytes <= capacity,
        largest_batch=largest,
        beyond=beyond,
        kv_pool=kv_pool(scenario, fold),
    )


def kv_pool(scenario: Scenario, workload: Fold) -> KvPool | None:
    """Return what a server has for its KV cache."""
    server, roles, numbers = scenario.definition.server, scenario.definition.roles, workload.leaves.scope
    if server is None or scenario.workload is None:
        return None
    found = held(workload, "requests", "largest_batch", "longest_requests", "preempted")
    values: dict[str, Any] = {name: None if value is None else arithmetic.whole(value) for name, value in found.items()}
    names = {field.name for field in fields(KvPool)}
    return KvPool(
        preempted_share=values["preempted"],
        chunk=numbers["chunk_tokens"],
        request=(numbers[roles.prompt_tokens], numbers[roles.new_tokens]),
        **{name: numbers[name] for name in ("graph_bytes", "page_tokens", "max_model_len", "batch")},
        **{name: value for name, value in values.items() if name in names},
    )


def worst_moment(program: Program, numbers: Mapping[str, Exact]) -> PeakMoment:
    """Return the moment of the stage that needs most memory."""
    return _worst(stage_moments(program, numbers))


def stage_moments(program: Program, numbers: Mapping[str, Exact]) -> list[PeakMoment]:
    """Return the moment of each stage at which most memory is resident, in the order of the stages."""
    return moments_of(run_memory(program, numbers))


def _worst(moments: Iterable[PeakMoment]) -> PeakMoment:
    return max(moments, key=lambda moment: moment.peak_memory_bytes)


def moments_of(fold: Fold) -> list[PeakMoment]:
    """Return the moment of each stage in a program that has run."""
    rows = fold.leaves.rows
    labels = labels_of(fold.leaves)
    weights, peaks = fold.owned("forward_weight_bytes", 0), fold.column("peak_memory_bytes")

    def operator(index: int) -> int:
        while below := fold.below[index]:
            index = max(below, key=lambda child: fold.around[child])
        return index

    return [
        PeakMoment(
            stage=rows[stage].path,
            at=rows[at].path,
            label=labels[at][0] or rows[at].path,
            weight_bytes=arithmetic.whole(weights),
            kv_cache_bytes=arithmetic.whole(fold.owned("forward_kv_cache_bytes", stage)),
            activation_bytes=arithmetic.whole(fold.around[stage]),
            peak_memory_bytes=arithmetic.whole(peaks[stage]),
        )
        for stage in fold.below[0]
        for at in [operator(stage)]
    ]


def _largest_batch(scenario: Scenario, program: Program, batch: int, moment: PeakMoment, capacity: Exact) -> int | None:
    """Find the largest batch that fits: along straight lines, for memory grows nearly like one, else by halves."""
    known: dict[int, Any] = {batch: moment.peak_memory_bytes}
    fits, beyond = 1, 2

    def over(batch: int) -> Any:
        """Return what is missing at a batch."""
        if batch not in known:
            numbers = scenario_numbers(scenario, {scenario.definition.roles.batch: batch})
            known[batch] = run_memory(program, numbers).column("peak_memory_bytes")[0]
        return known[batch] - capacity

    def ask(tried: int) -> None:
        nonlocal fits, beyond
        if fits < tried < beyond:
            fits, beyond = (tried, beyond) if over(tried) <= 0 else (fits, tried)

    try:
        if over(1) > 0:
            return 0
        if over(2) <= over(1):
            return None
        while over(beyond) <= 0:
            if beyond >= _LARGEST_BATCH:
                return None
            slope = (over(beyond) - over(fits)) / (beyond - fits)
            more = max(1, int(-over(beyond) // slope)) if slope > 0 else beyond
            fits, beyond = beyond, min(beyond + more, _LARGEST_BATCH)
        while (apart := beyond - fits) > 1:
            slope = over(beyond) - over(beyond - 1)
            # On the last straight line this is the largest one, and the next one is too many.
            near = beyond - int(-(-over(beyond) // slope)) if slope > 0 else fits
            ask(near)
            ask(near + 1)
            if 2 * (beyond - fits) > apart:
                ask((fits + beyond) // 2)
    except UserError:
        # What the user set holds for this batch alone, such as the experts that it hits.
        return None
    return fits
