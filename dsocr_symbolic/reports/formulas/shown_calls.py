"""The one call of each formula that its page shows."""

from collections.abc import Mapping

from attrs import evolve, frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.language.formula import Formula
from dsocr_symbolic.network.costs import value
from dsocr_symbolic.network.flows import total_calls
from dsocr_symbolic.reports.formulas.alone import Alone, example_values, stand_alone
from dsocr_symbolic.reports.formulas.places import Caller, Network, shape

Lines = Mapping[str, tuple[Caller, ...]]


@frozen(kw_only=True)
class Shown:
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


def with_pages(shown: Shown, others: Mapping[str, Shown]) -> Alone:
    """Say which lines of a layer are calls that their own pages show.

    Parameters
    ----------
    shown : Shown
        The call of the layer.
    others : mapping of str to Shown
        Those of all pages, by formula.

    Returns
    -------
    Alone
        The call, with the names of these lines.
    """
    found = set()
    for group in shown.alone.groups:
        other = others[group.formula.name].alone
        if group.call.inline:
            given = {name: value(each, shown.alone.numbers, arithmetic) for name, each in group.call.given.items()}
            nodes = other.node.children
        else:
            given = {name: shown.alone.exact(each) for name, each in group.nodes[0].given.items()}
            nodes = (other.node,)
        if given == dict(other.given) and [shape(each) for each in nodes] == [shape(each) for each in group.nodes]:
            found.add(group.call.name)
    return evolve(shown.alone, elsewhere=frozenset(found))


def shown_call(network: Network, formula: Formula, lines: Lines) -> Shown:
    """Choose the call whose values a page shows.

    Parameters
    ----------
    network : Network
        The workload.
    formula : Formula
        What the page is about.
    lines : mapping of str to tuple of Caller
        The lines that call each formula.

    Returns
    -------
    Shown
        The first call of the workload whose slots are filled as they are by default; a formula that stands inline
        takes its values from its caller, one that knows nothing but the model's symbols from the workload, any
        other one from its file's example.
    """
    tried: set[tuple[str, ...]] = set()
    for node in network.places.get(formula.name, ()):
        inside = shape(node)
        if total_calls(node) > 0 and inside not in tried:
            tried.add(inside)
            alone = stand_alone(network, formula, node.given)
            if shape(alone.node) == inside:
                return Shown(alone=alone, source="call", path="/".join(node.path))
    for line in lines.get(formula.name, ()):
        if line.inline:
            caller = shown_call(network, network.library[line.formula], lines)
            (call,) = (group.call for group in caller.alone.groups if group.call.name == line.call)
            given = {name: value(each, caller.alone.numbers, arithmetic) for name, each in call.given.items()}
            return evolve(caller, alone=stand_alone(network, formula, given))
    if formula.symbols and set(formula.symbols) <= set(network.scenario.definition.quantities):
        given = {name: network.numbers[name] for name in formula.symbols}
        return Shown(alone=stand_alone(network, formula, given), source="workload")
    return Shown(alone=stand_alone(network, formula, example_values(network, formula)), source="example")


def shown_calls(network: Network, lines: Lines) -> Mapping[str, Shown]:
    """Choose the call of every page, by formula; see :func:`shown_call`."""
    return {name: shown_call(network, formula, lines) for name, formula in network.library.formulas.items()}
