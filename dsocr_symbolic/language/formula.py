"""Formula files as data: operators (leaves) and layers (ordered calls of other formulas)."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Literal, get_args

from attrs import field, frozen

from dsocr_symbolic.language.expression import Expression

Role = Literal["input", "output", "inplace", "weight", "buffer", "past", "cache"]


ROLES = get_args(Role)


EMPTY: Mapping[str, Any] = MappingProxyType({})


@frozen(kw_only=True)
class Symbol:
    """A symbol of a formula: its letter in print (LaTeX) and what it means."""

    letter: str
    meaning: str


@frozen(kw_only=True)
class Tensor:
    """A tensor of a formula.

    Attributes
    ----------
    role : str
        ``input``, ``output``, ``inplace`` (read and written), ``weight`` (read and owned), ``buffer``
        (at hand, not a parameter), ``past`` (state before the call), ``cache`` (state after it).
    shape : tuple of Expression
        Elements along each axis.
    dtype : Expression
        Bytes of an element.
    read : tuple of Expression
        The part that one launch reads, where it is not all of it.
    runs : bool
        False for a weight that is stored and never read.
    gradient : bool
        Whether a training step needs its gradient, where no caller says what feeds it.
    """

    role: Role
    shape: tuple[Expression, ...]
    dtype: Expression
    read: tuple[Expression, ...]
    runs: bool = True
    gradient: bool = True


@frozen(kw_only=True)
class Binding:
    """What fills a slot: a formula and those of its symbols that the slot's owner does not give."""

    use: str
    given: Mapping[str, Expression] = EMPTY


@frozen(kw_only=True)
class Repeat:
    """How often a call runs.

    Attributes
    ----------
    copies : Expression
        Distinct modules: stocks and, unless ``calls`` says otherwise, flows.
    calls : Expression
        Calls in one run of the parent: flows.
    index : str or None
        Name of a step that runs from 1 to ``last``: flows add over it, stocks are those of the last step.
    last : Expression or None
        The last step.
    """

    copies: Expression
    calls: Expression
    index: str | None = None
    last: Expression | None = None


@frozen(kw_only=True)
class Call:
    """One line of a layer: a formula applied to symbols and tensors.

    Attributes
    ----------
    name : str
        Its name in paths.
    use : str
        The formula, or ``$slot``.
    given : mapping of str to Expression
        A value for each of the callee's symbols.
    reads : tuple of tuple of str
        For each input of the callee, the tensors that feed it.
    writes : tuple of str
        Names for the callee's outputs; those that nobody reads may be left off at the end.
    skip : str
        The tensor that stands in for the output when the guard is false; the first one read unless said.
    keeps : tuple of str
        Tensors that the caller's code still holds while it runs, without handing them in.
    when : Expression or None
        Guard of 1 or 0 on flows, never on stocks.
    repeat : Repeat
        How often it runs.
    module : str
        Checkpoint path, relative to the parent's with a leading dot; empty for the parent's path and the name.
    category : str
        Overrides the category of all operators below.
    inline : bool
        The callee's children stand in the parent's place of this call.
    slots : mapping of str to Binding
        Fillings of the callee's slots.
    """

    name: str
    use: str
    given: Mapping[str, Expression]
    reads: tuple[tuple[str, ...], ...]
    writes: tuple[str, ...]
    skip: str
    keeps: tuple[str, ...]
    when: Expression | None
    repeat: Repeat
    module: str
    category: str
    inline: bool
    slots: Mapping[str, Binding]


@frozen(kw_only=True)
class Example:
    """Values for a formula's symbols and the metrics they give."""

    given: Mapping[str, Expression]
    gives: Mapping[str, Any]


@frozen(kw_only=True)
class Formula:
    """What operators and layers share: where they stand, what they mean, which tensors they touch."""

    name: str
    file: str = field(eq=False)
    summary: str
    class_name: str
    category: str
    why: str
    source: str
    symbols: Mapping[str, Symbol]
    let: Mapping[str, Expression]
    tensors: Mapping[str, Tensor]
    example: Example


@frozen(kw_only=True)
class Gradient:
    """One launch of an operator's backward: reads the result's gradient and some tensors, writes gradients.

    Attributes
    ----------
    gives : tuple of str
        The tensors whose gradients it writes; it runs if a training step needs one of them.
    reads : tuple of str
        The tensors of the forward that it reads again, so that they are saved.
    when : Expression or None
        Guard of 1 or 0.
    tensor_core_flops, cuda_core_flops : Expression
        What it costs.
    """

    gives: tuple[str, ...]
    reads: tuple[str, ...]
    when: Expression | None
    tensor_core_flops: Expression
    cuda_core_flops: Expression


@frozen(kw_only=True)
class Operator(Formula):
    """A launched operator: its FLOPs are formulas, everything else follows from its tensors.

    Attributes
    ----------
    aten, family : str
        The operator that PyTorch dispatches, and the file it stands in.
    tensor_core_flops, cuda_core_flops : Expression
        Of one launch.
    backward : tuple of Gradient or None
        Launches of its backward; empty where the gradient passes unchanged, None where it ends.
    """

    aten: str
    family: str
    tensor_core_flops: Expression
    cuda_core_flops: Expression
    backward: tuple[Gradient, ...] | None


@frozen(kw_only=True)
class Layer(Formula):
    """A module: nothing but calls of other formulas.

    Attributes
    ----------
    slots : mapping of str to Binding
        Formulas that a caller or a choice may put in.
    holds : frozenset of str
        Tensors that its code keeps in a variable until it returns, beyond their last reader.
    calls : tuple of Call
        In order.
    """

    slots: Mapping[str, Binding]
    holds: frozenset[str]
    calls: tuple[Call, ...]


def inputs(formula: Formula) -> list[str]:
    """Return the tensors that a caller feeds, in order."""
    return [name for name, tensor in formula.tensors.items() if tensor.role in ("input", "inplace")]


def outputs(formula: Formula) -> list[str]:
    """Return the tensors that a caller may name, in order."""
    return [name for name, tensor in formula.tensors.items() if tensor.role in ("output", "inplace")]
