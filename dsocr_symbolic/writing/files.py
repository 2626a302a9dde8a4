"""The folder of a report: nothing that is not ours is replaced, and files appear whole or not at all."""

import json
import os
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from dsocr_symbolic.errors import UserError


def check_folder(folder: Path) -> None:
    """Make a folder, if it is not there.

    Raises
    ------
    UserError
        If nothing can be written into it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        writable = os.access(folder, os.W_OK | os.X_OK)
    except OSError as error:
        raise _unwritable(folder, error.strerror or str(error)) from error
    if not writable:
        raise _unwritable(folder, "permission denied")


def write_files(folder: Path, files: Mapping[str, str]) -> None:
    """Write files, each whole or not at all.

    Parameters
    ----------
    folder : Path
        Where.
    files : mapping of str to str
        Path below the folder, and text.

    Raises
    ------
    UserError
        If one cannot be written.
    """
    for name, text in files.items():
        path = folder / name
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with written_whole(path) as draft:
                draft.write_text(text, encoding="utf-8")
        except OSError as error:
            raise _unwritable(folder, error.strerror or str(error)) from error


def _unwritable(folder: Path, why: str) -> UserError:
    return UserError(f"--out {folder}: cannot be written ({why.lower()}); give another folder")


_WAY_OUT = "give another folder, or --force to replace it"


def check_replaceable(folder: Path, files: Collection[str], data: str, version: int) -> None:
    """Refuse a folder whose files this version did not write.

    Parameters
    ----------
    folder : Path
        Where a report is to be written; it need not exist.
    files : collection of str
        The names that a report may write.
    data : str
        The one of them that says its ``schema_version``.
    version : int
        The version that this program writes.

    Raises
    ------
    UserError
        If a file of such a name is there and is not known to be ours.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder}: this is a file; a report needs a folder")
    there = [name for name in files if (folder / name).exists()]
    if not there:
        return
    path = folder / data
    if data not in there:
        raise UserError(f"{folder / there[0]}: there is no {data} beside it that says whose it is; {_WAY_OUT}")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path}: no readable report, perhaps cut off; {_WAY_OUT}") from error
    known = found.get("schema_version") if isinstance(found, dict) else None
    if known != version or isinstance(known, bool):
        raise UserError(f"{path}: its schema_version is {known!r}, this program writes {version}; {_WAY_OUT}")


def write_folder(folder: Path, texts: Mapping[str, str], files: Collection[str]) -> None:
    """Write all files of a report: into a draft first, so that a failure leaves what was there.

    Parameters
    ----------
    folder : Path
        Made if need be; other files in it stay.
    texts : mapping of str to str
        Text by name.
    files : collection of str
        The names that a report may write; those without a text are removed.

    Raises
    ------
    UserError
        If the folder cannot be written.
    """
    target = folder.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        beside = target if target.is_dir() else target.parent
        with TemporaryDirectory(prefix=".report-", dir=beside) as place:
            draft, old = Path(place) / "report", Path(place) / "old"
            draft.mkdir()
            for name, text in texts.items():
                (draft / name).write_text(text, encoding="utf-8", newline="\n")
            if target.is_dir():
                _exchange(target, draft, old, files)
            else:
                draft.replace(target)
    except OSError as error:
        raise UserError(f"{folder}: cannot be written: {error.strerror or error}") from error


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


@contextmanager
def written_whole(path: Path) -> Iterator[Path]:
    """Offer a draft to write to; it becomes the file once it is complete.

    Parameters
    ----------
    path : Path
        The file; one that exists is replaced.

    Yields
    ------
    Path
        The draft, in the same folder. It goes if writing fails.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.draft")
    try:
        yield draft
        with draft.open("rb") as written:
            os.fsync(written.fileno())
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def check_target(path: Path, *, force: bool) -> None:
    """Check that a file may be written.

    Raises
    ------
    UserError
        If it exists and need not be replaced, or its folder does not exist.
    """
    if not path.parent.is_dir():
        raise UserError(f"{path}: there is no folder {path.parent}; make it first")
    if path.exists() and not force:
        raise UserError(f"{path}: exists; --force replaces it")
