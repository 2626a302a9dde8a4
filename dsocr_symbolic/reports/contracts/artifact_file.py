"""Artifacts in files, JSON or YAML by suffix: read strictly, written whole or not at all."""

import json
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.reports.contracts.checks import check_operator_list, check_report
from dsocr_symbolic.reports.contracts.conversion import structure, unstructure
from dsocr_symbolic.reports.contracts.model_report import SCHEMA_VERSION, AnalyticModelReport
from dsocr_symbolic.reports.contracts.operator_list import TargetOperatorList
from dsocr_symbolic.writing.files import written_whole

T = TypeVar("T")
# Items of a list that are written at once.
_AT_ONCE = 200


def load_report(path: Path) -> AnalyticModelReport:
    """Read a report, which must be of this schema version and agree with itself."""
    report = _load(path, AnalyticModelReport)
    check_report(report, str(path))
    return report


def write_report(report: AnalyticModelReport, path: Path, *, force: bool = False) -> None:
    """Check a report and write it; only ``force`` replaces a file that this version did not write."""
    check_report(report, str(path))
    _write(report, path, force=force)


def load_operator_list(path: Path) -> TargetOperatorList:
    """Read an operator list, which must be of this schema version and agree with itself."""
    operators = _load(path, TargetOperatorList)
    check_operator_list(operators, str(path))
    return operators


def write_operator_list(operators: TargetOperatorList, path: Path, *, force: bool = False) -> None:
    """Check an operator list and write it; only ``force`` replaces a file that this version did not write."""
    check_operator_list(operators, str(path))
    _write(operators, path, force=force)


def to_text(artifact: Any, suffix: str) -> str:
    """Write any artifact as JSON (``.json``) or YAML text; reading it back gives an equal artifact."""
    data = unstructure(artifact)
    if suffix == ".json":
        # Joined at once, its millions of pieces take ten times the room of the text.
        buffer = StringIO()
        json.dump(data, buffer, indent=1, ensure_ascii=False, allow_nan=False)
        return buffer.getvalue() + "\n"
    return _to_yaml(data)


def read_plain(path: Path) -> Any:
    """Read a JSON or YAML file as plain data; one that is cut off, repeats a key or holds no JSON is refused."""
    if _suffix(path) != ".json":
        from dsocr_symbolic.language.strict_yaml import read_yaml

        return read_yaml(path)
    try:
        text = path.read_text(encoding="utf-8")
        return json.loads(text, object_pairs_hook=_without_repeats, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise UserError(f"{path}: line {error.lineno}: no complete JSON: {error.msg}; write the file anew") from error
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error


def _load(path: Path, kind: type[T]) -> T:
    data = read_plain(path)
    if not isinstance(data, dict) or "schema_version" not in data:
        raise UserError(f"{path}: no {kind.__name__}: it has no schema_version")
    version = data["schema_version"]
    if version != SCHEMA_VERSION or not isinstance(version, int) or isinstance(version, bool):
        raise UserError(f"{path}: schema_version {version!r} is not known; this program reads {SCHEMA_VERSION}")
    return structure(data, kind, str(path))


def _write(artifact: Any, path: Path, *, force: bool) -> None:
    text = to_text(artifact, _suffix(path))
    try:
        old = read_plain(path) if path.exists() and not force else {"schema_version": SCHEMA_VERSION}
    except UserError as error:
        raise UserError(f"{error}; not replaced without force") from error
    version = old.get("schema_version") if isinstance(old, dict) else None
    if version != SCHEMA_VERSION:
        raise UserError(f"{path}: schema_version {version!r}, not {SCHEMA_VERSION}; not replaced without force")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with written_whole(path) as draft:
            draft.write_text(text, encoding="utf-8")
    except (OSError, UnicodeEncodeError) as error:
        why = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: cannot be written: {why}; give another path") from error


def _suffix(path: Path) -> str:
    if path.suffix not in (".json", ".yaml", ".yml"):
        raise UserError(f"{path}: the name must end in .json, .yaml or .yml")
    return path.suffix


def _without_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    known = dict(pairs)
    if len(known) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key '{twice}' stands twice")
    return known


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _to_yaml(data: Any) -> str:
    import yaml

    base: Any = getattr(yaml, "CSafeDumper", yaml.SafeDumper)

    class Dumper(base):  # type: ignore[misc]
        """Quotes text that a strict reader would take for a number."""

    def text(dumper: Any, value: str) -> Any:
        style = None if value[:1].isalpha() else '"'
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Dumper.add_representer(str, text)

    def dumped(part: Any) -> str:
        return str(yaml.dump(part, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=120))

    if not isinstance(data, dict) or any(not isinstance(key, str) for key in data):
        return dumped(data)
    # A dumper lays a whole document out before it writes the first line: of long lists it gets a part at a time.
    texts = []
    for key, value in data.items():
        if isinstance(value, list) and len(value) > _AT_ONCE:
            texts.append(dumped({key: []}).replace(" []\n", "\n"))
            texts += [dumped(value[start : start + _AT_ONCE]) for start in range(0, len(value), _AT_ONCE)]
        else:
            texts.append(dumped({key: value}))
    return "".join(texts) or dumped(data)
