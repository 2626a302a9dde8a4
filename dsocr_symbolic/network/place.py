"""Where a call stands in the tree, and what it takes from there: what fills its slots, symbols that it leaves out."""

from collections.abc import Container, Mapping
from typing import Any

from attrs import frozen

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.call import Call, Filling, Repeat
from dsocr_symbolic.language.formula import Formula
from dsocr_symbolic.network.node import Repetition, Scope, Steps


@frozen(kw_only=True)
class Place:
    """Where a call stands: what its ancestors say of path, module, kind of code, repetition, slots, symbols."""

    path: tuple[str, ...]
    module: str
    category: str
    host: str
    calls: Any
    copies: Any
    distinct: Any
    needed: Any
    steps: Steps | None
    repetition: Repetition
    slots: Mapping[str, tuple[Filling, Scope]]
    own_slots: Mapping[str, Filling]
    declared: frozenset[str]
    common: Scope


def module_of(call: Call, parent: str, *, inline: bool) -> str:
    """Return the checkpoint path of what is called."""
    if call.module and not call.module.startswith("."):
        return call.module
    if inline:
        return parent
    return f"{parent}{call.module or '.' + call.name}".removeprefix(".")


def repetition_of(repeat: Repeat) -> Repetition:
    """Say how a call repeats: copies and steps one after the other, more calls of the same modules independently."""
    if repeat.calls.text != repeat.copies.text:
        return "parfor"
    return "for" if repeat.index is not None or repeat.copies.text != "1" else "none"


def filled(
    filling: Filling, scope: Scope, parent: Place, chosen: Mapping[str, str], network: Scope, *, where: str
) -> tuple[Filling, Scope]:
    """Return what fills a slot, the caller before the choices, and where its symbols stand.

    A slot that fills another one hands on what it is filled with itself.
    """
    if not filling.use.startswith("$"):
        return filling, scope
    slot = filling.use[1:]
    if slot in parent.slots:
        return parent.slots[slot]
    if slot in chosen:
        return Filling(use=chosen[slot]), network
    if slot in parent.own_slots:
        return parent.own_slots[slot], network
    raise UserError(f"{where}: no choice fills the slot '{slot}'")


def inherited(
    formula: Formula, given: Scope, parent: Place, scopes: tuple[Scope, Scope], sizes: Container[str], *, where: str
) -> dict[str, Any]:
    """Return the value of each symbol: given, or of that name the caller's, the slot's filler's, the network's.

    ``scopes`` are the caller's and the filler's, ``sizes`` what a layer may take from the network.
    """
    caller, filler = scopes
    values = dict(given)
    for name, symbol in formula.symbols.items():
        if name in given:
            continue
        if name in parent.declared:
            values[name] = caller[name]
        elif name in filler and (filler is not caller or name in sizes):
            values[name] = filler[name]
        else:
            raise UserError(
                f"{where}: with: {formula.name} needs '{name}' ({symbol.meaning}); give it there, or as a symbol of "
                "the caller, or as a constant of the network"
            )
    return values
