"""Read formulas/bounds/MODEL.yaml: where one cost passes another, as data."""

from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

from attrs import frozen

from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import Expression, names, parse
from dsocr_symbolic.language.fields import check_keys, formulas, table, text, words
from dsocr_symbolic.language.registry import Term, load_metrics
from dsocr_symbolic.language.strict_yaml import read_yaml
from dsocr_symbolic.paths import data_files

WHOLE = "total"


_BOUND = ["summary", "vary", "set", "waive", "terms", "left", "right", "tells"]


@frozen(kw_only=True)
class RidgePoint:
    """A ratio of the machine's numbers."""

    name: str
    summary: str
    value: Expression
    unit: str


@frozen(kw_only=True)
class Condition:
    """One cost against another along one symbol.

    Attributes
    ----------
    name, summary : str
        What holds where the left side is at least the right one.
    vary : str
        The symbol that moves.
    settings : mapping of str to number
        Values that hold for this condition alone.
    waived : frozenset of str
        Switches that lift rules for it.
    terms : mapping of str to Term
        Metrics of parts, by the names that stand for them in both sides.
    left, right : Expression
        Formulas of terms and symbols.
    tells : mapping of str to Expression
        What to work out where the sides meet.
    """

    name: str
    summary: str
    vary: str
    settings: Mapping[str, Any]
    waived: frozenset[str]
    terms: Mapping[str, Term]
    left: Expression
    right: Expression
    tells: Mapping[str, Expression]


@frozen(kw_only=True)
class BoundsFile:
    """The bounds of a network."""

    ridge_points: Mapping[str, RidgePoint]
    conditions: Mapping[str, Condition]


def load_bounds(definition: Definition) -> BoundsFile:
    """Find and read the bounds of a network: the file of its name.

    Raises
    ------
    UserError
        If there is none, or it breaks the schema or names what the network does not have.
    """
    files = data_files("formulas/bounds")
    if definition.name not in files:
        raise UserError(f"no file formulas/bounds/{definition.name}.yaml: write one, as that of {', '.join(files)}")
    found = _read(str(files[definition.name]))
    for condition in found.conditions.values():
        _check(condition, definition, f"{files[definition.name]}: bounds: {condition.name}")
    for point in found.ridge_points.values():
        where = f"{files[definition.name]}: ridge_points: {point.name}"
        _check_names([point.value], definition.quantities, where)
    return found


@cache
def _read(file: str) -> BoundsFile:
    from pathlib import Path

    raw = check_keys(read_yaml(Path(file)), ["summary", "ridge_points", "bounds"], file, required=["bounds"])
    return BoundsFile(
        ridge_points=table(raw, "ridge_points", file, _ridge_point),
        conditions=table(raw, "bounds", file, _condition),
    )


def _ridge_point(name: str, raw: Any, where: str) -> RidgePoint:
    check_keys(raw, ["summary", "value", "unit"], where, required=["summary", "value", "unit"])
    value = parse(raw["value"], f"{where}: value")
    return RidgePoint(name=name, summary=text(raw, "summary", where), value=value, unit=text(raw, "unit", where))


def _condition(name: str, raw: Any, where: str) -> Condition:
    check_keys(raw, _BOUND, where, required=["summary", "vary", "terms", "left", "right"])
    return Condition(
        name=name,
        summary=text(raw, "summary", where),
        vary=text(raw, "vary", where),
        settings=table(raw, "set", where, _number),
        waived=frozenset(each for group in words(raw, "waive", where) for each in group),
        terms=table(raw, "terms", where, _term),
        left=parse(raw["left"], f"{where}: left"),
        right=parse(raw["right"], f"{where}: right"),
        tells=formulas(raw, "tells", where),
    )


def _term(_: str, raw: Any, where: str) -> Term:
    """Read a metric of some parts; the parts themselves depend on choices and are looked up with them."""
    check_keys(raw, ["metric", "of"], where, required=["metric", "of"])
    metric = text(raw, "metric", where)
    if metric not in load_metrics():
        raise UserError(f"{where}: unknown metric '{metric}': {nearest(metric, load_metrics())}")
    paths = [path for group in words(raw, "of", where) for path in group]
    if not paths:
        raise UserError(f"{where}: of: names no part; write a path of the tree, or {WHOLE}")
    return Term(paths=tuple("" if path == WHOLE else path for path in paths), metric=metric)


def _number(_: str, value: Any, where: str) -> Any:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise UserError(f"{where}: expected a number, found {value!r}")
    return value


def _check(condition: Condition, definition: Definition, where: str) -> None:
    """Check every name of a condition against the network."""
    symbols = definition.quantities
    if condition.vary not in symbols:
        raise UserError(f"{where}: vary: unknown symbol '{condition.vary}': {nearest(condition.vary, symbols)}")
    for name in condition.settings:
        if name not in symbols:
            raise UserError(f"{where}: set: unknown symbol '{name}': {nearest(name, symbols)}")
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
    known = set(known)
    for expression in expressions:
        for name in sorted(names(expression)):
            if name not in known:
                raise UserError(f"{where}: unknown name '{name}' in '{expression.text}': {nearest(name, known)}")
