"""Follow tensors through calls: which storage stands behind a name, and under which condition."""

from collections.abc import Iterable, Mapping

from attrs import evolve

from dsocr_symbolic.algebras.value import Expr
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.call import Call
from dsocr_symbolic.language.formula import Formula, Layer, Operator, Tensor, inputs, outputs
from dsocr_symbolic.network.costs import both, either, owns, size, times
from dsocr_symbolic.network.node import Node, Port, Site, Storage, Storages

Conditions = dict[Storage, Expr]
Names = dict[str, Storages]
_WHOLE = ("int64", "int32", "bool")


def any_of(parts: Iterable[tuple[Expr, Storage]]) -> Conditions:
    """Return each storage once, with the condition that any of its conditions holds."""
    conditions: dict[Storage, list[Expr]] = {}
    for condition, storage in parts:
        conditions.setdefault(storage, []).append(condition)
    return {storage: either(several) for storage, several in conditions.items()}


def of_storages(values: Iterable[Storages]) -> Conditions:
    """Return each storage of some values with the condition that any of them stands for it."""
    return any_of(part for value in values for part in value)


def certain(storage: Storage) -> Storages:
    """Return the value of a name that stands for one storage whatever the guards."""
    return ((1, storage),)


def joined(values: Iterable[Storages]) -> Storages:
    """Put values together; a storage that stands in several of them stands once for each condition."""
    return tuple(dict.fromkeys(part for value in values for part in value))


def under(guard: Expr, value: Storages) -> Storages:
    """Put a value under one more condition."""
    return tuple((both, storage) for condition, storage in value if (both := times(guard, condition)) != 0)


def declared(tensor: Tensor, key: str, copies: Expr, site: Site) -> Storage:
    """Make the storage of a tensor that a formula declares."""
    kind = tensor.role if tensor.role in ("weight", "buffer", "past") else "activation"
    # Whole numbers and truths have no gradient.
    floats = kind in ("weight", "activation") and tensor.dtype.text not in _WHOLE
    gradient = int(floats and tensor.gradient and tensor.runs)
    return Storage(key=key, kind=kind, size=size(tensor, site.scope, site.algebra), copies=copies, gradient=gradient)


def is_chained(call: Call) -> bool:
    """Say whether each repeat of a call reads what the one before it wrote."""
    return call.repeat.calls is call.repeat.copies and call.repeat.copies.text != "1"


def is_spread(call: Call) -> bool:
    """Say whether a call repeats over parts of what it reads, and its results add up."""
    return call.repeat.calls is not call.repeat.copies and call.repeat.calls.text != "1"


def fed(call: Call, formula: Formula, names: Names, site: Site) -> tuple[Port, ...]:
    """Hand a callee its inputs, in its own order; a name that the network leaves open becomes an input of its own."""
    ports: list[Port] = []
    # A stage that names nothing reads inputs of its own.
    reads = call.reads or tuple((f"{site.key}:{name}",) for name in inputs(formula))
    if len(reads) != len(inputs(formula)):
        listed = ", ".join(inputs(formula)) or "nothing"
        raise UserError(f"{site.key}: reads: {formula.name} reads {listed}; {len(reads)} given")
    for name, sources in zip(inputs(formula), reads, strict=True):
        tensor = formula.tensors[name]
        for source in sources:
            if source not in names:
                names[source] = certain(declared(tensor, source, site.calls, site))
        outside = inside = joined(names[source] for source in sources)
        if is_chained(call) and not ports:
            link = declared(tensor, f"{site.key}:{name}", site.calls * site.repeats, site)
            inside = certain(evolve(link, gradient=needs_gradient(outside)))
        ports.append(Port(name=name, size=size(tensor, site.scope, site.algebra), outside=outside, inside=inside))
    return tuple(ports)


def made(operator: Operator, ports: Iterable[Port], site: Site) -> Names:
    """Return what an operator writes: new storages, or the input's where it works in place."""
    inside = {port.name: port.inside for port in ports}
    needed = either([int(owns(operator)), *map(needs_gradient, inside.values())])
    gradient = both(site.scope["trained"], needed) if operator.backward is not None else 0
    written: Names = {}
    for name in outputs(operator):
        tensor = operator.tensors[name]
        if tensor.role == "inplace":
            written[name] = inside[name]
            continue
        storage = declared(tensor, f"{site.key}:{name}", site.calls * site.repeats, site)
        written[name] = certain(evolve(storage, gradient=gradient * storage.gradient))
    return written


def read_again(operator: Operator, name: str, value: Storages, site: Site) -> Storages:
    """Return what a backward reads of a tensor: of one that was overwritten in place, the copy that autograd keeps."""
    if operator.tensors[name].role != "inplace":
        return value
    return tuple((condition, evolve(storage, key=f"{site.key}:{name}.before")) for condition, storage in value)


def handed_out(call: Call, formula: Formula, inside: Mapping[str, Storages], site: Site) -> tuple[Port, ...]:
    """Return what a callee gives, in its own order, as its caller sees it."""
    ports = []
    for name in outputs(formula):
        tensor = formula.tensors[name]
        outside = value = inside.get(name, ())
        if (is_chained(call) or is_spread(call)) and value and tensor.role != "inplace":
            key, copies = f"{site.key}:{name}.all", site.calls
            whole = _bytes(value) * site.repeats if is_spread(call) else _bytes(value)
            kept = Storage(key=key, kind="activation", size=whole, copies=copies, gradient=needs_gradient(value))
            outside = certain(kept)
        ports.append(Port(name=name, size=size(tensor, site.scope, site.algebra), outside=outside, inside=value))
    return tuple(ports)


def bind(call: Call, ports: Iterable[Port], guard: Expr, names: Names) -> None:
    """Give the names that a call writes their values; a call that may not run leaves what it read in their place."""
    for place, (name, port) in enumerate(zip(call.writes, ports, strict=False)):
        value = under(guard, port.outside)
        if call.when is not None and place == 0 and call.skip:
            value = joined([value, under(1 - guard, names[call.skip])])
        names[name] = value


def needs_gradient(value: Storages) -> Expr:
    """Return 1 if any storage of a value needs a gradient, else 0."""
    return either(storage.gradient for _, storage in value)


def of_layer(layer: Layer, site: Site) -> Names:
    """Return the storages that a layer finds at hand besides its inputs: weights, buffers, the cache before it."""
    return {
        name: certain(declared(tensor, f"{site.key}:{name}", site.calls * site.repeats, site))
        for name, tensor in layer.tensors.items()
        if tensor.role in ("weight", "buffer", "past")
    }


def spliced(node: Node) -> tuple[Node, ...]:
    """Return the children of an inline call; what writes its results hands them to its caller."""
    children = list(node.children)
    for port in node.outputs:
        inner = {storage for _, storage in port.inside}
        for place, child in enumerate(children):
            outputs = tuple(
                evolve(given, outside=joined([given.outside, port.outside]))
                if inner & {storage for _, storage in given.outside}
                else given
                for given in child.outputs
            )
            children[place] = evolve(child, outputs=outputs)
    return tuple(children)


def caches(formula: Formula, inside: Names) -> Storages:
    """Return the storages that are KV cache when a formula returns."""
    return joined(inside.get(name, ()) for name, tensor in formula.tensors.items() if tensor.role == "cache")


def held(formula: Formula, inside: Names) -> Storages:
    """Return the storages that a layer keeps until it returns."""
    return joined(inside[name] for name in sorted(formula.holds)) if isinstance(formula, Layer) else ()


def accumulated(ports: tuple[Port, ...]) -> Expr:
    """Bytes that all repeats write together, less those of one."""
    return sum(_bytes(port.outside) - _bytes(port.inside) for port in ports if port.outside is not port.inside)


def _bytes(value: Storages) -> Expr:
    return sum(condition * storage.size for condition, storage in value)
