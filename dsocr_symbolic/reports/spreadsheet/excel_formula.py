"""Print sympy expressions as Excel formulas, each with its value now; what is too long moves to other cells.

Excel computes in float64: whole numbers are exact up to 2^53 and carry about 15.9 digits above. Only
functions that every spreadsheet since 2007 has are used, and a division stands last in its product, so that
a quotient of whole numbers that is whole stays exact.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import add, mul
from typing import Any

import sympy
from attrs import frozen

from dsocr_symbolic.algebras import arithmetic, symbolic
from dsocr_symbolic.algebras.value import Exact, Expr
from dsocr_symbolic.evaluation.spelling import Spelling
from dsocr_symbolic.writing.formula_text import comparison, without_implied_guards

LONGEST_FORMULA = 8192
MOST_ARGUMENTS = 255
_MARGIN = 64  # for what goes around a part: a sign, brackets, a function's name
_LARGEST_LITERAL = 10**15  # spreadsheets read 15 digits of a number
SUM, PRODUCT, POWER, ATOM = range(4)
# Nothing to the power of nothing is 1, and LibreOffice calls a power too small for float64 an error, not 0.
_POWER = "IF({1}=0,1,IF({1}*LN(ABS({0})+1E-300)<-700,0,POWER({0},{1})))"
_MANY: Mapping[str, tuple[str, Callable[..., Any]]] = {
    "maximum": ("MAX", arithmetic.maximum),
    "minimum": ("MIN", arithmetic.minimum),
}
_FEW: Mapping[str, tuple[str, Callable[..., Any]]] = {
    "power": (_POWER, arithmetic.power),
    "ceiling": ("CEILING({},1)", arithmetic.ceiling),
    "floor": ("INT({})", arithmetic.floor),
    "modulo": ("MOD({},{})", lambda left, right: left % right),
    "positive": ("IF({}>{},1,0)", lambda left, right: arithmetic.positive(left - right)),
    "nonzero": ("IF({}<>{},1,0)", lambda left, right: arithmetic.nonzero(left - right)),
}


@frozen(kw_only=True)
class Piece:
    """A part of a formula.

    Attributes
    ----------
    text : str
        What Excel reads.
    value : int, float or Fraction
        What it is now.
    rank : int
        How tightly its outermost operation binds: SUM, PRODUCT, POWER or ATOM.
    """

    text: str
    value: Exact
    rank: int = ATOM


StraightLine = tuple[Piece, Piece]
Join = Callable[[Sequence[Piece]], Piece]


class Printer(Spelling[Piece]):
    """Prints expressions of one workbook, no formula longer than ``longest`` characters.

    ``place`` gives a piece a cell of its own and returns the reference to it; ``add_steps`` does so with the sum over
    the steps 1 to last of the highest of some lines (intercept, slope).
    """

    def __init__(
        self,
        symbols: Mapping[str, Piece],
        place: Callable[[Piece], Piece],
        add_steps: Callable[[Piece, Sequence[StraightLine]], Piece],
        longest: int = LONGEST_FORMULA,
    ) -> None:
        self.m_symbols = symbols
        self.m_place = place
        self.m_add_steps = add_steps
        self.m_longest = longest - _MARGIN
        self.m_known: dict[Expr, Piece] = {}

    def piece(self, expression: Expr) -> Piece:
        """Print an expression."""
        if expression not in self.m_known:
            self.m_known[expression] = self.spelled(expression)
        return self.m_known[expression]

    def total(self, parts: Sequence[Piece]) -> Piece:
        """Print ``SUM`` of references to cells and ranges."""
        if len(parts) == 1 and ":" not in parts[0].text:
            return parts[0]
        return self._join_many(parts, lambda group: _call_many("SUM", _added, group))

    def highest(self, parts: Sequence[Piece]) -> Piece:
        """Print ``MAX`` of references to cells."""
        return self._join_many(parts, lambda group: _call_many("MAX", max, group))

    def part(self, expression: Expr) -> Piece:
        """Print a part, each once."""
        return self.piece(expression)

    def number(self, value: Expr) -> Piece:
        """Print a whole number or a quotient."""
        return _number(value)

    def factor(self, whole: int) -> Piece:
        """Print a whole number."""
        return _number(sympy.Integer(whole))

    def real(self, value: float) -> Piece:
        """Refuse: formulas of a workbook hold exact numbers."""
        raise AssertionError(f"{value} in a formula")

    def symbol(self, name: str) -> Piece:
        """Print the cell of a symbol."""
        return self.m_symbols[name]

    def added(self, parts: Sequence[Piece]) -> Piece:
        """Print a sum."""
        return self._join_many(parts, _add)

    def simplified(self, product: Expr) -> Expr:
        """Leave out guards that another factor implies."""
        return without_implied_guards(product)

    def arguments(self, call: Expr) -> Sequence[Expr]:
        """Split what a guard compares with 0."""
        guard = isinstance(call, symbolic.positive | symbolic.nonzero)
        arguments: Sequence[Expr] = comparison(call.args[0]) if guard else call.args
        return arguments

    def steps(self, last: Piece, lines: Sequence[StraightLine]) -> Piece:
        """Print the cell of a sum over steps."""
        return self.m_add_steps(last, list(dict.fromkeys(lines)))

    def called(self, function: str, arguments: Sequence[Piece]) -> Piece:
        """Print a function."""
        if function in _MANY:
            name, largest = _MANY[function]
            return self._join_many(
                list(dict.fromkeys(arguments)),
                lambda group: _call_many(name, lambda values: largest(*values), group),
            )
        return self._call(*_FEW[function], arguments)

    def product(self, above: Sequence[Piece], below: Sequence[Piece]) -> Piece:
        """Print a product, or a quotient."""
        numerator = self._join_many(above, _multiply) if above else _number(sympy.S.One)
        if not below:
            return numerator
        denominator = self._join_many(below, _multiply)
        top, bottom = self._short_enough([numerator, denominator])
        text = f"{_bracketed(top, PRODUCT)}/{_bracketed(bottom, POWER)}"
        return Piece(text=text, value=arithmetic.divide(top.value, bottom.value), rank=PRODUCT)

    def raised(self, base: Piece, exponent: int) -> Piece:
        """Print a power."""
        piece = self._short(base)
        return Piece(text=f"{_bracketed(piece, ATOM)}^{exponent}", value=piece.value**exponent, rank=POWER)

    def _call(self, template: str, function: Callable[..., Any], arguments: Sequence[Piece]) -> Piece:
        parts = self._short_enough(arguments)
        text = template.format(*(part.text for part in parts))
        if len(text) > self.m_longest:
            # It says an argument several times.
            parts = [self._short(part, len("Terms!A9999")) for part in parts]
            text = template.format(*(part.text for part in parts))
        return Piece(text=text, value=function(*(part.value for part in parts)))

    def _join_many(self, parts: Sequence[Piece], join: Join) -> Piece:
        """Join any number of parts; while they are too long, neighbours move to a cell together."""
        whole = join(parts)
        while len(whole.text) > self.m_longest or len(parts) > MOST_ARGUMENTS:
            parts = [self.m_place(join(group)) for group in self._groups(parts, join)]
            whole = join(parts)
        return whole

    def _groups(self, parts: Sequence[Piece], join: Join) -> list[list[Piece]]:
        groups: list[list[Piece]] = []
        for part in parts:
            fits = groups and len(groups[-1]) < MOST_ARGUMENTS
            if fits and len(join([*groups[-1], part]).text) <= self.m_longest:
                groups[-1].append(part)
            else:
                groups.append([part])
        return groups

    def _short_enough(self, parts: Sequence[Piece]) -> list[Piece]:
        """Let parts that are too long together move to cells of their own."""
        if sum(len(part.text) for part in parts) <= self.m_longest:
            return list(parts)
        return [self._short(part, self.m_longest // len(parts)) for part in parts]

    def _short(self, piece: Piece, longest: int | None = None) -> Piece:
        return self.m_place(piece) if len(piece.text) > (longest or self.m_longest) else piece


def _number(value: Expr) -> Piece:
    whole, below = int(value.p), int(value.q)
    if below == 1:
        return Piece(text=_literal(whole), value=whole, rank=ATOM if whole >= 0 else PRODUCT)
    return Piece(text=f"{_literal(whole)}/{_literal(below)}", value=arithmetic.divide(whole, below), rank=PRODUCT)


def _literal(whole: int) -> str:
    """Write a whole number; more than 15 digits as a sum, which float64 takes as far as it goes."""
    if abs(whole) < _LARGEST_LITERAL:
        return str(whole)
    sign = "-" if whole < 0 else ""
    above, below = divmod(abs(whole), 10**9)
    return f"{sign}({_literal(above)}*10^9+{below})"


def _add(parts: Sequence[Piece]) -> Piece:
    """Join a sum; a term without a minus goes first, for -a^2 is (-a)^2 in Excel."""
    first, *others = sorted(parts, key=lambda part: part.text.startswith("-"))
    if not others:
        return first
    text = first.text
    for part in others:
        text += re.sub(r"^-1\*", "-", part.text) if part.text.startswith("-") else f"+{part.text}"
    return Piece(text=text, value=_added([part.value for part in parts]), rank=SUM)


def _multiply(parts: Sequence[Piece]) -> Piece:
    first, *others = parts
    if not others:
        return first
    texts = [f"({part.text})" if part.text.startswith("-") else _bracketed(part, PRODUCT) for part in others]
    value = reduce(mul, (part.value for part in parts))
    return Piece(text="*".join([_bracketed(first, PRODUCT), *texts]), value=value, rank=PRODUCT)


def _call_many(name: str, function: Callable[[Sequence[Exact]], Exact], parts: Sequence[Piece]) -> Piece:
    if len(parts) == 1 and ":" not in parts[0].text:
        return parts[0]
    text = f"{name}({','.join(part.text for part in parts)})"
    return Piece(text=text, value=function([part.value for part in parts]))


def _added(values: Sequence[Exact]) -> Exact:
    return reduce(add, values)


def _bracketed(piece: Piece, rank: int) -> str:
    return piece.text if piece.rank >= rank else f"({piece.text})"
