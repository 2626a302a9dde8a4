"""Predicted seconds against measured ones: by case, by component, by operator."""

from collections.abc import Iterable, Mapping, Sequence
from statistics import mean

from attrs import frozen

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.measurement.comparison.files import (
    MeasuredCase,
    MeasuredFile,
    MeasuredOn,
    PredictedCase,
    PredictedFile,
    call_name,
    key,
)
from dsocr_symbolic.measurement.comparison.operators import OperatorError, Pair, cause, longest, of_eager


@frozen(kw_only=True)
class CaseError:
    """A case, predicted and measured.

    Attributes
    ----------
    component, mode, call : str
        The part of the network, how it is launched, and its sizes and choices in words.
    settings, choices : mapping
        The same as data.
    measured_s, predicted_s, error : float
        How long the GPU is busy [s], and predicted over measured, less 1.
    measured_kernels, predicted_kernels : float or None
        Kernels of a call.
    quietest_s, slowest_s, predicted_wall_s : float or None
        What a caller waits for in the quietest and in the slowest round, and as predicted [s].
    wall_error, slowest_error, inside : float, float and bool, or None
        Predicted over quietest and over slowest, less 1; whether it is between them.
    lower_bound_s, least_s, bound_holds : float, float and bool, or None
        The bound, the least time of any that were measured [s], and whether that is not below it.
    operators : tuple of OperatorError
        The longest first; none of a graph or a backward, whose operators have no names that formulas know.
    cause : OperatorError or None
        The operator that is farthest off in the direction of the error.
    """

    component: str
    mode: str
    call: str
    settings: Mapping[str, int]
    choices: Mapping[str, str]
    measured_s: float
    predicted_s: float
    error: float
    measured_kernels: float | None
    predicted_kernels: float | None
    quietest_s: float | None
    slowest_s: float | None
    predicted_wall_s: float | None
    wall_error: float | None
    slowest_error: float | None
    inside: bool | None
    lower_bound_s: float | None
    least_s: float
    bound_holds: bool | None
    operators: tuple[OperatorError, ...]
    cause: OperatorError | None


@frozen(kw_only=True)
class Errors:
    """Errors of several cases.

    Attributes
    ----------
    cases : int
        How many.
    mean, worst : float
        Mean without signs, and the largest with its sign.
    """

    cases: int
    mean: float
    worst: float


@frozen(kw_only=True)
class ComponentErrors:
    """What is off in a component.

    Attributes
    ----------
    component : str
        Its name.
    forward, backward, wall_eager, wall_graph : Errors or None
        Of how long the GPU is busy, and of the wall time against its quietest round.
    operators : tuple of OperatorError
        Of its eager calls together, the longest first.
    """

    component: str
    forward: Errors | None
    backward: Errors | None
    wall_eager: Errors | None
    wall_graph: Errors | None
    operators: tuple[OperatorError, ...]


@frozen(kw_only=True)
class SecondsComparison:
    """Predicted seconds against measured ones.

    Attributes
    ----------
    machine, rounds, predicted_on : MeasuredOn, int, str
        Where it was measured, how often walls were, and whose constants were put into the formulas.
    cases, components : tuple of CaseError, of ComponentErrors
        In the order of the measured file.
    means : mapping of str to (float or None)
        Means over components of ``forward``, ``backward``, ``wall_eager``, ``wall_graph``.
    operators : tuple of OperatorError
        Of all eager calls together, the longest first.
    longest : tuple of OperatorError
        The longest of one case, by module, see :data:`.operators.DETAILED`.
    unpaired : tuple of str
        Cases that are in one file alone, or were not measured, a line each.
    """

    machine: MeasuredOn
    rounds: int
    predicted_on: str
    cases: tuple[CaseError, ...]
    components: tuple[ComponentErrors, ...]
    means: Mapping[str, float | None]
    operators: tuple[OperatorError, ...]
    longest: tuple[OperatorError, ...]
    unpaired: tuple[str, ...]


def compare(measured: MeasuredFile, predicted: PredictedFile) -> SecondsComparison:
    """Compare what was measured with what was predicted of it.

    Raises
    ------
    UserError
        If no case is in both.
    """
    known = {key(case): case for case in predicted.cases}
    pairs: list[Pair] = []
    unpaired: list[str] = [f"left out of the measurement: {each}" for each in measured.left_out]
    for case in measured.cases:
        other = known.pop(key(case), None)
        why = case.error if case.device_s is None else "measured, not predicted"
        if case.device_s is None or other is None or other.device_s is None:
            unpaired.append(f"{case.component} {call_name(case)}: {why or 'not measured'}")
        else:
            pairs.append((case, other))
    unpaired += [f"{case.component} {call_name(case)}: predicted, not measured" for case in known.values()]
    if not pairs:
        raise UserError(f"no case is both measured and predicted, {len(unpaired)} are not; give files of one network")
    cases = tuple(_case(*pair) for pair in pairs)
    components = tuple(
        _component(name, cases, pairs) for name in dict.fromkeys(measured.component for measured, _ in pairs)
    )
    kinds = ("forward", "backward", "wall_eager", "wall_graph")
    return SecondsComparison(
        machine=measured.machine,
        rounds=measured.rounds,
        predicted_on=predicted.machine,
        cases=cases,
        components=components,
        means={kind: _mean(errors.mean for each in components if (errors := getattr(each, kind))) for kind in kinds},
        operators=of_eager(pairs),
        longest=longest(pairs),
        unpaired=tuple(unpaired),
    )


def violations(comparison: SecondsComparison) -> list[CaseError]:
    """Return the cases whose lower bound is above a time that was measured."""
    return [case for case in comparison.cases if case.bound_holds is False]


def _mean(values: Iterable[float]) -> float | None:
    found = list(values)
    return mean(found) if found else None


def _errors(values: Iterable[float | None]) -> Errors | None:
    found = [value for value in values if value is not None]
    return Errors(cases=len(found), mean=mean(map(abs, found)), worst=max(found, key=abs)) if found else None


def _component(name: str, cases: Iterable[CaseError], pairs: Sequence[Pair]) -> ComponentErrors:
    own = [case for case in cases if case.component == name]
    return ComponentErrors(
        component=name,
        forward=_errors(case.error for case in own if case.mode != "backward"),
        backward=_errors(case.error for case in own if case.mode == "backward"),
        wall_eager=_errors(case.wall_error for case in own if case.mode == "eager"),
        wall_graph=_errors(case.wall_error for case in own if case.mode == "graph"),
        operators=of_eager([pair for pair in pairs if pair[0].component == name]),
    )


def _case(measured: MeasuredCase, predicted: PredictedCase) -> CaseError:
    busy, said = measured.device_s or 0.0, predicted.device_s or 0.0
    wall = predicted.wall_s if measured.wall_s else None
    quietest, slowest = (min(measured.wall_s), max(measured.wall_s)) if measured.wall_s else (None, None)
    bound = predicted.lower_bound_s
    least = min(busy, measured.device_least_s or busy, *measured.wall_s)
    operators = of_eager([(measured, predicted)])
    return CaseError(
        component=measured.component,
        mode=measured.mode,
        call=call_name(measured),
        settings=measured.settings,
        choices=measured.choices,
        measured_s=busy,
        predicted_s=said,
        error=said / busy - 1,
        measured_kernels=measured.kernels,
        predicted_kernels=predicted.kernels,
        quietest_s=quietest,
        slowest_s=slowest,
        predicted_wall_s=wall,
        wall_error=wall / quietest - 1 if wall and quietest else None,
        slowest_error=wall / slowest - 1 if wall and slowest else None,
        inside=quietest <= wall <= slowest if wall and quietest and slowest else None,
        lower_bound_s=bound,
        least_s=least,
        bound_holds=None if bound is None else bound <= least,
        operators=operators,
        cause=cause(said > busy, operators),
    )
