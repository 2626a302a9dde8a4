"""Libraries that only some commands need, imported when they are used."""

from importlib import import_module
from typing import Any

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.writing.svg import silence_matplotlib


def extra(module: str, name: str = "sweep") -> Any:
    """Import a module of an optional library, or say which extra of ``pyproject.toml`` brings it."""
    if module.partition(".")[0] == "matplotlib":
        silence_matplotlib()
    try:
        return import_module(module)
    except ImportError as error:
        library = module.partition(".")[0]
        raise UserError(f'{library} cannot be imported; pip install "dsocr_symbolic[{name}]" brings it') from error
