"""Read YAML strictly: what PyYAML would silently misread is an error."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
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
            if isinstance(key, bool) or not isinstance(key, str | int):
                raise _refusal(key_node, f"the key {key!r} is not a word")
            if key in seen:
                raise _refusal(key_node, f"the key '{key}' stands twice (first on line {seen[key]})")
            seen[key] = key_node.start_mark.line + 1
        result: dict[Any, Any] = super().construct_mapping(node, deep)
        return result


def _refusal(node: Any, reason: str) -> Exception:
    return yaml.constructor.ConstructorError(problem=reason, problem_mark=node.start_mark)


def _boolean(_: Any, node: Any) -> bool:
    if node.value.lower() in _WORDS_READ_AS_BOOLEANS:
        raise _refusal(node, f"'{node.value}' would be read as a boolean; quote it, or write true/false")
    return bool(node.value.lower() == "true")


def _text(_: Any, node: Any) -> str:
    if not node.style and _EXPONENT.fullmatch(node.value):
        raise _refusal(node, f"'{node.value}' would be read as text; write the exponent as in 3.35e+12")
    return str(node.value)


def _integer(_: Any, node: Any) -> int:
    if not _PLAIN_INTEGER.fullmatch(node.value):
        why = "would be read as a number of another base, or is too long; write plain digits, or quote it"
        raise _refusal(node, f"'{node.value[:40]}' {why}")
    return int(node.value.replace("_", ""))


def _date(_: Any, node: Any) -> str:
    raise _refusal(node, f"'{node.value}' would be read as a date; quote it")


for _kind, _constructor in {"bool": _boolean, "str": _text, "int": _integer, "timestamp": _date}.items():
    _StrictLoader.add_constructor(f"tag:yaml.org,2002:{_kind}", _constructor)


_STANDING_IN: dict[Path, Any] = {}


@contextmanager
def standing_in(path: Path, content: Any) -> Iterator[None]:
    """Let content stand for that of a file meanwhile, as a mutant of it does."""
    _STANDING_IN[path] = content
    try:
        yield
    finally:
        del _STANDING_IN[path]


def read_yaml(path: Path) -> Any:
    """Read a UTF-8 file of one document as plain data.

    What YAML would misread is an error: ``no``/``on`` (booleans), ``3.35e12`` (text), ``2024-01-01`` (a date), a key
    that stands twice.
    """
    if path in _STANDING_IN:
        return _STANDING_IN[path]
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8 text'}") from error
    try:
        return yaml.load(text, Loader=_StrictLoader)  # noqa: S506 - a subclass of the safe loader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise UserError(f"{path}: {where}{reason}") from error
