"""The plan: on each GPU the concurrency that limits and memory allow, how many GPUs that takes, and what they cost."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from math import inf, isfinite
from typing import Any

import numpy as np
from attrs import frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.answer import scenario_details, scenario_program
from dsocr_symbolic.language.expression import evaluate
from dsocr_symbolic.language.files.service_file import load_service
from dsocr_symbolic.questions.capacity import KvPool
from dsocr_symbolic.questions.plan.choosing import Chosen, Load, Missed, Wishes, choose
from dsocr_symbolic.questions.plan.demand import Demand
from dsocr_symbolic.questions.plan.elasticities import Elasticity, elasticities
from dsocr_symbolic.questions.plan.hosting import following, host_numbers, prepared_per_s
from dsocr_symbolic.questions.plan.loading import kept_to, loads
from dsocr_symbolic.questions.plan.memory import holding
from dsocr_symbolic.questions.plan.merging import merged_steps
from dsocr_symbolic.questions.plan.simulation import Engine, Simulated, simulate
from dsocr_symbolic.questions.plan.spending import Spending, metrics_spent
from dsocr_symbolic.questions.plan.steps import BATCHES, WALL, Machines, StepTimes, machines, steps_of
from dsocr_symbolic.questions.plan.workloads import AskedPages, asked_of
from dsocr_symbolic.scenario.hardware import Gpu
from dsocr_symbolic.scenario.scenario import Scenario

# As many requests as engines run at most unless they are told otherwise.
MOST = 256


@frozen(kw_only=True)
class Offer:
    """What a kind of GPU needs for the demand.

    Attributes
    ----------
    gpu, title : str
    origin : str
        ``calibrated`` where its constants were measured on it, else ``derived`` from those of another GPU.
    choice : Chosen
        Requests at once on each.
    bound_by, shares : str, mapping of str to float
        What most of the seconds of a request on a GPU are spent on, and the share of each; ``host`` where the cores of
        the host prepare fewer pages than the GPU takes.
    planned : Load
        With the requests that each of them gets, which arrive at random.
    pool : KvPool or None
        Memory: weights, activations, KV cache; None where the network's file does not say what a server does.
    numbers, host : mapping of str to float
        What the fleet's formulas give, no cost without a price; what the host's give at its most and, with ``planned``
        in front, at the pages that each gets; empty where nothing is known of the host.
    price_per_hour, board_power : float or None
    launch : str
        The command that starts the engine as planned.
    """

    gpu: str
    title: str
    origin: str
    choice: Chosen
    bound_by: str
    shares: Mapping[str, float]
    planned: Load
    pool: KvPool | None
    numbers: Mapping[str, float]
    host: Mapping[str, float]
    price_per_hour: float | None
    board_power: float | None
    launch: str


@frozen(kw_only=True)
class Plan:
    """Offers, the best first.

    Attributes
    ----------
    demand, wishes, asked : Demand, Wishes, AskedPages
        What is asked.
    offers : tuple of Offer
        Ranked by cost where prices are known, else by how many GPUs they are and what they draw.
    refused : mapping of str to str
        Why a GPU is not among them.
    moves : tuple of Elasticity
        What moves the cost of a page most on the first of them.
    seen : Simulated or None
        What a simulation of the first one saw, with the requests that arrive; None where none was asked for.
    """

    demand: Demand
    wishes: Wishes
    asked: AskedPages
    offers: tuple[Offer, ...]
    refused: Mapping[str, str]
    moves: tuple[Elasticity, ...]
    seen: Simulated | None = None


# Seconds that no float holds are found further on, and said in words.
@np.errstate(all="ignore")
def plan_for(base: Scenario, demand: Demand, wishes: Wishes, gpus: Sequence[Gpu]) -> Plan:
    """Plan a demand on each of some GPUs, and rank them.

    Raises
    ------
    UserError
        If no GPU holds the network or keeps to the limits: it names the nearest.
    """
    shares = [kind.share for kind in demand.kinds]
    asked = asked_of([kind.scenario for kind in demand.kinds], shares, demand.answers.mean)
    program = scenario_program(base)
    on, refused = machines(asked.average, gpus)
    on, pools, small = holding(asked, program, on)
    refused |= small
    if not on.gpus:
        raise UserError("; ".join(f"{name}: {why}" for name, why in refused.items()))
    most = max(MOST, wishes.concurrency or 1)
    batches = sorted({*(batch for batch in BATCHES if batch < most), most})
    programs = [program, scenario_details(base)]
    parts = steps_of(asked, programs, on, batches, (WALL, *metrics_spent()))
    if wishes.merged:
        parts[WALL] = merged_steps(asked, programs, on, parts[WALL], batches)
    steps, spending = parts[WALL], Spending(parts=parts, new_tokens=demand.answers.mean)
    rooms = [inf if pool is None else float(pool.requests or 0) for pool in pools]
    chosen = choose(steps, demand.answers, rooms, wishes=wishes, most=most, host=demand.host)
    named = zip(on.gpus, chosen, strict=True)
    missed = {gpu.name: choice for gpu, choice in named if isinstance(choice, Missed)}
    refused |= {name: _why(choice, wishes) for name, choice in missed.items()}
    if len(missed) == len(on.gpus):
        raise _unmet(missed, wishes)
    question = _Question(base=base, demand=demand, wishes=wishes, asked=asked, on=on, steps=steps, spending=spending)
    offers = {
        place: _offer(question, place, pools[place], choice)
        for place, choice in enumerate(chosen)
        if isinstance(choice, Chosen)
    }
    best, *_ = ranked = sorted(offers, key=lambda place: _rank(offers[place]))
    first, own = offers[best], steps.at(best)
    return Plan(
        demand=demand,
        wishes=wishes,
        asked=asked,
        offers=tuple(offers[place] for place in ranked),
        refused=refused,
        moves=elasticities(
            asked,
            programs,
            on.some([best]),
            steps=own,
            answers=demand.answers,
            concurrency=first.choice.concurrency,
            host=demand.host,
        ),
        seen=simulated(own, demand, first) if wishes.simulate else None,
    )


def simulated(steps: StepTimes, demand: Demand, offer: Offer) -> Simulated:
    """Simulate what an offer plans on one machine."""

    def at_batch(seconds: Callable[[Any], Any]) -> Callable[[int], float]:
        return cache(lambda batch: float(seconds(np.array([[float(batch)]]))[0, 0]))

    engine = Engine(
        prompts=tuple(tuple(map(float, prompt[0])) for prompt in steps.prompts),
        shares=tuple(kind.share for kind in demand.kinds),
        step_s=at_batch(steps.decode),
        answers=demand.answers,
        host=demand.host,
        saved_s=None if steps.saved_s is None else at_batch(steps.saved),
    )
    return simulate(engine, concurrency=offer.choice.concurrency, arrivals_per_s=float(offer.numbers["arrivals_per_s"]))


def _why(missed: Missed, wishes: Wishes) -> str:
    if missed.limit == "memory":
        return f"its memory does not hold {missed.concurrency} requests"
    if not isfinite(missed.seconds):
        return "its steps take no number of seconds with the values that are set; give others"
    limit = wishes.ttft_s if missed.limit == "ttft" else wishes.tpot_s
    many = f"{missed.concurrency} requests at once" if missed.concurrency > 1 else "one request alone"
    return f"{missed.limit} is {missed.seconds:.4g} s with {many}, above {limit:g} s"


def _unmet(missed: Mapping[str, Missed], wishes: Wishes) -> UserError:
    """Name the GPU that comes nearest to the limits."""
    best = min(missed, key=lambda name: missed[name].ratio)
    if missed[best].limit != "memory" and not isfinite(missed[best].seconds):
        return UserError(f"{best}: {_why(missed[best], wishes)}")
    near = f"the nearest is {best}: {_why(missed[best], wishes)}"
    return UserError(f"no GPU meets the limits; {near}; loosen the limit or add a GPU")


@frozen(kw_only=True, eq=False)
class _Question:
    """What all offers have in common."""

    base: Scenario
    demand: Demand
    wishes: Wishes
    asked: AskedPages
    on: Machines
    steps: StepTimes
    spending: Spending


def _offer(question: _Question, place: int, pool: KvPool | None, choice: Chosen) -> Offer:
    demand, wishes = question.demand, question.wishes
    gpu, numbers, steps = question.on.gpus[place], question.on.values[place], question.steps.at(place)
    price = wishes.prices.get(gpu.name)
    utilisation = kept_to(steps, demand.answers, choice, wishes, demand.host)
    fleet = fleet_numbers(
        pages_per_s=demand.pages_per_s or utilisation * choice.full.requests_per_s,
        utilisation=utilisation,
        requests_per_s=choice.full.requests_per_s,
        new_tokens=demand.answers.mean,
        board_power=float(numbers["board_power"]) or None,
        price_per_hour=price,
        pages=demand.pages,
    )
    planned = loads(steps, demand.answers, choice, [fleet["arrivals_per_s"]], demand.host)[0]
    shares = question.spending.at(place).shares(choice.full.running)
    return Offer(
        gpu=gpu.name,
        title=gpu.title,
        origin="derived" if gpu.measured is None else "calibrated",
        choice=choice,
        bound_by="host" if _is_unfed(question, choice) else max(shares, key=lambda name: shares[name]),
        shares=shares,
        planned=planned,
        pool=pool,
        numbers=fleet,
        host=_hosted(question, choice, fleet["arrivals_per_s"]),
        price_per_hour=price,
        board_power=float(numbers["board_power"]) or None,
        launch=_launch(question, choice, numbers),
    )


def _is_unfed(question: _Question, choice: Chosen) -> bool:
    return prepared_per_s(question.demand.host) < choice.engine_per_s


def _hosted(question: _Question, choice: Chosen, arrivals_per_s: float) -> dict[str, float]:
    host = question.demand.host
    if host is None:
        return {}
    planned = host_numbers(host, arrivals_per_s)
    return host_numbers(host, choice.engine_per_s) | {f"planned_{name}": value for name, value in planned.items()}


def fleet_numbers(**given: float | None) -> dict[str, float]:
    """Return what the fleet's formulas give; what needs a number that nobody gave is left out."""
    return following(load_service().fleet, given)


def _launch(question: _Question, choice: Chosen, numbers: Mapping[str, Any]) -> str:
    """Write the command that starts an engine as planned."""
    definition, asked, demand = question.base.definition, question.asked, question.demand
    identity = definition.identity
    scope = {
        "memory_utilisation": numbers["memory_utilisation"],
        "concurrency": choice.concurrency,
        "chunk_tokens": asked.chunk,
        "longest_prompt": asked.longest_prompt,
        "longest_new_tokens": demand.answers.longest,
    }
    flags = (
        f"--{flag} {arithmetic.whole(evaluate(formula, scope, arithmetic)):g}"
        for flag, formula in load_service().launch.items()
    )
    return " ".join(["vllm serve", identity.model_id if identity else definition.name, *flags])


def exceeded(offer: Offer, plan: Plan) -> tuple[str, ...]:
    """Return the limits that requests which arrive at random break, though as many at any time keep to them."""
    limits = {"ttft": plan.wishes.ttft_s, "tpot": plan.wishes.tpot_s}
    seen = {"ttft": offer.planned.ttft_s, "tpot": offer.planned.tpot_s}
    return tuple(name for name, limit in limits.items() if limit is not None and seen[name] > limit)


def _rank(offer: Offer) -> tuple[float, ...]:
    numbers = offer.numbers
    return (
        numbers.get("cost_per_1000_pages", inf),
        numbers["gpus"],
        numbers.get("energy_per_1000_pages", inf),
        -offer.choice.full.requests_per_s,
    )
