"""The spreadsheet: recalculated by another program it gives what estimate() gives, whatever its inputs become.

IronCalc is that program (a third of a second for the whole model); test_libreoffice.py asks another one.
"""

import operator
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import ironcalc
import openpyxl
import pytest
import sympy
from attrs import evolve
from conftest import evaluate_model
from hypothesis import given, settings
from hypothesis import strategies as st
from xlsxwriter.utility import xl_col_to_name

from dsocr_symbolic.algebras import symbolic
from dsocr_symbolic.cli import main
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.estimate import Estimate
from dsocr_symbolic.evaluation.spelling import FUNCTIONS
from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.language.lookup import find_definition
from dsocr_symbolic.language.registry import load_conventions, load_metrics
from dsocr_symbolic.reports.spreadsheet import excel_formula
from dsocr_symbolic.reports.spreadsheet.cells import (
    Sheet,
    SheetCell,
    SheetColumn,
    SheetLine,
    Workbook,
    cell_names,
    row_ranges,
)
from dsocr_symbolic.reports.spreadsheet.excel_formula import LONGEST_FORMULA, MOST_ARGUMENTS, Piece, Printer
from dsocr_symbolic.reports.spreadsheet.file import write_workbook
from dsocr_symbolic.reports.spreadsheet.letters import letter_parts
from dsocr_symbolic.reports.spreadsheet.nodes import COLUMN_METRICS, FIRST_METRIC
from dsocr_symbolic.reports.spreadsheet.steps import StepSums, Terms
from dsocr_symbolic.reports.spreadsheet.workbook import make_workbook
from dsocr_symbolic.scenario.scenario import Scenario, make_scenario, scenario_values

EXACT = 2**53
CHANGED = {"batch": 3, "crop_columns": 2, "crop_rows": 1, "new_tokens": 100}
SIZES = {
    "hidden_size": 1536,
    "num_attention_heads": 12,
    "num_hidden_layers": 27,
    "n_routed_experts": 72,
    "clip_layers": 0,
}
RATES = {
    "weight": 1,
    "kv": 0.5,
    "flops_per_exp": 8,
    "flops_per_div": 3,
    "compute_efficiency": 0.7,
    "cuda_core_peak": 1e12,
}


class Recalculated:
    """A workbook in the engine: inputs by the names of their cells, numbers by sheet and by row and column from 1."""

    def __init__(self, workbook: Workbook) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.xlsx"
            write_workbook(workbook, path)
            self.m_model = ironcalc.load_from_xlsx(str(path))
        self.m_sheets = {each.name: place for place, each in enumerate(workbook.sheets)}
        self.m_names = workbook.names
        self.fractional = _follow_experts(workbook)
        self.m_model.evaluate()

    def change(self, inputs: Mapping[str, Any]) -> None:
        """Type numbers into cells that hold no formulas."""
        for name, value in inputs.items():
            sheet, row, column = self._place(name)
            assert self.m_model.get_cell_formula(sheet, row, column) is None, name
            self.m_model.update_cell_with_number(sheet, row, column, float(value))
        self.m_model.evaluate()

    def named(self, name: str) -> Any:
        return self.m_model.get_cell_value(*self._place(name))

    def value(self, sheet: str, row: int, column: int) -> Any:
        return self.m_model.get_cell_value(self.m_sheets[sheet], row, column)

    def _place(self, name: str) -> tuple[int, int, int]:
        found = re.fullmatch(r"(\w+)!\$([A-Z]+)\$(\d+)", self.m_names[name])
        assert found
        return self.m_sheets[found[1]], int(found[3]), ironcalc.column_number_from_name(found[2])


def scenario(changes: Mapping[str, Any] | None = None, **asked: Any) -> Scenario:
    return make_scenario(definition=find_definition("deepseek-ocr"), settings=changes, **asked)


def formulas(workbook: Workbook) -> Iterator[tuple[str, int, int, SheetCell]]:
    """Yield the sheet, row and column of every formula."""
    for sheet in workbook.sheets:
        for row, line in enumerate((*sheet.above, *sheet.lines), start=1):
            for column, cell in enumerate(line.cells, start=1):
                if cell.formula:
                    yield sheet.name, row + (row > len(sheet.above)), column, cell


def _follow_experts(workbook: Workbook) -> set[str]:
    """Return the paths of the nodes that are whole only where the expected number of experts is."""
    found: set[str] = set()
    for sheet in workbook.sheets:
        for line in sheet.lines if sheet.name == "Nodes" else ():
            if any("experts_hit" in cell.formula for cell in line.cells):
                names = line.cells[-1].content.split("/")
                found |= {"/".join(names[:depth]) for depth in range(len(names) + 1)}
    return found


def assert_same(found: Any, expected: Any, where: object, *, whole: bool = True) -> None:
    """Whole numbers below 2^53 are exact; others, and those above, agree to 1e-12."""
    if isinstance(expected, str) or (whole and isinstance(expected, int) and abs(expected) <= EXACT):
        assert found == expected, where
    else:
        assert found == pytest.approx(float(expected), rel=1e-12, abs=0), where


def assert_shows(sheet: Recalculated, expected: Estimate) -> None:
    """Compare every node's calls and metrics, and the total."""
    numbers = expected.values.numbers
    experts = [numbers[name] for name in ("prefill_experts_hit", "decode_experts_hit")]
    parts = [("", 1, expected.total), *((node.row.path, node.calls, node.metrics) for node in expected.nodes)]
    for row, (path, calls, metrics) in enumerate(parts, start=2):
        whole = path not in sheet.fractional or all(isinstance(each, int) for each in experts)
        assert_same(sheet.value("Nodes", row, FIRST_METRIC), calls, path, whole=whole)
        for column, metric in enumerate(COLUMN_METRICS, start=FIRST_METRIC + 1):
            assert_same(sheet.value("Nodes", row, column), metrics[metric], (path, metric), whole=whole)


@pytest.fixture(scope="module")
def gundam() -> Workbook:
    return make_workbook(scenario())


# recalculation


@pytest.mark.parametrize(
    ("changes", "asked"),
    [
        ({}, {}),
        ({"batch": 10**6, "new_tokens": 10**6, "weight": Fraction(1, 2)}, {"gpu": "h200"}),
        ({"batch": 3}, {"workload": "dsocr-standard-v1", "choices": {"attention": "eager", "experts": "grouped"}}),
        ({"new_tokens": 0}, {"workload": "tiny", "choices": {"precision": "autocast", "kv-dtype": "fp8"}}),
        ({}, {"layer": "decoder/moe_gate"}),
        ({"batch": 5}, {"layer": "llama/llama_attention"}),
    ],
)
def test_every_cell_holds_what_its_formula_gives(changes: dict[str, Any], asked: dict[str, Any]) -> None:
    workbook = make_workbook(scenario(changes, **asked))
    sheet = Recalculated(workbook)
    count = 0
    for name, row, column, cell in formulas(workbook):
        assert_same(sheet.value(name, row, column), cell.content, (name, row, column, cell.formula))
        count += 1
    assert count > 40


@pytest.mark.parametrize(
    "changes",
    [
        CHANGED,
        {"batch": 2000, "new_tokens": 30000, "text_tokens": 5000},
        {"crop_columns": 0, "crop_rows": 0, "new_tokens": 0, "base_size": 512},
        {**SIZES, "crop_columns": 4, "image_size": 1280},
        {**RATES, "batch": 64, "new_tokens": 4096},
        {"weight": 0.5, "autocast": 1, "logits_of_all": 0, "memory_bandwidth": 1e15, "batch": 7},
    ],
    ids=",".join,
)
def test_changed_inputs_give_what_estimate_gives(gundam: Workbook, changes: dict[str, Any]) -> None:
    sheet = Recalculated(gundam)
    before = evaluate_model()
    assert_shows(sheet, before)
    sheet.change(changes)
    expected = evaluate_model(settings=changes)
    assert expected.total != before.total
    assert_shows(sheet, expected)
    known = find_definition("deepseek-ocr").quantities
    shown = [symbol for symbol in expected.values.numbers if not known[symbol].in_bounds_for]
    for symbol, name in cell_names(shown).items():
        assert_same(sheet.named(name), expected.values.numbers[symbol], symbol)


INPUTS = st.fixed_dictionaries(
    {
        "batch": st.integers(1, 300),
        "num_experts_per_tok": st.sampled_from([6, 64]),
        "base_size": st.integers(1, 24).map(lambda count: 64 * count),
        "image_size": st.integers(1, 20).map(lambda count: 64 * count),
        "crop_columns": st.integers(1, 3),
        "crop_rows": st.integers(2, 3),
        "text_tokens": st.integers(0, 3000),
        "new_tokens": st.integers(0, 3000),
        "num_hidden_layers": st.integers(1, 40),
        "sam_window_size": st.integers(1, 40),
        "vocab_size": st.integers(1, 200000),
        "weight": st.sampled_from([0.5, 1, 2, 4]),
        "flops_per_exp": st.integers(0, 30),
        "memory_bandwidth": st.floats(1e10, 1e14),
        "cuda_core_peak": st.floats(1e9, 1e14),
    }
)


@settings(max_examples=3, deadline=None)
@given(changes=st.lists(INPUTS, min_size=2, max_size=2))
def test_any_inputs_give_what_estimate_gives(gundam: Workbook, changes: list[dict[str, Any]]) -> None:
    sheet = Recalculated(gundam)
    for each in changes:
        sheet.change(each)
        assert_shows(sheet, evaluate_model(settings=each))


def test_a_set_symbol_is_an_input_and_its_followers_follow() -> None:
    asked = scenario({}, workload="dsocr-standard-v1")
    sheet = Recalculated(make_workbook(asked))
    sheet.change({"prompt_tokens": 700, "crop_rows": 3})
    expected = evaluate_model("dsocr-standard-v1", {"prompt_tokens": 700, "crop_rows": 3})
    assert expected.values.numbers["prompt_tokens"] == 700
    assert_shows(sheet, expected)


def test_broken_rules_are_said(gundam: Workbook) -> None:
    sheet = Recalculated(gundam)
    rules = next(each for each in gundam.sheets if each.name == "Rules")
    states = {row: line.cells[1].content for row, line in enumerate(rules.lines, start=2)}
    definition = find_definition("deepseek-ocr")
    assert len(states) == len(definition.rules) + len(definition.warnings)
    assert "rule is broken" not in sheet.value("Inputs", 4, 1)
    sheet.change({"base_size": 1000, "sam_patch_size": 8, "clip_width": 512})
    broken = [said for row, said in states.items() if sheet.value("Rules", row, 1) == "broken"]
    assert len(broken) == 2
    assert broken[0].startswith("base_size is a multiple of 64")
    assert sheet.value("Rules", 2, 2).startswith("base_size is a multiple of 32: ")
    assert "rule is broken" in sheet.value("Inputs", 4, 1)


def test_a_waived_rule_is_left_out() -> None:
    workbook = make_workbook(scenario({"crop_columns": 5, "crop_rows": 5}, waived=frozenset({"allow_any_grid"})))
    rules = next(each for each in workbook.sheets if each.name == "Rules")
    definition = find_definition("deepseek-ocr")
    assert len(rules.lines) == len(definition.rules) + len(definition.warnings) - 1


def test_warnings_follow_the_inputs(gundam: Workbook) -> None:
    sheet = Recalculated(gundam)
    lines = next(each for each in gundam.sheets if each.name == "Rules").lines
    definition = find_definition("deepseek-ocr")
    # The first warning is of an engine's kernels.
    first = len(definition.rules) + 3
    assert "warning" not in sheet.value("Inputs", 4, 1)
    sheet.change({"new_tokens": 8192 - 903})
    assert sheet.value("Rules", first, 1) == "holds"
    sheet.change({"new_tokens": 8192 - 903 + 1})
    assert sheet.value("Rules", first, 1) == "warning"
    assert "8193 positions" in sheet.value("Rules", first, 2)
    assert "with a warning" in sheet.value("Inputs", 4, 1)
    assert len(lines) == len(definition.rules) + len(definition.warnings)


# printing

POWERS_OF_TWO = {"p": 1, "q": 2, "r": 8}
NUMBERS = {"a": 0, "b": 1, "c": 3, "d": 10, "fp32": 4, **POWERS_OF_TWO}
LARGEST = 10**12


def _grow(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Combine expressions; divisors are powers of two, so that float64 holds every part exactly."""
    divisor = st.sampled_from([symbolic.symbol(name) for name in POWERS_OF_TWO]) | st.sampled_from([2, 4])
    return st.one_of(
        *(st.builds(operation, inner, inner) for operation in (operator.add, operator.sub, operator.mul)),
        st.builds(operator.pow, inner, st.integers(2, 3)),
        st.builds(operator.truediv, inner, divisor),
        st.builds(symbolic.positive, inner),
        st.builds(symbolic.nonzero, inner),
        st.builds(symbolic.ceiling, inner),
        st.builds(symbolic.floor, inner),
        st.builds(sympy.Mod, inner, st.sampled_from([3, 4, symbolic.symbol("d")])),
        st.builds(symbolic.maximum, inner, inner, inner),
        st.builds(symbolic.minimum, inner, inner),
    )


LEAVES = st.sampled_from([symbolic.symbol(name) for name in NUMBERS]) | st.integers(-3, 12).map(sympy.Integer)
EXPRESSIONS = st.recursive(LEAVES, _grow, max_leaves=12)


def _at_numbers(expression: Any) -> Any:
    return expression.xreplace({symbolic.symbol(name): sympy.Integer(value) for name, value in NUMBERS.items()})


def _small(expression: Any) -> bool:
    values = [_at_numbers(each) for each in sympy.preorder_traversal(expression)]
    return all(each.is_Rational and abs(each.p) < LARGEST and each.q < LARGEST for each in values)


def _book(expressions: list[Any], longest: int = LONGEST_FORMULA) -> Workbook:
    """Lay out expressions one below the other on the sheet Values."""
    names = cell_names(NUMBERS)
    pieces = {symbol: Piece(text=name, value=NUMBERS[symbol]) for symbol, name in names.items()}
    terms, steps = Terms(), StepSums()
    printer = Printer(pieces, terms.place, steps.add, longest)
    printed = [printer.piece(each) for each in expressions]
    column = (SheetColumn(title="value", width=9),)
    values = Sheet(
        name="Values",
        columns=column,
        lines=tuple(SheetLine(cells=(SheetCell(content=p.value, formula=p.text),)) for p in printed),
    )
    inputs = Sheet(
        name="Inputs",
        columns=column,
        lines=tuple(SheetLine(cells=(SheetCell(content=each),)) for each in NUMBERS.values()),
    )
    found = [inputs, values, terms.sheet(), steps.sheet()]
    places = {name: f"Inputs!$A${row}" for row, name in enumerate(names.values(), start=2)}
    return Workbook(title="test", sheets=tuple(each for each in found if each), names=places)


@settings(max_examples=25, deadline=None)
@given(st.lists(EXPRESSIONS.filter(_small), min_size=1, max_size=20), st.sampled_from([LONGEST_FORMULA, 110]))
def test_a_formula_gives_what_its_expression_gives(expressions: list[Any], longest: int) -> None:
    workbook = _book(expressions, longest)
    sheet = Recalculated(workbook)
    assert all(len(cell.formula) < longest for *_, cell in formulas(workbook))
    for row, (expression, line) in enumerate(zip(expressions, workbook.sheets[1].lines, strict=True), start=2):
        exact = _at_numbers(expression)
        assert sheet.value("Values", row, 1) == float(exact), (expression, line.cells[0].formula)
        assert line.cells[0].content == Fraction(int(exact.p), int(exact.q))


LINES = st.lists(st.tuples(st.integers(0, 400), st.integers(0, 40)), min_size=1, max_size=4)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 60), st.sampled_from([1, 4, 7]), LINES), min_size=1, max_size=20))
def test_sums_over_steps_are_the_sums_of_their_steps(sums: list[tuple[int, int, list[tuple[int, int]]]]) -> None:
    expressions = [
        symbolic.sum_maxima(last, *(sympy.Rational(end, below) for line in lines for end in line))
        for last, below, lines in sums
    ]
    workbook = _book(expressions)
    sheet = Recalculated(workbook)
    for row, (last, below, lines) in enumerate(sums, start=2):
        expected = sum(max(start + slope * step for start, slope in lines) for step in range(1, last + 1)) / below
        assert sheet.value("Values", row, 1) == pytest.approx(expected, rel=1e-12)
        assert workbook.sheets[1].lines[row - 2].cells[0].content == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("term", [symbolic.symbol("b"), sympy.Integer(10) ** 17 + 1])
@pytest.mark.parametrize("join", [sympy.Add, symbolic.maximum])
def test_long_formulas_keep_to_the_limits_of_excel(term: Any, join: Any) -> None:
    terms = [term * symbolic.minimum(symbolic.symbol("c"), sympy.Integer(index)) for index in range(1000)]
    long = join(*terms, evaluate=False)
    workbook = _book([long, 1 / (1 + long), symbolic.positive(long - 2)])
    texts = [cell.formula for *_, cell in formulas(workbook)]
    assert max(len(text) for text in texts) < LONGEST_FORMULA
    arguments = [text.count("MIN(") for text in texts if text.startswith("MAX")]
    assert (max(arguments) == MOST_ARGUMENTS) if join is symbolic.maximum else not arguments
    assert workbook.sheets[2].name == "Terms"
    values = [_at_numbers(each) for each in terms]
    expected = float(sum(values) if join is sympy.Add else max(values))
    sheet = Recalculated(workbook)
    assert sheet.value("Values", 2, 1) == pytest.approx(expected, rel=1e-12)
    assert sheet.value("Values", 3, 1) == pytest.approx(1 / (1 + expected), rel=1e-12)
    assert sheet.value("Values", 4, 1) == (expected > 2)


def test_a_model_of_long_formulas_is_the_same_model() -> None:
    workbook = make_workbook(scenario(), longest=130)
    printed = [cell.formula for name, *_, cell in formulas(workbook) if name in ("Nodes", "Tensors", "Terms")]
    assert max(len(text) for text in printed) < 130
    assert "Terms" in [each.name for each in workbook.sheets]
    sheet = Recalculated(workbook)
    sheet.change(CHANGED)
    assert_shows(sheet, evaluate_model(settings=CHANGED))


def test_sums_of_many_cells_keep_to_the_limit_of_arguments() -> None:
    terms = Terms()
    printer = Printer({}, terms.place, StepSums().add)
    parts = [Piece(text=f"A{2 * row}", value=row) for row in range(1, 1001)]
    total = printer.total(parts)
    assert total.value == 500500
    sheet = terms.sheet()
    assert sheet
    texts = [total.text, *(line.cells[0].formula for line in sheet.lines)]
    assert all(text.count(",") < MOST_ARGUMENTS for text in texts)
    assert max(int(each) for each in re.findall(r"\bA(\d+)", "".join(texts))) == 2000


def test_every_function_of_compiled_programs_can_be_printed() -> None:
    known = {*excel_formula._MANY, *excel_formula._FEW}
    assert set(FUNCTIONS.values()) == known


# names and places


def test_cells_are_named_after_symbols() -> None:
    names = cell_names(
        ["batch", "fp32", "int64", "bool", "kv", "r", "C", "rc", "R1c2", "a1", "T", "t", "T_", "xfd1048"]
    )
    assert {symbol: name for symbol, name in names.items() if name != symbol} == {
        **{each: f"{each}_" for each in ("fp32", "int64", "r", "C", "rc", "R1c2", "a1", "t", "xfd1048")},
        "t": "t_",
        "T_": "T__",
    }


@pytest.mark.filterwarnings("error")
def test_every_symbol_of_every_layer_can_be_a_name(tmp_path: Path) -> None:
    import xlsxwriter

    symbols = {*find_definition("deepseek-ocr").quantities}
    symbols |= {name for formula in load_library().formulas.values() for name in formula.symbols}
    with xlsxwriter.Workbook(tmp_path / "names.xlsx") as book:
        book.add_worksheet("Inputs")
        for name in cell_names(sorted(symbols)).values():
            assert book.define_name(name, "=Inputs!$A$1") == 0


@given(st.integers(0, 16383))
def test_letters_of_columns(column: int) -> None:
    assert ironcalc.column_number_from_name(xl_col_to_name(column)) == column + 1


@given(st.sets(st.integers(1, 60)))
def test_ranges_cover_their_rows_once(rows: set[int]) -> None:
    ranges = row_ranges(2, rows)
    assert sorted(row for _, covered in ranges for row in covered) == sorted(rows)
    for text, covered in ranges:
        assert text == (f"C{covered[0]}:C{covered[-1]}" if len(covered) > 1 else f"C{covered[0]}")
        assert covered[-1] + 1 not in rows


# the file


@pytest.fixture(scope="module")
def opened(gundam: Workbook, tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("look") / "model.xlsx"
    write_workbook(gundam, path)
    return openpyxl.load_workbook(path)


def test_inputs_say_what_every_symbol_is(opened: Any) -> None:
    definition = find_definition("deepseek-ocr")
    values = scenario_values(scenario())
    rows = [[cell.value for cell in row] for row in opened["Inputs"].iter_rows(min_row=7)]
    shown = {name: known for name, known in definition.quantities.items() if not known.in_bounds_for}
    assert [row[1] for row in rows] == list(shown)
    for group, symbol, letter, meaning, unit, value, config, source in rows:
        quantity = definition.quantities[symbol]
        assert (group, meaning, letter or "", unit or "", config or "") == (
            *(quantity.group, quantity.meaning),
            *("".join(text for text, _ in letter_parts(quantity.letter)), quantity.unit, quantity.config),
        )
        assert source
        assert str(value).startswith("=") or value == pytest.approx(float(values.numbers[symbol]), rel=1e-15, abs=0)
    formula = {row[1]: row[5] for row in rows if str(row[5]).startswith("=")}
    assert set(formula) == {
        *(name for name, each in shown.items() if each.group == "derived"),
        *("chunk_tokens", "max_num_batched_tokens", "max_model_len", "wide", "capacity", "on_chip"),
        *("encoder_weight", "norm_weight", "router_weight", "graph_bytes"),
    }
    assert formula["prompt_tokens"] == "=image_tokens+text_tokens"
    assert {row[4] for row in rows if row[4]} == {
        "1/h",
        "byte",
        "byte/s",
        "element/s",
        "FLOP",
        "FLOP/s",
        "Hz",
        "pixel",
        "s",
        "W",
    }


def test_only_inputs_are_coloured_and_they_take_only_what_is_allowed(opened: Any) -> None:
    sheet = opened["Inputs"]
    definition = find_definition("deepseek-ocr")
    checked = {str(each.sqref): each for each in sheet.data_validations.dataValidation}
    for row in sheet.iter_rows(min_row=7):
        symbol, value = row[1].value, row[5]
        quantity = definition.quantities[symbol]
        settable = not quantity.fixed and not str(value.value).startswith("=")
        assert (value.fill.fill_type == "solid") == settable, symbol
        assert (value.coordinate in checked) == settable, symbol
        if settable:
            rule = checked[value.coordinate]
            assert rule.type == ("decimal" if quantity.real else "whole")
            assert rule.operator == ("greaterThan" if quantity.above_zero else "greaterThanOrEqual")
            assert rule.formula1 == str(quantity.least)


def test_nodes_are_a_table_of_the_tree(opened: Any) -> None:
    sheet, metrics = opened["Nodes"], load_metrics()
    header = [cell.value for cell in sheet[1]]
    assert header[:FIRST_METRIC] == ["node", "layer", "class", "category", "calls"]
    assert header[FIRST_METRIC:-1] == [f"{name}\n[{metrics[name].unit}]" for name in COLUMN_METRICS]
    expected = evaluate_model()
    assert sheet.max_row == len(expected.nodes) + 2
    for row, node in zip(sheet.iter_rows(min_row=3), expected.nodes, strict=True):
        name, layer, class_name, category = (cell.value for cell in row[:4])
        depth = node.row.path.count("/") + 1
        assert (name, layer, class_name or "") == (node.row.path.split("/")[-1], node.row.layer, node.row.class_name)
        assert category == (node.row.category if node.row.aten else None)
        assert row[-1].value == node.row.path
        assert row[0].alignment.indent == depth
        assert sheet.row_dimensions[row[0].row].outlineLevel == min(depth, 7)
    kernel = next(row for row in sheet.iter_rows() if row[-1].value == "prefill/layers.1-11/mlp/gate/scores")
    assert kernel[FIRST_METRIC].value == (
        "=2*batch*hidden_size*n_routed_experts*prompt_tokens*(num_hidden_layers-first_k_dense_replace)"
    )


def test_headers_stay_in_view_and_numbers_have_units(opened: Any) -> None:
    assert opened.sheetnames == [*("Answer", "Inputs", "Nodes", "Tensors", "Memory", "Steps", "Rules", "Conventions")]
    assert opened["Answer"].freeze_panes == "B3"
    assert opened["Nodes"].freeze_panes == "B3"
    assert opened["Inputs"].freeze_panes == "C7"
    assert all(sheet.freeze_panes for sheet in opened)
    assert all(sheet.column_dimensions["A"].width > 8 for sheet in opened)


def test_conventions_say_everything(opened: Any) -> None:
    about = [tuple(cell.value for cell in row) for row in opened["Conventions"].iter_rows(min_row=2)]
    texts = [text for _, text in about]
    assert set(load_conventions().statements) <= set(texts)
    assert {f"{name} [{load_metrics()[name].unit}]" for name in COLUMN_METRICS} <= {name for name, _ in about}
    assert {f"sheet {name}" for name in opened.sheetnames if name != "Conventions"} <= {name for name, _ in about}
    assert "2^53" in dict(about)["digits"]
    formula = re.search(r"=SUMIF\(Nodes!(\w):\w,\"attention\",Nodes!(\w):\w\)", dict(about)["rows by category"])
    assert formula
    assert [opened["Nodes"][f"{column}1"].value.split("\n")[0] for column in formula.groups()] == [
        "category",
        "forward_tensor_core_flops",
    ]


def test_columns_are_metrics_that_add_up() -> None:
    metrics = load_metrics()
    assert {metrics[name].kind for name in COLUMN_METRICS} == {"flow", "stock", "time"}


def test_the_same_question_gives_the_same_bytes(tmp_path: Path) -> None:
    # What was typed is part of the workbook.
    workbook = make_workbook(evolve(scenario({}), command="dsocr export --xlsx there.xlsx"))
    write_workbook(workbook, tmp_path / "here.xlsx")
    code = "from dsocr_symbolic.cli import main; main()"
    command = [sys.executable, "-c", code, "export", "--xlsx", "there.xlsx"]
    environment = {**os.environ, "PYTHONHASHSEED": "7", "PYTHONPATH": str(Path(__file__).parent.parent)}
    subprocess.run(command, check=True, capture_output=True, env=environment, cwd=tmp_path)
    assert (tmp_path / "here.xlsx").read_bytes() == (tmp_path / "there.xlsx").read_bytes()


# the command


def run(*arguments: str | Path) -> Any:
    with pytest.raises(SystemExit) as stop:
        main([str(each) for each in arguments])
    return stop.value.code


def test_export_writes_a_workbook_of_the_question(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "model.xlsx"
    assert run("export", "--xlsx", path, "--layer", "moe_gate", "--set", "tokens=4", "--gpu", "h200") == 0
    said = capsys.readouterr()
    assert said.out.startswith(f"{path}: Answer (")
    assert said.err == ""
    title = openpyxl.load_workbook(path)["Inputs"]["A1"].value
    assert title == "deepseek-ocr, NVIDIA H200 SXM 141GB"
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_there_is_replaced_only_when_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "model.xlsx"
    path.write_text("mine")
    assert run("export", "--xlsx", path, "--layer", "moe_gate") == 2
    assert capsys.readouterr().err == f"dsocr: {path}: exists already; give --force to replace it\n"
    assert path.read_text() == "mine"
    assert run("export", "--xlsx", path, "--layer", "moe_gate", "--force") == 0
    assert openpyxl.load_workbook(path).sheetnames[0] == "Answer"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("model.xls", "ends in .xlsx"),
        ("nowhere/model.xlsx", "is no folder; make it first"),
        ("file.txt/model.xlsx", "is no folder; make it first"),
        ("folder.xlsx", "is a folder; name a file"),
    ],
)
def test_places_where_no_workbook_can_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str, words: str
) -> None:
    (tmp_path / "file.txt").touch()
    (tmp_path / "folder.xlsx").mkdir()
    before = sorted(tmp_path.iterdir())
    assert run("export", "--xlsx", tmp_path / name) == 2
    said = capsys.readouterr()
    assert (said.out, said.err.count("\n")) == ("", 1)
    assert words in said.err
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("step", ["write_bytes", "replace"])
def test_a_file_is_written_whole_or_not_at_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str) -> None:
    path = tmp_path / "model.xlsx"
    path.write_text("mine")

    def fail(draft: Path, *_: Any) -> None:
        draft.touch()
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, step, fail)
    with pytest.raises(UserError, match=r"model\.xlsx: cannot be written: No space left on device; name another file"):
        write_workbook(_book([sympy.S.One]), path, force=True)
    assert [each.name for each in tmp_path.iterdir()] == ["model.xlsx"]
    assert path.read_text() == "mine"


def test_a_layer_has_no_workload(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("export", "--xlsx", tmp_path / "a.xlsx", "--layer", "moe_gate", "--workload", "tiny") == 2
    assert "it has no --workload" in capsys.readouterr().err


def test_equal_workbooks_differ_from_others(gundam: Workbook) -> None:
    assert gundam == make_workbook(scenario())
    assert gundam != evolve(gundam, title="other")
