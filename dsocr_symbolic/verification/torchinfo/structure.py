"""The network's module tree by class, and its calls by stage and class."""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from dsocr_symbolic.verification.torchinfo.analysis import Edge, Stage, StageCall, StageModules, UniqueLayer
from dsocr_symbolic.verification.torchinfo.calls import COLUMNS, PROMPT_TOKENS, ROWS, Forward
from dsocr_symbolic.verification.torchinfo.check import formula_files
from dsocr_symbolic.verification.torchinfo.naming import (
    class_name,
    is_torch_builtin,
    public_name,
    qualified_name,
    with_ranges,
)

if TYPE_CHECKING:
    from torch import nn

STAGES: Mapping[str, str] = {
    "vision": f"SAM and CLIP, in prefill only: {COLUMNS * ROWS} crops as one batch, then the whole image",
    "projector": "vision features to the decoder's width, once per vision call",
    "prefill": f"token table, decoder and head on {PROMPT_TOKENS} tokens; the stand-in routing hits every expert",
    "decode": "one more token per sequence; the stand-in routing hits the first experts of each layer",
}


_VISION = ("model.sam_model", "model.vision_model")


_OUTERMOST = (None, "", "model")


def classes_of(network: "nn.Module", forwards: Iterable[Forward] = ()) -> dict[str, str]:
    """Map every path to its class.

    Parameters
    ----------
    network : nn.Module
        The network.
    forwards : iterable of Forward
        Name what is called as a function.

    Returns
    -------
    dict of str to str
        Path -> qualified name.
    """
    found = {path: qualified_name(type(module)) for path, module in network.named_modules()}
    for forward in forwards:
        found.update(forward.functions)
    return found


def unique_layers(network: "nn.Module", classes: Mapping[str, str]) -> tuple[UniqueLayer, ...]:
    """Describe every class of the network.

    Parameters
    ----------
    network : nn.Module
        The network.
    classes : mapping of str to str
        Path -> qualified name, functions included.

    Returns
    -------
    tuple of UniqueLayer
        By qualified name.
    """
    modules = dict(network.named_modules())
    files = formula_files()
    above: dict[str, set[str]] = {kind: set() for kind in classes.values()}
    below: dict[str, set[str]] = {kind: set() for kind in classes.values()}
    for path, kind in classes.items():
        if path:
            parent = classes[path.rpartition(".")[0]]
            above[kind].add(parent)
            below[parent].add(kind)
    layers = []
    for kind in sorted(above):
        paths = [path for path, other in classes.items() if other == kind]
        instances = [modules[path] for path in paths if path in modules]
        own = {id(each): each.numel() for module in instances for each in module.parameters(recurse=False)}
        everything = {id(each): each.numel() for module in instances for each in module.parameters()}
        layers.append(
            UniqueLayer(
                class_name=class_name(kind),
                qualified_name=kind,
                is_torch_builtin=is_torch_builtin(kind),
                called_as="module" if instances else "function",
                count=len(paths),
                own_parameters=sum(own.values()),
                parameters=sum(everything.values()),
                var_name=tuple(sorted(with_ranges(path.rpartition(".")[2] for path in paths))),
                instance_name=with_ranges(paths),
                parents=tuple(sorted(above[kind])),
                children=tuple(sorted(below[kind])),
                formula_files=files.get(public_name(kind), ()),
            )
        )
    return tuple(layers)


def stage_of(forward: str, path: str) -> str:
    """Name the stage that a call belongs to.

    Parameters
    ----------
    forward : str
        ``prefill`` or ``decode``.
    path : str
        Of the module called.

    Returns
    -------
    str
        A key of ``STAGES``.
    """
    if path.startswith(_VISION):
        return "vision"
    return "projector" if path.startswith("model.projector") else forward


def stages(forwards: Iterable[Forward], classes: Mapping[str, str]) -> tuple[Stage, ...]:
    """Sort the calls of all forwards by stage.

    Parameters
    ----------
    forwards : iterable of Forward
        Prefill and decode.
    classes : mapping of str to str
        Path -> qualified name.

    Returns
    -------
    tuple of Stage
        One for each of ``STAGES``.
    """
    outermost: dict[str, list[tuple[str, tuple[int, ...]]]] = {name: [] for name in STAGES}
    counts: dict[str, Counter[str]] = {name: Counter() for name in STAGES}
    for forward in forwards:
        for call in forward.calls:
            stage = stage_of(forward.name, call.path)
            counts[stage][call.path] += 1
            if call.parent in _OUTERMOST:
                outermost[stage].append((call.path, call.shape))
    return tuple(
        Stage(
            name=name,
            summary=summary,
            calls=_in_order(outermost[name], classes),
            modules=_by_place(counts[name], classes),
        )
        for name, summary in STAGES.items()
    )


def _in_order(calls: Iterable[tuple[str, tuple[int, ...]]], classes: Mapping[str, str]) -> tuple[StageCall, ...]:
    """Join calls that follow one another with the same class and input."""
    runs: list[tuple[str, tuple[int, ...], list[str]]] = []
    for path, shape in calls:
        kind = class_name(classes[path])
        if not runs or runs[-1][:2] != (kind, shape):
            runs.append((kind, shape, []))
        runs[-1][2].append(path)
    return tuple(
        StageCall(modules=with_ranges(paths), class_name=kind, input_shape=shape, calls=len(paths))
        for kind, shape, paths in runs
    )


def _by_place(counts: Mapping[str, int], classes: Mapping[str, str]) -> tuple[StageModules, ...]:
    """Join the modules whose paths differ in indices only and that are of one class."""
    places: dict[tuple[str, str], list[str]] = {}
    for path in counts:
        place = ".".join("*" if part.isdigit() else part for part in path.split("."))
        places.setdefault((place, classes[path]), []).append(path)
    return tuple(
        StageModules(
            modules=with_ranges(paths),
            class_name=class_name(kind),
            instances=len(paths),
            calls=sum(counts[path] for path in paths),
        )
        for (_, kind), paths in places.items()
    )


def edges(forwards: Iterable[Forward], classes: Mapping[str, str]) -> tuple[Edge, ...]:
    """Count who calls whom.

    Parameters
    ----------
    forwards : iterable of Forward
        Prefill and decode.
    classes : mapping of str to str
        Path -> qualified name.

    Returns
    -------
    tuple of Edge
        By parent and child.
    """
    counts: dict[tuple[str, str], dict[str, Counter[str]]] = {}
    names: dict[tuple[str, str, str], dict[str, None]] = {}
    for forward in forwards:
        for call in forward.calls:
            if call.parent is None:
                continue
            pair = (classes[call.parent], classes[call.path])
            relative = call.path.removeprefix(call.parent).removeprefix(".")
            slot = ".".join("*" if part.isdigit() else part for part in relative.split("."))
            counts.setdefault(pair, {}).setdefault(slot, Counter())[stage_of(forward.name, call.path)] += 1
            names.setdefault((*pair, slot), {})[relative] = None
    result = []
    for parent, child in sorted(counts):
        slots = {
            ", ".join(with_ranges(names[parent, child, slot])): dict(each)
            for slot, each in counts[parent, child].items()
        }
        total: Counter[str] = Counter()
        for each in slots.values():
            total.update(each)
        result.append(Edge(parent=parent, child=child, calls=dict(total), slots=slots))
    return tuple(result)
