"""Compile metrics of some nodes into one function of a few symbols."""

from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import Any, get_args

import sympy
from attrs import evolve

from dsocr_symbolic.algebras import symbolic
from dsocr_symbolic.algebras.value import Expr
from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.evaluation.binding import Binding, as_expression
from dsocr_symbolic.evaluation.compiled import Compiled
from dsocr_symbolic.evaluation.kernel import Backend, Output
from dsocr_symbolic.evaluation.reduction import in_decimals, nested, powers_in_decimals, reduced
from dsocr_symbolic.evaluation.source import function_source
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import Expression, evaluate, names, of_running
from dsocr_symbolic.language.registry import Metric, known_metric, load_metrics
from dsocr_symbolic.language.rules import Rule
from dsocr_symbolic.network.serving import chain
from dsocr_symbolic.scenario.checks import check_rules

Ask = Callable[[str, str], Expr]
Keep = Callable[[Callable[[], dict[str, Any]]], dict[str, Any]]
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
    keep: Keep,
) -> Compiled:
    """Compile metrics of parts, ``total`` the whole; ``ask`` gives a metric of a part with every symbol free.

    ``keep`` returns what was made of the same question before, or has it made.
    """
    switches = {rule.waived_by for rule in definition.rules} - {""}
    for switch in sorted(waived - switches):
        raise UserError(f"unknown switch '{switch}': {nearest(switch, switches)}")
    _check_backend(backend)
    kept = keep(
        lambda: _made(
            definition,
            ask,
            metrics=metrics,
            parts=parts,
            binding=binding,
            overridden=overridden,
            waived=waived,
            check=check,
        )
    )
    return Compiled(
        outputs=tuple(_output(definition, *each) for each in kept["outputs"]),
        inputs=binding.inputs,
        definition=evolve(
            definition,
            stages=(),
            choices={},
            workloads={},
            rules=tuple(definition.rules[place] for place in kept["rules"]),
        ),
        numbers=tuple(binding.numbers.items()),
        waived=waived,
        backend=backend,
        threads=threads,
        following=tuple(kept["following"]),
        guarded=tuple(kept["guarded"]),
        warned=tuple(kept["warned"]),
        follow=kept["follow"],
        require=kept["require"],
        exact=kept["exact"],
        decimal=kept["decimal"],
        warn=kept["warn"],
    )


def _made(
    definition: Definition,
    ask: Ask,
    *,
    metrics: Sequence[str],
    parts: Sequence[str],
    binding: Binding,
    overridden: Sequence[str],
    waived: frozenset[str],
    check: bool,
) -> dict[str, Any]:
    """Write the source of a function, and say where its outputs stand, as data that JSON can hold."""
    outputs = _Outputs(definition, ask, binding, parts)
    places = [
        (metric.name, part, None if binding.claims.lacking(metric.name) else outputs.places(metric, part))
        for metric in map(known_metric, metrics)
        for part in parts
    ]
    open_rules = _open_rules(definition, binding, waived) if check else []
    rules = [expression for _, expression in open_rules]
    guarded = [name for name in overridden if name in binding.following]
    used = {str(symbol) for expression in (*outputs.m_expressions, *rules) for symbol in expression.free_symbols}
    used |= {name for rule, _ in open_rules for name in rule.names}
    following = [name for name in binding.following if name in used or name in guarded]
    about = {name for rule in definition.warnings for name in rule.names}
    warned = [name for name in binding.following if name in about]

    def source(*rows: Sequence[Expr]) -> str:
        return function_source(rows, definition.quantities)

    def powers(symbols: Sequence[str]) -> list[Expr]:
        return [powers_in_decimals(binding.following[name]) for name in symbols]

    return {
        "outputs": places,
        "following": following,
        "guarded": guarded,
        "warned": warned,
        "follow": source(powers(following)),
        "require": source(rules),
        "exact": source(list(map(powers_in_decimals, outputs.m_expressions))),
        "decimal": source(list(map(in_decimals, outputs.m_expressions))),
        "warn": source(powers(warned), _warnings(definition, binding)),
        "rules": [definition.rules.index(rule) for rule, _ in open_rules],
    }


def _rates(definition: Definition) -> dict[str, Expression]:
    """Return the latencies that divide: a polynomial that was divided out would have a value where nothing runs."""
    stages = frozenset(call.name for call in definition.stages)
    running = {name: of_running(formula, stages) for name, formula in definition.latencies.items()}
    return {name: rate for name, rate in running.items() if rate != definition.latencies[name]}


def _ratio(metric: Metric, rates: Mapping[str, Expression]) -> Expression | None:
    return metric.formula if metric.kind == "ratio" else rates.get(metric.latency)


def _output(definition: Definition, name: str, part: str, places: Sequence[tuple[str, Sequence[int]]] | None) -> Output:
    """Return the output of a metric of a part whose numbers stand in some places, in none where it is not there."""
    if places is None:
        return Output(metric=name, part=part, places=(), ratio=None)
    metric = known_metric(name)
    steps = chain(metric)
    return Output(
        metric=name,
        part=part,
        places=tuple((each, tuple(those)) for each, those in places),
        ratio=None if steps else _ratio(metric, _rates(definition)),
        steps=steps,
    )


def _check_backend(backend: str) -> None:
    if backend not in get_args(Backend):
        raise UserError(f"unknown backend '{backend}': {nearest(backend, get_args(Backend))}")
    if backend == "c":
        from dsocr_symbolic.evaluation.native import compiler

        compiler()
    if backend == "torch" and find_spec("torch") is None:
        raise UserError("backend torch: PyTorch is not installed; install torch, or leave the backend numpy")


def _open_rules(definition: Definition, binding: Binding, waived: frozenset[str]) -> list[tuple[Rule, Expr]]:
    """Check the rules that no input can break; return the others, each with an expression that is 1 or 0."""
    fixed = tuple(rule for rule in definition.rules if names(rule.require) <= binding.numbers.keys())
    check_rules(fixed, binding.numbers, waived)
    scope = {name: as_expression(value) for name, value in binding.numbers.items()}
    symbols = {name: symbolic.symbol(name) for name in (*binding.inputs, *binding.following)}
    open_rules = []
    for rule in definition.rules:
        if rule in fixed or rule.waived_by in waived:
            continue
        # Spelled out, many a rule holds by itself: crops are columns times rows.
        spelled_out = sympy.sympify(evaluate(rule.require, scope | symbols | dict(binding.following), symbolic))
        if spelled_out != 1:
            required = sympy.sympify(evaluate(rule.require, scope | symbols, symbolic))
            open_rules.append((rule, in_decimals(required)))
    return open_rules


def _warnings(definition: Definition, binding: Binding) -> list[Expr]:
    """Return what may be broken with a warning, as expressions of the inputs that are 1 or 0."""
    scope = {name: as_expression(value) for name, value in binding.numbers.items()}
    scope |= {name: symbolic.symbol(name) for name in binding.inputs} | dict(binding.following)
    return [in_decimals(sympy.sympify(evaluate(rule.require, scope, symbolic))) for rule in definition.warnings]


class _Outputs:
    """Collects the expressions that outputs need, each once."""

    def __init__(self, definition: Definition, ask: Ask, binding: Binding, parts: Sequence[str]) -> None:
        self.m_quantities = definition.quantities
        self.m_rates = _rates(definition)
        self.m_ask = ask
        self.m_folded = binding.folded
        self.m_addends = tuple(part for part in parts if part != TOTAL)
        self.m_places: dict[tuple[str, str], tuple[int, ...]] = {}
        self.m_expressions: list[Expr] = []

    def places(self, metric: Metric, part: str) -> list[tuple[str, tuple[int, ...]]]:
        """Return where the numbers stand that a metric of a part is made of, by their names."""
        steps = chain(metric)
        if steps:
            self.m_ask(metric.name, part)
            needed = sorted({name for _, formula in steps for name in names(formula)} - {name for name, _ in steps})
            measured = {known.takes: known.name for known in load_metrics().values() if known.kind == "server"}
            return [
                (name, self._place(measured[name], part) if name in measured else self._symbol(name)) for name in needed
            ]
        ratio = _ratio(metric, self.m_rates)
        needed = [metric.name] if ratio is None else sorted(names(ratio))
        if metric.kind == "latency" and ratio is not None:
            # The whole alone has it: asking says so of any other part.
            self.m_ask(metric.name, part)
            return [(name, self._stage(name, metric.of)) for name in needed]
        return [(name, self._place(name, part)) for name in needed]

    def _stage(self, name: str, metric: str) -> tuple[int, ...]:
        """Return where a name of a latency's formula stands: a stage's time, or a symbol of the network."""
        return self._symbol(name) if name in self.m_quantities else self._place(metric, name)

    def _symbol(self, name: str) -> tuple[int, ...]:
        """Return where a symbol of the network stands."""
        key = ("", name)
        if key not in self.m_places:
            self.m_places[key] = (len(self.m_expressions),)
            self.m_expressions.append(sympy.sympify(symbolic.symbol(name).xreplace(self.m_folded)))
        return self.m_places[key]

    def _place(self, metric: str, part: str) -> tuple[int, ...]:
        """Return where a number stands: the places of its parts where it is their sum, else one of its own."""
        key = (metric, part)
        if key not in self.m_places:
            raw = self.m_ask(metric, part)
            if part == TOTAL and raw == self._sum(metric):
                places = tuple(place for addend in self.m_addends for place in self._place(metric, addend))
            else:
                places = (len(self.m_expressions),)
                short = nested(reduced(raw.xreplace(self.m_folded)))
                # Peaks are float64: what depends on them has nothing to gain from fractions.
                timed = any(self.m_quantities[str(symbol)].group == "machine" for symbol in raw.free_symbols)
                self.m_expressions.append(in_decimals(short) if timed else short)
            self.m_places[key] = places
        return self.m_places[key]

    def _sum(self, metric: str) -> Expr:
        """Add the stages up; None where one of them has no such metric."""
        try:
            return sympy.Add(*(self.m_ask(metric, addend) for addend in self.m_addends))
        except UserError:
            return None
