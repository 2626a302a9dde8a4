"""Formulas of seconds as data, and which metric of the registry is which time's."""

from collections.abc import Mapping
from functools import cache
from types import ModuleType
from typing import Any, Literal

from dsocr_symbolic.errors import UserError, check_known, nearest
from dsocr_symbolic.language.expression import Expression, check_names, evaluate, names
from dsocr_symbolic.language.registry import formula_file, load_machine, load_metrics, shared_read
from dsocr_symbolic.language.schema import BLANK, FORMULAS, PROSE, entry, of_symbols, structure, table
from dsocr_symbolic.language.symbols import PAIR, Symbol
from dsocr_symbolic.paths import data_folders
from dsocr_symbolic.records import frozen

# What a kernel's seconds are limited by; the host is what they wait for besides.
LIMITS = ("compute", "memory", "access", "latency")


@frozen(kw_only=True)
class TimeFormula:
    """Seconds of one launch, phase or kernel from what it does and the machine's numbers."""

    summary: str = entry("what the time is, in one line")
    metric: str = entry("its name in the registry; of a kernel that of all kernels", default="device_s")
    of: Literal["launch", "phase", "kernel", "page"] = entry("what it is the time of")
    why: str = entry("what it means and what it leaves out", PROSE)
    source: str = entry("where the mechanism is described or was measured", default="")
    arguments: Mapping[str, Symbol] = entry(
        "[letter, meaning] of what a launch, phase or kernel gives",
        of_symbols(table(PAIR)),
        key="symbols",
        default=BLANK,
    )
    terms: Mapping[str, Expression] = entry(
        f"what the seconds are made of, by what limits: {', '.join(LIMITS)}", FORMULAS, default=BLANK
    )
    seconds: Expression = entry("the formula, of the terms too")

    def __attrs_post_init__(self) -> None:
        """Refuse a term that names no limit."""
        check_known(self.terms, LIMITS, "terms", "limit")

    def spelled(self, arguments: Mapping[str, Any], algebra: ModuleType) -> dict[str, Any]:
        """Return every term with values put in, and ``seconds``."""
        terms = {name: evaluate(term, arguments, algebra) for name, term in self.terms.items()}
        return {**terms, "seconds": evaluate(self.seconds, {**arguments, **terms}, algebra)}


@cache
def load_time(name: str) -> TimeFormula:
    """Read a time formula: ``roofline``, ``lower_bound``, or a kernel's, ``device/stream``."""
    return shared_read(lambda: _read(name), f"time/{name}.yaml", "machine.yaml")


def _read(name: str) -> TimeFormula:
    raw, file = formula_file(f"time/{name}.yaml")
    time = structure(TimeFormula, raw, file)
    known = {*load_machine(), *time.arguments}
    check_names(f"{file}: terms", known, *time.terms.values())
    check_names(f"{file}: seconds", {*known, *time.terms}, time.seconds)
    return time


def device_classes() -> tuple[str, ...]:
    """Return the classes of kernels that have a time."""
    return tuple(sorted(path.stem for path in (data_folders("formulas")[-1] / "time" / "device").glob("*.yaml")))


@cache
def measured_symbols() -> tuple[frozenset[str], frozenset[str]]:
    """Return which symbols of the machine kernels take from measurements, and which launches do."""
    launches, pages = host_symbols("launch"), host_symbols("page")
    measured = {name for name, quantity in load_machine().items() if quantity.scales is not None}
    return frozenset(measured - launches - pages), launches


@cache
def host_symbols(of: str) -> frozenset[str]:
    """Return which symbols of the machine the host's times of launches, or of pages, take from measurements."""
    folder = data_folders("formulas")[-1] / "time" / "host"
    times = [load_time(f"host/{path.stem}") for path in sorted(folder.glob("*.yaml"))]
    used = {name for time in times if time.of == of for name in names(time.seconds)}
    return frozenset(used & load_machine().keys())


def load_bound() -> TimeFormula:
    """Read the time formula of lower bounds, the one that the registry names."""
    (bound,) = (metric for metric in load_metrics().values() if metric.kind == "bound")
    return load_time(bound.takes)


TIMES = ("roofline", "lower_bound")


def timed(metric: str, time: str) -> str:
    """Return a time metric as the asked kind of time has it; other metrics stay."""
    if time not in TIMES:
        raise UserError(f"unknown time '{time}': {nearest(time, TIMES)}")
    metrics, wanted = load_metrics(), load_time(time).metric
    known = metrics.get(metric)
    if known is None or wanted == load_time(TIMES[0]).metric:
        return metric
    if known.kind == "time":
        return wanted
    twins = [name for name, other in metrics.items() if other.latency == known.latency and other.of == wanted]
    return twins[0] if known.latency and twins else metric


def is_time(metric: str) -> bool:
    """Whether a metric is a time."""
    return load_metrics()[metric].unit == "s"


def is_forecast(metric: str) -> bool:
    """Whether a metric is made of what was measured of a GPU: how long kernels and launches take."""
    known = load_metrics()[metric]
    return known.takes == "device" or known.kind == "wall" or (known.of != "" and is_forecast(known.of))


def is_plain_time(metric: str) -> bool:
    """Whether a metric is a time that is neither a bound nor a forecast."""
    return is_time(metric) and not is_bound(metric) and not is_forecast(metric)


def is_bound(metric: str) -> bool:
    """Whether a metric is a lower bound, or made of one."""
    known = load_metrics()[metric]
    return known.kind == "bound" or (known.of != "" and load_metrics()[known.of].kind == "bound")
