"""What fills a slot: the caller's formula, else the choice's, else the layer's own."""

from collections.abc import Mapping
from typing import Any

from dsocr_symbolic.language.formula import Call, Filling

Scope = Mapping[str, Any]


def filling(
    call: Call,
    scope: Scope,
    slots: Mapping[str, tuple[Filling, Scope]],
    chosen: Mapping[str, str],
    own: tuple[Mapping[str, Filling], Scope],
) -> tuple[Filling, Scope] | None:
    """Say what a call uses, and where the symbols of that stand.

    Parameters
    ----------
    call : Call
        A line of a layer.
    scope : mapping of str to value
        The layer's symbols.
    slots : mapping of str to (Filling, Scope)
        What the layer's caller puts into its slots, which comes first.
    chosen : mapping of str to str
        What the choices put there.
    own : (mapping of str to Filling, Scope)
        What the layer itself puts there otherwise, in the symbols of the whole.

    Returns
    -------
    (Filling, Scope) or None
        None if nothing fills the slot.
    """
    if not call.use.startswith("$"):
        return Filling(use=call.use), scope
    slot = call.use[1:]
    if slot in slots:
        return slots[slot]
    if slot in chosen:
        return Filling(use=chosen[slot]), scope
    return (own[0][slot], own[1]) if slot in own[0] else None
