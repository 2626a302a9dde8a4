"""What a call takes without its caller's saying so: what fills its slots, and symbols that it leaves out."""

from collections.abc import Container, Mapping
from typing import Any

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.call import Filling
from dsocr_symbolic.language.formula import Formula
from dsocr_symbolic.network.node import Scope
from dsocr_symbolic.network.place import Place


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
