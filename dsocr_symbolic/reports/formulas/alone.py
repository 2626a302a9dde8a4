"""One formula by itself: a call in its own symbols, a number for each of them, and the call that its page shows."""

import re
from collections.abc import Callable, Mapping
from typing import Any

import sympy
from attrs import evolve, frozen

from dsocr_symbolic.algebras import arithmetic, symbolic
from dsocr_symbolic.algebras.exact import evaluator
from dsocr_symbolic.algebras.value import Exact, Expr
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.call import Call, Filling
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import names, parse
from dsocr_symbolic.language.formula import EMPTY, Formula, Layer, Library, Symbol
from dsocr_symbolic.language.lookup import definition_of
from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.network.builder import trained_tree
from dsocr_symbolic.network.costs import value
from dsocr_symbolic.network.flows import total_calls
from dsocr_symbolic.network.node import Node, walk
from dsocr_symbolic.reports.formulas.fillings import (
    Slots,
    callee,
    callers_fillings,
    children,
    example_values,
    filled_sizes,
    symbol_of,
)
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


def shown_call(places: Places, formula: Formula, lines: Lines) -> ShownCall:
    """Choose the call whose values a page shows: the first of the workload whose slots are filled as by default.

    A formula that stands inline takes its values from its caller, one that knows nothing but the model's symbols from
    the workload, any other one from its file's example.
    """
    running: dict[tuple[str, ...], Node] = {}
    for node in places.nodes.get(formula.name, ()):
        if total_calls(node) > 0:
            running.setdefault(shape(node), node)
    # As it stands by default, else as its caller fills its slots.
    for fills in (False, True):
        for inside, node in running.items():
            alone = _if_it_can(places, formula, node.given, node.slots if fills else EMPTY)
            if alone is not None and shape(alone.node) == inside and (fills or _is_same(alone, node)):
                return ShownCall(alone=alone, source="call", path="/".join(node.path))
    for line in lines.get(formula.name, ()):
        if line.inline:
            caller = shown_call(places, places.library[line.formula], lines)
            (group,) = (group for group in caller.alone.groups if group.call.name == line.call)
            given = _given(group, caller.alone)
            alone = _if_it_can(places, formula, given)
            return evolve(caller, alone=alone or stand_alone(places, formula, given, _slots(group.call, caller.alone)))
    if formula.symbols and set(formula.symbols) <= set(places.scenario.definition.quantities):
        given = {name: places.numbers[name] for name in formula.symbols}
        alone = _if_it_can(places, formula, given)
        if alone is not None:
            return ShownCall(alone=alone, source="workload")
    given = example_values(places, formula)
    for fillings in (EMPTY, *callers_fillings(places, lines.get(formula.name, ()))):
        alone = _if_it_can(places, formula, given, fillings)
        if alone is not None:
            return ShownCall(alone=alone, source="example")
    return ShownCall(alone=stand_alone(places, formula, given), source="example")


def _is_same(alone: Alone, node: Node) -> bool:
    """Say whether what fills a slot by default, or by choice, has the sizes that the caller's filling has."""
    if not node.slots:
        return True
    pairs = zip(walk((alone.node,)), walk((node,)), strict=True)
    return all(
        {name: alone.exact(size) for name, size in there.given.items() if name in here.given} == dict(here.given)
        for there, here in pairs
    )


def _if_it_can(places: Places, formula: Formula, given: Mapping[str, Exact], slots: Slots = EMPTY) -> Alone | None:
    """Call a formula alone; None where nothing fills a slot, or what does so is of another network."""
    try:
        return stand_alone(places, formula, given, slots)
    except UserError:
        return None


def is_spliced(group: Group) -> bool:
    """Say whether the nodes of a line are those of its callee's lines; an operator, inline or not, is a node itself."""
    return group.call.inline and isinstance(group.formula, Layer)


def _slots(call: Call, caller: Alone) -> Slots:
    """Return what a line puts into its callee's slots, with numbers."""
    numbers = caller.numbers
    return {
        slot: (filling.use, {name: value(size, numbers, arithmetic) for name, size in filling.given.items()})
        for slot, filling in call.slots.items()
    }


def with_pages(shown: ShownCall, others: Mapping[str, ShownCall]) -> Alone:
    """Say which lines of a layer are calls that their own pages, by formula, show."""
    alone, elsewhere = shown.alone, set()
    for group in alone.groups:
        other = others[group.formula.name].alone
        if is_spliced(group):
            given, nodes = _given(group, alone), other.node.children
            given |= filled_sizes(group.formula, _slots(group.call, alone))
        else:
            node, nodes = group.nodes[0], (other.node,)
            sizes = {**node.given, **(filled_sizes(group.formula, node.slots) if other.filled else {})}
            given = {name: alone.exact(size) for name, size in sizes.items()}
        if given == dict(other.given) and [*map(shape, nodes)] == [*map(shape, group.nodes)]:
            elsewhere.add(group.call.name)
    return evolve(alone, elsewhere=frozenset(elsewhere))


def _given(group: Group, caller: Alone) -> dict[str, Exact]:
    """Return the numbers that a line hands to what it calls inline; those that it leaves out are its own."""
    named = {name: group.call.given.get(name) or parse(name, name) for name in group.formula.symbols}
    return {name: value(expression, caller.numbers, arithmetic) for name, expression in named.items()}
