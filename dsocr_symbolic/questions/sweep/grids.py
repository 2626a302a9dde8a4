"""Which crop grids ``all`` of a sweep stands for: those of one limit, the same at every point."""

from collections.abc import Mapping
from typing import Any

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.model import Model
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import evaluate
from dsocr_symbolic.scenario.checks import check_setting
from dsocr_symbolic.scenario.crop_grids import all_grids
from dsocr_symbolic.scenario.overrides import as_number
from dsocr_symbolic.scenario.values import load_workload

GRID, ALL = "crop_grid", "all"


def asked_grids(definition: Definition, values: Any, most: int | None) -> Any:
    """Spell out ``all``, up to so many pieces of a page, and text; other values stay what they are."""
    crops = definition.roles.crops
    if crops is None or not isinstance(values, str):
        return values
    if not _is_all(values):
        return values.split(",")
    return [(0, 0), *all_grids(crops.least, _limit(definition, {}) if most is None else most)]


def most_pieces(model: Model, settings: Mapping[str, Any], vary: Mapping[str, Any]) -> int | None:
    """Return how many pieces all crop grids go up to, None if they are not asked; refuse several limits."""
    definition, crops = model.definition, model.definition.roles.crops
    if crops is None or not _is_all(vary.get(GRID)):
        return None
    put_in = {name: as_number(value) for name, value in model.overrides if value.is_Rational}
    asked = vary.get("workload", definition.default_workload)
    workloads = [load_workload(definition, name) for name in ([asked] if isinstance(asked, str) else asked)]
    limits = sorted({_limit(definition, {**workload.values, **put_in, **settings}) for workload in workloads})
    if crops.limit in vary or len(limits) > 1:
        several = "varies" if crops.limit in vary else f"is {limits[0]} or {limits[-1]}"
        raise UserError(f"{GRID}={ALL}: {crops.limit} {several}; name the grids, such as {GRID}=2x1,3x2")
    if crops.limit:
        check_setting(definition, crops.limit, limits[0])
    return int(limits[0])


def _is_all(values: Any) -> bool:
    return isinstance(values, str) and values.strip() == ALL


def _limit(definition: Definition, given: Mapping[str, Any]) -> Any:
    """Return the most pieces that a page is cut into, under some values of symbols."""
    most = definition.roles.crops.most if definition.roles.crops else 0
    if not isinstance(most, str):
        return most
    return given.get(most, evaluate(definition.quantities[most].formula, {}, arithmetic))
