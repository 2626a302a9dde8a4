"""Names of what is called, level by level, read from the files on the way alone: nothing is built."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from attrs import frozen

from dsocr_symbolic.language.call import Call
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.formula import Layer, read_layer
from dsocr_symbolic.paths import data_files


@frozen(kw_only=True)
class _Level:
    """Calls, and what fills the slots that they leave open: the caller's formulas, and the layer's own."""

    calls: tuple[Call, ...]
    slots: Mapping[str, str]
    own: Mapping[str, str]


@cache
def _read(path: Path, _changed: int) -> Layer:
    return read_layer(path)


def names_below(definition: Definition, chosen: Mapping[str, str], path: Sequence[str]) -> dict[str, bool]:
    """Return what is called below a path of the tree, and whether anything is below that; nothing if there is no such.

    ``chosen`` are the formulas that choices put into slots.
    """
    files = data_files("formulas/layers")

    def resolved(use: str, level: _Level) -> str:
        slot = use[1:]
        return (level.slots.get(slot) or chosen.get(slot) or level.own.get(slot, "")) if use.startswith("$") else use

    def below(call: Call, level: _Level) -> _Level:
        use = resolved(call.use, level)
        if use not in files:
            return _Level(calls=(), slots={}, own={})
        layer = _read(files[use], files[use].stat().st_mtime_ns)
        given = {name: resolved(filling.use, level) for name, filling in call.slots.items()}
        own = {name: filling.use for name, filling in layer.slots.items()}
        return _Level(calls=layer.calls, slots=given, own=own)

    def inside(level: _Level) -> Iterator[tuple[str, _Level]]:
        for call in level.calls:
            # An operator stands in its own place, inline or not.
            if call.inline and resolved(call.use, level) in files:
                yield from inside(below(call, level))
            else:
                yield call.name, below(call, level)

    level = _Level(calls=definition.stages, slots={}, own={})
    for name in path:
        known = dict(inside(level))
        if name not in known:
            return {}
        level = known[name]
    return {name: bool(lower.calls) for name, lower in inside(level)}
