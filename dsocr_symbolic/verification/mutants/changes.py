"""Changes of one formula: every node of it in every way, one at a time."""

import ast
import copy
from collections.abc import Iterator, Sequence

from dsocr_symbolic.language.expression import Expression, names

_FLIPPED: dict[type, type] = {ast.Gt: ast.LtE, ast.Lt: ast.GtE, ast.GtE: ast.Lt, ast.LtE: ast.Gt}
_FLIPPED |= {ast.Eq: ast.NotEq, ast.NotEq: ast.Eq}
_AT_THE_EDGE: dict[type, type] = {ast.Gt: ast.GtE, ast.Lt: ast.LtE, ast.GtE: ast.Gt, ast.LtE: ast.Lt}
_SIGNS: dict[type, type] = {ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Div: ast.Mult, ast.Mult: ast.Add}
_OTHER_FUNCTION = {"Max": "Min", "Min": "Max", "ceiling": "floor", "floor": "ceiling"}


def changed_texts(expression: Expression, symbols: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield how a formula is changed, and what it reads then, each text once; ``symbols`` may stand for one another."""
    known = list(dict.fromkeys([*sorted(names(expression)), *symbols]))
    seen = {ast.unparse(expression.tree)}
    for index in range(sum(1 for _ in ast.walk(expression.tree))):
        holder = ast.Expression(body=copy.deepcopy(expression.tree))
        node = list(ast.walk(holder.body))[index]
        if not isinstance(node, ast.expr) or _is_fixed(holder, node):
            continue
        for change, new in _changes(node, known):
            body = ast.parse(ast.unparse(holder.body), mode="eval").body
            place = list(ast.walk(body))[index]
            assert isinstance(place, ast.expr)  # noqa: S101 - it stands where an expression stood
            text = ast.unparse(_put(body, place, new))
            if text not in seen:
                seen.add(text)
                yield change, text


def _is_fixed(holder: ast.AST, node: ast.AST) -> bool:
    """Say whether a node is the name of a function."""
    return any(isinstance(call, ast.Call) and call.func is node for call in ast.walk(holder))


def _put(body: ast.expr, old: ast.expr, new: ast.expr) -> ast.expr:
    class Put(ast.NodeTransformer):
        def visit(self, node: ast.AST) -> ast.AST:
            # What is put in may hold what it stands for.
            return new if node is old else self.generic_visit(node)

    made = Put().visit(body)
    assert isinstance(made, ast.expr)  # noqa: S101 - an expression stays one
    return made


def _changes(node: ast.expr, known: Sequence[str]) -> Iterator[tuple[str, ast.expr]]:
    match node:
        case ast.Constant(value=int() | float() as value):
            yield "literal", ast.Constant(value=value + 1)
            if value > 0:
                yield "literal", ast.Constant(value=value - 1)
        case ast.Name(id=name):
            yield "symbol", ast.BinOp(left=node, op=ast.Add(), right=ast.Constant(value=1))
            if len(known) > 1:
                yield "swap", ast.Name(id=known[(known.index(name) + 1) % len(known)])
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=int(power))):
            yield "literal", ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=power + 1))
        case ast.BinOp(left=left, op=operation, right=right):
            if type(operation) in _SIGNS:
                yield "sign", ast.BinOp(left=left, op=_SIGNS[type(operation)](), right=right)
            yield "drop", left
            yield "drop", right
        case ast.Compare(left=left, ops=[operation], comparators=[right]):
            yield "comparison", ast.Compare(left=left, ops=[_FLIPPED[type(operation)]()], comparators=[right])
            if type(operation) in _AT_THE_EDGE:
                yield "comparison", ast.Compare(left=left, ops=[_AT_THE_EDGE[type(operation)]()], comparators=[right])
        case ast.BoolOp(op=joint, values=values):
            yield "comparison", ast.BoolOp(op=ast.Or() if isinstance(joint, ast.And) else ast.And(), values=values)
            for index in range(len(values)):
                kept = [*values[:index], *values[index + 1 :]]
                yield "drop", kept[0] if len(kept) == 1 else ast.BoolOp(op=joint, values=kept)
        case ast.Call(func=ast.Name(id=name), args=arguments):
            yield from (("limit", argument) for argument in arguments)
            if name in _OTHER_FUNCTION:
                yield "limit", ast.Call(func=ast.Name(id=_OTHER_FUNCTION[name]), args=arguments, keywords=[])
        case ast.UnaryOp(operand=operand):
            yield "sign", operand
