"""Static analysis as data, and how it is made: the module tree by class, the calls by stage and class."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Literal

from attrs import frozen

from dsocr_symbolic.language.expression import EMPTY
from dsocr_symbolic.verification.torchinfo import naming

if TYPE_CHECKING:
    from torch import nn

COLUMNS, ROWS = 2, 3
PROMPT_TOKENS = 903
"""Image tokens of these crops and the whole image; text would not change a call."""

STAGES: Mapping[str, str] = {
    "vision": f"SAM and CLIP, in prefill only: {COLUMNS * ROWS} crops as one batch, then the whole image",
    "projector": "vision features to the decoder's width, once per vision call",
    "prefill": f"token table, decoder and head on {PROMPT_TOKENS} tokens; the stand-in routing hits every expert",
    "decode": "one more token per sequence; the stand-in routing hits the first experts of each layer",
}
_OUTERMOST = (None, "", "model")


@frozen
class ModuleCall:
    """One call of a module by another, and the shape of its first tensor; the network itself has no parent."""

    parent: str | None
    path: str
    shape: tuple[int, ...] = ()


@frozen(kw_only=True)
class Forwards:
    """A prefill with an image and one decode step; empty for a network that is not run.

    Attributes
    ----------
    calls : mapping of str to (sequence of ModuleCall)
        By stage: modules in order of their calls, then functions.
    functions : mapping of str to str
        Path -> qualified class of what was called as a function.
    tensor_core_flops : mapping of str to int
        Of the prefill, by part of the network, and ``total``.
    """

    calls: Mapping[str, Sequence[ModuleCall]] = EMPTY
    functions: Mapping[str, str] = EMPTY
    tensor_core_flops: Mapping[str, int] = EMPTY


@frozen(kw_only=True)
class UniqueLayer:
    """A layer class of the network and all its instances.

    Attributes
    ----------
    class_name, qualified_name : str
        Its bare name, and that in the network's own code, in transformers or in torch.
    called_as : str
        ``function`` if this network calls the class's function rather than a module of it.
    count : int
        Instances in the network.
    own_parameters, parameters : int
        What the instances hold themselves, which adds up to the network's, and with everything below, each once.
    var_name, instance_name : tuple of str
        What their parents call them, and all their paths, with ranges for indices.
    parents, children : tuple of str
        Qualified names of the classes directly above and below.
    formula_files : tuple of str
        Files whose ``class`` is this one.
    """

    class_name: str
    qualified_name: str
    is_torch_builtin: bool
    called_as: Literal["module", "function"]
    count: int
    own_parameters: int
    parameters: int
    var_name: tuple[str, ...]
    instance_name: tuple[str, ...]
    parents: tuple[str, ...]
    children: tuple[str, ...]
    formula_files: tuple[str, ...]


@frozen(kw_only=True)
class StageCall:
    """Calls of one class that follow one another: paths with ranges, and the shape of each one's first tensor."""

    modules: tuple[str, ...]
    class_name: str
    input_shape: tuple[int, ...]
    calls: int


@frozen(kw_only=True)
class StageModules:
    """Modules of one class and one place in the tree that a stage runs, and its calls of all of them."""

    modules: tuple[str, ...]
    class_name: str
    instances: int
    calls: int


@frozen(kw_only=True)
class Stage:
    """A stage of the network: its outermost calls in order, and every module that runs in it."""

    name: str
    summary: str
    calls: tuple[StageCall, ...]
    modules: tuple[StageModules, ...]


@frozen(kw_only=True)
class Edge:
    """Calls of one class by another, of modules that run, so lists of modules are passed over.

    Attributes
    ----------
    parent, child : str
        Qualified names.
    calls : mapping of str to int
        Calls by stage.
    slots : mapping of str to (mapping of str to int)
        The same by the child's path relative to the parent.
    """

    parent: str
    child: str
    calls: Mapping[str, int]
    slots: Mapping[str, Mapping[str, int]]


@frozen(kw_only=True)
class MultiplyAdds:
    """Multiply-adds of a part of the network in one prefill: TorchInfo's number and the counted one."""

    part: str
    torchinfo: int
    counted: int


@frozen(kw_only=True)
class TorchinfoNumbers:
    """What TorchInfo says; the last three need a forward.

    Attributes
    ----------
    table : str
        Its own table to depth 3, without a forward.
    shown_parameters : int or None
        Sum of the rows of its table to depth 3 after a forward.
    rows : mapping of str to int
        Its rows by class name.
    """

    version: str
    table: str
    parameters: int
    shown_parameters: int | None = None
    rows: Mapping[str, int] = EMPTY
    multiply_adds: tuple[MultiplyAdds, ...] = ()


@frozen(kw_only=True)
class Analysis:
    """Everything the reports say; modules that are not run have no stages and no edges.

    Attributes
    ----------
    source : str
        Whose modules they are: ``reference`` or ``checkpoint``.
    torch_version : str
        Without the build's suffix.
    layers : tuple of UniqueLayer
        By qualified name.
    """

    source: str
    torch_version: str
    parameters: int
    layers: tuple[UniqueLayer, ...]
    stages: tuple[Stage, ...]
    edges: tuple[Edge, ...]
    torchinfo: TorchinfoNumbers


def unique_layers(network: "nn.Module", classes: Mapping[str, str]) -> tuple[UniqueLayer, ...]:
    """Describe every class of the network, functions included, by qualified name."""
    modules, files = dict(network.named_modules()), naming.formula_files()
    above, below = defaultdict[str, set[str]](set), defaultdict[str, set[str]](set)
    for path, kind in classes.items():
        if path:
            parent = classes[path.rpartition(".")[0]]
            above[kind].add(parent)
            below[parent].add(kind)
    layers = []
    for kind in sorted(set(classes.values())):
        paths = [path for path, other in classes.items() if other == kind]
        instances = [modules[path] for path in paths if path in modules]
        layers.append(
            UniqueLayer(
                class_name=naming.class_name(kind),
                qualified_name=kind,
                is_torch_builtin=naming.is_torch_builtin(kind),
                called_as="module" if instances else "function",
                count=len(paths),
                own_parameters=_parameters(instances, recurse=False),
                parameters=_parameters(instances, recurse=True),
                var_name=tuple(sorted(naming.with_ranges(path.rpartition(".")[2] for path in paths))),
                instance_name=naming.with_ranges(paths),
                parents=tuple(sorted(above[kind])),
                children=tuple(sorted(below[kind])),
                formula_files=files.get(naming.public_name(kind), ()),
            )
        )
    return tuple(layers)


def _parameters(instances: Iterable["nn.Module"], *, recurse: bool) -> int:
    """Count the parameters of some modules, each once."""
    tensors = {id(tensor): tensor for module in instances for tensor in module.parameters(recurse=recurse)}
    return sum(tensor.numel() for tensor in tensors.values())


def stages(calls: Mapping[str, Sequence[ModuleCall]], classes: Mapping[str, str]) -> tuple[Stage, ...]:
    """Describe every stage, of its calls and the class of every path."""
    return tuple(
        Stage(name=name, summary=STAGES[name], calls=_in_order(made, classes), modules=_by_place(made, classes))
        for name, made in calls.items()
    )


def _in_order(calls: Iterable[ModuleCall], classes: Mapping[str, str]) -> tuple[StageCall, ...]:
    """Join outermost calls that follow one another with the same class and input."""
    outermost = [(naming.class_name(classes[call.path]), call) for call in calls if call.parent in _OUTERMOST]
    runs = []
    for (kind, shape), run in groupby(outermost, key=lambda pair: (pair[0], pair[1].shape)):
        paths = [call.path for _, call in run]
        runs.append(StageCall(modules=naming.with_ranges(paths), class_name=kind, input_shape=shape, calls=len(paths)))
    return tuple(runs)


def _by_place(calls: Iterable[ModuleCall], classes: Mapping[str, str]) -> tuple[StageModules, ...]:
    """Join the modules whose paths differ in indices only and that are of one class."""
    places = defaultdict[tuple[str, str], list[str]](list)
    for call in calls:
        places[naming.place(call.path), classes[call.path]].append(call.path)
    joined = []
    for (_, kind), paths in places.items():
        modules, name = naming.with_ranges(paths), naming.class_name(kind)
        joined.append(StageModules(modules=modules, class_name=name, instances=len(set(paths)), calls=len(paths)))
    return tuple(joined)


def edges(calls: Mapping[str, Sequence[ModuleCall]], classes: Mapping[str, str]) -> tuple[Edge, ...]:
    """Count who calls whom, by parent and child."""
    slots: dict[tuple[str, str], dict[str, list[tuple[str, str]]]] = {}
    for stage, made in calls.items():
        for call in made:
            if call.parent is not None:
                pair = (classes[call.parent], classes[call.path])
                slot = call.path.removeprefix(call.parent).removeprefix(".")
                slots.setdefault(pair, {}).setdefault(naming.place(slot), []).append((slot, stage))
    graph = []
    for parent, child in sorted(slots):
        by_slot = {
            ", ".join(naming.with_ranges(slot for slot, _ in named)): Counter(stage for _, stage in named)
            for named in slots[parent, child].values()
        }
        graph.append(Edge(parent=parent, child=child, calls=sum(by_slot.values(), Counter[str]()), slots=by_slot))
    return tuple(graph)
