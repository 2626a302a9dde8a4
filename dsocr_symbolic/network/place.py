"""Where a call stands in the tree, as its ancestors have it."""

from collections.abc import Mapping
from typing import Any

from attrs import frozen

from dsocr_symbolic.language.call import Call, Filling, Repeat
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
