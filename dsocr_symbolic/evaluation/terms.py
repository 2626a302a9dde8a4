"""Metrics of parts of a network, as expressions and as numbers of any algebra."""

from collections.abc import Mapping
from functools import lru_cache
from types import ModuleType

import sympy

from dsocr_symbolic.algebras import symbolic
from dsocr_symbolic.algebras.value import Expr, Value
from dsocr_symbolic.evaluation.formulas import made_once
from dsocr_symbolic.evaluation.generated import compile_function, symbols_of
from dsocr_symbolic.evaluation.model import Model, part_expression
from dsocr_symbolic.evaluation.source import function_source
from dsocr_symbolic.language.expression import names, of_running
from dsocr_symbolic.language.registry import Term, known_metric


def expression_of(model: Model, term: Term) -> Expr:
    """Return a metric of some parts together with every symbol free; it divides by 0 where it has no value."""
    metric = known_metric(term.metric)
    formula = model.definition.latencies.get(metric.latency)
    whole = sympy.Add(*(part_expression(model, path, term.metric) for path in term.paths))
    stages = frozenset(node.path[0] for node in model.stages)
    if formula is None or of_running(formula, stages) == formula:
        return whole
    seconds = (part_expression(model, stage, metric.of) for stage in sorted(names(formula) & stages))
    return whole / symbolic.nonzero(sympy.Add(*seconds))


def term_values(
    model: Model, terms: tuple[Term, ...], scope: Mapping[str, Value], algebra: ModuleType
) -> tuple[Value, ...]:
    """Evaluate metrics of parts, in their order, given a value of the algebra for every symbol."""
    return compile_function(_source(model, terms), algebra)(scope)[0]


def term_symbols(model: Model, terms: tuple[Term, ...]) -> frozenset[str]:
    """Return the symbols that metrics of parts are functions of."""
    return symbols_of(_source(model, terms))


@lru_cache(maxsize=64)
def _source(model: Model, terms: tuple[Term, ...]) -> str:
    """Write a function of all symbols: the same one whichever symbol moves, and whatever is put in."""

    def write() -> str:
        outputs = [sympy.sympify(expression_of(model, term)) for term in terms]
        return function_source([outputs], model.definition.quantities)

    source: str = made_once(model.definition, model.options, f"source of {terms}", write)
    return source
