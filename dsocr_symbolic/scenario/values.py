"""From defaults, choices, a config, a workload, overrides and a GPU to one number per symbol."""

import math
import re
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from attrs import frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.language.definition import BRACES, Definition, Workload, read_workload
from dsocr_symbolic.language.expression import evaluate, names
from dsocr_symbolic.language.registry import Quantity
from dsocr_symbolic.language.strict_yaml import read_yaml
from dsocr_symbolic.scenario.hardware import Gpu

_NUMBER = re.compile(r"[-+]?(\d+(_\d+)*(\.\d*)?|\.\d+)([eE][-+]?\d{1,2})?(/\d+)?", re.ASCII)


_LONGEST_NUMBER = 40


LARGEST = 10**18


@frozen(kw_only=True)
class Values:
    """A number for every symbol.

    Attributes
    ----------
    numbers : mapping of str to int or float
        Exact ints wherever a value is whole.
    overridden : mapping of str to number
        Derived symbols that were set, with what their formulas give.
    unverified : tuple of str
        GPU numbers in use that no source confirms.
    """

    numbers: Mapping[str, Any]
    overridden: Mapping[str, Any]
    unverified: tuple[str, ...]


def parse_number(text: str, name: str) -> Any:
    """Read a number that a user typed; nothing is evaluated.

    Parameters
    ----------
    text : str
        ``"8"``, ``"0.85"``, ``"1.8e12"`` or ``"1/2"``.
    name : str
        The symbol, for the error.

    Returns
    -------
    int, float or Fraction
        The value, exact where it can be.

    Raises
    ------
    UserError
        If it is no finite number.
    """
    text = text.strip()
    if len(text) > _LONGEST_NUMBER or not _NUMBER.fullmatch(text):
        raise UserError(f"{name}: '{text}' is not a number that can be read; write for example {name}=8")
    above, _, below = text.partition("/")
    if below and int(below) == 0:
        raise UserError(f"{name}: '{text}' divides by zero")
    value = Fraction(above) / (int(below) if below else 1)
    return arithmetic.whole(value) if value.denominator == 1 else (value if below else float(value))


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
        What config, workload and user set, the last word already taken.
    gpu : Gpu
        The machine.
    waived : frozenset of str
        Switches that lift rules.

    Returns
    -------
    Values
        The numbers.

    Raises
    ------
    UserError
        If a symbol is unknown, a value is not allowed, or a rule is broken.
    """
    numbers: dict[str, Any] = {}
    bound: dict[str, Any] = {}
    peaks: dict[str, str] = {}
    for name, chosen in options.items():
        option = definition.choices[name].options[chosen]
        bound |= {symbol: evaluate(each, {}, arithmetic) for symbol, each in option.symbols.items()}
        peaks |= option.gpu
    for name, value in settings.items():
        check_setting(definition, name, value)
    unverified = []
    overridden = {}
    for name, quantity in _in_order(definition):
        machine = machine_key(gpu, (peaks[name],) if name in peaks else quantity.gpu)
        if name in settings:
            numbers[name] = settings[name]
        elif name in bound:
            numbers[name] = bound[name]
        elif machine in gpu.numbers or (machine and not quantity.optional):
            numbers[name] = float(_machine_number(gpu, machine))
            unverified += [machine] if gpu.numbers[machine].unverified else []
        else:
            numbers[name] = _finite(name, quantity, numbers)
        if name in settings and quantity.group == "derived":
            given = _finite(name, quantity, numbers)
            if given != settings[name]:
                overridden[name] = given
    check_rules(definition, numbers, waived)
    return Values(numbers=numbers, overridden=overridden, unverified=tuple(unverified))


def _in_order(definition: Definition) -> list[tuple[str, Quantity]]:
    """Values that formulas of others need come first: derived symbols and formulas last."""
    items = list(definition.quantities.items())
    return sorted(items, key=lambda item: item[1].group == "derived" or item[0] == "wide")


def _finite(name: str, quantity: Quantity, numbers: Mapping[str, Any]) -> Any:
    try:
        value = evaluate(quantity.formula, numbers, arithmetic)
    except (OverflowError, ZeroDivisionError) as error:
        raise UserError(f"{name}: its formula {quantity.formula.text} has no value here; set {name} itself") from error
    return arithmetic.whole(value)


def machine_key(gpu: Gpu, keys: tuple[str, ...]) -> str:
    """Return the first number that a GPU has; the last one if it has none."""
    return next((key for key in keys if key in gpu.numbers), keys[-1] if keys else "")


def _machine_number(gpu: Gpu, machine: str) -> Any:
    if machine not in gpu.numbers:
        raise UserError(f"{gpu.name}: the GPU file gives no {machine}; choose another dtype or GPU, or add the number")
    return gpu.numbers[machine].value_si


def check_setting(definition: Definition, name: str, value: Any) -> None:
    """Check a number that somebody gives a symbol.

    Raises
    ------
    UserError
        If the symbol is unknown or cannot be set, or the number is out of its range or not whole where it must be.
    """
    quantity = definition.quantities.get(name)
    if quantity is None:
        raise UserError(f"unknown symbol '{name}': {nearest(name, definition.quantities)}")
    if quantity.fixed:
        raise UserError(f"{name}: {quantity.meaning} is a definition and cannot be set")
    infinite: bool = isinstance(value, float) and not math.isfinite(value)
    if isinstance(value, bool) or not isinstance(value, int | float | Fraction) or infinite:
        raise UserError(f"{name}: {value!r} is not a number")
    if not -LARGEST <= value <= LARGEST:
        raise UserError(f"{name}: the value is larger than {LARGEST:.0e} ({quantity.meaning})")
    if not quantity.real and not isinstance(value, int):
        raise UserError(f"{name}: {value} is not a whole number ({quantity.meaning})")
    if quantity.group == "machine" and value <= 0 and not quantity.zero:
        raise UserError(f"{name}: {value} is not greater than 0 ({quantity.meaning})")
    if value < quantity.least:
        raise UserError(f"{name}: {value} is less than {quantity.least} ({quantity.meaning})")


def check_rules(definition: Definition, numbers: Mapping[str, Any], waived: frozenset[str]) -> None:
    """Check the rules of a model on numbers for all symbols.

    Raises
    ------
    UserError
        If a rule is broken that no switch lifts.
    """
    for rule in definition.rules:
        if rule.waived_by in waived or evaluate(rule.require, numbers, arithmetic):
            continue

        parts = [str(arithmetic.whole(evaluate(each, numbers, arithmetic))) for each in rule.parts]
        said = BRACES.sub("{}", rule.say).format(*parts)
        used = sorted(name for name in names(rule.require))
        found = ", ".join(f"{name} = {arithmetic.whole(numbers[name])}" for name in used)
        raise UserError(f"{said}; got {found}")
