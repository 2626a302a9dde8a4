"""The first sheet of the workbook is the answer, in units for people, and follows the inputs."""

from collections.abc import Mapping
from typing import Any

import ironcalc
import openpyxl
import pytest
from conftest import evaluate_model
from test_spreadsheet import Recalculated, scenario

from dsocr_symbolic.algebras import symbolic
from dsocr_symbolic.questions.capacity import fit
from dsocr_symbolic.reports.spreadsheet.answer import ANSWER
from dsocr_symbolic.reports.spreadsheet.cells import Workbook
from dsocr_symbolic.reports.spreadsheet.excel_formula import Piece, Printer
from dsocr_symbolic.reports.spreadsheet.file import write_workbook
from dsocr_symbolic.reports.spreadsheet.letters import letter_parts
from dsocr_symbolic.reports.spreadsheet.workbook import make_workbook

CARDS, STAGES, MEMORY = 7, 10, 17
COLUMNS = {
    "forward_tensor_core_flops": 3,
    "forward_cuda_core_flops": 4,
    "forward_io_bytes": 5,
    "operator_launches": 6,
    "forward_weight_bytes": 7,
    "forward_kv_cache_bytes": 8,
}
# What is asked, and whether it fits.
ASKED = [
    ({}, True),
    ({"batch": 8}, True),
    ({"batch": 400, "new_tokens": 4096}, False),
    ({"new_tokens": 0}, True),
    ({"crop_columns": 0, "crop_rows": 0, "batch": 2}, True),
    ({"activation": 4, "kv": 1, "clip_layers": 0, "batch": 3}, True),
]


@pytest.fixture(scope="module")
def workbook() -> Workbook:
    return make_workbook(scenario())


@pytest.fixture(scope="module")
def sheet(workbook: Workbook) -> Recalculated:
    return Recalculated(workbook)


@pytest.fixture(scope="module")
def opened(workbook: Workbook, tmp_path_factory: pytest.TempPathFactory) -> Any:
    path = tmp_path_factory.mktemp("answer") / "model.xlsx"
    write_workbook(workbook, path)
    return openpyxl.load_workbook(path)


def close(value: Any) -> Any:
    return pytest.approx(float(value), rel=1e-12)


@pytest.mark.parametrize(("changes", "fits"), ASKED, ids=str)
def test_the_answer_is_that_of_totals(sheet: Recalculated, changes: Mapping[str, Any], fits: bool) -> None:
    sheet.change({"batch": 1, "new_tokens": 512, "crop_columns": 3, "crop_rows": 2, "clip_layers": 24})
    sheet.change({"activation": 2, "kv": 2} | dict(changes))
    expected = evaluate_model(settings=changes)

    def at(row: int, column: int) -> Any:
        return sheet.value(ANSWER, row, column)

    parts = {**expected.stages, "total": expected.total}
    for row, (name, metrics) in enumerate(parts.items(), start=STAGES):
        assert at(row, 1) == name
        for metric, column in COLUMNS.items():
            assert at(row, column) == close(metrics[metric]), (name, metric)
        assert at(row, 9) == close(metrics["roofline_s"] * 1e6)
        assert at(row, 10) == close(metrics["roofline_s"] / expected.total["roofline_s"])
    memory = fit(scenario(changes))
    peaks = [at(row, 5) for row in range(MEMORY, MEMORY + len(expected.stages))]
    for row, (name, metrics) in enumerate(expected.stages.items(), start=MEMORY):
        assert at(row, 1) == name
        assert at(row, 2) + at(row, 3) + at(row, 4) == at(row, 5) == close(metrics["peak_memory_bytes"])
        assert at(row, 6) == close(metrics["peak_memory_bytes"] / memory.capacity_bytes)
    ttft, tpot = expected.total["ttft_s"], expected.total["tpot_s"]
    assert at(CARDS, 1) == close(ttft * 1e6)
    assert at(CARDS, 2) == ("-" if tpot is None else close(tpot * 1e6))
    assert at(CARDS, 3) == close(expected.total["roofline_s"] * 1e6)
    assert at(CARDS, 4) == max(peaks) == close(memory.moment.peak_memory_bytes)
    assert at(CARDS, 5) == close(memory.capacity_bytes)
    assert at(CARDS, 6) == ("fits" if fits else "does not fit")
    assert memory.fits == fits
    assert f"batch {changes.get('batch', 1)}, " in at(2, 1)


def test_a_book_made_without_a_step_learns_what_a_step_costs() -> None:
    sheet = Recalculated(make_workbook(scenario({"new_tokens": 0})))
    assert sheet.value(ANSWER, CARDS, 2) == "-"
    sheet.change({"new_tokens": 64})
    expected = evaluate_model(settings={"new_tokens": 64})
    assert sheet.value(ANSWER, CARDS, 2) == close(expected.total["tpot_s"] * 1e6)


def test_numbers_are_scaled_for_people_and_charts_show_them(opened: Any) -> None:
    sheet = opened[ANSWER]
    assert opened.sheetnames[0] == ANSWER
    assert opened.active.title == ANSWER
    formats = {column: sheet.cell(STAGES, column).number_format for column in (3, 5, 9, 10)}
    for column, units in {3: "TGM", 5: ("TB", "GB", "MB"), 9: ("s", "ms", "µs"), 10: "%"}.items():
        assert all(unit in formats[column] for unit in units)
    assert all(sheet.column_dimensions[column].width > 15 for column in "AB")  # B stands for all up to J
    time, memory = sheet._charts
    assert time.series[0].val.numRef.f == f"{ANSWER}!$I$10:$I$13"
    assert [series.val.numRef.f for series in memory.series] == [f"{ANSWER}!${name}$17:${name}$20" for name in "BCD"]
    for chart in (time, memory):
        assert chart.anchor._from.row >= MEMORY + 3


def test_no_cell_holds_latex(opened: Any) -> None:
    texts = [cell.value for sheet in opened for row in sheet.iter_rows() for cell in row if isinstance(cell.value, str)]
    assert [text for text in texts if "\\" in text or "_{" in text or "^{" in text] == []
    assert {"Smax", "\u03b7c", "c\u221a"} <= set(texts)


@pytest.mark.parametrize(
    ("latex", "parts"),
    [
        ("D", [("D", "")]),
        ("L_d", [("L", ""), ("d", "below")]),
        ("S_i^0", [("S", ""), ("i", "below"), ("0", "above")]),
        (r"{e_p}^{\min}", [("e", ""), ("p", "below"), ("min", "above")]),
        (r"c_{\sqrt{}}", [("c", ""), ("\u221a", "below")]),
        (r"\tau_v", [("\u03c4", ""), ("v", "below")]),
        ("b_xy", [("b", ""), ("x", "below"), ("y", "")]),
        ("a}_{b", [("a", ""), ("b", "below")]),
        ("", []),
    ],
)
def test_letters(latex: str, parts: list[tuple[str, str]]) -> None:
    assert letter_parts(latex) == parts


def test_a_layer_alone_has_an_answer_too() -> None:
    book = make_workbook(scenario({"batch": 5}, layer="llama/llama_attention"))
    sheet = Recalculated(book)
    expected = evaluate_model(layer="llama/llama_attention", settings={"batch": 5})
    assert sheet.value(ANSWER, CARDS - 1, 1) == "whole workload"
    assert sheet.value(ANSWER, CARDS, 1) == close(expected.total["roofline_s"] * 1e6)
    assert sheet.value(ANSWER, CARDS, 2) == close(expected.total["peak_memory_bytes"])


@pytest.mark.parametrize(
    ("base", "exponent", "power"),
    [("29/32", 7224, 0.0), ("29/32", 7000, 0.0), ("29/32", 64, (29 / 32) ** 64), ("0", 7, 0.0), ("0", 0, 1.0)],
)
def test_a_power_is_never_an_error(base: str, exponent: int, power: float) -> None:
    symbols = {"b": Piece(text=base, value=0.5), "n": Piece(text=str(exponent), value=1)}
    printer = Printer(symbols, lambda piece: piece, lambda last, _: last)
    text = printer.piece(symbolic.power(*map(symbolic.symbol, "bn"))).text
    model = ironcalc.create("power", "en", "UTC", "en")
    model.set_user_input(0, 1, 1, f"={text}")
    model.evaluate()
    assert model.get_cell_value(0, 1, 1) == pytest.approx(power, rel=1e-12)
