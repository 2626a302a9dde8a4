"""Print expressions as LaTeX: with the letters of their symbols, or with numbers put in and nothing worked out."""

import re
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import sympy
from attrs import frozen
from sympy.printing.latex import LatexPrinter

from dsocr_symbolic.algebras import symbolic
from dsocr_symbolic.language.formula import EMPTY
from dsocr_symbolic.writing.formula_text import collect, comparison, degree, factors, size

_GROUPED_FROM = 10_000


# Factors stand in this order: symbols, functions of them, sums, conditions.
_SYMBOL, _FUNCTION, _SUM, _CONDITION = range(4)


# What a formula is made of and how wide it is, in ex; each pattern sees what those before it left.
_WIDTHS = (
    (r"\\(?:left|right|bigl|bigr|mathrm|text|begin|end)(?![a-z])", 0.0),
    (r"\\[,;: ]", 0.5),
    (r"\\cdot", 1.7),
    (r"\\(?:neq|leq)|[=<>]", 3.0),
    (r"\\(?:quad|max|min|sum|frac)", 4.0),
    (r"(?<=[_^]\{)[^{}]+|(?<=[_^])\w", 1.0),
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


def numeric_script(numbers: Mapping[str, Any], order: Mapping[str, int]) -> Script:
    """Write a number for each symbol."""
    return Script(letters={name: number_latex(each) for name, each in numbers.items()}, order=order, times=r" \cdot ")


def as_latex(expression: Any, letters: Mapping[str, str]) -> str:
    """Print an expression, collected, with the letters of its symbols."""
    return written(collect(expression), Script(letters=letters))


def written(expression: Any, script: Script) -> str:
    """Print an expression as it stands."""
    return str(_Latex(script).doprint(expression))


def written_lines(expression: Any, script: Script, longest: float) -> list[str]:
    """Print an expression, a long sum on several lines.

    Parameters
    ----------
    expression : sympy.Expr
        What to print.
    script : Script
        How.
    longest : float
        Width of a line, see :func:`width`.

    Returns
    -------
    list of str
        Lines; all but the first begin with a sign.
    """
    lines: list[str] = []
    for piece in _Latex(script).pieces(expression):
        if lines and width(lines[-1]) + width(piece) <= longest:
            lines[-1] += f" {piece}"
        else:
            lines.append(piece)
    return lines


def number_latex(value: Any) -> str:
    """Print a number: digits in groups of three, a fraction as one."""
    if isinstance(value, Fraction) and value.denominator > 1:
        sign = "-" if value < 0 else ""
        return rf"{sign}\frac{{{number_latex(abs(value.numerator))}}}{{{number_latex(value.denominator)}}}"
    if isinstance(value, float):
        return f"{value:.6g}" if abs(value) < _GROUPED_FROM else f"{value:,.1f}".replace(",", "{,}")
    return f"{int(value):,}".replace(",", "{,}") if abs(value) >= _GROUPED_FROM else str(int(value))


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
    text = re.sub(r"\\frac\{([^{}]*)\}\{([^{}]*)\}", lambda found: max(found.groups(), key=len), text)
    total = 0.0
    for pattern, each in _WIDTHS:
        text, count = re.subn(pattern, " ", text)
        total += count * each
    return total


def _is_taken_off(term: Any) -> bool:
    return bool(term.could_extract_minus_sign()) and not isinstance(term, sympy.Add)


def _condition(expression: Any) -> Any | None:
    """Return the guard of an expression that is 1 - guard, else None."""
    if isinstance(expression, sympy.Add) and len(expression.args) == 2:  # noqa: PLR2004 - 1 and the guard
        one, other = sorted(expression.args, key=lambda each: each != 1)
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

    def pieces(self, expr: Any) -> list[str]:
        """Print an expression in pieces that may stand on lines of their own; each but the first begins with a sign."""
        if isinstance(expr, sympy.Add) and _condition(expr) is None:
            found: list[str] = []
            for sign, term in self.signed(expr):
                first, *others = self.pieces(term)
                found += [f"{sign} {first}" if sign else first, *others]
            return found
        parts = sympy.Mul.make_args(expr)
        sums = [each for each in parts if isinstance(each, sympy.Add) and _condition(each) is None]
        if not sums:
            return [self._print(expr)]
        longest = max(sums, key=size)
        rest = sympy.Mul(*(each for each in parts if each is not longest), evaluate=False)
        others, below = ([], []) if len(parts) == 1 else self.fraction(rest)
        if below or others[:1] == ["-"]:
            return [self._print(expr)]
        inside = self.pieces(longest)
        before = "".join(f"{each}{self.m_times}" for each in others)
        return [rf"{before}\bigl({inside[0]}", *inside[1:-1], rf"{inside[-1]}\bigr)"]

    def _print_Symbol(self, expr: Any, style: str = "plain") -> str:  # noqa: ARG002, N802 - sympy's name
        return self.m_letters.get(expr.name) or upright(expr.name)

    def _print_Integer(self, expr: Any) -> str:  # noqa: N802
        return str(expr) if abs(expr) < _GROUPED_FROM or self.m_times != r" \cdot " else number_latex(int(expr))

    def _print_Add(self, expr: Any, order: Any = None) -> str:  # noqa: ARG002, N802
        guard = _condition(expr)
        if guard is not None:
            return self._bracket(guard, opposite=True)
        terms = ((sign, self._print(term)) for sign, term in self.signed(expr))
        return " ".join(f"{sign} {term}" if sign else term for sign, term in terms)

    def signed(self, expr: Any) -> list[tuple[str, Any]]:
        """Return the terms of a sum in order, each with its sign; a first plus is empty."""
        terms = sorted(expr.args, key=self._term_place)
        if self.m_order:
            # A person begins with what is added, not with what is taken off.
            first = next((term for term in terms if not _is_taken_off(term)), terms[0])
            terms.sort(key=lambda term: term is not first)
        found: list[tuple[str, Any]] = []
        for term in terms:
            negative = _is_taken_off(term)
            found.append(("-" if negative else "+" if found else "", -term if negative else term))
        return found

    def _print_Mul(self, expr: Any) -> str:  # noqa: N802
        above, below = self.fraction(expr)
        sign = "-" if above and above[0] == "-" else ""
        top = self.m_times.join(above[1:] if sign else above) or "1"
        return f"{sign}{top}" if not below else rf"{sign}\frac{{{top}}}{{{self.m_times.join(below)}}}"

    def fraction(self, expr: Any) -> tuple[list[str], list[str]]:
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

    def _print_Pow(self, expr: Any) -> str:  # noqa: N802
        base, exponent = expr.as_base_exp()
        if exponent.is_Integer and exponent < 0:
            return rf"\frac{{1}}{{{self._power(base, -exponent, alone=True)}}}"
        return self._power(base, exponent, alone=True)

    def _power(self, base: Any, exponent: Any, *, alone: bool) -> str:
        """Print a factor; a sum, a sign or a fraction stands in parentheses unless nothing is beside it."""
        text = self._print(base)
        raised = exponent != 1
        composed = isinstance(base, sympy.Add | sympy.Mul) and _condition(base) is None
        fraction = text.startswith((r"\frac", "-")) and raised
        if (composed and (raised or not alone)) or fraction or text.startswith("-"):
            text = rf"\left({text}\right)"
        return f"{text}^{{{self._print(exponent)}}}" if raised else text

    def _factor_place(self, factor: Any) -> tuple[int, int, str]:
        """Sort factors; of one kind, others than symbols keep their order."""
        base = factor.as_base_exp()[0]
        if isinstance(base, sympy.Symbol):
            return (_SYMBOL, *self._place(base))
        if isinstance(base, symbolic.positive | symbolic.nonzero) or _condition(base) is not None:
            return (_CONDITION, 0, "")
        return (_SUM if isinstance(base, sympy.Add) else _FUNCTION, 0, "")

    def _term_place(self, term: Any) -> tuple[Any, ...]:
        if not self.m_order:
            return degree(term)
        places = sorted(self._place(each) for each in term.free_symbols)
        return (sum(factors(term).values()), term.could_extract_minus_sign(), places)

    def _place(self, symbol: Any) -> tuple[int, str]:
        return (self.m_order.get(symbol.name, len(self.m_order)), symbol.name)

    def _print_positive(self, expr: Any) -> str:
        return self._bracket(expr, opposite=False)

    def _print_nonzero(self, expr: Any) -> str:
        return self._bracket(expr, opposite=False)

    def _bracket(self, guard: Any, *, opposite: bool) -> str:
        """Print a guard, or what holds where it does not."""
        left, right = comparison(guard.args[0])
        if isinstance(guard, symbolic.nonzero):
            sign = "=" if opposite else r"\neq"
        else:
            # A count that is not above 0 is 0.
            sign = ("=" if right == 0 and left.is_nonnegative else r"\leq") if opposite else ">"
        return rf"\left[{self._print(left)} {sign} {self._print(right)}\right]"

    def _print_maximum(self, expr: Any) -> str:
        return rf"\max\left({', '.join(self._print(each) for each in expr.args)}\right)"

    def _print_minimum(self, expr: Any) -> str:
        return rf"\min\left({', '.join(self._print(each) for each in expr.args)}\right)"

    def _print_ceiling(self, expr: Any, exp: Any = None) -> str:  # noqa: ARG002
        return rf"\left\lceil {self._print(expr.args[0])} \right\rceil"

    def _print_floor(self, expr: Any, exp: Any = None) -> str:  # noqa: ARG002
        return rf"\left\lfloor {self._print(expr.args[0])} \right\rfloor"

    def _print_power(self, expr: Any, exp: Any = None) -> str:  # noqa: ARG002
        base, exponent = expr.args
        return rf"\left({self._print(base)}\right)^{{{self._print(exponent)}}}"

    def _print_sum_maxima(self, expr: Any) -> str:
        last, *ends = (self._print(each) for each in expr.args)
        lines = ", ".join(rf"{ends[place]} + ({ends[place + 1]}) t" for place in range(0, len(ends), 2))
        return rf"\sum_{{t=1}}^{{{last}}} \max\left({lines}\right)"
