"""Print recorded instructions as JavaScript: calls of a few functions, which compute exactly or in doubles."""

from collections import Counter
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from dsocr_symbolic.algebras.value import Exact
from dsocr_symbolic.explorer.recorded import Book

# Each operation's function; the page gives it a body for exact numbers and another one for doubles.
SPELLINGS: Mapping[str, str] = {
    "add": "A({},{})",
    "subtract": "S({},{})",
    "multiply": "M({},{})",
    "divide": "D({},{})",
    "modulo": "Q({},{})",
    "raise": "E({},{})",
    "negate": "N({})",
    "ceiling": "C({})",
    "floor": "F({})",
    "maximum": "X({},{})",
    "minimum": "I({},{})",
    "positive": "G({})",
    "nonzero": "Z({})",
    "power": "P({},{})",
}
_STEPS = "U({},[{}])"
# What is used once stands where it is used, but not deeper than parsers like.
_DEEPEST = 24
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


def literal(value: Exact) -> str:
    """Print a number: an exact one as BigInt or quotient of two, a float as it is."""
    if isinstance(value, Fraction) and value.denominator > 1:
        return f"R({value.numerator}n,{value.denominator}n)"
    if isinstance(value, float):
        return repr(value)
    return f"{int(value)}n"


def body(book: Book, output: Any, symbol: Mapping[str, str]) -> str:
    """Print the body of a function that returns one value."""
    lines, (shown,) = statements(book, [book.place(output)], symbol)
    declared = ",".join(f"{name_of_line(place)}={text}" for place, text in enumerate(lines))
    return f"{f'const {declared};' if lines else ''}return {shown}"


def statements(book: Book, places: Sequence[int], symbol: Mapping[str, str]) -> tuple[list[str], list[str]]:
    """Print what some values need: lines, and an expression for each value; ``symbol`` is how each is read.

    The first line is what ``_0`` stands for, the 37th what ``_10`` does; each needs but those before it.
    """
    uses = _uses(book, places)
    names: dict[int, str] = {}
    texts: dict[int, tuple[str, int]] = {}
    lines: list[str] = []
    for place in sorted(uses):
        operation, *arguments = book.instructions[place]
        text, depth = _text(operation, arguments, texts, names, symbol)
        if operation not in ("number", "symbol") and (uses[place] > 1 or depth > _DEEPEST):
            names[place] = name_of_line(len(lines))
            lines.append(text)
            text, depth = names[place], 0
        texts[place] = (text, depth)
    return lines, [texts[place][0] for place in places]


def _uses(book: Book, roots: Sequence[int]) -> Counter[int]:
    """Count how often each instruction is used by what some values need."""
    uses = Counter(roots)
    waiting, seen = list(roots), set(roots)
    while waiting:
        operation, *arguments = book.instructions[waiting.pop()]
        if operation in ("number", "symbol"):
            continue
        uses.update(arguments)
        waiting += [place for place in dict.fromkeys(arguments) if place not in seen]
        seen.update(arguments)
    return uses


def _text(
    operation: str,
    arguments: Sequence[Any],
    texts: Mapping[int, tuple[str, int]],
    names: Mapping[int, str],
    symbol: Mapping[str, str],
) -> tuple[str, int]:
    if operation == "number":
        return literal(arguments[0]), 0
    if operation == "symbol":
        return symbol[arguments[0]], 0
    parts = [names.get(place, texts[place][0]) for place in arguments]
    depth = 1 + max(texts[place][1] for place in arguments)
    if operation == "sum_maxima":
        return _STEPS.format(parts[0], ",".join(parts[1:])), depth
    return SPELLINGS[operation].format(*parts), depth


def name_of_line(value: int) -> str:
    """Return the name of a line: its number with 36 digits."""
    digits = ""
    while True:
        value, digit = divmod(value, 36)
        digits = _DIGITS[digit] + digits
        if not value:
            return f"_{digits}"
