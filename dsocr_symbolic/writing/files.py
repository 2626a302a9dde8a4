"""Files and folders that appear whole or not at all, and what may be replaced."""

import contextlib
import glob
import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dsocr_symbolic.errors import UserError


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Offer a draft to write to; it becomes the file once it is complete and on the disk, and goes if writing fails."""
    with _draft(path) as draft:
        yield draft
        _sync(draft)
        draft.replace(path)
        # Not every platform lets a folder be synchronised; the file is whole without it.
        with contextlib.suppress(OSError):
            _sync(path.parent)


@contextmanager
def _draft(path: Path) -> Iterator[Path]:
    """Offer a name beside a path for its draft, which goes at last; those that dead processes left go at once."""
    for draft in path.parent.glob(f".{glob.escape(path.name)}.*.draft"):
        if not _is_running(draft.name.split(".")[-2]):
            remove(draft)
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        yield draft
    finally:
        remove(draft)


def _is_running(process: str) -> bool:
    """Whether a process may still be there; what names no process, or one of a platform that cannot tell, may."""
    if process.isdigit() and os.name == "posix":
        try:
            os.kill(int(process), 0)
        except (ProcessLookupError, OverflowError):
            return False
        except PermissionError:
            return True
    return True


def _sync(path: Path) -> None:
    """Wait until a file, or the entries of a folder, are on the disk."""
    handle = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove(path: Path) -> None:
    """Remove a file or a folder with all that it holds; nothing need be there."""
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def check_target(path: Path, *, force: bool, folder: bool = False) -> None:
    """Refuse early what could not be written late, and what is there unless forced; ``folder``: that may go, too."""
    if path.is_dir() and not folder:
        raise UserError(f"{path}: is a folder; name a file")
    if not path.parent.is_dir():
        raise UserError(f"{path}: {path.parent} is no folder; make it first")
    if path.exists() and not force:
        raise UserError(f"{path}: exists already; give --force to replace it")


def check_folder(folder: Path) -> None:
    """Make a folder, if it is not there; refuse one that nothing can be written into."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK | os.X_OK)
    except OSError as error:
        raise _unwritable(folder, error.strerror or str(error)) from error
    if not writable:
        raise _unwritable(folder, "permission denied")


def write_files(folder: Path, texts: Mapping[str, str]) -> None:
    """Write texts by their paths below a folder, which is made if need be; each whole or not at all."""
    try:
        for name, text in texts.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            with written_whole(folder / name) as draft:
                draft.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise _unwritable(folder, error.strerror or str(error)) from error


def _unwritable(folder: Path, why: str) -> UserError:
    return UserError(f"{folder}: cannot be written ({why.lower()}); give another folder")


_WAY_OUT = "give another folder, or --force to replace it"


def check_replaceable(folder: Path, files: Collection[str], data: str, version: int) -> None:
    """Refuse a folder with files of these names, unless the one named ``data`` has this very ``schema_version``."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: this is a file; a report needs a folder")
    there = [name for name in files if (folder / name).exists()]
    if not there:
        return
    path = folder / data
    if data not in there:
        raise UserError(f"{folder / there[0]}: there is no {data} beside it that says whose it is; {_WAY_OUT}")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: no readable report, perhaps cut off; {_WAY_OUT}") from error
    known = document.get("schema_version") if isinstance(document, dict) else None
    if known != version or isinstance(known, bool):
        raise UserError(f"{path}: its schema_version is {known!r}, this program writes {version}; {_WAY_OUT}")


def write_folder(folder: Path, texts: Mapping[str, str], files: Collection[str]) -> None:
    """Write all texts into a folder or none; those of the names ``files`` that have no text go, other files stay."""
    target = folder.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with _draft(target / "report" if target.is_dir() else target) as place:
            draft, old = place / "report", place / "old"
            draft.mkdir(parents=True)
            for name, text in texts.items():
                (draft / name).write_text(text, encoding="utf-8", newline="\n")
                _sync(draft / name)
            if target.is_dir():
                _exchange(target, draft, old, files)
            else:
                draft.replace(target)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror or error}; give another folder") from error


def _exchange(target: Path, draft: Path, old: Path, files: Collection[str]) -> None:
    """Put the files of a draft in the place of those that are there; put the old ones back if one cannot be put."""
    old.mkdir()
    try:
        for name in files:
            if (target / name).exists():
                (target / name).replace(old / name)
            if (draft / name).exists():
                (draft / name).replace(target / name)
    except OSError:
        for path in old.iterdir():
            path.replace(target / path.name)
        raise
