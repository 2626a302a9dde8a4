"""Symbolic performance model of DeepSeek-OCR: exact FLOPs, bytes and memory as formulas."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dsocr_symbolic.comparison import compare as compare
    from dsocr_symbolic.errors import UserError as UserError
    from dsocr_symbolic.parts import Model as Model
    from dsocr_symbolic.python_api import load_model as load_model
    from dsocr_symbolic.regime_bounds import bounds as bounds
    from dsocr_symbolic.sensitivities import sensitivity as sensitivity
    from dsocr_symbolic.solution import solve as solve
    from dsocr_symbolic.sweep_dataset import sweep as sweep

__version__ = "0.1.0"
# A module has another name than its function: it would hide it.
_PLACES = {
    "Model": "parts",
    "UserError": "errors",
    "bounds": "regime_bounds",
    "compare": "comparison",
    "load_model": "python_api",
    "sensitivity": "sensitivities",
    "solve": "solution",
    "sweep": "sweep_dataset",
}


def __getattr__(name: str) -> Any:
    """Import the Python API when it is first used: it brings sympy, which the command line does without."""
    from importlib import import_module

    if name in _PLACES:
        return getattr(import_module(f"dsocr_symbolic.{_PLACES[name]}"), name)
    raise AttributeError(f"module 'dsocr_symbolic' has no attribute '{name}'")
