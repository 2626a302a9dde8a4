"""Functions that a C compiler made, kept as libraries: loaded only where they are this user's own and whole.

Floating point is strict: nothing is reordered, nothing contracted. What was kept is loaded through the very file that
was checked, and a library of another source, compiler or user, or one that is damaged, is compiled anew.
"""

import ctypes
import hashlib
import os
import platform
import shutil
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from dsocr_symbolic.errors import UserError, one_line
from dsocr_symbolic.evaluation.c_source import NotElementwiseError, c_source
from dsocr_symbolic.evaluation.generated import Run
from dsocr_symbolic.language.trusted_files import load_trusted, save_trusted
from dsocr_symbolic.paths import cache_folder

_FLAGS = ("-O3", "-fno-fast-math", "-ffp-contract=off", "-fno-math-errno", "-fno-trapping-math", "-fPIC", "-shared")
_SECONDS = 300
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH
_ONE_AT_A_TIME = threading.Lock()


def compiler() -> str:
    """Return the C compiler, ``cc`` or what ``CC`` names; a UserError where there is none."""
    named = os.environ.get("CC") or "cc"
    found = shutil.which(named)
    if found is None or not hasattr(os, "geteuid"):
        raise UserError(f"backend c: there is no C compiler '{named}'; install one, or leave the backend numpy")
    return found


def on_blocks(source: str, otherwise: Run) -> Run:
    """Return a function of generated source of one row that C works out; of axes that stay apart it is ``otherwise``.

    So is one with operations that numpy does not round as C does, such as powers and sums over steps.
    """
    try:
        text, symbols, count = c_source(source)
    except NotElementwiseError:
        return otherwise
    if not symbols or not count:
        return otherwise
    # Several threads may ask first: one of them compiles.
    with _ONE_AT_A_TIME:
        native = _library(text)

    def run(values: Mapping[str, Any]) -> tuple[tuple[Any, ...], ...]:
        given = [np.asarray(values[name], dtype=np.float64) for name in symbols]
        points = max((each.size for each in given if each.ndim), default=0)
        if not points or any(each.ndim > 1 or each.size not in (1, points) for each in given):
            return otherwise(values)
        inputs = [np.ascontiguousarray(each) for each in given]
        outputs = np.empty((count, points))
        pointers = (ctypes.c_void_p * len(inputs))(*(each.ctypes.data for each in inputs))
        steps = (ctypes.c_long * len(inputs))(*(int(each.size > 1) for each in inputs))
        rooms = (ctypes.c_void_p * count)(*(row.ctypes.data for row in outputs))
        native(points, pointers, steps, rooms)
        return (tuple(outputs),)

    return run


@lru_cache(maxsize=64)
def _library(text: str) -> Callable[..., None]:
    """Return the function of C source, from the cache folder where that is good, else compiled."""
    tool = compiler()
    about = Path(tool).stat()
    said = f"{text}{tool} {about.st_size} {about.st_mtime_ns} {_FLAGS} {sys.platform} {platform.machine()}"
    key = hashlib.sha256(said.encode()).hexdigest()[:32]
    path = cache_folder() / f"{key}.so"
    loaded = _loaded(path, load_trusted(path.with_suffix(".native"), key))
    if loaded is None:
        digest, loaded = _compile(tool, text, path)
        save_trusted(path.with_suffix(".native"), key, digest)
    if loaded is None:
        raise UserError(f"backend c: {path} cannot be loaded; set DSOCR_CACHE to a folder of your own, or take numpy")
    function: Callable[..., None] = loaded.run
    loaded.run.argtypes = (ctypes.c_long, *[ctypes.c_void_p] * 3)
    loaded.run.restype = None
    return function


def _loaded(path: Path, digest: Any) -> ctypes.CDLL | None:
    """Load a library whose bytes have a hash, if it is this user's own; None otherwise."""
    try:
        file = os.open(path, os.O_RDONLY | os.O_NOFOLLOW)
    except OSError:
        return None
    loaded = _checked(file, path, digest)
    # It stays open: the loader knows libraries by their names, and another one must not get this one's.
    if loaded is None:
        os.close(file)
    return loaded


def _checked(file: int, path: Path, digest: Any) -> ctypes.CDLL | None:
    about = os.fstat(file)
    if not stat.S_ISREG(about.st_mode) or about.st_uid != os.geteuid() or about.st_mode & _OTHERS_WRITE:
        return None
    with os.fdopen(os.dup(file), "rb") as opened:
        if hashlib.sha256(opened.read()).hexdigest() != digest:
            return None
    # Nobody can put another file in the place of an open one.
    through = Path(f"/proc/self/fd/{file}")
    try:
        return ctypes.CDLL(str(through if through.exists() else path))
    except OSError:
        return None


def _compile(tool: str, text: str, path: Path) -> tuple[str, ctypes.CDLL | None]:
    """Compile a library, whole or not at all; return the hash of its bytes, and it loaded."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        command = [tool, *_FLAGS, "-x", "c", "-", "-o", str(draft), "-lm"]
        ran = subprocess.run(command, input=text, text=True, capture_output=True, timeout=_SECONDS, check=False)  # noqa: S603 - the user's compiler
        if ran.returncode:
            raise UserError(f"backend c: {tool} fails: {one_line(ran.stderr[-200:])}; leave the backend numpy")
        draft.chmod(stat.S_IRUSR | stat.S_IWUSR)
        digest = hashlib.sha256(draft.read_bytes()).hexdigest()
        # Another process may put its own in the place at the same time.
        loaded = _loaded(draft, digest)
        draft.replace(path)
    except (OSError, subprocess.SubprocessError) as error:
        raise UserError(f"backend c: {one_line(str(error))}; leave the backend numpy") from error
    finally:
        draft.unlink(missing_ok=True)
    return digest, loaded
