"""Print expressions as LaTeX: with the letters of their symbols, or with numbers put in and nothing worked out."""

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import sympy
from attrs import frozen
from sympy.printing.latex import LatexPrinter

from dsocr_symbolic.algebras import symbolic
from dsocr_symbolic.algebras.value import Exact, Expr
from dsocr_symbolic.language.expression import EMPTY
from dsocr_symbolic.writing.formula_text import collect, comparison, degree, factors, size

_GROUPED_FROM = 10_000
# Factors stand in this order: symbols, functions of them, sums, conditions.
_SYMBOL, _FUNCTION, _SUM, _CONDITION = range(4)
# What a formula is made of and how wide it is, in ex; each pattern sees what those before it left.
_SCRIPT, _OF_A_SCRIPT = re.compile(r"[_^]\{([^{}]*)\}"), 0.9
_WIDTHS = (
    (r"\\(?:left|right|bigl|bigr|mathrm|text|begin|end)(?![a-z])", 0.0),
    (r"\\[,;: ]", 0.5),
    (r"\\cdot", 1.7),
    (r"\\(?:neq|leq)|[=<>]", 3.0),
    (r"\\(?:quad|max|min|sum|frac)", 4.0),
    (r"(?<=[_^])\w", 1.0),
    (r"\\[a-zA-Z]+|\\_|\w", 1.2),
    (r"[+-]", 2.8),
    (r"[()\[\],./:']", 0.8),
)


@frozen(kw_only=True)
class Script:
    """How expressions are written.

    Attributes
    ----------
    letters : mapping of str to str
        LaTeX of each symbol; a symbol without one stands upright.
    order : mapping of str to int
        Where a symbol stands among the factors of a product; by name if it is left out.
    times : str
        What stands between factors.
    """

    letters: Mapping[str, str]
    order: Mapping[str, int] = EMPTY
    times: str = r" \, "


def numeric_script(numbers: Mapping[str, Exact], order: Mapping[str, int]) -> Script:
    """Write a number for each symbol."""
    letters = {name: number_latex(number) for name, number in numbers.items()}
    return Script(letters=letters, order=order, times=r" \cdot ")


def as_latex(expression: Expr, letters: Mapping[str, str]) -> str:
    """Print an expression, collected, with the letters of its symbols."""
    return written(collect(expression), Script(letters=letters))


def written(expression: Expr, script: Script) -> str:
    """Print an expression as it stands."""
    return str(_Latex(script).doprint(expression))


def written_lines(expression: Expr, script: Script, longest: float) -> list[str]:
    """Print an expression, a sum wider than ``longest`` (see :func:`width`) on lines that begin with a sign."""
    lines: list[str] = []
    for piece in _Latex(script).pieces(expression):
        if lines and width(lines[-1]) + width(piece) <= longest:
            lines[-1] += f" {piece}"
        else:
            lines.append(piece)
    return lines


def number_latex(value: Exact) -> str:
    """Print a number: digits in groups of three, a fraction as one."""
    if isinstance(value, Fraction) and value.denominator > 1:
        sign = "-" if value < 0 else ""
        return rf"{sign}\frac{{{number_latex(abs(value.numerator))}}}{{{number_latex(value.denominator)}}}"
    if isinstance(value, float):
        return f"{value:.6g}" if abs(value) < _GROUPED_FROM else f"{value:,.1f}".replace(",", "{,}")
    whole = int(value)
    return f"{whole:,}".replace(",", "{,}") if abs(whole) >= _GROUPED_FROM else str(whole)


def upright(name: str) -> str:
    """Print a name that has no letter."""
    escaped = name.replace("_", r"\_")
    return rf"\mathrm{{{escaped}}}"


def words(text: str) -> str:
    r"""Print words beside a formula; an underscore may not stand in ``\text``."""
    return r"\_".join(rf"\text{{{part}}}" if part else "" for part in text.split("_"))


def width(latex: str) -> float:
    """Estimate how wide a formula is when it is set, in ex; a digit is a little more than one."""
    text = latex.replace("{,}", ",")
    text = re.sub(r"\\frac\{([^{}]*)\}\{([^{}]*)\}", lambda parts: max(parts.groups(), key=len), text)
    total = sum(_OF_A_SCRIPT * len(re.findall(r"\\\w+|[^\s\\]", script)) for script in _SCRIPT.findall(text))
    text = _SCRIPT.sub(" ", text)
    for pattern, wide in _WIDTHS:
        text, count = re.subn(pattern, " ", text)
        total += count * wide
    return total


def _is_taken_off(term: Expr) -> bool:
    return bool(term.could_extract_minus_sign()) and not isinstance(term, sympy.Add)


def _condition(expression: Expr) -> Expr | None:
    """Return the guard of an expression that is 1 - guard, else None."""
    if isinstance(expression, sympy.Add) and len(expression.args) == 2:  # noqa: PLR2004 - 1 and the guard
        one, other = sorted(expression.args, key=lambda term: term != 1)
        if one == 1 and isinstance(-other, symbolic.positive | symbolic.nonzero):
            return -other
    return None


class _Latex(LatexPrinter):  # type: ignore[misc]
    """LaTeX with the files' letters, guards as Iverson brackets."""

    def __init__(self, script: Script) -> None:
        super().__init__({})
        self.m_letters = script.letters
        self.m_order = script.order
        self.m_times = script.times

    def pieces(self, expr: Expr) -> list[str]:
        """Print an expression in pieces that may stand on lines of their own; each but the first begins with a sign."""
        if isinstance(expr, sympy.Add) and _condition(expr) is None:
            pieces: list[str] = []
            for sign, term in self.signed(expr):
                first, *others = self.pieces(term)
                pieces += [f"{sign} {first}" if sign else first, *others]
            return pieces
        parts = sympy.Mul.make_args(expr)
        sums = [part for part in parts if isinstance(part, sympy.Add) and _condition(part) is None]
        if not sums:
            return [self._print(expr)]
        longest = max(sums, key=size)
        rest = sympy.Mul(*(part for part in parts if part is not longest), evaluate=False)
        others, below = ([], []) if len(parts) == 1 else self.fraction(rest)
        if below or others[:1] == ["-"]:
            return [self._print(expr)]
        inside = self.pieces(longest)
        before = "".join(f"{factor}{self.m_times}" for factor in others)
        return [rf"{before}\bigl({inside[0]}", *inside[1:-1], rf"{inside[-1]}\bigr)"]

    def _print_Symbol(self, expr: Expr, style: str = "plain") -> str:  # noqa: ARG002, N802 - sympy's name
        return self.m_letters.get(expr.name) or upright(expr.name)

    def _print_Integer(self, expr: Expr) -> str:  # noqa: N802
        return str(expr) if abs(expr) < _GROUPED_FROM or self.m_times != r" \cdot " else number_latex(int(expr))

    def _print_Add(self, expr: Expr, order: Any = None) -> str:  # noqa: ARG002, N802
        guard = _condition(expr)
        if guard is not None:
            return self._bracket(guard, opposite=True)
        terms = ((sign, self._print(term)) for sign, term in self.signed(expr))
        return " ".join(f"{sign} {term}" if sign else term for sign, term in terms)

    def signed(self, expr: Expr) -> list[tuple[str, Expr]]:
        """Return the terms of a sum in order, each with its sign; a first plus is empty."""
        terms = sorted(expr.args, key=self._term_place)
        if self.m_order:
            # A person begins with what is added, not with what is taken off.
            first = next((term for term in terms if not _is_taken_off(term)), terms[0])
            terms.sort(key=lambda term: term is not first)
        signs = ["-" if _is_taken_off(term) else "+" if place else "" for place, term in enumerate(terms)]
        return [(sign, -term if sign == "-" else term) for sign, term in zip(signs, terms, strict=True)]

    def _print_Mul(self, expr: Expr) -> str:  # noqa: N802
        above, below = self.fraction(expr)
        sign = "-" if above and above[0] == "-" else ""
        top = self.m_times.join(above[1:] if sign else above) or "1"
        return f"{sign}{top}" if not below else rf"{sign}\frac{{{top}}}{{{self.m_times.join(below)}}}"

    def fraction(self, expr: Expr) -> tuple[list[str], list[str]]:
        """Print the factors above and below the line; a first one of ``-`` is the sign."""
        number = sympy.S.One
        above: list[str] = []
        below: list[str] = []
        for factor in sorted(sympy.Mul.make_args(expr), key=self._factor_place):
            base, exponent = factor.as_base_exp()
            if factor.is_Rational:
                number *= factor
            elif factor.is_Float:
                above.insert(0, self._print(factor))
            elif exponent.is_Integer and exponent < 0:
                below.append(self._power(base, -exponent, alone=False))
            else:
                above.append(self._power(base, exponent, alone=False))
        if number.q != 1:
            below.insert(0, self._print(sympy.Integer(number.q)))
        if abs(number.p) != 1:
            above.insert(0, self._print(sympy.Integer(abs(number.p))))
        if number < 0:
            above.insert(0, "-")
        return above, below

    def _print_Pow(self, expr: Expr) -> str:  # noqa: N802
        base, exponent = expr.as_base_exp()
        if exponent.is_Integer and exponent < 0:
            return rf"\frac{{1}}{{{self._power(base, -exponent, alone=True)}}}"
        return self._power(base, exponent, alone=True)

    def _power(self, base: Expr, exponent: Expr, *, alone: bool) -> str:
        """Print a factor; a sum, a sign or a fraction stands in parentheses unless nothing is beside it."""
        text = self._print(base)
        raised = exponent != 1
        composed = isinstance(base, sympy.Add | sympy.Mul) and _condition(base) is None
        fraction = text.startswith((r"\frac", "-")) and raised
        if (composed and (raised or not alone)) or fraction or text.startswith("-"):
            text = rf"\left({text}\right)"
        return f"{text}^{{{self._print(exponent)}}}" if raised else text

    def _factor_place(self, factor: Expr) -> tuple[int, int, str]:
        """Sort factors; of one kind, others than symbols keep their order."""
        base = factor.as_base_exp()[0]
        if isinstance(base, sympy.Symbol):
            return (_SYMBOL, *self._place(base))
        if isinstance(base, symbolic.positive | symbolic.nonzero) or _condition(base) is not None:
            return (_CONDITION, 0, "")
        return (_SUM if isinstance(base, sympy.Add) else _FUNCTION, 0, "")

    def _term_place(self, term: Expr) -> tuple[Any, ...]:
        if not self.m_order:
            return degree(term)
        places = sorted(map(self._place, term.free_symbols))
        return (sum(factors(term).values()), term.could_extract_minus_sign(), places)

    def _place(self, symbol: Expr) -> tuple[int, str]:
        return (self.m_order.get(symbol.name, len(self.m_order)), symbol.name)

    def _bracket(self, guard: Expr, *, opposite: bool = False) -> str:
        """Print a guard, or what holds where it does not."""
        left, right = comparison(guard.args[0])
        if isinstance(guard, symbolic.nonzero):
            sign = "=" if opposite else r"\neq"
        else:
            # A count that is not above 0 is 0.
            sign = ("=" if right == 0 and left.is_nonnegative else r"\leq") if opposite else ">"
        return rf"\left[{self._print(left)} {sign} {self._print(right)}\right]"

    _print_positive = _print_nonzero = _bracket

    def _print_maximum(self, expr: Expr) -> str:
        return rf"\max\left({', '.join(map(self._print, expr.args))}\right)"

    def _print_minimum(self, expr: Expr) -> str:
        return rf"\min\left({', '.join(map(self._print, expr.args))}\right)"

    def _print_ceiling(self, expr: Expr, exp: Any = None) -> str:  # noqa: ARG002
        return rf"\left\lceil {self._print(expr.args[0])} \right\rceil"

    def _print_floor(self, expr: Expr, exp: Any = None) -> str:  # noqa: ARG002
        return rf"\left\lfloor {self._print(expr.args[0])} \right\rfloor"

    def _print_power(self, expr: Expr, exp: Any = None) -> str:  # noqa: ARG002
        base, exponent = map(self._print, expr.args)
        return rf"\left({base}\right)^{{{exponent}}}"

    def _print_sum_maxima(self, expr: Expr) -> str:
        last, *ends = map(self._print, expr.args)
        lines = ", ".join(rf"{start} + ({slope}) t" for start, slope in zip(ends[::2], ends[1::2], strict=True))
        return rf"\sum_{{t=1}}^{{{last}}} \max\left({lines}\right)"
