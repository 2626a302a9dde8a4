"""What a compiled program leaves out of a call: the values of its symbols, and how it repeats."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from attrs import evolve, frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.expression import Expression, evaluate
from dsocr_symbolic.language.formula import EMPTY, Call, Filling, Layer, Repeat
from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.network.slots import filling
from dsocr_symbolic.reports.contracts.model_report import Repetition

Scope = Mapping[str, Any]


@frozen(kw_only=True)
class Placement:
    """A call in its place.

    Attributes
    ----------
    path : str
        As a row of the program has it.
    repetition : str
        How it repeats in its parent.
    symbols : mapping of str to number
        Values of the callee's symbols; those of the last step where they depend on it.
    """

    path: str
    repetition: Repetition
    symbols: Mapping[str, int | float]


@frozen(kw_only=True)
class _Parent:
    """What a layer hands on to its calls."""

    path: tuple[str, ...] = ()
    inline: Repetition = "none"
    slots: Mapping[str, tuple[Filling, Scope]] = EMPTY
    own_slots: Mapping[str, Filling] = EMPTY


def place_calls(definition: Definition, slots: Mapping[str, str], numbers: Scope) -> tuple[Placement, ...]:
    """Follow every call of a network with numbers for its symbols.

    Parameters
    ----------
    definition : Definition
        The network.
    slots : mapping of str to str
        Formulas that the choices put into slots.
    numbers : mapping of str to number
        A value for every symbol of the network.

    Returns
    -------
    tuple of Placement
        In the order of the program's rows, the first one (the whole) left out.
    """
    library = load_library().formulas

    def below(calls: Iterable[Call], scope: Scope, parent: _Parent) -> Iterator[Placement]:
        for call in calls:
            used = filling(call, scope, parent.slots, slots, (parent.own_slots, numbers))
            assert used is not None  # noqa: S101 - the program was built from the same calls
            binding, binding_scope = used
            formula = library[binding.use]
            here = {**scope, **_last_step(call.repeat, scope)}
            given = _values(call.given, here) | _values(binding.given, binding_scope)
            repetition = _joined(parent.inline, _repetition(call.repeat))
            place = _Parent(
                path=(*parent.path, call.name),
                slots={name: (each, here) for name, each in call.slots.items()},
                own_slots=formula.slots if isinstance(formula, Layer) else {},
            )
            if call.inline:
                place = evolve(place, path=parent.path, inline=repetition)
            else:
                symbols = {name: arithmetic.whole(value) for name, value in given.items()}
                yield Placement(path="/".join(place.path), repetition=repetition, symbols=symbols)
            if isinstance(formula, Layer):
                inner = {**numbers, **given}
                for name, expression in formula.let.items():
                    inner[name] = evaluate(expression, inner, arithmetic)
                yield from below(formula.calls, inner, place)

    return tuple(below(definition.stages, numbers, _Parent()))


def _values(given: Mapping[str, Expression], scope: Scope) -> dict[str, Any]:
    return {name: evaluate(expression, scope, arithmetic) for name, expression in given.items()}


def _last_step(repeat: Repeat, scope: Scope) -> dict[str, Any]:
    """Give the step its last value; the first one where there are no steps."""
    if repeat.index is None or repeat.last is None:
        return {}
    return {repeat.index: max(evaluate(repeat.last, scope, arithmetic), 1)}


def _repetition(repeat: Repeat) -> Repetition:
    """Say how a call repeats: copies and steps one after the other, more calls of the same modules independently."""
    if repeat.calls.text != repeat.copies.text:
        return "parfor"
    return "for" if repeat.index is not None or repeat.copies.text != "1" else "none"


def _joined(outer: Repetition, inner: Repetition) -> Repetition:
    """Join the repetition of an inline call with that of what stands in its place."""
    return "parfor" if "parfor" in (outer, inner) else "for" if "for" in (outer, inner) else "none"
