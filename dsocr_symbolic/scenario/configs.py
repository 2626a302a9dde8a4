"""A Hugging Face config.json: whose network it is, its sizes by symbol, and the options that its values choose."""

import json
import os
import re
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

_LARGEST = 16 * 2**20
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_ABSENT = object()


@frozen(kw_only=True)
class Config:
    """What a config.json says of a network: sizes by symbol, and the option that it chooses of some choices."""

    sizes: Mapping[str, int]
    options: Mapping[str, str]


def read_json(path: Path) -> Mapping[str, Any]:
    """Read the object of a config.json; what is none, or far too large, is a UserError."""
    try:
        text = path.read_bytes()
        if len(text) > _LARGEST:
            raise UserError(f"{path}: is {len(text)} bytes, no config.json is; give the network's own")
        config = json.loads(text.decode("utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: no readable JSON: {getattr(error, 'strerror', None) or error}") from error
    if not isinstance(config, dict):
        raise UserError(f"{path}: expected a JSON object with the network's sizes")
    return config


def find_config(name: str | Path) -> Path:
    """Return a config.json by its path, its folder, or the id of a checkpoint in the local cache of the hub."""
    path = Path(name)
    if path.is_dir():
        return path / "config.json"
    if path.is_file() or not _HUB_ID.fullmatch(str(name)):
        return path
    folder = _hub() / f"models--{str(name).replace('/', '--')}"
    snapshots = sorted(folder.glob("snapshots/*/config.json"), key=lambda file: file.stat().st_mtime)
    if not snapshots:
        raise UserError(f"--config {name}: no such file, and no such checkpoint in the hub's cache {_hub()}")
    return snapshots[-1]


def _hub() -> Path:
    """Return the folder of the hub's cache, as its own client finds it."""
    if cache := os.environ.get("HF_HUB_CACHE"):
        return Path(cache)
    home = os.environ.get("HF_HOME")
    return (Path(home) if home else Path.home() / ".cache" / "huggingface") / "hub"


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
        options |= reader.chosen(key, by_value)
    return Config(sizes=sizes, options=options)


@frozen(kw_only=True)
class ConfigFile:
    """A config.json, as outputs speak of it.

    Attributes
    ----------
    file, model_type : str, str or None
        Its name, and what it calls the network.
    index, stored_bytes : str or None, int or None
        The index of safetensors beside it, and the bytes of all tensors that it states.
    """

    file: str
    model_type: str | None
    index: str | None
    stored_bytes: int | None


_INDEX = "model.safetensors.index.json"


def config_file(path: Path) -> ConfigFile:
    """Say of a config.json what outputs say of it; an index beside it that cannot be read is a UserError."""
    index = path.parent / _INDEX
    stored = read_json(index).get("metadata") if index.is_file() else None
    size = stored.get("total_size") if isinstance(stored, dict) else None
    if index.is_file() and (isinstance(size, bool) or not isinstance(size, int)):
        raise UserError(
            f"{index}: metadata.total_size: expected the bytes of all tensors, found {size!r}; drop the file"
        )
    said = read_json(path).get("model_type")
    return ConfigFile(
        file=path.name,
        model_type=said if isinstance(said, str) else None,
        index=index.name if index.is_file() else None,
        stored_bytes=size,
    )


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
            self.m_sizes[name] = self._read(name, quantity)
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
            return sum(entry == quantity.count for entry in said)
        items = sorted({entry for entry in said if isinstance(entry, int) and not isinstance(entry, bool)})
        if len(items) < len({str(entry) for entry in said}):
            raise UserError(f"{self.m_path}: {key}: expected a list of whole numbers, found {said!r}")
        scope = {name: self._needed(name) for name in names(quantity.where) - {"item"}}
        return sum(bool(self._value(key, quantity.where, {**scope, "item": item})) for item in items)

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
