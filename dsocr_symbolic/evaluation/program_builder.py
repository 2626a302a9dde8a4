"""Build a program from the tree; the only way to it from sympy."""

from collections.abc import Mapping
from typing import Any

import sympy
from attrs import asdict

from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.evaluation.source import function_source
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.network.fold import columns_of, is_detail
from dsocr_symbolic.network.leaves import Whole, leaves_of
from dsocr_symbolic.network.model_tree import model_tree
from dsocr_symbolic.network.rows import BESIDE, FIRST, LAST, OWN, SAVED, STOCKS
from dsocr_symbolic.network.timeline import CALLS


def build_program(definition: Definition, slots: Mapping[str, str], *, details: bool) -> dict[str, Any]:
    """Build what a cache file holds: the attributes of a program, or of its details, but for the function."""
    stages = model_tree(definition, slots, training=details)
    leaves = leaves_of(stages, whole=Whole(definition=definition, stages=stages))
    paths = {row.path for row in leaves.rows}
    for path in (path for phase in definition.phases for path in phase):
        if path not in paths:
            raise UserError(f"{definition.file}: phases: unknown node '{path}': {nearest(path, paths - {''})}")
    metrics = [metric for metric in load_metrics().values() if is_detail(metric) == details]
    columns = list(dict.fromkeys(name for metric in metrics for name in columns_of(metric)))
    columns += [] if details else [name for name in (CALLS, FIRST, LAST) if name not in columns]
    values = [[sympy.sympify(value) for value in leaves.columns[name]] for name in columns]
    return {
        "rows": [] if details else [asdict(row) for row in leaves.rows],
        "phases": [] if details else leaves.phases,
        "columns": columns,
        "members": {name: leaves.members[name] for name in ((SAVED,) if details else (STOCKS, BESIDE, OWN))},
        "source": function_source(values, definition.quantities),
    }
