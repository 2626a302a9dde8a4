"""The pages of the formulas as data: what each is, where it stands, what it costs and how that is known."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import names
from dsocr_symbolic.language.formula import Formula, Operator
from dsocr_symbolic.network.flows import total_calls
from dsocr_symbolic.network.node import walk
from dsocr_symbolic.reports.formulas.alone import Alone
from dsocr_symbolic.reports.formulas.page_rows import (
    CallRow,
    LaunchRow,
    SymbolRow,
    TensorRow,
    call_row,
    launch_rows,
    symbol_row,
    tensor_row,
)
from dsocr_symbolic.reports.formulas.places import Caller, Network, callers, file_name, mentioned, switches
from dsocr_symbolic.reports.formulas.sections import Section, local_block, sections
from dsocr_symbolic.reports.formulas.shown_calls import Shown, shown_calls, with_pages
from dsocr_symbolic.reports.formulas.verified import Record, record_of


@frozen(kw_only=True)
class Page:
    """What one page says.

    Attributes
    ----------
    name : str
        Folder and name.
    formula : Formula
        What it is about.
    file : str
        Where it stands among the data files.
    callers : tuple of (str, tuple of Caller)
        The page of each formula that calls it, and its lines that do.
    choices : tuple of str
        Choices and stages that call for it.
    places : tuple of (str, number)
        Paths and calls in the workload.
    idle : int
        Places whose guard is off in the workload.
    source, path : str
        Where the values are from, see :class:`~dsocr_symbolic.reports.formulas.shown_calls.Shown`.
    last_step : bool
        Whether that call repeats over steps, of which the last one is shown.
    symbols, shared : tuple of SymbolRow
        The formula's own symbols, and those of the model and the conventions that its costs use.
    locals : str
        LaTeX of the local names.
    tensors : tuple of TensorRow
        In the order of the file.
    calls : tuple of CallRow
        Of a layer.
    launches : tuple of LaunchRow or None
        Of an operator's backward; None where no gradient passes.
    family : tuple of (str, str)
        Pages and aten names of the members of an operator's file.
    sections : tuple of Section
        The metrics.
    zeros : tuple of str
        The metrics that are 0 whatever the sizes.
    switched : tuple of (str, number)
        Switches of choices that are put in.
    fillings : tuple of (str, str)
        Slots and the pages of what fills them here.
    record : Record
        How it is known.
    """

    name: str
    formula: Formula
    file: str
    callers: tuple[tuple[str, tuple[Caller, ...]], ...]
    choices: tuple[str, ...]
    places: tuple[tuple[str, Any], ...]
    idle: int
    source: str
    path: str
    last_step: bool
    symbols: tuple[SymbolRow, ...]
    shared: tuple[SymbolRow, ...]
    locals: str
    tensors: tuple[TensorRow, ...]
    calls: tuple[CallRow, ...]
    launches: tuple[LaunchRow, ...] | None
    family: tuple[tuple[str, str], ...]
    sections: tuple[Section, ...]
    zeros: tuple[str, ...]
    switched: tuple[tuple[str, Any], ...]
    fillings: tuple[tuple[str, str], ...]
    record: Record


def pages(network: Network) -> Iterator[Page]:
    """Make the page of every formula, one at a time.

    Parameters
    ----------
    network : Network
        The workload that gives values and places.

    Yields
    ------
    Page
        By folder and name.

    Raises
    ------
    UserError
        If formulas do not fit together.
    """
    lines = callers(network.library)
    shown = shown_calls(network, lines)
    named = {name: mentioned(formula) for name, formula in network.library.formulas.items()}
    for formula in sorted(network.library.formulas.values(), key=file_name):
        yield _page(network, formula, lines, shown, named)


def _page(
    network: Network,
    formula: Formula,
    lines: Mapping[str, tuple[Caller, ...]],
    shown: Mapping[str, Shown],
    named: Mapping[str, frozenset[str]],
) -> Page:
    alone = with_pages(shown[formula.name], shown)
    path = shown[formula.name].path
    found, zeros = sections(alone)
    block, used = local_block(alone)
    used |= {name for section in found for name in section.used}
    nodes = network.places.get(formula.name, ())
    running = [node for node in nodes if total_calls(node) > 0]
    return Page(
        name=file_name(formula),
        formula=formula,
        file=_data_file(formula),
        callers=_callers(network, lines.get(formula.name, ())),
        choices=_called_for(network.scenario.definition, formula.name),
        places=tuple(("/".join(node.path), arithmetic.whole(total_calls(node))) for node in running),
        idle=len(nodes) - len(running),
        source=shown[formula.name].source,
        path=path,
        last_step=path.partition("/")[0] in network.stepping,
        symbols=tuple(symbol_row(alone, network, name) for name in formula.symbols),
        shared=tuple(symbol_row(alone, network, name) for name in alone.letters if _is_shared(formula, name, used)),
        locals=block,
        tensors=tuple(tensor_row(name, tensor) for name, tensor in formula.tensors.items()),
        calls=tuple(call_row(place, alone) for place in range(len(alone.groups))),
        launches=launch_rows(formula),
        family=_family(network, formula),
        sections=tuple(found),
        zeros=tuple(zeros),
        switched=_switched(network, alone, named),
        fillings=_fillings(alone),
        record=record_of(file_name(formula)),
    )


def _callers(network: Network, lines: tuple[Caller, ...]) -> tuple[tuple[str, tuple[Caller, ...]], ...]:
    """Put the lines of one caller together."""
    found: dict[str, list[Caller]] = {}
    for line in lines:
        found.setdefault(file_name(network.library[line.formula]), []).append(line)
    return tuple((page, tuple(each)) for page, each in found.items())


def _switched(network: Network, alone: Alone, named: Mapping[str, frozenset[str]]) -> tuple[tuple[str, Any], ...]:
    """Return the switches that something in a call depends on."""
    inside = {node.formula.name for node in walk((alone.node,))}
    found = frozenset[str]().union(*(named[name] for name in inside))
    quantities = network.scenario.definition.quantities
    found |= {each for name in found & set(quantities) for each in names(quantities[name].formula)}
    own = alone.formula.symbols
    return tuple((name, each) for name, each in switches(network).items() if name in found and name not in own)


def _data_file(formula: Formula) -> str:
    """Return the file from its folder ``formulas`` on."""
    parts = Path(formula.file).parts
    start = max((place for place, part in enumerate(parts) if part == "formulas"), default=len(parts) - 1)
    return "/".join(parts[start:])


def _called_for(definition: Definition, name: str) -> tuple[str, ...]:
    """Say which stages and choices of the model call for a formula."""
    found = [f"stage `{call.name}` of the model" for call in definition.stages if call.use == name]
    for choice, each in definition.choices.items():
        for key, option in each.options.items():
            found += [f"`--{choice} {key}`, in slot `{slot}`" for slot, use in option.slots.items() if use == name]
    return tuple(found)


def _is_shared(formula: Formula, name: str, used: frozenset[str]) -> bool:
    return name in used and name not in formula.symbols and name not in formula.let


def _family(network: Network, formula: Formula) -> tuple[tuple[str, str], ...]:
    """Return the members of an operator's file, if it has several."""
    if not isinstance(formula, Operator):
        return ()
    members = [
        each
        for each in network.library.formulas.values()
        if isinstance(each, Operator) and each.family == formula.family
    ]
    return tuple((file_name(each), each.aten) for each in members) if len(members) > 1 else ()


def _fillings(alone: Alone) -> tuple[tuple[str, str], ...]:
    """Return what fills the slots of a layer in the call that is shown."""
    return tuple(
        (group.call.use[1:], file_name(group.formula)) for group in alone.groups if group.call.use.startswith("$")
    )
