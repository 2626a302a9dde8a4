"""Libraries that only some commands need, imported when they are used."""

from importlib import import_module
from typing import Any

from dsocr_symbolic.errors import UserError


def extra(module: str, name: str = "sweep") -> Any:
    """Import a module of an optional library.

    Parameters
    ----------
    module : str
        ``"xarray"``, ``"pyarrow.parquet"``, ...
    name : str
        The extra of ``pyproject.toml`` that brings it.

    Returns
    -------
    module
        The module.

    Raises
    ------
    UserError
        If it is not installed.
    """
    try:
        return import_module(module)
    except ImportError as error:
        library = module.partition(".")[0]
        raise UserError(f'{library} cannot be imported; pip install "dsocr_symbolic[{name}]" brings it') from error
