"""The sheets Inputs and Rules: a line per symbol of the model, and what its values must keep to."""

from collections.abc import Mapping, Sequence

import sympy

from dsocr_symbolic.algebras import arithmetic, symbolic
from dsocr_symbolic.algebras.value import Expr
from dsocr_symbolic.language.expression import Expression, evaluate
from dsocr_symbolic.language.registry import Quantity
from dsocr_symbolic.language.rules import BRACES
from dsocr_symbolic.questions.settings_text import Told, lifted, otherwise, setting_notes
from dsocr_symbolic.reports.spreadsheet.cells import (
    Look,
    Sheet,
    SheetCell,
    SheetColumn,
    SheetLine,
    cell_names,
    text_line,
)
from dsocr_symbolic.reports.spreadsheet.excel_formula import Piece, Printer
from dsocr_symbolic.scenario.provenance import what_was_set
from dsocr_symbolic.scenario.scenario import Scenario
from dsocr_symbolic.scenario.values import Values

INPUTS, RULES = "Inputs", "Rules"
_COLUMNS = (
    SheetColumn(title="group", width=12),
    SheetColumn(title="symbol", width=24),
    SheetColumn(title="letter", width=11),
    SheetColumn(title="meaning", width=86),
    SheetColumn(title="unit", width=9),
    SheetColumn(title="value", width=16, numbers=True),
    SheetColumn(title="config key", width=24),
    SheetColumn(title="where the value is from", width=100),
)
_VALUE = "F"
_RULE_COLUMNS = (SheetColumn(title="state", width=10), SheetColumn(title="rule", width=110))
_HOLDS, _BROKEN, _WARNS = "holds", "broken", "warning"


def symbol_pieces(scenario: Scenario, values: Values) -> dict[str, Piece]:
    """Return the name and the value of each symbol's cell."""
    named = cell_names(_shown(scenario))
    return {symbol: Piece(text=name, value=values.numbers[symbol]) for symbol, name in named.items()}


def name_references(scenario: Scenario, first_row: int) -> dict[str, str]:
    """Return the cell behind each name."""
    named = cell_names(_shown(scenario))
    return {name: f"{INPUTS}!${_VALUE}${row}" for row, name in enumerate(named.values(), start=first_row)}


def _shown(scenario: Scenario) -> Mapping[str, Quantity]:
    """Return the symbols that have a line: a workbook has no bounds, nor what stands for a symbol there."""
    return {name: known for name, known in scenario.definition.quantities.items() if not known.in_bounds_for}


def inputs_sheet(scenario: Scenario, values: Values, printer: Printer, rules: Sheet | None) -> Sheet:
    """Lay out a line per symbol below the state of the rules: inputs as numbers, what follows from them as formulas."""
    quantities = _shown(scenario)
    was_set = {name: setting.data for name, setting in what_was_set(scenario, values.numbers).items()}
    lines = [_line(name, scenario, values, was_set, printer) for name in quantities]
    workload = f", workload {scenario.workload.name}" if scenario.workload else ""
    options = ", ".join(f"{name} {option}" for name, option in scenario.options.items())
    hint = "Change the coloured cells: everything else follows. Names in formulas are the symbols."
    above = [
        text_line(f"{scenario.definition.name}{workload}, {scenario.gpu.title}", look="heading"),
        text_line(f"Choices of this workbook: {options}. Another choice is another export.", look="note"),
        text_line(hint, look="note"),
        *(text_line(note, look="note") for note in (*setting_notes(was_set), *lifted(sorted(scenario.waived)))),
    ]
    if rules is not None:
        above.append(SheetLine(cells=(rules_state(rules),)))
    return Sheet(name=INPUTS, columns=_COLUMNS, lines=tuple(lines), above=(*above, text_line()), frozen_columns=2)


def rules_sheet(scenario: Scenario, printer: Printer) -> Sheet | None:
    """Lay out rules and warnings as formulas that say whether the inputs keep to them; None if there are none."""
    definition = scenario.definition
    rules = [(rule, _BROKEN) for rule in definition.rules if rule.waived_by not in scenario.waived]
    rules += [(rule, _WARNS) for rule in definition.warnings]
    if not rules:
        return None
    lines = []
    for rule, failing in rules:
        condition = printer.piece(_expression(rule.require, scenario))
        content = _HOLDS if condition.value else failing
        state = SheetCell(content=content, formula=f'IF({condition.text}=1,"{_HOLDS}","{failing}")', look="state")
        parts = [printer.piece(_expression(part, scenario)) for part in rule.parts]
        lines.append(SheetLine(cells=(state, _said(rule.say, parts))))
    return Sheet(name=RULES, columns=_RULE_COLUMNS, lines=tuple(lines), prose=True)


def rules_state(rules: Sheet) -> SheetCell:
    """Say whether a rule is broken, or else whether there is a warning."""
    cells = f"{RULES}!A{rules.first_row}:A{rules.first_row + len(rules.lines) - 1}"
    says = {
        _BROKEN: f"A rule is broken: no number here means anything; see the sheet {RULES}.",
        _WARNS: f"All rules hold, with a warning; see the sheet {RULES}.",
    }
    text = f"All rules of the sheet {RULES} hold."
    formula = f'"{text}"'
    for state, said in reversed(says.items()):
        formula = f'IF(COUNTIF({cells},"{state}")>0,"{said}",{formula})'
    states = {line.cells[0].content for line in rules.lines}
    content = next((said for state, said in says.items() if state in states), text)
    return SheetCell(content=content, formula=formula, look="state")


def _said(sentence: str, parts: Sequence[Piece]) -> SheetCell:
    """Put formulas into a sentence, where it has braces."""
    if not parts:
        return SheetCell(content=sentence)
    texts = BRACES.sub("{}", sentence).split("{}")
    quoted = ['"' + text.replace('"', '""') + '"' for text in texts]
    formula = quoted[0] + "".join(f"&({part.text})&{text}" for part, text in zip(parts, quoted[1:], strict=True))
    numbers = [str(arithmetic.whole(part.value)) for part in parts]
    return SheetCell(content="{}".join(texts).format(*numbers), formula=formula)


def _line(name: str, scenario: Scenario, values: Values, was_set: Told, printer: Printer) -> SheetLine:
    quantity = scenario.definition.quantities[name]
    source, live = _source(name, quantity, scenario, values)
    if name in was_set:
        source = f"{source}; {otherwise(was_set[name])}"
    number = arithmetic.whole(values.numbers[name])
    if live:
        formula = printer.piece(_expression(quantity.formula, scenario)).text
        value = SheetCell(content=number, formula=formula, look="real" if quantity.real else "whole")
    elif quantity.fixed:
        value = SheetCell(content=number, look="real")
    else:
        value = SheetCell(
            content=number,
            look="input_real" if quantity.real else "input",
            least=quantity.least,
            more=quantity.above_zero,
        )
    texts: list[tuple[str, Look]] = [(quantity.group, "text"), (name, "text"), (quantity.letter, "letter")]
    texts += [(quantity.meaning, "text"), (quantity.unit, "text")]
    before = (SheetCell(content=text, look=look) for text, look in texts)
    return SheetLine(cells=(*before, value, SheetCell(content=quantity.config), SheetCell(content=source, look="note")))


def _source(name: str, quantity: Quantity, scenario: Scenario, values: Values) -> tuple[str, bool]:
    """Say where a value is from, and whether a formula gives it."""
    origin = values.origins[name]
    match origin.kind:
        case "user" | "config" | "workload":
            formula = f"; its formula is {quantity.formula.text}" if quantity.group == "derived" else ""
            workload = scenario.workload.name if scenario.workload else ""
            return (f"workload {workload}" if origin.kind == "workload" else "--set or --config") + formula, False
        case "choice":
            return f"choice {origin.name}", False
        case "machine":
            number = scenario.gpu.numbers[origin.name]
            doubt = " (unverified)" if number.unverified else ""
            return f"{scenario.gpu.title}, {number.key}{doubt}: {number.source}", False
        case "formula":
            return f"formula: {quantity.formula.text}", True
    return origin.kind, False


def _expression(formula: Expression, scenario: Scenario) -> Expr:
    scope = {name: symbolic.symbol(name) for name in scenario.definition.quantities}
    return sympy.sympify(evaluate(formula, scope, symbolic))
