"""Fix the constants of the time formulas by what was measured: least squares of logarithms, one fit after the other."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import sympy
from attrs import frozen

from dsocr_symbolic.algebras import symbolic
from dsocr_symbolic.algebras.value import Expr
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.files.calibration_file import GridFile
from dsocr_symbolic.measurement.grid import predicted
from dsocr_symbolic.measurement.kernels import Busy

_NUMPY = {"maximum": lambda *values: np.maximum.reduce(values), "minimum": lambda *values: np.minimum.reduce(values)}
_FILLS = ("Memset", "Memcpy")


@frozen(kw_only=True)
class Fitted:
    """What a fit found.

    Attributes
    ----------
    constants : mapping of str to float
        In SI.
    errors : mapping of str to float
        Of each record, what the formula gives over what was measured, less 1.
    """

    constants: Mapping[str, float]
    errors: Mapping[str, float]


@frozen(kw_only=True)
class MeasuredRecord:
    """A record, or one of its kernels: its formula and the seconds that were measured."""

    formula: Expr
    seconds: float


def fitted(grid: GridFile, busy: Mapping[str, Busy], machine: Mapping[str, float]) -> Fitted:
    """Fix every constant of a grid; ``machine`` gives the GPU's other numbers, by symbol."""
    formulas = {name: predicted(record) for name, record in grid.records.items()}
    known = dict(machine)
    for fit in grid.fits:
        known.update(fixed(fit.constants, [_measured(name, formulas, busy) for name in fit.records], known))
    whole = {name: _measured(name, formulas, busy) for name in grid.records}
    errors = {name: float(_function(one.formula, (), known)()) / one.seconds - 1 for name, one in whole.items()}
    return Fitted(constants={name: known[name] for fit in grid.fits for name in fit.constants}, errors=errors)


def _measured(name: str, formulas: Mapping[str, Mapping[str, Expr]], busy: Mapping[str, Busy]) -> MeasuredRecord:
    """Return a record, or with a name behind a slash the kernel in its place: fills are in nobody's order."""
    record, _, kernel = name.partition("/")
    if not kernel:
        return MeasuredRecord(formula=formulas[record][""], seconds=busy[record].seconds)
    ours = [each for each in formulas[record] if each]
    theirs = [each for each in busy[record].kernels if not each.name.startswith(_FILLS)]
    if kernel not in ours or len(ours) != len(theirs):
        names = ", ".join(each.name for each in theirs)
        raise UserError(
            f"{name}: the formula has the kernels {', '.join(ours)}, measured were {names}; this GPU runs other ones"
        )
    return MeasuredRecord(formula=formulas[record][kernel], seconds=theirs[ours.index(kernel)].seconds)


def fixed(
    constants: Mapping[str, float], measured: Sequence[MeasuredRecord], known: Mapping[str, float]
) -> dict[str, float]:
    """Fix constants by measurements together; each is given with where its search begins, all others are known."""
    from scipy.optimize import least_squares

    names = tuple(constants)
    functions = [_function(each.formula, names, known) for each in measured]
    seconds = np.log([each.seconds for each in measured])

    def errors(logarithms: np.ndarray) -> np.ndarray:
        values = np.exp(logarithms)
        return np.log([function(*values) for function in functions]) - seconds

    # Where another term of a maximum leads, a constant has no effect: it begins from both sides.
    begin = np.log([constants[name] for name in names])
    tries = [least_squares(errors, begin + shift) for shift in (0.0, -1.5, 1.5)]
    found = min(tries, key=lambda each: float(each.cost))
    return dict(zip(names, map(float, np.exp(found.x)), strict=True))


def _function(formula: Expr, names: tuple[str, ...], known: Mapping[str, float]) -> Callable[..., float]:
    """Make a function of some constants; all others are known."""
    free = [symbolic.symbol(name) for name in names]
    put_in = {symbol: sympy.Float(known[str(symbol)]) for symbol in formula.free_symbols - set(free)}
    function: Callable[..., float] = sympy.lambdify(free, formula.xreplace(put_in), [_NUMPY, "numpy"])
    return function
