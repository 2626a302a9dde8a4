"""Take a metric of one call apart: what each child, tensor or launch adds to it."""

from collections.abc import Sequence
from typing import Any

import sympy
from attrs import evolve, frozen

from dsocr_symbolic.algebras import symbolic
from dsocr_symbolic.language.formula import Layer, Operator
from dsocr_symbolic.network import costs
from dsocr_symbolic.network.dataflow import needs_gradient
from dsocr_symbolic.network.flows import boundaries
from dsocr_symbolic.network.leaves import metric_expression, saved_storages
from dsocr_symbolic.network.node import Node, walk
from dsocr_symbolic.reports.formulas.alone import Alone, Group
from dsocr_symbolic.writing.formula_text import compact

_SAVED = "backward_activation_bytes"


_MOST_TERMS = 14


@frozen(kw_only=True)
class Part:
    """A part of a metric.

    Attributes
    ----------
    place : int
        Its number: of a layer's line, that of the line; 0 for what no line gives.
    label : str
        What it is of; empty for the whole.
    factor : sympy.Expr
        How often it counts.
    count : number
        The same as a number.
    raw : sympy.Expr or None
        All of it as it was built, if that is another expression.
    each : sympy.Expr or None
        What it counts each time, ready to print; None if that is too long to read.
    value : number
        All of it.
    page : str
        Of a call of a layer, what its page shows: ``this`` very call, an ``other`` one, or this one of which only the
        ``rest`` counts here; empty of anything else.
    """

    place: int
    label: str
    each: Any
    value: Any
    factor: Any = sympy.S.One
    count: Any = 1
    raw: Any = None
    page: str = ""

    @property
    def expression(self) -> Any:
        """The formula, ready to print; None if it is too long to read."""
        if self.each is None:
            return None
        if self.factor == 1 or self.each == 1:
            return self.each if self.factor == 1 else self.factor
        return sympy.Mul(*sympy.Mul.make_args(self.factor), *sympy.Mul.make_args(self.each), evaluate=False)


def together(alone: Alone, parts: Sequence[Part]) -> Part:
    """Add parts up."""
    expressions = [part.expression if part.raw is None else part.raw for part in parts]
    each = None if None in expressions else shown(alone, sympy.Add(*expressions))
    return Part(place=0, label="", each=each, value=sum(part.value for part in parts))


def whole(alone: Alone, metric: str) -> Part | None:
    """Return a metric of a call in one piece; None where it is 0 whatever the sizes."""
    expression = metric_expression((alone.node,), metric)
    if expression is None or expression == 0:
        return None
    return _made(alone, 0, "", expression)


def shown(alone: Alone, expression: Any) -> Any | None:
    """Write an expression shortly, terms of one size of an element together; None if it has too many terms to read."""
    exact = sympy.sympify(expression)
    if len(sympy.Add.make_args(exact)) > _MOST_TERMS:
        return None
    own = {*alone.formula.symbols, *alone.formula.let}
    return compact(exact, [each for each in exact.free_symbols if each.name not in own])


def flow_parts(alone: Alone, metric: str) -> list[Part]:
    """Return what each line of a layer adds to a flow, or each launch of an operator's backward."""
    formula = alone.formula
    if isinstance(formula, Operator):
        return _backward_parts(alone, formula, metric) if metric.startswith("backward_") else []
    parts = []
    for group in alone.groups:
        expression = metric_expression(group.nodes, metric) if group.nodes else None
        if expression is not None and expression != 0:
            parts.append(_part(alone, group, _times(alone, group, training=metric.startswith("backward_")), expression))
    return parts


def launch_parts(alone: Alone) -> list[Part]:
    """Return the launches of each layer that is called, and all operators together."""
    parts = flow_parts(alone, "operator_launches")
    layers = [part for part in parts if part.page]
    if len(parts) - len(layers) < 2:  # noqa: PLR2004 - one alone keeps its name
        return parts
    operators = together(alone, [part for part in parts if not part.page])
    return [evolve(operators, label="operators called here" if layers else ""), *layers]


def stock_parts(alone: Alone, metric: str) -> list[Part]:
    """Return what each line of a layer adds to a stock, a shared one once, or each tensor of an operator."""
    own = metric_expression((evolve(alone.node, children=()),), metric)
    names = [stock.key.rpartition(".")[2] for stock in alone.node.stocks]
    parts = [] if own is None or own == 0 else [_made(alone, 0, ", ".join(names), own)]
    before: tuple[Node, ...] = ()
    known = sympy.S.Zero
    for group in alone.groups:
        before += group.nodes
        found = metric_expression(before, metric) or sympy.S.Zero
        if found != known:
            copies = costs.value(group.call.repeat.copies, alone.scope, symbolic)
            parts.append(_part(alone, group, copies, found - known))
        known = found
    return parts


def saved_parts(alone: Alone) -> list[Part]:
    """Return the tensors that a call saves for its backward, by the line that saves them first.

    Tensors that this very call does not save are left out, and so is the condition of those that it does.
    """
    left = {
        storage: storage.size * storage.copies
        for storage, size in saved_storages((alone.node,)).items()
        if alone.exact(size) != 0
    }
    parts: list[Part] = []
    for group in alone.groups:
        training = [node.training for node in walk(group.nodes) if node.training is not None]
        touched = [storage for node in training for condition, storage in node.saved if alone.exact(condition) != 0]
        found = [left.pop(storage) for storage in touched if storage in left]
        if not found:
            continue
        part = _part(alone, group, sympy.S.One, sympy.Add(*found))
        if part.page == "this" and part.value != alone.exact(metric_expression(group.nodes, _SAVED)):
            part = evolve(part, page="rest")
        parts.append(part)
    return parts


def tensor_parts(alone: Alone) -> list[Part]:
    """Return the bytes that one launch of an operator reads and writes of each tensor."""
    scope = {**alone.scope, "training": symbolic.number(0)}
    found: list[tuple[str, Any]] = []
    for name, tensor in alone.formula.tensors.items():
        if tensor.role in costs.READS and tensor.runs:
            found.append((f"{name} read", costs.read_size(tensor, scope, symbolic)))
        if tensor.role in costs.WRITES:
            found.append((f"{name} written", costs.size(tensor, scope, symbolic)))
    return [_made(alone, place, label, size) for place, (label, size) in enumerate(found, start=1)]


def compulsory_parts(alone: Alone) -> list[Part]:
    """Return the bytes that a layer moves at its edge, and those of the weights and caches of each line."""
    if isinstance(alone.formula, Operator):
        return []
    node = alone.node
    own = node.calls * node.required_bytes
    edge = boundaries((node,))[node.path] + own
    label = "inputs and outputs" + (", own weights and cache" if own != 0 else "")
    parts = [] if edge == 0 else [_made(alone, 0, label, edge)]
    for group in alone.groups:
        required = sympy.Add(*(each.calls * each.required_bytes for each in walk(group.nodes)))
        if required != 0:
            parts.append(_part(alone, group, _times(alone, group, training=False), required))
    return parts


def _backward_parts(alone: Alone, operator: Operator, metric: str) -> list[Part]:
    """Return what each launch of an operator's backward costs."""
    name = metric.removeprefix("backward_")
    needed = frozenset(port.name for port in alone.node.inputs if needs_gradient(port.inside))
    needed |= {each for each, tensor in operator.tensors.items() if tensor.role == "weight" and tensor.runs}
    scope = {**alone.scope, "training": symbolic.number(1)}
    parts: list[Part] = []
    for launch in costs.running_gradients(operator, needed):
        found = getattr(costs.backward_launch(operator, [launch], needed, scope, symbolic), name)
        if found != 0:
            parts.append(_made(alone, len(parts) + 1, f"gradient of {', '.join(launch.gives)}", found))
    return parts


def _times(alone: Alone, group: Group, *, training: bool) -> Any:
    """Return how often a line runs, its guard included."""
    scope = {**alone.scope, "training": symbolic.number(int(training))}
    guard = 1 if group.call.when is None else costs.value(group.call.when, scope, symbolic)
    return guard * costs.value(group.call.repeat.calls, scope, symbolic)


def _made(alone: Alone, place: int, label: str, expression: Any) -> Part:
    """Make a part that counts once."""
    return Part(place=place, label=label, each=shown(alone, expression), value=alone.exact(expression))


def _part(alone: Alone, group: Group, factor: Any, expression: Any) -> Part:
    """Take the factor of a line out of what all its runs cost."""
    each: Any | None = None
    if len(sympy.Add.make_args(expression)) <= _MOST_TERMS:
        each = _quotient(expression, factor)
        if each is None:
            each, factor = expression, sympy.S.One
    page = ""
    if isinstance(group.formula, Layer):
        page = "this" if group.call.name in alone.elsewhere else "other"
    return Part(
        place=1 + alone.groups.index(group),
        label=group.call.name,
        each=None if each is None else shown(alone, each),
        value=alone.exact(expression),
        factor=factor,
        count=alone.exact(factor),
        raw=expression,
        page=page,
    )


def _quotient(expression: Any, factor: Any) -> Any | None:
    """Divide a total by a factor of all its terms; None if there is no whole quotient."""
    if not factor.has(sympy.Add):
        return sympy.Add(*(term / factor for term in sympy.Add.make_args(expression)))
    # Sympy multiplies numbers into a sum by itself, so that the sum is no factor to be seen.
    quotient = sympy.cancel(expression / factor)
    return None if sympy.fraction(quotient)[1].has(*factor.free_symbols) else quotient
