"""What files were read as, kept between starts: networks, machines and shared formulas by the bytes that they are of.

They are pickled, which can run anything, so they count only from :mod:`~dsocr_symbolic.language.trusted_files`. A
command line keeps those that it used under its own words for the network; Python reads the files.
"""

import hashlib
import io
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeVar

from attrs import define, field

from dsocr_symbolic.language.expression import keep_names, known_names
from dsocr_symbolic.language.strict_yaml import is_standing_in
from dsocr_symbolic.language.trusted_files import load_trusted, save_trusted
from dsocr_symbolic.paths import PACKAGE, cache_folder

T = TypeVar("T")
# Objects of one file; those of a great many GPUs are read again.
_MOST = 64
_CODE = ("language", "scenario", "algebras")


@define
class _Kept:
    """What is known by its digest, pickled where it is apart; what was asked for; the file, none where nobody asked."""

    place: Path | None = None
    known: dict[bytes, Any] = field(factory=dict)
    apart: set[bytes] = field(factory=set)
    asked: dict[bytes, Any] = field(factory=dict)
    made: bool = False


_KEPT = _Kept()


def read_as(kind: str, files: Iterable[Path], make: Callable[[], T], *, apart: bool = False) -> T:
    """Return what files are read as: as they were before where their places and bytes are the same, else made.

    What few starts ask for is kept ``apart``, and unpickled where it is asked for.
    """
    if _KEPT.place is None or is_standing_in():
        return make()
    digest = hashlib.blake2b(kind.encode(), digest_size=16)
    try:
        for path in files:
            digest.update(f"\0{path}\0".encode() + path.read_bytes())
    except OSError:
        # Who reads it says what is wrong with it.
        return make()
    key = digest.digest()
    if key not in _KEPT.known:
        _KEPT.known[key] = make()
        _KEPT.made = True
        for known in (_KEPT.known, _KEPT.asked):
            if len(known) > _MOST:
                del known[next(iter(known))]
    if isinstance(_KEPT.known[key], bytes):
        import pickle

        _KEPT.known[key] = pickle.loads(_KEPT.known[key])  # noqa: S301 - of a file that was trusted
    _KEPT.apart |= {key} if apart else set()
    found: T = _KEPT.known[key]
    _KEPT.asked[key] = found
    return found


def recall_objects(words: Iterable[str]) -> None:
    """Take what earlier starts with the same words for a network read."""
    digest = hashlib.sha256("\0".join((str(Path.cwd()), *words)).encode()).hexdigest()[:32]
    _KEPT.place = cache_folder() / f"{digest}.objects"
    body = load_trusted(_KEPT.place, _key())
    if body is None:
        return
    import pickle

    try:
        known, names = pickle.loads(body)  # noqa: S301 - of a file that was trusted
    except Exception:  # noqa: BLE001 - whatever a class that has changed raises: they are read again
        return
    _KEPT.known.update(known)
    keep_names(names)


def keep_objects() -> None:
    """Leave what was read to later starts: what this one asked for, and of the rest as many as there is room for."""
    if not _KEPT.made or _KEPT.place is None:
        return
    latest = [*({**_KEPT.known, **_KEPT.asked}).items()][-_MOST:]
    try:
        kept = {key: _pickled(each) if key in _KEPT.apart else each for key, each in latest}
        body = _pickled((kept, known_names()))
    except (TypeError, AttributeError, ValueError, RecursionError):
        # What cannot be pickled is read again.
        return
    save_trusted(_KEPT.place, _key(), body)
    _KEPT.made = False


def _pickled(content: Any) -> bytes:
    import pickle

    buffer = io.BytesIO()
    pickler = pickle.Pickler(buffer, protocol=5)
    pickler.dispatch_table = {MappingProxyType: _read_only}  # type: ignore[assignment]
    pickler.dump(content)
    return buffer.getvalue()


def _read_only(mapping: Mapping[str, Any]) -> tuple[Any, ...]:
    return MappingProxyType, (dict(mapping),)


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
