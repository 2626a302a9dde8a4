"""From defaults, choices, a config, a workload, overrides and a GPU to one number per symbol."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.language.definition import Definition, Workload, read_workload
from dsocr_symbolic.language.expression import Expression, evaluate, names
from dsocr_symbolic.language.strict_yaml import read_yaml
from dsocr_symbolic.scenario.checks import check_rules, check_setting
from dsocr_symbolic.scenario.hardware import Gpu
from dsocr_symbolic.scenario.origins import Origin, origins, unverified


@frozen(kw_only=True)
class Values:
    """A number for every symbol.

    Attributes
    ----------
    numbers : mapping of str to int or float
        Exact ints wherever a value is whole.
    origins : mapping of str to Origin
        Where each of them is from.
    overridden : mapping of str to number
        Derived symbols that were set, with what their formulas give.
    unverified : tuple of str
        GPU numbers in use that no source confirms.
    """

    numbers: Mapping[str, Any]
    origins: Mapping[str, Origin]
    overridden: Mapping[str, Any]
    unverified: tuple[str, ...]


def load_workload(definition: Definition, name: str) -> Workload:
    """Find a workload by name, or read it from a file.

    Parameters
    ----------
    definition : Definition
        The model.
    name : str
        A name of the model file, or the path of a YAML file with ``summary``, ``document`` and ``set``.

    Returns
    -------
    Workload
        The workload.

    Raises
    ------
    UserError
        If there is none.
    """
    if name.endswith((".yaml", ".yml")):
        path = Path(name)
        if not path.is_file():
            raise UserError(f"{name}: no such workload file")
        workload = read_workload(path.stem, read_yaml(path), str(path))
        for symbol, value in workload.values.items():
            try:
                check_setting(definition, symbol, value)
            except UserError as error:
                raise UserError(f"{path}: set: {error}") from error
        return workload
    if name not in definition.workloads:
        raise UserError(f"unknown workload '{name}': {nearest(name, definition.workloads)}")
    return definition.workloads[name]


def choose(definition: Definition, chosen: Mapping[str, str]) -> dict[str, str]:
    """Complete the choices with their defaults.

    Raises
    ------
    UserError
        If a choice or an option is unknown.
    """
    for name, option in chosen.items():
        if name not in definition.choices:
            raise UserError(f"unknown choice '{name}': {nearest(name, definition.choices)}")
        if option not in definition.choices[name].options:
            raise UserError(f"{name}: unknown option '{option}': {nearest(option, definition.choices[name].options)}")
    return {name: chosen.get(name, choice.default) for name, choice in definition.choices.items()}


def chosen_slots(definition: Definition, options: Mapping[str, str]) -> dict[str, str]:
    """Return the formulas that the chosen options put into slots."""
    return {
        slot: formula
        for name, option in options.items()
        for slot, formula in definition.choices[name].options[option].slots.items()
    }


def resolve(
    definition: Definition,
    *,
    options: Mapping[str, str],
    settings: Mapping[str, Any],
    gpu: Gpu,
    waived: frozenset[str] = frozenset(),
) -> Values:
    """Give every symbol its number.

    Parameters
    ----------
    definition : Definition
        The model.
    options : mapping of str to str
        One option per choice, see :func:`choose`.
    settings : mapping of str to number
        What user, workload and config set, see :func:`~dsocr_symbolic.scenario.origins.layered`.
    gpu : Gpu
        The machine.
    waived : frozenset of str
        Switches that lift rules.

    Raises
    ------
    UserError
        If a symbol is unknown, a value is not allowed, or a rule is broken.
    """
    for name, value in settings.items():
        check_setting(definition, name, value)
    found = origins(definition, options, settings, gpu)
    resolver = Resolver(definition, found, gpu)
    numbers = {name: resolver.value(name) for name in definition.quantities}
    overridden = {}
    for name, quantity in definition.quantities.items():
        if name in settings and quantity.group == "derived":
            given = resolver.formula_value(name, quantity.formula)
            if given != numbers[name]:
                overridden[name] = given
    check_rules(definition, numbers, waived)
    return Values(numbers=numbers, origins=found, overridden=overridden, unverified=unverified(found.values(), gpu))


class Resolver:
    """Follows formulas from symbol to symbol, each value worked out once.

    Parameters
    ----------
    definition : Definition
        The model.
    found : mapping of str to Origin
        Where each value is from.
    gpu : Gpu
        The machine, for the error where it lacks a number.
    """

    def __init__(self, definition: Definition, found: Mapping[str, Origin], gpu: Gpu) -> None:
        self.m_definition = definition
        self.m_origins = found
        self.m_gpu = gpu
        self.m_values: dict[str, Any] = {}
        self.m_above: list[str] = []

    def value(self, name: str) -> Any:
        """Return the value of a symbol.

        Raises
        ------
        UserError
            If values need one another, a formula has no value, or the machine lacks a number.
        """
        if name not in self.m_values:
            if name in self.m_above:
                chain = " -> ".join((*self.m_above, name))
                raise UserError(f"{chain}: these values need one another; give one of them a number")
            self.m_above.append(name)
            self.m_values[name] = self.found(name)
            self.m_above.pop()
        return self.m_values[name]

    def found(self, name: str) -> Any:
        """Return what the origin of a symbol gives."""
        origin = self.m_origins[name]
        if origin.kind == "machine" and origin.value is None:
            lack = f"the GPU file gives no {origin.name}; choose another dtype or GPU, or add the number"
            raise UserError(f"{self.m_gpu.name}: {lack}")
        if origin.kind in ("formula", "default", "definition"):
            return self.formula_value(name, origin.value)
        return evaluate(origin.value, {}, arithmetic) if origin.kind == "choice" else origin.value

    def formula_value(self, name: str, formula: Expression) -> Any:
        """Return what a symbol's formula gives."""
        scope = {used: self.value(used) for used in sorted(names(formula))}
        try:
            return self.worked_out(formula, scope)
        except (OverflowError, ZeroDivisionError) as error:
            raise UserError(f"{name}: its formula {formula.text} has no value here; set {name} itself") from error

    def worked_out(self, formula: Expression, scope: Mapping[str, Any]) -> Any:
        """Evaluate a formula in numbers."""
        return arithmetic.whole(evaluate(formula, scope, arithmetic))
