"""A plan in words: a row per GPU, then the best one."""

from collections.abc import Iterator

from dsocr_symbolic.errors import one_line
from dsocr_symbolic.questions.plan.demand import DAY
from dsocr_symbolic.questions.plan.hosting import HostWork
from dsocr_symbolic.questions.plan.planning import Offer, Plan, exceeded
from dsocr_symbolic.questions.settings_text import command_notes
from dsocr_symbolic.writing.amounts import scaled, seconds
from dsocr_symbolic.writing.notebook import TextGrid
from dsocr_symbolic.writing.terminal import indented, on_terminal, table

_JOULES_PER_WH = 3600
_MOST_MOVES = 8
_MARKS = {"derived": "~", "calibrated": ""}
_HELD = {
    "memory": "as many as its memory holds",
    "ttft": "more would break the limit of ttft",
    "tpot": "more would break the limit of tpot",
    "enough": "more end hardly more pages",
    "host": "its cores prepare no more pages",
    "most": "as many as an engine runs",
    "asked": "as asked",
}


def plan_text(plan: Plan, heading: str, command: str | None = None) -> str:
    """Print a plan."""
    made = table("GPU", *(f">{title}" for title in _titles(plan)[1:]), gap=1)
    for row in plan_rows(plan):
        made.add_row(*row)
    said = [indented([heading, *_asked(plan), *command_notes(command)])]
    parts = ["\n".join(said), on_terminal(made).rstrip(), indented(list(_best(plan.offers[0], plan)))]
    if plan.refused:
        parts.append("\n".join(indented([note]) for note in _refused(plan)))
    return "\n\n".join([*parts, indented([_legend(plan)])]) + "\n"


def _titles(plan: Plan) -> tuple[str, ...]:
    """Return the heads of the columns; of a cost where there is a price."""
    priced = ("cost",) if any(offer.price_per_hour for offer in plan.offers) else ()
    return (
        "GPU",
        "GPUs",
        "at once",
        "pages/day",
        "tokens/s",
        "ttft",
        "tpot",
        "loaded",
        "tpot",
        "bound by",
        *(("cores",) if any(offer.host for offer in plan.offers) else ()),
        "Wh",
        *priced,
    )


def plan_rows(plan: Plan) -> Iterator[tuple[str, ...]]:
    """Yield a line of cells per GPU."""
    priced = "cost" in _titles(plan)
    for offer in plan.offers:
        full, planned, numbers = offer.choice.full, offer.planned, offer.numbers
        energy, cost = numbers.get("energy_per_1000_pages"), numbers.get("cost_per_1000_pages")
        over = exceeded(offer, plan)
        marks = ["" if full.trusted else "?", f"{'' if planned.trusted else '?'}{'!' * bool(over)}"]
        yield (
            f"{offer.gpu}{_MARKS[offer.origin]}",
            f"{numbers['gpus']:.0f}",
            str(offer.choice.concurrency),
            f"{numbers['pages_per_day']:,.0f}",
            f"{numbers['tokens_per_s']:,.0f}",
            *(f"{seconds(value, 3)}{marks[0]}" for value in (full.ttft_s, full.tpot_s)),
            *(f"{seconds(value, 3)}{marks[1]}" for value in (planned.ttft_s, planned.tpot_s)),
            offer.bound_by,
            *([f"{offer.host['cores_enough']:.0f}"] if offer.host else []),
            "-" if energy is None else f"{energy / _JOULES_PER_WH:.3g}",
            *(["-" if cost is None else f"{cost:.4g}"] if priced else []),
        )


def plan_grid(plan: Plan) -> TextGrid:
    """Return the rows as a table of a page."""
    return TextGrid(columns=_titles(plan), rows=tuple(plan_rows(plan)))


def _asked(plan: Plan) -> list[str]:
    demand, wishes, answers = plan.demand, plan.wishes, plan.demand.answers
    kinds = ", ".join(f"{kind.name} {kind.share:.3g}" for kind in demand.kinds)
    asked = [f"{demand.pages:,} pages" if demand.pages else ""]
    asked += [f"{demand.pages_per_s * DAY:,.0f} pages a day" if demand.pages_per_s else ""]
    many = ", ".join(filter(None, asked)) or "as many pages as one machine ends"
    limits = [f"ttft at most {wishes.ttft_s:g} s"] if wishes.ttft_s else []
    limits += [f"tpot at most {wishes.tpot_s:g} s"] if wishes.tpot_s else []
    return [
        f"asked: {many}; of {kinds}; {answers.mean + 1:.4g} output tokens (spread {answers.spread:.2g});"
        f" {plan.asked.chunk} prompt tokens at a time, {'in a forward with' if wishes.merged else 'apart from'} decode"
        + (f"; {', '.join(limits)}" if limits else ""),
        f"planned with {wishes.utilisation:.0%} of what a machine can do, or less where limits need it",
    ]


def _refused(plan: Plan) -> list[str]:
    return [f"not {name}: {why.removeprefix(f'{name}: ')}" for name, why in plan.refused.items()]


def _best(offer: Offer, plan: Plan) -> Iterator[str]:
    """Say of the first one what the table has no room for."""
    choice, numbers, pool = offer.choice, offer.numbers, offer.pool
    count = f"{numbers['gpus']:.0f} x {offer.title}"
    why = f"{_HELD[choice.held_by]}; the knee is at {choice.knee}"
    yield f"{count}: {choice.concurrency} requests at once on each ({why})"
    shares = ", ".join(f"{name} {share:.0%}" for name, share in sorted(offer.shares.items(), key=lambda each: -each[1]))
    yield (
        f"each gets {numbers['arrivals_per_s'] * DAY:,.0f} pages a day, {numbers['headroom']:.0%} less than it can do;"
        f" a request's seconds: {shares}"
    )
    if plan.demand.host is not None:
        yield from _host_lines(plan.demand.host, offer)
    if pool is not None:
        room = f", room for {pool.requests:,.0f} requests" if pool.requests is not None else ""
        yield (
            f"memory: {scaled(pool.memory_bytes, 'B')} that a server takes: weights {scaled(pool.weight_bytes, 'B')},"
            f" activations {scaled(pool.activation_bytes, 'B')}, KV pool {scaled(pool.bytes, 'B')}{room}"
        )
    if "cost_per_1000_pages" in numbers:
        yield f"1,000 pages cost {numbers['cost_per_1000_pages']:.4g}, at the price of {offer.price_per_hour:g} an hour"
    if plan.demand.pages:
        whole = f", {numbers['cost']:.4g} in all" if "cost" in numbers else ""
        yield f"the {plan.demand.pages:,} pages take {numbers['hours']:.3g} h{whole}"
    if seen := plan.seen:
        yield (
            f"simulated with {seen.requests:,} pages at that load: ttft {seconds(seen.ttft_s)}, tpot"
            f" {seconds(seen.tpot_s)}; 99 % below {seconds(seen.ttft_p99_s)} and {seconds(seen.tpot_p99_s)};"
            " it takes the same seconds of steps, and proves the queueing alone"
        )
    moves = ", ".join(f"{move.symbol} {move.elasticity:+.2f}" for move in plan.moves[:_MOST_MOVES])
    priced = "price +1, utilisation -1, " if offer.price_per_hour else ""
    yield f"percent of cost per percent of an input: {priced}{moves}"
    yield f"each: {offer.launch}"


def _host_lines(host: HostWork, offer: Offer) -> Iterator[str]:
    """Say how many cores feed a GPU, and what they do to what a page waits for."""
    numbers, spread = offer.host, f" (spread {host.spread:.2g})" if host.spread else ""
    line = (
        f"host before the GPU: {seconds(host.host_s)} a page on one core{spread}, {host.source};"
        f" {numbers['cores_busy']:.3g} cores, always busy, feed a GPU at its most, {numbers['planned_cores_busy']:.3g}"
        " at what it gets"
    )
    if host.cores is not None:
        line += (
            f"; with {host.cores} at most {numbers['prepared_per_s'] * DAY:,.0f} pages a day, each"
            f" {numbers['planned_core_load']:.0%} busy, a page waits {seconds(numbers['planned_core_wait_s'])} for one"
        )
    yield line
    for reason, count in host.unknown.items():
        yield one_line(f"no host seconds of {count} page{'s' * (count > 1)}: {reason}")


def _legend(plan: Plan) -> str:
    said = ["ttft, tpot: means with 'at once' requests at any time; loaded: with those that arrive, at random."]
    if any(offer.origin == "derived" for offer in plan.offers):
        said.append("~: derived from measurements of another GPU, not measured; else calibrated on it.")
    if any(not load.trusted for offer in plan.offers for load in (offer.choice.full, offer.planned)):
        said.append("?: more load than the formulas were held against a simulation at.")
    if any(exceeded(offer, plan) for offer in plan.offers):
        said.append("!: above the limit with requests at random, at whatever load.")
    said.append(
        "pages/day, tokens/s: of one GPU, 'at once' at any time. Wh: of 1,000 pages, a bound, boards at full power."
    )
    said += ["cost: of 1,000 pages, in the currency of the prices."] if "cost" in _titles(plan) else []
    said.append("bound by: most of a request's seconds. Memory is counted.")
    if plan.demand.host is None:
        said.append(f"No host work before the GPU: {plan.demand.unhosted}.")
    else:
        said.append("cores: that prepare as many pages as a GPU takes at its most; ttft has the host's work.")
        held = plan.demand.host.cores and any(offer.bound_by == "host" for offer in plan.offers)
        said += ["host: they prepare fewer than it takes."] if held else []
    return " ".join(said)


def plan_markdown(plan: Plan, heading: str, command: str | None = None) -> str:
    """Write a plan as Markdown."""
    grid = plan_grid(plan)
    marks = ("---:" if side == "right" else ":---" for side in grid.sides)
    rows = [grid.columns, tuple(marks), *grid.rows]
    lines = [f"# Plan: {heading}", "", *(f"- {note}" for note in [*_asked(plan), *command_notes(command)]), ""]
    lines += [f"| {' | '.join(row)} |" for row in rows]
    lines += ["", *(f"- {note}" for note in _best(plan.offers[0], plan))]
    lines += [f"- {note}" for note in _refused(plan)]
    return "\n".join([*lines, "", _legend(plan)]) + "\n"
