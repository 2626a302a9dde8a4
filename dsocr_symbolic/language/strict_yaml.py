"""Read YAML strictly: what PyYAML would silently misread is an error."""

import hashlib
import marshal
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from functools import cache
from importlib.machinery import PathFinder
from pathlib import Path
from typing import Any

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.trusted_files import load_trusted, save_trusted
from dsocr_symbolic.paths import cache_folder

_EXPONENT = r"[-+]?([0-9][0-9_]*(\.[0-9_]*)?|\.[0-9_]+)[eE][-+]?[0-9]+"
_PLAIN_INTEGER = r"[-+]?(0|[1-9][0-9_]{0,30})"
_WORDS_READ_AS_BOOLEANS = {"yes", "no", "on", "off", "y", "n"}


@cache
def _loader() -> Any:
    """Return what reads: a safe loader that refuses duplicate keys, word booleans and numbers read as text."""
    import yaml

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class StrictLoader(base):  # type: ignore[misc]
        def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
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

    for kind, constructor in {"bool": _boolean, "str": _text, "int": _integer, "timestamp": _date}.items():
        StrictLoader.add_constructor(f"tag:yaml.org,2002:{kind}", constructor)
    return StrictLoader


def _refusal(node: Any, reason: str) -> Exception:
    from yaml.constructor import ConstructorError

    refused: Exception = ConstructorError(problem=reason, problem_mark=node.start_mark)
    return refused


def _boolean(_: Any, node: Any) -> bool:
    if node.value.lower() in _WORDS_READ_AS_BOOLEANS:
        raise _refusal(node, f"'{node.value}' would be read as a boolean; quote it, or write true/false")
    return bool(node.value.lower() == "true")


def _text(_: Any, node: Any) -> str:
    if not node.style and re.fullmatch(_EXPONENT, node.value):
        raise _refusal(node, f"'{node.value}' would be read as text; write the exponent as in 3.35e+12")
    return str(node.value)


def _integer(_: Any, node: Any) -> int:
    if not re.fullmatch(_PLAIN_INTEGER, node.value):
        why = "would be read as a number of another base, or is too long; write plain digits, or quote it"
        raise _refusal(node, f"'{node.value[:40]}' {why}")
    return int(node.value.replace("_", ""))


def _date(_: Any, node: Any) -> str:
    raise _refusal(node, f"'{node.value}' would be read as a date; quote it")


_STANDING_IN: dict[Path, Any] = {}


@contextmanager
def standing_in(path: Path, content: Any) -> Iterator[None]:
    """Let content stand for that of a file meanwhile, as a mutant of it does."""
    _STANDING_IN[path] = content
    try:
        yield
    finally:
        del _STANDING_IN[path]


def is_standing_in() -> bool:
    """Say whether some content stands for that of a file."""
    return bool(_STANDING_IN)


def read_yaml(path: Path) -> Any:
    """Read a UTF-8 file of one document as plain data.

    What YAML would misread is an error: ``no``/``on`` (booleans), ``3.35e12`` (text), ``2024-01-01`` (a date), a key
    that stands twice.
    """
    if path in _STANDING_IN:
        return _STANDING_IN[path]
    try:
        content = path.read_bytes()
        text = content.decode("utf-8").replace("\r\n", "\n").replace("\r", "\n")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or 'not UTF-8 text'}") from error
    digest = hashlib.blake2b(content, digest_size=16).digest()
    _take()
    if digest in _RECALLED:
        return marshal.loads(_RECALLED[digest])  # noqa: S302 - of a file that was trusted, or made here
    document = _parsed(text, path)
    _NEW[digest] = document
    return document


def _parsed(text: str, path: Path) -> Any:
    import yaml

    try:
        return yaml.load(text, Loader=_loader())  # noqa: S506 - a subclass of the safe loader
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        reason = getattr(error, "problem", None) or str(error).splitlines()[0]
        raise UserError(f"{path}: {where}{reason}") from error


# Documents by the hash of their bytes: marshalled, as an earlier start left them, and those that were read since.
_RECALLED: dict[bytes, bytes] = {}
_NEW: dict[bytes, Any] = {}
_MOST = 1000


_WAITING: list[Path] = []


def recall_documents() -> None:
    """Take what earlier starts read: a file whose bytes are the same need not be read as YAML again.

    That waits for the first file that is read.
    """
    _WAITING.append(cache_folder() / "documents")


def _take() -> None:
    while _WAITING:
        _RECALLED.update(load_trusted(_WAITING.pop(), _key()) or {})


def keep_documents() -> None:
    """Leave what was read to later starts; of a great many the last."""
    if not _NEW:
        return
    for digest, document in _NEW.items():
        with suppress(ValueError):
            _RECALLED[digest] = marshal.dumps(document)
    _NEW.clear()
    save_trusted(cache_folder() / "documents", _key(), dict([*_RECALLED.items()][-_MOST:]))


@cache
def _key() -> str:
    """Hash what documents are read with: this file, and PyYAML by its place and time."""
    library = PathFinder.find_spec("yaml")
    origin = Path(library.origin) if library and library.origin else Path(__file__)
    said = f"{origin} {origin.stat().st_mtime_ns}".encode()
    return hashlib.sha256(Path(__file__).read_bytes() + said).hexdigest()[:32]
