"""The compiled model: one Python function for all numbers, kept as source text in the user's cache folder."""

import contextlib
import hashlib
import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from attrs import frozen

import dsocr_symbolic
from dsocr_symbolic import arithmetic
from dsocr_symbolic.definition import Definition
from dsocr_symbolic.formula import Formula, Operator
from dsocr_symbolic.paths import PACKAGE, cache_folder, data_files, data_folders

_PRIMITIVES = ("divide", "ceiling", "floor", "maximum", "minimum", "positive", "nonzero", "power", "sum_maxima")
# What generated source may hold: no dots, no quotes but around the names it unpacks, no other names.
_TOKENS = re.compile(r"def run\(v\):|return|v\['\w+'\]|s_\w+|t\d+|\d+|[()*+,=%\- \n]|" + "|".join(_PRIMITIVES))


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


@frozen(kw_only=True)
class Program:
    """Rows and the function that gives their numbers.

    Attributes
    ----------
    rows : tuple of Row
        Parents before children.
    source : str
        The function as text; :func:`array_function` compiles it for numpy.
    run : callable
        Takes a value for every symbol. Returns the calls of each row, for an operator also Tensor Core FLOPs,
        CUDA-core FLOPs, bytes moved and seconds, and behind the rows (parameters, weight bytes, KV bytes) of
        each stock.
    """

    rows: tuple[Row, ...]
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
    key = _key(definition, slots)
    path = cache_folder() / f"{key}.json"
    program = _from_cache(path, key)
    if program is None:
        rows, source = _build(definition, slots)
        program = Program(rows=tuple(Row(**row) for row in rows), source=source, run=_compile(source))
        _to_cache(path, key, {"rows": rows, "source": source})
    return program


def _key(definition: Definition, slots: Mapping[str, str]) -> str:
    """Hash everything that the program is made of: version, code, formulas, model file, layer, slots."""
    digest = hashlib.sha256(dsocr_symbolic.__version__.encode())
    files = [*sorted(PACKAGE.glob("*.py")), *data_files("formulas/operators").values()]
    files += [*data_files("formulas/layers").values(), *data_files("formulas/time").values()]
    files += [data_folders("formulas")[-1] / "conventions.yaml"]
    for path in [*files, Path(definition.file)]:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())
    stages = [(call.name, call.use) for call in definition.stages]
    digest.update(json.dumps([definition.name, stages, sorted(slots.items())]).encode())
    return digest.hexdigest()[:32]


def _from_cache(path: Path, key: str) -> Program | None:
    """Return the cached program, or None if it is absent, damaged or not ours."""
    try:
        header, _, body = path.read_text(encoding="utf-8").partition("\n")
        if header != _header(key, body):
            return None
        content = json.loads(body)
        rows = tuple(Row(**{**row, "stocks": tuple(row["stocks"])}) for row in content["rows"])
        source = content["source"]
        return Program(rows=rows, source=source, run=_compile(source))
    except (OSError, ValueError, KeyError, TypeError, SyntaxError):
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
    from dsocr_symbolic import arrays

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
    exec(compile(source, "<program>", "exec"), scope)  # noqa: S102 - every token was checked above
    run: Callable[[Mapping[str, Any]], Sequence[tuple[Any, ...]]] = scope["run"]
    return run


def _build(definition: Definition, slots: Mapping[str, str]) -> tuple[list[dict[str, Any]], str]:
    """Build rows and source from the formulas; sympy is imported only here."""
    import sympy

    from dsocr_symbolic.definition_file import load_time
    from dsocr_symbolic.flows import operator_flow, total_calls
    from dsocr_symbolic.source import function_source
    from dsocr_symbolic.tree import Node
    from dsocr_symbolic.tree_builder import model_tree

    time = load_time()
    rows: list[dict[str, Any]] = []
    outputs: list[tuple[Any, ...]] = []
    stocks: list[Any] = []

    def visit(node: Node, parent: int) -> dict[str, int]:
        index = len(rows)
        rows.append({})
        outputs.append(_outputs(node))
        owned: dict[str, int] = {}
        for stock in node.stocks:
            owned[stock.key] = len(stocks)
            stocks.append(stock)
        for child in node.children:
            owned |= visit(child, index)
        rows[index] = {
            "path": "/".join(node.path),
            "module": node.module if node.formula.class_name or node.stocks else None,
            "layer": _layer_name(node.formula),
            "class_name": node.formula.class_name,
            "stage": node.path[0],
            "category": node.category or None,
            "parent": parent,
            "aten": node.formula.aten if isinstance(node.formula, Operator) else "",
            "stocks": tuple(owned.values()),
        }
        return owned

    def _outputs(node: Node) -> tuple[Any, ...]:
        if node.launch is None:
            return (sympy.sympify(total_calls(node)),)
        flow = operator_flow(node, time)
        found = (flow.operator_launches, flow.tensor_core_flops, flow.cuda_core_flops, flow.io_bytes, flow.seconds)
        return tuple(sympy.sympify(each) for each in found)

    blank = {"path": "", "module": None, "layer": "", "class_name": "", "stage": "", "category": None}
    rows.append(blank | {"parent": -1, "aten": ""})
    outputs.append((sympy.S.One,))
    owned: dict[str, int] = {}
    for stage in model_tree(definition, slots):
        owned |= visit(stage, 0)
    rows[0]["stocks"] = tuple(owned.values())
    _name_pure_layers(rows)
    outputs += [(each.parameters, each.weight_bytes, each.kv_cache_bytes) for each in stocks]
    return rows, function_source(outputs, definition.quantities)


def _name_pure_layers(rows: list[dict[str, Any]]) -> None:
    """Give a layer the category of its operators where they all have one."""
    below: list[set[str]] = [{row["category"]} if row["category"] else set() for row in rows]
    for index in range(len(rows) - 1, 0, -1):
        below[rows[index]["parent"]] |= below[index]
    for row, categories in zip(rows, below, strict=True):
        row["category"] = min(categories) if len(categories) == 1 else None


def _layer_name(formula: Formula) -> str:
    """Return the folder and name of a formula: ``vision/attention``, ``operators/linear``."""
    return f"{Path(formula.file).parent.name}/{formula.name}"
