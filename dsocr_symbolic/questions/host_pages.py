"""What pages of documents take on the host: each of them, and all together."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

from attrs import asdict

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.host_work import HostSeconds, host_seconds, unmeasured, views_of
from dsocr_symbolic.language.expression import evaluate
from dsocr_symbolic.language.files.service_file import load_service
from dsocr_symbolic.language.time_formula import host_symbols
from dsocr_symbolic.records import frozen
from dsocr_symbolic.scenario.documents import PageSize
from dsocr_symbolic.scenario.page_contents import page_content
from dsocr_symbolic.scenario.scenario import Scenario
from dsocr_symbolic.scenario.values import Values


@frozen(kw_only=True)
class HostPage:
    """A page on the host.

    Attributes
    ----------
    seconds : HostSeconds or None
        On one core; None where nothing is claimed.
    reason : str
        Why nothing is claimed; empty where something is.
    """

    seconds: HostSeconds | None
    reason: str = ""


@frozen(kw_only=True)
class HostBill:
    """What all pages take on the host, each on one core.

    Attributes
    ----------
    pages, total_s, mean_s, least_s, most_s : int, float
        Pages of which seconds are known, their sum, and those of a page.
    parts : mapping of str to float
        The sum by step: ``opening``, ``resizing``, ``copying``, ``tensors``.
    unknown : mapping of str to int
        Pages of which no seconds are claimed, by reason.
    measured : str
        Where the constants are from.
    cores : float or None
        Cores that feed the GPU where one page follows the other; None where there is no forecast of its seconds.
    """

    pages: int
    total_s: float
    mean_s: float
    least_s: float
    most_s: float
    parts: Mapping[str, float]
    unknown: Mapping[str, int]
    measured: str
    cores: float | None


def is_measured(known: Mapping[str, Any]) -> bool:
    """Whether a machine says anything of its host's work on pages."""
    return any(known.get(name) is not None for name in host_symbols("page"))


def host_page(scenario: Scenario, values: Values, page: PageSize, grid: tuple[int, int], dpi: float) -> HostPage:
    """Return what a page that can be read takes on the host."""
    crops, workload = scenario.definition.roles.crops, scenario.workload
    views = views_of(crops, values.numbers, workload.document, grid) if crops and workload else None
    if views is None:
        return HostPage(seconds=None, reason="the model file does not say how large its views are")
    try:
        content = page_content(page.path, page.page, dpi)
    except Exception as error:  # noqa: BLE001 - decoders raise almost anything on a malformed file
        return HostPage(seconds=None, reason=f"cannot be looked into: {' '.join(str(error).split())}")
    if why := unmeasured(content.kind, values.known):
        return HostPage(seconds=None, reason=f"{content.said}: {why}")
    return HostPage(seconds=host_seconds(content, views, values.known))


def host_bill(pages: Iterable[HostPage], measured: str, gpu_s: float | None = None) -> HostBill | None:
    """Add up pages, which all together take ``gpu_s`` seconds on the GPU; None where nothing is known of any."""
    pages = list(pages)
    found = [page.seconds for page in pages if page.seconds is not None]
    if not found:
        return None
    totals = [each.total for each in found]
    return HostBill(
        pages=len(found),
        total_s=sum(totals),
        mean_s=sum(totals) / len(totals),
        least_s=min(totals),
        most_s=max(totals),
        parts={name: sum(getattr(each, name) for each in found) for name in asdict(found[0])},
        unknown=dict(Counter(page.reason for page in pages if page.seconds is None)),
        measured=measured,
        cores=feeding(sum(totals) / len(totals), len(pages) / gpu_s) if gpu_s else None,
    )


def feeding(host_s: float, pages_per_s: float) -> float:
    """Return how many cores, always busy, prepare pages as fast as a GPU takes them.

    Parameters
    ----------
    host_s : float
        Seconds of one core for a page, such as :attr:`HostBill.mean_s`.
    pages_per_s : float
        Pages that the GPU takes in a second.

    Returns
    -------
    float
        A number of cores, not rounded.

    Raises
    ------
    UserError
        If one of them is negative or no number.
    """
    if not host_s >= 0 or not pages_per_s >= 0:
        raise UserError(f"cores: {host_s} s a page at {pages_per_s} pages/s: both are numbers from 0 on")
    term = load_service().host.terms["cores_busy"]
    return float(evaluate(term.formula, {"host_s": host_s, "pages_per_s": pages_per_s}, arithmetic))
