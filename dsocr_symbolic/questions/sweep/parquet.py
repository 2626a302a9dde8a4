"""Sweeps larger than memory: Parquet, chunk by chunk, to be continued where it was stopped."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.questions.sweep.axes import Axis, at
from dsocr_symbolic.questions.sweep.extras import extra
from dsocr_symbolic.questions.sweep.plan import Plan
from dsocr_symbolic.questions.sweep.rows import column_name
from dsocr_symbolic.writing.data import to_json
from dsocr_symbolic.writing.files import remove, write_files, written_whole

_QUESTION = "question.json"
_CHUNKS = "chunk-*.parquet"


def write_parquet(
    plan: Plan, path: Path, *, force: bool = False, advance: Callable[[int], Any] = lambda _: None
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


def _open_part(plan: Plan, part: Path, *, force: bool) -> None:
    """Make the folder of chunks, or check that the one there is of this sweep."""
    manifest = part / _QUESTION
    if part.exists():
        if manifest.is_file() and json.loads(manifest.read_text(encoding="utf-8"))["sweep"] == plan.fingerprint:
            for draft in part.glob(".*.draft"):
                draft.unlink()
            return
        if not force:
            raise UserError(f"{part}: an unfinished sweep of another question; --force throws it away")
        _check_replaceable(part)
        remove(part)
    write_files(part, {_QUESTION: to_json(_question(plan))})


def _question(plan: Plan) -> dict[str, Any]:
    """Say what is asked; the hash decides whether two questions are the same."""
    return {
        "sweep": plan.fingerprint,
        "about": dict(plan.about),
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


def _write(plan: Plan, path: Path, start: int, stop: int, parquet: Any) -> None:
    """Evaluate a range of points and write it as one Parquet file."""
    arrow = extra("pyarrow")
    places = plan.places(start, stop)
    numbers = plan.evaluate(places)
    columns: dict[Any, Any] = {}

    def add(name: str, array: Any, **about: str) -> None:
        columns[arrow.field(name, array.type, metadata=about)] = array

    for axis, along in zip(plan.axes, places, strict=True):
        add(axis.name, _labels(axis, along, arrow), long_name=axis.meaning)
        for symbol, values in axis.numbers.items():
            if symbol != axis.name:
                add(symbol, arrow.array(at(values, along)), long_name=symbol.replace("_", " "))
    of_axes = [field.name for field in columns]
    units = {metric.name: {"units": metric.unit, "long_name": metric.definition} for metric in plan.metrics}
    for column, values in zip(plan.columns, numbers, strict=True):
        add(column_name(plan, column), arrow.array(values), **units[column.metric])
    schema = arrow.schema(list(columns), metadata={"dsocr_symbolic": json.dumps(_question(plan))})
    table = arrow.Table.from_arrays(list(columns.values()), schema=schema)
    # Numbers of an axis repeat and shrink to almost nothing in a dictionary; results never do.
    parquet.write_table(table, path, compression="zstd", use_dictionary=of_axes)


def _labels(axis: Axis, places: Any, arrow: Any) -> Any:
    """Return numbers as they are, and names by their place in a list of them."""
    if axis.numeric:
        return arrow.array(at(axis.labels, places))
    everything = at(axis.labels, np.arange(len(axis))).tolist()
    return arrow.DictionaryArray.from_arrays(places.astype(np.int32), everything)
