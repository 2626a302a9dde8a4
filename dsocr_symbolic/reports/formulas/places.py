"""Where formulas stand in a network: every call of a workload in numbers, and who calls whom in the files."""

from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import Expression, names
from dsocr_symbolic.language.formula import Formula, Layer, Library, Operator
from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.language.lookup import called
from dsocr_symbolic.network.builder import build_tree
from dsocr_symbolic.network.node import Node, walk
from dsocr_symbolic.scenario.scenario import Scenario, scenario_values
from dsocr_symbolic.scenario.values import chosen_slots


@frozen(kw_only=True)
class Places:
    """A workload in numbers.

    Attributes
    ----------
    scenario : Scenario
        The question.
    library : Library
        The formulas that have a page: those that the network can call under any choice, and wholes of them.
    slots : mapping of str to str
        Formulas that the choices put into slots.
    numbers : mapping of str to number
        The value of every symbol of the model.
    stages : tuple of Node
        Every call, in numbers; what repeats over steps stands at its last step.
    nodes : mapping of str to tuple of Node
        The calls of each formula, in order.
    stepping : frozenset of str
        The stages that repeat over steps.
    """

    scenario: Scenario
    library: Library
    slots: Mapping[str, str]
    numbers: Mapping[str, Exact]
    stages: tuple[Node, ...]
    nodes: Mapping[str, tuple[Node, ...]]
    stepping: frozenset[str]


@frozen(kw_only=True)
class Caller:
    """A line of a file that calls a formula: by name, or as the filling of a slot."""

    formula: str
    call: str
    slot: str
    inline: bool


Lines = Mapping[str, tuple[Caller, ...]]
"""The lines that call each formula, in the order of the files."""


def lay_out(scenario: Scenario) -> Places:
    """Evaluate every call of a scenario."""
    definition, numbers = scenario.definition, scenario_values(scenario).numbers
    library = _with_pages(load_library(), definition)
    slots = chosen_slots(definition, scenario.options)
    stages = build_tree(
        library, definition.stages, numbers, slots, arithmetic, sizes=definition.sizes, tied=definition.tied
    )
    nodes: dict[str, list[Node]] = {}
    for node in walk(stages):
        nodes.setdefault(node.formula.name, []).append(node)
    return Places(
        scenario=scenario,
        library=library,
        slots=slots,
        numbers=numbers,
        stages=stages,
        nodes={name: tuple(calls) for name, calls in nodes.items()},
        stepping=frozenset(call.name for call in definition.stages if call.repeat.index is not None),
    )


def _with_pages(library: Library, definition: Definition) -> Library:
    """Leave what a network can call, and layers that put its stages together and know nothing but its symbols."""
    there = called(library, definition)
    stages = {call.use for call in definition.stages}

    def is_whole(formula: Formula) -> bool:
        uses = {call.use for call in formula.calls} if isinstance(formula, Layer) else set()
        return bool(uses & stages) and uses <= there and formula.symbols.keys() <= definition.quantities.keys()

    formulas = library.formulas.items()
    return Library(formulas={name: formula for name, formula in formulas if name in there or is_whole(formula)})


def switches(places: Places) -> dict[str, Exact]:
    """Return what the choices switch on or off: symbols that are 0 or 1 under every option."""
    switched: dict[str, bool] = {}
    for choice in places.scenario.definition.choices.values():
        for option in choice.options.values():
            for name, expression in option.symbols.items():
                switched[name] = switched.get(name, True) and expression.text in ("0", "1")
    return {name: places.numbers[name] for name, switch in switched.items() if switch}


def shape(node: Node) -> tuple[str, ...]:
    """Return the formulas of a call and of all calls in it, in order."""
    return tuple(call.formula.name for call in walk((node,)))


def file_name(formula: Formula) -> str:
    """Return the folder and name of a formula: ``vision/attention``, ``operators/linear``."""
    return f"{Path(formula.file).parent.name}/{formula.name}"


def mentioned(formula: Formula) -> frozenset[str]:
    """Return the symbols and local names that stand anywhere in a formula's file."""
    expressions: list[Expression | None] = list(formula.let.values())
    for tensor in formula.tensors.values():
        expressions += [*tensor.shape, *tensor.read, tensor.dtype]
    if isinstance(formula, Operator):
        expressions += [formula.tensor_core_flops, formula.cuda_core_flops]
        for launch in formula.backward or ():
            expressions += [launch.tensor_core_flops, launch.cuda_core_flops, launch.when]
    if isinstance(formula, Layer):
        for call in formula.calls:
            expressions += [*call.given.values(), call.repeat.copies, call.repeat.calls, call.when, call.needed]
            expressions += [expression for filling in call.slots.values() for expression in filling.given.values()]
    return frozenset(name for expression in expressions if expression is not None for name in names(expression))


def callers(library: Library) -> Lines:
    """Return the lines that call each formula."""
    lines: dict[str, list[Caller]] = {}

    def note(name: str, formula: Formula, call: str, *, slot: str = "", inline: bool = False) -> None:
        if not name.startswith("$"):
            lines.setdefault(name, []).append(Caller(formula=formula.name, call=call, slot=slot, inline=inline))

    for formula in sorted(library.formulas.values(), key=file_name):
        if not isinstance(formula, Layer):
            continue
        for slot, filling in formula.slots.items():
            note(filling.use, formula, "", slot=slot)
        for call in formula.calls:
            note(call.use, formula, call.name, inline=call.inline)
            for slot, filling in call.slots.items():
                note(filling.use, formula, call.name, slot=slot)
    return {name: tuple(calling) for name, calling in lines.items()}
