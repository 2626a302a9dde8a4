"""Find what is to be evaluated: a network, or one of its layers in its stead."""

from collections.abc import Collection, Iterable, Mapping
from itertools import product
from typing import TYPE_CHECKING

from attrs import evolve

from dsocr_symbolic.language.call import Call
from dsocr_symbolic.language.definition import Definition, load_definition, shared, with_fewest
from dsocr_symbolic.language.expression import EMPTY, ONE, names, parse
from dsocr_symbolic.language.registry import Quantity
from dsocr_symbolic.paths import find_file

if TYPE_CHECKING:
    from dsocr_symbolic.language.formula import Formula, Library


def find_definition(name: str) -> Definition:
    """Load a model by name or path."""
    return load_definition(find_file("formulas/models", name, "model"))


def default_definition(name: str | None) -> Definition:
    """Load a model by name or path, DeepSeek-OCR if None."""
    return find_definition("deepseek-ocr" if name is None else name)


def called(library: "Library", definition: Definition, names: Iterable[str] = ()) -> frozenset[str]:
    """Return the formulas that a network can call under any choice, and what some other formulas can."""
    calls = [*definition.stages, *(Call(name=name, use=name) for name in names)]
    return reached(library, calls, fillings_of(definition))


def called_by_own_code(library: "Library", definition: Definition) -> frozenset[str]:
    """Return the formulas that a network can call where choices that options set at once are left as they are."""
    options = (option for choice in definition.choices.values() for option in choice.options.values())
    left = {name for option in options for name in option.choices}
    return reached(library, definition.stages, fillings_of(definition, left))


def reached(library: "Library", calls: Iterable[Call], chosen: Mapping[str, Collection[str]]) -> frozenset[str]:
    """Return the formulas that calls can come to: a slot is filled by its caller, by any choice, or by default.

    ``chosen`` are the formulas that choices put into a slot, an empty name among them where they may leave it open.
    """
    from dsocr_symbolic.language.formula import Layer

    known: set[tuple[str, tuple[tuple[str, str], ...]]] = set()
    waiting: list[tuple[Call, Mapping[str, str], Formula | None]] = [(call, {}, None) for call in calls]
    while waiting:
        call, fillings, caller = waiting.pop()
        own = {slot: filling.use for slot, filling in caller.slots.items()} if isinstance(caller, Layer) else {}
        put_in = {slot: uses_of(filling.use, fillings, chosen, own) for slot, filling in call.slots.items()}
        insides = [dict(zip(put_in, uses, strict=True)) for uses in product(*put_in.values())]
        for use, inside in product(uses_of(call.use, fillings, chosen, own), insides):
            formula = library.formulas.get(use)
            key = (use, tuple(sorted(inside.items())))
            if formula is not None and key not in known:
                known.add(key)
                waiting += [(line, inside, formula) for line in formula.calls] if isinstance(formula, Layer) else []
    return frozenset(name for name, _ in known)


def uses_of(
    use: str, fillings: Mapping[str, str], chosen: Mapping[str, Collection[str]], own: Mapping[str, str]
) -> list[str]:
    """Return what a call may use: of a slot what its caller says, else what choices say, else its default."""
    slot = use[1:]
    if not use.startswith("$"):
        return [use]
    if slot in fillings:
        return [fillings[slot]]
    return [name for name in (option or own.get(slot, "") for option in chosen.get(slot, [""])) if name]


def fillings_of(definition: Definition, left: Collection[str] = ()) -> dict[str, set[str]]:
    """Return the formulas that choices put into each slot, an empty name among them where one may leave it open.

    ``left`` are choices of which the default alone counts.
    """
    known = definition.choices.items()
    choices = [
        [option.slots for label, option in choice.options.items() if name not in left or label == choice.default]
        for name, choice in known
    ]
    fillings: dict[str, set[str]] = {}
    for options in choices:
        for slot in {slot for slots in options for slot in slots}:
            fillings.setdefault(slot, set()).update(slots.get(slot, "") for slots in options)
    return fillings


def layer_definition(definition: Definition, layer: str) -> Definition:
    """Let one layer or operator, with or without its folders, stand for the whole model."""
    from dsocr_symbolic.language.library import find_formula

    return definition_of(definition, find_formula(layer))


def symbols_of_layer(definition: Definition) -> list[str]:
    """Return the symbols of a layer alone, and those that its own slots take besides."""
    from dsocr_symbolic.language.library import find_formula

    stage = definition.stages[0]
    return list({**stage.given, **find_formula(stage.use).alone})


def definition_of(definition: Definition, formula: "Formula") -> Definition:
    """Let a formula be the only stage: what follows is as it says; else the model's value, else its example's."""
    from dsocr_symbolic.language.formula import inputs

    quantities = {name: known for name, known in definition.quantities.items() if known.group != "server"}
    for name, symbol in formula.symbols.items():
        if name not in quantities:
            value = formula.example.given.get(name, ONE)
            quantities[name] = Quantity(letter=symbol.letter, meaning=symbol.meaning, formula=value, group="layer")
    # Sizes that another network has no word for leave it at the example.
    follow = {name: value for name, value in formula.alone.items() if {name, *names(value)} <= quantities.keys()}
    quantities |= {name: evolve(quantities[name], value=None, formula=value) for name, value in follow.items()}
    least = {name: value for name, value in formula.fewest.items() if {name, *names(value)} <= quantities.keys()}
    quantities = with_fewest(
        quantities | {name: evolve(quantities[name], fewest=value) for name, value in least.items()}
    )
    call = Call(
        name=formula.name,
        use=formula.name,
        given={name: parse(name, name) for name in formula.symbols},
        reads=tuple((name,) for name in inputs(formula)),
        skip="",
    )
    # A layer knows nothing of the rest of the network: only rules about its own symbols and those of all hold for it.
    rules, warnings = (
        tuple(
            rule
            for rule in kind
            if rule in everywhere or (names(rule.require) and names(rule.require) <= set(formula.symbols))
        )
        for kind, everywhere in ((definition.rules, shared("rules")), (definition.warnings, shared("warnings")))
    )
    return evolve(
        definition,
        quantities=quantities,
        stages=(call,),
        tied=EMPTY,
        phases=((call.name,),),
        latencies=EMPTY,
        server=None,
        rules=rules,
        warnings=warnings,
    )
