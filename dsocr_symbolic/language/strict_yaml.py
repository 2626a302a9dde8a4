"""Read YAML strictly: what PyYAML would silently misread is an error."""

import re
from pathlib import Path
from typing import Any

import yaml

from dsocr_symbolic.errors import UserError

_Base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


_EXPONENT = re.compile(r"[-+]?([0-9][0-9_]*(\.[0-9_]*)?|\.[0-9_]+)[eE][-+]?[0-9]+")


_PLAIN_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9_]{0,30})")


_WORDS_READ_AS_BOOLEANS = {"yes", "no", "on", "off", "y", "n"}


class _StrictLoader(_Base):  # type: ignore[misc]
    """A safe loader that refuses duplicate keys, word booleans and numbers read as text."""

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        """Build a mapping whose keys are all different."""
        seen: dict[Any, int] = {}
        for key_node, _ in node.value:
            key = self.construct_object(key_node, deep=True)
            line = key_node.start_mark.line + 1
            if isinstance(key, bool) or not isinstance(key, str | int):
                raise _RefusedError(line, f"the key {key!r} is not a word")
            if key in seen:
                raise _RefusedError(line, f"the key '{key}' stands twice (first on line {seen[key]})")
            seen[key] = line
        result: dict[Any, Any] = super().construct_mapping(node, deep)
        return result


class _RefusedError(Exception):
    """A line that YAML would accept and misread."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line


def _refuse_word_booleans(_: Any, node: Any) -> bool:
    if node.value.lower() in _WORDS_READ_AS_BOOLEANS:
        reason = f"'{node.value}' would be read as a boolean; quote it, or write true/false"
        raise _RefusedError(node.start_mark.line + 1, reason)
    return bool(node.value.lower() == "true")


def _refuse_text_numbers(_: Any, node: Any) -> str:
    if not node.style and _EXPONENT.fullmatch(node.value):
        reason = f"'{node.value}' would be read as text; write the exponent as in 3.35e+12"
        raise _RefusedError(node.start_mark.line + 1, reason)
    return str(node.value)


def _refuse_odd_integers(_: Any, node: Any) -> int:
    if not _PLAIN_INTEGER.fullmatch(node.value):
        shown = node.value[:40]
        reason = f"'{shown}' would be read as a number of another base, or is too long; write plain digits, or quote it"
        raise _RefusedError(node.start_mark.line + 1, reason)
    return int(node.value.replace("_", ""))


def _refuse_dates(_: Any, node: Any) -> str:
    raise _RefusedError(node.start_mark.line + 1, f"'{node.value}' would be read as a date; quote it")


_StrictLoader.add_constructor("tag:yaml.org,2002:bool", _refuse_word_booleans)


_StrictLoader.add_constructor("tag:yaml.org,2002:str", _refuse_text_numbers)


_StrictLoader.add_constructor("tag:yaml.org,2002:int", _refuse_odd_integers)


_StrictLoader.add_constructor("tag:yaml.org,2002:timestamp", _refuse_dates)


def read_yaml(path: Path) -> Any:
    """Read one YAML file.

    Parameters
    ----------
    path : Path
        A UTF-8 file with one document.

    Returns
    -------
    dict, list, str, int, float, bool or None
        The plain data.

    Raises
    ------
    UserError
        If the file cannot be read, is not YAML, repeats a key, or holds a value that YAML
        would misread: ``no``/``on`` (booleans), ``3.35e12`` (text), ``2024-01-01`` (a date).
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8 text'}") from error
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a subclass of the safe loader
    except _RefusedError as error:
        raise UserError(f"{path}: line {error.line}: {error}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise UserError(f"{path}: {where}{reason}") from error
