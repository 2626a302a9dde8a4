"""From defaults, choices, a config, a workload, overrides and a GPU to one number per symbol."""

from collections.abc import Iterable, Iterator, Mapping
from fractions import Fraction
from functools import cached_property
from pathlib import Path
from typing import Any

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import EMPTY, Expression, evaluate, names
from dsocr_symbolic.language.model_parts import Workload, workload_file
from dsocr_symbolic.records import frozen
from dsocr_symbolic.scenario.checks import check_rules, check_setting, check_whole, warnings_of
from dsocr_symbolic.scenario.claims import Claims, claims_of
from dsocr_symbolic.scenario.hardware import Gpu
from dsocr_symbolic.scenario.origins import Origin, lacks, origins, unverified

_ABSENT = object()


@frozen(kw_only=True)
class Values:
    """A number for every symbol.

    Attributes
    ----------
    numbers, origins : mapping of str to Exact, to Origin
        Ints wherever a value is whole, and where each of them is from.
    unverified : tuple of str
        GPU numbers in use that no source confirms.
    claims : Claims
        Numbers that the GPU lacks, without which no lower bound or no forecast is claimed.
    warnings : tuple of str
        What the model file warns of at these numbers.
    """

    numbers: Mapping[str, Any]
    origins: Mapping[str, Origin]
    unverified: tuple[str, ...]
    claims: Claims
    warnings: tuple[str, ...]

    @cached_property
    def known(self) -> Mapping[str, Any]:
        """The numbers as they are shown: None where the GPU lacks one and 1 stands in for it."""
        unknown = {name for name, origin in self.origins.items() if lacks(origin, self.origins)}
        return {name: None if name in unknown else number for name, number in self.numbers.items()}


def load_workload(definition: Definition, name: str) -> Workload:
    """Find a workload by name, or read it from a YAML file with ``summary``, ``document`` and ``set``."""
    if name.endswith((".yaml", ".yml")):
        path = Path(name)
        if not path.is_file():
            raise UserError(f"{name}: no such workload file")
        workload = workload_file(path)
        _check_settings(definition, workload, str(path))
        return workload
    if not definition.workloads and not name:
        way_out = "add one under 'workloads', or give a workload file"
        raise UserError(f"{definition.file}: workloads: there is none; {way_out}")
    if name not in definition.workloads:
        raise UserError(f"unknown workload '{name}': {nearest(name, definition.workloads)}")
    _check_settings(definition, definition.workloads[name], f"{definition.file}: workloads: {name}")
    return definition.workloads[name]


def _check_settings(definition: Definition, workload: Workload, where: str) -> None:
    for symbol, value in workload.values.items():
        try:
            check_setting(definition, symbol, value)
        except UserError as error:
            raise UserError(f"{where}: set: {error}") from error


def choose(definition: Definition, chosen: Mapping[str, str]) -> dict[str, str]:
    """Complete the choices: with what the options chosen set of others, then with their defaults."""
    for name, option in chosen.items():
        if name not in definition.choices:
            raise UserError(f"unknown choice '{name}': {nearest(name, definition.choices)}")
        if option not in definition.choices[name].options:
            raise UserError(f"{name}: unknown option '{option}': {nearest(option, definition.choices[name].options)}")
    defaults = {name: choice.default for name, choice in definition.choices.items()}
    taken = [definition.choices[name].options[option] for name, option in {**defaults, **chosen}.items()]
    return {**defaults, **{name: label for option in taken for name, label in option.choices.items()}, **chosen}


def own_options(
    definition: Definition, options: Mapping[str, str], said: Iterable[tuple[str, str]] = ()
) -> dict[str, str]:
    """Return of complete options those that were said, and those that do not follow from the rest."""
    bundles = {name: option for name, option in options.items() if definition.choices[name].options[option].choices}
    following = choose(definition, bundles)
    own = {name: option for name, option in options.items() if name in bundles or option != following[name]}
    return {**own, **dict(said)}


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
    settings: Mapping[str, Exact],
    gpu: Gpu,
    waived: frozenset[str] = frozenset(),
    files: Mapping[str, str] = EMPTY,
) -> Values:
    """Give every symbol its number, given an option per choice and what user, workload and config set.

    ``files`` names the file that gave a symbol its number, where one did.
    """
    sources, numbers = resolved(definition, options=options, settings=settings, gpu=gpu, waived=waived, files=files)
    return Values(
        numbers=numbers,
        origins=sources,
        unverified=unverified(sources.values(), gpu),
        claims=claims_of(sources),
        warnings=warnings_of(definition, numbers),
    )


def resolved(
    definition: Definition,
    *,
    options: Mapping[str, str],
    settings: Mapping[str, Exact],
    gpu: Gpu,
    waived: frozenset[str] = frozenset(),
    files: Mapping[str, str] = EMPTY,
) -> tuple[Mapping[str, Origin], dict[str, Any]]:
    """Return where the number of every symbol is from, and the number; refuse what breaks a rule."""
    for name, value in settings.items():
        check_setting(definition, name, value)
    sources = origins(definition, options, settings, gpu)
    resolver = Resolver(definition, sources, gpu)
    numbers = {name: resolver.value(name) for name in definition.quantities}
    check_rules(definition.rules, numbers, waived, files)
    check_whole(definition, numbers)
    return sources, numbers


class Resolver:
    """Follows formulas from symbol to symbol, each value worked out once."""

    def __init__(self, definition: Definition, sources: Mapping[str, Origin], gpu: Gpu) -> None:
        self.m_definition = definition
        self.m_origins = sources
        self.m_gpu = gpu
        self.m_values: dict[str, Any] = {}
        self.m_above: list[str] = []

    def value(self, name: str) -> Any:
        """Return the value of a symbol; values that need one another are a UserError."""
        if name not in self.m_values:
            if name in self.m_above:
                chain = " -> ".join((*self.m_above, name))
                raise UserError(f"{chain}: these values need one another; give one of them a number")
            self.m_above.append(name)
            self.m_values[name] = self.given(name)
            self.m_above.pop()
        return self.m_values[name]

    def given(self, name: str) -> Any:
        """Return what the origin of a symbol gives."""
        origin = self.m_origins[name]
        if origin.kind == "machine" and origin.value is None:
            ways = ", ".join((*self.other_options(name, origin.name), "another GPU"))
            raise UserError(f"{self.m_gpu.name}: the GPU file gives no {origin.name}; choose {ways}, or add the number")
        if origin.kind in ("formula", "default", "definition"):
            return self.formula_value(name, origin.value)
        return evaluate(origin.value, {}, arithmetic) if origin.kind == "choice" else origin.value

    def other_options(self, name: str, lacking: str) -> Iterator[str]:
        """Yield which options take a symbol from a number that the GPU has, not from the one it lacks."""
        for flag, choice in self.m_definition.choices.items():
            keys = {option: said.gpu.get(name, ()) for option, said in choice.options.items()}
            there = [option for option, named in keys.items() if set(named) & self.m_gpu.numbers.keys()]
            if any(lacking in named for named in keys.values()) and there:
                yield f"--{flag} {' or '.join(there)}"

    def formula_value(self, name: str, formula: Expression) -> Any:
        """Return what a symbol's formula gives."""
        scope = {used: self.value(used) for used in sorted(names(formula))}
        try:
            return self.worked_out(formula, scope)
        except (OverflowError, ZeroDivisionError, ValueError) as error:
            raise UserError(f"{name}: its formula {formula.text} has no value here; set {name} itself") from error

    def worked_out(self, formula: Expression, scope: Mapping[str, Any]) -> Any:
        """Evaluate a formula in numbers; a fraction stays one, or what follows from it were no longer exact."""
        value = evaluate(formula, scope, arithmetic)
        return value if isinstance(value, Fraction) and value.denominator > 1 else arithmetic.whole(value)
