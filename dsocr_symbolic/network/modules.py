"""Which module owns a weight: stages that are one module, weights that are another one's, weights that count twice."""

from collections.abc import Iterable, Iterator, Mapping

from attrs import evolve, frozen

from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.language.call import Call, Filling
from dsocr_symbolic.language.expression import Expression, names, parse
from dsocr_symbolic.language.formula import Formula, Layer, Library
from dsocr_symbolic.language.registry import load_conventions
from dsocr_symbolic.network.node import Node, Stock, walk


@frozen(kw_only=True)
class Sizes:
    """What the weights of a formula hang on.

    Attributes
    ----------
    own : frozenset of str
        Its own symbols.
    filled : frozenset of (str, str)
        Slots that its caller fills, and symbols that the filling gives.
    common : frozenset of str
        Symbols of conventions.yaml.
    owns : bool
        Whether it has any weights.
    """

    own: frozenset[str]
    common: frozenset[str]
    filled: frozenset[tuple[str, str]]
    owns: bool


def rooted(library: Library, calls: tuple[Call, ...], chosen: Mapping[str, str]) -> tuple[Call, ...]:
    """Let stages that call one layer be one module, that of the first: prefill and decode run the same weights.

    A stage that says its ``module``, gives the weights other sizes, or reads what the earlier one made (a block behind
    a block), is a module of its own.
    """
    rooted_calls: list[Call] = []
    behind: dict[str, set[str]] = {}
    for call in calls:
        sources = {name for feeds in call.reads for name in feeds}
        made_by = {earlier.name for earlier in calls if earlier.name in behind and sources & set(earlier.writes)}
        behind[call.name] = made_by.union(*(behind[name] for name in made_by))
        use = chosen.get(call.use[1:], "") if call.use.startswith("$") else call.use
        formula = library.formulas.get(use)
        module = call.module
        # A slot is compared by what fills it.
        call = evolve(call, use=use or call.use)  # noqa: PLW2901
        if isinstance(formula, Layer) and not module and not call.inline:
            sizes = sizes_of(library, formula, call.slots, chosen)
            module = next(
                (
                    earlier.module or earlier.name
                    for earlier in rooted_calls
                    if earlier.name not in behind[call.name] and _alike(earlier, call, sizes)
                ),
                "",
            )
        rooted_calls.append(evolve(call, module=module))
    return tuple(rooted_calls)


def _alike(earlier: Call, call: Call, sizes: Sizes) -> bool:
    """Say whether two calls give the weights of one formula the same sizes."""
    same = [
        (
            one.use,
            one.repeat.copies,
            {name: one.below[name] for name in sizes.common & one.below.keys()},
            _fillings(one),
        )
        for one in (earlier, call)
    ]
    given = [(_given(earlier, name), _given(call, name)) for name in sizes.own]
    if same[0] != same[1]:
        return False
    filled = [(earlier.slots[slot].given, call.slots[slot].given, name) for slot, name in sizes.filled]
    of_slots = [(one.get(name), other.get(name)) for one, other, name in filled]
    return all(one == other for one, other in given) and all(one == other for one, other in of_slots)


def _given(call: Call, name: str) -> Expression:
    """Return what a call gives a symbol; what it leaves out is its caller's of that name."""
    return call.given.get(name) or parse(name, name)


def _fillings(call: Call) -> dict[str, str]:
    return {slot: filling.use for slot, filling in call.slots.items()}


def sizes_of(library: Library, formula: Formula, fillings: Mapping[str, Filling], chosen: Mapping[str, str]) -> Sizes:
    """Say what the weights of a formula hang on, given what its caller and the choices put into its slots."""
    local: dict[str, frozenset[str]] = {}

    def symbols(*expressions: Expression) -> frozenset[str]:
        used = frozenset[str]().union(*map(names, expressions))
        return frozenset[str]().union(*(local.get(name, {name} & formula.symbols.keys()) for name in used))

    for name, expression in formula.let.items():
        local[name] = symbols(expression)
    weights = [tensor for tensor in formula.tensors.values() if tensor.role == "weight"]
    own = frozenset[str]().union(*(symbols(*tensor.shape, tensor.dtype) for tensor in weights))
    common = _common(name for tensor in weights for each in (*tensor.shape, tensor.dtype) for name in names(each))
    filled: frozenset[tuple[str, str]] = frozenset()
    owns = bool(weights)
    for call in formula.calls if isinstance(formula, Layer) else ():
        slot = call.use[1:] if call.use.startswith("$") else ""
        use = fillings[slot].use if slot in fillings else _filled(call.use, formula, chosen)
        if use not in library.formulas:
            continue
        inside = sizes_of(library, library.formulas[use], _handed_on(call.slots, fillings, formula, chosen), chosen)
        if inside.owns:
            given = [_given(call, name) for name in inside.own]
            given += [call.slots[by].given[name] for by, name in inside.filled if name in call.slots[by].given]
            own |= symbols(call.repeat.copies, *given)
            common |= _common(
                name for one in inside.common for name in (names(call.below[one]) if one in call.below else {one})
            )
            filled |= {(slot, name) for name in inside.own if slot in fillings and name in fillings[slot].given}
            owns = True
    return Sizes(own=own, common=common, filled=filled, owns=owns)


def _handed_on(
    slots: Mapping[str, Filling], fillings: Mapping[str, Filling], formula: Formula, chosen: Mapping[str, str]
) -> dict[str, Filling]:
    """Return what a call puts into slots, a slot of its caller's as what that is filled with."""
    return {
        slot: fillings.get(filling.use[1:], Filling(use=_filled(filling.use, formula, chosen)))
        if filling.use.startswith("$")
        else filling
        for slot, filling in slots.items()
    }


def _common(symbols: Iterable[str]) -> frozenset[str]:
    """Return those of conventions.yaml, and what they follow from."""
    known, found, waiting = load_conventions().symbols, set[str](), list(symbols)
    while waiting:
        name = waiting.pop()
        if name in known and name not in found:
            found.add(name)
            waiting += names(known[name].formula)
    return frozenset(found)


def _filled(use: str, formula: Formula, chosen: Mapping[str, str]) -> str:
    """Return the formula of a call that its caller does not fill."""
    if not use.startswith("$") or not isinstance(formula, Layer):
        return use
    slot = use[1:]
    return chosen.get(slot) or (formula.slots[slot].use if slot in formula.slots else "")


def tied(nodes: tuple[Node, ...], ties: Mapping[str, str], where: str, module: str = "") -> tuple[Node, ...]:
    """Let weights be others, by their paths below a module: each is owned once, and read wherever it is read."""
    if not ties:
        return nodes
    owned = {stock.key: stock for node in walk(nodes) for stock in node.stocks if stock.parameters != 0}
    renamed: dict[str, str] = {}
    for one, other in ties.items():
        keys = [_key(name, module, owned, f"{where}: tied") for name in (one, other)]
        if keys[0] in renamed or keys[1] in renamed or keys[0] == keys[1]:
            raise UserError(f"{where}: tied: {one}: tie each weight once, to one that is not tied itself")
        tie, kept = (owned[key] for key in keys)
        for what in ("parameters", "weight_bytes"):
            sizes = [getattr(stock, what) for stock in (tie, kept)]
            if sizes[0] != sizes[1]:
                said = what.replace("_", " ")
                raise UserError(
                    f"{where}: tied: {one} has {sizes[0]} {said}, {other} has {sizes[1]}; only equal weights are one"
                )
        renamed[keys[0]] = keys[1]
    return tuple(_renamed(node, renamed) for node in nodes)


def _key(name: str, module: str, owned: Mapping[str, Stock], where: str) -> str:
    """Return the key of a weight that is named below a module, or from the root."""
    for key in (f"{module}.{name}" if module else name, name):
        if key in owned:
            return key
    known = [key.removeprefix(f"{module}.") if module else key for key in owned]
    raise UserError(f"{where}: no weight is '{name}': {nearest(name, known)}")


def _renamed(node: Node, names: Mapping[str, str]) -> Node:
    return evolve(
        node,
        stocks=tuple(evolve(stock, key=names.get(stock.key, stock.key)) for stock in node.stocks),
        read_once={names.get(key, key): size for key, size in node.read_once.items()},
        children=tuple(_renamed(child, names) for child in node.children),
    )


def check_owners(nodes: Iterable[Node], file: str) -> None:
    """Refuse two weights of different sizes under one path: one of them would not be counted."""
    owners: dict[str, tuple[Node, Stock]] = {}
    for node in nodes:
        for stock in node.stocks:
            first, known = owners.setdefault(stock.key, (node, stock))
            if stock.parameters != known.parameters:
                paths = ["/".join(owner.path) for owner in (first, node)]
                raise UserError(
                    f"{file}: {paths[0]} and {paths[1]} own {stock.key} with {known.parameters} and "
                    f"{stock.parameters} elements; give one of the calls, or of those above it, another 'module'"
                )


def apart(stages: tuple[Node, ...]) -> tuple[str, ...]:
    """Say of each two stages which layer they run with weights of their own, of layers in layers the outermost."""
    said: dict[tuple[str, str], str] = {}
    for place, second in enumerate(stages):
        for first in stages[:place]:
            there = {_weights(node): node for node in _modules(first)}
            for node in _twins(second, there, depth=0):
                twin = there[_weights(node)]
                said.setdefault(
                    (first.path[0], second.path[0]),
                    f"{'/'.join(twin.path)} and {'/'.join(node.path)} call {node.formula.name} as two modules, "
                    f"{twin.module} and {node.module}, so that its weights count twice; "
                    "if they are one, give both calls the same 'module'",
                )
    return tuple(said.values())


def _twins(node: Node, others: Mapping[tuple[object, ...], Node], depth: int) -> Iterator[Node]:
    """Yield the outermost layers whose twins are other modules."""
    twin = others.get(_weights(node))
    if twin is not None and (depth == 0 or _is_composed(node)):
        if twin.module != node.module:
            yield node
        return
    for child in node.children:
        yield from _twins(child, others, depth + 1)


def _modules(stage: Node) -> Iterator[Node]:
    """Yield the layers of a stage that have weights."""
    return (node for node in walk((stage,)) if isinstance(node.formula, Layer) and _weights(node)[1:])


def _is_composed(node: Node) -> bool:
    """Say whether a layer holds layers with weights: norms and products alike are many, and nobody's twins."""
    return any(_weights(child)[1:] for child in node.children if isinstance(child.formula, Layer))


def _weights(node: Node) -> tuple[object, ...]:
    """Return what a call runs and which weights it owns, by what they are called below it."""
    owned = {
        stock.key.removeprefix(f"{node.module}."): stock.parameters
        for inside in walk((node,))
        for stock in inside.stocks
        if stock.parameters != 0
    }
    return (node.formula.name, *sorted(owned.items(), key=lambda item: item[0]))
