"""A plan as a figure: what a page costs against how long it takes, and which of it nothing beats on both."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from attrs import frozen

from dsocr_symbolic.questions.plan.planning import Offer, Plan, fleet_numbers
from dsocr_symbolic.writing.files import said_if_unwritable, written_whole
from dsocr_symbolic.writing.svg import style, svg

_SIZE = (7.0, 4.4)
_JOULES_PER_WH = 3600
_GREY = "#777777"
_MOST_NAMED = 12


@frozen(kw_only=True)
class PlanMark:
    """A number of requests at once on a GPU.

    Attributes
    ----------
    gpu, concurrency : str, int
    seconds, cost : float
        From arrival to the last token, and of 1,000 pages: a price, or energy in Wh where no price is known.
    """

    gpu: str
    concurrency: int
    seconds: float
    cost: float


def points_of(plan: Plan) -> tuple[PlanMark, ...]:
    """Return what each GPU can do: those with a price alone where there are any."""
    priced = [offer for offer in plan.offers if offer.price_per_hour]
    return tuple(point for offer in priced or plan.offers for point in _points(offer, plan))


def _points(offer: Offer, plan: Plan) -> list[PlanMark]:
    made = []
    for state in offer.choice.curve:
        numbers = fleet_numbers(
            pages_per_s=plan.wishes.utilisation * state.requests_per_s,
            utilisation=plan.wishes.utilisation,
            requests_per_s=state.requests_per_s,
            new_tokens=plan.demand.answers.mean,
            board_power=offer.board_power,
            price_per_hour=offer.price_per_hour,
        )
        cost = numbers.get("cost_per_1000_pages")
        energy = numbers.get("energy_per_1000_pages")
        if cost is not None or energy is not None:
            made.append(
                PlanMark(
                    gpu=offer.gpu,
                    concurrency=state.concurrency,
                    seconds=state.residence_s,
                    cost=cost if cost is not None else (energy or 0.0) / _JOULES_PER_WH,
                )
            )
    return made


def front_of(points: Sequence[PlanMark]) -> tuple[PlanMark, ...]:
    """Return the points that no other one beats in both, the fastest first."""
    front: list[PlanMark] = []
    for point in sorted(points, key=lambda each: (each.seconds, each.cost)):
        if not front or point.cost < front[-1].cost:
            front.append(point)
    return tuple(front)


def write_figure(plan: Plan, path: Path) -> None:
    """Draw a plan and write it as SVG, whole or not at all."""
    with style():
        text = svg(_drawn(plan), "Cost of a page against how long it takes")
    with said_if_unwritable(path), written_whole(path) as draft:
        draft.write_text(text, encoding="utf-8")


def _drawn(plan: Plan) -> Any:
    from matplotlib.figure import Figure
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    points = points_of(plan)
    front = front_of(points)
    figure = Figure(figsize=_SIZE, layout="constrained")
    axes = figure.subplots()
    names = list(dict.fromkeys(point.gpu for point in points))
    leading = list(dict.fromkeys(point.gpu for point in front))
    named = [*leading, *(name for name in names if name not in leading)][:_MOST_NAMED]
    for name in names:
        own = [point for point in points if point.gpu == name]
        where = [point.seconds for point in own], [point.cost for point in own]
        if name in named:
            axes.plot(*where, marker=".", linewidth=1, label=name)
        else:
            axes.plot(*where, color=_GREY, linewidth=0.5, alpha=0.5)
    axes.plot(
        [point.seconds for point in front],
        [point.cost for point in front],
        color="black",
        linestyle="none",
        marker="o",
        fillstyle="none",
        label="nothing beats it in both",
    )
    chosen = {offer.gpu: offer.choice.concurrency for offer in plan.offers}
    planned = [point for point in points if chosen.get(point.gpu) == point.concurrency]
    where = [point.seconds for point in planned], [point.cost for point in planned]
    axes.plot(*where, color="black", linestyle="none", marker="x", label="planned")
    axes.set_xscale("log")
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axis.set_minor_formatter(NullFormatter())
    axes.set_xlabel("seconds from arrival to the last token, requests at once at any time")
    priced = any(offer.price_per_hour for offer in plan.offers)
    axes.set_ylabel("price of 1,000 pages" if priced else "energy of 1,000 pages at most [Wh]")
    figure.legend(loc="outside right upper", fontsize="small")
    return figure
