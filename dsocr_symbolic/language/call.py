"""The lines of a layer: a formula applied to symbols and tensors, so many times."""

from collections.abc import Mapping
from typing import Any, ClassVar

from attrs import frozen

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.expression import Expression, parse
from dsocr_symbolic.language.schema import (
    BLANK,
    COUNT,
    GUARD,
    SHARE,
    SYMBOL,
    entry,
    follows,
    in_order,
    records,
    structure,
)

ONE = parse(1, "1")


@frozen(kw_only=True)
class KernelWork:
    """One kernel, copy or fill that runs on a GPU.

    Besides the formula's symbols its expressions know ``io_bytes``, the bytes of the launch, and of each input
    ``NAME_turned`` and ``NAME_permuted``: 1 where its innermost axis, or an outer one, is not laid out in order.
    """

    time: str = entry("its class, a file in formulas/time/device")
    given: Mapping[str, Expression] = entry("a value for each symbol of the class", key="with", default=BLANK)
    when: Expression | None = entry("guard of 1 or 0", GUARD, default=None)
    calls: Expression = entry("how often it runs in one launch", COUNT, default=ONE)
    waits: bool = entry("whether the host waits until it is done", default=False)


@frozen(kw_only=True)
class Filling:
    """What fills a slot."""

    use: str = entry("the formula")
    given: Mapping[str, Expression] = entry("symbols that the slot's owner does not give", key="with", default=BLANK)


@frozen(kw_only=True)
class Repeat:
    """How often a call runs."""

    FORM: ClassVar[Mapping[str, Any]] = {"dependentRequired": {"over": ["last"], "last": ["over"]}}

    copies: Expression = entry("distinct modules: stocks and, unless 'calls' says otherwise, flows", COUNT, default=ONE)
    calls: Expression = entry(
        "calls in one run of the parent: flows", COUNT, default=follows(lambda repeat: repeat.copies)
    )
    index: str | None = entry(
        "step from 1 to 'last': flows add up, stocks are the last", SYMBOL, key="over", default=None
    )
    last: Expression | None = entry("the last step", COUNT, default=None)

    def __attrs_post_init__(self) -> None:
        """Refuse half a step."""
        if (self.index is None) != (self.last is None):
            raise UserError("'over' names a step and 'last' its last value; give both or neither")


def _first_read(call: "Call") -> str:
    return call.reads[0][0] if call.reads and call.reads[0] else ""


@frozen(kw_only=True)
class Call:
    """One line of a layer: a formula applied to symbols and tensors."""

    name: str
    use: str = entry("the formula, or $slot")
    given: Mapping[str, Expression] = entry("a value for each of the callee's symbols", key="with", default=BLANK)
    below: Mapping[str, Expression] = entry("symbols of conventions.yaml that are others in this call", default=BLANK)
    reads: tuple[tuple[str, ...], ...] = entry("for each input of the callee, the tensors that feed it", default=())
    writes: tuple[str, ...] = entry("names for the callee's outputs; unread ones may be left off", default=())
    skip: str = entry("stands in for the output where the guard is 0; the first one read", default=follows(_first_read))
    keeps: tuple[str, ...] = entry("tensors that the caller holds meanwhile, not handed in", default=())
    when: Expression | None = entry("guard of 1 or 0 on flows, never on stocks", GUARD, default=None)
    needed: Expression = entry("share of its FLOPs that a perfect kernel cannot skip, for bounds", SHARE, default=ONE)
    repeat: Repeat = entry("how often it runs", default=Repeat(copies=ONE, calls=ONE))
    numbers: tuple[Expression, ...] = entry("first and last number that its name ends in, as 1-11", default=())
    module: str = entry("checkpoint path; with a leading dot below the parent's", default="")
    category: str = entry("overrides the category of all operators below", default="")
    host: str = entry(
        "kind of code that launches it, a file in formulas/time/host; its caller's unless said", default=""
    )
    inline: bool = entry("the callee's children stand in the parent's place of this call", default=False)
    slots: Mapping[str, Filling] = entry("fillings of the callee's slots", default=BLANK)
    turns: tuple[str, ...] = entry("tensors of the callee whose innermost axis moves outwards in a view", default=())
    permutes: tuple[str, ...] = entry("tensors of the callee whose outer axes change order in a view", default=())
    kernels: Mapping[str, KernelWork] | None = entry("what the GPU runs, where it is not the callee's", default=None)
    backward_kernels: Mapping[str, KernelWork] | None = entry("what its backward runs, likewise", default=None)

    def __attrs_post_init__(self) -> None:
        """Refuse numbers of a name that ends in none."""
        if self.numbers and (len(self.numbers) != 2 or self.stem == self.name or self.inline):  # noqa: PLR2004
            raise UserError("numbers: expected [first, last] of a call whose name ends in them, as layers.1-11")

    @property
    def stem(self) -> str:
        """Its name without the numbers at its end."""
        return self.name.rstrip("0123456789-")


CALLS = in_order(records(Call))


def read_call(name: str, raw: Any, where: str) -> Call:
    """Read one line of a layer."""
    return structure(Call, raw, where, name=name)
