"""Find what is to be evaluated: a network, or one of its layers in its stead."""

from attrs import evolve

from dsocr_symbolic.language.definition import Definition, Quantity
from dsocr_symbolic.language.definition_file import load_definition
from dsocr_symbolic.language.expression import names, parse
from dsocr_symbolic.language.formula import EMPTY, Call, Formula, Repeat, inputs
from dsocr_symbolic.language.formula_file import ONE
from dsocr_symbolic.language.library import find_formula
from dsocr_symbolic.paths import find_file


def find_definition(name: str) -> Definition:
    """Load a model by name or path.

    Raises
    ------
    UserError
        If there is none, or its file is wrong.
    """
    return load_definition(find_file("formulas/models", name, "model"))


def layer_definition(definition: Definition, layer: str) -> Definition:
    """Let one layer stand for the whole model.

    Parameters
    ----------
    definition : Definition
        The model whose constants, workload and choices give symbols their values.
    layer : str
        A layer or operator, with or without its folders.

    Returns
    -------
    Definition
        A model whose only stage is that layer; symbols that the model does not know start from the
        layer's example.

    Raises
    ------
    UserError
        If there is no such layer.
    """
    return definition_of(definition, find_formula(layer))


def definition_of(definition: Definition, formula: Formula) -> Definition:
    """Let a formula that is at hand stand for the whole model, as :func:`layer_definition` does by name."""
    quantities = dict(definition.quantities)
    for name, symbol in formula.symbols.items():
        if name not in quantities:
            value = formula.example.given.get(name, ONE)
            quantities[name] = Quantity(letter=symbol.letter, meaning=symbol.meaning, formula=value, group="layer")
    call = Call(
        name=formula.name,
        use=formula.name,
        given={name: parse(name, name) for name in formula.symbols},
        reads=tuple((name,) for name in inputs(formula)),
        writes=(),
        skip="",
        keeps=(),
        when=None,
        repeat=Repeat(copies=ONE, calls=ONE),
        module="",
        category="",
        inline=False,
        slots=EMPTY,
    )
    # A layer knows nothing of the rest of the network: only rules about its own symbols hold for it.
    rules = tuple(rule for rule in definition.rules if names(rule.require) <= set(formula.symbols))
    return evolve(definition, quantities=quantities, stages=(call,), phases=(call.name,), latencies=EMPTY, rules=rules)


def default_definition(name: str | None) -> Definition:
    """Load a model by name or path, DeepSeek-OCR if None."""
    return find_definition(name or "deepseek-ocr")
