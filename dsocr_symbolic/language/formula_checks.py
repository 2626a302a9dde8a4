"""Formula files checked against one another: symbols known and used, calls that fit, tensors written, then read."""

from collections.abc import Collection, Iterable, Iterator, Mapping

from dsocr_symbolic.errors import UserError, check_known, nearest
from dsocr_symbolic.language.call import Call, KernelWork
from dsocr_symbolic.language.expression import Expression, check_names, names
from dsocr_symbolic.language.extending import sizes_of_networks
from dsocr_symbolic.language.formula import Formula, Layer, Library, Operator, inputs, outputs
from dsocr_symbolic.language.registry import load_conventions, load_machine, load_metrics
from dsocr_symbolic.language.time_formula import device_classes, load_time

READABLE = ("input", "inplace", "weight", "buffer", "past")


def uses(formula: Formula) -> Iterator[str]:
    """Yield the formulas that a layer names: in its calls, and as what fills slots."""
    if isinstance(formula, Layer):
        yield from (call.use for call in formula.calls)
        yield from (filling.use for call in formula.calls for filling in call.slots.values())
        yield from (filling.use for filling in formula.slots.values())


def check_cycles(library: Library) -> None:
    """Refuse layers that call themselves, directly or through others."""
    done: set[str] = set()

    def visit(name: str, above: tuple[str, ...]) -> None:
        formula = library.formulas.get(name)
        if formula is not None and name in above:
            raise UserError(f"{formula.file}: {' -> '.join((*above, name))}: a layer cannot call itself")
        if name in done or not isinstance(formula, Layer):
            return
        for used in uses(formula):
            visit(used, (*above, name))
        done.add(name)

    for name in library.formulas:
        visit(name, ())


def check_formula(library: Library, formula: Formula) -> None:
    """Check one formula against the others: symbols known and used, calls that fit, tensors written, then read."""
    scope = {*formula.symbols, *load_conventions().symbols}
    used: set[str] = set()

    def use(place: str, *expressions: Expression | None) -> None:
        used.update(check_names(f"{formula.file}: {place}", scope, *expressions))

    for name, expression in formula.let.items():
        use(f"let: {name}", expression)
        scope.add(name)
    for name, tensor in formula.tensors.items():
        use(f"tensors: {name}", *tensor.shape, *tensor.read, *tensor.least, tensor.dtype)
    _check_kernels(formula, scope, used)
    slots = formula.slots.values() if isinstance(formula, Layer) else ()
    taken = {name for own in slots for value in own.given.values() for name in names(value)}
    check_known(formula.alone, {*formula.symbols, *taken}, f"{formula.file}: alone", "symbol")
    check_known(formula.example.given, {*formula.symbols, *taken}, f"{formula.file}: example: with", "symbol")
    check_known(formula.example.gives, load_metrics(), f"{formula.file}: example: gives", "metric")
    check_known(formula.fewest, formula.symbols, f"{formula.file}: fewest", "symbol")
    categories = {"", *load_conventions().categories}
    check_known([formula.category], categories, f"{formula.file}: category", "category")
    if isinstance(formula, Operator):
        use("tensor_core_flops", formula.tensor_core_flops)
        use("cuda_core_flops", formula.cuda_core_flops)
        for gradient in formula.backward or ():
            use("backward", gradient.tensor_core_flops, gradient.cuda_core_flops)
            use("backward: when", gradient.when)
    if isinstance(formula, Layer):
        for call in formula.calls:
            place = f"children: {call.name}"
            use(f"{place}: when", call.when)
            use(f"{place}: needed", call.needed)
            use(f"{place}: repeat", call.repeat.copies, call.repeat.calls, call.repeat.last)
            # A step exists for the call that repeats over it, nowhere else.
            step = {call.repeat.index} - scope if call.repeat.index else set()
            scope |= step
            use(f"{place}: with", *call.given.values())
            use(f"{place}: below", *call.below.values())
            use(f"{place}: numbers", *call.numbers)
            for slot, filling in call.slots.items():
                use(f"{place}: slots: {slot}", *filling.given.values())
            scope -= step
            used.update(_inherited(library, formula, call))
            check_call(library, formula, call)
        _check_tensors(formula)
    for name in [*formula.symbols, *formula.let]:
        if name not in used and name != "flops":
            raise UserError(f"{formula.file}: the symbol '{name}' is never used; remove it or use it")


def _check_kernels(formula: Formula, scope: Collection[str], used: set[str]) -> None:
    """Check what the GPU runs for a formula, and how its results lie."""
    known = {*scope, *_kernel_symbols(formula)}
    for name, tensor in formula.tensors.items():
        used.update(check_names(f"{formula.file}: tensors: {name}", known, tensor.turned, tensor.permuted))
    of_backward = (gradient.kernels for gradient in formula.backward or ()) if isinstance(formula, Operator) else ()
    for kernels in (formula.kernels, formula.backward_kernels, *of_backward):
        used.update(_check_works(kernels, known, f"{formula.file}: kernels"))


def _kernel_symbols(formula: Formula) -> set[str]:
    layouts = {f"{name}_{how}" for name in inputs(formula) for how in ("turned", "permuted")}
    return {*layouts, *load_machine(), "io_bytes"}


def _check_works(works: Mapping[str, KernelWork], known: Collection[str], place: str) -> Iterable[str]:
    """Check kernels: classes that have a time, symbols that are known here; return those that are used."""
    for name, work in works.items():
        where = f"{place}: {name}"
        check_known([work.time], device_classes(), f"{where}: time", "class")
        wanted = load_time(f"device/{work.time}").arguments
        if work.given.keys() != wanted.keys():
            given = ", ".join(work.given) or "nothing"
            raise UserError(f"{where}: with: {work.time} takes {', '.join(wanted) or 'nothing'}, found {given}")
        yield from check_names(where, known, work.when, work.calls, *work.given.values())


def check_call(library: Library, layer: Layer, call: Call) -> None:
    """Check that a call gives its callee's symbols and tensors, no more and no less."""
    where = f"{layer.file}: children: {call.name}"
    check_known(call.below, load_conventions().symbols, f"{where}: below", "symbol")
    use, given = call.use, [*call.given]
    if use.startswith("$"):
        if use[1:] not in layer.slots:
            raise UserError(f"{where}: use: the layer declares no slot '{use[1:]}'; add it under 'slots'")
        use, given = layer.slots[use[1:]].use, [*given, *layer.slots[use[1:]].given]
    check_known([use], library.formulas, f"{where}: use", "formula")
    callee = library.formulas[use]
    fit_symbols(callee, given, where)
    at_hand = {*given, *layer.symbols, *layer.let}
    for name in (name for name in callee.symbols if name not in at_hand and name not in sizes_of_networks()):
        raise UserError(f"{where}: with: {callee.name} needs '{name}' ({callee.symbols[name].meaning})")
    check_known([*call.turns, *call.permutes], callee.tensors, f"{where}: turns, permutes", "tensor")
    known = {*callee.symbols, *callee.let, *load_conventions().symbols, *_kernel_symbols(callee)}
    for works in (call.kernels, call.backward_kernels):
        list(_check_works(works or {}, known, f"{where}: kernels"))
    if len(call.reads) != len(inputs(callee)):
        raise UserError(f"{where}: reads: {callee.name} reads {_listed(inputs(callee))}; {len(call.reads)} given")
    if len(call.writes) > len(outputs(callee)):
        raise UserError(f"{where}: writes: {callee.name} writes {_listed(outputs(callee))}; {len(call.writes)} named")
    for slot, own in call.slots.items():
        if not isinstance(callee, Layer) or slot not in callee.slots:
            raise UserError(f"{where}: slots: {callee.name} has no slot '{slot}'")
        if own.use.startswith("$"):
            check_known([own.use[1:]], layer.slots, f"{where}: slots: {slot}", "slot")
            continue
        check_known([own.use], library.formulas, f"{where}: slots", "formula")
        fit_symbols(library.formulas[own.use], [*own.given], f"{where}: slots: {slot}")


def _inherited(library: Library, layer: Layer, call: Call) -> frozenset[str]:
    """Return which of a layer's symbols a call hands on without saying so: those of the callee's names."""
    slot = call.use.removeprefix("$")
    filling = layer.slots.get(slot) if call.use.startswith("$") else None
    uses = [filling.use if filling else call.use, *(filling.use for filling in call.slots.values())]
    taken = {name for use in uses if use in library.formulas for name in library.formulas[use].symbols}
    return frozenset(taken - call.given.keys())


def fit_symbols(callee: Formula, given: list[str], where: str) -> None:
    """Check that no symbols but the callee's are given, each once; those left out are the caller's or the network's."""
    for name in given:
        if name not in callee.symbols:
            raise UserError(f"{where}: with: {callee.name} has no symbol '{name}': {nearest(name, callee.symbols)}")
        if given.count(name) > 1:
            raise UserError(f"{where}: with: '{name}' is given twice, here and by the slot's filling")


def _listed(tensors: list[str]) -> str:
    return ", ".join(tensors) or "nothing"


def _check_tensors(layer: Layer) -> None:
    """Follow every tensor of a layer from its writer to its readers; one without elements, as no mask, need not run."""
    at_hand = {name for name, tensor in layer.tensors.items() if tensor.role in READABLE}
    written: set[str] = set()
    read: set[str] = set()
    for name, tensor in layer.tensors.items():
        if tensor.same:
            check_known([tensor.same], at_hand, f"{layer.file}: tensors: {name}: same", "input")
            written.add(name)
            read.add(tensor.same)
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
            written.add(name)
            at_hand.add(name)
    for name in sorted(layer.holds):
        if name not in written:
            raise UserError(f"{layer.file}: holds: no call writes '{name}': {nearest(name, written)}")
    for name, tensor in layer.tensors.items():
        if any(size.text == "0" for size in tensor.shape):
            continue
        if tensor.role in ("output", "cache") and name not in written:
            raise UserError(f"{layer.file}: tensors: the {tensor.role} '{name}' is never written")
        if tensor.role in READABLE and name not in read and tensor.runs:
            way_out = "remove it, or mark a weight that never runs 'runs: false'"
            raise UserError(f"{layer.file}: tensors: '{name}' is never read; {way_out}")
    for call in layer.calls:
        # Of several outputs some may be left unread.
        for name in call.writes if len(call.writes) == 1 else ():
            if name not in read and name not in layer.tensors and name not in layer.holds:
                raise UserError(f"{layer.file}: children: {call.name}: the tensor '{name}' is never read")
