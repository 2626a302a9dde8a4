"""Print expressions as MathML, with a place for each symbol that the page fills with its letter or its number."""

import re
from collections.abc import Mapping, Sequence
from html import escape

import sympy
from attrs import frozen

from dsocr_symbolic.algebras import symbolic
from dsocr_symbolic.algebras.value import Expr
from dsocr_symbolic.evaluation.spelling import Spelling
from dsocr_symbolic.writing.formula_text import compact, comparison, degree

SUM, PRODUCT, ATOM = range(3)
_MINUS = "<mo>\N{MINUS SIGN}</mo>"
_TIMES = "<mo>\N{DOT OPERATOR}</mo>"
_COMMA = "<mo>,</mo>"
# Functions as they stand around their arguments.
_CALLED: Mapping[str, str] = {
    "maximum": "<mo>max</mo><mo>(</mo>{}<mo>)</mo>",
    "minimum": "<mo>min</mo><mo>(</mo>{}<mo>)</mo>",
    "ceiling": "<mo>\N{LEFT CEILING}</mo>{}<mo>\N{RIGHT CEILING}</mo>",
    "floor": "<mo>\N{LEFT FLOOR}</mo>{}<mo>\N{RIGHT FLOOR}</mo>",
}
_BETWEEN: Mapping[str, str] = {
    "positive": "<mo>[</mo>{}<mo>&gt;</mo>{}<mo>]</mo>",
    "nonzero": "<mo>[</mo>{}<mo>\N{NOT EQUAL TO}</mo>{}<mo>]</mo>",
    "modulo": "<mo>(</mo>{}<mo>mod</mo>{}<mo>)</mo>",
}
# Greek letters stand in order from alpha on; a few commands print otherwise.
_GREEK = (
    "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi omicron pi rho varsigma sigma tau"
    " upsilon phi chi psi omega"
)
_COMMANDS: Mapping[str, str] = {
    **{name: chr(ord("\N{GREEK SMALL LETTER ALPHA}") + place) for place, name in enumerate(_GREEK.split())},
    "vartheta": "\N{GREEK THETA SYMBOL}",
    "infty": "\N{INFINITY}",
    "div": "\N{DIVISION SIGN}",
    "sqrt": "\N{SQUARE ROOT}",
    "min": "min",
    "max": "max",
}
_TOKEN = re.compile(r"\\[a-zA-Z]+|[{}_^']|[^\\{}_^'\s]+")


@frozen(kw_only=True)
class Markup:
    """A part in MathML; a minus that it begins with stands apart."""

    text: str
    rank: int = ATOM
    negative: bool = False


def as_mathml(expression: Expr, places: Mapping[str, int]) -> str:
    """Print an expression as shortly as a person would, symbols as ``{place}``."""
    return _signed(_MathMl(places).part(compact(expression)))


def letter_markup(letter: str, name: str) -> str:
    """Print the letter of a symbol, written in a little LaTeX; without one its name."""
    if not letter:
        return f"<mi>{escape(name)}</mi>"
    return _scripted(list(_TOKEN.findall(letter)))


def _scripted(tokens: list[str]) -> str:
    """Print atoms with what stands below and above them, until a closing brace."""
    shown = ""
    while tokens and tokens[0] != "}":
        base, below, above = _atom(tokens), "", ""
        while tokens and tokens[0] in ("_", "^", "'"):
            kind = tokens.pop(0)
            script = "<mo>\N{PRIME}</mo>" if kind == "'" else _atom(tokens)
            below, above = (script, above) if kind == "_" else (below, above + script)
        parts = [base, *(script for script in (below, above) if script)]
        tag = "msubsup" if below and above else "msub" if below else "msup"
        shown += f"<{tag}>{''.join(parts)}</{tag}>" if len(parts) > 1 else base
    return f"<mrow>{shown}</mrow>"


def _atom(tokens: list[str]) -> str:
    if not tokens:
        return "<mrow></mrow>"
    token = tokens.pop(0)
    if token == "{":  # noqa: S105 - no password
        inside = _scripted(tokens)
        if tokens:
            tokens.pop(0)
        return inside
    if token.startswith("\\"):
        return f"<mi>{_COMMANDS[token[1:]]}</mi>"
    return f"<mn>{token}</mn>" if token.isdigit() else f"<mi>{escape(token)}</mi>"


class _MathMl(Spelling[Markup]):
    """Writes sums, products and functions as people do."""

    def __init__(self, places: Mapping[str, int]) -> None:
        self.m_places = places

    def number(self, value: Expr) -> Markup:
        """Write digits, or a fraction."""
        text = f"<mn>{abs(value.p)}</mn>"
        text = text if value.q == 1 else f"<mfrac>{text}<mn>{value.q}</mn></mfrac>"
        return Markup(text=text, negative=bool(value < 0))

    def factor(self, whole: int) -> Markup:
        """Write digits; of -1 the sign alone."""
        return Markup(text="" if whole == -1 else f"<mn>{abs(whole)}</mn>", negative=whole < 0)

    def real(self, value: float) -> Markup:
        """Write digits."""
        return Markup(text=f"<mn>{abs(value):g}</mn>", negative=value < 0)

    def symbol(self, name: str) -> Markup:
        """Leave a place."""
        return Markup(text=f"{{{self.m_places[name]}}}" if name in self.m_places else f"<mi>{escape(name)}</mi>")

    def in_order(self, parts: Sequence[Expr]) -> Sequence[Expr]:
        """Write numbers first, then symbols, functions, sums; terms of low degree first."""
        if any(part.is_Add for part in parts) or not any(part.is_Mul for part in parts):
            return sorted(parts, key=lambda part: (not part.is_number, not part.is_Symbol, part.is_Add, str(part)))
        return sorted(parts, key=degree)

    def added(self, parts: Sequence[Markup]) -> Markup:
        """Write terms with their signs, one that is added first."""
        parts = sorted(parts, key=lambda part: part.negative)
        text = _signed(parts[0])
        for part in parts[1:]:
            text += (_MINUS if part.negative else "<mo>+</mo>") + _bracketed(part, PRODUCT if part.negative else SUM)
        return Markup(text=text, rank=SUM)

    def product(self, above: Sequence[Markup], below: Sequence[Markup]) -> Markup:
        """Write factors, or a fraction."""
        negative = sum(part.negative for part in above) % 2 == 1
        top = _factors(above, alone=bool(below)) or "<mn>1</mn>"
        if not below:
            return Markup(text=top, rank=PRODUCT, negative=negative)
        bottom = _factors(below, alone=True)
        return Markup(text=f"<mfrac><mrow>{top}</mrow><mrow>{bottom}</mrow></mfrac>", negative=negative)

    def raised(self, base: Markup, exponent: int) -> Markup:
        """Write a power."""
        return Markup(text=f"<msup><mrow>{_bracketed(base, ATOM)}</mrow><mn>{exponent}</mn></msup>")

    def steps(self, last: Markup, lines: Sequence[tuple[Markup, Markup]]) -> Markup:
        """Write a sum over steps."""
        heights = _COMMA.join(
            f"{_signed(start)}<mo>+</mo>{_bracketed(slope, PRODUCT)}<mi>t</mi>" for start, slope in lines
        )
        index = "<mrow><mi>t</mi><mo>=</mo><mn>1</mn></mrow>"
        text = f"<munderover><mo>\N{N-ARY SUMMATION}</mo>{index}<mrow>{_signed(last)}</mrow></munderover>"
        return Markup(text=f"{text}<mo>max</mo><mo>(</mo>{heights}<mo>)</mo>", rank=PRODUCT)

    def arguments(self, call: Expr) -> Sequence[Expr]:
        """Split what a guard compares with 0."""
        guard = isinstance(call, symbolic.positive | symbolic.nonzero)
        arguments: Sequence[Expr] = comparison(call.args[0]) if guard else call.args
        return [sympy.sympify(argument) for argument in arguments]

    def called(self, function: str, arguments: Sequence[Markup]) -> Markup:
        """Write a function around its arguments."""
        texts = [_signed(argument) for argument in arguments]
        if function == "power":
            return Markup(text=f"<msup><mrow><mo>(</mo>{texts[0]}<mo>)</mo></mrow><mrow>{texts[1]}</mrow></msup>")
        if function in _BETWEEN:
            return Markup(text=_BETWEEN[function].format(*texts))
        return Markup(text=_CALLED[function].format(_COMMA.join(texts)))


def _signed(part: Markup) -> str:
    return f"{_MINUS}{part.text or '<mn>1</mn>'}" if part.negative else part.text


def _bracketed(part: Markup, rank: int) -> str:
    return part.text if part.rank >= rank else f"<mo>(</mo>{part.text}<mo>)</mo>"


def _factors(parts: Sequence[Markup], *, alone: bool) -> str:
    """Join factors; a sum that nothing is beside needs no parentheses in a fraction."""
    shown = [part for part in parts if part.text]
    if alone and len(shown) == 1:
        return shown[0].text
    return _TIMES.join(_bracketed(part, PRODUCT) for part in shown)
