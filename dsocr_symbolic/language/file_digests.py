"""One word for the contents of many files, worked out once while places, times and sizes stay what they are.

As an interpreter knows its own bytecode: a file that was neither written nor replaced holds what it held. One that
changed a moment ago is read again at the next start, for a clock may stand still between two writes.
"""

import hashlib
import os
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

from dsocr_symbolic.language.trusted_files import load_trusted, save_trusted
from dsocr_symbolic.paths import cache_folder

_NAME = "digests"
_MOST = 50
# Nanoseconds after which a file's time tells it from one written before.
_SETTLED = 2 * 10**9


def files_below(folder: str, ending: str) -> Iterator["os.DirEntry[str]"]:
    """Yield the files at and below a folder whose names end so."""
    for entry in sorted(os.scandir(folder), key=lambda each: each.name):
        if entry.name.endswith(ending):
            yield entry
        elif entry.is_dir():
            yield from files_below(entry.path, ending)


def contents_digest(files: "Iterable[os.DirEntry[str] | Path]") -> str:
    """Return the hash of names and contents of files, in their order; where they lie has no part in it."""
    files = list(files)
    digest, newest = hashlib.blake2b(digest_size=16), 0
    for file in files:
        about = file.stat()
        newest = max(newest, about.st_mtime_ns, about.st_ctime_ns)
        said = f"{os.fspath(file)} {about.st_ino} {about.st_size} {about.st_mtime_ns} {about.st_ctime_ns}\0"
        digest.update(said.encode())
    stamp, place = digest.digest(), cache_folder() / _NAME
    known: dict[bytes, str] = load_trusted(place, _NAME) or {}
    if stamp in known:
        return known[stamp]
    contents = hashlib.sha256()
    for file in files:
        contents.update(file.name.encode() + b"\0" + Path(file).read_bytes())
    if newest < time.time_ns() - _SETTLED:
        known[stamp] = contents.hexdigest()
        save_trusted(place, _NAME, dict([*known.items()][-_MOST:]))
    return contents.hexdigest()
