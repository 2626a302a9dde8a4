"""What the page is told besides programs: symbols, choices, GPUs, workloads, rules, metrics, formulas."""

from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

from attrs import asdict

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.evaluation.estimate import ADDING, LARGEST
from dsocr_symbolic.explorer import recorded
from dsocr_symbolic.explorer.javascript import body
from dsocr_symbolic.explorer.mathml import letter_markup
from dsocr_symbolic.explorer.programs import OF_NODES, OF_ROWS
from dsocr_symbolic.explorer.recorded import Book
from dsocr_symbolic.explorer.service import service_data
from dsocr_symbolic.explorer.variants import filling_choices
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import Expression, evaluate, names
from dsocr_symbolic.language.registry import Metric, load_conventions, load_metrics
from dsocr_symbolic.language.rules import Rule
from dsocr_symbolic.language.time_formula import is_bound, is_forecast, load_bound, measured_symbols
from dsocr_symbolic.scenario.checks import needed_symbols
from dsocr_symbolic.scenario.hardware import Gpu, load_gpus
from dsocr_symbolic.scenario.origins import Origin, derived_from, origins, unverified
from dsocr_symbolic.scenario.values import choose
from dsocr_symbolic.version import __version__


def page_data(definition: Definition) -> dict[str, Any]:
    """Lay out all that does not depend on slots, JSON-ready: text is an exact number, a number one in float64."""
    formulas = _PrintedFormulas()
    known = definition.quantities
    rules = [_rule(rule, formulas) for rule in definition.rules]
    warnings = [_rule(rule, formulas) for rule in definition.warnings]
    for name, quantity in known.items():
        formulas.add(name, quantity.formula)
    return {
        "version": __version__,
        "model": definition.name,
        "summary": definition.summary,
        "source": definition.source,
        "default_workload": definition.default_workload,
        "default_gpu": definition.default_gpu,
        "symbols": _symbols(definition),
        "choices": _choices(definition),
        "filling": filling_choices(definition),
        "workloads": {
            name: {
                "summary": workload.summary,
                "document": workload.document,
                "values": {symbol: encoded(value) for symbol, value in workload.values.items()},
            }
            for name, workload in definition.workloads.items()
        },
        "gpus": {gpu.name: _gpu(definition, gpu) for gpu in load_gpus()},
        "rules": rules,
        "warnings": warnings,
        "formulas": formulas.printed,
        "uses": {name: sorted(names(quantity.formula)) for name, quantity in known.items()},
        "metrics": [_metric(metric, definition) for metric in load_metrics().values()],
        "of_nodes": list(OF_NODES),
        "of_rows": list(OF_ROWS),
        "roles": asdict(definition.roles),
        "plan": service_data(definition),
        "statements": list(load_conventions().statements),
    }


def encoded(value: Exact) -> str | float:
    """Write an exact number as text, which JavaScript reads without loss."""
    if isinstance(value, float):
        return value
    return f"{value.numerator}/{value.denominator}" if isinstance(value, Fraction) else str(value)


class _PrintedFormulas:
    """Formulas of files as bodies of JavaScript functions of ``g``, which gives the value of a symbol."""

    def __init__(self) -> None:
        self.printed: list[tuple[str, str]] = []

    def add(self, name: str, formula: Expression) -> str:
        """Print a formula under a name."""
        book = Book()
        used = sorted(names(formula))
        value = evaluate(formula, {symbol: book.symbol(symbol) for symbol in used}, recorded)
        self.printed.append((name, body(book, value, {symbol: f'g("{symbol}")' for symbol in used})))
        return name

    def another(self, formula: Expression) -> str:
        """Print a formula that has no name of its own."""
        return self.add(f"_{len(self.printed)}", formula)


def _rule(rule: Rule, formulas: _PrintedFormulas) -> dict[str, Any]:
    return {
        "require": formulas.another(rule.require),
        "say": rule.say,
        "parts": [formulas.another(part) for part in rule.parts],
        "names": sorted(names(rule.require)),
        "waived_by": rule.waived_by,
    }


def _symbols(definition: Definition) -> list[dict[str, Any]]:
    needed = needed_symbols(definition)
    return [
        {
            "name": name,
            "group": quantity.group,
            "markup": letter_markup(quantity.letter, name),
            "meaning": quantity.meaning,
            "unit": quantity.unit,
            "formula": quantity.formula.text,
            "least": quantity.least,
            "real": quantity.real,
            "fixed": quantity.fixed,
            "zero": quantity.zero,
            "needed": quantity.group == "derived" and not quantity.real and name in needed,
            "in_bounds_for": quantity.in_bounds_for,
            "moves_with": quantity.moves_with,
        }
        for name, quantity in definition.quantities.items()
    ]


def _choices(definition: Definition) -> list[dict[str, Any]]:
    """Lay choices out with all their options."""

    def constant(formula: Expression) -> str | float:
        value: Exact = evaluate(formula, {}, arithmetic)
        return encoded(value)

    return [
        {
            "name": name,
            "summary": choice.summary,
            "default": choice.default,
            "options": {
                label: {
                    "choices": dict(option.choices),
                    "symbols": {symbol: constant(formula) for symbol, formula in option.symbols.items()},
                    "documents": {symbol: constant(formula) for symbol, formula in option.documents.items()},
                    "symbols_alone": bool(option.symbols) and not option.slots and not option.gpu,
                }
                for label, option in choice.options.items()
            },
        }
        for name, choice in definition.choices.items()
    ]


def _gpu(definition: Definition, gpu: Gpu) -> dict[str, Any]:
    """Give each symbol of the machine its number, with the default options and, where it differs, with others."""
    plain = choose(definition, {})
    usual = origins(definition, plain, {}, gpu)
    machine = _machine(definition, usual)
    by_option: dict[str, dict[str, Any]] = {}
    for name, choice in definition.choices.items():
        for label, option in choice.options.items():
            if option.gpu:
                other = _machine(definition, origins(definition, {**plain, name: label}, {}, gpu))
                by_option[f"{name} {label}"] = {symbol: other[symbol] for symbol in option.gpu if symbol in other}
    return {
        "title": gpu.title,
        "chip": gpu.chip,
        "machine": machine,
        "options": by_option,
        "unverified": list(unverified(usual.values(), gpu)),
        "derived_from": derived_from(usual.values()),
    }


def _machine(definition: Definition, sources: Mapping[str, Origin]) -> dict[str, Any]:
    """Return numbers of the machine; a symbol that its formula gives is left out."""
    found: dict[str, Any] = {}
    for name, origin in sources.items():
        if definition.quantities[name].group != "machine":
            continue
        if origin.kind in ("machine", "derived"):
            found[name] = ["none", origin.name] if origin.value is None else origin.value
        elif origin.kind == "default" and origin.name:
            found[name] = ["lacks", origin.name]
    return found


def _metric(metric: Metric, definition: Definition) -> dict[str, Any]:
    return {
        "name": metric.name,
        "kind": metric.kind,
        "unit": metric.unit,
        "markup": letter_markup(metric.latex, metric.name),
        "over_pages": "sum" if metric.kind in ADDING else "largest" if metric.kind in LARGEST else "",
        "definition": metric.definition,
        "reason": definition.uncounted.get(metric.name, metric.reason),
        "claims": sorted(_claims(metric)),
    }


def _claims(metric: Metric) -> Iterable[str]:
    """Return the symbols without whose numbers a metric is not claimed."""
    if is_bound(metric.name):
        return names(load_bound().seconds)
    if not is_forecast(metric.name):
        return ()
    device, wall = measured_symbols()
    waits = "wall" in (metric.kind, load_metrics()[metric.of].kind if metric.of else "")
    return device | wall if waits else device
