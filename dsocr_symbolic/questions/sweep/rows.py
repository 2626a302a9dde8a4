"""Sweeps as rows, one per point: CSV, and a short table for a terminal."""

import csv
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dsocr_symbolic.questions.sweep.plan import Column, Plan
from dsocr_symbolic.writing.amounts import cell
from dsocr_symbolic.writing.files import written_whole
from dsocr_symbolic.writing.terminal import on_terminal

SHOWN = 20


_EXACT = 2.0**53


_WIDTH = 96


_UNVERIFIED = "unverified, from memory or of conflicting sources"


def column_name(plan: Plan, column: Column) -> str:
    """Return ``roofline_s``, or ``roofline_s[prefill]`` where a sweep has several parts."""
    return f"{column.metric}[{column.part}]" if plan.part_dimension else column.metric


def write_csv(plan: Plan, path: Path, advance: Callable[[int], Any] = lambda _: None) -> None:
    """Write one row per point, in C order; what does not exist is empty.

    Parameters
    ----------
    plan : Plan
        The sweep, however long.
    path : Path
        The file; one that exists is replaced. It is there whole or not at all.
    advance : callable
        Told how many points have been done each time.

    Raises
    ------
    UserError
        If a rule of the model is broken at a point.
    """
    head = [*plan.coordinates(plan.places(0, 1)), *(column_name(plan, column) for column in plan.columns)]
    with written_whole(path) as draft, draft.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(head)
        for start, stop in plan.blocks():
            places = plan.places(start, stop)
            labels = [each.tolist() for each in plan.coordinates(places).values()]
            numbers = [[_number(value) for value in each.tolist()] for each in plan.evaluate(places)]
            writer.writerows(zip(*labels, *numbers, strict=True))
            advance(stop - start)


def table_text(plan: Plan) -> str:
    """Print the first points as a table for a terminal, and what the numbers are of."""
    from rich.table import Table

    stop = min(plan.count, SHOWN)
    places = plan.places(0, stop)
    labels = {axis.name: plan.coordinates(places)[axis.name] for axis in plan.axes}
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name, values in labels.items():
        table.add_column(name, justify="right" if values.dtype.kind in "if" else "left", no_wrap=True)
    several = len(plan.metrics) > 1
    for column in plan.columns:
        table.add_column(column_name(plan, column) if several else column.part, justify="right", overflow="fold")
    shown = [[_label(value) for value in values.tolist()] for values in labels.values()]
    for column, values in zip(plan.columns, plan.evaluate(places), strict=True):
        shown.append([cell(column.metric, None if np.isnan(value) else value) for value in values.tolist()])
    for row in zip(*shown, strict=True):
        table.add_row(*row)
    rest = f"\n{plan.count - stop:,} more of {plan.count:,} points: --out FILE writes them all\n"
    return f"{_heading(plan)}\n\n{on_terminal(table)}{rest if plan.count > stop else ''}"


def _number(value: float) -> Any:
    """Write whole numbers as such, and nothing for what does not exist."""
    if value.is_integer() and abs(value) < _EXACT:
        return int(value)
    return "" if value != value else value  # noqa: PLR0124 - only what is no number differs from itself


def _label(value: Any) -> str:
    return value if isinstance(value, str) else f"{value:.10g}" if isinstance(value, float) else str(value)


def _heading(plan: Plan) -> str:
    """Say what is shown, and what is the same in every row."""
    asked = "; ".join(f"{metric.name} [{metric.unit}]: {metric.definition}" for metric in plan.metrics)
    names = ("model", "workload", "gpu")
    what = [plan.about[name] for name in names if name in plan.about]
    notes = {"config": "config.json", "what_if": "what if", "settings": "set", "unverified": _UNVERIFIED}
    choices = {name: value for name, value in plan.about.items() if name not in (*names, *notes)}
    chosen = ", ".join(f"{name.replace('_', '-')} {value}" for name, value in choices.items())
    lines = [", ".join(what), asked, f"choices: {chosen}"]
    lines += [f"{said}: {plan.about[name]}" for name, said in notes.items() if name in plan.about]
    wrapped = (textwrap.wrap(each, _WIDTH, subsequent_indent="  ") for each in lines[1:])
    return "\n  ".join([lines[0], *(line for each in wrapped for line in each)])
