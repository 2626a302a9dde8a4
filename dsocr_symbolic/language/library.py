"""All formula files together: found by name, checked against one another."""

from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

from attrs import frozen

from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.language.expression import Expression, names
from dsocr_symbolic.language.formula import (
    Call,
    Filling,
    Formula,
    Layer,
    Operator,
    Tensor,
    inputs,
    outputs,
    read_layer,
    read_operators,
)
from dsocr_symbolic.language.registry import load_conventions
from dsocr_symbolic.paths import data_files

READABLE = ("input", "inplace", "weight", "buffer", "past")


@frozen(kw_only=True)
class Library:
    """Every formula by its name."""

    formulas: Mapping[str, Formula]

    def __getitem__(self, name: str) -> Formula:
        return self.formulas[name]


@cache
def load_library() -> Library:
    """Read and check every operator and layer file.

    Returns
    -------
    Library
        The formulas by name.

    Raises
    ------
    UserError
        If a file breaks the schema, a name is taken twice, or files do not fit together.
    """
    found: dict[str, Formula] = {}
    operators = [each for path in data_files("formulas/operators").values() for each in read_operators(path)]
    layers = [read_layer(path) for path in data_files("formulas/layers").values()]
    for formula in [*operators, *layers]:
        if formula.name in found:
            taken = found[formula.name].file
            raise UserError(f"{formula.file}: the name '{formula.name}' is taken by {taken}; rename one of them")
        found[formula.name] = formula
    library = Library(formulas=found)
    for formula in found.values():
        check_formula(library, formula)
    _check_cycles(library)
    return library


def _check_cycles(library: Library) -> None:
    """Refuse layers that call themselves, directly or through others."""
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        formula = library.formulas.get(name)
        if formula is not None and name in above:
            raise UserError(f"{formula.file}: {' -> '.join((*above, name))}: a layer cannot call itself")
        if name in done or not isinstance(formula, Layer):
            return
        used = [binding.use for binding in formula.slots.values()]
        for call in formula.calls:
            used += [call.use, *(binding.use for binding in call.slots.values())]
        for each in used:
            visit(each, (*above, name))
        done.add(name)

    for name in library.formulas:
        visit(name, ())


def find_formula(name: str) -> Formula:
    """Find a formula by its name, with or without its folders.

    Raises
    ------
    UserError
        If there is none.
    """
    folders, _, stem = name.rpartition("/")
    path = data_files("formulas/layers").get(stem)
    formula = load_library().formulas.get(stem) if path is None else read_layer(path)
    parts = Path(formula.file).parent.parts if formula is not None else ()
    wanted = tuple(each for each in folders.split("/") if each)
    if formula is None or parts[len(parts) - len(wanted) :] != wanted:
        known = [f"{Path(each.file).parent.name}/{each.name}" for each in load_library().formulas.values()]
        raise UserError(f"unknown layer '{name}': {nearest(name, known)}")
    return formula


def conventions() -> frozenset[str]:
    """Return the symbols that every formula may use: dtypes and FLOPs per function."""
    return frozenset(load_conventions().symbols)


def check_formula(library: Library, formula: Formula) -> None:
    """Check one formula against the others.

    Raises
    ------
    UserError
        If a symbol is unknown or unused, a call does not fit its callee, or a tensor is read before it is
        written, written twice, or never read.
    """
    scope = set(formula.symbols) | conventions()
    used: set[str] = set()

    def use(expressions: Iterable[Expression], place: str) -> None:
        for expression in expressions:
            for name in names(expression):
                if name not in scope:
                    raise UserError(f"{formula.file}: {place}: unknown symbol '{name}': {nearest(name, scope)}")
                used.add(name)

    for name, expression in formula.let.items():
        use([expression], f"let: {name}")
        scope.add(name)
    for name, tensor in formula.tensors.items():
        use([*tensor.shape, *tensor.read, tensor.dtype], f"tensors: {name}")
    categories = load_conventions().categories
    if formula.category and formula.category not in categories:
        known = nearest(formula.category, categories)
        raise UserError(f"{formula.file}: category: unknown category '{formula.category}': {known}")
    if isinstance(formula, Operator):
        use([formula.tensor_core_flops], "tensor_core_flops")
        use([formula.cuda_core_flops], "cuda_core_flops")
        for each in formula.backward or ():
            use([each.tensor_core_flops, each.cuda_core_flops], "backward")
            use([each.when] if each.when else [], "backward: when")
    if isinstance(formula, Layer):
        for call in formula.calls:
            place = f"children: {call.name}"
            use([call.when] if call.when else [], f"{place}: when")
            use([call.repeat.copies, call.repeat.calls], f"{place}: repeat")
            use([call.repeat.last] if call.repeat.last else [], f"{place}: repeat")
            # A step exists for the call that repeats over it, nowhere else.
            step = {call.repeat.index} - scope if call.repeat.index else set()
            scope |= step
            use(call.given.values(), f"{place}: with")
            for slot, binding in call.slots.items():
                use(binding.given.values(), f"{place}: slots: {slot}")
            scope -= step
            check_call(library, formula, call)
        _check_tensors(formula)
    for name in [*formula.symbols, *formula.let]:
        if name not in used and name != "flops":
            raise UserError(f"{formula.file}: the symbol '{name}' is never used; remove it or use it")


def check_call(library: Library, layer: Layer, call: Call) -> None:
    """Check that a call gives its callee's symbols and tensors, no more and no less.

    Raises
    ------
    UserError
        If it does not.
    """
    where = f"{layer.file}: children: {call.name}"
    binding = Filling(use=call.use)
    if call.use.startswith("$"):
        if call.use[1:] not in layer.slots:
            raise UserError(f"{where}: use: the layer declares no slot '{call.use[1:]}'; add it under 'slots'")
        binding = layer.slots[call.use[1:]]
    callee = library.formulas.get(binding.use)
    if callee is None:
        raise UserError(f"{where}: use: unknown formula '{binding.use}': {nearest(binding.use, library.formulas)}")
    fit_symbols(callee, [*call.given, *binding.given], where)
    if len(call.reads) != len(inputs(callee)):
        raise UserError(f"{where}: reads: {callee.name} reads {_listed(inputs(callee))}; {len(call.reads)} given")
    if len(call.writes) > len(outputs(callee)):
        raise UserError(f"{where}: writes: {callee.name} writes {_listed(outputs(callee))}; {len(call.writes)} named")
    for slot, filling in call.slots.items():
        if not isinstance(callee, Layer) or slot not in callee.slots:
            raise UserError(f"{where}: slots: {callee.name} has no slot '{slot}'")
        if filling.use not in library.formulas:
            known = nearest(filling.use, library.formulas)
            raise UserError(f"{where}: slots: unknown formula '{filling.use}': {known}")


def fit_symbols(callee: Formula, given: list[str], where: str) -> None:
    """Check that exactly the callee's symbols are given.

    Raises
    ------
    UserError
        If one is missing, unknown, or given twice.
    """
    for name in given:
        if name not in callee.symbols:
            raise UserError(f"{where}: with: {callee.name} has no symbol '{name}': {nearest(name, callee.symbols)}")
        if given.count(name) > 1:
            raise UserError(f"{where}: with: '{name}' is given twice, here and by the slot's filling")
    for name in callee.symbols:
        if name not in given:
            raise UserError(f"{where}: with: {callee.name} needs '{name}' ({callee.symbols[name].meaning})")


def _listed(tensors: list[str]) -> str:
    return ", ".join(tensors) or "nothing"


def _is_empty(tensor: Tensor) -> bool:
    """Say whether a tensor has no elements by declaration, as a mask that is not there."""
    return any(size.text == "0" for size in tensor.shape)


def _check_tensors(layer: Layer) -> None:
    """Follow every tensor of a layer from its writer to its readers."""
    at_hand = {name for name, tensor in layer.tensors.items() if tensor.role in READABLE}
    written: dict[str, str] = {}
    read: set[str] = set()
    for call in layer.calls:
        where = f"{layer.file}: children: {call.name}"
        sources = [name for feeds in call.reads for name in feeds]
        if call.when is not None and call.skip:
            sources.append(call.skip)
        for name in [*sources, *call.keeps]:
            if name not in at_hand:
                raise UserError(f"{where}: the tensor '{name}' is read before it is written")
            read.add(name)
        for name in call.writes:
            if name in written or (name in layer.tensors and layer.tensors[name].role not in ("output", "cache")):
                raise UserError(f"{where}: the tensor '{name}' is written twice; give the second one its own name")
            written[name] = call.name
            at_hand.add(name)
    for name in sorted(layer.holds):
        if name not in written:
            raise UserError(f"{layer.file}: holds: no call writes '{name}': {nearest(name, written)}")
    for name, tensor in layer.tensors.items():
        if tensor.role in ("output", "cache") and name not in written and not _is_empty(tensor):
            raise UserError(f"{layer.file}: tensors: the {tensor.role} '{name}' is never written")
        if tensor.role in READABLE and name not in read and tensor.runs and not _is_empty(tensor):
            way_out = "remove it, or mark a weight that never runs 'runs: false'"
            raise UserError(f"{layer.file}: tensors: '{name}' is never read; {way_out}")
    for name, writer in written.items():
        if name not in read and name not in layer.tensors and not _is_side_output(layer, writer):
            raise UserError(f"{layer.file}: children: {writer}: the tensor '{name}' is never read")


def _is_side_output(layer: Layer, writer: str) -> bool:
    """Say whether a call names several outputs or ends in the host: then some may be left unread."""
    call: Any = next(each for each in layer.calls if each.name == writer)
    return len(call.writes) > 1
