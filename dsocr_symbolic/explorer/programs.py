"""The network as JavaScript: what the fold adds up, written down once for all variants that a page holds."""

from collections.abc import Collection, Iterable, Sequence
from typing import Any

import sympy

from dsocr_symbolic.evaluation.generated import uncollected
from dsocr_symbolic.evaluation.program import recalled
from dsocr_symbolic.explorer import recorded
from dsocr_symbolic.explorer.formulas import Texts
from dsocr_symbolic.explorer.instructions import Instructions
from dsocr_symbolic.explorer.javascript import statements
from dsocr_symbolic.explorer.recorded import Book
from dsocr_symbolic.explorer.variants import variants
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.network.fold import Fold, columns_of
from dsocr_symbolic.network.leaves import Whole, leaves_of
from dsocr_symbolic.network.model_tree import model_tree
from dsocr_symbolic.network.node import Node
from dsocr_symbolic.network.rows import BESIDE, FIRST, LAST, OWN, SAVED, STOCKS, Leaves, Row
from dsocr_symbolic.network.timeline import CALLS
from dsocr_symbolic.paths import PACKAGE

# What is shown of every node; the whole and the stages have every metric.
OF_NODES = (
    "forward_tensor_core_flops",
    "forward_cuda_core_flops",
    "forward_io_bytes",
    "operator_launches",
    "device_s",
    "roofline_s",
    "forward_weight_bytes",
    "forward_activation_bytes",
)
# What the page is told of a row, in the order in which it stands there.
OF_ROWS = ("path", "stem", "module", "layer", "class_name", "aten")


def written(definition: Definition, only: Collection[str] = ()) -> dict[str, Any]:
    """Return ``programs`` and ``formulas`` of all variants or of some, from the cache where nothing changed.

    Programs share their lines, of which each variant needs some, and their units: a row with the values of its node.
    """
    code = sorted((PACKAGE / "explorer").glob("*.py"))
    found: dict[str, Any] = recalled(definition, ["explorer", *only, *code], lambda: _Writer(definition).written(only))
    return found


class _Writer:
    """Writes variants down in one book."""

    def __init__(self, definition: Definition) -> None:
        self.m_definition = definition
        self.m_book = Book()
        self.m_instructions = Instructions(self.m_book)
        self.m_texts = Texts(definition)
        self.m_units: dict[tuple[Any, ...], int] = {}
        self.m_programs: dict[tuple[Any, ...], int] = {}

    def written(self, only: Collection[str]) -> dict[str, Any]:
        """Write all variants down, or some; those of equal slots or equal programs share one."""
        by_slots: dict[tuple[Any, ...], int] = {}
        by_name: dict[str, int] = {}
        for name, slots in variants(self.m_definition).items():
            if only and name not in only:
                continue
            filled = tuple(sorted(slots.items()))
            if filled not in by_slots:
                with uncollected():
                    stages = model_tree(self.m_definition, slots)
                    program = self.program(stages)
                by_slots[filled] = self.m_programs.setdefault(program, len(self.m_programs))
            by_name[name] = by_slots[filled]
        return {
            "programs": {**self.printed(), "variants": by_name},
            "formulas": {**self.m_texts.found(), "nodes": [shown for *_, shown in self.m_units]},
        }

    def program(self, stages: tuple[Node, ...]) -> tuple[Any, ...]:
        """Write one down: its units, the parent of each, and the values of every metric of the whole and the stages."""
        leaves = leaves_of(stages, whole=Whole(definition=self.m_definition, stages=stages))
        fold = self.fold(leaves)
        of_nodes = [fold.column(name) for name in OF_NODES]
        of_nodes += [fold.leaves.columns[name] for name in (CALLS, FIRST, LAST)]
        shown = self.m_texts.of_rows(stages, leaves)
        units = tuple(
            self.unit(row, self.places(values), text)
            for row, *values, text in zip(leaves.rows, *of_nodes, shown, strict=True)
        )
        whole = [0, *fold.below[0]]
        every = [fold.column(metric.name) for metric in load_metrics().values()]
        outputs = self.places(column[row] for column in every for row in whole)
        return units, tuple(row.parent for row in leaves.rows), outputs

    def places(self, values: Iterable[Any]) -> tuple[int | None, ...]:
        """Return where values stand in the book; None for what does not exist."""
        return tuple(None if value is None else self.m_book.place(value) for value in values)

    def unit(self, row: Row, values: tuple[int | None, ...], shown: tuple[int, ...] | None) -> int:
        """Return the place of a unit; equal ones stand once."""
        said = tuple(getattr(row, name) for name in OF_ROWS)
        return self.m_units.setdefault((said, values, shown), len(self.m_units))

    def fold(self, leaves: Leaves) -> Fold:
        """Fold the network's leaves in the recording algebra, compulsory bytes and the training step too."""
        names = dict.fromkeys(name for metric in load_metrics().values() for name in columns_of(metric))
        names |= dict.fromkeys((CALLS, FIRST, LAST))
        part = self.m_instructions.part
        return Fold(
            Leaves(
                rows=leaves.rows,
                columns={name: [part(sympy.sympify(value)) for value in leaves.columns[name]] for name in names},
                members={name: leaves.members[name] for name in (STOCKS, BESIDE, OWN, SAVED)},
                phases=leaves.phases,
                latencies=self.m_definition.latencies,
                scope={name: self.m_book.symbol(name) for name in self.m_definition.quantities},
                algebra=recorded,
                uncounted=self.m_definition.uncounted,
            )
        )

    def printed(self) -> dict[str, Any]:
        """Print the lines, the units, and of each program its units, their parents and its outputs."""
        used = {instruction[1] for instruction in self.m_book.instructions if instruction[0] == "symbol"}
        symbols = [name for name in self.m_definition.quantities if name in used]
        groups = [values for _, values, _ in self.m_units] + [outputs for *_, outputs in self.m_programs]
        places = [place for group in groups for place in group if place is not None]
        lines, texts = statements(self.m_book, places, {name: f"v[{place}]" for place, name in enumerate(symbols)})
        shown = iter(texts)

        def said(values: Sequence[int | None]) -> list[str | None]:
            return [None if value is None else next(shown) for value in values]

        units = [[row, said(values)] for row, values, _ in self.m_units]
        return {
            "symbols": symbols,
            "lines": lines,
            "units": units,
            "programs": [[of_rows, parents, said(outputs)] for of_rows, parents, outputs in self.m_programs],
        }
