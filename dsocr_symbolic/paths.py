"""Where the data files lie: in a checkout, in a wheel, and in the user's own folders."""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from dsocr_symbolic.errors import UserError, nearest

if TYPE_CHECKING:
    import hashlib

PACKAGE = Path(__file__).resolve().parent


def _own_folder(kind: str) -> Path:
    """Return our own folder of this kind: inside a wheel, or beside the package in a checkout."""
    packaged = PACKAGE / "data" / kind
    return packaged if packaged.is_dir() else PACKAGE.parent / kind


_MORE_FOLDERS: list[Path] = []
_MORE_FILES: dict[str, list[Path]] = {}


@contextmanager
def besides(folders: Sequence[Path], files: Mapping[str, Sequence[Path]]) -> Iterator[None]:
    """Search some more folders meanwhile, and find some more files, by kind."""
    _MORE_FOLDERS.extend(folders)
    _MORE_FILES.update({kind: list(paths) for kind, paths in files.items()})
    try:
        yield
    finally:
        _MORE_FOLDERS.clear()
        _MORE_FILES.clear()


def user_folders() -> list[Path]:
    """Return the folders of ``DSOCR_PATH``; one that is none is a UserError."""
    folders = [Path(each) for each in os.environ.get("DSOCR_PATH", "").split(os.pathsep) if each]
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f"DSOCR_PATH: {folder} is not a folder; correct or unset the variable")
    return folders


def has_more_files() -> bool:
    """Say whether files besides our own are searched."""
    return bool(_MORE_FOLDERS or _MORE_FILES or user_folders())


def data_folders(kind: str) -> list[Path]:
    """List the folders that hold one kind of data file.

    Parameters
    ----------
    kind : str
        ``"formulas/operators"``, ``"formulas/models"``, ``"hardware"``, ``"templates"``, ...

    Returns
    -------
    list of Path
        The folders of ``DSOCR_PATH`` first, our own last; only those that exist.

    Raises
    ------
    UserError
        If ``DSOCR_PATH`` names a folder that does not exist.
    """
    top, _, below = kind.partition("/")
    candidates = [folder / kind for folder in (*user_folders(), *_MORE_FOLDERS)] + [_own_folder(top) / below]
    return [folder for folder in candidates if folder.is_dir()]


def is_ours(path: str | Path) -> bool:
    """Say whether a data file is one of our own, not a user's."""
    own = _own_beginnings(PACKAGE)
    # Most paths are spelled out already: asking the system for each of its folders takes time.
    spelled, above = str(path), f"{os.sep}{os.pardir}{os.sep}"
    if spelled.startswith(own) and above not in f"{spelled}{os.sep}" and not Path(path).is_symlink():
        return True
    return str(Path(path).resolve()).startswith(own)


@cache
def _own_beginnings(_: Path) -> tuple[str, ...]:
    return tuple(f"{_own_folder(kind)}{os.sep}" for kind in ("formulas", "hardware"))


def name_taken(name: str, first: str | Path, second: str | Path) -> UserError:
    """Say that two files share a name, a user's before one of our own, which nobody is to rename."""
    own, other = (first, second) if is_ours(second) and not is_ours(first) else (second, first)
    return UserError(f"{own}: the name '{name}' is taken by {other}; rename one of them")


def data_files(kind: str) -> dict[str, Path]:
    """Map the name (file stem) of every YAML file of one kind to its path.

    Parameters
    ----------
    kind : str
        As for :func:`data_folders`; sub-folders are searched too.

    Returns
    -------
    dict of str to Path
        Sorted by name.

    Raises
    ------
    UserError
        If two files share a name: neither may silently win.
    """
    found: dict[str, Path] = {}
    paths = [path for folder in data_folders(kind) for path in _yaml_files(folder)]
    for path in [*_MORE_FILES.get(kind, ()), *paths]:
        if path.stem in found:
            raise name_taken(path.stem, found[path.stem], path)
        found[path.stem] = path
    return dict(sorted(found.items()))


def _yaml_files(folder: Path) -> list[Path]:
    """List the YAML files at and below a folder in the order of their paths."""
    return sorted(
        Path(within, name) for within, _, names in os.walk(folder) for name in names if name.endswith(".yaml")
    )


def find_file(kind: str, name: str, noun: str) -> Path:
    """Find a data file by path or by name.

    Parameters
    ----------
    kind : str
        As for :func:`data_folders`.
    name : str
        A path (ends in ``.yaml`` or holds a separator and exists) or the stem of a known file.
    noun : str
        What to call it in an error: ``"GPU"``, ``"model"``, ...

    Returns
    -------
    Path
        The file.

    Raises
    ------
    UserError
        If there is no such file.
    """
    if name.endswith((".yaml", ".yml")):
        if not Path(name).is_file():
            raise UserError(f"{name}: no such {noun} file")
        return Path(name)
    files = data_files(kind)
    if name not in files:
        raise UserError(f"unknown {noun} '{name}': {nearest(name, files)}")
    return files[name]


def hash_files(digest: "hashlib._Hash", files: Iterable[Path]) -> None:
    """Add the names and contents of files to a digest; where they lie has no part in it."""
    for path in files:
        digest.update(path.name.encode() + b"\0" + path.read_bytes())


def cache_folder() -> Path:
    """Return the folder for compiled programs: ``DSOCR_CACHE``, or the user's cache folder."""
    if chosen := os.environ.get("DSOCR_CACHE"):
        return Path(chosen)
    import platformdirs

    return platformdirs.user_cache_path("dsocr_symbolic", appauthor=False)
