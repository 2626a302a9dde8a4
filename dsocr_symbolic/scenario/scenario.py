"""One question: a model, its choices, a workload, a machine and what the user set; read from words or a file."""

from collections.abc import Collection, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import evolve

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.language.definition import Definition, shared
from dsocr_symbolic.language.expression import EMPTY, evaluate
from dsocr_symbolic.language.files.server_file import unknown_symbol
from dsocr_symbolic.language.lookup import find_definition, layer_definition
from dsocr_symbolic.language.model_parts import Workload
from dsocr_symbolic.language.pairs import read_pairs
from dsocr_symbolic.language.strict_yaml import read_yaml
from dsocr_symbolic.records import frozen
from dsocr_symbolic.scenario.checks import check_layer, check_setting, parse_number, rule_says
from dsocr_symbolic.scenario.hardware import Gpu, load_gpu, load_host, with_host
from dsocr_symbolic.scenario.origins import layered, origins
from dsocr_symbolic.scenario.values import Resolver, Values, choose, load_workload, resolve, resolved

if TYPE_CHECKING:
    from dsocr_symbolic.scenario.configs import Config

_SUFFIXES = (".yaml", ".yml")
_NAMES = ("workload", "gpu", "model", "config")


@frozen(kw_only=True)
class Scenario:
    """Everything that decides the numbers, by name or as data.

    Attributes
    ----------
    definition, options, workload : Definition, mapping of str to str, Workload or None
        The model, or one layer in its stead; the option of every choice; no workload for a layer alone.
    user, config : mapping of str to Exact
        What the user set, and the sizes of a config.json.
    gpu, waived : Gpu, frozenset of str
        The machine, and switches that lift rules.
    said : mapping of str to str
        Of the options those that somebody chose; the others follow from these and from defaults.
    command : str
        What was typed for it; empty in Python.
    config_file : Path or None
        The config.json that sizes and some choices are of.
    """

    definition: Definition
    options: Mapping[str, str]
    workload: Workload | None
    user: Mapping[str, Exact]
    config: Mapping[str, int]
    gpu: Gpu
    waived: frozenset[str]
    said: Mapping[str, str] = EMPTY
    command: str = ""
    config_file: Path | None = None

    @property
    def settings(self) -> Mapping[str, Exact]:
        """What user, workload and config set, the user's word the last."""
        return layered(self.user, self.workload.values if self.workload else EMPTY, self.config)


def of_layer(scenario: Scenario, layer: Definition) -> Scenario:
    """Return the question of one layer alone, which has no workload, and of a config.json what it has a use for."""
    check_layer(layer, scenario.user)
    for switch in sorted(scenario.waived - switches(layer)):
        raise UserError(f"{switch}: lifts no rule of the layer {layer.stages[0].name} alone; drop it")
    config = _of_use(layer, scenario.config)
    if scenario.config and not config:
        raise UserError(f"the layer {layer.stages[0].name} takes none of the sizes of the config.json; drop it")
    return evolve(scenario, definition=layer, workload=None, config=config)


def _machine(definition: Definition, gpu: str | None, machine: str | None) -> Gpu:
    """Return the GPU that is named, or the one that a machine file is of, with what that or a host file says."""
    if machine is None:
        return load_gpu(definition.default_gpu if gpu is None else gpu)
    if (host := load_host(machine)) is not None:
        return with_host(load_gpu(definition.default_gpu if gpu is None else gpu), host)
    measured = load_gpu(machine)
    if measured.measured is None:
        raise UserError(f"{machine}: is a GPU's file, not a machine file; give it with --gpu, or run dsocr calibrate")
    if gpu is not None and gpu != measured.name:
        raise UserError(f"{machine}: was measured on {measured.name}, --gpu names {gpu}; drop one of them")
    return measured


def switches(definition: Definition) -> frozenset[str]:
    """Return the switches that lift a rule of a network, or of one layer alone."""
    return frozenset(rule.waived_by for rule in definition.rules) - {""}


def _of_use(layer: Definition, config: Mapping[str, int]) -> dict[str, int]:
    """Return the sizes that a layer has a use for."""

    def useful(name: str) -> bool:
        try:
            check_layer(layer, [name])
        except UserError:
            return False
        return True

    return {name: value for name, value in config.items() if useful(name)}


def with_user(scenario: Scenario, settings: Mapping[str, Exact]) -> Scenario:
    """Return the question with some more of the user's own values."""
    return evolve(scenario, user={**scenario.user, **settings})


def _read(definition: Definition, config: Path) -> "tuple[Path, Config]":
    from dsocr_symbolic.scenario.configs import found_and_read

    return found_and_read(definition, config)


def make_scenario(
    *,
    definition: Definition,
    layer: str | None = None,
    workload: str | None = None,
    settings: Mapping[str, Exact] | None = None,
    choices: Mapping[str, str] | None = None,
    gpu: str | None = None,
    machine: str | None = None,
    config: Path | None = None,
    waived: frozenset[str] = frozenset(),
    command: str = "",
) -> Scenario:
    """Put a question together, of one layer alone if one is named; what is None is the model's default."""
    file, read = (None, None) if config is None else _read(definition, config)
    told = read.options if read else EMPTY
    said = {**told, **(choices or {})}
    options = choose(definition, said)
    known = switches(definition)
    for switch in sorted(waived - known):
        raise UserError(f"unknown switch '{switch}': {nearest(switch, known)}")
    refuse_idle(definition, choices or {}, settings or {})
    named = definition.default_workload if workload is None else workload
    scenario = Scenario(
        workload=None if layer is not None else load_workload(definition, named),
        definition=definition,
        options=options,
        user=dict(settings or {}),
        config=read.sizes if read else {},
        gpu=_machine(definition, gpu, machine),
        waived=waived,
        said=said,
        command=command,
        config_file=file,
    )
    return scenario if layer is None else of_layer(scenario, layer_definition(definition, layer))


def of_documents(scenario: Scenario) -> Scenario:
    """Return the question as documents ask it: what options say of pages holds where nobody sets it."""
    taken = (scenario.definition.choices[name].options[option] for name, option in scenario.options.items())
    values = {name: evaluate(value, {}, arithmetic) for option in taken for name, value in option.documents.items()}
    if scenario.workload is None or not values:
        return scenario
    return evolve(scenario, workload=evolve(scenario.workload, values={**values, **scenario.workload.values}))


def refuse_idle(definition: Definition, chosen: Mapping[str, str], settings: Mapping[str, Exact]) -> None:
    """Refuse an option that was chosen for nothing, for all that it decides is set as well."""
    options = choose(definition, chosen)
    for name, label in chosen.items():
        option = definition.choices[name].options[options[name]]
        if option.symbols and not option.slots and not option.gpu and option.symbols.keys() <= settings.keys():
            given = ", ".join(option.symbols)
            raise UserError(f"{name} {label}: all that it decides, {given}, is set as well; drop one of them")


def doubts(scenario: Scenario, moving: Collection[str] = ()) -> list[str]:
    """Return what is doubtful about numbers of conventions and machine, whoever gave them, but for those that move."""
    definition = scenario.definition
    resolver = Resolver(
        definition, origins(definition, scenario.options, scenario.settings, scenario.gpu), scenario.gpu
    )
    said = []
    for rule in (rule for rule in shared("warnings") if not rule.names & {*moving}):
        try:
            numbers = {name: resolver.value(name) for name in rule.names}
        except UserError:
            # What has no value here is said where it is asked for.
            continue
        if not evaluate(rule.require, numbers, arithmetic):
            said.append(rule_says(rule, numbers))
    return said


def scenario_values(scenario: Scenario, settings: Mapping[str, Exact] | None = None) -> Values:
    """Return the number of every symbol, with some more settings if there are."""
    asked = with_user(scenario, settings) if settings else scenario
    return resolve(
        scenario.definition,
        options=scenario.options,
        settings=asked.settings,
        gpu=scenario.gpu,
        waived=scenario.waived,
        files=dict.fromkeys(asked.config.keys() - asked.user.keys(), str(asked.config_file)),
    )


def scenario_numbers(scenario: Scenario, settings: Mapping[str, Exact]) -> Mapping[str, Any]:
    """Return the number of every symbol with some more settings, and nothing of where it is from."""
    settings = with_user(scenario, settings).settings
    return resolved(
        scenario.definition, options=scenario.options, settings=settings, gpu=scenario.gpu, waived=scenario.waived
    )[1]


def read_scenario(text: str | Mapping[str, Any], base: Scenario) -> tuple[str, Scenario]:
    """Put a scenario together from a common one and what it says of its own; name it, too.

    It says so in words (``gpu=h200,batch=8,attention=eager``), in a YAML file with the same keys, or in a mapping of
    them: symbols, choices, ``gpu`` and ``workload``. Empty text is the common scenario itself.
    """
    if isinstance(text, str) and text.endswith(_SUFFIXES) and "=" not in text:
        path = Path(text)
        if not path.is_file():
            raise UserError(f"{text}: no such scenario file")
        raw = read_yaml(path)
        if not isinstance(raw, dict):
            raise UserError(f"{text}: expected a mapping of symbols, choices, gpu and workload to values")
        return path.stem, _scenario({str(key): value for key, value in raw.items()}, base, text)
    words = text.split(",") if isinstance(text, str) and text.strip() else []
    form = "KEY=VALUE, several of them with commas, or a YAML file"
    entries = read_pairs(words, f"'{text}'", form) if isinstance(text, str) else dict(text)
    name = ", ".join(f"{key}={value}" for key, value in entries.items()) or "as it is"
    return name, _scenario(entries, base, name)


def of_network(base: Scenario, model: str | None, config: str | None) -> Scenario:
    """Ask another network, or the same one at a config.json, what a scenario asks, as far as it has words for that."""
    from dsocr_symbolic.scenario.config_files import find_config
    from dsocr_symbolic.scenario.configs import find_network

    file = None if config is None else find_config(config)
    if model is not None:
        definition = find_definition(model)
    else:
        definition = find_network(file) if file is not None else base.definition
    kept = {
        name: option
        for name, option in base.said.items()
        if name in definition.choices and option in definition.choices[name].options
        if option != base.definition.choices[name].default
    }
    named = base.workload.name if base.workload and base.workload.name in definition.workloads else None
    other = make_scenario(
        definition=definition,
        workload=named,
        settings={name: value for name, value in base.user.items() if name in definition.quantities},
        choices=kept,
        config=file,
        waived=base.waived & switches(definition),
        command=base.command,
    )
    return evolve(other, gpu=base.gpu)


def _scenario(entries: Mapping[str, Any], base: Scenario, where: str) -> Scenario:
    if "model" in entries or "config" in entries:
        base = of_network(base, *(str(entries[key]) if key in entries else None for key in ("model", "config")))
    definition = base.definition
    choices: dict[str, str] = {}
    settings: dict[str, Exact] = {}
    for key, value in entries.items():
        choice = key.replace("_", "-")
        if choice in definition.choices and key not in definition.quantities:
            if choice in choices:
                raise UserError(f"{where}: {choice} is given twice; give it once")
            choices[choice] = str(value)
        elif key not in _NAMES:
            settings[key] = _number(definition, key, value, where)
    said = {**base.said, **choices}
    options = choose(definition, said)
    own = load_workload(definition, str(entries["workload"])) if "workload" in entries else None
    gpu = load_gpu(str(entries["gpu"])) if "gpu" in entries else base.gpu
    for name in base.user.keys() & (own.values if own else EMPTY).keys() - settings.keys():
        raise UserError(f"{where}: its workload gives {name}, and it is set for all scenarios; drop one of them")
    user = {**base.user, **settings}
    refuse_idle(definition, choices, user)
    return evolve(base, options=options, said=said, workload=own or base.workload, user=user, gpu=gpu)


def _number(definition: Definition, key: str, value: Any, where: str) -> Exact:
    if key not in definition.quantities:
        known = [*definition.quantities, *definition.choices, *_NAMES]
        raise unknown_symbol(key, known, where, "key")
    number: Exact = parse_number(value, key) if isinstance(value, str) else value
    check_setting(definition, key, number)
    return number
