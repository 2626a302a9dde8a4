"""The formula, the source and the proof of each node, for who asks where a number is from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dsocr_symbolic.algebras.value import Expr
from dsocr_symbolic.evaluation.program import recalled
from dsocr_symbolic.explorer.mathml import as_mathml
from dsocr_symbolic.explorer.programs import variants
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.formula import Operator
from dsocr_symbolic.network.leaves import leaves_of
from dsocr_symbolic.network.model_tree import model_tree
from dsocr_symbolic.network.node import Node, walk
from dsocr_symbolic.paths import PACKAGE
from dsocr_symbolic.reports.formulas.page_rows import record_of

# What a node's formula is shown of.
SHOWN = ("forward_tensor_core_flops", "forward_cuda_core_flops", "forward_io_bytes")


def formulas(definition: Definition) -> dict[str, Any]:
    """Return texts of formulas, which of them each operator of each variant has, and what files say of themselves."""
    code = sorted((PACKAGE / "explorer").glob("*.py"))
    found: dict[str, Any] = recalled(definition, ["formulas", *code], lambda: _formulas(definition))
    return {**found, "files": {name: {**said, "proof": _proof(name)} for name, said in found["files"].items()}}


def _formulas(definition: Definition) -> dict[str, Any]:
    texts: dict[str, int] = {}
    known: dict[Expr, int] = {}
    files: dict[str, Any] = {}
    places = {name: place for place, name in enumerate(definition.quantities)}

    def place_of(expression: Expr) -> int:
        if expression not in known:
            known[expression] = texts.setdefault(as_mathml(expression, places), len(texts))
        return known[expression]

    nodes: dict[str, list[Any]] = {}
    for name, slots in variants(definition).items():
        stages = model_tree(definition, slots)
        leaves = leaves_of(stages)
        columns = [leaves.columns[metric] for metric in SHOWN]
        shown: list[Any] = [None]
        for place, node in enumerate(walk(stages), start=1):
            files.setdefault(leaves.rows[place].layer, _said(node))
            runs = isinstance(node.formula, Operator)
            shown.append([place_of(column[place]) for column in columns] if runs else None)
        nodes[name] = shown
    return {"shown": list(SHOWN), "texts": list(texts), "nodes": nodes, "files": files}


def _said(node: Node) -> dict[str, str]:
    formula = node.formula
    return {
        "summary": formula.summary,
        "why": formula.why,
        "source": formula.source,
        "file": "/".join(Path(formula.file).parts[-3:]),
    }


def _proof(name: str) -> Mapping[str, Any]:
    record = record_of(name)
    return {
        "proven": list(record.proven),
        "calls": {each.counted_on: [each.calls, each.differing] for each in record.evidence},
        "killed": record.killed,
        "mutants": record.mutants,
        "uncounted": record.uncounted,
    }
