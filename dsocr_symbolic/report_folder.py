"""The folder of a report: nothing that is not ours is replaced, and files appear whole or not at all."""

import json
from collections.abc import Collection, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory

from dsocr_symbolic.errors import UserError

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
