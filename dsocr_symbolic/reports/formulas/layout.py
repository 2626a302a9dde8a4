"""Lay formulas out: the formula, the numbers put in, the result, long ones on several lines."""

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

# In ex; about three quarters of the text of a page, for words stand beside it.
_LONGEST_LINE = 84
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


def steps(
    name: str, expression: Expr | None, value: Exact, scripts: Scripts, *, unit: str = "", label: str = ""
) -> list[str]:
    """Write a formula, the numbers put in and the result as rows of ``aligned``: one row where it fits.

    ``name`` is LaTeX; a formula that cannot be read is None, and ``label`` stands beside the first row.
    """
    result = _result(value, unit)
    beside = rf" && {words(label)}" if label else ""
    if expression is None:
        return [f"{name} &= {result}{beside}"]
    chain = [written(expression, scripts.letters), written(expression, scripts.numbers), result]
    shown = list(dict.fromkeys(chain))
    if len(shown) > 1 and shown[-2] == number_latex(value):
        del shown[-2]
    if width(" = ".join([name, *shown])) <= _LONGEST_LINE:
        return [f"{name} &= {' = '.join(shown)}{beside}"]
    rows: list[str] = []
    for script, text in ((scripts.letters, chain[0]), (scripts.numbers, chain[1])):
        if text in shown[:-1]:
            rows += _broken(expression, script)
    if rows and width(f"{rows[-1]} = {result}") <= _LONGEST_LINE:
        rows[-1] += f" = {result}"
    else:
        rows.append(rf"&= {result}")
    return [f"{name} {rows[0]}{beside}", *rows[1:]]


def _result(value: Exact, unit: str) -> str:
    return number_latex(value) + (rf"\ \text{{{unit}}}" if unit else "")


def _broken(expression: Expr, script: Script) -> list[str]:
    first, *others = written_lines(expression, script, _LONGEST_LINE)
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
    for name, summand in zip(names, summands, strict=True):
        rows += summand_rows(name, summand, scripts)
    pieces = [" + ".join(names[start : start + _TERMS_OF_A_LINE]) for start in range(0, len(names), _TERMS_OF_A_LINE)]
    added = [f"{metric.latex} &= {pieces[0]}", *(rf"&\quad {{}} + {piece}" for piece in pieces[1:])]
    if is_short(total.each, scripts):
        added += _broken(total.each, scripts.letters)
    added.append(rf"&= {_result(total.value, metric.unit)}")
    return aligned(rows), aligned(added)


def summand_rows(name: str, summand: Summand, scripts: Scripts, *, unit: str = "") -> list[str]:
    """Write a summand: its formula, or a number of calls where that would fill a page and the callee has a page."""
    if not summand.page or is_short(summand.each, scripts):
        return steps(name, summand.expression, summand.value, scripts, unit=unit, label=summand.label)
    label, result = words(f"{summand.label}, {_PAGES[summand.page]}"), _result(summand.value, unit)
    if summand.factor == 1 or not summand.count:
        return [f"{name} &= {result} && {label}"]
    letters = written(summand.factor, scripts.letters)
    factor = rf"\left({letters}\right)" if isinstance(summand.factor, sympy.Add) else letters
    each, count = number_latex(arithmetic.divide(summand.value, summand.count)), number_latex(summand.count)
    chain = [f"{times} \\cdot {each}" for times in dict.fromkeys((factor, count)) if times != "1"]
    return [f"{name} &= {' = '.join([*chain, result])} && {label}"]
