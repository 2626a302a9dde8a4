"""The rows of a page's tables: symbols, tensors, calls, launches of a backward."""

from attrs import frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.language.expression import Expression
from dsocr_symbolic.language.formula import Call, Formula, Operator, Tensor
from dsocr_symbolic.network.costs import READS, WRITES
from dsocr_symbolic.reports.formulas.alone import Alone
from dsocr_symbolic.reports.formulas.places import Network, file_name


@frozen(kw_only=True)
class SymbolRow:
    """A symbol: its letter, name and meaning, its value here, its key in config.json."""

    letter: str
    name: str
    meaning: str
    value: str
    config: str


@frozen(kw_only=True)
class TensorRow:
    """A tensor of a formula, sizes as its file writes them."""

    name: str
    role: str
    shape: str
    dtype: str
    read: str
    written: str


@frozen(kw_only=True)
class CallRow:
    """A line of a layer: what it calls, with what, on which tensors, and when."""

    place: int
    name: str
    use: str
    page: str
    renamed: tuple[tuple[str, str], ...]
    same: tuple[str, ...]
    reads: tuple[str, ...]
    writes: tuple[str, ...]
    runs: str


@frozen(kw_only=True)
class LaunchRow:
    """A launch of an operator's backward, as its file writes it."""

    gives: tuple[str, ...]
    reads: tuple[str, ...]
    when: str
    products: str
    work: str


def symbol_row(alone: Alone, network: Network, name: str) -> SymbolRow:
    """Return the row of a symbol, its own meaning before the model's."""
    quantity = network.scenario.definition.quantities.get(name)
    own = alone.formula.symbols.get(name)
    meaning = own.meaning if own else quantity.meaning if quantity else ""
    config = quantity.config if quantity else ""
    shown = arithmetic.whole(alone.numbers[name])
    return SymbolRow(
        letter=alone.letters[name],
        name=name,
        meaning=meaning,
        value=f"{shown:,}" if isinstance(shown, int) else f"{shown:.6g}",
        config=config,
    )


def tensor_row(name: str, tensor: Tensor) -> TensorRow:
    """Return the row of a tensor."""
    whole = _product(tensor.shape)
    part = "all" if tensor.read == tensor.shape else _product(tensor.read)
    return TensorRow(
        name=name,
        role=tensor.role,
        shape=whole,
        dtype=tensor.dtype.text,
        read=(part if tensor.runs else "never") if tensor.role in READS else "",
        written="all" if tensor.role in WRITES else "",
    )


def _product(shape: tuple[Expression, ...]) -> str:
    return ", ".join(each.text for each in shape)


def call_row(place: int, alone: Alone) -> CallRow:
    """Return the row of a layer's line."""
    group = alone.groups[place]
    call = group.call
    same = tuple(name for name, each in call.given.items() if each.text == name)
    return CallRow(
        place=place + 1,
        name=call.name,
        use=call.use,
        page=file_name(group.formula),
        renamed=tuple((name, each.text) for name, each in call.given.items() if name not in same),
        same=same,
        reads=tuple(" and ".join(f"`{name}`" for name in names) for names in call.reads),
        writes=call.writes,
        runs=_runs(call),
    )


def _runs(call: Call) -> str:
    """Say when a line runs, and how often."""
    words = []
    if call.inline:
        words.append("inline")
    if call.when is not None:
        words.append(f"if `{call.when.text}`")
    copies, calls = call.repeat.copies.text, call.repeat.calls.text
    if copies != "1":
        words.append(f"`{copies}` modules")
    if calls != copies:
        words.append(f"`{calls}` calls")
    return ", ".join(words)


def launch_rows(formula: Formula) -> tuple[LaunchRow, ...] | None:
    """Return the rows of a backward; None where no gradient passes."""
    if not isinstance(formula, Operator):
        return ()
    if formula.backward is None:
        return None
    return tuple(
        LaunchRow(
            gives=each.gives,
            reads=each.reads,
            when=each.when.text if each.when else "",
            products=each.tensor_core_flops.text,
            work=each.cuda_core_flops.text,
        )
        for each in formula.backward
    )
