"""Before a large sweep starts: how many points, how long, how many bytes; and whether that was meant."""

import shutil
import sys
import time
from pathlib import Path

import click

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.questions.sweep.plan import SweepPlan
from dsocr_symbolic.writing.amounts import scaled

MOST_UNASKED = 10**8
# Points of a range, and ranges.
_SAMPLE, _RANGES = 2**16, 4
# A number of a row: float64, which hardly shrinks, or its digits.
_BYTES = {".csv": 18}
_FLOAT64 = 8
_SPANS = (("year", 31_557_600.0), ("day", 86_400.0), ("hour", 3600.0), ("minute", 60.0), ("second", 1.0))


def ask_first(plan: SweepPlan, out: Path | None, *, agreed: bool) -> None:
    """Ask whether a sweep of very many points shall start; raise where nobody can be asked, or says no.

    ``out`` is None for standard output.
    """
    if plan.count <= MOST_UNASKED or agreed:
        return
    said = f"{plan.count:,} points take about {lasting(seconds_of(plan))} or more"
    if out is not None:
        size = scaled(plan.count * len(plan.columns) * _BYTES.get(out.suffix, _FLOAT64), "B", 2)
        said += f", and {size} ({scaled(shutil.disk_usage(out.parent).free, 'B', 2)} are free)"
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UserError(f"{out or 'sweep'}: {said}; --yes starts it")
    if not click.confirm(f"{out or 'sweep'}: {said}. Start?", err=True):
        raise UserError(f"{out or 'sweep'}: not started; shorten an axis or take larger steps")


def seconds_of(plan: SweepPlan) -> float:
    """Estimate how long evaluation takes, by ranges from everywhere; those of the second go are as fast as the rest."""
    sample = min(_SAMPLE, plan.count)
    starts = [(plan.count - sample) * place // (_RANGES - 1) for place in range(_RANGES)]

    def evaluate() -> None:
        for start in starts:
            plan.evaluate_range(start, start + sample)

    evaluate()
    started = time.perf_counter()
    evaluate()
    return (time.perf_counter() - started) / (_RANGES * sample) * plan.count


def lasting(seconds: float) -> str:
    """Say how long something lasts, in whole units: ``12 days``."""
    unit, length = next((span for span in _SPANS if seconds >= span[1]), _SPANS[-1])
    count = max(1, round(seconds / length))
    return f"{count:,} {unit}{'s' if count > 1 else ''}"
