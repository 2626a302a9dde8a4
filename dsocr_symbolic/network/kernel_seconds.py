"""Seconds of what runs on the GPU: every kernel's formula with its arguments, summed over steps in closed form."""

from collections.abc import Iterable, Mapping
from functools import cache

from attrs import evolve

from dsocr_symbolic.algebras import symbolic
from dsocr_symbolic.algebras.steps import pieces
from dsocr_symbolic.algebras.value import Expr
from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.language.time_formula import LIMITS, load_time
from dsocr_symbolic.network.kernels import machine_symbols
from dsocr_symbolic.network.node import DeviceKernel, Steps


def seconds_of(kernels: Iterable[DeviceKernel], steps: Steps | None, path: tuple[str, ...], term: str = "") -> Expr:
    """Return the seconds of the kernels of one call, or of one term of them, over all steps."""
    if term and term not in LIMITS:
        raise UserError(f"metrics.yaml: term: no limit is '{term}': {nearest(term, LIMITS)}")
    spelled = (
        each.runs * _spelled(each.time, tuple(each.arguments.items())).get(term or "seconds", 0) for each in kernels
    )
    return summed(symbolic.total(spelled), steps, path)


@cache
def _spelled(time: str, arguments: tuple[tuple[str, Expr], ...]) -> Mapping[str, Expr]:
    """Evaluate each class once for equal arguments."""
    return load_time(f"device/{time}").spelled({**machine_symbols(), **dict(arguments)}, symbolic)


def summed(seconds: Expr, steps: Steps | None, path: tuple[str, ...]) -> Expr:
    """Sum seconds over steps in closed form: what is straight in the step, and maxima of such, times constants."""
    if steps is None:
        return seconds
    try:
        parts = [
            piece.sign * _over(piece.term, evolve(steps, last=piece.last), path)
            for term in symbolic.addends(seconds)
            for piece in pieces(term, steps.index, steps.last, keep=(symbolic.maximum,))
        ]
    except ValueError as error:
        raise UserError(f"{'/'.join(path)}: a cost has no closed time: {error}") from error
    return symbolic.total(parts)


def _over(term: Expr, steps: Steps, path: tuple[str, ...]) -> Expr:
    if not getattr(term, "has", lambda _: False)(steps.index):
        return steps.last * term
    factor, varying = term.as_independent(steps.index, as_Add=False)
    lines = symbolic.lines(varying.args if isinstance(varying, symbolic.maximum) else (varying,), steps.index)
    if lines is None:
        raise UserError(f"{'/'.join(path)}: a cost that is not straight in the step {steps.index} has no closed time")
    if len(lines) == 1:
        ((intercept, slope),) = lines
        return factor * (steps.last * intercept + slope * steps.last * (steps.last + 1) / 2)
    return factor * symbolic.sum_maxima(steps.last, *(end for line in lines for end in line))
