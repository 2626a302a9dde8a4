"""Files and folders that appear whole or not at all, and what may be replaced."""

import contextlib
import errno
import glob
import json
import os
import shutil
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from dsocr_symbolic.errors import UserError


@contextmanager
def said_if_unwritable(path: Path, instead: str = "name another file") -> Iterator[None]:
    """Say in one line that a file could not be written, why, and what to do instead."""
    try:
        yield
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {reason(error)}; {instead}") from error


def reason(error: OSError) -> str:
    """Say why the system refused; libraries put sentences of their own around its few words."""
    return (os.strerror(error.errno) if error.errno else error.strerror) or str(error).partition("\n")[0]


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
    clear_drafts(path.parent, glob.escape(path.name))
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        yield draft
    finally:
        # What cannot be removed goes with a later run, and hides no other failure.
        with contextlib.suppress(OSError):
            remove(draft)


def clear_drafts(folder: Path, name: str = "*") -> None:
    """Remove drafts that dead processes left in a folder, of files whose names match; in one of ours alone, of all."""
    for draft in folder.glob(f".{name}.*.draft"):
        if not _is_running(draft.name.split(".")[-2]):
            with contextlib.suppress(OSError):
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
    if not os.access(path.parent, os.W_OK | os.X_OK):
        raise UserError(f"{path}: {path.parent} cannot be written into; name a file elsewhere")


def check_folder(folder: Path) -> None:
    """Refuse a folder that nothing could be written into; one that is not there is made when there is something."""
    try:
        there = next(path for path in (folder, *folder.absolute().parents) if path.exists())
        denied = None if there.is_dir() else os.strerror(errno.ENOTDIR)
        if denied is None and not os.access(there, os.W_OK | os.X_OK):
            denied = os.strerror(errno.EACCES)
    except OSError as error:
        denied = reason(error)
    if denied:
        raise _unwritable(folder, denied)


def write_files(folder: Path, texts: Mapping[str, str]) -> None:
    """Write texts by their paths below a folder, which is made if need be: all of them, or none."""
    try:
        _write_together(folder, texts, texts)
    except OSError as error:
        raise _unwritable(folder, reason(error)) from error


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
    with said_if_unwritable(folder, "give another folder"):
        _write_together(folder, texts, files)


def _write_together(folder: Path, texts: Mapping[str, str], files: Collection[str]) -> None:
    """Write to a draft of the folder, and put it in its place once all of it is on the disk."""
    target = folder.resolve()
    target.parent.mkdir(parents=True, exist_ok=True)
    with _draft(target / "report" if target.is_dir() else target) as place:
        draft = place / "report"
        draft.mkdir(parents=True)
        for name, text in texts.items():
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            (draft / name).write_text(text, encoding="utf-8", newline="\n")
            _sync(draft / name)
        if target.is_dir():
            _exchange(target, draft, place / "old", files)
        else:
            draft.replace(target)


def _exchange(target: Path, draft: Path, old: Path, files: Collection[str]) -> None:
    """Put the files of a draft in the place of those that are there; put all back as it was if one cannot be put."""
    put: list[Path] = []
    made: list[Path] = []
    try:
        for name in files:
            path = target / name
            if path.exists():
                (old / name).parent.mkdir(parents=True, exist_ok=True)
                path.replace(old / name)
            if (draft / name).exists():
                made += [folder for folder in reversed(path.parents) if not folder.exists()]
                path.parent.mkdir(parents=True, exist_ok=True)
                (draft / name).replace(path)
                put.append(path)
    except BaseException:
        # Ctrl-C comes here too.
        for path in put:
            path.unlink(missing_ok=True)
        for path in [path for path in old.rglob("*") if path.is_file()]:
            path.replace(target / path.relative_to(old))
        for folder in reversed(made):
            with contextlib.suppress(OSError):
                folder.rmdir()
        raise
