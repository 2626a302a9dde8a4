"""Which metrics are times, which of them are bounds, and what one kind of time is called in the other."""

from dsocr_symbolic.definition_file import load_metrics, load_time
from dsocr_symbolic.errors import UserError, nearest

TIMES = ("roofline", "lower_bound")


def timed(metric: str, time: str) -> str:
    """Return a time metric as the asked kind of time has it; other metrics stay.

    Parameters
    ----------
    metric : str
        A name of the registry.
    time : str
        ``roofline`` or ``lower_bound``.

    Raises
    ------
    UserError
        If there is no such kind of time.
    """
    if time not in TIMES:
        raise UserError(f"unknown time '{time}': {nearest(time, TIMES)}")
    metrics, wanted = load_metrics(), load_time(time).metric
    known = metrics.get(metric)
    if known is None or wanted == load_time(TIMES[0]).metric:
        return metric
    if known.kind == "time":
        return wanted
    twins = [name for name, each in metrics.items() if each.latency == known.latency and each.of == wanted]
    return twins[0] if known.latency and twins else metric


def is_time(metric: str) -> bool:
    """Whether a metric is a time."""
    return load_metrics()[metric].unit == "s"


def is_bound(metric: str) -> bool:
    """Whether a metric is a lower bound, or made of one."""
    known = load_metrics()[metric]
    return known.kind == "bound" or (known.of != "" and load_metrics()[known.of].kind == "bound")
