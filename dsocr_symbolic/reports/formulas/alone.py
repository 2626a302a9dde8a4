"""One formula by itself: a call in its own symbols, a number for each of them, and the call that its page shows."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import sympy
from attrs import evolve, frozen

from dsocr_symbolic.algebras import arithmetic, symbolic
from dsocr_symbolic.algebras.exact import evaluator
from dsocr_symbolic.algebras.value import Exact, Expr
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import names
from dsocr_symbolic.language.formula import EMPTY, Call, Formula, Layer, Symbol
from dsocr_symbolic.language.library import Library
from dsocr_symbolic.language.lookup import definition_of
from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.network.builder import trained_tree
from dsocr_symbolic.network.costs import value
from dsocr_symbolic.network.flows import total_calls
from dsocr_symbolic.network.node import Node
from dsocr_symbolic.reports.formulas.places import Lines, Places, shape, switches
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


@frozen(kw_only=True)
class ShownCall:
    """The call that a page shows.

    Attributes
    ----------
    alone : Alone
        The call.
    source : str
        Where its values are from: a ``call``, the ``workload`` itself, or the ``example`` of the file.
    path : str
        Of a call, where it stands.
    """

    alone: Alone
    source: str
    path: str = ""


def stand_alone(places: Places, formula: Formula, given: Mapping[str, Exact]) -> Alone:
    """Call a formula alone, at a value for each of its symbols; those of the model, and slots, are a workload's."""
    named = {name: Symbol(letter=upright(name), meaning="") for name in local_names(formula)}
    opened = evolve(
        formula,
        symbols={**formula.symbols, **named},
        let={name: expression for name, expression in formula.let.items() if name == _OF_A_MEMBER},
    )
    definition = definition_of(places.scenario.definition, opened)
    scope = _scope(definition, switches(places), opened)
    library = Library(formulas={**places.library.formulas, formula.name: opened})
    (node,) = trained_tree(library, definition.stages, scope, places.slots, symbolic)
    numbers = {**places.numbers, **given}
    for name in local_names(formula):
        numbers[name] = value(formula.let[name], numbers, arithmetic)
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
        groups=_groups(places.library, opened, node),
    )


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


def example_values(places: Places, formula: Formula) -> dict[str, Exact]:
    """Return the values of a file's example; what it leaves out is the model's own, or 1."""
    given = {name: value(expression, EMPTY, arithmetic) for name, expression in formula.example.given.items()}
    return {name: given[name] if name in given else places.numbers.get(name, 1) for name in formula.symbols}


def _groups(library: Library, formula: Formula, node: Node) -> tuple[Group, ...]:
    """Cut the children of a layer into those of each line; an inline call has those of its callee."""
    if not isinstance(formula, Layer):
        return ()
    groups, start = [], 0
    for call in formula.calls:
        end = start + _children(library, call)
        nodes = node.children[start:end]
        callee = library[call.use] if call.inline else nodes[0].formula
        groups.append(Group(call=call, formula=callee, nodes=nodes))
        start = end
    return tuple(groups)


def _children(library: Library, call: Call) -> int:
    callee = library.formulas.get(call.use)
    if not call.inline or not isinstance(callee, Layer):
        return 1
    return sum(_children(library, line) for line in callee.calls)


def shown_call(places: Places, formula: Formula, lines: Lines) -> ShownCall:
    """Choose the call whose values a page shows: the first of the workload whose slots are filled as by default.

    A formula that stands inline takes its values from its caller, one that knows nothing but the model's symbols from
    the workload, any other one from its file's example.
    """
    tried: set[tuple[str, ...]] = set()
    for node in places.nodes.get(formula.name, ()):
        inside = shape(node)
        if total_calls(node) > 0 and inside not in tried:
            tried.add(inside)
            alone = stand_alone(places, formula, node.given)
            if shape(alone.node) == inside:
                return ShownCall(alone=alone, source="call", path="/".join(node.path))
    for line in lines.get(formula.name, ()):
        if line.inline:
            caller = shown_call(places, places.library[line.formula], lines)
            (call,) = (group.call for group in caller.alone.groups if group.call.name == line.call)
            return evolve(caller, alone=stand_alone(places, formula, _given(call, caller.alone)))
    if formula.symbols and set(formula.symbols) <= set(places.scenario.definition.quantities):
        given = {name: places.numbers[name] for name in formula.symbols}
        return ShownCall(alone=stand_alone(places, formula, given), source="workload")
    return ShownCall(alone=stand_alone(places, formula, example_values(places, formula)), source="example")


def with_pages(shown: ShownCall, others: Mapping[str, ShownCall]) -> Alone:
    """Say which lines of a layer are calls that their own pages, by formula, show."""
    alone, elsewhere = shown.alone, set()
    for group in alone.groups:
        other = others[group.formula.name].alone
        if group.call.inline:
            given, nodes = _given(group.call, alone), other.node.children
        else:
            given, nodes = {name: alone.exact(size) for name, size in group.nodes[0].given.items()}, (other.node,)
        if given == dict(other.given) and [*map(shape, nodes)] == [*map(shape, group.nodes)]:
            elsewhere.add(group.call.name)
    return evolve(alone, elsewhere=frozenset(elsewhere))


def _given(call: Call, caller: Alone) -> dict[str, Exact]:
    """Return the numbers that a line hands to what it calls inline."""
    return {name: value(expression, caller.numbers, arithmetic) for name, expression in call.given.items()}
