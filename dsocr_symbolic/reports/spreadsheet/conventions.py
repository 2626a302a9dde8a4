"""The sheet Conventions: what every number rests on, what the columns mean, how exact a spreadsheet is."""

from dsocr_symbolic.language.registry import load_conventions, load_metrics
from dsocr_symbolic.reports.spreadsheet import inputs, nodes, steps, terms
from dsocr_symbolic.reports.spreadsheet.cells import Column, Line, Sheet, column_letters, text_line
from dsocr_symbolic.scenario.scenario import Scenario
from dsocr_symbolic.version import __version__

NAME = "Conventions"


_COLUMNS = (Column(title="about", width=32), Column(title="what holds", width=130))


_CATEGORY, _FIRST = column_letters(nodes.CATEGORY), column_letters(nodes.FIRST_METRIC)


_SUM_OF_ATTENTION = f'=SUMIF({nodes.NODES}!{_CATEGORY}:{_CATEGORY},"attention",{nodes.NODES}!{_FIRST}:{_FIRST})'


_SHEETS = {
    inputs.INPUTS: "a line per symbol; change the coloured cells, the rest are formulas and definitions",
    nodes.NODES: (
        "a line per node of the model, each with all its calls and repeats; operators are formulas of the symbols, "
        "layers add up their children; the outline at the left folds what is below a node"
    ),
    nodes.TENSORS: (
        "a line per tensor that a node owns and per place that declares it; two lines of one name are one tensor, "
        "which a sum counts once, in its last state"
    ),
    steps.NAME: (
        "sums over decode steps of the slowest resource: lines (seconds at step 0, seconds per step), and the parts "
        "between their crossings, in each of which one line is the highest; an empty part begins behind the last step"
    ),
    terms.NAME: "parts of formulas that would be longer than a spreadsheet takes",
    inputs.RULES: "what the inputs must keep to; numbers of inputs that break a rule mean nothing",
}


_NOTES = {
    "digits": (
        "A spreadsheet computes in float64. Whole numbers made of whole numbers are exact up to 2^53 (about "
        "9.007e15). Above, and where a part is no whole number (expected experts), a number is right to a relative "
        "error of 1e-12, and only 15 digits are shown. dsocr itself is exact."
    ),
    "choices": (
        "Kernels, dtypes and which layers there are were chosen for this workbook; another choice is another export. "
        "Names of nodes, such as layers.1-11, are those of the exported sizes."
    ),
    "rows by category": (f"{_SUM_OF_ATTENTION} adds up a category: only operators have one"),
}


def conventions_sheet(scenario: Scenario, sheets: list[str]) -> Sheet:
    """Lay out the conventions; `sheets` are those that the workbook has."""
    lines: list[Line] = [
        text_line("made by", f"dsocr {__version__}: dsocr export"),
        text_line("model", f"{scenario.definition.name}: {scenario.definition.summary}"),
    ]
    lines += [text_line(f"sheet {name}", about) for name, about in _SHEETS.items() if name in sheets]
    lines += [text_line(name, text) for name, text in _NOTES.items()]
    lines += [text_line("convention", each) for each in load_conventions().statements]
    lines += [text_line(f"{each.name} [{each.unit}]", each.definition) for each in nodes.column_metrics()]
    others = [each for each in load_metrics().values() if each.name not in nodes.COLUMN_METRICS]
    lines.append(text_line("metrics without a column", ", ".join(each.name for each in others)))
    return Sheet(name=NAME, columns=_COLUMNS, lines=tuple(lines), prose=True)
