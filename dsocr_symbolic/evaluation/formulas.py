"""Formulas of a network under its choices: the tree once in a process, what follows from it once on a machine."""

import hashlib
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache
from typing import Any

import sympy

from dsocr_symbolic.algebras.value import Expr
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.program import formulas_key, kept
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.registry import known_metric
from dsocr_symbolic.network.fold import of_training
from dsocr_symbolic.network.leaves import Whole, metric_expression
from dsocr_symbolic.network.model_tree import model_tree
from dsocr_symbolic.scenario.values import chosen_slots
from dsocr_symbolic.writing.formula_text import without_implied_guards

Options = tuple[tuple[str, str], ...]
"""The option of every choice."""


@lru_cache(maxsize=16)
def whole_of(definition: Definition, options: Options, *, training: bool) -> Whole:
    """Return the tree of a network, its training step too if it is asked for."""
    slots = chosen_slots(definition, dict(options))
    return Whole(definition=definition, stages=model_tree(definition, slots, training=training))


@lru_cache(maxsize=512)
def expression_at(definition: Definition, options: Options, path: str, metric: str) -> Expr:
    """Return a metric of the part at a path that there is; a UserError where it does not exist."""
    reason = definition.uncounted.get(metric) or known_metric(metric).reason or "it has no formula there"
    whole = whole_of(definition, options, training=of_training(known_metric(metric)))
    expression = metric_expression(whole.nodes[path], metric, whole)
    if expression is None:
        raise UserError(f"{metric}: does not exist for {path or 'the whole'} ({reason}); ask for another metric")
    return sympy.Add(*map(without_implied_guards, sympy.Add.make_args(sympy.sympify(expression))))


@lru_cache(maxsize=16)
def paths_of(definition: Definition, options: Options) -> Mapping[str, None]:
    """Return every path, the whole first, parents before children."""
    made = made_once(definition, options, "paths", lambda: list(whole_of(definition, options, training=False).nodes))
    return dict.fromkeys(made)


def symbols_at(definition: Definition, options: Options, paths: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Return the symbols of metrics of parts, each a metric and a path; a UserError where one does not exist."""
    paths = tuple(paths)

    def make() -> list[str]:
        formulas = (expression_at(definition, options, path, metric) for metric, path in paths)
        return sorted({str(symbol) for formula in formulas for symbol in formula.free_symbols})

    return frozenset(made_once(definition, options, f"symbols {paths}", make))


def made_once(definition: Definition, options: Options, what: str, make: Callable[[], Any]) -> Any:
    """Return what follows from the formulas, data that JSON can hold: a question asked again then builds no tree."""
    digest = hashlib.sha256(f"{formulas_key(definition, options)} {what}".encode())
    return kept(digest.hexdigest()[:32], make)
