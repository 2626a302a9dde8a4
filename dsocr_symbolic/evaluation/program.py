"""The compiled model: one Python function for all numbers, kept as source text in the user's cache folder."""

import contextlib
import gc
import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, TypeVar

from attrs import frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.paths import PACKAGE, cache_folder, data_files, data_folders
from dsocr_symbolic.version import __version__

_PRIMITIVES = ("divide", "ceiling", "floor", "maximum", "minimum", "positive", "nonzero", "power", "sum_maxima")


P = TypeVar("P")


# What generated source may hold: no dots, no quotes but around the names it unpacks, no other names.
_TOKENS = re.compile(r"def run\(v\):|return|v\['\w+'\]|s_\w+|[td]\d+|\d+|[()*+,=%\- \n]|" + "|".join(_PRIMITIVES))


EACH = ("calls", "runs")


OPERATOR = (
    "operator_launches",
    "forward_tensor_core_flops",
    "forward_cuda_core_flops",
    "forward_io_bytes",
    "roofline_s",
)


STOCK = ("parameters", "forward_weight_bytes", "forward_kv_cache_bytes", "backward_weight_bytes")


FURTHER = ("edge_bytes", "required_bytes")


BACKWARD = ("backward_tensor_core_flops", "backward_cuda_core_flops", "backward_io_bytes")


# The packages that a program is made by; an edit of a figure leaves every program as it is.
_ENGINE = ("algebras", "language", "network", "evaluation")
_INDICES = ("stocks", "beside", "own")


@frozen(kw_only=True)
class Row:
    """A node of the tree without its formulas.

    Attributes
    ----------
    path, module, layer, class_name, stage, category : str
        Where it stands and what it is; `layer` is the formula's file below formulas/layers or operators/NAME.
        A layer has a category only where all of its operators share it.
    parent : int
        Index of the parent; -1 for the whole, which is the first row.
    aten : str
        The aten operator that an operator launches; empty for layers.
    stocks : tuple of int
        Indices of the distinct stocks at or below it, the last state of each.
    trains : bool
        Whether it has a backward.
    beside, own : tuple of int
        Indices of the sizes of tensors that live while it runs: those its caller keeps, and an operator's own.
    """

    path: str
    module: str | None
    layer: str
    class_name: str
    stage: str
    category: str | None
    parent: int
    aten: str
    stocks: tuple[int, ...]
    trains: bool
    beside: tuple[int, ...]
    own: tuple[int, ...]


@frozen(kw_only=True)
class Program:
    """Rows and the function that gives their numbers.

    Attributes
    ----------
    rows : tuple of Row
        Parents before children.
    phases : tuple of str
        Paths of what runs one after the other.
    stocks, sizes : int
        How many of them there are.
    source : str
        The function as text; :func:`array_function` compiles it for numpy.
    run : callable
        Takes a value for every symbol. Returns one tuple for each row: see ``EACH`` for all rows and ``OPERATOR``
        for what an operator has besides. Behind the rows stand one for each stock, see ``STOCK``, one for the bytes of
        each size, and one for the lower bound of each phase in seconds.
    """

    rows: tuple[Row, ...]
    phases: tuple[str, ...]
    stocks: int
    sizes: int
    source: str
    run: Callable[[Mapping[str, Any]], Sequence[tuple[Any, ...]]]


@frozen(kw_only=True)
class Details:
    """What most questions do not ask for: compulsory bytes and the training step of the same rows.

    Attributes
    ----------
    saved : tuple of tuple of int
        For each row, indices of the storages that it or what is below it saves.
    source : str
        The function as text.
    run : callable
        Takes a value for every symbol. Returns for each row what ``FURTHER`` says, for an operator also what
        ``BACKWARD`` says, and behind the rows the bytes of each storage.
    """

    saved: tuple[tuple[int, ...], ...]
    source: str
    run: Callable[[Mapping[str, Any]], Sequence[tuple[Any, ...]]]


def load_program(definition: Definition, slots: Mapping[str, str]) -> Program:
    """Return the compiled model, from the cache where it is good, else built anew.

    Parameters
    ----------
    definition : Definition
        The model (or the layer that stands for one).
    slots : mapping of str to str
        Formulas that the choices put into slots.

    Returns
    -------
    Program
        Ready to run.

    Raises
    ------
    UserError
        If a formula file is wrong.
    """

    def build() -> dict[str, Any]:
        from dsocr_symbolic.evaluation.program_builder import build_forward

        return {**build_forward(definition, slots), "phases": definition.phases}

    def read(content: Mapping[str, Any]) -> Program:
        rows = tuple(Row(**{**row, **{name: tuple(row[name]) for name in _INDICES}}) for row in content["rows"])
        source = content["source"]
        return Program(
            rows=rows,
            phases=tuple(content["phases"]),
            stocks=content["stocks"],
            sizes=content["sizes"],
            source=source,
            run=_compile(source),
        )

    return _cached(_key(definition, slots), build, read)


def load_details(definition: Definition, slots: Mapping[str, str]) -> Details:
    """Return the compiled details of a model, from the cache where they are good, else built anew.

    Parameters
    ----------
    definition, slots
        As in :func:`load_program`.

    Returns
    -------
    Details
        Ready to run.

    Raises
    ------
    UserError
        If a formula file is wrong.
    """

    def build() -> dict[str, Any]:
        from dsocr_symbolic.evaluation.program_builder import build_details

        saved, source = build_details(definition, slots)
        return {"saved": saved, "source": source}

    def read(content: Mapping[str, Any]) -> Details:
        source = content["source"]
        return Details(saved=tuple(tuple(each) for each in content["saved"]), source=source, run=_compile(source))

    return _cached(f"{_key(definition, slots)}-details", build, read)


def _cached(key: str, build: Callable[[], dict[str, Any]], read: Callable[[Mapping[str, Any]], P]) -> P:
    """Read a program from the cache, or build it and put it there."""
    path = cache_folder() / f"{key}.json"
    content = _from_cache(path, key)
    if content is not None:
        with contextlib.suppress(ValueError, KeyError, TypeError, SyntaxError):
            return read(content)
    content = build()
    _to_cache(path, key, content)
    return read(content)


def _key(definition: Definition, slots: Mapping[str, str]) -> str:
    """Hash everything that the program is made of: version, code, formulas, model file, layer, slots."""
    digest = hashlib.sha256(__version__.encode())
    files = [PACKAGE / "paths.py", *(path for name in _ENGINE for path in sorted((PACKAGE / name).rglob("*.py")))]
    files += data_files("formulas/operators").values()
    files += [*data_files("formulas/layers").values(), *data_files("formulas/time").values()]
    files += [data_folders("formulas")[-1] / name for name in ("conventions.yaml", "machine.yaml")]
    for path in [*files, Path(definition.file)]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
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
    body = json.dumps(content, separators=(",", ":"))
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.write_text(f"{_header(key, body)}\n{body}", encoding="utf-8")
        draft.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            draft.unlink(missing_ok=True)


def _header(key: str, body: str) -> str:
    return f"dsocr_symbolic {key} {hashlib.sha256(body.encode()).hexdigest()}"


def array_function(program: Program) -> Callable[[Mapping[str, Any]], Sequence[tuple[Any, ...]]]:
    """Compile a program for numpy.

    Parameters
    ----------
    program : Program
        The compiled model.

    Returns
    -------
    callable
        As ``program.run``, but takes numbers and float64 arrays that broadcast, and returns float64.
    """
    from dsocr_symbolic.algebras import arrays

    return _compile(program.source, arrays)


def _compile(source: str, algebra: ModuleType = arithmetic) -> Callable[[Mapping[str, Any]], Sequence[tuple[Any, ...]]]:
    """Compile generated source that holds nothing but arithmetic.

    Raises
    ------
    ValueError
        If it holds anything else.
    """
    if _TOKENS.sub("", source):
        raise ValueError("not a generated program")
    scope: dict[str, Any] = {"__builtins__": {}, **{name: getattr(algebra, name) for name in _PRIMITIVES}}
    # Compiling makes a great many small objects and no cycles: collecting meanwhile takes a fifth of the time.
    collecting = gc.isenabled()
    gc.disable()
    try:
        exec(compile(source, "<program>", "exec"), scope)  # noqa: S102 - every token was checked above
    finally:
        if collecting:
            gc.enable()
    run: Callable[[Mapping[str, Any]], Sequence[tuple[Any, ...]]] = scope["run"]
    return run
