"""What a plan is asked, in Python and on the command line: checked, and put together."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from attrs import frozen

from dsocr_symbolic.errors import UserError, check_known
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.paths import data_files
from dsocr_symbolic.questions.plan.choosing import Wishes
from dsocr_symbolic.questions.plan.demand import DAY, Demand, Kind, answers_of, mixed, of_pages, one_kind, positive
from dsocr_symbolic.questions.plan.hosted import PagesHost, asked_host, pages_host
from dsocr_symbolic.questions.plan.planning import Plan, plan_for
from dsocr_symbolic.scenario.documents import PageSize, read_pages
from dsocr_symbolic.scenario.hardware import Gpu, load_gpu, load_gpus
from dsocr_symbolic.scenario.scenario import Scenario, make_scenario, of_documents, scenario_values


@frozen(kw_only=True)
class Request:
    """What a user says of a plan; what is None is not said.

    Attributes
    ----------
    pages_per_day, mix, output_tokens, output_spread : float, str, str, float
        How many pages, of which workloads, how long their answers are and how they vary.
    ttft, tpot, concurrency, utilisation : float, float, int, float
        Limits in seconds, requests at once, share of the most that is planned with.
    gpus : tuple of str
        Names or files of machines; all that are known where none is named.
    prices : mapping of str to float
        Of a machine in an hour.
    host_s, cores : float, int
        Seconds of one core that a page takes before the engine, and cores that prepare pages for one GPU.
    merge_chunks : bool
        Whether a chunk of a prompt and a decode step are one forward, which reads weights once.
    simulate : bool
        Whether the best one is simulated, too.
    """

    pages_per_day: float | None = None
    mix: str | None = None
    output_tokens: str | None = None
    output_spread: float | None = None
    ttft: float | None = None
    tpot: float | None = None
    concurrency: int | None = None
    utilisation: float | None = None
    gpus: tuple[str, ...] = ()
    prices: Mapping[str, float] = {}
    host_s: float | None = None
    cores: int | None = None
    merge_chunks: bool = False
    simulate: bool = False


def plan(
    model: str = "deepseek-ocr",
    *,
    workload: str | None = None,
    settings: Mapping[str, Any] | None = None,
    choices: Mapping[str, str] | None = None,
    machine: str | None = None,
    documents: Sequence[str] = (),
    dpi: float = 144,
    **said: Any,
) -> Plan:
    """Plan how many GPUs a number of pages takes, and what they cost.

    >>> from dsocr_symbolic import plan
    >>> best = plan(pages_per_day=35000, gpus=("l4",), prices={"l4": 0.8}).offers[0]
    >>> best.gpu, best.numbers["gpus"]
    ('l4', 1.0)

    Parameters
    ----------
    model, workload : str
        Name or file of the network, and of one of its workloads.
    settings, choices : mapping
        Values of symbols, and options of choices, as ``--set`` and the options of the command line give them.
    machine : str, optional
        A file of ``dsocr calibrate --documents``: what pages take on the host.
    documents : sequence of str
        Images, PDFs and folders, whose pages say which kinds there are.
    dpi : float
        Pixels per inch of PDF pages.
    **said
        Fields of :class:`Request`.

    Returns
    -------
    Plan
        Offers, the best first.

    Raises
    ------
    UserError
        If something that was said is wrong, or no GPU holds the network or keeps to the limits.
    """
    scenario = make_scenario(
        definition=default_definition(model), workload=workload, settings=settings, choices=choices, machine=machine
    )
    pages = read_pages(list(documents), dpi=dpi) if documents else None
    return plan_of(scenario, Request(**said), pages, dpi)


def plan_of(scenario: Scenario, request: Request, pages: Iterable[PageSize] | None = None, dpi: float = 144) -> Plan:
    """Plan what a request asks of a network; ``pages`` are those of documents, if there are any, PDFs at ``dpi``."""
    wishes = _wishes(request)
    gpus = _gpus(request)
    # What options say of pages, such as how many crops servers cut at most, holds of those of documents.
    scenario = scenario if pages is None else of_documents(scenario)
    return plan_for(scenario, _demand(scenario, request, pages, dpi), wishes, gpus)


def _wishes(request: Request) -> Wishes:
    utilisation = Wishes().utilisation if request.utilisation is None else request.utilisation
    if not 0 < utilisation <= 1:
        raise UserError(f"--utilisation {utilisation}: expected a share above 0, 1 at most")
    if request.concurrency is not None and not 1 <= request.concurrency <= _MOST_AT_ONCE:
        raise UserError(f"--concurrency {request.concurrency}: expected requests from 1 to {_MOST_AT_ONCE}")
    for gpu, price in request.prices.items():
        positive(f"--price {gpu}", price)
    return Wishes(
        ttft_s=positive("--ttft", request.ttft),
        tpot_s=positive("--tpot", request.tpot),
        concurrency=request.concurrency,
        utilisation=utilisation,
        prices=dict(request.prices),
        merged=request.merge_chunks,
        simulate=request.simulate,
    )


_MOST_AT_ONCE = 4096


def _gpus(request: Request) -> list[Gpu]:
    """Return the machines to choose from; a price of one that is not among them is a mistake."""
    named = list(dict.fromkeys(request.gpus))
    gpus = [load_gpu(name) for name in named] if named else load_gpus()
    known = {gpu.name for gpu in gpus}
    check_known(request.prices, known if named else data_files("hardware"), "--price", "GPU")
    return gpus


def _demand(scenario: Scenario, request: Request, pages: Iterable[PageSize] | None, dpi: float) -> Demand:
    roles = scenario.definition.roles
    if roles.batch in scenario.user:
        raise UserError(f"{roles.batch}: a plan finds it; drop --set {roles.batch}, or give --concurrency")
    if request.mix is not None and pages is not None:
        raise UserError("--mix and --document both say which pages there are; drop one of them")
    per_day = positive("--pages-per-day", request.pages_per_day)
    count: int | None = None
    kinds: tuple[Kind, ...]
    look = pages_host(scenario, dpi) if pages is not None else None
    if pages is not None:
        kinds, count = _kinds_of(scenario, pages, look)
    else:
        kinds = one_kind(scenario) if request.mix is None else mixed(scenario, request.mix)
    host, unhosted = asked_host(request.host_s, request.cores, look)
    steps = float(scenario_values(scenario).numbers[roles.new_tokens])
    return Demand(
        kinds=kinds,
        answers=answers_of(request.output_tokens, request.output_spread, steps),
        pages_per_s=None if per_day is None else per_day / DAY,
        pages=count,
        host=host,
        unhosted=unhosted,
    )


def _kinds_of(scenario: Scenario, pages: Iterable[PageSize], look: PagesHost | None) -> tuple[tuple[Kind, ...], int]:
    whys: Counter[str] = Counter()

    def seen() -> Iterable[PageSize]:
        for page in pages:
            if page.error:
                whys[f"{page.path}: {page.error}"] += 1
            yield page

    kinds, count, unread = of_pages(scenario, seen(), look)
    if not kinds:
        first = next(iter(whys), "there is none")
        raise UserError(
            f"--document: no page can be read: {first}" + (f", and {unread - 1} more" if unread > 1 else "")
        )
    return kinds, count
