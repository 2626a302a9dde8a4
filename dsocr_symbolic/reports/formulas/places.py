"""Where formulas stand in a network: every call of a workload in numbers, and who calls whom in the files."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from attrs import frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.language.expression import Expression, names
from dsocr_symbolic.language.formula import Formula, Layer, Operator
from dsocr_symbolic.language.library import Library, load_library
from dsocr_symbolic.network.builder import build_tree
from dsocr_symbolic.network.node import Node, walk
from dsocr_symbolic.scenario.scenario import Scenario, scenario_values
from dsocr_symbolic.scenario.values import chosen_slots


@frozen(kw_only=True)
class Network:
    """A workload in numbers.

    Attributes
    ----------
    scenario : Scenario
        The question.
    library : Library
        All formulas.
    slots : mapping of str to str
        Formulas that the choices put into slots.
    numbers : mapping of str to number
        The value of every symbol of the model.
    stages : tuple of Node
        Every call, in numbers; what repeats over steps stands at its last step.
    places : mapping of str to tuple of Node
        The calls of each formula, in order.
    stepping : frozenset of str
        The stages that repeat over steps.
    """

    scenario: Scenario
    library: Library
    slots: Mapping[str, str]
    numbers: Mapping[str, Any]
    stages: tuple[Node, ...]
    places: Mapping[str, tuple[Node, ...]]
    stepping: frozenset[str]


@frozen(kw_only=True)
class Caller:
    """A line of a file that calls a formula: by name, or as the filling of a slot."""

    formula: str
    call: str
    slot: str
    inline: bool


def lay_out(scenario: Scenario) -> Network:
    """Evaluate every call of a scenario.

    Parameters
    ----------
    scenario : Scenario
        The question.

    Returns
    -------
    Network
        Its calls.

    Raises
    ------
    UserError
        If formulas do not fit together or a value is not allowed.
    """
    library, numbers = load_library(), dict(scenario_values(scenario).numbers)
    slots = chosen_slots(scenario.definition, scenario.options)
    tree = build_tree(library, scenario.definition.stages, numbers, slots, arithmetic)
    places: dict[str, list[Node]] = {}
    for node in walk(tree):
        places.setdefault(node.formula.name, []).append(node)
    return Network(
        scenario=scenario,
        library=library,
        slots=slots,
        numbers=numbers,
        stages=tree,
        places={name: tuple(nodes) for name, nodes in places.items()},
        stepping=frozenset(call.name for call in scenario.definition.stages if call.repeat.index is not None),
    )


def switches(network: Network) -> dict[str, Any]:
    """Return what the choices switch on or off: symbols that are 0 or 1 under every option."""
    found: dict[str, Any] = {}
    for choice in network.scenario.definition.choices.values():
        for option in choice.options.values():
            for name, expression in option.symbols.items():
                found[name] = found.get(name, True) and expression.text in ("0", "1")
    return {name: network.numbers[name] for name, switch in found.items() if switch}


def shape(node: Node) -> tuple[str, ...]:
    """Return the formulas of a call and of all calls in it, in order."""
    return tuple(each.formula.name for each in walk((node,)))


def file_name(formula: Formula) -> str:
    """Return the folder and name of a formula: ``vision/attention``, ``operators/linear``."""
    return f"{Path(formula.file).parent.name}/{formula.name}"


def mentioned(formula: Formula) -> frozenset[str]:
    """Return the symbols and local names that stand anywhere in a formula's file."""
    found: list[Expression] = list(formula.let.values())
    for tensor in formula.tensors.values():
        found += [*tensor.shape, *tensor.read, tensor.dtype]
    if isinstance(formula, Operator):
        found += [formula.tensor_core_flops, formula.cuda_core_flops]
        for launch in formula.backward or ():
            found += [launch.tensor_core_flops, launch.cuda_core_flops, *([launch.when] if launch.when else [])]
    if isinstance(formula, Layer):
        for call in formula.calls:
            found += [*call.given.values(), call.repeat.copies, call.repeat.calls, *([call.when] if call.when else [])]
            found += [each for binding in call.slots.values() for each in binding.given.values()]
    return frozenset(name for each in found for name in names(each))


def callers(library: Library) -> Mapping[str, tuple[Caller, ...]]:
    """Return the lines that call each formula, in the order of the files."""
    found: dict[str, list[Caller]] = {}

    def note(name: str, formula: Formula, call: str, *, slot: str = "", inline: bool = False) -> None:
        if not name.startswith("$"):
            found.setdefault(name, []).append(Caller(formula=formula.name, call=call, slot=slot, inline=inline))

    for formula in sorted(library.formulas.values(), key=file_name):
        if not isinstance(formula, Layer):
            continue
        for slot, binding in formula.slots.items():
            note(binding.use, formula, "", slot=slot)
        for call in formula.calls:
            note(call.use, formula, call.name, inline=call.inline)
            for slot, binding in call.slots.items():
                note(binding.use, formula, call.name, slot=slot)
    return {name: tuple(lines) for name, lines in found.items()}
