"""The compiled model: what the fold adds up as one Python function, kept as text in the user's cache folder."""

import contextlib
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from types import ModuleType
from typing import Any

from attrs import asdict, evolve

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.generated import Run, compile_source, function_of, part_source, uncollected
from dsocr_symbolic.language.definition import SHARED, Definition
from dsocr_symbolic.language.expression import EMPTY, Expression
from dsocr_symbolic.language.extending import bases
from dsocr_symbolic.language.file_digests import contents_digest, files_below
from dsocr_symbolic.language.strict_yaml import is_standing_in
from dsocr_symbolic.language.trusted_files import load_trusted, save_trusted
from dsocr_symbolic.network.fold import Fold
from dsocr_symbolic.network.rows import FIRST, LAST, RUNS, SIZES, Leaves, Row
from dsocr_symbolic.paths import PACKAGE, cache_folder, data_files, data_folders, has_more_files, hash_files, is_ours
from dsocr_symbolic.records import frozen
from dsocr_symbolic.version import __version__

# The packages that a program is made by; an edit of a figure leaves every program as it is.
_ENGINE = ("algebras", "language", "network", "evaluation")
_FORMULAS = ("formulas/operators", "formulas/layers", "formulas/time")
_CODE, _MEMORY_CODE = "code", "memory"
MEMORY = (RUNS, SIZES, FIRST, LAST, "forward_weight_bytes", "forward_kv_cache_bytes")
"""Columns that the memory of a workload follows from, and the names of its moments."""


@frozen(kw_only=True)
class Program:
    """Rows, and the function that gives the columns of their leaves.

    Attributes
    ----------
    rows, phases, latencies : tuple of Row, tuple of tuple of str, mapping of str to Expression
        As the leaves have them.
    columns, members : tuple of str, mapping of str to tuple of tuple of int
        What the function returns, and which of it each row has; see :class:`~dsocr_symbolic.network.fold.Leaves`.
    source, run : str, callable
        The function as text; called, it takes a number for every symbol and returns one tuple for each column.
    memory : callable or None
        One that returns the columns of ``MEMORY`` alone; None for details.
    """

    rows: tuple[Row, ...]
    phases: tuple[tuple[str, ...], ...]
    columns: tuple[str, ...]
    members: Mapping[str, tuple[tuple[int, ...], ...]]
    latencies: Mapping[str, Expression]
    source: str
    run: Run
    memory: Run | None = None
    uncounted: Mapping[str, str] = EMPTY


def run_program(program: Program, numbers: Mapping[str, Exact], details: Program | None = None) -> Fold:
    """Evaluate a program, and the details of the same rows if they are given, for the fold."""
    parts = [program] if details is None else [program, details]
    return folded(parts, [_run(part, numbers) for part in parts], numbers, arithmetic)


def run_memory(program: Program, numbers: Mapping[str, Exact]) -> Fold:
    """Evaluate what the memory of a workload follows from alone, for the fold."""
    if program.memory is None:
        return run_program(program, numbers)
    part = evolve(program, columns=MEMORY, run=program.memory)
    return folded([part], [_run(part, numbers)], numbers, arithmetic)


def folded(
    programs: Sequence[Program], outputs: Sequence[Sequence[Any]], scope: Mapping[str, Any], algebra: ModuleType
) -> Fold:
    """Fold what programs of the same rows gave, each a tuple for each of its columns, in the algebra they ran in."""
    columns: dict[str, Any] = {}
    members: dict[str, Any] = {}
    for program, output in zip(programs, outputs, strict=True):
        columns |= zip(program.columns, output, strict=True)
        members |= program.members
    first = programs[0]
    return Fold(
        Leaves(
            rows=first.rows,
            columns=columns,
            members=members,
            phases=first.phases,
            latencies=first.latencies,
            scope=scope,
            algebra=algebra,
            uncounted=first.uncounted,
        )
    )


def _run(program: Program, numbers: Mapping[str, Exact]) -> Sequence[Any]:
    try:
        return program.run(numbers)
    except ZeroDivisionError as error:
        zero = ", ".join(name for name, value in numbers.items() if not value and repr(name) in program.source)
        raise UserError(
            f"a formula divides by zero, where these are 0: {zero}; give one of them another value"
        ) from error


def load_program(definition: Definition, slots: Mapping[str, str], *, details: bool = False) -> Program:
    """Return the compiled model, or its details alone, from the cache where it is good, else built anew."""
    key = program_key(definition, slots, details=details)
    path = cache_folder() / f"{key}.json"
    ready = path.with_suffix(".code")
    refused = (ValueError, KeyError, TypeError, AttributeError, SyntaxError)
    if (content := load_trusted(ready, key)) is not None:
        with contextlib.suppress(*refused):
            return _program(content, definition)
    if (content := _from_cache(path, key)) is not None:
        with contextlib.suppress(*refused):
            return _compiled(ready, key, content, definition)
    if (content := _shipped(definition, key, details=details)) is not None:
        with contextlib.suppress(*refused):
            return _kept(path, content, definition)
    from dsocr_symbolic.evaluation.program_builder import build_program

    with uncollected():
        content = build_program(definition, slots, details=details)
    return _kept(path, content, definition)


def _kept(path: Path, content: Mapping[str, Any], definition: Definition) -> Program:
    """Compile a program and keep it, as text and as code."""
    program = _compiled(path.with_suffix(".code"), path.stem, content, definition)
    _to_cache(path, path.stem, content)
    return program


def shipped_file(name: str, *, details: bool) -> Path:
    """Return where the program of a network under its default choices is shipped, so that a first start builds none."""
    return data_folders("formulas")[-1] / "compiled" / f"{name}{'-details' * details}.json.gz"


def _shipped(definition: Definition, key: str, *, details: bool) -> Any:
    """Return what was shipped for a program; None where it is of other formulas, other choices or other code."""
    if not is_ours(definition.file):
        return None
    import gzip
    import zlib

    try:
        with gzip.open(shipped_file(definition.name, details=details), "rt", encoding="utf-8") as file:
            return json.loads(file.read()) if file.readline().rstrip("\n") == key else None
    except (OSError, ValueError, EOFError, zlib.error):
        return None


def to_ship(definition: Definition, slots: Mapping[str, str], *, details: bool) -> bytes:
    """Return what :func:`shipped_file` must hold now; ``slots`` are those of the default choices."""
    import gzip

    from dsocr_symbolic.evaluation.program_builder import build_program

    content = build_program(definition, slots, details=details)
    text = f"{program_key(definition, slots, details=details)}\n{json.dumps(content, separators=(',', ':'))}"
    return gzip.compress(text.encode(), mtime=0)


def program_key(definition: Definition, slots: Mapping[str, str], *, details: bool) -> str:
    """Return the word for everything that a program, or its details, are made of."""
    return _key(definition, slots) + ("-details" if details else "")


def _compiled(ready: Path, key: str, content: Mapping[str, Any], definition: Definition) -> Program:
    """Compile a program from its text, every token of which is checked, and keep that for the next start."""
    source, columns = content["source"], content["columns"]
    content = {**content, _CODE: compile_source(source)}
    if {*MEMORY} <= {*columns}:
        content[_MEMORY_CODE] = compile_source(part_source(source, [columns.index(name) for name in MEMORY]))
    program = _program(content, definition)
    save_trusted(ready, key, content)
    return program


def recalled(definition: Definition, more: Iterable[Path | str], make: Callable[[], Any]) -> Any:
    """Return what follows from a model and all formulas, and some more files and words: made once for each content."""
    digest = hashlib.sha256(_key(definition, {}).encode())
    for part in more:
        digest.update(b"\0" + (part.encode() if isinstance(part, str) else part.read_bytes()))
    return kept(digest.hexdigest()[:32], make)


def kept(key: str, make: Callable[[], Any]) -> Any:
    """Return what was made of a key before, from the user's cache folder; made and kept there where it is not."""
    if is_standing_in():
        # What stands for a file has no part in the key.
        return make()
    content = recall(key)
    if content is None:
        content = make()
        keep(key, content)
    return content


def recall(key: str) -> Any:
    """Return what was kept under a key; None if nothing was."""
    return _from_cache(cache_folder() / f"{key}.json", key)


def keep(key: str, content: Any) -> None:
    """Keep what JSON can hold under a key."""
    _to_cache(cache_folder() / f"{key}.json", key, content)


@lru_cache(maxsize=16)
def formulas_key(definition: Definition, options: tuple[tuple[str, str], ...]) -> str:
    """Return the word for everything that formulas of a network are made of: its files, and what it says itself."""
    said = asdict(definition, filter=lambda field, _: field.name != "tree")
    text = json.dumps(said, default=str, skipkeys=True, sort_keys=False)
    return hashlib.sha256(f"{_key(definition, dict(options))} {text}".encode()).hexdigest()[:32]


def _program(content: Mapping[str, Any], definition: Definition) -> Program:
    return Program(
        rows=tuple(Row(**row) for row in content["rows"]),
        phases=tuple(map(tuple, content["phases"])),
        columns=tuple(content["columns"]),
        members={name: tuple(map(tuple, rows)) for name, rows in content["members"].items()},
        latencies=definition.latencies,
        source=content["source"],
        run=function_of(content[_CODE]),
        memory=function_of(content[_MEMORY_CODE]) if _MEMORY_CODE in content else None,
        uncounted=definition.uncounted,
    )


def _key(definition: Definition, slots: Mapping[str, str]) -> str:
    """Hash everything that the program is made of: version, code, formulas, model file, layer, slots."""
    digest = hashlib.sha256(__version__.encode())
    own = data_folders("formulas")[-1]
    engine: list[Any] = [entry for name in _ENGINE for entry in files_below(str(PACKAGE / name), ".py")]
    shared: list[Any] = [PACKAGE / "paths.py", *(own / name for name in SHARED)]
    for kind in _FORMULAS:
        # Of a user's files each name may stand for one alone, as for our own.
        shared += data_files(kind).values() if has_more_files() else files_below(str(own.parent / kind), ".yaml")
    digest.update(contents_digest([*engine, *shared]).encode())
    hash_files(digest, [Path(definition.file), *bases(Path(definition.file))])
    stages = [(call.name, call.use) for call in definition.stages]
    digest.update(json.dumps([definition.name, stages, sorted(slots.items())]).encode())
    return digest.hexdigest()[:32]


def _from_cache(path: Path, key: str) -> Any:
    """Return what is cached, or None if it is absent, damaged or not ours."""
    try:
        header, _, body = path.read_text(encoding="utf-8").partition("\n")
        return json.loads(body) if header == _header(key, body) else None
    except (OSError, ValueError):
        return None


def _to_cache(path: Path, key: str, content: Mapping[str, Any]) -> None:
    """Write the program whole or not at all; a cache that cannot be written is no error."""
    from dsocr_symbolic.writing.files import clear_drafts, written_whole

    body = json.dumps(content, separators=(",", ":"))
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        clear_drafts(path.parent)
        with written_whole(path) as draft:
            draft.write_text(f"{_header(key, body)}\n{body}", encoding="utf-8")


def _header(key: str, body: str) -> str:
    return f"dsocr_symbolic {key} {hashlib.sha256(body.encode()).hexdigest()}"
