"""Lay formulas out: the formula, the numbers put in, the result, long ones on several lines."""

import re
from collections.abc import Iterable, Sequence

import sympy
from attrs import frozen

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.algebras.value import Exact, Expr
from dsocr_symbolic.language.registry import Metric
from dsocr_symbolic.reports.formulas.alone import Alone
from dsocr_symbolic.reports.formulas.summands import Summand
from dsocr_symbolic.writing.formula_text import size
from dsocr_symbolic.writing.latex import Script, number_latex, numeric_script, width, words, written, written_lines

# As `width` gives them: a page, which is 850 pixels where letters are 16 high, a line of a formula, the gap to words
# beside it, and a line of those.
_PAGE, _LONGEST_LINE, _GAP, _LONGEST_WORDS = 112, 84, 4, 40
_MOST_SYMBOLS = 60
_TERMS_OF_A_LINE = 8
_PAGES = {"this": "see its page", "other": "its page has other sizes", "rest": "its page, less what is counted above"}


@frozen(kw_only=True)
class Scripts:
    """How one call is written: in letters, and in numbers."""

    letters: Script
    numbers: Script


def scripts_of(alone: Alone) -> Scripts:
    """Write the call in its own letters, factors in the order of its file."""
    order = {name: place for place, name in enumerate(alone.letters)}
    return Scripts(letters=Script(letters=alone.letters, order=order), numbers=numeric_script(alone.numbers, order))


def aligned(rows: Iterable[str]) -> str:
    """Put rows under one another."""
    body = " \\\\\n".join(rows)
    return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"


def _labelled(rows: list[str], label: str) -> list[str]:
    """Put words beside rows, on as many lines as they take."""
    lines = _lines(label)
    longer = [*rows, *["&" for _ in lines[len(rows) :]]]
    return [f"{row} && {words(line)}" for row, line in zip(longer, lines, strict=False)] + rows[len(lines) :]


def _lines(label: str) -> list[str]:
    """Break words behind commas, and paths behind slashes, where a line is full."""
    lines: list[str] = []
    for piece in re.findall(r".+?(?:/|, |$)", label):
        if lines and width(words(lines[-1] + piece)) <= _LONGEST_WORDS:
            lines[-1] += piece
        else:
            lines.append(piece)
    return [line.strip() for line in lines]


def _room(labels: Iterable[str]) -> float:
    """Return how long lines of a formula may be beside words."""
    widest = max((width(words(line)) for label in labels for line in _lines(label)), default=0.0)
    return min(_LONGEST_LINE, _PAGE - widest - _GAP)


def steps(
    name: str,
    expression: Expr | None,
    value: Exact,
    scripts: Scripts,
    *,
    unit: str = "",
    label: str = "",
    longest: float = _LONGEST_LINE,
) -> list[str]:
    """Write a formula, the numbers put in and the result as rows of ``aligned``: one row where it fits.

    ``name`` is LaTeX; a formula that cannot be read is None, and ``label`` stands beside the first row.
    """
    return _labelled(_steps(name, expression, value, scripts, unit=unit, longest=longest), label)


def _steps(
    name: str, expression: Expr | None, value: Exact, scripts: Scripts, *, unit: str, longest: float
) -> list[str]:
    result = _result(value, unit)
    if expression is None:
        return [f"{name} &= {result}"]
    chain = [written(expression, scripts.letters), written(expression, scripts.numbers), result]
    shown = list(dict.fromkeys(chain))
    if len(shown) > 1 and shown[-2] == number_latex(value):
        del shown[-2]
    if width(" = ".join([name, *shown])) <= longest:
        return [f"{name} &= {' = '.join(shown)}"]
    rows: list[str] = []
    for script, text in ((scripts.letters, chain[0]), (scripts.numbers, chain[1])):
        if text in shown[:-1]:
            rows += _broken(expression, script, longest - width(name))
    if rows and width(f"{rows[-1]} = {result}") <= longest - width(name):
        rows[-1] += f" = {result}"
    else:
        rows.append(rf"&= {result}")
    return [f"{name} {rows[0]}", *rows[1:]]


def _result(value: Exact, unit: str) -> str:
    return number_latex(value) + (rf"\ \text{{{unit}}}" if unit else "")


def _broken(expression: Expr, script: Script, longest: float) -> list[str]:
    first, *others = written_lines(expression, script, longest)
    return [f"&= {first}", *(rf"&\quad {{}} {line}" for line in others)]


def is_short(expression: Expr | None, scripts: Scripts) -> bool:
    """Say whether a formula fits on one line."""
    if expression is None or size(expression) > _MOST_SYMBOLS:
        return False
    return width(written(expression, scripts.letters)) <= _LONGEST_LINE


def _numbered(name: str, place: int) -> str:
    """Return the name of a summand: ``F_{TC}`` gives ``F_{TC,1}``, ``Q`` gives ``Q_{1}``."""
    if name.endswith("}"):
        return f"{name[:-1]},{place}}}"
    head, line, index = name.rpartition("_")
    return f"{head}_{{{index},{place}}}" if line else f"{name}_{{{place}}}"


def sum_rows(metric: Metric, summands: Sequence[Summand], total: Summand, scripts: Scripts) -> tuple[str, str]:
    """Write the numbered summands of a metric, and their sum: the whole in one formula where that is short."""
    names = [_numbered(metric.latex, summand.place) for summand in summands]
    rows: list[str] = []
    longest = _room(map(_label, summands))
    for name, summand in zip(names, summands, strict=True):
        rows += summand_rows(name, summand, scripts, longest=longest)
    pieces = [" + ".join(names[start : start + _TERMS_OF_A_LINE]) for start in range(0, len(names), _TERMS_OF_A_LINE)]
    added = [f"{metric.latex} &= {pieces[0]}", *(rf"&\quad {{}} + {piece}" for piece in pieces[1:])]
    if is_short(total.each, scripts):
        added += _broken(total.each, scripts.letters, _LONGEST_LINE)
    added.append(rf"&= {_result(total.value, metric.unit)}")
    return aligned(rows), aligned(added)


def _label(summand: Summand) -> str:
    return f"{summand.label}, {_PAGES[summand.page]}" if summand.page else summand.label


def summand_rows(
    name: str, summand: Summand, scripts: Scripts, *, unit: str = "", longest: float | None = None
) -> list[str]:
    """Write a summand: its formula, or a number of calls where that would fill a page and the callee has a page."""
    if longest is None:
        longest = _room([_label(summand)])
    if not summand.page or is_short(summand.each, scripts):
        how = {"unit": unit, "label": summand.label}
        return steps(name, summand.expression, summand.value, scripts, longest=longest, **how)
    label, result = _label(summand), _result(summand.value, unit)
    if summand.factor == 1 or not summand.count:
        return _labelled([f"{name} &= {result}"], label)
    letters = written(summand.factor, scripts.letters)
    factor = rf"\left({letters}\right)" if isinstance(summand.factor, sympy.Add) else letters
    each, count = number_latex(arithmetic.divide(summand.value, summand.count)), number_latex(summand.count)
    chain = [f"{times} \\cdot {each}" for times in dict.fromkeys((factor, count)) if times != "1"]
    if width(" = ".join([name, *chain, result])) <= longest:
        return _labelled([f"{name} &= {' = '.join([*chain, result])}"], label)
    first, *others = [f"&= {step}" for step in [*chain, result]]
    return _labelled([f"{name} {first}", *others], label)
