"""Files beside a checkpoint: a config.json, an index of safetensors; where they lie, and what they hold."""

import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from dsocr_symbolic.errors import UserError

_LARGEST = 16 * 2**20
_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def read_json(path: Path) -> Mapping[str, Any]:
    """Read the object of a config.json; what is none, or far too large, is a UserError."""
    try:
        text = path.read_bytes()
        if len(text) > _LARGEST:
            raise UserError(f"{path}: is {len(text)} bytes, no config.json is; give the network's own")
        config = json.loads(text.decode("utf-8"), object_pairs_hook=_object)
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: no readable JSON: {_why(error)}") from error
    if not isinstance(config, dict):
        raise UserError(f"{path}: expected a JSON object with the network's sizes")
    return config


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its pairs; a key that stands there twice is a ValueError."""
    whole = dict(pairs)
    if len(whole) < len(pairs):
        keys = [key for key, _ in pairs]
        raise ValueError(f"the key {json.dumps(next(key for key in whole if keys.count(key) > 1))} stands there twice")
    return whole


def _why(error: Exception) -> str:
    """Say in a few words why a file cannot be read; a long number's own message speaks of Python."""
    if isinstance(error, RecursionError):
        return "it is nested too deep"
    if "integer string conversion" in str(error):
        return "a number has more than 4300 digits"
    return str(getattr(error, "strerror", None) or error)


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
