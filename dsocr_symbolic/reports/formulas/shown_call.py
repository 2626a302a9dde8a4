"""The call that a page shows of a formula: where its values are from, and which of its lines have pages themselves."""

from collections.abc import Mapping

from attrs import evolve, frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.call import Call
from dsocr_symbolic.language.expression import EMPTY, parse
from dsocr_symbolic.language.formula import Formula
from dsocr_symbolic.network.costs import value
from dsocr_symbolic.network.flows import total_calls
from dsocr_symbolic.network.node import Node, walk
from dsocr_symbolic.reports.formulas.alone import Alone, Group, is_spliced, stand_alone
from dsocr_symbolic.reports.formulas.fillings import Slots, callers_fillings, example_values, filled_sizes
from dsocr_symbolic.reports.formulas.places import Lines, Places, shape


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
