"""Read formulas/bounds/MODEL.yaml: where one cost passes another, as data."""

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path

from attrs import frozen

from dsocr_symbolic.errors import UserError, check_known, nearest
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import Expression, names
from dsocr_symbolic.language.extending import bases
from dsocr_symbolic.language.registry import Term
from dsocr_symbolic.language.schema import BLANK, entry, structure
from dsocr_symbolic.language.strict_yaml import read_yaml
from dsocr_symbolic.paths import data_files


@frozen(kw_only=True)
class RidgePoint:
    """A ratio of the machine's numbers."""

    name: str
    summary: str = entry("what it says")
    value: Expression = entry("the ratio")
    unit: str = entry("unit, as printed")


@frozen(kw_only=True)
class Condition:
    """One cost against another along one symbol: it holds where the left side is at least the right one."""

    name: str
    summary: str = entry("what holds where the left side is at least the right one")
    vary: str = entry("the symbol that moves")
    settings: Mapping[str, int | float] = entry("values that hold for this condition alone", key="set", default=BLANK)
    waived: frozenset[str] = entry("switches that lift rules for it", key="waive", default=(), converter=frozenset)
    terms: Mapping[str, Term] = entry("metrics of parts, by the names that stand for them in both sides")
    left: Expression = entry("a formula of terms and symbols")
    right: Expression = entry("a formula of terms and symbols")
    tells: Mapping[str, Expression] = entry("what to work out where the sides meet", default=BLANK)


@frozen(kw_only=True)
class BoundsFile:
    """The bounds of a network."""

    summary: str = entry("what the file is", default="")
    ridge_points: Mapping[str, RidgePoint] = entry("ratios of the machine's numbers", default=BLANK)
    conditions: Mapping[str, Condition] = entry("conditions by name", key="bounds")


def load_bounds(definition: Definition) -> BoundsFile:
    """Find and read the bounds of a network, the file of its name or of one that it extends; names are checked."""
    files = data_files("formulas/bounds")
    known = [definition.name, *(base.stem for base in bases(Path(definition.file)))]
    name = next((name for name in known if name in files), None)
    if name is None:
        raise UserError(f"no file formulas/bounds/{definition.name}.yaml: write one, as that of {', '.join(files)}")
    file = files[name]
    bounds = _read(file)
    for condition in bounds.conditions.values():
        _check(condition, definition, f"{file}: bounds: {condition.name}")
    for point in bounds.ridge_points.values():
        _check_names([point.value], definition.quantities, f"{file}: ridge_points: {point.name}")
    return bounds


@cache
def _read(file: Path) -> BoundsFile:
    return structure(BoundsFile, read_yaml(file), str(file))


def _check(condition: Condition, definition: Definition, where: str) -> None:
    """Check every name of a condition against the network."""
    symbols = definition.quantities
    check_known([condition.vary], symbols, f"{where}: vary", "symbol")
    check_known(condition.settings, symbols, f"{where}: set", "symbol")
    switches = {rule.waived_by for rule in definition.rules} - {""}
    for name in condition.waived - switches:
        raise UserError(f"{where}: waive: no rule is lifted by '{name}': {nearest(name, switches)}")
    for name in condition.terms:
        if name in symbols:
            raise UserError(f"{where}: terms: '{name}' is a symbol of the model; choose another name")
    _check_names([condition.left, condition.right], [*symbols, *condition.terms], where)
    _check_names(condition.tells.values(), symbols, f"{where}: tells")
    used = names(condition.left) | names(condition.right)
    for name in condition.terms:
        if name not in used:
            raise UserError(f"{where}: terms: '{name}' is used by neither side; drop it")


def _check_names(expressions: Iterable[Expression], known: Iterable[str], where: str) -> None:
    for expression in expressions:
        check_known(sorted(names(expression)), set(known), f"{where}: '{expression.text}'", "name")
