"""Build the model tree: calls become nodes, formulas become costs in an algebra."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any, get_args

from attrs import evolve

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.language.call import Call, Filling, Repeat
from dsocr_symbolic.language.expression import EMPTY, Expression
from dsocr_symbolic.language.formula import Formula, Layer, Library, Operator
from dsocr_symbolic.language.formula_checks import fit_symbols
from dsocr_symbolic.network import costs, dataflow, layouts, modules, running
from dsocr_symbolic.network.dataflow import Names
from dsocr_symbolic.network.layouts import Layouts
from dsocr_symbolic.network.node import Launch, Node, Port, Repetition, Scope, Site, Steps, Storages
from dsocr_symbolic.network.place import Place, filled, inherited, module_of, repetition_of


def build_tree(
    library: Library,
    calls: tuple[Call, ...],
    scope: Scope,
    chosen: Mapping[str, str],
    algebra: ModuleType,
    *,
    sizes: frozenset[str] = frozenset(),
    training: bool = False,
    tied: Mapping[str, str] = EMPTY,
    file: str = "the model",
) -> tuple[Node, ...]:
    """Build the tree below a list of calls.

    Parameters
    ----------
    library : Library
        All formulas.
    calls : tuple of Call
        The stages of a model.
    scope : mapping of str to value
        The model's symbols, as values of the algebra.
    chosen : mapping of str to str
        Formulas that the choices put into slots; a caller's own filling comes first.
    algebra : module
        ``symbolic`` for expressions, ``arithmetic`` for numbers: steps then stand at the last, or the first of none.
    sizes : frozenset of str
        Symbols of the network that any layer may take without its caller's saying so.
    training, tied, file : bool, mapping of str to str, str
        Whether launches are those of the backward; weights that are other ones, by path, and which file says so.

    Returns
    -------
    tuple of Node
        One per stage.

    Raises
    ------
    UserError
        If a call does not fit its callee, or a guard hides a step.
    """
    one = algebra.number(1)
    scope = {**scope, "training": algebra.number(int(training)), "trained": one}
    builder = _Builder(library, scope, chosen, algebra, sizes=sizes, training=training)
    said = {"path": (), "module": "", "category": "", "host": HOST, "slots": {}, "own_slots": {}, "common": {}}
    said["declared"] = frozenset(scope)
    root = Place(calls=one, copies=one, distinct=one, needed=one, steps=None, repetition="none", **said)  # type: ignore[arg-type]
    stages = builder.place_all(modules.rooted(library, calls, chosen), scope, root, {}, {})[0]
    return modules.tied(stages, tied, file)


def trained_tree(
    library: Library,
    calls: tuple[Call, ...],
    scope: Scope,
    chosen: Mapping[str, str],
    algebra: ModuleType,
    *,
    sizes: frozenset[str] = frozenset(),
    tied: Mapping[str, str] = EMPTY,
    file: str = "the model",
) -> tuple[Node, ...]:
    """Build the tree as :func:`build_tree` does, the training step of each call beside it; steps have none."""
    forward = build_tree(library, calls, scope, chosen, algebra, sizes=sizes, tied=tied, file=file)
    once = tuple(call for call in calls if call.repeat.index is None)
    trained = build_tree(library, once, scope, chosen, algebra, sizes=sizes, training=True)
    backward = {node.path: node for node in trained}
    return tuple(_paired(node, backward[node.path]) if node.path in backward else node for node in forward)


def _paired(forward: Node, backward: Node) -> Node:
    """Put the training step of every call beside it."""
    pairs = zip(forward.children, backward.children, strict=True)
    return evolve(forward, training=backward, children=tuple(_paired(*pair) for pair in pairs))


HOST = "decoder"
"""The kind of code whose launches are counted as, where no layer says another."""


class _Builder:
    """One walk over the calls; costs of equal operators are computed once."""

    def __init__(
        self,
        library: Library,
        scope: Scope,
        chosen: Mapping[str, str],
        algebra: ModuleType,
        *,
        sizes: frozenset[str],
        training: bool,
    ) -> None:
        self.m_library = library
        self.m_algebra = algebra
        self.m_scope = scope
        self.m_chosen = chosen
        self.m_sizes = sizes
        self.m_training = training
        self.m_launches: dict[tuple[Any, ...], Launch] = {}

    def place_all(
        self, calls: tuple[Call, ...], scope: Scope, parent: Place, names: Names, lying: Layouts
    ) -> tuple[tuple[Node, ...], tuple[Node, ...]]:
        """Return the nodes of calls, and the inline ones: their children stand among the nodes in their place."""
        nodes: list[Node] = []
        inline: list[Node] = []
        for call in calls:
            node = self.place(call, scope, parent, names, lying)
            is_spliced = call.inline and isinstance(node.formula, Layer)
            nodes += dataflow.spliced(node) if is_spliced else [node]
            inline += [node] if is_spliced else []
        return tuple(nodes), tuple(inline)

    def place(self, call: Call, scope: Scope, parent: Place, names: Names, lying: Layouts) -> Node:
        """Return the node of a call."""
        where = "/".join((*parent.path, call.name))
        binding, binding_scope = self._filling(Filling(use=call.use), scope, parent, where)
        formula = self.m_library.formulas.get(binding.use)
        # An operator holds nothing that could stand in its place.
        inline = call.inline and isinstance(formula, Layer)
        if formula is None:
            raise UserError(
                f"{where}: unknown formula '{binding.use}': {nearest(binding.use, self.m_library.formulas)}"
            )
        fit_symbols(formula, [*call.given, *binding.given], where)
        steps = self._steps(call, scope)
        if steps is not None and call.repeat.index is not None:
            scope = {**scope, call.repeat.index: steps.index}
        given = self._values(call.given, scope) | self._values(binding.given, binding_scope)
        given = inherited(formula, given, parent, (scope, binding_scope), self.m_sizes, where=where)
        common = {**parent.common, **self._values(call.below, scope)}
        inner = self._scope(formula, {**common, **given})
        guard = 1 if call.when is None else self._value(call.when, scope)
        repeats = self._value(call.repeat.calls, scope)
        copies = self._value(call.repeat.copies, scope)
        repetition = max(parent.repetition, repetition_of(call.repeat), key=get_args(Repetition).index)
        place = Place(
            path=parent.path if inline else (*parent.path, call.name),
            module=module_of(call, parent.module, inline=inline),
            category=call.category or (formula.category if isinstance(formula, Layer) else "") or parent.category,
            host=call.host or (formula.host if isinstance(formula, Layer) else "") or parent.host,
            calls=parent.calls * guard * repeats,
            copies=parent.copies * copies,
            distinct=parent.distinct * guard * self._distinct(call.repeat, copies, repeats),
            needed=parent.needed * self._value(call.needed, scope),
            steps=steps or parent.steps,
            repetition=repetition if inline else "none",
            slots={name: self._filling(each, scope, parent, where) for name, each in call.slots.items()},
            own_slots=formula.slots if isinstance(formula, Layer) else {},
            declared=frozenset((*formula.symbols, *formula.let)),
            common=common,
        )
        if place.steps is not None and costs.depends(place.calls, place.steps):
            index = place.steps.index
            raise UserError(f"{where}: a guard or a count depends on the step {index}; pass a 0|1 instead")
        site = Site(key=where, calls=parent.calls, repeats=repeats, scope=inner, algebra=self.m_algebra)
        ports = dataflow.fed(call, formula, names, site)
        taken = layouts.taken(call, formula, lying)
        children, spliced, inside, written = self._inside(formula, place, ports, taken, site)
        kept = dataflow.joined(names[name] for name in call.keeps)
        results = dataflow.handed_out(call, formula, inside, site)
        dataflow.bind(call, results, guard, names)
        layouts.bind(call, formula, written, guard, lying)
        launch, saved = self._launch(formula, {**common, **given}, site, ports, inside)
        node = Node(
            path=place.path,
            stem=call.stem if call.numbers else "",
            numbers=tuple(self._value(number, scope) for number in call.numbers),
            formula=formula,
            given=given,
            slots={slot: (fill.use, self._values(fill.given, there)) for slot, (fill, there) in place.slots.items()},
            module=place.module,
            category=(place.category or formula.category) if isinstance(formula, Operator) else "",
            calls=place.calls,
            steps=place.steps,
            repetition=repetition,
            launch=launch,
            kernels=running.kernels(
                call, formula, site, ports=ports, taken=taken, io_bytes=None if launch is None else launch.io_bytes
            )
            if guard != 0
            else (),
            host=place.host,
            captured=inner["captured"],
            repeats=guard * repeats,
            stocks=(
                *costs.owned(formula, place.module, place.copies, place.steps, site),
                *(stock for each in spliced for stock in each.stocks),
            ),
            runs=guard if call.repeat.calls.text == "1" else guard * self.m_algebra.positive(repeats),
            again=self.m_algebra.positive(repeats - 1) if dataflow.is_chained(call) else self.m_algebra.number(0),
            inputs=ports,
            outputs=results,
            caches=dataflow.joined([dataflow.caches(formula, inside), *(each.caches for each in spliced)]),
            kept=kept,
            held=dataflow.joined([dataflow.held(formula, inside), *(each.held for each in spliced)]),
            accumulated=guard * dataflow.accumulated(results) if dataflow.is_spread(call) else self.m_algebra.number(0),
            required=costs.joined(costs.required(formula, site), *(each.required for each in spliced)),
            read_once={
                **costs.read_once(formula, place.module, place.distinct, site),
                **{key: size for each in spliced for key, size in each.read_once.items()},
            },
            needed=place.needed,
            saved=dataflow.under(guard, saved),
            children=children,
        )
        ties = formula.tied if isinstance(formula, Layer) else EMPTY
        return modules.tied((node,), ties, formula.file, place.module)[0]

    def _inside(
        self, formula: Formula, place: Place, ports: tuple[Port, ...], taken: Layouts, site: Site
    ) -> tuple[tuple[Node, ...], tuple[Node, ...], Names, Layouts]:
        """Return the nodes inside a call, the inline ones, what stands for its tensors in the end, and how they lie."""
        if isinstance(formula, Operator):
            return (), (), dataflow.made(formula, ports, site), layouts.made(formula, taken, site)
        assert isinstance(formula, Layer)  # noqa: S101 - a formula is an operator or a layer
        names = dataflow.of_layer(formula, site) | {port.name: port.inside for port in ports}
        lying = dict(taken)
        for name, tensor in formula.tensors.items():
            if tensor.same:
                names[name], lying[name] = names[tensor.same], lying.get(tensor.same, layouts.IN_ORDER)
        children, inline = self.place_all(formula.calls, site.scope, place, names, lying)
        return children, inline, names, lying

    def _filling(self, filling: Filling, scope: Scope, parent: Place, where: str) -> tuple[Filling, Scope]:
        """Return what fills a slot, or is called, and where its symbols stand."""
        return filled(filling, scope, parent, self.m_chosen, self.m_scope, where=where)

    def _scope(self, formula: Formula, given: Scope) -> dict[str, Any]:
        inner = {**self.m_scope, **given}
        for name, expression in formula.let.items():
            inner[name] = self._value(expression, inner)
        return inner

    def _distinct(self, repeat: Repeat, copies: Any, repeats: Any) -> Any:
        """Return how many modules a repeated call runs: each call another one, as long as there are any."""
        if repeat.calls.text == repeat.copies.text:
            return copies
        return self.m_algebra.positive(repeats) if copies == 1 else self.m_algebra.minimum(copies, repeats)

    def _steps(self, call: Call, scope: Scope) -> Steps | None:
        if call.repeat.index is None or call.repeat.last is None:
            return None
        last = self._value(call.repeat.last, scope)
        if self.m_algebra is arithmetic:
            return Steps(index=max(last, 1), last=last)
        return Steps(index=self.m_algebra.symbol(call.repeat.index), last=last)

    def _launch(
        self, formula: Formula, given: Scope, site: Site, ports: tuple[Port, ...], inside: Names
    ) -> tuple[Launch | None, Storages]:
        """Return an operator's launch, or in training its backward and the storages saved for it."""
        if not isinstance(formula, Operator):
            return None, ()
        inner, values = site.scope, {port.name: port.inside for port in ports}
        inputs = {name: dataflow.needs_gradient(value) for name, value in values.items()}
        needed = costs.needed_gradients(formula, inputs, inner["trained"])
        key = (formula.name, *(needed.items() if self.m_training else ()), *given.items())
        running = costs.running_gradients(formula, needed) if self.m_training else []
        if key not in self.m_launches:
            self.m_launches[key] = (
                costs.backward_launch(formula, running, needed, inner, self.m_algebra)
                if self.m_training
                else costs.forward_launch(formula, inner, self.m_algebra)
            )
        saved = [
            dataflow.under(runs if each.when is None else runs * self._value(each.when, inner), value)
            for each, runs in running
            for name in each.reads
            for value in [dataflow.read_again(formula, name, values.get(name) or inside.get(name, ()), site)]
        ]
        return self.m_launches[key], dataflow.joined(saved)

    def _value(self, expression: Expression, scope: Scope) -> Any:
        return costs.value(expression, scope, self.m_algebra)

    def _values(self, expressions: Mapping[str, Expression], scope: Scope) -> dict[str, Any]:
        return {name: self._value(expression, scope) for name, expression in expressions.items()}
