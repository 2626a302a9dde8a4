"""What stands in the slots of a formula that is called alone."""

from collections.abc import Iterator, Mapping

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.language.call import Call, Filling
from dsocr_symbolic.language.expression import EMPTY
from dsocr_symbolic.language.formula import Formula, Layer
from dsocr_symbolic.language.lookup import uses_of
from dsocr_symbolic.network.costs import value
from dsocr_symbolic.reports.formulas.places import Caller, Places

Slots = Mapping[str, tuple[str, Mapping[str, Exact]]]
"""The formulas that a caller puts into slots, and values for the symbols that these give."""


def symbol_of(formula: Formula, slot: str, name: str) -> str:
    """Return the name, in a call alone, of a symbol that its caller gives to what fills a slot."""
    return f"{slot}_{name}" if name in formula.symbols or name in formula.let else name


def filled_sizes(formula: Formula, slots: Slots) -> dict[str, Exact]:
    """Return the values of such symbols."""
    filled = (
        (symbol_of(formula, slot, name), size) for slot, (_, sizes) in slots.items() for name, size in sizes.items()
    )
    return dict(filled)


def callee(places: Places, layer: Layer, call: Call, fillings: Mapping[str, Filling]) -> Formula:
    """Return what a line calls, given what fills the slots of its layer."""
    used, own = ({slot: filling.use for slot, filling in known.items()} for known in (fillings, layer.slots))
    (name,) = uses_of(call.use, used, {slot: [use] for slot, use in places.slots.items()}, own)
    return places.library[name]


def children(places: Places, layer: Layer, call: Call, fillings: Mapping[str, Filling]) -> int:
    """Count the nodes of a line."""
    called = callee(places, layer, call, fillings)
    if not call.inline or not isinstance(called, Layer):
        return 1
    inside = handed_on(places, layer, call, fillings)
    return sum(children(places, called, line, inside) for line in called.calls)


def handed_on(places: Places, layer: Layer, call: Call, fillings: Mapping[str, Filling]) -> dict[str, Filling]:
    """Return what a line puts into its callee's slots; a slot of its layer is what that is filled with."""
    put_in = {}
    for slot, filling in call.slots.items():
        own = filling.use.removeprefix("$")
        known = fillings.get(own) if filling.use.startswith("$") else filling
        put_in[slot] = known or Filling(use=callee(places, layer, Call(name=slot, use=filling.use), fillings).name)
    return put_in


def example_values(places: Places, formula: Formula) -> dict[str, Exact]:
    """Return the values of a file's example; what it leaves out is the model's own, or 1."""
    given = {name: value(expression, EMPTY, arithmetic) for name, expression in formula.example.given.items()}
    return {name: given[name] if name in given else places.numbers.get(name, 1) for name in formula.symbols}


def callers_fillings(places: Places, lines: tuple[Caller, ...]) -> Iterator[Slots]:
    """Yield what the lines that call a formula put into its slots; symbols have the values of examples."""
    for line in lines:
        layer = places.library[line.formula]
        for call in layer.calls if isinstance(layer, Layer) else ():
            if call.name == line.call and call.slots:
                yield {
                    slot: (filling.use, {name: examples[name] for name in filling.given})
                    for slot, filling in call.slots.items()
                    if filling.use in places.library.formulas
                    for examples in [example_values(places, places.library[filling.use])]
                }
