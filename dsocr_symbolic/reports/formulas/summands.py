"""Take a metric of one call apart: what each child, tensor or launch adds to it."""

from collections.abc import Iterable, Sequence

import sympy
from attrs import evolve, frozen

from dsocr_symbolic.algebras import symbolic
from dsocr_symbolic.algebras.value import Exact, Expr
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
class Summand:
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
    each: Expr | None
    value: Exact
    factor: Expr = sympy.S.One
    count: Exact = 1
    raw: Expr | None = None
    page: str = ""

    @property
    def expression(self) -> Expr | None:
        """The formula, ready to print; None if it is too long to read."""
        if self.each is None:
            return None
        if self.factor == 1 or self.each == 1:
            return self.each if self.factor == 1 else self.factor
        return sympy.Mul(*sympy.Mul.make_args(self.factor), *sympy.Mul.make_args(self.each), evaluate=False)


def together(alone: Alone, summands: Sequence[Summand]) -> Summand:
    """Add summands up."""
    expressions = [summand.expression if summand.raw is None else summand.raw for summand in summands]
    each = None if None in expressions else shown(alone, sympy.Add(*expressions))
    return Summand(place=0, label="", each=each, value=sum(summand.value for summand in summands))


def whole(alone: Alone, metric: str) -> Summand | None:
    """Return a metric of a call in one piece; None where it is 0 whatever the sizes."""
    expression = metric_expression((alone.node,), metric)
    return None if expression is None or expression == 0 else single(alone, 0, "", expression)


def single(alone: Alone, place: int, label: str, expression: Expr) -> Summand:
    """Make a summand that counts once."""
    return Summand(place=place, label=label, each=shown(alone, expression), value=alone.exact(expression))


def numbered(alone: Alone, sizes: Iterable[tuple[str, Expr]]) -> list[Summand]:
    """Make summands of labels and what they are of, numbered from 1."""
    return [single(alone, place, label, size) for place, (label, size) in enumerate(sizes, start=1)]


def shown(alone: Alone, expression: Expr) -> Expr | None:
    """Write an expression shortly, terms of one size of an element together; None if it has too many terms to read."""
    exact = sympy.sympify(expression)
    if len(sympy.Add.make_args(exact)) > _MOST_TERMS:
        return None
    own = {*alone.formula.symbols, *alone.formula.let}
    return compact(exact, [symbol for symbol in exact.free_symbols if symbol.name not in own])


def flows(alone: Alone, metric: str) -> list[Summand]:
    """Return what each line of a layer adds to a flow, or each launch of an operator's backward."""
    formula, training = alone.formula, metric.startswith("backward_")
    if isinstance(formula, Operator):
        return _gradients(alone, formula, metric.removeprefix("backward_")) if training else []
    totals = [(group, metric_expression(group.nodes, metric) if group.nodes else None) for group in alone.groups]
    return [
        _of_line(alone, group, _times(alone, group, training=training), total)
        for group, total in totals
        if total is not None and total != 0
    ]


def launches(alone: Alone) -> list[Summand]:
    """Return the launches of each layer that is called, and all operators together."""
    summands = flows(alone, "operator_launches")
    layers = [summand for summand in summands if summand.page]
    if len(summands) - len(layers) < 2:  # noqa: PLR2004 - one alone keeps its name
        return summands
    operators = together(alone, [summand for summand in summands if not summand.page])
    return [evolve(operators, label="operators called here" if layers else ""), *layers]


def stocks(alone: Alone, metric: str) -> list[Summand]:
    """Return what each line of a layer adds to a stock, a shared one once, or each tensor of an operator."""
    own = metric_expression((evolve(alone.node, children=()),), metric)
    names = [stock.key.rpartition(".")[2] for stock in alone.node.stocks]
    summands = [] if own is None or own == 0 else [single(alone, 0, ", ".join(names), own)]
    before: tuple[Node, ...] = ()
    known = sympy.S.Zero
    for group in alone.groups:
        before += group.nodes
        total = metric_expression(before, metric) or sympy.S.Zero
        if total != known:
            copies = costs.value(group.call.repeat.copies, alone.scope, symbolic)
            summands.append(_of_line(alone, group, copies, total - known))
        known = total
    return summands


def saved(alone: Alone) -> list[Summand]:
    """Return the tensors that a call saves for its backward, by the line that saves them first.

    Tensors that this very call does not save are left out, and so is the condition of those that it does.
    """
    left = {
        storage: storage.size * storage.copies
        for storage, size in saved_storages((alone.node,)).items()
        if alone.exact(size) != 0
    }
    summands: list[Summand] = []
    for group in alone.groups:
        training = [node.training for node in walk(group.nodes) if node.training is not None]
        touched = [storage for node in training for condition, storage in node.saved if alone.exact(condition) != 0]
        first = [left.pop(storage) for storage in touched if storage in left]
        if not first:
            continue
        summand = _of_line(alone, group, sympy.S.One, sympy.Add(*first))
        if summand.page == "this" and summand.value != alone.exact(metric_expression(group.nodes, _SAVED)):
            summand = evolve(summand, page="rest")
        summands.append(summand)
    return summands


def tensors(alone: Alone) -> list[Summand]:
    """Return the bytes that one launch of an operator reads and writes of each tensor."""
    scope = {**alone.scope, "training": symbolic.number(0)}
    moved: list[tuple[str, Expr]] = []
    for name, tensor in alone.formula.tensors.items():
        if tensor.role in costs.READS and tensor.runs:
            moved.append((f"{name} read", costs.read_size(tensor, scope, symbolic)))
        if tensor.role in costs.WRITES:
            moved.append((f"{name} written", costs.size(tensor, scope, symbolic)))
    return numbered(alone, moved)


def compulsory(alone: Alone) -> list[Summand]:
    """Return the bytes that a layer moves at its edge, and those of the weights and caches of each line."""
    if isinstance(alone.formula, Operator):
        return []
    node = alone.node
    own = node.calls * node.required.moved
    edge = boundaries((node,))[node.path].moved + own
    label = "inputs and outputs" + (", own weights and cache" if own != 0 else "")
    summands = [] if edge == 0 else [single(alone, 0, label, edge)]
    for group in alone.groups:
        required = sympy.Add(*(call.calls * call.required.moved for call in walk(group.nodes)))
        if required != 0:
            summands.append(_of_line(alone, group, _times(alone, group, training=False), required))
    return summands


def _gradients(alone: Alone, operator: Operator, cost: str) -> list[Summand]:
    """Return what each launch of an operator's backward costs, of FLOPs or bytes."""
    inputs = {port.name: needs_gradient(port.inside) for port in alone.node.inputs}
    needed = costs.needed_gradients(operator, inputs, 1)
    scope = {**alone.scope, "training": symbolic.number(1)}
    spent: list[tuple[str, Expr]] = []
    for launch, runs in costs.running_gradients(operator, needed):
        expression = getattr(costs.backward_launch(operator, [(launch, runs)], needed, scope, symbolic), cost)
        spent += [(f"gradient of {', '.join(launch.gives)}", expression)] if expression != 0 else []
    return numbered(alone, spent)


def _times(alone: Alone, group: Group, *, training: bool) -> Expr:
    """Return how often a line runs, its guard included."""
    scope = {**alone.scope, "training": symbolic.number(int(training))}
    guard = 1 if group.call.when is None else costs.value(group.call.when, scope, symbolic)
    return guard * costs.value(group.call.repeat.calls, scope, symbolic)


def _of_line(alone: Alone, group: Group, factor: Expr, expression: Expr) -> Summand:
    """Take the factor of a line out of what all its runs cost."""
    each: Expr | None = None
    if len(sympy.Add.make_args(expression)) <= _MOST_TERMS:
        each = _quotient(expression, factor)
        if each is None:
            each, factor = expression, sympy.S.One
    page = ""
    if isinstance(group.formula, Layer):
        page = "this" if group.call.name in alone.elsewhere else "other"
    return Summand(
        place=1 + alone.groups.index(group),
        label=group.call.name,
        each=None if each is None else shown(alone, each),
        value=alone.exact(expression),
        factor=factor,
        count=alone.exact(factor),
        raw=expression,
        page=page,
    )


def _quotient(expression: Expr, factor: Expr) -> Expr | None:
    """Divide a total by a factor of all its terms; None if there is no whole quotient."""
    if not factor.has(sympy.Add):
        return sympy.Add(*(term / factor for term in sympy.Add.make_args(expression)))
    # Sympy multiplies numbers into a sum by itself, so that the sum is no factor to be seen.
    quotient = sympy.cancel(expression / factor)
    return None if sympy.fraction(quotient)[1].has(*factor.free_symbols) else quotient
