"""What a number hangs on: exact derivatives, elasticities and growth in every symbol, ranked."""

import math
from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from functools import partial
from typing import Any, Literal

from attrs import frozen

from dsocr_symbolic.algebras import arithmetic, tangents
from dsocr_symbolic.algebras.branches import exact
from dsocr_symbolic.algebras.tangents import Tangent
from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.model import Model
from dsocr_symbolic.language.files.server_file import unknown_symbol
from dsocr_symbolic.language.registry import Quantity, Term, load_metrics
from dsocr_symbolic.language.time_formula import is_bound
from dsocr_symbolic.questions.curve import Curve
from dsocr_symbolic.questions.question import Question, ask
from dsocr_symbolic.scenario.checks import check_rules
from dsocr_symbolic.writing.notebook import Shown

Side = Literal["both", "above", "below", "neither"]
_STEP = Fraction(1, 10**40)
_NEAR = Fraction(1, 10**20)
# Farther out than any ratio of numbers of a network and a machine, so that what leads there leads in the end.
_FAR_DIGITS = (40, 50)
_OFF_POWER = 1e-3


@frozen(kw_only=True)
class Effect:
    """What one symbol does to a metric, what follows from the symbol included.

    Attributes
    ----------
    symbol, group, meaning : str
        The symbol, as ``dsocr symbols`` has it.
    value, derivative : int or float
        Where it stands; change of the metric per 1 of the symbol.
    elasticity : int, float or None
        Percent of the metric per percent of the symbol; None where the metric is 0.
    order : int or None
        The degree in which the metric grows with the symbol in the end; None where it is no power of it.
    side : str
        Where the derivative holds: on ``both`` sides, ``above`` or ``below`` the value alone, on ``neither``.
    """

    symbol: str
    group: str
    meaning: str
    value: int | float
    derivative: int | float
    elasticity: int | float | None
    order: int | None
    side: Side


@frozen(kw_only=True, repr=False)
class Sensitivity(Shown):
    """A metric and what it hangs on.

    Attributes
    ----------
    metric, unit, part : str
        Name and unit of the registry; the part's path, empty for the whole.
    value : int or float
        At the workload.
    effects : tuple of Effect
        The strongest first; symbols without any effect are left out.
    warnings : tuple of str
        What the model file warns of at the workload.
    """

    metric: str
    unit: str
    part: str
    value: int | float
    effects: tuple[Effect, ...]
    warnings: tuple[str, ...]


def sensitivity(
    metric: str = "roofline_s",
    *,
    model: str | Model = "deepseek-ocr",
    part: str = "",
    symbols: Iterable[str] | None = None,
    workload: str | None = None,
    gpu: str | None = None,
    settings: Mapping[str, Any] | None = None,
    waived: Iterable[str] = (),
    **choices: str,
) -> Sensitivity:
    """Rank the symbols by what they do to a metric.

    Parameters
    ----------
    metric : str
        A name of the registry.
    model : str or Model
        The network.
    part : str
        A path of the tree; the whole if left out.
    symbols : iterable of str, optional
        The symbols to look at; all that may move if left out.
    workload, gpu, settings, waived, **choices
        As in :func:`~dsocr_symbolic.questions.solve.solution.solve`.

    Returns
    -------
    Sensitivity
        Exact: every maximum counts with the branch that leads.

    Raises
    ------
    UserError
        If a name is unknown, a value is not allowed, or the metric does not exist there.
    """
    question = ask(model, workload=workload, gpu=gpu, settings=settings, waived=frozenset(waived), choices=choices)
    return rank(question, Term(paths=(part,), metric=metric), symbols)


def rank(question: Question, term: Term, symbols: Iterable[str] | None = None) -> Sensitivity:
    """Rank the symbols of a question, see :func:`sensitivity`."""
    known = question.definition.quantities
    for name in symbols or ():
        if name not in known:
            raise unknown_symbol(name, known)
    check_rules(question.definition.rules, question.numbers, question.scenario.waived)
    (value,) = question.metrics((term,))
    movable = _movable(known, term.metric) if symbols is None else list(symbols)
    overridden = {name for name, _ in question.model.overrides}
    effects = [
        effect
        for name in movable
        if symbols is not None or name not in overridden
        for effect in [_effect(Curve(question=question, symbol=name, terms=(term,)), value)]
        if symbols is not None or effect.derivative or effect.side != "both"
    ]
    return Sensitivity(
        metric=term.metric,
        unit=load_metrics()[term.metric].unit,
        part=", ".join(term.paths),
        value=arithmetic.whole(value),
        effects=tuple(sorted(effects, key=lambda effect: -abs(effect.elasticity or 0))),
        warnings=question.warnings,
    )


def _movable(known: Mapping[str, Quantity], metric: str) -> list[str]:
    """Return what may move; in a bound what stands for a symbol there moves in its stead."""
    if not is_bound(metric):
        return [name for name, quantity in known.items() if not quantity.fixed]
    standing = {quantity.in_bounds_for for quantity in known.values()}
    return [
        name for name, quantity in known.items() if quantity.in_bounds_for or not (quantity.fixed or name in standing)
    ]


def _effect(curve: Curve, metric: Exact) -> Effect:
    quantity = curve.question.definition.quantities[curve.symbol]
    value = exact(curve.question.numbers[curve.symbol])
    here = Tangent(value=metric, slope=0) if curve.is_flat else curve.slope(value)
    elasticity = arithmetic.divide(value * here.slope, here.value) if here.value else None
    return Effect(
        symbol=curve.symbol,
        group=quantity.group,
        meaning=quantity.meaning,
        value=arithmetic.whole(value),
        derivative=arithmetic.whole(here.slope),
        elasticity=None if elasticity is None else arithmetic.whole(elasticity),
        order=degree(partial(_exact_value, curve)) if here.slope or here.tied else 0,
        side=_side(curve, value, here) if here.tied else "both",
    )


def _side(curve: Curve, value: Exact, here: Tangent) -> Side:
    """Find where a derivative holds, by the smallest of steps to either side."""

    def holds(step: Fraction) -> bool:
        try:
            beside = _exact_value(curve, value + step)
        except (ZeroDivisionError, OverflowError, UserError):
            return False
        return bool(abs((beside - here.value) / step - here.slope) <= _NEAR)

    up, down = holds(_STEP), holds(-_STEP)
    return "both" if up and down else "above" if up else "below" if down else "neither"


def _exact_value(curve: Curve, value: Exact) -> Exact:
    """Return the metric at any value, real powers to 150 digits: what float64 cannot tell apart moves."""
    number: Exact = curve.metrics(curve.scope(value, tangents), tangents)[0]
    return number


def degree(function: Callable[[int], Exact]) -> int | None:
    """Return the degree in which a number grows in the end: negative if it vanishes, None if it is 0 or no power."""
    try:
        near, far = (function(10**digits) for digits in _FAR_DIGITS)
        growth = math.log10(abs(Fraction(far) / Fraction(near))) / (_FAR_DIGITS[1] - _FAR_DIGITS[0])
    except (ValueError, OverflowError, ZeroDivisionError, UserError):
        return None
    return round(growth) if abs(growth - round(growth)) < _OFF_POWER else None
