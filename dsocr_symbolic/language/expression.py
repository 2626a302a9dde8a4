"""The formula language: text to a checked syntax tree, and its evaluation in any algebra.

Nothing is ever handed to ``eval``: a whitelist admits numbers, known names, ``+ - * / %``, ``**`` with a
small literal exponent, comparisons joined by and/or (1 or 0), and the named functions below.
"""

import ast
import keyword
import re
import unicodedata
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from types import MappingProxyType, ModuleType
from typing import TYPE_CHECKING, Any

from attrs import field

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.algebras.closure import FUNCTIONS, Closure, closure_of
from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.errors import UserError, check_known
from dsocr_symbolic.records import frozen

_ARGUMENTS = {"ceiling": (1, 1), "floor": (1, 1), "Max": (2, 9), "Min": (2, 9), "power": (2, 2)}
_LARGEST_EXPONENT = 8
_LONGEST_TEXT = 2000
_WORD = re.compile(r"[^\W\d]\w*")


@frozen(kw_only=True)
class Expression:
    """A formula as the file has it, and its syntax tree, every node of which is on the whitelist."""

    text: str
    tree: ast.expr = field(eq=False, repr=False)

    def __getstate__(self) -> str:
        """Return what is kept of it between starts: a tree is parsed again where it is asked for."""
        return self.text

    def __setstate__(self, text: str) -> None:
        """Take that."""
        object.__setattr__(self, "text", text)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Parse the tree of a formula that was kept, and so was checked before."""
            if name != "tree":
                raise AttributeError(name)
            tree = ast.parse(self.text, mode="eval").body
            object.__setattr__(self, "tree", tree)
            return tree


def parse(source: Any, where: str) -> Expression:
    """Read a formula, text or a number; ``where`` is what an error names, file and key."""
    if isinstance(source, bool) or not isinstance(source, str | int | float):
        raise UserError(f"{where}: a formula is text or a number, not {source!r}")
    text = " ".join(str(source).split())
    if len(text) > _LONGEST_TEXT:
        raise UserError(f"{where}: a formula has at most {_LONGEST_TEXT} characters; name parts under 'let'")
    try:
        tree = ast.parse(text, mode="eval").body
        _check(tree, where, text)
        if "**" in text and _exponent(tree) > _LARGEST_EXPONENT**2:
            raise UserError(
                f"{where}: '{text}': powers of powers reach an exponent of more than {_LARGEST_EXPONENT**2}"
            )
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        for word in _WORD.findall(text):
            if keyword.iskeyword(word) and word not in ("and", "or"):
                raise UserError(f"{where}: '{text}': {_reserved(word)}") from error
        raise UserError(f"{where}: '{text}' is not a formula") from error
    return Expression(text=text, tree=tree)


def _reserved(word: str) -> str:
    return f"'{word}' is a word of Python, in whose grammar formulas are read, and no symbol; choose another name"


def check_symbol(name: str, where: str) -> None:
    """Refuse a name that no formula could use."""
    if keyword.iskeyword(name):
        raise UserError(f"{where}: {_reserved(name)}")
    if name in FUNCTIONS:
        raise UserError(f"{where}: '{name}' is a function of formulas and no symbol; choose another name")
    if not name.isidentifier() or unicodedata.normalize("NFKC", name) != name:
        raise UserError(f"{where}: '{name}' cannot stand in a formula; name a symbol with letters, digits and _")


def constant(expression: Expression | None) -> Exact | None:
    """Return the number that a formula of plain numbers is; None for one that holds symbols or functions."""
    return None if expression is None else _constant(expression.tree)


def _constant(node: ast.expr) -> Exact | None:
    if any(isinstance(part, ast.Name | ast.Call) for part in ast.walk(node)):
        return None
    value: Exact = closure_of(node)({}, arithmetic)
    return value


_NAMES: dict[str, frozenset[str]] = {}


def keep_names(known: Mapping[str, frozenset[str]]) -> None:
    """Take the symbols that formulas use, by their texts, as an earlier start found them."""
    _NAMES.update(known)


def known_names() -> Mapping[str, frozenset[str]]:
    """Return the symbols of formulas that were asked for them."""
    return _NAMES


def names(expression: Expression) -> frozenset[str]:
    """Return the symbols that a formula uses; equal texts use the same."""
    if expression.text not in _NAMES:
        _NAMES[expression.text] = _names(expression)
    return _NAMES[expression.text]


def _names(expression: Expression) -> frozenset[str]:
    symbols: set[str] = set()
    nodes: list[ast.AST] = [expression.tree]
    while nodes:
        match nodes.pop():
            case ast.Name(id=name):
                symbols.add(name)
            case ast.Call(args=arguments):
                nodes += arguments
            case node:
                nodes += ast.iter_child_nodes(node)
    return frozenset(symbols)


_ORDERED: dict[str, tuple[str, ...]] = {}


def ordered_names(expression: Expression) -> tuple[str, ...]:
    """Return the symbols that a formula uses in one order."""
    if expression.text not in _ORDERED:
        _ORDERED[expression.text] = tuple(sorted(names(expression)))
    return _ORDERED[expression.text]


@cache
def of_running(formula: Expression, parts: frozenset[str]) -> Expression:
    """Return a formula that, where it divides, has no value while no part takes time: no step, no time per step."""
    divides = any(isinstance(node, ast.Div) for node in ast.walk(formula.tree))
    used = sorted(names(formula) & parts)
    if not divides or not used:
        return formula
    running = ast.parse(" + ".join(used), mode="eval").body
    tree = ast.BinOp(ast.BinOp(formula.tree, ast.Mult(), running), ast.Div(), running)
    return Expression(text=ast.unparse(tree), tree=tree)


def check_names(where: str, known: Collection[str], *formulas: Expression | None) -> set[str]:
    """Refuse symbols that are not known; return those that are used."""
    used = {name for formula in formulas if formula is not None for name in names(formula)}
    check_known(sorted(used), known, where, "symbol")
    return used


def evaluate(expression: Expression, scope: Mapping[str, Any], algebra: ModuleType) -> Any:
    """Evaluate a formula in an algebra (``arithmetic``, ``symbolic``, ...); KeyError where a name has no value."""
    closure = _CLOSURES.get(expression.text)
    if closure is None:
        closure = _CLOSURES[expression.text] = closure_of(expression.tree)
    return closure(scope, algebra)


# Functions of expressions by their texts, of which equal ones are the same.
_CLOSURES: dict[str, Closure] = {}


def _check(node: ast.expr, where: str, text: str) -> None:
    """Refuse every node that is not on the whitelist."""
    inside: Sequence[ast.expr]
    divisor: ast.expr | None = None
    match node:
        case ast.Constant(value=int() | float() as number) if number - number == 0 and not isinstance(number, bool):
            inside = ()
        case ast.Name():
            inside = ()
        case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
            inside = (operand,)
        case ast.BinOp(left=left, op=ast.Pow(), right=ast.Constant(value=int(exponent))) if exponent is not True:
            if not 0 <= exponent <= _LARGEST_EXPONENT:
                raise UserError(f"{where}: '{text}': an exponent is a whole number from 0 to {_LARGEST_EXPONENT}")
            inside = (left,)
        case ast.BinOp(op=ast.Pow()):
            raise UserError(f"{where}: '{text}': an exponent is a literal; write power(base, exponent) for others")
        case ast.BinOp(
            left=left, op=ast.Add() | ast.Sub() | ast.Mult() | ast.Div() | ast.Mod() as operation, right=right
        ):
            inside = (left, right)
            divisor = right if isinstance(operation, ast.Div | ast.Mod) else None
        case ast.Compare(left=left, ops=[ast.Gt() | ast.Lt() | ast.GtE() | ast.LtE() | ast.Eq() | ast.NotEq()]):
            inside = (left, node.comparators[0])
        case ast.BoolOp(values=inside):
            pass
        case ast.Call(func=ast.Name(id=name), args=inside, keywords=[]) if name in FUNCTIONS:
            least, most = _ARGUMENTS[name]
            if not least <= len(inside) <= most:
                raise UserError(f"{where}: '{text}': {name} takes {least} {'argument' if most == 1 else 'or more'}")
        case _:
            allowed = "numbers, symbols, + - * / % **, comparisons, and, or, " + ", ".join(FUNCTIONS)
            raise UserError(f"{where}: '{text}': '{ast.unparse(node)}' is not allowed; a formula has {allowed}")
    for part in inside:
        _check(part, where, text)
    # What it divides by is on the whitelist, and no power that takes forever, only now.
    if divisor is not None and _exponent(divisor) <= _LARGEST_EXPONENT**2 and _constant(divisor) == 0:
        raise UserError(f"{where}: '{text}' divides by 0; divide by a number or a symbol that is not 0")


def _exponent(node: ast.AST) -> int:
    """Return the largest product of exponents that stand above one another: each may be small and they huge."""
    below = max(map(_exponent, ast.iter_child_nodes(node)), default=1)
    match node:
        case ast.BinOp(op=ast.Pow(), right=ast.Constant(value=int(exponent))):
            return below * max(exponent, 1)
    return below


EMPTY: Mapping[str, Any] = MappingProxyType({})
ZERO, ONE = parse(0, "0"), parse(1, "1")
