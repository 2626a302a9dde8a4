"""Where a plan has the host's work from: pages that are looked into, or what the user says."""

from collections import Counter
from statistics import fmean, pstdev

from attrs import Factory, define

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.questions.host_pages import HostPage, host_page, is_measured
from dsocr_symbolic.questions.plan.demand import positive
from dsocr_symbolic.questions.plan.hosting import HostWork
from dsocr_symbolic.scenario.claims import CALIBRATE
from dsocr_symbolic.scenario.documents import PageSize
from dsocr_symbolic.scenario.scenario import Scenario, scenario_values
from dsocr_symbolic.scenario.values import Values

_MOST_CORES = 4096
_NO_PAGES = "no pages are read of which it could be known; --document and --machine say it, or --host-s"


@define(kw_only=True)
class PagesHost:
    """What is seen of pages on the host, one after the other; it is called with each of them.

    Attributes
    ----------
    scenario, values, dpi : Scenario, Values, float
        What they are read for, and pixels per inch of PDF pages.
    seen : list of HostPage
    """

    scenario: Scenario
    values: Values
    dpi: float
    seen: list[HostPage] = Factory(list)

    def __call__(self, page: PageSize, grid: tuple[int, int]) -> None:
        """Look into a page."""
        self.seen.append(host_page(self.scenario, self.values, page, grid, self.dpi))


def pages_host(scenario: Scenario, dpi: float) -> PagesHost | None:
    """Return what looks into pages; None where no constants of a host were measured."""
    values = scenario_values(scenario)
    return PagesHost(scenario=scenario, values=values, dpi=dpi) if is_measured(values.known) else None


def asked_host(host_s: float | None, cores: int | None, pages: PagesHost | None) -> tuple[HostWork | None, str]:
    """Return what the host does of a page, or why nothing is claimed of it.

    Raises
    ------
    UserError
        If a number is wrong, both pages and user say it, or there are cores and nothing for them to do.
    """
    if cores is not None and not 1 <= cores <= _MOST_CORES:
        raise UserError(f"--cores {cores}: expected cores for each GPU, from 1 to {_MOST_CORES}")
    positive("--host-s", host_s)
    if host_s is not None and pages is not None:
        raise UserError("--host-s: the pages of --document and the host file say it; drop --host-s or --machine")
    if host_s is not None:
        return HostWork(host_s=host_s, cores=cores, source="as given"), ""
    found = [] if pages is None else [page.seconds.total for page in pages.seen if page.seconds is not None]
    if pages is not None and found:
        host = pages.scenario.gpu.host
        return HostWork(
            host_s=fmean(found),
            spread=pstdev(found) / fmean(found) if fmean(found) else 0.0,
            seconds=tuple(found),
            cores=cores,
            source=host.said if host else "as it was set",
            unknown=Counter(page.reason for page in pages.seen if page.seconds is None),
        ), ""
    why = _NO_PAGES if pages is None else next((page.reason for page in pages.seen), _NO_PAGES)
    if cores is not None:
        raise UserError(f"--cores {cores}: what a page takes on a core is not known: {CALIBRATE}, or give --host-s")
    return None, why
