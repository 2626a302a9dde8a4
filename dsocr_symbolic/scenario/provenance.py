"""What was set, and what would stand there without it: decided once, and everybody who says it reads it here."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from attrs import evolve

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import EMPTY, Expression, evaluate, names
from dsocr_symbolic.records import frozen
from dsocr_symbolic.scenario.origins import Origin, layered, origins
from dsocr_symbolic.scenario.scenario import Scenario
from dsocr_symbolic.scenario.values import choose


@frozen(kw_only=True)
class Setting:
    """A symbol that was set.

    Attributes
    ----------
    value : int or float
    origin : str
        Who set it: ``user``, ``config``, ``workload NAME``, ``choice NAME OPTION`` or ``what_if``.
    follows : bool
        Whether it would follow from other symbols.
    otherwise : int, float or None
        What it would be: of a choice, a workload, the GPU or the model file, or what its formula gives with the others
        as they are; None where nothing gives one, or where that differs from point to point.
    """

    value: int | float
    origin: str
    follows: bool
    otherwise: int | float | None

    @property
    def data(self) -> dict[str, Any]:
        """The same as plain data."""
        told = {"value": self.value, "origin": self.origin}
        return told | {"formula_gives" if self.follows else "default": self.otherwise}


def what_was_set(
    scenario: Scenario, numbers: Mapping[str, Any], *, put_in: Iterable[str] = (), moving: Collection[str] = ()
) -> dict[str, Setting]:
    """Return every symbol that was set; ``put_in`` are those that a model brings, ``moving`` those that vary.

    Values of a workload that has no file of its own are its own business, unless symbols follow from others or are none
    of a workload. Choices set what their defaults do not.
    """
    workload = scenario.workload
    layers = [scenario.user, workload.values if workload else EMPTY, scenario.config]
    who = ["user", f"workload {workload.file or workload.name}" if workload else "", "config"]
    settings: dict[str, Setting] = {}

    def add(name: str, value: Exact, origin: str, base: Mapping[str, Origin]) -> None:
        follows, otherwise = _without(base, name, numbers, moving)
        settings.setdefault(
            name, Setting(value=arithmetic.whole(value), origin=origin, follows=follows, otherwise=otherwise)
        )

    sources = _origins(scenario, layers, scenario.options)
    for name in put_in:
        add(name, numbers[name], "what_if", sources)
    for place, values in enumerate(layers):
        base = _origins(scenario, [*[EMPTY] * (place + 1), *layers[place + 1 :]], scenario.options) if values else {}
        for name, value in values.items():
            told = values is scenario.user or values is scenario.config or _is_told(scenario, name, base)
            # What the pages of a document decide is theirs.
            if told and numbers.get(name) == value:
                add(name, value, who[place], base)
    plain = _origins(scenario, [EMPTY] * 3, choose(scenario.definition, {}))
    for name, origin in sources.items():
        if origin.kind == "choice" and plain[name] != origin:
            add(name, numbers[name], f"choice {origin.name}", plain)
    return settings


def of_example(definition: Definition, sources: Mapping[str, Origin]) -> list[str]:
    """Return the symbols of a layer alone that have the value of its example, for nobody else gives them one."""
    alone = (name for name, quantity in definition.quantities.items() if quantity.group == "layer")
    return [name for name in alone if sources[name].kind == "default"]


def common(several: Sequence[Mapping[str, Setting]]) -> dict[str, Setting]:
    """Return what was set in all of several questions; None is what a symbol would be where that differs."""
    first, *others = several
    return {
        name: setting if all(other[name] == setting for other in others) else evolve(setting, otherwise=None)
        for name, setting in first.items()
        if all(name in other for other in others)
    }


def _origins(scenario: Scenario, layers: list[Mapping[str, Exact]], options: Mapping[str, str]) -> Mapping[str, Origin]:
    return origins(scenario.definition, options, layered(*layers), scenario.gpu)


def _is_told(scenario: Scenario, name: str, base: Mapping[str, Origin]) -> bool:
    """Whether a value of the workload is more than what its name stands for."""
    written = scenario.workload is not None and scenario.workload.file
    return bool(written) or base[name].kind == "formula" or scenario.definition.quantities[name].group != "workload"


def _without(
    base: Mapping[str, Origin],
    name: str,
    numbers: Mapping[str, Any],
    moving: Collection[str],
) -> tuple[bool, int | float | None]:
    """Say whether a symbol that nobody sets follows from others, and its value then."""
    origin = base[name]
    if origin.kind == "formula":
        known = not moving or not _behind(base, origin.value) & {*moving}
        return True, _number(origin.value, numbers) if known else None
    if isinstance(origin.value, Expression):
        return False, None if origin.name and origin.kind == "default" else _number(origin.value, EMPTY)
    return False, None if origin.value is None else arithmetic.whole(origin.value)


def _number(formula: Expression, numbers: Mapping[str, Any]) -> int | float | None:
    try:
        return arithmetic.whole(evaluate(formula, numbers, arithmetic))
    except (ArithmeticError, ValueError, UserError):
        return None


def _behind(base: Mapping[str, Origin], formula: Expression) -> set[str]:
    """Return all symbols that a formula rests on."""
    waiting, behind = [*names(formula)], set[str]()
    while waiting:
        name = waiting.pop()
        if name not in behind:
            behind.add(name)
            waiting += names(base[name].value) if base[name].kind == "formula" else ()
    return behind
