"""Find what is to be evaluated: a network, or one of its layers in its stead."""

from collections.abc import Iterable

from attrs import evolve

from dsocr_symbolic.language.call import ONE, Call
from dsocr_symbolic.language.definition import Definition, load_definition, shared, with_fewest
from dsocr_symbolic.language.expression import names, parse
from dsocr_symbolic.language.formula import EMPTY, Formula, inputs
from dsocr_symbolic.language.library import Library, find_formula, reached
from dsocr_symbolic.language.registry import Quantity
from dsocr_symbolic.paths import find_file


def find_definition(name: str) -> Definition:
    """Load a model by name or path."""
    return load_definition(find_file("formulas/models", name, "model"))


def default_definition(name: str | None) -> Definition:
    """Load a model by name or path, DeepSeek-OCR if None."""
    return find_definition("deepseek-ocr" if name is None else name)


def called(library: Library, definition: Definition, names: Iterable[str] = ()) -> frozenset[str]:
    """Return the formulas that a network can call under any choice, and what some other formulas can."""
    calls = [*definition.stages, *(Call(name=name, use=name) for name in names)]
    return reached(library, calls, fillings_of(definition))


def fillings_of(definition: Definition) -> dict[str, set[str]]:
    """Return the formulas that choices put into each slot, an empty name among them where one may leave it open."""
    choices = [[option.slots for option in choice.options.values()] for choice in definition.choices.values()]
    fillings: dict[str, set[str]] = {}
    for options in choices:
        for slot in {slot for slots in options for slot in slots}:
            fillings.setdefault(slot, set()).update(slots.get(slot, "") for slots in options)
    return fillings


def layer_definition(definition: Definition, layer: str) -> Definition:
    """Let one layer or operator, with or without its folders, stand for the whole model."""
    return definition_of(definition, find_formula(layer))


def symbols_of_layer(definition: Definition) -> list[str]:
    """Return the symbols of a layer alone, and those that its own slots take besides."""
    stage = definition.stages[0]
    return list({**stage.given, **find_formula(stage.use).alone})


def definition_of(definition: Definition, formula: Formula) -> Definition:
    """Let a formula be the only stage: what follows is as it says; else the model's value, else its example's."""
    quantities = dict(definition.quantities)
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
