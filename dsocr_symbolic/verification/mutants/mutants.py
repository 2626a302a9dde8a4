"""Mutation tests of the formulas: every literal, symbol, sign, child and guard changed, one at a time."""

import ast
import copy
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from attrs import evolve, frozen

from dsocr_symbolic.language.expression import Expression, names
from dsocr_symbolic.language.formula import Call, Formula, Layer, Operator, Repeat, Tensor

# Tensors of a layer say what crosses its boundary; no metric reads their shapes yet.
_BOUNDARY = ("input", "output", "inplace", "buffer", "past")
_TRAINING = "training"


@frozen(kw_only=True)
class Mutant:
    """A formula with one thing changed.

    Attributes
    ----------
    place : str
        Where in the file, and what was changed.
    kind : str
        ``literal``, ``symbol``, ``sign``, ``comparison``, ``child`` or ``guard``.
    formula : Formula
        The changed formula.
    """

    place: str
    kind: str
    formula: Formula


def mutate(formula: Formula) -> Iterator[Mutant]:
    """Yield every mutant of a formula, one change each."""
    for name, expression in formula.let.items():
        for kind, text, changed in mutate_expression(expression):
            yield Mutant(
                place=f"let {name}: {text}", kind=kind, formula=evolve(formula, let={**formula.let, name: changed})
            )
    if isinstance(formula, Operator):
        yield from _operator(formula)
    yield from _tensors(formula)
    if isinstance(formula, Layer):
        yield from _layer(formula)


def _operator(operator: Operator) -> Iterator[Mutant]:
    for key in ("tensor_core_flops", "cuda_core_flops"):
        for kind, text, changed in mutate_expression(getattr(operator, key)):
            replaced: dict[str, Any] = {key: changed}
            yield Mutant(place=f"{key}: {text}", kind=kind, formula=evolve(operator, **replaced))


def _tensors(formula: Formula) -> Iterator[Mutant]:
    for name, tensor in formula.tensors.items():
        if isinstance(formula, Layer) and tensor.role in _BOUNDARY:
            continue
        # What training alone keeps is nothing to the counts of a forward; the counts of saved tensors compare it.
        if any(_TRAINING in names(size) for size in tensor.shape):
            continue
        for place, kind, changed in _tensor(tensor):
            tensors = {**formula.tensors, name: changed}
            yield Mutant(place=f"tensor {name}, {place}", kind=kind, formula=evolve(formula, tensors=tensors))
        without = {other: kept for other, kept in formula.tensors.items() if other != name}
        yield Mutant(place=f"tensor {name} removed", kind="child", formula=evolve(formula, tensors=without))


def _tensor(tensor: Tensor) -> Iterator[tuple[str, str, Tensor]]:
    for kind, text, changed in mutate_expression(tensor.dtype):
        yield f"dtype: {text}", kind, evolve(tensor, dtype=changed)
    same = tensor.read == tensor.shape
    for index, size in enumerate(tensor.shape):
        for kind, text, changed in mutate_expression(size):
            shape = (*tensor.shape[:index], changed, *tensor.shape[index + 1 :])
            yield f"shape: {text}", kind, evolve(tensor, shape=shape, read=shape if same else tensor.read)
    for index, size in enumerate(() if same else tensor.read):
        for kind, text, changed in mutate_expression(size):
            read = (*tensor.read[:index], changed, *tensor.read[index + 1 :])
            yield f"read: {text}", kind, evolve(tensor, read=read)


def _layer(layer: Layer) -> Iterator[Mutant]:
    for index, call in enumerate(layer.calls):
        if call.when is not None and call.when.text == f"{_TRAINING} > 0":
            continue

        def with_call(changed: tuple[Call, ...], index: int = index) -> Layer:
            return evolve(layer, calls=(*layer.calls[:index], *changed, *layer.calls[index + 1 :]))

        yield Mutant(place=f"child {call.name} removed", kind="child", formula=with_call(()))
        for place, kind, changed in _call(call):
            yield Mutant(place=f"child {call.name}, {place}", kind=kind, formula=with_call((changed,)))


def _call(call: Call) -> Iterator[tuple[str, str, Call]]:
    for name, expression in call.given.items():
        for kind, text, changed in mutate_expression(expression):
            yield f"with {name}: {text}", kind, evolve(call, given={**call.given, name: changed})
    if call.when is not None and call.when.text != f"{_TRAINING} == 0":
        yield "guard removed", "guard", evolve(call, when=None)
        for kind, text, changed in mutate_expression(call.when):
            yield f"when: {text}", kind, evolve(call, when=changed)
    copied = call.repeat.calls is call.repeat.copies
    for key in ("copies", "calls"):
        if key == "calls" and copied:
            continue
        expression = getattr(call.repeat, key)
        for kind, text, changed in mutate_expression(expression):
            both: dict[str, Any] = {"copies": changed, "calls": changed} if copied else {key: changed}
            repeat: Repeat = evolve(call.repeat, **both)
            yield f"{key}: {text}", kind, evolve(call, repeat=repeat)
    for slot, binding in call.slots.items():
        for name, expression in binding.given.items():
            for kind, text, changed in mutate_expression(expression):
                filled = evolve(binding, given={**binding.given, name: changed})
                yield f"slot {slot}, {name}: {text}", kind, evolve(call, slots={**call.slots, slot: filled})


def mutate_expression(expression: Expression) -> Iterator[tuple[str, str, Expression]]:
    """Yield every change of one node of a formula: its kind, what it reads then, the changed formula."""
    count = sum(1 for _ in ast.walk(expression.tree))
    for index in range(count):
        for kind, change in _CHANGES.items():
            tree = copy.deepcopy(expression.tree)
            holder = ast.Expression(body=tree)
            if _replace(holder, index, change):
                text = ast.unparse(holder.body)
                yield kind, f"{expression.text} -> {text}", Expression(text=text, tree=holder.body)


def _replace(holder: ast.Expression, index: int, change: Callable[[ast.AST], ast.AST | None]) -> bool:
    """Replace the node of this index, in the order of ast.walk, if the change applies to it."""
    nodes = [node for node in ast.walk(holder) if node is not holder]
    functions = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    exponents = {id(node.right) for node in nodes if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Pow)}
    target = nodes[index]
    changed = None if id(target) in functions else change(target)
    if changed is None:
        return False
    if id(target) in exponents and isinstance(target, ast.Constant):
        changed = ast.Constant(value=int(target.value) + 1)  # type: ignore[arg-type]
    for parent in ast.walk(holder):
        for field, value in ast.iter_fields(parent):
            if value is target:
                setattr(parent, field, changed)
            elif isinstance(value, list) and any(item is target for item in value):
                setattr(parent, field, [changed if item is target else item for item in value])
    return True


def _literal(node: ast.AST) -> ast.AST | None:
    match node:
        case ast.Constant(value=int() | float() as value):
            return ast.Constant(value=value + 1)
    return None


def _symbol(node: ast.AST) -> ast.AST | None:
    match node:
        case ast.Name():
            return ast.BinOp(left=node, op=ast.Add(), right=ast.Constant(value=1))
    return None


def _sign(node: ast.AST) -> ast.AST | None:
    match node:
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return ast.BinOp(left=left, op=ast.Sub(), right=right)
        case ast.BinOp(left=left, op=ast.Sub(), right=right):
            return ast.BinOp(left=left, op=ast.Add(), right=right)
        case ast.BinOp(left=left, op=ast.Div(), right=right):
            return ast.BinOp(left=left, op=ast.Mult(), right=right)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return ast.BinOp(left=left, op=ast.Add(), right=right)
    return None


def _comparison(node: ast.AST) -> ast.AST | None:
    swaps: Mapping[type, type] = {ast.Gt: ast.LtE, ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.LtE: ast.Gt}
    swaps = {**swaps, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq}
    match node:
        case ast.Compare(left=left, ops=[operation], comparators=[right]):
            return ast.Compare(left=left, ops=[swaps[type(operation)]()], comparators=[right])
        case ast.BoolOp(op=joint, values=values):
            return ast.BoolOp(op=ast.Or() if isinstance(joint, ast.And) else ast.And(), values=values)
    return None


_CHANGES: Mapping[str, Callable[[ast.AST], ast.AST | None]] = {
    "literal": _literal,
    "symbol": _symbol,
    "sign": _sign,
    "comparison": _comparison,
}
