"""What a number hangs on: exact derivatives, elasticities and growth in every symbol, ranked."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any, Literal

import sympy
from attrs import frozen

from dsocr_symbolic.algebras import arithmetic, branches, symbolic
from dsocr_symbolic.algebras.branches import Branch, as_sympy, exact, value_of
from dsocr_symbolic.algebras.value import Expr
from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.evaluation.model import Model
from dsocr_symbolic.language.registry import Quantity, Term, is_bound, load_metrics
from dsocr_symbolic.questions.curve import Curve, slope
from dsocr_symbolic.questions.question import Question, ask
from dsocr_symbolic.scenario.checks import check_rules
from dsocr_symbolic.writing.notebook import Shown

Side = Literal["both", "above", "below", "neither"]
_STEP = Fraction(1, 10**40)
_NEAR = Fraction(1, 10**20)
# Farther out than any ratio of numbers of a network and a machine, so that what leads here leads in the end.
FAR = 10**30
_MOST_FACTORS = 8


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
            raise UserError(f"unknown symbol '{name}': {nearest(name, known)}")
    check_rules(question.definition, question.numbers, question.scenario.waived)
    (value,) = question.metrics((term,))
    movable = _movable(known, term.metric) if symbols is None else list(symbols)
    overridden = {name for name, _ in question.model.overrides}
    effects = [
        effect
        for name in movable
        if symbols is not None or name not in overridden
        for effect in [_effect(Curve(question=question, symbol=name, terms=(term,)))]
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


def _effect(curve: Curve) -> Effect:
    quantity = curve.question.definition.quantities[curve.symbol]
    value = exact(curve.question.numbers[curve.symbol])
    form = curve.form(value)
    here = slope(form, curve.symbol, value)
    metric = as_sympy(value_of(form))
    elasticity = as_sympy(value) * here.derivative / metric if metric else None
    return Effect(
        symbol=curve.symbol,
        group=quantity.group,
        meaning=quantity.meaning,
        value=arithmetic.whole(value),
        derivative=_plain(here.derivative),
        elasticity=None if elasticity is None else _plain(elasticity),
        order=_order(curve) if here.derivative != 0 or here.tied else 0,
        side=_side(curve, value, here.derivative) if here.tied else "both",
    )


def _side(curve: Curve, value: Any, derivative: Expr) -> Side:
    """Find where a derivative holds, by the smallest of steps to either side."""
    (middle,) = curve.metrics(curve.scope(value, branches), branches)

    def holds(step: Fraction) -> bool:
        try:
            (beside,) = curve.metrics(curve.scope(value + step, branches), branches)
        except (ZeroDivisionError, OverflowError):
            return False
        return bool(abs((beside - middle) / step - Fraction(str(derivative))) <= _NEAR)

    up, down = holds(_STEP), holds(-_STEP)
    return "both" if up and down else "above" if up else "below" if down else "neither"


def _plain(value: Expr) -> int | float:
    """Turn a sympy number into an int where it is whole, else into a float."""
    return int(value) if value.is_Integer else float(value)


def _order(curve: Curve) -> int | None:
    """Return the degree in which a metric grows in the end: negative if it vanishes, None if it is 0 or no power."""
    try:
        form = curve.form(FAR)
    except (OverflowError, ZeroDivisionError):
        return None
    if not isinstance(form, Branch):
        return 0 if form else None
    return degree(form.form, branches.unknown(curve.symbol))


def degree(form: Expr, symbol: Expr) -> int | None:
    """Return the degree of the form of a branch far out, as :func:`_order`."""
    for rounding in (sympy.floor, sympy.ceiling):
        form = form.replace(rounding, lambda argument, rounding=rounding: _rounded(rounding, argument, symbol))
    plain = _without_powers(form, symbol)
    if plain is None or plain == 0:
        return None
    return _leading(plain, symbol)[0]


def _rounded(rounding: Expr, argument: Expr, symbol: Expr) -> Expr:
    """Return what a rounding comes to: what it rounds where that grows, for it stays within 1 of it, else a number."""
    plain = _without_powers(argument, symbol)
    if plain is None or (plain.has(symbol) and _leading(plain, symbol)[0] > 0):
        return argument
    return rounding(plain.xreplace({symbol: sympy.Integer(FAR)}))


def _leading(form: Expr, symbol: Expr) -> tuple[int, Expr]:
    """Return the degree of a rational function and its leading coefficient."""
    above, below = (sympy.Poly(part, symbol) for part in sympy.fraction(sympy.together(form)))
    return above.degree() - below.degree(), above.LC() / below.LC()


def _without_powers(form: Expr, symbol: Expr) -> Expr | None:
    """Replace each power by what it comes close to; None if that is no rational function."""
    powers = {power: _limit(power, symbol) for power in form.atoms(symbolic.power)}
    if None in powers.values():
        return None
    plain = form.xreplace(powers)
    return None if plain.has(symbolic.power) else plain


def _limit(power: Expr, symbol: Expr) -> Expr | None:
    """Return what a power comes close to: a number, or its first terms where the base comes close to 1."""
    base, exponent = power.args
    if base.has(symbolic.power) or exponent.has(symbolic.power):
        return None
    if exponent.has(symbol):
        rising, steep = _leading(exponent, symbol)
        if not base.is_number or not 0 < base <= 1 or (rising > 0 and steep < 0):
            return None
        if rising > 0:
            return sympy.Integer(int(base == 1))
        exponent = steep if rising == 0 else sympy.Integer(0)
    if exponent.is_Integer and 0 <= exponent <= _MOST_FACTORS:
        return base**exponent
    rising, steep = _leading(base, symbol)
    if rising != 0 or not 0 < steep <= 1:
        return None
    if steep < 1:
        return sympy.Rational(str(sympy.Pow(steep, exponent).evalf(50)))
    return 1 + exponent * (base - 1) + exponent * (exponent - 1) * (base - 1) ** 2 / 2
