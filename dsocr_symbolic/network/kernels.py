"""What runs on the GPU in one call, and its seconds: every kernel's formula with its arguments, summed over steps."""

from collections.abc import Iterable, Mapping
from functools import cache
from types import ModuleType

from attrs import evolve

from dsocr_symbolic.algebras import symbolic
from dsocr_symbolic.algebras.steps import pieces
from dsocr_symbolic.algebras.value import Expr
from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.language.call import KernelWork
from dsocr_symbolic.language.expression import parse
from dsocr_symbolic.language.registry import load_machine
from dsocr_symbolic.language.time_formula import LIMITS, load_time
from dsocr_symbolic.network.costs import value
from dsocr_symbolic.network.node import DeviceKernel, Scope, Steps

# What an operator does that says nothing of its kernels: it reads and writes its tensors as fast as a copy does.
_PLAIN: Mapping[str, KernelWork] = {"kernel": KernelWork(time="stream", given={"bytes": parse("io_bytes", "")})}


def kernels_of(
    works: Mapping[str, KernelWork] | None, scope: Scope, algebra: ModuleType, guard: Expr = 1
) -> tuple[DeviceKernel, ...]:
    """Return the kernels of one call that guards let run, with their arguments; None are those of a plain operator.

    Only in symbols: their rates are the machine's, of which nothing else is a number in a tree.
    """
    if algebra is not symbolic:
        return ()
    found = []
    known = {**machine_symbols(), **scope}
    for name, work in (_PLAIN if works is None else works).items():
        runs: Expr = guard * value(work.calls, scope, algebra)
        runs = runs if work.when is None else runs * value(work.when, scope, algebra)
        if runs != 0:
            given = {symbol: value(each, known, algebra) for symbol, each in work.given.items()}
            found.append(DeviceKernel(name=name, time=work.time, arguments=given, runs=runs, waits=work.waits))
    return tuple(found)


@cache
def machine_symbols() -> Mapping[str, Expr]:
    """Return every symbol of the machine, standing for itself."""
    return {name: symbolic.symbol(name) for name in load_machine()}


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
