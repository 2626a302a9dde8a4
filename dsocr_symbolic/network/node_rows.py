"""The rows of a tree: its nodes without their formulas."""

from pathlib import Path

from attrs import evolve

from dsocr_symbolic.language.formula import Operator
from dsocr_symbolic.network.node import Node, walk
from dsocr_symbolic.network.rows import Row


def rows_of(stages: tuple[Node, ...]) -> list[Row]:
    """Return the whole and every node, parents before children."""
    texts = dict.fromkeys(("path", "stem", "layer", "class_name", "stage", "aten"), "")
    blank = {**texts, "module": None, "category": None}
    once = [stage for stage in stages if stage.steps is None]
    rows = [Row(**blank, parent=-1, trains=bool(once) and all(map(_trains, once)))]  # type: ignore[arg-type]

    def visit(node: Node, parent: int, *, trains: bool) -> None:
        rows.append(
            Row(
                path="/".join(node.path),
                stem=node.stem,
                module=node.module if node.formula.class_name or node.stocks else None,
                layer=f"{Path(node.formula.file).parent.name}/{node.formula.name}",
                class_name=node.formula.class_name,
                stage=node.path[0] if node.path else "",
                category=node.category or None,
                parent=parent,
                aten=node.formula.aten if isinstance(node.formula, Operator) else "",
                trains=trains,
                stepped=node.steps is not None,
                waits=any(kernel.waits for kernel in node.kernels),
            )
        )
        place = len(rows) - 1
        for child in node.children:
            visit(child, place, trains=trains)

    for stage in stages:
        visit(stage, 0, trains=_trains(stage))
    # A layer has the category of its operators where they all have one.
    below = [{row.category} if row.category else set() for row in rows]
    for index in range(len(rows) - 1, 0, -1):
        below[rows[index].parent] |= below[index]
    return [
        evolve(row, category=min(categories) if len(categories) == 1 else None)
        for row, categories in zip(rows, below, strict=True)
    ]


def _trains(stage: Node) -> bool:
    """Say whether a stage has a backward: it runs once, and all of its code takes gradients."""
    return stage.steps is None and all(getattr(node.formula, "trains", True) for node in walk((stage,)))
