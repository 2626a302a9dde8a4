"""Make the workbook of a scenario: which sheets there are, how their formulas find each other, what they rest on."""

from dsocr_symbolic.evaluation.answer import scenario_program
from dsocr_symbolic.evaluation.estimate import estimate
from dsocr_symbolic.language.registry import load_conventions, load_metrics
from dsocr_symbolic.network.fold import Fold
from dsocr_symbolic.network.leaves import Whole, leaves_of, stocks_of
from dsocr_symbolic.network.model_tree import model_tree
from dsocr_symbolic.network.node import walk
from dsocr_symbolic.reports.spreadsheet import inputs, nodes, steps
from dsocr_symbolic.reports.spreadsheet.answer import ANSWER, AnswerSource, answer_sheet
from dsocr_symbolic.reports.spreadsheet.cells import Sheet, SheetCell, SheetColumn, SheetLine, Workbook, text_line
from dsocr_symbolic.reports.spreadsheet.excel_formula import LONGEST_FORMULA, Printer
from dsocr_symbolic.reports.spreadsheet.memory import MEMORY, memory_sheet
from dsocr_symbolic.scenario.scenario import Scenario, scenario_values
from dsocr_symbolic.scenario.values import chosen_slots
from dsocr_symbolic.version import __version__

_COLUMNS = (SheetColumn(title="about", width=32), SheetColumn(title="what holds", width=130))
_SHEETS = {
    ANSWER: "the answer: four numbers, what each stage costs, its memory; all follow the inputs",
    inputs.INPUTS: "a line per symbol; change the coloured cells, the rest are formulas and definitions",
    nodes.NODES: (
        "a line per node of the model, each with all its calls and repeats; operators are formulas of the symbols, "
        "layers add up their children; the outline at the left folds what is below a node"
    ),
    nodes.TENSORS: (
        "a line per tensor that a node owns and per place that declares it; two lines of one name are one tensor, "
        "which a sum counts once, in its last state"
    ),
    MEMORY: (
        "bytes of activations that live while each node runs: an operator's own or those of the child that holds "
        "most, and what its caller keeps meanwhile; workspaces and fragmentation are not modelled"
    ),
    steps.STEPS: (
        "sums over decode steps of the slowest resource: lines (seconds at step 0, seconds per step), and the parts "
        "between their crossings, in each of which one line is the highest; an empty part begins behind the last step"
    ),
    steps.TERMS: "parts of formulas that would be longer than a spreadsheet takes",
    inputs.RULES: "what the inputs must keep to: numbers of inputs that break a rule mean nothing; and warnings",
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
    "rows by category": f"{nodes.SUM_OF_ATTENTION} adds up a category: only operators have one",
}


def make_workbook(scenario: Scenario, longest: int = LONGEST_FORMULA) -> Workbook:
    """Lay out a model as live formulas; one of more than ``longest`` characters moves in part to a sheet of its own.

    Every cell carries the number that its formula gives now, so that programs which do not recalculate show
    the right one. Numbers above 2^53 are exact in no spreadsheet: there they hold to a relative error of 1e-12.
    """
    program, values = scenario_program(scenario), scenario_values(scenario)
    # No column is of a training step.
    stages = model_tree(scenario.definition, chosen_slots(scenario.definition, scenario.options), training=False)
    fold = Fold(leaves_of(stages, whole=Whole(definition=scenario.definition, stages=stages)))
    terms, sums = steps.Terms(), steps.StepSums()
    pieces, result = inputs.symbol_pieces(scenario, values), estimate(program, values)
    printer = Printer(pieces, terms.place, sums.add, longest)
    rules = inputs.rules_sheet(scenario, printer)
    symbols = inputs.inputs_sheet(scenario, values, printer, rules)
    costs = [nodes.nodes_sheet(fold, result, printer)]
    costs.append(nodes.tensors_sheet(fold, stocks_of(walk(stages)), printer))
    labels = ["", *(node.label or node.row.path for node in result.nodes)]
    memory, live = memory_sheet(fold, labels, printer)
    state = inputs.rules_state(rules) if rules else SheetCell()
    first = answer_sheet(
        AnswerSource(scenario=scenario, result=result, fold=fold, symbols=pieces, live=live, state=state)
    )
    others = (symbols, *costs, memory, sums.sheet(), terms.sheet(), rules)
    sheets = [first, *(sheet for sheet in others if sheet is not None)]
    return Workbook(
        title=scenario.definition.name,
        sheets=(*sheets, _conventions_sheet(scenario, [sheet.name for sheet in sheets])),
        names=inputs.name_references(scenario, symbols.first_row),
    )


def _conventions_sheet(scenario: Scenario, sheets: list[str]) -> Sheet:
    """Lay out what every number rests on, what sheets and columns mean, and how exact a spreadsheet is."""
    columns = nodes.column_metrics()
    others = [name for name in load_metrics() if name not in nodes.COLUMN_METRICS]
    lines: list[SheetLine] = [
        text_line("made by", f"dsocr {__version__}: {scenario.command or 'dsocr export'}"),
        text_line("model", f"{scenario.definition.name}: {scenario.definition.summary}"),
        *(text_line(f"sheet {name}", about) for name, about in _SHEETS.items() if name in sheets),
        *(text_line(name, text) for name, text in _NOTES.items()),
        *(text_line("convention", statement) for statement in load_conventions().statements),
        *(text_line(f"{metric.name} [{metric.unit}]", metric.definition) for metric in columns),
        text_line("metrics without a column", ", ".join(others)),
    ]
    return Sheet(name="Conventions", columns=_COLUMNS, lines=tuple(lines), prose=True)
