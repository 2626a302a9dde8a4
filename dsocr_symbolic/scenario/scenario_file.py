"""Read a scenario that is compared with others: words KEY=VALUE, or a YAML file of the same keys."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import evolve

from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.strict_yaml import read_yaml
from dsocr_symbolic.scenario.checks import check_setting, parse_number
from dsocr_symbolic.scenario.scenario import Scenario, make_scenario

_SUFFIXES = (".yaml", ".yml")
_NAMES = ("workload", "gpu")


def read_scenario(text: str | Mapping[str, Any], base: Scenario) -> tuple[str, Scenario]:
    """Put a scenario together from a common one and what it says of its own; name it, too.

    It says so in words (``gpu=h200,batch=8,attention=eager``), in a YAML file with the same keys, or in a mapping of
    them: symbols, choices, ``gpu`` and ``workload``. Empty text is the common scenario itself.
    """
    if isinstance(text, str) and text.endswith(_SUFFIXES) and "=" not in text:
        path = Path(text)
        if not path.is_file():
            raise UserError(f"{text}: no such scenario file")
        return path.stem, _scenario(_mapping(read_yaml(path), text), base, text)
    entries = _words(text) if isinstance(text, str) else dict(text)
    name = ", ".join(f"{key}={value}" for key, value in entries.items()) or "as it is"
    return name, _scenario(entries, base, name)


def _words(text: str) -> dict[str, Any]:
    entries: dict[str, Any] = {}
    for word in text.split(",") if text.strip() else []:
        key, equals, value = (each.strip() for each in word.partition("="))
        if not equals or not key or not value:
            raise UserError(f"'{word}': expected KEY=VALUE, several of them with commas, or a YAML file")
        if key in entries:
            raise UserError(f"'{text}': {key} is given twice; give it once")
        entries[key] = value
    return entries


def _mapping(raw: Any, where: str) -> dict[str, Any]:
    if not isinstance(raw, dict):
        raise UserError(f"{where}: expected a mapping of symbols, choices, gpu and workload to values")
    return {str(key): value for key, value in raw.items()}


def _scenario(entries: Mapping[str, Any], base: Scenario, where: str) -> Scenario:
    definition = base.definition
    named = {key: str(entries[key]) for key in _NAMES if key in entries}
    choices: dict[str, str] = {}
    settings: dict[str, Any] = {}
    for key, value in entries.items():
        choice = key.replace("_", "-")
        if choice in definition.choices and key not in definition.quantities:
            choices[choice] = str(value)
        elif key not in _NAMES:
            settings[key] = _number(definition, key, value, where)
    fresh = make_scenario(
        definition=definition,
        workload=named.get("workload"),
        settings=settings,
        choices={**base.options, **choices},
        gpu=named.get("gpu"),
        waived=base.waived,
    )
    workload = fresh.workload if "workload" in named else base.workload
    # What this scenario's own workload says is closer to it than what was set for all of them.
    own = workload.values if workload is not None and "workload" in named else {}
    common = {name: value for name, value in base.user.items() if name not in own}
    return evolve(
        fresh,
        workload=workload,
        user={**common, **settings},
        config=base.config,
        gpu=fresh.gpu if "gpu" in named else base.gpu,
    )


def _number(definition: Definition, key: str, value: Any, where: str) -> Any:
    if key not in definition.quantities:
        known = [*definition.quantities, *definition.choices, *_NAMES]
        raise UserError(f"{where}: unknown key '{key}': {nearest(key, known)}")
    number = parse_number(value, key) if isinstance(value, str) else value
    check_setting(definition, key, number)
    return number
