"""What the host does of a page before the engine sees it, and what cores do to a plan."""

from collections.abc import Mapping
from math import inf

from attrs import frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.language.expression import evaluate
from dsocr_symbolic.language.files.service_file import Fleet, HostFeed, load_service


@frozen(kw_only=True)
class HostWork:
    """Pages on the host.

    Attributes
    ----------
    host_s, spread : float
        Seconds of one core that a page takes: the mean, and the standard deviation over it.
    seconds : tuple of float
        Those of each page, where they are known.
    cores : int or None
        Cores that prepare pages for one GPU; None for as many as it takes.
    source : str
        Where the seconds are from.
    unknown : mapping of str to int
        Pages of which no seconds are claimed, by reason.
    """

    host_s: float
    spread: float = 0.0
    seconds: tuple[float, ...] = ()
    cores: int | None = None
    source: str = ""
    unknown: Mapping[str, int] = {}


def host_numbers(host: HostWork, pages_per_s: float) -> dict[str, float]:
    """Return what the host's formulas give at pages a second of one GPU; without cores no wait."""
    return following(
        load_service().host,
        {"host_s": host.host_s, "host_spread": host.spread, "cores": host.cores, "pages_per_s": pages_per_s},
    )


def prepared_per_s(host: HostWork | None) -> float:
    """Return the pages that the cores of one GPU prepare in a second; infinite where nobody says how many they are."""
    return inf if host is None else host_numbers(host, 0.0).get("prepared_per_s", inf)


def before_s(host: HostWork | None, arrivals_per_s: float) -> float:
    """Return the mean seconds from a page's arrival to the engine, which is where the host's work ends."""
    if host is None:
        return 0.0
    return host.host_s + host_numbers(host, arrivals_per_s).get("core_wait_s", 0.0)


def following(formulas: Fleet | HostFeed, given: Mapping[str, float | None]) -> dict[str, float]:
    """Return inputs and what formulas give of them; what needs a number that nobody gave is left out."""
    scope = {name: value for name, value in given.items() if value is not None}
    for name, term in formulas.terms.items():
        try:
            scope[name] = float(evaluate(term.formula, scope, arithmetic))
        except KeyError:
            continue
    return scope
