"""The formula, the source and the proof of each node, for who asks where a number is from."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dsocr_symbolic.algebras.value import Expr
from dsocr_symbolic.explorer.mathml import as_mathml
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.formula import Operator
from dsocr_symbolic.network.node import Node, walk
from dsocr_symbolic.network.rows import Leaves
from dsocr_symbolic.reports.formulas.page_rows import record_of

# What a node's formula is shown of.
SHOWN = ("forward_tensor_core_flops", "forward_cuda_core_flops", "forward_io_bytes")


def with_proofs(found: Mapping[str, Any]) -> dict[str, Any]:
    """Put beside what files say of themselves how each is proven."""
    return {**found, "files": {name: {**said, "proof": _proof(name)} for name, said in found["files"].items()}}


class Texts:
    """Formulas as MathML and what their files say, each once for all variants."""

    def __init__(self, definition: Definition) -> None:
        self.m_symbols = {name: place for place, name in enumerate(definition.quantities)}
        self.m_texts: dict[str, int] = {}
        self.m_known: dict[Expr, int] = {}
        self.m_files: dict[str, Any] = {}

    def of_rows(self, stages: tuple[Node, ...], leaves: Leaves) -> list[tuple[int, ...] | None]:
        """Return the texts of each row's formulas; None for what runs nothing itself."""
        columns = [leaves.columns[metric] for metric in SHOWN]
        shown: list[tuple[int, ...] | None] = [None]
        for place, node in enumerate(walk(stages), start=1):
            self.m_files.setdefault(leaves.rows[place].layer, _said(node))
            runs = isinstance(node.formula, Operator)
            shown.append(tuple(self.place(column[place]) for column in columns) if runs else None)
        return shown

    def place(self, expression: Expr) -> int:
        """Return where the text of a formula stands."""
        if expression not in self.m_known:
            text = as_mathml(expression, self.m_symbols)
            self.m_known[expression] = self.m_texts.setdefault(text, len(self.m_texts))
        return self.m_known[expression]

    def found(self) -> dict[str, Any]:
        """Return all that was found, JSON-ready."""
        return {"shown": list(SHOWN), "texts": list(self.m_texts), "files": self.m_files}


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
