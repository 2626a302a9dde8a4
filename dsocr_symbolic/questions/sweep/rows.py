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
from dsocr_symbolic.writing.terminal import on_terminal, table

SHOWN = 20
_EXACT = 2.0**53
_WIDTH = 96
_NOTES = {
    "config": "config.json",
    "what_if": "what if",
    "settings": "set",
    "unverified": "unverified, from memory or of conflicting sources",
}


def column_name(plan: Plan, column: Column) -> str:
    """Return ``roofline_s``, or ``roofline_s[prefill]`` where a sweep has several parts."""
    return f"{column.metric}[{column.part}]" if plan.part_dimension else column.metric


def write_csv(plan: Plan, path: Path, advance: Callable[[int], Any] = lambda _: None) -> None:
    """Write one row per point, in C order; what does not exist is empty. ``advance`` is told of points done."""
    head = [*plan.coordinates(plan.places(0, 1)), *(column_name(plan, column) for column in plan.columns)]
    with written_whole(path) as draft, draft.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(head)
        for start, stop in plan.blocks():
            places = plan.places(start, stop)
            labels = [values.tolist() for values in plan.coordinates(places).values()]
            numbers = [[_number(value) for value in values.tolist()] for values in plan.evaluate(places)]
            writer.writerows(zip(*labels, *numbers, strict=True))
            advance(stop - start)


def table_text(plan: Plan) -> str:
    """Print the first points as a table for a terminal, and what the numbers are of."""
    stop = min(plan.count, SHOWN)
    places = plan.places(0, stop)
    labels = {axis.name: plan.coordinates(places)[axis.name] for axis in plan.axes}
    several = len(plan.metrics) > 1
    titles = [column_name(plan, column) if several else column.part for column in plan.columns]
    aligned = (f">{name}" if values.dtype.kind in "if" else name for name, values in labels.items())
    made = table(*aligned, *(f">{title}" for title in titles), wrap=True)
    for axis in made.columns[: len(labels)]:
        axis.no_wrap = True
    shown = [[_label(value) for value in values.tolist()] for values in labels.values()]
    for column, values in zip(plan.columns, plan.evaluate(places), strict=True):
        shown.append([cell(column.metric, None if np.isnan(value) else value) for value in values.tolist()])
    for row in zip(*shown, strict=True):
        made.add_row(*row)
    rest = f"\n{plan.count - stop:,} more of {plan.count:,} points: --out FILE writes them all\n"
    return f"{_heading(plan)}\n\n{on_terminal(made)}{rest if plan.count > stop else ''}"


def _number(value: float) -> float | str:
    """Write whole numbers as such, and nothing for what does not exist."""
    if value.is_integer() and abs(value) < _EXACT:
        return int(value)
    return "" if np.isnan(value) else value


def _label(value: float | str) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def _heading(plan: Plan) -> str:
    """Say what is shown, and what is the same in every row."""
    asked = "; ".join(f"{metric.name} [{metric.unit}]: {metric.definition}" for metric in plan.metrics)
    names = ("model", "workload", "gpu")
    chosen = (
        f"{name.replace('_', '-')} {value}" for name, value in plan.about.items() if name not in (*names, *_NOTES)
    )
    lines = [asked, f"choices: {', '.join(chosen)}"]
    lines += [f"{said}: {plan.about[name]}" for name, said in _NOTES.items() if name in plan.about]
    wrapped = (textwrap.wrap(line, _WIDTH, subsequent_indent="  ") for line in lines)
    what = ", ".join(plan.about[name] for name in names if name in plan.about)
    return "\n  ".join([what, *(line for broken in wrapped for line in broken)])
