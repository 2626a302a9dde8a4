"""What files were read as, kept between starts: networks, machines and shared formulas by the bytes that they are of.

They are pickled, which can run anything, so they count only from :mod:`~dsocr_symbolic.language.trusted_files`. A
command line keeps those that it used under its own words for the network; Python reads the files.
"""

import hashlib
import io
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from attrs import define, field

from dsocr_symbolic.language.expression import keep_names, known_names
from dsocr_symbolic.language.strict_yaml import is_standing_in
from dsocr_symbolic.language.trusted_files import load_trusted, save_trusted
from dsocr_symbolic.paths import PACKAGE, cache_folder

T = TypeVar("T")
_CODE = ("language", "scenario", "algebras")


@define
class _Kept:
    """What is known by its digest, and what of that was asked for; the file that it goes to, none where nobody asked.

    What few starts ask for lies ``apart``, in a file of its own: each is unpickled where it is asked for.
    """

    place: Path | None = None
    known: dict[bytes, Any] = field(factory=dict)
    asked: dict[bytes, Any] = field(factory=dict)
    made: bool = False


_TOGETHER, _APART = _Kept(), _Kept()
# What lies apart, pickled, once somebody has asked for some of it.
_WAITING: dict[bytes, bytes] = {}
_MOST = {id(_TOGETHER): 64, id(_APART): 1000}


def read_as(kind: str, files: Iterable[Path], make: Callable[[], T], *, apart: bool = False) -> T:
    """Return what files are read as: as they were before where their places and bytes are the same, else made.

    What few starts ask for is kept ``apart``.
    """
    kept = _APART if apart else _TOGETHER
    if kept.place is None or is_standing_in():
        return make()
    digest = hashlib.blake2b(kind.encode(), digest_size=16)
    try:
        for path in files:
            digest.update(f"\0{path}\0".encode() + path.read_bytes())
    except OSError:
        # Who reads it says what is wrong with it.
        return make()
    key = digest.digest()
    if key not in kept.known:
        found = _unpickled(key) if apart else None
        kept.made |= found is None
        kept.known[key] = make() if found is None else found
        _forget(kept)
    kept.asked[key] = kept.known[key]
    known: T = kept.known[key]
    return known


def _forget(kept: _Kept) -> None:
    """Drop the oldest where there are too many."""
    for known in (kept.known, kept.asked):
        if len(known) > _MOST[id(kept)]:
            del known[next(iter(known))]


def _unpickled(key: bytes) -> Any:
    """Return what lies apart; None if nothing does."""
    import pickle

    if not _APART.known and not _WAITING and _APART.place is not None:
        _WAITING.update(load_trusted(_APART.place, _key()) or {})
    try:
        return pickle.loads(_WAITING[key]) if key in _WAITING else None  # noqa: S301 - of a file that was trusted
    except Exception:  # noqa: BLE001 - whatever a class that has changed raises: it is read again
        return None


def recall_objects(words: Iterable[str]) -> None:
    """Take what earlier starts with the same words for a network read."""
    try:
        # What the words mean is told by the folder that they are said in.
        said = "\0".join((str(Path.cwd()), *words))
    except OSError:
        return
    digest = hashlib.sha256(said.encode()).hexdigest()[:32]
    _TOGETHER.place, _APART.place = (cache_folder() / f"{digest}.{ending}" for ending in ("objects", "formulas"))
    body = load_trusted(_TOGETHER.place, _key())
    if body is None:
        return
    import pickle

    try:
        known, names = pickle.loads(body)  # noqa: S301 - of a file that was trusted
    except Exception:  # noqa: BLE001 - whatever a class that has changed raises: they are read again
        return
    _TOGETHER.known.update(known)
    keep_names(names)


def keep_objects() -> None:
    """Leave what was read to later starts: what this one asked for, and of the rest as many as there is room for."""
    if not _TOGETHER.made and not _APART.made:
        return
    import pickle

    # What cannot be pickled is read again.
    with suppress(pickle.PicklingError, TypeError, AttributeError, ValueError, RecursionError):
        if _TOGETHER.made and _TOGETHER.place is not None:
            save_trusted(_TOGETHER.place, _key(), _pickled((_TOGETHER.known | _TOGETHER.asked, known_names())))
            _TOGETHER.made = False
        if _APART.made and _APART.place is not None:
            pickled = {key: _pickled(each) for key, each in _APART.asked.items() if key not in _WAITING}
            latest = [*(_WAITING | pickled).items()][-_MOST[id(_APART)] :]
            save_trusted(_APART.place, _key(), dict(latest))
            _APART.made = False


def _pickled(content: Any) -> bytes:
    import pickle

    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, protocol=5)
    pickler.dispatch_table = {MappingProxyType: _read_only}
    pickler.dump(content)
    return buffer.getvalue()


def _read_only(mapping: Mapping[str, Any]) -> tuple[Any, ...]:
    return _read_only_again, (dict(mapping),)


def _read_only_again(content: dict[str, Any]) -> Mapping[str, Any]:
    return MappingProxyType(content)


def _key() -> str:
    """Hash what they are read with, as an interpreter knows its own bytecode: by place, time and size of the code."""
    digest = hashlib.sha256(f"{sys.version} {PACKAGE}".encode())
    folders = [*(str(PACKAGE / name) for name in _CODE), str(Path(sys.modules["attr"].__file__ or "").parent)]
    for folder in folders:
        for entry in sorted(_python_files(folder), key=lambda each: each.path):
            about = entry.stat()
            digest.update(f"{entry.path} {about.st_mtime_ns} {about.st_size}\0".encode())
    return digest.hexdigest()[:32]


def _python_files(folder: str) -> Iterable["os.DirEntry[str]"]:
    for entry in os.scandir(folder):
        if entry.name.endswith(".py"):
            yield entry
        elif entry.name == "files":
            yield from _python_files(entry.path)
