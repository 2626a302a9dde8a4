"""Build the rows and the source of a program from the tree; the only way to it from sympy."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import sympy

from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.evaluation.source import function_source
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.formula import Formula, Operator
from dsocr_symbolic.language.registry import TimeFormula, load_time
from dsocr_symbolic.network.builder import model_tree
from dsocr_symbolic.network.dataflow import Found, of_storages
from dsocr_symbolic.network.flows import operator_flow, over_steps, phase_seconds, total_calls
from dsocr_symbolic.network.fusion import boundaries
from dsocr_symbolic.network.liveness import memory
from dsocr_symbolic.network.metrics import _kept, _sizes
from dsocr_symbolic.network.node import Node, Value, walk


def build_forward(definition: Definition, slots: Mapping[str, str]) -> dict[str, Any]:
    """Build rows and source from the formulas.

    Parameters
    ----------
    definition : Definition
        The model (or the layer that stands for one).
    slots : mapping of str to str
        Formulas that the choices put into slots.

    Returns
    -------
    dict
        Attributes of :class:`~dsocr_symbolic.evaluation.program.Program`; rows as dicts.

    Raises
    ------
    UserError
        If a formula file is wrong.
    """
    stages = model_tree(definition, slots, training=False)
    around, edges, roofline = memory(stages), boundaries(stages), load_time("roofline")
    blank = {"path": "", "module": None, "layer": "", "class_name": "", "stage": "", "category": None}
    rows: list[dict[str, Any]] = [blank | {"parent": -1, "aten": "", "trains": True, "beside": (), "own": ()}]
    outputs: list[tuple[Any, ...]] = [(1, 1)]
    stocks: list[tuple[Any, ...]] = []
    sizes: dict[Any, int] = {}

    def places(terms: Iterable[Any]) -> tuple[int, ...]:
        return tuple(sizes.setdefault(each, len(sizes)) for each in terms)

    def visit(node: Node, parent: int) -> dict[str, int]:
        index = len(rows)
        rows.append({})
        outputs.append(_outputs(node, roofline))
        owned: dict[str, int] = {}
        for stock in node.stocks:
            owned[stock.key] = len(stocks)
            stocks.append((stock.parameters, stock.weight_bytes, stock.kv_cache_bytes, stock.gradient_bytes))
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
            "trains": node.steps is None,
            "beside": places(around[node.path].beside),
            "own": places(around[node.path].own),
        }
        return owned

    owned: dict[str, int] = {}
    for stage in stages:
        owned |= visit(stage, 0)
    rows[0]["stocks"] = tuple(owned.values())
    _name_pure_layers(rows)
    behind = [*stocks, *((size,) for size in sizes), *_phases(definition, stages, edges)]
    source = _source([*outputs, *behind], definition)
    return {"rows": rows, "stocks": len(stocks), "sizes": len(sizes), "source": source}


def build_details(definition: Definition, slots: Mapping[str, str]) -> tuple[list[tuple[int, ...]], str]:
    """Build compulsory bytes and the training step of the same rows.

    Parameters
    ----------
    definition, slots
        As in :func:`build_forward`.

    Returns
    -------
    saved : list of tuple of int
        For each row, indices of the storages that are saved at or below it.
    source : str
        See :func:`~dsocr_symbolic.evaluation.source.function_source`.

    Raises
    ------
    UserError
        If a formula file is wrong.
    """
    places: dict[Any, int] = {}
    saved: list[tuple[int, ...]] = []
    outputs: list[tuple[Any, ...]] = []

    def visit(nodes: tuple[Node, ...], own: Value, costs: tuple[Any, ...]) -> Found:
        index = len(outputs)
        saved.append(())
        outputs.append(costs)
        below = [visit(node.children, _kept(node), _details(node, edges.get(node.path, 0))) for node in nodes]
        found = of_storages([own, *(tuple((c, s) for s, c in each.items()) for each in below)])
        saved[index] = tuple(places.setdefault(each, len(places)) for each in _sizes(found).items())
        return found

    stages = model_tree(definition, slots)
    edges = boundaries(stages)
    visit(stages, (), (0, 0))
    return saved, _source([*outputs, *((size,) for _, size in places)], definition)


def _details(node: Node, edge: Any) -> tuple[Any, ...]:
    """Return the details of a row, in the order of ``program.FURTHER`` and ``program.BACKWARD``."""
    each = (over_steps(node, edge), over_steps(node, node.required_bytes))
    if node.launch is None:
        return each
    if node.training is None:
        return (*each, 0, 0, 0)
    flow = operator_flow(node.training, None)
    return (*each, flow.tensor_core_flops, flow.cuda_core_flops, flow.io_bytes)


def _source(outputs: Iterable[Iterable[Any]], definition: Definition) -> str:
    exact = [tuple(sympy.sympify(each) for each in row) for row in outputs]
    return function_source(exact, definition.quantities)


def _outputs(node: Node, roofline: TimeFormula) -> tuple[Any, ...]:
    """Return what a row gives, in the order of ``program.EACH`` and ``program.OPERATOR``."""
    each = (total_calls(node), node.runs)
    if node.launch is None:
        return each
    flow = operator_flow(node, roofline)
    moved = (flow.tensor_core_flops, flow.cuda_core_flops, flow.io_bytes)
    return (*each, flow.operator_launches, *moved, flow.seconds)


def _phases(definition: Definition, stages: tuple[Node, ...], edges: Mapping[tuple[str, ...], Any]) -> list[tuple[Any]]:
    """Return the lower bound of each phase."""
    bound = load_time("lower_bound")
    nodes = {"/".join(node.path): node for node in walk(stages)}
    for path in definition.phases:
        if path not in nodes:
            raise UserError(f"{definition.file}: phases: unknown node '{path}': {nearest(path, nodes)}")
    return [(phase_seconds(nodes[path], edges, bound),) for path in definition.phases]


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
