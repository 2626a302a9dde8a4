"""Take a network's sizes from a Hugging Face config.json."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.definition import Definition

_ABSENT = object()


def read_config(definition: Definition, path: Path) -> dict[str, int]:
    """Take the network's sizes, by symbol, from a Hugging Face config.json; refuse what formulas do not model."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: no readable JSON: {getattr(error, 'strerror', None) or error}") from error
    if not isinstance(config, dict):
        raise UserError(f"{path}: expected a JSON object with the network's sizes")
    constants = {}
    for name, quantity in definition.quantities.items():
        if not quantity.config:
            continue
        found = _config_value(config, quantity.config, path)
        if found is _ABSENT:
            raise UserError(f"{path}: the key '{quantity.config}' is missing; is it a config of {definition.name}?")
        if isinstance(found, bool) or not isinstance(found, int):
            raise UserError(f"{path}: {quantity.config}: expected a whole number, found {found!r}")
        constants[name] = found
    for key, expected in definition.config.items():
        found = _config_value(config, key, path)
        modelled = constants.get(expected, expected) if isinstance(expected, str) else expected
        if found is not _ABSENT and found != modelled:
            raise UserError(f"{path}: {key} = {json.dumps(found)} is not modelled; the formulas hold for {modelled!r}")
    return constants


def _config_value(config: Mapping[str, Any], key: str, path: Path) -> Any:
    """Return what the config says of a dotted key: at top level, where the network reads it, or of its decoder."""
    top = _dotted(config, key)
    below = _dotted(config.get("language_config") or {}, key)
    if key != "architectures" and _ABSENT not in (top, below) and top != below:
        raise UserError(f"{path}: {key} is {top!r} at top level and {below!r} under language_config; make them agree")
    return below if top is _ABSENT and key != "architectures" else top


def _dotted(config: Any, key: str) -> Any:
    value = config
    for part in key.split("."):
        if not isinstance(value, dict) or part not in value:
            return _ABSENT
        value = value[part]
    return value
