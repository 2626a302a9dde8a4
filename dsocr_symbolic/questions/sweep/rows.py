"""Sweeps as rows, one per point: a short table for a terminal, CSV, and Parquet, to be continued where it stopped."""

import csv
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.questions.settings_text import command_notes, setting_notes
from dsocr_symbolic.questions.sweep.axes import at
from dsocr_symbolic.questions.sweep.extras import extra
from dsocr_symbolic.questions.sweep.plan import SweepPlan
from dsocr_symbolic.questions.sweep.warned import warnings_along
from dsocr_symbolic.writing.amounts import cell
from dsocr_symbolic.writing.comments import commented
from dsocr_symbolic.writing.data import to_json
from dsocr_symbolic.writing.files import remove, write_files, written_whole
from dsocr_symbolic.writing.terminal import on_terminal, table, warning_text, wrapped

SHOWN = 20
_QUESTION = "question.json"
_CHUNKS = "chunk-*.parquet"
_EXACT = 2.0**53
_NOTES = {
    "waived": "rules lifted",
    "unverified": "unverified, from memory or of conflicting sources",
    "unclaimed": "no lower bound, for no source gives",
    "unmeasured": "no forecast, for nobody measured",
    "derived": "derived from another GPU's measurements, not measured, on",
}
# What was set is said with what it is otherwise.
_SETTINGS = ("config", "what_if", "settings")


def write_csv(plan: SweepPlan, path: Path, advance: Callable[[int], Any] = lambda _: None) -> None:
    """Write one row per point, in C order; what does not exist is empty. ``advance`` is told of points done."""
    with written_whole(path) as draft, draft.open("w", newline="", encoding="utf-8") as stream:
        _stream_csv(plan, stream, advance)


def print_csv(plan: SweepPlan, stream: TextIO, advance: Callable[[int], Any] = lambda _: None) -> None:
    """Print comments that say what is asked, then what :func:`write_csv` writes."""
    stream.write(commented(about_lines(plan)))
    _stream_csv(plan, stream, advance)


def print_json(plan: SweepPlan, stream: TextIO, advance: Callable[[int], Any] = lambda _: None) -> None:
    """Print what is asked, and an object per point, in C order; what does not exist is null."""
    head = {
        "about": dict(plan.about),
        "overridden": dict(plan.overridden),
        "command": plan.command,
        "axes": {axis.name: axis.meaning for axis in plan.axes},
        "metrics": {metric.name: {"unit": metric.unit, "definition": metric.definition} for metric in plan.metrics},
    }
    stream.write(f'{json.dumps(head, indent=1, ensure_ascii=False)[:-2]},\n "points": [')
    separator = "\n  "
    for titles, rows in _blocks(plan, advance):
        for row in rows:
            point = {title: None if value == "" else value for title, value in zip(titles, row, strict=True)}
            stream.write(f"{separator}{json.dumps(point, ensure_ascii=False)}")
            separator = ",\n  "
    stream.write(f'\n ],\n "warnings": {json.dumps(list(warnings_along(plan)), ensure_ascii=False)}\n}}\n')


def _stream_csv(plan: SweepPlan, stream: TextIO, advance: Callable[[int], Any]) -> None:
    writer = csv.writer(stream, lineterminator="\n")
    for place, (titles, rows) in enumerate(_blocks(plan, advance)):
        if place == 0:
            writer.writerow(titles)
        writer.writerows(rows)


def _blocks(plan: SweepPlan, advance: Callable[[int], Any]) -> Iterator[tuple[list[str], Iterator[tuple[Any, ...]]]]:
    """Yield the titles and the rows of some points at a time."""
    for start, stop in plan.blocks():
        places = plan.places(start, stop)
        labels = {name: values.tolist() for name, values in plan.coordinates(places).items()}
        numbers = [[_number(value) for value in values.tolist()] for values in plan.evaluate_range(start, stop)]
        yield [*labels, *plan.titles], zip(*labels.values(), *numbers, strict=True)
        advance(stop - start)


def table_text(plan: SweepPlan) -> str:
    """Print the first points as a table for a terminal, and what the numbers are of."""
    stop = min(plan.count, SHOWN)
    places = plan.places(0, stop)
    labels = {axis.name: plan.coordinates(places)[axis.name] for axis in plan.axes}
    titles = plan.titles if len(plan.metrics) > 1 else [column.part for column in plan.columns]
    aligned = (f">{name}" if values.dtype.kind in "if" else name for name, values in labels.items())
    made = table(*aligned, *(f">{title}" for title in titles))
    shown = [
        [f"{value:.10g}" if isinstance(value, float) else str(value) for value in values.tolist()]
        for values in labels.values()
    ]
    for column, values in zip(plan.columns, plan.evaluate(places), strict=True):
        shown.append([cell(column.metric, None if np.isnan(value) else value) for value in values.tolist()])
    for row in zip(*shown, strict=True):
        made.add_row(*row)
    rest = f"\n{plan.count - stop:,} more of {plan.count:,} points: --out FILE writes them all\n"
    said = warning_text(warnings_along(plan, stop))
    what, *lines = about_lines(plan)
    heading = "\n  ".join([what, *(line for said in lines for line in wrapped(said))])
    return f"{heading}\n\n{on_terminal(made, keys=len(labels))}{rest if plan.count > stop else ''}{said}"


def _number(value: float) -> float | str:
    """Write whole numbers as such, and nothing for what does not exist."""
    if value.is_integer() and abs(value) < _EXACT:
        return int(value)
    return "" if np.isnan(value) else value


def about_lines(plan: SweepPlan) -> list[str]:
    """Say what is shown, what is the same in every row, and what was typed."""
    asked = "; ".join(f"{metric.name} [{metric.unit}]: {metric.definition}" for metric in plan.metrics)
    names = ("model", "workload", "gpu")
    chosen = (
        f"{name.replace('_', '-')} {value}"
        for name, value in plan.about.items()
        if name not in (*names, *_NOTES, *_SETTINGS)
    )
    lines = [asked, f"choices: {', '.join(chosen)}", *setting_notes(plan.overridden)]
    lines += [f"{said}: {plan.about[name]}" for name, said in _NOTES.items() if name in plan.about]
    what = ", ".join(plan.about[name] for name in names if name in plan.about)
    return [what, *lines, *command_notes(plan.command)]


def companion(path: Path) -> Path:
    """Return the file beside a CSV file that says what its numbers are of."""
    return path.with_name(f"{path.name}.txt")


def write_companion(plan: SweepPlan, path: Path) -> None:
    """Write what the numbers of a CSV file are of, and what the model file warns of, as comment lines beside it."""
    warnings = (f"warning: {said}" for said in warnings_along(plan))
    with written_whole(companion(path)) as draft:
        draft.write_text(commented([*about_lines(plan), *warnings]), encoding="utf-8")


def write_parquet(
    plan: SweepPlan, path: Path, *, force: bool = False, advance: Callable[[int], Any] = lambda _: None
) -> None:
    """Write one row per point, in C order: a file, or a folder of chunk files if one chunk does not hold them.

    Chunks gather in a folder ``<path>.part``, each of them whole, and become ``path`` when the last one is done.
    If such a folder of the very same sweep is there, its finished chunks are kept and only the others are made;
    ``force`` throws away that of another one. ``advance`` is told of points done. Memory holds one chunk.
    """
    parquet = extra("pyarrow.parquet")
    _check_replaceable(path)
    if plan.count <= plan.block:
        with written_whole(path) as draft:
            _write(plan, draft, 0, plan.count, parquet)
            if path.is_dir():
                remove(path)
        advance(plan.count)
        return
    part = path.with_name(f"{path.name}.part")
    _open_part(plan, part, force=force)
    for place, (start, stop) in enumerate(plan.blocks()):
        chunk = part / f"chunk-{place:08d}.parquet"
        if not chunk.exists():
            with written_whole(chunk) as draft:
                _write(plan, draft, start, stop, parquet)
        advance(stop - start)
    remove(path)
    part.rename(path)
    (path / _QUESTION).unlink()


def _open_part(plan: SweepPlan, part: Path, *, force: bool) -> None:
    """Make the folder of chunks, or check that the one there is of this sweep."""
    manifest = part / _QUESTION
    if part.exists():
        if _asks(manifest) == plan.fingerprint:
            for draft in part.glob(".*.draft"):
                draft.unlink()
            return
        if not force:
            raise UserError(f"{part}: an unfinished sweep of another question; --force throws it away")
        _check_replaceable(part)
        remove(part)
    write_files(part, {_QUESTION: to_json(_question(plan))})


def _asks(manifest: Path) -> Any:
    """Return the hash of what was asked; None where nothing readable says it."""
    try:
        return json.loads(manifest.read_text(encoding="utf-8"))["sweep"]
    except (OSError, ValueError, LookupError, TypeError):
        return None


def _question(plan: SweepPlan) -> dict[str, Any]:
    """Say what is asked; the hash decides whether two questions are the same."""
    return {
        "sweep": plan.fingerprint,
        "about": dict(plan.about),
        "overridden": dict(plan.overridden),
        "command": plan.command or None,
        "axes": {axis.name: len(axis) for axis in plan.axes},
        "metrics": [metric.name for metric in plan.metrics],
        "parts": list(plan.parts),
        "points": plan.count,
        "points_per_chunk": plan.block,
    }


def _check_replaceable(path: Path) -> None:
    """Refuse to replace a folder that holds anything but chunks."""
    if path.is_dir() and not path.is_symlink():
        known = {*path.glob(_CHUNKS), *path.glob(".*.draft"), path / _QUESTION}
        other = next((inside.name for inside in path.iterdir() if inside not in known), None)
        if other is not None:
            raise UserError(f"{path}: a folder that holds more than a sweep ({other}); choose another name")


def _write(plan: SweepPlan, path: Path, start: int, stop: int, parquet: Any) -> None:
    """Evaluate a range of points and write it as one Parquet file."""
    arrow = extra("pyarrow")
    places = plan.places(start, stop)
    numbers = plan.evaluate_range(start, stop)
    columns: dict[Any, Any] = {}

    def add(name: str, array: Any, **about: str) -> None:
        columns[arrow.field(name, array.type, metadata=about)] = array

    for axis, along in zip(plan.axes, places, strict=True):
        labels = arrow.array(at(axis.labels, along)) if axis.numeric else None
        if labels is None:
            # Names stand by their place in a list of them.
            words = at(axis.labels, np.arange(len(axis))).tolist()
            labels = arrow.DictionaryArray.from_arrays(along.astype(np.int32), words)
        add(axis.name, labels, long_name=axis.meaning)
        for symbol, values in axis.numbers.items():
            if symbol != axis.name:
                add(symbol, arrow.array(at(values, along)), long_name=symbol.replace("_", " "))
    of_axes = [field.name for field in columns]
    units = {metric.name: {"units": metric.unit, "long_name": metric.definition} for metric in plan.metrics}
    for column, title, values in zip(plan.columns, plan.titles, numbers, strict=True):
        add(title, arrow.array(values), **units[column.metric])
    schema = arrow.schema(list(columns), metadata={"dsocr_symbolic": json.dumps(_question(plan))})
    rows = arrow.Table.from_arrays(list(columns.values()), schema=schema)
    # Numbers of an axis repeat and shrink to almost nothing in a dictionary; results never do.
    parquet.write_table(rows, path, compression="zstd", use_dictionary=of_axes)
