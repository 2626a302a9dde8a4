"""What each kind of verification needs installed; versions are read before anything heavy is imported."""

import re
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from dsocr_symbolic.errors import UserError

TORCH = "2.13"
TRANSFORMERS_MAJOR = 5
CHECKPOINT_TRANSFORMERS = "4.46.3"
"""The one release that the checkpoint's code was written for."""
CHECKPOINT_IMPORTS = ("einops", "easydict", "addict")
_VERIFY = 'pip install "dsocr_symbolic[verify]"'
_CHECKPOINT = 'in an environment of its own: pip install "dsocr_symbolic[verify-checkpoint]"'


def installed(package: str) -> str | None:
    """Return the version of an installed package, or None."""
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def importable(library: str) -> None:
    """Import a library, or say in one line that it is not there, or that one of its own libraries is not."""
    try:
        Path.cwd()
    except OSError as error:
        # PyTorch would abort in it.
        raise UserError("the current folder is gone; change to another one") from error
    try:
        import_module(library)
    except (ImportError, OSError) as error:
        why = str(error).partition("\n")[0]
        raise UserError(f"{library} cannot be imported ({why}): {_VERIFY}") from error


def require_torch(remedy: str = _VERIFY) -> None:
    """Refuse to count without the PyTorch whose operators the formulas describe."""
    present = installed("torch")
    if present is None:
        raise UserError(f"torch is not installed; counting needs {TORCH}: {remedy}")
    if not re.match(rf"{re.escape(TORCH)}(\.|\+|$)", present):
        raise UserError(
            f"torch {present} is installed; counting needs {TORCH}, whose operators were verified: {remedy}"
        )


def require_transformers() -> None:
    """Refuse to compare with another generation of transformers than the one that has this network's parts."""
    require_torch()
    present = installed("transformers")
    if present is None or present.split(".", maxsplit=1)[0] != str(TRANSFORMERS_MAJOR):
        raise UserError(f"{_state(present)}; dsocr verify compares with {TRANSFORMERS_MAJOR}.x: {_VERIFY}")


def require_transformers_for_checkpoint() -> None:
    """Refuse to run the checkpoint's code on other libraries than those it was written for."""
    require_torch(_CHECKPOINT)
    present = installed("transformers")
    if present != CHECKPOINT_TRANSFORMERS:
        raise UserError(f"{_state(present)}; the checkpoint's code needs {CHECKPOINT_TRANSFORMERS}, {_CHECKPOINT}")
    for package in CHECKPOINT_IMPORTS:
        if installed(package) is None:
            raise UserError(f"{package} is not installed; the checkpoint's code imports it, {_CHECKPOINT}")


def _state(present: str | None) -> str:
    return f"transformers {present} is installed" if present else "transformers is not installed"
