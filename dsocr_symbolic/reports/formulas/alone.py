"""One formula by itself: a call in its own symbols, a number for each of them, and the call that its page shows."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import sympy
from attrs import evolve, frozen

from dsocr_symbolic.algebras import arithmetic, symbolic
from dsocr_symbolic.algebras.exact import evaluator
from dsocr_symbolic.algebras.value import Exact, Expr
from dsocr_symbolic.language.call import Call, Filling
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import EMPTY, names, parse
from dsocr_symbolic.language.formula import Formula, Layer, Library
from dsocr_symbolic.language.lookup import definition_of
from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.language.symbols import Symbol
from dsocr_symbolic.network.builder import trained_tree
from dsocr_symbolic.network.costs import value
from dsocr_symbolic.network.node import Node
from dsocr_symbolic.reports.formulas.fillings import (
    Slots,
    callee,
    children,
    filled_sizes,
    symbol_of,
)
from dsocr_symbolic.reports.formulas.places import Places, switches
from dsocr_symbolic.writing.latex import upright

# The members of a family of operators give this one; it stands for itself in no formula.
_OF_A_MEMBER = "flops"
OF_A_CALL = ("flow", "stock", "boundary", "peak")
"""The kinds of metrics that pages take apart."""


@frozen(kw_only=True)
class Group:
    """One line of a layer, what it calls, and the nodes that stand for it: an inline call has those of its callee."""

    call: Call
    formula: Formula
    nodes: tuple[Node, ...]


@frozen(kw_only=True)
class Alone:
    """One call of a formula.

    Attributes
    ----------
    formula : Formula
        The formula.
    given : mapping of str to number
        The value of each of its symbols.
    node : Node
        The call in its symbols; local names stay symbols too.
    scope : mapping of str to sympy.Expr
        What every name stands for: itself, or what a choice puts in its place.
    numbers : mapping of str to number
        The value of each symbol.
    exact : callable
        Evaluates an expression in these numbers.
    letters : mapping of str to str
        LaTeX of each: the formula's own symbols first, then local names, then those of the model.
    groups : tuple of Group
        Of a layer, line by line.
    elsewhere : frozenset of str
        The lines whose callee's page shows this very call.
    filled : mapping of str to Symbol
        Symbols that its caller gives to what fills a slot.
    """

    formula: Formula
    given: Mapping[str, Exact]
    node: Node
    scope: Mapping[str, Expr]
    numbers: Mapping[str, Exact]
    exact: Callable[[Expr], Exact]
    letters: Mapping[str, str]
    groups: tuple[Group, ...]
    elsewhere: frozenset[str] = frozenset()
    filled: Mapping[str, Symbol] = EMPTY


def stand_alone(places: Places, formula: Formula, given: Mapping[str, Exact], slots: Slots = EMPTY) -> Alone:
    """Call a formula alone, at a value for each of its symbols; those of the model, and slots, are a workload's.

    ``slots`` are those that its caller fills; the others are a choice's, or are filled by default.
    """
    filled: dict[str, Symbol] = {}
    fillings: dict[str, Filling] = {}
    for slot, (use, sizes) in slots.items():
        symbols = {name: symbol_of(formula, slot, name) for name in sizes}
        filled |= {
            symbol: _lettered(places.library[use].symbols[name], slot, formula) for name, symbol in symbols.items()
        }
        fillings[slot] = Filling(use=use, given={name: parse(symbol, slot) for name, symbol in symbols.items()})
    given = {**given, **filled_sizes(formula, slots)}
    named = {name: Symbol(letter=upright(name), meaning="") for name in local_names(formula)}
    opened = evolve(
        formula,
        symbols={**formula.symbols, **named, **filled},
        let={name: expression for name, expression in formula.let.items() if name == _OF_A_MEMBER},
    )
    definition = definition_of(places.scenario.definition, opened)
    scope = _scope(definition, switches(places), opened)
    library = Library(formulas={**places.library.formulas, formula.name: opened})
    stages = tuple(evolve(stage, slots=fillings) for stage in definition.stages)
    (node,) = trained_tree(library, stages, scope, places.slots, symbolic, sizes=definition.sizes)
    numbers = {**places.numbers, **given}
    for name in local_names(formula):
        found = value(formula.let[name], numbers, arithmetic)
        # A guard that is 0 leaves a whole number of what floats hold.
        numbers[name] = arithmetic.whole(found) if isinstance(found, float) else found
    own = {name: symbol.letter for name, symbol in opened.symbols.items()}
    others = {name: quantity.letter for name, quantity in definition.quantities.items() if name not in own}
    return Alone(
        formula=formula,
        given=given,
        node=node,
        scope=scope,
        numbers=numbers,
        exact=evaluator(numbers),
        letters=_told_apart(own | others),
        groups=_groups(places, opened, node, fillings),
        filled=filled,
    )


def _lettered(symbol: Symbol, slot: str, formula: Formula) -> Symbol:
    """Mark a letter that is one of the formula's own by the slot that it stands in."""
    taken = symbol.letter in {own.letter for own in formula.symbols.values()}
    return evolve(symbol, letter=f"{{{symbol.letter}}}^{{{upright(slot)}}}") if taken else symbol


def _told_apart(letters: Mapping[str, str]) -> dict[str, str]:
    """Give letters one meaning: where a symbol has that of a metric, or of one before it, its name stands instead."""
    taken = {initial(metric.latex) for metric in load_metrics().values() if metric.kind in OF_A_CALL}
    seen: set[str] = set()
    apart: dict[str, str] = {}
    for name, letter in letters.items():
        apart[name] = upright(name) if letter in seen or initial(letter) in taken else letter
        seen.add(letter)
    return apart


def initial(latex: str) -> str:
    """Return a letter without its indices and primes."""
    found = re.match(r"\\[a-zA-Z]+|.", latex)
    return found[0] if found else ""


def _scope(definition: Definition, switched: Mapping[str, Any], formula: Formula) -> dict[str, Expr]:
    """Leave every symbol free but the switches, and what is defined by them."""
    scope = {name: symbolic.symbol(name) for name in definition.quantities}
    put_in = {name: symbolic.number(number) for name, number in switched.items() if name not in formula.symbols}
    scope |= put_in
    for name, quantity in definition.quantities.items():
        if name not in formula.symbols and names(quantity.formula) & set(put_in):
            scope[name] = value(quantity.formula, scope, symbolic)
    return scope


def local_names(formula: Formula) -> tuple[str, ...]:
    """Return the names that a file gives to parts of its formulas."""
    return tuple(name for name in formula.let if name != _OF_A_MEMBER)


def local_value(alone: Alone, name: str) -> Expr:
    """Return what a local name stands for, in symbols."""
    return sympy.sympify(value(alone.formula.let[name], alone.scope, symbolic))


def _groups(places: Places, formula: Formula, node: Node, fillings: Mapping[str, Filling]) -> tuple[Group, ...]:
    """Cut the children of a layer into those of each line; an inline call has those of its callee."""
    if not isinstance(formula, Layer):
        return ()
    groups, start = [], 0
    for call in formula.calls:
        end = start + children(places, formula, call, fillings)
        called = callee(places, formula, call, fillings)
        groups.append(Group(call=call, formula=called, nodes=node.children[start:end]))
        start = end
    return tuple(groups)


def is_spliced(group: Group) -> bool:
    """Say whether the nodes of a line are those of its callee's lines; an operator, inline or not, is a node itself."""
    return group.call.inline and isinstance(group.formula, Layer)
