"""Formula files as data: operators (leaves) and layers (ordered calls of other formulas)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal

from attrs import evolve, field

from dsocr_symbolic.errors import UserError, check_known
from dsocr_symbolic.language.call import CALLS, Call, Filling, KernelWork
from dsocr_symbolic.language.expression import EMPTY, ZERO, Expression, names, parse
from dsocr_symbolic.language.schema import (
    BLANK,
    FORMULAS,
    GUARD,
    POSITIVE,
    PROSE,
    entry,
    follows,
    of_symbols,
    structure,
    table,
)
from dsocr_symbolic.language.strict_yaml import read_yaml
from dsocr_symbolic.language.symbols import PAIR, Symbol
from dsocr_symbolic.records import frozen

Role = Literal["input", "output", "inplace", "weight", "buffer", "past", "cache"]
_DTYPES = {"weight": parse("weight", ""), "past": parse("kv", ""), "cache": parse("kv", "")}
_DTYPE = parse("activation", "")


def _dtype(tensor: "Tensor") -> Expression:
    return _DTYPES.get(tensor.role, _DTYPE)


@frozen(kw_only=True)
class Tensor:
    """A tensor of a formula."""

    role: Role = entry("inplace: read and written; weight: owned; buffer: not; past, cache: state before, after")
    shape: tuple[Expression, ...] = entry("elements along each axis")
    dtype: Expression = entry(
        "bytes of an element; weight, kv or activation unless said", POSITIVE, default=follows(_dtype)
    )
    read: tuple[Expression, ...] = entry("what a launch reads of it", default=follows(lambda tensor: tensor.shape))
    least: tuple[Expression, ...] = entry(
        "what it cannot but read, whatever the values", default=follows(lambda tensor: tensor.read)
    )
    runs: bool = entry("false for a weight that is stored and never read", default=True)
    gradient: bool = entry("whether training needs its gradient, where no caller says so", default=True)
    same: str = entry("of a layer's result: the input that is handed on as it is", default="")
    turned: Expression = entry("of a result: 1 where its innermost axis is not laid out in order", GUARD, default=ZERO)
    permuted: Expression = entry("of a result: 1 where an outer axis is not laid out in order", GUARD, default=ZERO)


@frozen(kw_only=True)
class Example:
    """Values for a formula's symbols and the metrics they give."""

    member: str = entry("which formula of a family", default="")
    given: Mapping[str, Expression] = entry("values for symbols", key="with", default=BLANK)
    gives: Mapping[str, int | float] = entry("metrics, exactly", default=BLANK)

    def __attrs_post_init__(self) -> None:
        """Refuse values that are none."""
        for name, value in self.given.items():
            if names(value):
                raise UserError(f"with: {name}: '{value.text}' is no number; an example gives each symbol a number")


@frozen(kw_only=True)
class Formula:
    """What operators and layers share: where they stand, what they mean, which tensors they touch."""

    name: str
    file: str = field(eq=False)
    summary: str = entry("what it is, in one line")
    class_name: str = entry("class of the network's code or of torch", key="class", default="")
    category: str = entry("kind of work, one of those in conventions.yaml", default="")
    why: str = entry("why the formulas are what they are", PROSE, default="")
    source: str = entry("code that it describes", default="")
    symbols: Mapping[str, Symbol] = entry("[letter, meaning] of what a caller gives", of_symbols(table(PAIR)))
    alone: Mapping[str, Expression] = entry(
        "what symbols follow from where no caller gives them and nobody sets them; others start from the example",
        default=BLANK,
    )
    fewest: Mapping[str, Expression] = entry(
        "what symbols are at least, for bounds where it stands alone", default=BLANK
    )
    let: Mapping[str, Expression] = entry(
        "formulas with a name, for the formulas below", of_symbols(FORMULAS), default=BLANK
    )
    tensors: Mapping[str, Tensor] = entry("what it reads, writes and owns")
    kernels: Mapping[str, KernelWork] = entry("what the GPU runs for it alone, each of a class of time", default=BLANK)
    backward_kernels: Mapping[str, KernelWork] = entry(
        "what its backward runs besides, which no launch shows", default=BLANK
    )
    example: Example = entry("numbers that a test holds it to", default=Example())


@frozen(kw_only=True)
class Gradient:
    """A part of an operator's backward: reads the result's gradient and some tensors, writes gradients."""

    gives: tuple[str, ...] = entry("tensors whose gradients it writes; it runs if a training step needs one of them")
    reads: tuple[str, ...] = entry(
        "tensors of the forward that it reads again (a name may stand twice), and saves", default=()
    )
    when: Expression | None = entry("guard of 1 or 0", GUARD, default=None)
    tensor_core_flops: Expression = entry("Tensor Core FLOPs of the launch", POSITIVE, default=ZERO)
    cuda_core_flops: Expression = entry("CUDA-core FLOPs of the launch", POSITIVE, default=ZERO)
    between: Expression = entry(
        "bytes that launches hand to one another: written once, read once", POSITIVE, default=ZERO
    )
    takes: Expression | None = entry(
        "bytes of the result's gradient that it reads; all unless said", POSITIVE, default=None
    )
    kernels: Mapping[str, KernelWork] = entry("what the GPU runs for it", default=BLANK)


@frozen(kw_only=True)
class Member:
    """What one operator of a family has of its own."""

    aten: str = entry("operator that PyTorch dispatches")
    flops: Expression | None = entry("value of the symbol flops", POSITIVE, default=None)
    category: str = entry("kind of work, where it is not the family's", default="")
    backward: tuple[Gradient, ...] | None = entry("launches, if not the family's", default=None)
    kernels: Mapping[str, KernelWork] | None = entry("what the GPU runs, if not the family's", default=None)
    backward_kernels: Mapping[str, KernelWork] = entry(
        "what its backward runs besides, which no launch shows", default=BLANK
    )


@frozen(kw_only=True)
class Operator(Formula):
    """A launched operator: its FLOPs are formulas, all else follows from its tensors; its file is the ``family``."""

    FORM: ClassVar[Mapping[str, Any]] = {
        "anyOf": [
            {"required": ["aten"], "properties": {"aten": {"minLength": 1}}},
            {"required": ["members"], "properties": {"members": {"minProperties": 1}}},
        ]
    }

    family: str
    category: str = entry("kind of work, one of those in conventions.yaml")
    aten: str = entry("operator that PyTorch dispatches", default="")
    members: Mapping[str, Member] = entry("operators that share this file", default=BLANK)
    tensor_core_flops: Expression = entry("Tensor Core FLOPs of one launch", POSITIVE, default=ZERO)
    cuda_core_flops: Expression = entry("CUDA-core FLOPs of one launch", POSITIVE, default=ZERO)
    backward: tuple[Gradient, ...] | None = entry("launches; [] passes the gradient, absence ends it", default=None)

    def __attrs_post_init__(self) -> None:
        """Refuse an operator that PyTorch does not know."""
        if not self.aten and not self.members:
            raise UserError("aten: expected text, found None")


@frozen(kw_only=True)
class Layer(Formula):
    """A module: nothing but calls of other formulas."""

    slots: Mapping[str, Filling] = entry("formulas that a caller or a choice may put in", default=BLANK)
    tied: Mapping[str, str] = entry("weights that are another one, both by their paths below its module", default=BLANK)
    holds: frozenset[str] = entry("tensors kept in variables to the end", default=(), converter=frozenset)
    host: str = entry(
        "kind of code whose launches it makes, a file in formulas/time/host; its caller's unless said", default=""
    )
    trains: bool = entry("whether its code takes gradients; a server's does not", default=True)
    calls: tuple[Call, ...] = entry("calls of other formulas, in order", CALLS, key="children")


@frozen(kw_only=True, eq=False)
class Library:
    """Every formula by its name."""

    formulas: Mapping[str, Formula]

    def __getitem__(self, name: str) -> Formula:
        return self.formulas[name]


def read_operators(path: Path) -> list[Operator]:
    """Read an operator file: one operator, or one for each member of a family."""
    where = str(path)
    common = structure(Operator, read_yaml(path), where, name=path.stem, file=where, family=path.stem)
    if common.members and common.example.member:
        check_known([common.example.member], common.members, f"{where}: example: member", "operator")
    operators = [_member(common, name, member) for name, member in common.members.items()] or [common]
    for operator in operators:
        for place, gradient in enumerate(operator.backward or (), start=1):
            within = f"{where}: {operator.name}: backward: {place}"
            check_known(gradient.gives, operator.tensors, f"{within}: gives", "tensor")
            check_known(gradient.reads, operator.tensors, f"{within}: reads", "tensor")
    return operators


def _member(common: Operator, name: str, member: Member) -> Operator:
    return evolve(
        common,
        name=name,
        aten=member.aten,
        category=member.category or common.category,
        let=common.let if member.flops is None else {**common.let, "flops": member.flops},
        backward=common.backward if member.backward is None else member.backward,
        kernels=common.kernels if member.kernels is None else member.kernels,
        backward_kernels=member.backward_kernels or common.backward_kernels,
        members=EMPTY,
    )


def read_layer(path: Path) -> Layer:
    """Read a layer file."""
    return structure(Layer, read_yaml(path), str(path), name=path.stem, file=str(path))


def inputs(formula: Formula) -> list[str]:
    """Return the tensors that a caller feeds, in order."""
    return [name for name, tensor in formula.tensors.items() if tensor.role in ("input", "inplace")]


def outputs(formula: Formula) -> list[str]:
    """Return the tensors that a caller may name, in order."""
    return [name for name, tensor in formula.tensors.items() if tensor.role in ("output", "inplace")]
