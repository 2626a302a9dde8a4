"""Model files that extend one another: what is read of one is put over what is read of the other."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.strict_yaml import read_yaml
from dsocr_symbolic.paths import data_files, find_file


def bases(path: Path) -> Iterator[Path]:
    """Yield the model files that one extends, the nearest first."""
    seen = [path]
    while path.is_file() and (named := _EXTENDS.search(path.read_text(encoding="utf-8", errors="replace"))):
        path = find_file("formulas/models", named[1], "model")
        if path in seen:
            raise UserError(f"{seen[0]}: extends: {' -> '.join(each.stem for each in (*seen, path))}: a circle")
        seen.append(path)
        yield path


_EXTENDS = re.compile(r"^extends: *([\w.-]+) *(?:#.*)?$", re.MULTILINE)


def whole(path: Path) -> Any:
    """Read a model file, put over the one that it extends: mappings by key, rules add up, null takes a key away."""
    raw = read_yaml(path)
    if not isinstance(raw, dict) or "extends" not in raw:
        return raw
    return _over(whole(find_file("formulas/models", str(raw["extends"]), "model")), raw)


# Lists that add up; all others are replaced.
_ADDING = ("rules", "warnings")


def _over(base: Any, raw: Any) -> Any:
    """Put a mapping over another one, in the order of that."""
    if not isinstance(base, dict) or not isinstance(raw, dict):
        return raw
    whole = {key: value for key, value in base.items() if key not in raw or raw[key] is not None}
    for key, value in raw.items():
        if (value is None and key in base) or key == "extends":
            continue
        if key in _ADDING and key in base:
            whole[key] = [*base[key], *value]
        else:
            whole[key] = _over(base.get(key), value)
    return whole


@cache
def sizes_of_networks() -> frozenset[str]:
    """Return the constants of any network, and what their choices set: a layer may leave these to the network."""
    found: set[str] = set()
    for path in data_files("formulas/models").values():
        try:
            raw = whole(path)
            choices = raw.get("choices", {}).values()
            options = [option for choice in choices for option in choice["options"].values()]
            found |= {*raw["constants"], *(symbol for option in options for symbol in option.get("symbols", ()))}
        except (UserError, KeyError, TypeError, AttributeError):
            # What is wrong with a model file is said where it is asked for.
            continue
    return frozenset(found)
