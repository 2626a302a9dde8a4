"""One formula by itself: a call in its own symbols and local names, and a number for each of them."""

from collections.abc import Callable, Mapping
from typing import Any

import sympy
from attrs import evolve, frozen

from dsocr_symbolic.algebras import arithmetic, symbolic
from dsocr_symbolic.algebras.exact import evaluator
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import names
from dsocr_symbolic.language.formula import EMPTY, Call, Formula, Layer, Symbol
from dsocr_symbolic.language.library import Library
from dsocr_symbolic.language.lookup import definition_of
from dsocr_symbolic.network.builder import trained_tree
from dsocr_symbolic.network.costs import value
from dsocr_symbolic.network.node import Node
from dsocr_symbolic.reports.formulas.places import Network, switches
from dsocr_symbolic.writing.latex import upright

# The members of a family of operators give this one; it stands for itself in no formula.
_OF_A_MEMBER = "flops"


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
    given: Mapping[str, Any]
    node: Node
    scope: Mapping[str, Any]
    numbers: Mapping[str, Any]
    exact: Callable[[Any], Any]
    letters: Mapping[str, str]
    groups: tuple[Group, ...]
    elsewhere: frozenset[str] = frozenset()


def stand_alone(network: Network, formula: Formula, given: Mapping[str, Any]) -> Alone:
    """Call a formula alone.

    Parameters
    ----------
    network : Network
        Gives the values of the model's symbols, and fills slots.
    formula : Formula
        The formula.
    given : mapping of str to number
        A value for each of its symbols.

    Returns
    -------
    Alone
        The call.

    Raises
    ------
    UserError
        If formulas do not fit together.
    """
    named = {name: Symbol(letter=upright(name), meaning="") for name in local_names(formula)}
    opened = evolve(
        formula,
        symbols={**formula.symbols, **named},
        let={name: each for name, each in formula.let.items() if name == _OF_A_MEMBER},
    )
    definition = definition_of(network.scenario.definition, opened)
    scope = _scope(definition, switches(network), opened)
    library = Library(formulas={**network.library.formulas, formula.name: opened})
    (node,) = trained_tree(library, definition.stages, scope, network.slots, symbolic)
    numbers = {**network.numbers, **given}
    for name in local_names(formula):
        numbers[name] = value(formula.let[name], numbers, arithmetic)
    own = {name: symbol.letter for name, symbol in opened.symbols.items()}
    others = {name: each.letter for name, each in definition.quantities.items() if name not in own}
    return Alone(
        formula=formula,
        given=given,
        node=node,
        scope=scope,
        numbers=numbers,
        exact=evaluator(numbers),
        letters=own | others,
        groups=_groups(network.library, opened, node),
    )


def _scope(definition: Definition, switched: Mapping[str, Any], formula: Formula) -> dict[str, Any]:
    """Leave every symbol free but the switches, and what is defined by them."""
    scope = {name: symbolic.symbol(name) for name in definition.quantities}
    put_in = {name: symbolic.number(each) for name, each in switched.items() if name not in formula.symbols}
    scope |= put_in
    for name, quantity in definition.quantities.items():
        if name not in formula.symbols and names(quantity.formula) & set(put_in):
            scope[name] = value(quantity.formula, scope, symbolic)
    return scope


def local_names(formula: Formula) -> tuple[str, ...]:
    """Return the names that a file gives to parts of its formulas."""
    return tuple(name for name in formula.let if name != _OF_A_MEMBER)


def local_value(alone: Alone, name: str) -> Any:
    """Return what a local name stands for, in symbols."""
    return sympy.sympify(value(alone.formula.let[name], alone.scope, symbolic))


def example_values(network: Network, formula: Formula) -> dict[str, Any]:
    """Return the values of a file's example; what it leaves out is the model's own, or 1."""
    return {
        name: value(formula.example.given[name], EMPTY, arithmetic)
        if name in formula.example.given
        else network.numbers.get(name, 1)
        for name in formula.symbols
    }


def _groups(library: Library, formula: Formula, node: Node) -> tuple[Group, ...]:
    """Cut the children of a layer into those of each line; an inline call has those of its callee."""
    if not isinstance(formula, Layer):
        return ()
    found, start = [], 0
    for call in formula.calls:
        end = start + _children(library, call)
        nodes = node.children[start:end]
        callee = library[call.use] if call.inline else nodes[0].formula
        found.append(Group(call=call, formula=callee, nodes=nodes))
        start = end
    return tuple(found)


def _children(library: Library, call: Call) -> int:
    callee = library.formulas.get(call.use)
    if not call.inline or not isinstance(callee, Layer):
        return 1
    return sum(_children(library, each) for each in callee.calls)
