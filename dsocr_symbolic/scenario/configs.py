"""A Hugging Face config.json: whose network it is, its sizes by symbol, and the options that its values choose."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.definition import Definition, load_definition
from dsocr_symbolic.language.expression import Expression, evaluate, names
from dsocr_symbolic.language.registry import Quantity
from dsocr_symbolic.paths import data_files
from dsocr_symbolic.records import frozen
from dsocr_symbolic.scenario.checks import LARGEST
from dsocr_symbolic.scenario.config_files import find_config, read_json

_ABSENT = object()


@frozen(kw_only=True)
class Config:
    """What a config.json says of a network: sizes by symbol, and the option that it chooses of some choices."""

    sizes: Mapping[str, int]
    options: Mapping[str, str]


def find_network(path: Path) -> Definition:
    """Return the network of a config.json: by its model_type, then by its architectures."""
    config = read_json(path)
    known = list(_known(config))
    roots = {root for definition in known for root in _roots(definition)}
    parts = [config, *(part for root in sorted(roots) if isinstance(part := config.get(root), dict))]
    for part in parts:
        for definition in known:
            if part.get("model_type") in _told(definition).model_types:
                return definition
    for definition in known:
        if _architectures(config) & {*_told(definition).architectures}:
            return definition
    said = config.get("model_type")
    types = sorted({name for definition in _all() for name in _told(definition).model_types})
    way_out = f"known are {', '.join(types)}; or name a network with --model"
    raise UserError(f"{path}: model_type {json.dumps(said)} is of no network here; {way_out}")


def _architectures(config: Mapping[str, Any]) -> set[str]:
    said = config.get("architectures")
    return {name for name in said if isinstance(name, str)} if isinstance(said, list) else set()


def _told(definition: Definition) -> Any:
    return definition.architecture


def _roots(definition: Definition) -> tuple[str, ...]:
    return definition.architecture.roots if definition.architecture else ()


def _all() -> Iterator[Definition]:
    for path in data_files("formulas/models").values():
        definition = load_definition(path)
        if definition.architecture is not None:
            yield definition


def _known(config: Mapping[str, Any]) -> Iterator[Definition]:
    """Yield networks whose files name what a config is of; the others need not be read."""
    parts = [config, *(part for part in config.values() if isinstance(part, dict))]
    words = {str(part.get("model_type")) for part in parts}
    words |= _architectures(config)
    for path in data_files("formulas/models").values():
        if any(word in path.read_text(encoding="utf-8", errors="replace") for word in words - {"None"}):
            definition = load_definition(path)
            if definition.architecture is not None:
                yield definition


def found_and_read(definition: Definition, config: Path | str) -> tuple[Path, Config]:
    """Find a config.json, or the one of a hub id in the local cache, and read it."""
    file = find_config(config)
    return file, read_config(definition, file)


def read_config(definition: Definition, path: Path) -> Config:
    """Take the network's sizes and options from a config.json; refuse what formulas do not model."""
    config = read_json(path)
    reader = _Reader(definition, config, path)
    sizes = {name: value for name in definition.constants if (value := reader.size(name)) is not None}
    for key, expected in definition.config.items():
        said = reader.said(key)
        modelled = sizes.get(expected, expected) if isinstance(expected, str) else expected
        if said is not _ABSENT and said != modelled:
            way_out = (
                "drop the key to count the network without it"
                if modelled is None
                else f"the formulas hold for {modelled!r}"
            )
            raise UserError(f"{path}: {key} = {json.dumps(said)} is not modelled; {way_out}")
    options: dict[str, str] = {}
    for key, by_value in definition.choose.items():
        for choice, option in reader.chosen(key, by_value).items():
            if options.setdefault(choice, option) != option:
                other = f"another key asks for {choice} {options[choice]}"
                raise UserError(f"{path}: {key} asks for {choice} {option}, and {other}; make them agree")
    return Config(sizes=sizes, options=options)


class _Reader:
    """Reads sizes in the order in which their fallbacks need one another."""

    def __init__(self, definition: Definition, config: Mapping[str, Any], path: Path) -> None:
        self.m_definition = definition
        self.m_config = config
        self.m_path = path
        self.m_sizes: dict[str, int | None] = {}

    def said(self, key: str) -> Any:
        """Return what the config says of a dotted key: at top level, or of the network's own part."""
        top = _dotted(self.m_config, key)
        found = [(root, _dotted(self.m_config.get(root) or {}, key)) for root in _roots(self.m_definition)]
        below = next(((root, value) for root, value in found if value is not _ABSENT), None)
        if key == "architectures" or below is None:
            return top
        if top is not _ABSENT and top != below[1]:
            raise UserError(
                f"{self.m_path}: {key} is {top!r} at top level and {below[1]!r} under {below[0]}; make them agree"
            )
        return below[1]

    def size(self, name: str) -> int | None:
        """Return the value of a constant, None where its own formula gives it."""
        quantity = self.m_definition.constants[name]
        if not quantity.config:
            return None
        if name not in self.m_sizes:
            self.m_sizes[name] = value = self._read(name, quantity)
            if value is not None and not quantity.least <= value <= LARGEST:
                bound = f"less than {quantity.least}" if value < quantity.least else f"larger than {LARGEST:.0e}"
                shown = value if abs(value) <= LARGEST else "the value"
                raise UserError(
                    f"{self.m_path}: {quantity.config}: {shown} is {bound} ({quantity.meaning}); correct it"
                )
        return self.m_sizes[name]

    def _read(self, name: str, quantity: Quantity) -> int | None:
        keys = (quantity.config, *quantity.also)
        key, said = next(((key, said) for key in keys if (said := self.said(key)) is not _ABSENT), (keys[0], _ABSENT))
        fallback = quantity.otherwise
        if said is None and quantity.none is not None:
            fallback = quantity.none
        if said is _ABSENT or said is None:
            if fallback is not None:
                return self._worked_out(name, fallback)
            if names(quantity.formula):
                return None
            what = "is null" if said is None else "is missing"
            known = self.m_definition.name
            raise UserError(f"{self.m_path}: the key '{key}' {what}; is it a config of {known}?")
        if quantity.count or quantity.where is not None:
            return self._counted(key, said, quantity)
        if isinstance(said, bool) and quantity.least == 0:
            return int(said)
        if isinstance(said, bool) or not isinstance(said, int):
            raise UserError(f"{self.m_path}: {key}: expected a whole number, found {said!r}")
        return said

    def _counted(self, key: str, said: Any, quantity: Quantity) -> int:
        """Count the entries of a list that a constant is about."""
        if not isinstance(said, list):
            raise UserError(f"{self.m_path}: {key}: expected a list, found {said!r}")
        if quantity.where is None:
            self._check_entries(key, said, quantity)
            return sum(entry == quantity.count for entry in said[: quantity.first or None])
        items = sorted({entry for entry in said if isinstance(entry, int) and not isinstance(entry, bool)})
        if len(items) < len({str(entry) for entry in said}):
            raise UserError(f"{self.m_path}: {key}: expected a list of whole numbers, found {said!r}")
        scope = {name: self._needed(name) for name in names(quantity.where) - {"item"}}
        return sum(bool(self._value(key, quantity.where, {**scope, "item": item})) for item in items)

    def _check_entries(self, key: str, said: list[Any], quantity: Quantity) -> None:
        """Refuse a list with other entries than known ones, or with another number of them."""
        others = [entry for entry in said if quantity.among and entry not in quantity.among]
        if others:
            known = ", ".join(quantity.among)
            raise UserError(f"{self.m_path}: {key}: {json.dumps(others[0])} is not modelled; known are {known}")
        if quantity.of is not None and len(said) != (whole := self._worked_out(key, quantity.of)):
            raise UserError(
                f"{self.m_path}: {key} lists {len(said)} entries where {quantity.of.text} is {whole}; make them agree"
            )

    def _worked_out(self, name: str, formula: Expression) -> int:
        scope = {used: self._needed(used) for used in names(formula)}
        value = self._value(name, formula, scope)
        if not isinstance(value, int):
            raise UserError(f"{self.m_path}: {name} = {formula.text} is {value}, no whole number; give its key")
        return value

    def _value(self, name: str, formula: Expression, scope: Mapping[str, int]) -> Any:
        try:
            return arithmetic.whole(evaluate(formula, scope, arithmetic))
        except (ZeroDivisionError, OverflowError) as error:
            sizes = ", ".join(sorted(names(formula)))
            raise UserError(f"{self.m_path}: {name}: {formula.text} has no value there; correct {sizes}") from error

    def _needed(self, name: str) -> int:
        """Return a constant that a fallback needs, by its own formula where the config says nothing."""
        value = self.size(name)
        if value is not None:
            return value
        quantity = self.m_definition.constants.get(name)
        if quantity is None:
            raise UserError(f"{self.m_definition.file}: constants: {name}: a fallback needs constants alone")
        return self._worked_out(name, quantity.formula)

    def chosen(self, key: str, by_value: Mapping[str, Mapping[str, str]]) -> Mapping[str, str]:
        """Return the options that the value of a key chooses; none where it is not said."""
        said = self.said(key)
        if said is _ABSENT:
            return by_value.get("absent", {})
        text = said if isinstance(said, str) else json.dumps(said)
        if text not in by_value and "else" not in by_value:
            known = ", ".join(value for value in by_value if value != "absent")
            raise UserError(f"{self.m_path}: {key} = {json.dumps(said)} is not modelled; known are {known}")
        return by_value.get(text, by_value.get("else", {}))


def _dotted(config: Any, key: str) -> Any:
    value = config
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            return _ABSENT
        value = value[part]
    return value
