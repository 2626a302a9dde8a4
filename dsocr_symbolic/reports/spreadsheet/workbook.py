"""Make the workbook of a scenario: which sheets there are and how their formulas find each other."""

from dsocr_symbolic.evaluation.answer import scenario_program
from dsocr_symbolic.evaluation.estimate import estimate
from dsocr_symbolic.network.builder import model_tree
from dsocr_symbolic.reports.spreadsheet.cells import Workbook
from dsocr_symbolic.reports.spreadsheet.conventions import conventions_sheet
from dsocr_symbolic.reports.spreadsheet.excel_formula import LONGEST_FORMULA, Printer
from dsocr_symbolic.reports.spreadsheet.inputs import inputs_sheet, name_references, rules_sheet, symbol_pieces
from dsocr_symbolic.reports.spreadsheet.nodes import make_tally, nodes_sheet, tensors_sheet
from dsocr_symbolic.reports.spreadsheet.steps import StepSums
from dsocr_symbolic.reports.spreadsheet.terms import Terms
from dsocr_symbolic.scenario.scenario import Scenario, scenario_values
from dsocr_symbolic.scenario.values import chosen_slots


def make_workbook(scenario: Scenario, longest: int = LONGEST_FORMULA) -> Workbook:
    """Lay out a model as live formulas.

    Every cell carries the number that its formula gives now, so that programs which do not recalculate show
    the right one. Numbers above 2^53 are exact in no spreadsheet: there they hold to a relative error of 1e-12.

    Parameters
    ----------
    scenario : Scenario
        The question.
    longest : int
        Characters of a formula; what is longer moves to a sheet of its own.

    Returns
    -------
    Workbook
        Inputs, Nodes, Tensors, then Steps and Terms where they are needed, Rules and Conventions.

    Raises
    ------
    UserError
        If a value is not allowed or a formula file is wrong.
    """
    program, values = scenario_program(scenario), scenario_values(scenario)
    stages = model_tree(scenario.definition, chosen_slots(scenario.definition, scenario.options))
    tally = make_tally(stages, estimate(program, values))
    terms, steps = Terms(), StepSums()
    printer = Printer(symbol_pieces(scenario, values), terms.place, steps.add, longest)
    rules = rules_sheet(scenario, printer)
    inputs = inputs_sheet(scenario, values, printer, rules)
    found = [inputs, nodes_sheet(tally, printer), tensors_sheet(tally, printer), steps.sheet(), terms.sheet(), rules]
    sheets = [each for each in found if each is not None]
    sheets.append(conventions_sheet(scenario, [each.name for each in sheets]))
    return Workbook(
        title=scenario.definition.name,
        sheets=tuple(sheets),
        names=name_references(scenario, inputs.first_row),
    )
