"""Generated source as C: the same operations in the same order, so that each number is numpy's to the last bit.

What numpy does not do element by element as IEEE 754 says it, such as powers, is left to numpy.
"""

import ast
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

_BINARY = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*"}
_CALLS = ("divide", "ceiling", "floor", "maximum", "minimum", "positive", "nonzero")
_HEAD = """#include <math.h>
#include <string.h>
#define TILE 128
#if defined(__x86_64__) && defined(__linux__) && defined(__GLIBC__)
#define CLONES __attribute__((target_clones("avx512f", "avx2", "sse4.1", "default")))
#else
#define CLONES
#endif
static inline double divide(double a, double b) { return a / b; }
static inline double positive(double a) { return a > 0.0 ? 1.0 : 0.0; }
static inline double nonzero(double a) { return a != 0.0 ? 1.0 : 0.0; }
static inline double maximum(double a, double b) { return a >= b || a != a ? a : b; }
static inline double minimum(double a, double b) { return a <= b || a != a ? a : b; }
static inline double modulo(double a, double b) {
    double left = fmod(a, b);
    if (left != 0.0) return (b < 0.0) != (left < 0.0) ? left + b : left;
    return copysign(0.0, b);
}
"""
_NAMES = {"ceiling": "ceil"}


class NotElementwiseError(Exception):
    """What numpy works out in a way of its own."""


def c_source(source: str) -> tuple[str, tuple[str, ...], int]:
    """Return C of a function of one row, ``run(points, inputs, steps, outputs)``; its symbols, how many outputs it has.

    Raises
    ------
    NotElementwiseError
        If a part of it is no operation that C and numpy round alike.
    """
    (function,) = ast.parse(source).body
    assert isinstance(function, ast.FunctionDef)  # noqa: S101 - generated source is one function
    symbols: list[str] = []
    lines: list[str] = []
    known: dict[str, Any] = {}
    rows: dict[str, Sequence[ast.expr]] = {}
    for line in function.body:
        match line:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Subscript(slice=ast.Constant(value=str(symbol)))):
                symbols.append(symbol)
                lines.append(f"            const double {name} = tile[{len(symbols) - 1}][j];")
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Tuple(elts=parts)):
                rows[name] = parts
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                found = _written(value, known)
                if not isinstance(found, str):
                    known[name] = found
                else:
                    lines.append(f"            const double {name} = {found};")
    if len(rows) != 1:
        raise NotElementwiseError("several rows")
    (outputs,) = rows.values()
    for place, part in enumerate(outputs):
        lines.append(f"            found[{place}][j] = {_literal(_written(part, known))};")
    body = "\n".join(lines)
    text = f"""{_HEAD}
CLONES void run(long points, const double *const *in, const long *steps, double *const *out) {{
    double tile[{len(symbols) or 1}][TILE], found[{len(outputs) or 1}][TILE];
    for (long start = 0; start < points; start += TILE) {{
        const int many = points - start < TILE ? (int)(points - start) : TILE;
        for (int k = 0; k < {len(symbols)}; k++)
            for (int j = 0; j < many; j++) tile[k][j] = in[k][(start + j) * steps[k]];
        for (int j = 0; j < many; j++) {{
{body}
        }}
        for (int k = 0; k < {len(outputs)}; k++) memcpy(out[k] + start, found[k], many * sizeof(double));
    }}
}}
"""
    return text, tuple(symbols), len(outputs)


def _literal(found: Any) -> str:
    """Write a number, or C as it is."""
    return found if isinstance(found, str) else f"({float(found)!r})"


def _written(node: ast.expr, known: dict[str, Any]) -> Any:
    """Return C of an expression, or a plain number, which Python works out exactly as before."""
    match node:
        case ast.Constant(value=int() | float() as number):
            return number
        case ast.Name(id=name):
            return known.get(name, name)
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            inside = _written(operand, known)
            return f"(-{inside})" if isinstance(inside, str) else -inside
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=2)):
            base = _written(left, known)
            if not isinstance(base, str):
                return base**2
            return f"({base}*{base})"
        case ast.BinOp(left=left, op=operation, right=right) if type(operation) in _BINARY or isinstance(
            operation, ast.Mod
        ):
            return _joined(operation, _written(left, known), _written(right, known))
        case ast.Call(func=ast.Name(id=name), args=arguments) if name in _CALLS:
            inside = [_literal(_written(argument, known)) for argument in arguments]
            joined = inside[0]
            if name not in ("maximum", "minimum"):
                return f"{_NAMES.get(name, name)}({', '.join(inside)})"
            for argument in inside[1:]:
                joined = f"{name}({joined}, {argument})"
            return joined
    raise NotElementwiseError(ast.unparse(node))


def _joined(operation: ast.operator, left: Any, right: Any) -> Any:
    if not isinstance(left, str) and not isinstance(right, str):
        return {ast.Add: left + right, ast.Sub: left - right, ast.Mult: left * right}.get(type(operation), left % right)
    first, second = _literal(left), _literal(right)
    if isinstance(operation, ast.Mod):
        return f"modulo({first}, {second})"
    return f"({first} {_BINARY[type(operation)]} {second})"
