"""A checked syntax tree as a Python function of values and their algebra: walked once, called often."""

import ast
from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from operator import add, mod, mul, sub
from types import ModuleType
from typing import Any

FUNCTIONS = {"ceiling": "ceiling", "floor": "floor", "Max": "maximum", "Min": "minimum", "power": "power"}
Closure = Callable[[Mapping[str, Any], ModuleType], Any]
_OPERATIONS: Mapping[type, Callable[[Any, Any], Any]] = {ast.Add: add, ast.Sub: sub, ast.Mult: mul, ast.Mod: mod}


def closure_of(node: ast.expr) -> Closure:
    """Return a function that evaluates a node; KeyError where a name has no value."""
    match node:
        case ast.Name(id=name):
            return lambda scope, _: scope[name]
        case ast.Constant(value=int(value)):
            return lambda _, algebra: algebra.number(value)
        case ast.Constant(value=float(value)):
            exact = Fraction(str(value))
            return lambda _, algebra: algebra.number(exact)
        case ast.BinOp(left=left, op=operation, right=right):
            return _operation(operation, left, right)
        case ast.UnaryOp(op=sign, operand=operand):
            inside = closure_of(operand)
            return (lambda scope, algebra: -inside(scope, algebra)) if isinstance(sign, ast.USub) else inside
        case ast.Compare(left=left, ops=[comparison], comparators=[right]):
            return _comparison(comparison, closure_of(left), closure_of(right))
        case ast.BoolOp(op=joint, values=values):
            return _joined([closure_of(value) for value in values], conjunction=isinstance(joint, ast.And))
        case ast.Call(func=ast.Name(id=name), args=arguments):
            function, each = FUNCTIONS[name], [closure_of(argument) for argument in arguments]
            return lambda scope, algebra: getattr(algebra, function)(*[one(scope, algebra) for one in each])
    raise AssertionError(ast.dump(node))


def _operation(operation: ast.operator, left: ast.expr, right: ast.expr) -> Closure:
    first, second = closure_of(left), closure_of(right)
    match operation:
        case ast.Div():
            return lambda scope, algebra: algebra.divide(first(scope, algebra), second(scope, algebra))
        case ast.Pow():
            assert isinstance(right, ast.Constant)  # noqa: S101 - a formula's exponents are literals
            exponent: Any = right.value
            return lambda scope, algebra: first(scope, algebra) ** exponent
    apply = _OPERATIONS[type(operation)]
    return lambda scope, algebra: apply(first(scope, algebra), second(scope, algebra))


def _comparison(comparison: ast.cmpop, left: Closure, right: Closure) -> Closure:
    """Return 1 where left - right satisfies the comparison with 0, else 0."""

    def compared(scope: Mapping[str, Any], algebra: ModuleType) -> Any:
        difference = left(scope, algebra) - right(scope, algebra)
        match comparison:
            case ast.Gt() | ast.LtE():
                holds = algebra.positive(difference)
            case ast.Lt() | ast.GtE():
                holds = algebra.positive(-difference)
            case _:
                holds = algebra.nonzero(difference)
        return 1 - holds if isinstance(comparison, ast.LtE | ast.GtE | ast.Eq) else holds

    return compared


def _joined(truths: Sequence[Closure], *, conjunction: bool) -> Closure:
    """Join 1s and 0s: and multiplies, or multiplies the opposites."""

    def joined(scope: Mapping[str, Any], algebra: ModuleType) -> Any:
        first, *others = [truth(scope, algebra) for truth in truths]
        result = first if conjunction else 1 - first
        for truth in others:
            result = result * (truth if conjunction else 1 - truth)
        return result if conjunction else 1 - result

    return joined
