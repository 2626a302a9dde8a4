"""Build the model tree: calls become nodes, formulas become costs in an algebra."""

from collections.abc import Iterable, Mapping
from functools import reduce
from operator import mul
from types import ModuleType
from typing import Any

from attrs import frozen

from dsocr_symbolic.definition import Definition
from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.expression import Expression, evaluate
from dsocr_symbolic.formula import Binding, Call, Formula, Layer, Operator, Tensor
from dsocr_symbolic.library import Library, fit_symbols, load_library
from dsocr_symbolic.tree import Launch, Node, Steps, Stock

Scope = Mapping[str, Any]
READS = ("input", "inplace", "weight")
WRITES = ("output", "inplace")


@frozen(kw_only=True)
class _Place:
    """Where a call stands: what its ancestors say of path, module, repetition and slots."""

    path: tuple[str, ...]
    module: str
    category: str
    calls: Any
    copies: Any
    steps: Steps | None
    slots: Mapping[str, tuple[Binding, Scope]]
    own_slots: Mapping[str, Binding]


def build_tree(
    library: Library, calls: tuple[Call, ...], scope: Scope, chosen: Mapping[str, str], algebra: ModuleType
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
        :mod:`~dsocr_symbolic.symbolic` for expressions, :mod:`~dsocr_symbolic.arithmetic` for numbers.

    Returns
    -------
    tuple of Node
        One per stage.

    Raises
    ------
    UserError
        If a call does not fit its callee, or a guard hides a step.
    """
    builder = _Builder(library, dict(scope), chosen, algebra)
    one = algebra.number(1)
    root = _Place(path=(), module="", category="", calls=one, copies=one, steps=None, slots={}, own_slots={})
    return builder.place_all(calls, scope, root)[0]


def model_tree(definition: Definition, slots: Mapping[str, str]) -> tuple[Node, ...]:
    """Build the tree of a model.

    Parameters
    ----------
    definition : Definition
        The model.
    slots : mapping of str to str
        Formulas that the choices put into slots.

    Returns
    -------
    tuple of Node
        One per stage.

    Raises
    ------
    UserError
        If formulas do not fit together.
    """
    from dsocr_symbolic import symbolic

    scope = {name: symbolic.symbol(name) for name in definition.quantities}
    return build_tree(load_library(), definition.stages, scope, slots, symbolic)


class _Builder:
    """One walk over the calls; costs of equal operators are computed once."""

    def __init__(self, library: Library, scope: Scope, chosen: Mapping[str, str], algebra: ModuleType) -> None:
        self.m_library = library
        self.m_algebra = algebra
        self.m_scope = scope
        self.m_chosen = chosen
        self.m_launches: dict[tuple[Any, ...], Launch] = {}

    def place_all(
        self, calls: tuple[Call, ...], scope: Scope, parent: _Place
    ) -> tuple[tuple[Node, ...], tuple[Stock, ...]]:
        """Return the nodes of calls, and the stocks that inline calls leave to their parent."""
        nodes: list[Node] = []
        stocks: list[Stock] = []
        for call in calls:
            node = self.place(call, scope, parent)
            nodes += node.children if call.inline else [node]
            stocks += node.stocks if call.inline else []
        return tuple(nodes), tuple(stocks)

    def place(self, call: Call, scope: Scope, parent: _Place) -> Node:
        """Return the node of a call."""
        binding, binding_scope = self._bound(call, scope, parent)
        formula = self.m_library.formulas.get(binding.use)
        where = "/".join((*parent.path, call.name))
        if formula is None:
            raise UserError(
                f"{where}: unknown formula '{binding.use}': {nearest(binding.use, self.m_library.formulas)}"
            )
        fit_symbols(formula, [*call.given, *binding.given], where)
        steps = self._steps(call, scope)
        if steps is not None:
            scope = {**scope, str(steps.index): steps.index}
        given = {name: self._value(each, scope) for name, each in call.given.items()}
        given |= {name: self._value(each, binding_scope) for name, each in binding.given.items()}
        inner = self._scope(formula, given)
        guard = 1 if call.when is None else self._value(call.when, scope)
        place = _Place(
            path=parent.path if call.inline else (*parent.path, call.name),
            module=_module(call, parent.module),
            category=call.category or (formula.category if isinstance(formula, Layer) else "") or parent.category,
            calls=parent.calls * guard * self._value(call.repeat.calls, scope),
            copies=parent.copies * self._value(call.repeat.copies, scope),
            steps=steps or parent.steps,
            slots={name: (filling, scope) for name, filling in call.slots.items()},
            own_slots=formula.slots if isinstance(formula, Layer) else {},
        )
        if place.steps is not None and _depends(place.calls, place.steps):
            index = place.steps.index
            raise UserError(f"{where}: a guard or a count depends on the step {index}; pass a 0|1 instead")
        lines = formula.calls if isinstance(formula, Layer) else ()
        children, inherited = self.place_all(lines, inner, place)
        return Node(
            path=place.path,
            formula=formula,
            module=place.module,
            category=(place.category or formula.category) if isinstance(formula, Operator) else "",
            calls=place.calls,
            steps=place.steps,
            launch=self._launch(formula, given, inner) if isinstance(formula, Operator) else None,
            stocks=(*self._stocks(formula, inner, place), *inherited),
            children=children,
        )

    def _bound(self, call: Call, scope: Scope, parent: _Place) -> tuple[Binding, Scope]:
        """Resolve a slot: the caller's filling, else the choice's, else the layer's own."""
        if not call.use.startswith("$"):
            return Binding(use=call.use), scope
        slot = call.use[1:]
        if slot in parent.slots:
            return parent.slots[slot]
        if slot in self.m_chosen:
            return Binding(use=self.m_chosen[slot]), scope
        if slot in parent.own_slots:
            return parent.own_slots[slot], self.m_scope
        raise UserError(f"{'/'.join((*parent.path, call.name))}: no choice fills the slot '{slot}'")

    def _scope(self, formula: Formula, given: Scope) -> dict[str, Any]:
        inner = {**self.m_scope, **given}
        for name, expression in formula.let.items():
            inner[name] = self._value(expression, inner)
        return inner

    def _steps(self, call: Call, scope: Scope) -> Steps | None:
        if call.repeat.index is None or call.repeat.last is None:
            return None
        return Steps(index=self.m_algebra.symbol(call.repeat.index), last=self._value(call.repeat.last, scope))

    def _launch(self, operator: Operator, given: Scope, inner: Scope) -> Launch:
        key = (operator.name, *given.items())
        if key not in self.m_launches:
            self.m_launches[key] = Launch(
                tensor_core_flops=self._value(operator.tensor_core_flops, inner),
                cuda_core_flops=self._value(operator.cuda_core_flops, inner),
                io_bytes=sum(self._moved(tensor, inner) for tensor in operator.tensors.values()),
            )
        return self.m_launches[key]

    def _value(self, expression: Expression, scope: Scope) -> Any:
        try:
            return evaluate(expression, scope, self.m_algebra)
        except KeyError as error:
            name = str(error.args[0])
            raise UserError(f"{expression.text}: unknown symbol '{name}': {nearest(name, scope)}") from error

    def _product(self, shape: Iterable[Expression], scope: Scope) -> Any:
        return reduce(mul, (self._value(size, scope) for size in shape), self.m_algebra.number(1))

    def _moved(self, tensor: Tensor, scope: Scope) -> Any:
        """Bytes that one launch reads of a tensor and writes to it."""
        elements = self.m_algebra.number(0)
        if tensor.role in READS and tensor.runs:
            elements += self._product(tensor.read, scope)
        if tensor.role in WRITES:
            elements += self._product(tensor.shape, scope)
        return elements * self._value(tensor.dtype, scope)

    def _stocks(self, formula: Formula, inner: Scope, place: _Place) -> tuple[Stock, ...]:
        result = []
        for name, tensor in formula.tensors.items():
            if tensor.role not in ("weight", "cache"):
                continue
            elements = _at_last_step(place.copies * self._product(tensor.shape, inner), place.steps)
            size = elements * self._value(tensor.dtype, inner)
            weight, zero = tensor.role == "weight", self.m_algebra.number(0)
            result.append(
                Stock(
                    key=f"{place.module}.{name}",
                    parameters=elements if weight else zero,
                    weight_bytes=size if weight else zero,
                    kv_cache_bytes=zero if weight else size,
                )
            )
        return tuple(result)


def _module(call: Call, parent: str) -> str:
    if call.module and not call.module.startswith("."):
        return call.module
    if call.inline:
        return parent
    return f"{parent}{call.module or '.' + call.name}".removeprefix(".")


def _depends(value: Any, steps: Steps) -> bool:
    return hasattr(value, "has") and bool(value.has(steps.index))


def _at_last_step(stock: Any, steps: Steps | None) -> Any:
    return stock.subs(steps.index, steps.last) if steps is not None and _depends(stock, steps) else stock
