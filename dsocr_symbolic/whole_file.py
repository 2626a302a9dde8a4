"""Files that are there whole or not at all, and never replace another one unasked."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from dsocr_symbolic.errors import UserError


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
