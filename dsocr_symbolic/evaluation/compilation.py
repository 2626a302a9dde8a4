"""Compile metrics of some nodes into one function of a few symbols."""

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any, get_args

import sympy
from attrs import evolve

from dsocr_symbolic.algebras import symbolic
from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.evaluation.binding import Binding, as_expression
from dsocr_symbolic.evaluation.compiled import Compiled
from dsocr_symbolic.evaluation.kernel import Backend, Output
from dsocr_symbolic.evaluation.reduction import in_decimals, nested, powers_in_decimals, reduced
from dsocr_symbolic.evaluation.source import function_source
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import evaluate, names
from dsocr_symbolic.language.registry import Metric, load_metrics
from dsocr_symbolic.scenario.checks import check_rules

Ask = Callable[[str, str], Any]


TOTAL = "total"


def compile_outputs(
    definition: Definition,
    ask: Ask,
    *,
    metrics: Sequence[str],
    parts: Sequence[str],
    binding: Binding,
    overridden: Sequence[str],
    waived: frozenset[str],
    check: bool,
    backend: Backend,
    threads: int | None,
) -> Compiled:
    """Compile metrics of some parts.

    Parameters
    ----------
    definition : Definition
        The model.
    ask : callable
        Returns the expression of a metric of a part, every symbol free.
    metrics : sequence of str
        Names of the registry.
    parts : sequence of str
        Paths; ``total`` is the whole.
    binding : Binding
        What each symbol is.
    overridden : sequence of str
        Symbols that something was put in for.
    waived : frozenset of str
        Switches that lift rules.
    check : bool
        Whether the function checks the rules.
    backend : str
        ``numpy`` or ``torch``.
    threads : int or None
        Threads over blocks of arrays.

    Returns
    -------
    Compiled
        The function.

    Raises
    ------
    UserError
        If a name is unknown, a metric does not exist for a part, or a rule is broken for all inputs.
    """
    _check_names(definition, waived, backend)
    outputs = _Outputs(definition, ask, binding, parts)
    named = tuple(outputs.output(_known(metric), part) for metric in metrics for part in parts)
    rules = _rules(definition, binding, waived) if check else []
    guarded = tuple(name for name in overridden if name in binding.following)
    used = {str(each) for found in (outputs.m_found, rules) for every in found for each in every.free_symbols}
    following = tuple(name for name in binding.following if name in used or name in guarded)
    symbols = tuple(definition.quantities)

    def source(found: Sequence[Any]) -> str:
        return function_source([found], symbols)

    return Compiled(
        outputs=named,
        inputs=binding.inputs,
        following=following,
        guarded=guarded,
        follow=source([powers_in_decimals(binding.following[name]) for name in following]),
        require=source(rules),
        exact=source([powers_in_decimals(each) for each in outputs.m_found]),
        decimal=source([in_decimals(each) for each in outputs.m_found]),
        definition=evolve(definition, stages=(), choices={}, workloads={}),
        numbers=tuple(binding.numbers.items()),
        waived=waived,
        backend=backend,
        threads=threads,
    )


def _check_names(definition: Definition, waived: frozenset[str], backend: str) -> None:
    switches = {rule.waived_by for rule in definition.rules} - {""}
    for switch in sorted(waived - switches):
        raise UserError(f"unknown switch '{switch}': {nearest(switch, switches)}")
    if backend not in get_args(Backend):
        raise UserError(f"unknown backend '{backend}': {nearest(backend, get_args(Backend))}")
    if backend == "torch" and find_spec("torch") is None:
        raise UserError("backend torch: PyTorch is not installed; install torch, or leave the backend numpy")


def _known(name: str) -> Metric:
    metrics = load_metrics()
    if name not in metrics:
        raise UserError(f"unknown metric '{name}': {nearest(name, metrics)}")
    return metrics[name]


def _rules(definition: Definition, binding: Binding, waived: frozenset[str]) -> list[Any]:
    """Check the rules that no input can break; return the others as expressions that are 1 or 0."""
    fixed = tuple(rule for rule in definition.rules if names(rule.require) <= binding.numbers.keys())
    check_rules(evolve(definition, rules=fixed), binding.numbers, waived)
    scope = {name: as_expression(value) for name, value in binding.numbers.items()}
    symbols = {name: symbolic.symbol(name) for name in (*binding.inputs, *binding.following)}
    found = []
    for rule in definition.rules:
        if rule in fixed or rule.waived_by in waived:
            continue
        # Spelled out, many a rule holds by itself: crops are columns times rows.
        spelled_out = sympy.sympify(evaluate(rule.require, scope | symbols | dict(binding.following), symbolic))
        if spelled_out != 1:
            found.append(in_decimals(sympy.sympify(evaluate(rule.require, scope | symbols, symbolic))))
    return found


class _Outputs:
    """Collects the expressions that outputs need, each once."""

    def __init__(self, definition: Definition, ask: Ask, binding: Binding, parts: Sequence[str]) -> None:
        self.m_quantities = definition.quantities
        self.m_ask = ask
        self.m_folded = binding.folded
        self.m_addends = tuple(part for part in parts if part != TOTAL)
        self.m_raw: dict[tuple[str, str], Any] = {}
        self.m_places: dict[tuple[str, str], tuple[int, ...]] = {}
        self.m_found: list[Any] = []

    def output(self, metric: Metric, part: str) -> Output:
        """Return the output of a metric of a part."""
        ratio = metric.formula if metric.kind == "ratio" else None
        needed = [metric.name] if ratio is None else sorted(names(ratio))
        places = tuple((each, self._place(each, part)) for each in needed)
        return Output(metric=metric.name, part=part, places=places, ratio=ratio)

    def _place(self, metric: str, part: str) -> tuple[int, ...]:
        """Return where a number stands: the places of its parts where it is their sum, else one of its own."""
        key = (metric, part)
        if key not in self.m_places:
            raw = self._expression(metric, part)
            if part == TOTAL and raw == self._sum(metric):
                places = tuple(place for each in self.m_addends for place in self._place(metric, each))
            else:
                places = (len(self.m_found),)
                short = nested(reduced(raw.xreplace(self.m_folded)))
                # Peaks are float64: what depends on them has nothing to gain from fractions.
                timed = any(self.m_quantities[str(each)].group == "machine" for each in raw.free_symbols)
                self.m_found.append(in_decimals(short) if timed else short)
            self.m_places[key] = places
        return self.m_places[key]

    def _sum(self, metric: str) -> Any:
        """Add the stages up; None where one of them has no such metric."""
        try:
            return sympy.Add(*(self._expression(metric, each) for each in self.m_addends))
        except UserError:
            return None

    def _expression(self, metric: str, part: str) -> Any:
        if (metric, part) not in self.m_raw:
            self.m_raw[metric, part] = self.m_ask(metric, part)
        return self.m_raw[metric, part]
