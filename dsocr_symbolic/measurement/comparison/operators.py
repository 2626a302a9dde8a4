"""Operators as they were predicted and as they were measured: what goes together, and how far it is off."""

from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType

from attrs import evolve, frozen

from dsocr_symbolic.measurement.comparison.files import MeasuredCase, OperatorSeconds, PredictedCase

Pair = tuple[MeasuredCase, PredictedCase]
"""A case as it was measured and as it was predicted."""
TOGETHER: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("addmm", "mm", "linear"), "addmm, mm"),
        **dict.fromkeys(("bmm", "matmul", "einsum"), "bmm"),
        **dict.fromkeys(("clone", "contiguous", "reshape", "copy_"), "clone"),
        **dict.fromkeys(("_to_copy", "to", "float", "decoder/experts_loop"), "_to_copy"),
        **dict.fromkeys(("mul", "quick_gelu"), "mul"),
        "argsort": "sort",
        "conv2d": "convolution",
        "layer_norm": "native_layer_norm",
        "pad": "constant_pad_nd",
        "softmax": "_softmax",
    }
)
"""Under which name operators are compared; others under their own, and every attention as ``attention``.

Early files name what was called (``linear``, ``reshape``), later ones what it dispatches to, and one call may launch
either of two: ``linear`` is ``addmm`` with a bias and ``mm`` without, ``reshape`` copies or does not. Which attention
runs is up to the library. A compiled ``quick_gelu`` is one kernel that the formulas call ``mul``, and what the loop
over experts has of its own is the copy of their counts to the host.
"""
DETAILED = ("sam", "eager", {"batch": 1, "image_size": 1024})
"""The case whose operators are listed by module."""
_LONGEST = 15
# Parts of a case below this are rounding: a layer less the sum of what is in it.
_ROUNDING = 1e-9


@frozen(kw_only=True)
class OperatorError:
    """An operator, predicted and measured.

    Attributes
    ----------
    operator, module : str
        As it is compared, see :data:`TOGETHER`; the class of modules, empty for all of them.
    measured_s, predicted_s : float
        How long it keeps the GPU busy [s]; 0 where one side does not name it.
    error, share : float or None, float
        Predicted over measured, less 1; its part of everything that was measured.
    limit : str
        What limits most of it; empty where it is not predicted.
    """

    operator: str
    module: str = ""
    measured_s: float
    predicted_s: float
    error: float | None
    share: float
    limit: str


def together(operator: str) -> str:
    """Return the name under which an operator is compared."""
    name = operator.removeprefix("aten::")
    return "attention" if "attention" in name and "/" not in name else TOGETHER.get(name, name)


def cause(above: bool, operators: Iterable[OperatorError]) -> OperatorError | None:
    """Return the operator that is farthest off in the direction of the whole."""

    def off(each: OperatorError) -> float:
        return (each.predicted_s - each.measured_s) * (1 if above else -1)

    farthest = max(operators, key=off, default=None)
    return farthest if farthest is not None and off(farthest) > 0 else None


def of_eager(pairs: Iterable[Pair]) -> tuple[OperatorError, ...]:
    """Return the operators of eager calls together, the longest first; a graph has none, a backward others."""
    eager = [pair for pair in pairs if pair[0].mode == "eager" and pair[0].operators]
    return _operators(eager, lambda each: ("", together(each.operator)))


def longest(pairs: Iterable[Pair]) -> tuple[OperatorError, ...]:
    """Return the longest operators of :data:`DETAILED`, by class of modules."""
    one = [pair for pair in pairs if (pair[0].component, pair[0].mode, pair[0].settings) == DETAILED]
    return _operators(one, lambda each: (each.module, together(each.operator)))[:_LONGEST]


def _operators(pairs: Iterable[Pair], name: Callable[[OperatorSeconds], tuple[str, str]]) -> tuple[OperatorError, ...]:
    """Add up operators of one name, the longest first; shares are of all that was measured."""
    added: dict[tuple[str, str], dict[str, float]] = {}
    for measured, predicted in pairs:
        for each in _counted(measured):
            _add(added.setdefault(name(each), {}), "", each.seconds)
        for each in _counted(predicted):
            _add(added.setdefault(name(each), {}), each.limit or "unknown", each.seconds)
    found = [_operator(module, operator, sums) for (module, operator), sums in added.items()]
    whole = sum(each.measured_s for each in found)
    ordered = sorted(found, key=lambda each: -max(each.measured_s, each.predicted_s))
    return tuple(evolve(each, share=each.measured_s / whole if whole else 0.0) for each in ordered)


def _counted(case: MeasuredCase | PredictedCase) -> list[OperatorSeconds]:
    return [each for each in case.operators if each.seconds > _ROUNDING * (case.device_s or 0)]


def _add(sums: dict[str, float], name: str, seconds: float) -> None:
    sums[name] = sums.get(name, 0.0) + seconds


def _operator(module: str, operator: str, sums: Mapping[str, float]) -> OperatorError:
    limits = {name: seconds for name, seconds in sums.items() if name}
    busy, said = sums.get("", 0.0), sum(limits.values())
    return OperatorError(
        operator=operator,
        module=module,
        measured_s=busy,
        predicted_s=said,
        error=said / busy - 1 if busy else None,
        share=0.0,
        limit=max(limits, key=lambda name: limits[name]) if limits else "",
    )
