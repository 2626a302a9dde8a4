"""Symbolic performance model of DeepSeek-OCR: exact FLOPs, bytes and memory as formulas.

The house, each room using those before it alone:

- ``algebras``: number worlds in which a formula is evaluated;
- ``language``: YAML and formulas to checked data;
- ``writing``, ``scenario``, ``network``: how things are written; what is asked; the formulas as one tree;
- ``evaluation``: the tree as functions, and the numbers they give;
- ``python_api``: a network as a Python object;
- ``questions``, ``verification``: what a user asks, a folder for each question; how the numbers are known;
- ``reports``: what is handed on, a folder for each kind of artifact;
- ``cli``, ``regenerate``: the command line; the committed reports written anew.
"""

from dsocr_symbolic.version import __version__ as __version__

TYPE_CHECKING = False  # as typing has it, which would be imported before anything listens to Ctrl-C
if TYPE_CHECKING:
    from dsocr_symbolic.errors import UserError as UserError
    from dsocr_symbolic.evaluation.model import Model as Model
    from dsocr_symbolic.python_api import load_model as load_model
    from dsocr_symbolic.questions.bounds.regimes import bounds as bounds
    from dsocr_symbolic.questions.budget.checking import budget as budget
    from dsocr_symbolic.questions.compare.comparison import compare as compare
    from dsocr_symbolic.questions.plan.asking import plan as plan
    from dsocr_symbolic.questions.sensitivity.effects import sensitivity as sensitivity
    from dsocr_symbolic.questions.solve.solution import solve as solve
    from dsocr_symbolic.questions.sweep.dataset import sweep as sweep

_PLACES = {
    "Model": "evaluation.model",
    "UserError": "errors",
    "bounds": "questions.bounds.regimes",
    "budget": "questions.budget.checking",
    "compare": "questions.compare.comparison",
    "load_model": "python_api",
    "plan": "questions.plan.asking",
    "sensitivity": "questions.sensitivity.effects",
    "solve": "questions.solve.solution",
    "sweep": "questions.sweep.dataset",
}
__all__ = [
    "Model",
    "UserError",
    "__version__",
    "bounds",
    "budget",
    "compare",
    "load_model",
    "plan",
    "sensitivity",
    "solve",
    "sweep",
]


def __getattr__(name: str) -> object:
    """Import the Python API when it is first used: it brings sympy, which the command line does without."""
    from importlib import import_module

    if name in _PLACES:
        return getattr(import_module(f"dsocr_symbolic.{_PLACES[name]}"), name)
    raise AttributeError(f"module 'dsocr_symbolic' has no attribute '{name}'")


def __dir__() -> list[str]:
    """List the public names."""
    return sorted(__all__)
