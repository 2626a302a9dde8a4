"""What each kind of verification needs installed; only versions are read, nothing heavy is imported."""

import re
import sys
from importlib.metadata import PackageNotFoundError, version

from dsocr_symbolic.errors import UserError

TORCH = "2.13"


TRANSFORMERS_MAJOR = 5


CHECKPOINT_TRANSFORMERS = "4.46.3"
"""The one release that the checkpoint's code was written for."""


CHECKPOINT_IMPORTS = ("einops", "easydict", "addict")


_VERIFY = 'pip install "dsocr_symbolic[verify]"'


_CHECKPOINT = 'in an environment of its own: pip install "dsocr_symbolic[verify-checkpoint]"'


def installed(package: str) -> str | None:
    """Return the version of an installed package.

    Parameters
    ----------
    package : str
        Name of the distribution.

    Returns
    -------
    str or None
        None if it is not installed.
    """
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def require_torch(remedy: str = _VERIFY) -> None:
    """Refuse to count without the PyTorch whose operators the formulas describe.

    Parameters
    ----------
    remedy : str
        What to install.

    Raises
    ------
    UserError
        If torch is missing or of another release.
    """
    found = installed("torch")
    if found is None:
        raise UserError(f"torch is not installed; counting needs {TORCH}: {remedy}")
    if not re.match(rf"{re.escape(TORCH)}(\.|\+|$)", found):
        raise UserError(f"torch {found} is installed; counting needs {TORCH}, whose operators were verified: {remedy}")


def require_transformers(major: int = TRANSFORMERS_MAJOR) -> None:
    """Refuse to compare with another generation of transformers than the one that has this network's parts.

    Parameters
    ----------
    major : int
        Its major version.

    Raises
    ------
    UserError
        If transformers is missing or of another generation.
    """
    require_torch()
    found = installed("transformers")
    if found is None:
        raise UserError(f"transformers is not installed; dsocr verify compares with {major}.x: {_VERIFY}")
    if found.split(".", maxsplit=1)[0] != str(major):
        raise UserError(f"transformers {found} is installed; dsocr verify compares with {major}.x: {_VERIFY}")


def require_transformers_for_checkpoint() -> None:
    """Refuse to run the checkpoint's code on other libraries than those it was written for.

    Raises
    ------
    UserError
        If something that it imports is missing, or of another release.
    """
    require_torch(_CHECKPOINT)
    found = installed("transformers")
    if found is None:
        raise UserError(
            f"transformers is not installed; the checkpoint's code needs {CHECKPOINT_TRANSFORMERS}, {_CHECKPOINT}"
        )
    if found != CHECKPOINT_TRANSFORMERS:
        raise UserError(
            f"transformers {found} is installed; the checkpoint's code needs {CHECKPOINT_TRANSFORMERS}, {_CHECKPOINT}"
        )
    for package in CHECKPOINT_IMPORTS:
        if installed(package) is None:
            raise UserError(f"{package} is not installed; the checkpoint's code imports it, {_CHECKPOINT}")


def environment() -> dict[str, str]:
    """Return the versions that a report of a comparison names.

    Returns
    -------
    dict of str to str
        Python's, and those of the packages that are installed.
    """
    packages = {name: installed(name) for name in ("torch", "transformers", *CHECKPOINT_IMPORTS)}
    found = {name: number for name, number in packages.items() if number is not None}
    return {"python": ".".join(str(part) for part in sys.version_info[:3]), **found}
