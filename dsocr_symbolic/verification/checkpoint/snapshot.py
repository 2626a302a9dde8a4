"""The checkpoint's own code as the judge: what would run, and what it counts; reading it runs nothing."""

import ast
import hashlib
from pathlib import Path

from attrs import frozen

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.scenario.configs import read_config

CONFIG = "config.json"
ENTRY = "modeling_deepseekocr"
"""The module that defines the network; everything else is what it imports."""


@frozen(kw_only=True)
class Snapshot:
    """A checkpoint's folder, read once: what is shown is what is run.

    Attributes
    ----------
    folder : Path
        Where it lies.
    constants : dict of str to int
        The network's sizes, by symbol.
    config : bytes
        Its config.json.
    sources : dict of str to bytes
        Code by module name, the entry first.
    """

    folder: Path
    constants: dict[str, int]
    config: bytes
    sources: dict[str, bytes]


def read_snapshot(folder: Path) -> Snapshot:
    """Read a checkpoint's config and the code that its network needs, no weights; none of it is run."""
    if not folder.is_dir():
        raise UserError(
            f"{folder}: no such folder; --checkpoint takes a local snapshot with {CONFIG} and its .py files"
        )
    config = folder / CONFIG
    if not config.is_file():
        raise UserError(f"{folder}: no checkpoint, for it has no {CONFIG}; give the folder of a snapshot")
    constants = dict(read_config(default_definition(None), config).sizes)
    return Snapshot(folder=folder, constants=constants, config=_bytes(config), sources=_sources(folder))


def _sources(folder: Path) -> dict[str, bytes]:
    """Follow the relative imports, as the library does that would load the checkpoint."""
    sources: dict[str, bytes] = {}
    wanted = {ENTRY: CONFIG}
    while wanted:
        name, wanted_by = wanted.popitem()
        path = folder / f"{name}.py"
        if not path.is_file():
            raise UserError(
                f"{folder}: {name}.py is missing, which {wanted_by} needs; download the snapshot's .py files"
            )
        sources[name] = _bytes(path)
        wanted |= {other: path.name for other in _relative_imports(path, sources[name]) if other not in sources}
    return sources


def _relative_imports(path: Path, source: bytes) -> list[str]:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise UserError(f"{path}: no Python: {error}") from error
    modules: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level:
            names = [node.module] if node.module else [alias.name for alias in node.names]
            if node.level > 1 or any("." in name for name in names):
                raise UserError(
                    f"{path}: line {node.lineno} imports from outside the folder or below it; not supported"
                )
            modules += names
    return modules


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f"{path}: {error.strerror}") from error


def checkpoint_plan(folder: Path) -> list[str]:
    """Say what code would run, a line per file, the entry first: name, size, SHA-256."""
    sources = read_snapshot(folder).sources
    width = max(len(name) for name in sources) + len(".py")
    return [
        f"{name + '.py':{width}}  {len(source):>8,} bytes  sha256 {hashlib.sha256(source).hexdigest()}"
        for name, source in sources.items()
    ]
