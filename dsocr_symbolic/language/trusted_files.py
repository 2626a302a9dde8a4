"""Cache files that are taken at their word: what this very user's interpreter left there, and nobody else could change.

Marshalled code runs without a look at what it does, and data stand for files that are no longer read. So a file counts
only if it is plain, this user's own, and not open to others for writing, and if its header names what it is of, the
interpreter, and the hash of the rest. Anything else counts as absent, and what it held is made anew. Where the system
does not say whose a file is, as on Windows, none is kept.
"""

import contextlib
import hashlib
import marshal
import os
import stat
import sys
from pathlib import Path
from typing import Any

_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def load_trusted(path: Path, key: str) -> Any:
    """Return what was saved under a key; None if it is absent, damaged, another key's, or may be another's work."""
    if not hasattr(os, "geteuid"):
        return None
    try:
        # A link may lead to what another user chose.
        with open(path, "rb", opener=_without_links) as file:
            about = os.fstat(file.fileno())
            if not stat.S_ISREG(about.st_mode) or about.st_uid != os.geteuid() or about.st_mode & _OTHERS_WRITE:
                return None
            header, _, body = file.read().partition(b"\n")
        return marshal.loads(body) if header == _header(key, body) else None  # noqa: S302 - ours and whole, see above
    except (OSError, ValueError, EOFError, TypeError):
        return None


def save_trusted(path: Path, key: str, content: Any) -> None:
    """Write what marshal can hold, whole or not at all; a cache that cannot be written is no error."""
    if not hasattr(os, "geteuid"):
        return
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    with contextlib.suppress(OSError, ValueError):
        body = marshal.dumps(content)
        path.parent.mkdir(parents=True, exist_ok=True)
        draft.unlink(missing_ok=True)
        # Whatever the umask, nobody else may write to it.
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, stat.S_IRUSR | stat.S_IWUSR), "wb") as file:
            file.write(_header(key, body) + b"\n" + body)
        draft.replace(path)
    with contextlib.suppress(OSError):
        draft.unlink(missing_ok=True)


def _without_links(path: str, flags: int) -> int:
    # A pipe that somebody put there would have us wait.
    return os.open(path, flags | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))


def _header(key: str, body: bytes) -> bytes:
    interpreter = hashlib.sha256(f"{sys.implementation.cache_tag} {sys.version}".encode()).hexdigest()[:16]
    return f"dsocr_symbolic {key} {interpreter} {hashlib.blake2b(body).hexdigest()}".encode()
