"""Fixed points of a server's formulas, for many machines and batches at once."""

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import numpy as np

from dsocr_symbolic.algebras import arrays
from dsocr_symbolic.language.expression import Expression, evaluate
from dsocr_symbolic.language.files.service_file import System, load_service

Numbers: TypeAlias = Mapping[str, Any]
"""Arrays that broadcast to (machines, points), or numbers."""
StepSeconds: TypeAlias = Callable[[Any], Any]
"""Seconds of a decode step at batches, (machines, points)."""
_ROUNDS, _DAMPED, _CLOSE = 400, 0.5, 1e-10
# A batch that is this unlikely beside the likeliest one is not met.
_UNLIKELY = 1e-300
# Where more arrive than end, no steady state is: the last one that is stands for it.
_FULL = 0.99


def closed(inputs: Numbers, step_s: StepSeconds, saved_s: StepSeconds = np.zeros_like) -> dict[str, Any]:
    """Return the steady state of ``concurrency`` requests at any time.

    Parameters
    ----------
    inputs : mapping of str to array
        The inputs of formulas/service.yaml but ``running`` and what follows from it, shaped (machines, points) or less.
    step_s : callable
        Seconds of a decode step at a batch.
    saved_s : callable
        Seconds that a forward of a chunk and a decode step of that batch takes less than both.

    Returns
    -------
    dict of str to array
        The unknown and the terms of the system, with the inputs.
    """
    system = load_service().closed

    def terms(scope: dict[str, Any]) -> None:
        scope["step_s"], scope["saved_s"] = step_s(scope["running"]), saved_s(scope["running"])
        _follow(system, scope)

    return _found(system, inputs, terms)


def open_loop(inputs: Numbers, step_s: StepSeconds, most: int, saved_s: StepSeconds = np.zeros_like) -> dict[str, Any]:
    """Return the steady state of requests that arrive at random, of which at most so many run at once.

    ``inputs`` are one point each, shaped (machines, 1).
    """
    system = load_service().open
    batches = np.arange(1.0, most + 1)[None, :]
    steps = step_s(np.arange(1.0, most + 2)[None, :])
    known = {**inputs, "running": batches, "step_s": steps[:, :-1], "slope_s": np.diff(steps, axis=-1)}
    known["saved_s"] = saved_s(batches)
    assert system.ratio is not None  # noqa: S101 - the file gives it
    assert system.beyond is not None  # noqa: S101 - and this
    ratio, further = system.ratio, np.minimum(_value(system.beyond, known)[..., -1:], _FULL)

    def terms(scope: dict[str, Any]) -> None:
        states = {**known, system.unknown: scope[system.unknown]}
        chances, scope["further"] = _chances(_value(ratio, states), further), further
        scope["full"] = chances[..., -1:]
        for name, average in system.averages.items():
            scope[name] = (chances * _value(average.formula, states)).sum(axis=-1, keepdims=True)
        _follow(system, scope)

    return _found(system, inputs, terms)


def _chances(ratios: Any, further: Any) -> Any:
    """Return the chance of each batch from 1 on, given that of each over one fewer.

    Beyond the largest batch requests wait, each one more with the chance ``further`` over that of one fewer: all of
    that is time at the largest batch.
    """
    logs = np.cumsum(np.log(np.maximum(ratios, _UNLIKELY)), axis=-1)
    highest = np.maximum(logs.max(axis=-1, keepdims=True), 0.0)
    weights = np.exp(logs - highest)
    weights = np.concatenate([weights[..., :-1], weights[..., -1:] / (1 - further)], axis=-1)
    return weights / (weights.sum(axis=-1, keepdims=True) + np.exp(-highest))


def _follow(system: System, scope: dict[str, Any]) -> None:
    for name, term in system.terms.items():
        scope[name] = _value(term.formula, scope)


def _found(system: System, inputs: Numbers, terms: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
    """Go from what the unknown is taken to be half the way to what becomes of it, until it stays."""
    scope = dict(inputs)
    scope[system.unknown] = np.asarray(_value(system.begins, scope), dtype=np.float64)
    with np.errstate(all="ignore"):
        for _ in range(_ROUNDS):
            terms(scope)
            before = scope[system.unknown]
            scope[system.unknown] = before + _DAMPED * (_value(system.becomes, scope) - before)
            if np.all(np.abs(scope[system.unknown] - before) <= _CLOSE * np.abs(before)):
                break
        terms(scope)
    return scope


def _value(formula: Expression, scope: Numbers) -> Any:
    return evaluate(formula, scope, arrays)
