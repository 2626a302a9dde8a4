"""Model files as data: a network's symbols, rules, choices and workloads, and what runs."""

from collections.abc import Iterable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from attrs import field

from dsocr_symbolic.errors import UserError, check_known, nearest
from dsocr_symbolic.language.call import CALLS, Call
from dsocr_symbolic.language.expression import Expression, check_names, parse
from dsocr_symbolic.language.extending import bases, whole
from dsocr_symbolic.language.files.server_file import ALONE, HELD, load_server
from dsocr_symbolic.language.model_parts import Choice, Server, Uncounted, Workload
from dsocr_symbolic.language.read_objects import read_as
from dsocr_symbolic.language.registry import Quantity, load_conventions, load_machine, load_metrics, read_machine
from dsocr_symbolic.language.roles import Architecture, Identity, Roles, in_roles, symbols_of
from dsocr_symbolic.language.rules import Rule
from dsocr_symbolic.language.schema import BLANK, TEXT, entry, follows, of_symbols, records, structure, table
from dsocr_symbolic.paths import data_files, data_folders
from dsocr_symbolic.records import frozen

# Files of formulas/ that every network shares.
SHARED = ("conventions.yaml", "machine.yaml", "metrics.yaml", "server.yaml", "service.yaml")


def shared(kind: Literal["rules", "warnings"], server: Server | None = None) -> tuple[Rule, ...]:
    """Return the rules or warnings on the symbols of every network: of conventions and machine, and of its server."""
    files: list[Any] = [load_conventions(), read_machine(), *([] if server is None else [load_server()])]
    return tuple(rule for file in files for rule in getattr(file, kind))


def _own(definition: "Definition") -> dict[str, Quantity]:
    """Gather the symbols of the file; one that stands there twice, or elsewhere too, would replace the other."""
    taken = dict.fromkeys(load_conventions().symbols, "conventions.yaml")
    taken |= dict.fromkeys(load_machine(), "machine.yaml")
    own: dict[str, Quantity] = {}
    for section in ("constants", "workload", "derived"):
        for name, quantity in getattr(definition, section).items():
            for symbol in (name, *([f"fewest_{name}"] if quantity.fewest is not None else [])):
                if symbol in taken:
                    raise UserError(
                        f"{section}: '{symbol}' is a symbol of {taken[symbol]} as well; give {name} another name"
                    )
                taken[symbol] = section
            own[name] = quantity
    return own


def _quantities(definition: "Definition") -> Mapping[str, Quantity]:
    """Gather the symbols of the file, the conventions and the machine, and those that choices bring."""
    own = _own(definition)
    quantities = {**own, **load_conventions().symbols, **load_machine()}
    if definition.server is not None:
        # A model file that has one of them itself knows it better.
        quantities |= {name: known for name, known in load_server().symbols.items() if name not in own}
    for name, decision in definition.choices.items():
        for option in decision.options.values():
            for symbol, value in option.symbols.items():
                meaning = f"set by the choice {name}"
                quantities.setdefault(symbol, Quantity(letter="", meaning=meaning, formula=value, group="choice"))
    return with_fewest(quantities)


def with_fewest(quantities: Mapping[str, Quantity]) -> dict[str, Quantity]:
    """Put behind each symbol that has a least number the one that stands for it in bounds."""
    completed: dict[str, Quantity] = {}
    for name, quantity in quantities.items():
        completed[name] = quantity
        if quantity.fewest is not None:
            completed[f"fewest_{name}"] = Quantity(
                group=quantity.group,
                letter=f"{{{quantity.letter}}}^{{\\min}}",
                meaning=f"fewest {quantity.meaning}",
                formula=quantity.fewest,
                real=quantity.real,
                fixed=True,
                in_bounds_for=name,
            )
    return completed


def _latencies(definition: "Definition") -> dict[str, Expression]:
    """Put beside the file's own latencies what a server's formulas make of the stages' times."""
    from dsocr_symbolic.language.files.service_file import together

    own, roles = definition.own_latencies, definition.roles
    stages = [call.name for call in definition.stages]
    return {**together(stages, roles.batch, roles.new_tokens), **own} if own else {}


@frozen(kw_only=True)
class Definition:
    """A network as its model file defines it, with conventions and the machine's symbols.

    Attributes
    ----------
    quantities : mapping of str to Quantity
        Every symbol: those of the file, of conventions.yaml and machine.yaml, those that choices bring, and those of
        server.yaml where the network has a server.
    rules, warnings : tuple of Rule
        The file's own, then those of conventions.yaml, machine.yaml and server.yaml.
    latencies : mapping of str to Expression
        The file's own, and what a batch of pages gives in a second.
    """

    name: str
    file: str
    summary: str = entry("the network, in one line")
    source: str = entry("what it was read off", default="")
    constants: Mapping[str, Quantity] = entry("sizes of the network", of_symbols(records(Quantity, group="constant")))
    workload: Mapping[str, Quantity] = entry(
        "sizes of what it works on", of_symbols(records(Quantity, group="workload"))
    )
    derived: Mapping[str, Quantity] = entry(
        "symbols that follow from those above", of_symbols(records(Quantity, group="derived")), default=BLANK
    )
    config: Mapping[str, Any] = entry("what a config.json may say besides; nothing else is modelled", default=BLANK)
    choose: Mapping[str, Mapping[str, Mapping[str, str]]] = entry(
        "options of choices that follow from values of a config.json, by key and by value as JSON; 'else' is any other",
        table(table(table(TEXT))),
        default=BLANK,
    )
    architecture: Architecture | None = entry("which config.json files are of this network", default=None)
    claims_no: tuple[Uncounted, ...] = entry("metrics that are null, each with why", key="uncounted", default=())
    own_rules: tuple[Rule, ...] = entry("conditions on values", key="rules", default=())
    own_warnings: tuple[Rule, ...] = entry(
        "conditions on values that may be broken, with a warning", key="warnings", default=()
    )
    choices: Mapping[str, Choice] = entry("choices on the command line", default=BLANK)
    workloads: Mapping[str, Workload] = entry("named workloads", default=BLANK)
    default_workload: str = entry("if none is named", default=follows(lambda model: next(iter(model.workloads), "")))
    default_gpu: str = entry("the machine if none is named", default="rtx5090")
    stages: tuple[Call, ...] = entry("what runs, in order", CALLS, key="children")
    tied: Mapping[str, str] = entry("weights that are another one, both by their module paths", default=BLANK)
    phases: tuple[tuple[str, ...], ...] = entry(
        "paths of what runs one after the other, in a list what may overlap; they cover the network", default=()
    )
    own_latencies: Mapping[str, Expression] = entry(
        "formulas of the stages' times, and of symbols", key="latencies", default=BLANK
    )
    declared: Roles = entry("which symbols play which part", key="roles", default=Roles())
    server: Server | None = entry("how a server runs it", default=None)
    identity: Identity | None = entry("what a report of the network says of it", default=None)
    quantities: Mapping[str, Quantity] = field(default=follows(_quantities))
    rules: tuple[Rule, ...] = field(
        default=follows(lambda definition: (*definition.own_rules, *shared("rules", definition.server)))
    )
    warnings: tuple[Rule, ...] = field(
        default=follows(lambda definition: (*definition.own_warnings, *shared("warnings", definition.server)))
    )
    roles: Roles = field(default=follows(lambda definition: in_roles(definition.declared, definition.quantities)))
    latencies: Mapping[str, Expression] = field(default=follows(_latencies))

    @property
    def uncounted(self) -> Mapping[str, str]:
        """Why each metric is null that the file does not claim to count."""
        return {metric: part.because for part in self.claims_no for metric in part.metrics}

    @property
    def sizes(self) -> frozenset[str]:
        """Symbols that a layer may take from the network: its constants, and what choices set."""
        set_by_choices = (option.symbols for choice in self.choices.values() for option in choice.options.values())
        return frozenset(self.constants).union(*set_by_choices)

    def __hash__(self) -> int:
        """Hash what tells networks apart; its mappings cannot be hashed."""
        return hash((self.name, self.file, tuple(call.name for call in self.stages)))


def load_definition(path: Path) -> Definition:
    """Read a model file; one that has not changed is the same definition."""
    content = tuple(file.read_bytes() if file.is_file() else b"" for file in (path, *bases(path)))
    return _defined(path, content)


@lru_cache(maxsize=32)
def _defined(path: Path, _: tuple[bytes, ...]) -> Definition:
    common = [data_folders("formulas")[-1] / name for name in SHARED]
    return read_as("model", [path, *bases(path), *common], lambda: _read(path))


def _read(path: Path) -> Definition:
    definition = structure(Definition, whole(path), str(path), name=path.stem, file=str(path))
    check_definition(definition)
    return definition


def _check_bundle(definition: Definition, name: str, option: str) -> None:
    """Check the options of other choices that an option sets: they are there, and set none themselves."""
    place = f"{definition.file}: choices: {name}: {option}: choices"
    set_by_it = definition.choices[name].options[option].choices
    check_known(set_by_it, definition.choices, place, "choice")
    for other, label in set_by_it.items():
        check_known([label], definition.choices[other].options, f"{place}: {other}", "option")
        if other == name or any(each.choices for each in definition.choices[other].options.values()):
            raise UserError(f"{place}: {other} sets options of other choices itself; name those here instead")
        rivals = [rival for rival, choice in definition.choices.items() if rival != name]
        for rival in rivals:
            if any(other in each.choices for each in definition.choices[rival].options.values()):
                raise UserError(f"{place}: {rival} sets {other}, too; let one of them do it")


def check_definition(definition: Definition) -> None:
    """Check every name that a model file uses, and that derived symbols follow what they are derived of."""
    known, stages = definition.quantities, [call.name for call in definition.stages]

    def check(place: str, *expressions: Expression | None, more: Iterable[str] = ()) -> set[str]:
        return check_names(f"{definition.file}: {place}", {*known, *more} if more else known, *expressions)

    defined: set[str] = set()
    for name, quantity in known.items():
        for used in check(name, quantity.formula):
            if quantity.group == known[used].group == "derived" and used not in defined:
                raise UserError(f"{definition.file}: derived: {name}: '{used}' is defined further down; move it up")
        defined.add(name)
    for kind, rules in (("rules", definition.rules), ("warnings", definition.warnings)):
        for rule in rules:
            check(f"{kind}: {rule.say}", rule.require, *rule.parts)
    for name, decision in definition.choices.items():
        for option, content in decision.options.items():
            check(f"choices: {name}: {option}", *content.symbols.values(), *content.documents.values())
            check(f"choices: {name}: {option}", *(parse(symbol, symbol) for symbol in content.documents))
            _check_bundle(definition, name, option)
    if not definition.default_gpu.endswith((".yaml", ".yml")):
        check_known([definition.default_gpu], data_files("hardware"), f"{definition.file}: default_gpu", "GPU")
    if definition.workloads:
        check_known(
            [definition.default_workload], definition.workloads, f"{definition.file}: default_workload", "workload"
        )
    for part in definition.claims_no:
        check_known(part.metrics, load_metrics(), f"{definition.file}: uncounted: metrics", "metric")
    for key, by_value in definition.choose.items():
        for value, chosen in by_value.items():
            place = f"{definition.file}: choose: {key}: {value}"
            check_known(chosen, definition.choices, place, "choice")
            for name, option in chosen.items():
                check_known([option], definition.choices[name].options, f"{place}: {name}", "option")
    for name, quantity in definition.constants.items():
        check(f"constants: {name}", quantity.otherwise, quantity.none)
        check(f"constants: {name}: where", quantity.where, more=["item"])
    for name, workload in definition.workloads.items():
        check(f"workloads: {name}", *(parse(symbol, symbol) for symbol in workload.values))
    check("roles", *(parse(symbol, symbol) for symbol in symbols_of(definition.roles)))
    if identity := definition.identity:
        check("identity", *identity.model.values(), *identity.workload.values())
    if server := definition.server:
        check("server: forward", *(parse(symbol, symbol) for symbol in server.forward), *server.forward.values())
        above = [*HELD]
        for name, formula in load_server().holds.items():
            check(f"server: formulas/server.yaml: {name}", formula, more=above)
            above.append(name)
        measured = [said for metric in load_metrics() for said in (metric, f"{ALONE}{metric}")]
        check("server: formulas/server.yaml: benchmark", *load_server().benchmark.values(), more=measured)
    moving = [parse(quantity.moves_with, name) for name, quantity in known.items() if quantity.moves_with]
    check("moves_with", *moving, more=load_server().symbols)
    for name, latency in definition.latencies.items():
        check(f"latencies: {name}", latency, more=stages)
    for phase in (path for group in definition.phases for path in group):
        if phase.partition("/")[0] not in stages:
            raise UserError(f"{definition.file}: phases: '{phase}' is in no stage: {nearest(phase, stages)}")
    for call in definition.stages:
        place, repeat = f"children: {call.name}", call.repeat
        check(f"{place}: with", *call.given.values(), more=[repeat.index] if repeat.index else [])
        check(place, call.when, call.needed, repeat.last)
        check(f"{place}: below", *call.below.values())
        check(f"{place}: numbers", *call.numbers)
        check_known(call.below, load_conventions().symbols, f"{definition.file}: {place}: below", "symbol")
        check(f"{place}: repeat", repeat.copies, repeat.calls)
