"""The model tree: every call of every formula, its costs as sympy expressions over the model's symbols."""

from collections.abc import Iterator, Mapping
from typing import Any

import sympy
from attrs import frozen

from dsocr_symbolic import symbolic
from dsocr_symbolic.definition import Definition
from dsocr_symbolic.errors import UserError, nearest
from dsocr_symbolic.expression import Expression, evaluate
from dsocr_symbolic.formula import Binding, Call, Formula, Layer, Operator, Tensor
from dsocr_symbolic.library import Library, fit_symbols, load_library

Scope = Mapping[str, Any]
READS = ("input", "inplace", "weight")
WRITES = ("output", "inplace")


@frozen(kw_only=True)
class Steps:
    """A step that runs from 1 to ``last``."""

    index: sympy.Symbol
    last: Any


@frozen(kw_only=True)
class Launch:
    """What one launch of an operator costs: FLOPs and bytes, as expressions."""

    tensor_core_flops: Any
    cuda_core_flops: Any
    io_bytes: Any


@frozen(kw_only=True)
class Stock:
    """What a module owns, once however often it runs.

    Attributes
    ----------
    key : str
        The tensor's checkpoint path; equal keys are one tensor.
    parameters, weight_bytes, kv_cache_bytes : sympy.Expr
        Elements and bytes, all copies together, at the end of the node that declares it.
    """

    key: str
    parameters: Any
    weight_bytes: Any
    kv_cache_bytes: Any


@frozen(kw_only=True)
class Node:
    """A call in its place.

    Attributes
    ----------
    path : tuple of str
        From the stage down; labels may hold dots.
    formula : Formula
        The operator or layer that is called.
    module : str
        Checkpoint path.
    category : str
        Of an operator; empty for layers.
    calls : sympy.Expr
        Calls of this node in the whole workload, guards of 1 or 0 included, steps left out.
    steps : Steps or None
        Over which the calls repeat once more.
    launch : Launch or None
        Of an operator.
    stocks : tuple of Stock
        Declared by this very node.
    children : tuple of Node
        In order of execution.
    """

    path: tuple[str, ...]
    formula: Formula
    module: str
    category: str
    calls: Any
    steps: Steps | None
    launch: Launch | None
    stocks: tuple[Stock, ...]
    children: tuple["Node", ...]


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


def build_tree(library: Library, calls: tuple[Call, ...], scope: Scope, chosen: Mapping[str, str]) -> tuple[Node, ...]:
    """Build the tree below a list of calls.

    Parameters
    ----------
    library : Library
        All formulas.
    calls : tuple of Call
        The stages of a model.
    scope : mapping of str to sympy.Expr
        The model's symbols.
    chosen : mapping of str to str
        Formulas that the choices put into slots; a caller's own filling comes first.

    Returns
    -------
    tuple of Node
        One per stage.

    Raises
    ------
    UserError
        If a call does not fit its callee, or a guard hides a step.
    """
    builder = _Builder(library, dict(scope), chosen)
    one = sympy.S.One
    root = _Place(path=(), module="", category="", calls=one, copies=one, steps=None, slots={}, own_slots={})
    return builder.place_all(calls, scope, root)[0]


def walk(nodes: tuple[Node, ...]) -> Iterator[Node]:
    """Yield every node, parents before children."""
    for node in nodes:
        yield node
        yield from walk(node.children)


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
    scope = {name: symbolic.symbol(name) for name in definition.quantities}
    return build_tree(load_library(), definition.stages, scope, slots)


class _Builder:
    """One walk over the calls; costs of equal operators are computed once."""

    def __init__(self, library: Library, scope: Scope, chosen: Mapping[str, str]) -> None:
        self.m_library = library
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
        given = {name: evaluate(each, scope, symbolic) for name, each in call.given.items()}
        given |= {name: evaluate(each, binding_scope, symbolic) for name, each in binding.given.items()}
        inner = self._scope(formula, given)
        guard = sympy.S.One if call.when is None else evaluate(call.when, scope, symbolic)
        place = _Place(
            path=parent.path if call.inline else (*parent.path, call.name),
            module=_module(call, parent.module),
            category=call.category or (formula.category if isinstance(formula, Layer) else "") or parent.category,
            calls=parent.calls * guard * evaluate(call.repeat.calls, scope, symbolic),
            copies=parent.copies * evaluate(call.repeat.copies, scope, symbolic),
            steps=steps or parent.steps,
            slots={name: (filling, scope) for name, filling in call.slots.items()},
            own_slots=formula.slots if isinstance(formula, Layer) else {},
        )
        if place.steps is not None and sympy.sympify(place.calls).has(place.steps.index):
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
        return parent.own_slots[slot], self.m_scope

    def _scope(self, formula: Formula, given: Scope) -> dict[str, Any]:
        inner = {**self.m_scope, **given}
        for name, expression in formula.let.items():
            inner[name] = evaluate(expression, inner, symbolic)
        return inner

    def _steps(self, call: Call, scope: Scope) -> Steps | None:
        if call.repeat.index is None or call.repeat.last is None:
            return None
        return Steps(index=symbolic.symbol(call.repeat.index), last=evaluate(call.repeat.last, scope, symbolic))

    def _launch(self, operator: Operator, given: Scope, inner: Scope) -> Launch:
        key = (operator.name, *given.items())
        if key not in self.m_launches:
            self.m_launches[key] = Launch(
                tensor_core_flops=evaluate(operator.tensor_core_flops, inner, symbolic),
                cuda_core_flops=evaluate(operator.cuda_core_flops, inner, symbolic),
                io_bytes=sympy.Add(*(_moved(tensor, inner) for tensor in operator.tensors.values())),
            )
        return self.m_launches[key]

    def _stocks(self, formula: Formula, inner: Scope, place: _Place) -> tuple[Stock, ...]:
        result = []
        for name, tensor in formula.tensors.items():
            if tensor.role not in ("weight", "cache"):
                continue
            elements = _at_last_step(place.copies * _product(tensor.shape, inner), place.steps)
            size = elements * evaluate(tensor.dtype, inner, symbolic)
            weight, zero = tensor.role == "weight", sympy.S.Zero
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


def _product(shape: tuple[Expression, ...], scope: Scope) -> Any:
    return sympy.Mul(*(evaluate(size, scope, symbolic) for size in shape))


def _moved(tensor: Tensor, scope: Scope) -> Any:
    """Bytes that one launch reads of a tensor and writes to it."""
    elements = sympy.S.Zero
    if tensor.role in READS and tensor.runs:
        elements += _product(tensor.read, scope)
    if tensor.role in WRITES:
        elements += _product(tensor.shape, scope)
    return elements * evaluate(tensor.dtype, scope, symbolic)


def _at_last_step(stock: Any, steps: Steps | None) -> Any:
    return stock.subs(steps.index, steps.last) if steps is not None and stock.has(steps.index) else stock
