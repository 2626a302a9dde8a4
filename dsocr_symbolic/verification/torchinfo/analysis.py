"""Static analysis as data: what `dsocr torchinfo` reports."""

from collections.abc import Mapping
from typing import Literal

from attrs import frozen

from dsocr_symbolic.language.formula import EMPTY


@frozen(kw_only=True)
class UniqueLayer:
    """A layer class of the network and all its instances.

    Attributes
    ----------
    class_name : str
        Its bare name.
    qualified_name : str
        Its name in the network's own code, in transformers or in torch.
    is_torch_builtin : bool
        Whether PyTorch brings the class.
    called_as : str
        ``function`` if this network calls the class's function rather than a module of it.
    count : int
        Instances in the network.
    own_parameters : int
        Parameters that the instances hold themselves; these add up to the network's.
    parameters : int
        Parameters of the instances and everything below them, each counted once.
    var_name : tuple of str
        What their parents call them.
    instance_name : tuple of str
        All their paths, with ranges for indices.
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
    """Calls that follow one another with the same input size.

    Attributes
    ----------
    modules : tuple of str
        Their paths, with ranges for indices.
    class_name : str
        Their class.
    input_shape : tuple of int
        Sizes of the first tensor that each receives.
    calls : int
        How many they are.
    """

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
    """Calls of one class by another.

    Attributes
    ----------
    parent, child : str
        Qualified names; of modules that run, so lists of modules are passed over.
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
    """What TorchInfo says.

    Attributes
    ----------
    version : str
        Its version.
    table : str
        Its own table to depth 3, without a forward.
    parameters : int
        Its total.
    shown_parameters : int or None
        Sum of the rows of its table to depth 3 after a forward; None without a forward.
    rows : mapping of str to int
        Its rows by class name after a forward; empty without a forward.
    multiply_adds : tuple of MultiplyAdds
        By part of the network; empty without a forward.
    """

    version: str
    table: str
    parameters: int
    shown_parameters: int | None = None
    rows: Mapping[str, int] = EMPTY
    multiply_adds: tuple[MultiplyAdds, ...] = ()


@frozen(kw_only=True)
class Analysis:
    """Everything the reports say.

    Attributes
    ----------
    source : str
        Whose modules they are: ``reference`` or ``checkpoint``.
    torch_version : str
        Without the build's suffix.
    parameters : int
        Of the whole network.
    layers : tuple of UniqueLayer
        By qualified name.
    stages : tuple of Stage
        Empty for modules that are not run.
    edges : tuple of Edge
        The call graph; empty for modules that are not run.
    torchinfo : TorchinfoNumbers
        For comparison.
    """

    source: str
    torch_version: str
    parameters: int
    layers: tuple[UniqueLayer, ...]
    stages: tuple[Stage, ...]
    edges: tuple[Edge, ...]
    torchinfo: TorchinfoNumbers
