"""The workbook in LibreOffice: 20 draws of inputs typed in, every cell against another engine and our own numbers."""

import random
import re
import shutil
import subprocess
import zipfile
from collections.abc import Mapping
from itertools import zip_longest
from math import isclose
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from conftest import evaluate_model
from test_spreadsheet import Recalculated, assert_same, formulas, scenario

from dsocr_symbolic.reports.spreadsheet.cells import Workbook
from dsocr_symbolic.reports.spreadsheet.file import write_workbook
from dsocr_symbolic.reports.spreadsheet.nodes import COLUMN_METRICS, FIRST_METRIC
from dsocr_symbolic.reports.spreadsheet.workbook import make_workbook

SOFFICE = shutil.which("soffice")
DRAWS = 20
_FORMULA = re.compile(r'(<c r="[A-Z]+\d+"[^>]*>)(<f>.*?</f>)<v>.*?</v></c>')
_NUMBER = re.compile(r"(\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)")
_LO_WIDE = {"batch": 8}


def drawn(count: int) -> list[dict[str, Any]]:
    """Draw inputs: first those with which a power is too small for float64, no decode step, no image crop."""
    draw = random.Random(12)
    known = [_LO_WIDE, {"new_tokens": 0}, {"crop_columns": 0, "crop_rows": 0}, {"num_experts_per_tok": 64}]
    others = [
        {
            "batch": round(10 ** draw.uniform(0, 5)),
            "new_tokens": draw.choice([1, 512, 7000]),
            "text_tokens": draw.randint(0, 1000),
            "base_size": 64 * draw.randint(4, 24),
            "image_size": 64 * draw.randint(4, 20),
            "crop_columns": draw.randint(1, 3),
            "crop_rows": draw.randint(2, 3),
            "num_hidden_layers": draw.randint(2, 40),
            "num_experts_per_tok": draw.randint(1, 64),
            "weight": draw.choice([0.5, 1, 2, 4]),
            "memory_bandwidth": 10 ** draw.uniform(11, 13.5),
            "tensor_core_peak": 10 ** draw.uniform(13, 16),
            "flops_per_exp": draw.randint(0, 20),
        }
        for _ in range(count - len(known))
    ]
    return [*known, *others]


def typed(workbook: Workbook, source: Path, target: Path, inputs: Mapping[str, Any]) -> None:
    """Copy a file with numbers typed into inputs, and without any result: what is there later somebody worked out."""
    names = [sheet.name for sheet in workbook.sheets]
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for item in old.namelist():
            content = old.read(item)
            if item.startswith("xl/worksheets/sheet"):
                text = _FORMULA.sub(r"\1\2</c>", content.decode())
                for name, value in inputs.items():
                    sheet, _, cell = workbook.names[name].replace("$", "").partition("!")
                    if item.endswith(f"sheet{names.index(sheet) + 1}.xml"):
                        text, count = re.subn(rf'(<c r="{cell}"[^>]*>)<v>[^<]*</v>', rf"\g<1><v>{value!r}</v>", text)
                        assert count == 1, name
                content = text.encode()
            new.writestr(item, content)


def _same_words(found: str, expected: str) -> bool:
    """Compare sentences; numbers in them have as many digits as an engine likes to print."""
    pairs = list(zip_longest(_NUMBER.split(found), _NUMBER.split(expected)))
    words, numbers = pairs[::2], pairs[1::2]
    return all(a == b for a, b in words) and all(isclose(float(a), float(b), rel_tol=1e-12) for a, b in numbers)


def differing(book: Any, workbook: Workbook, other: Recalculated) -> list[tuple[Any, ...]]:
    """Return the cells in which LibreOffice and the other engine differ."""
    cells = []
    for sheet, row, column, cell in formulas(workbook):
        found, expected = book[sheet].cell(row, column).value, other.value(sheet, row, column)
        if isinstance(expected, str) and isinstance(found, str):
            same = _same_words(found, expected)
        elif isinstance(expected, str) or isinstance(found, str) or found is None:
            same = found == expected
        else:
            same = abs(found - expected) <= 1e-12 * abs(expected)
        if not same:
            cells.append((sheet, row, column, cell.formula, found, expected))
    return cells


@pytest.mark.skipif(
    SOFFICE is None, reason="LibreOffice (soffice) is not installed; IronCalc recalculates all the same"
)
def test_libreoffice_gives_every_cell_what_we_give(tmp_path: Path) -> None:
    workbook, draws = make_workbook(scenario()), drawn(DRAWS)
    assert len(draws) == DRAWS
    write_workbook(workbook, tmp_path / "model.xlsx")
    changed = [tmp_path / f"changed-{place}.xlsx" for place in range(DRAWS)]
    for path, inputs in zip(changed, draws, strict=True):
        typed(workbook, tmp_path / "model.xlsx", path, inputs)
    profile = f"-env:UserInstallation={(tmp_path / 'profile').as_uri()}"
    command = [str(SOFFICE), profile, "--headless", "--convert-to", "xlsx", "--outdir", tmp_path / "out", *changed]
    subprocess.run(command, check=True, capture_output=True)
    other = Recalculated(workbook)
    inputs_now = {name: other.named(name) for inputs in draws for name in inputs}
    for path, inputs in zip(changed, draws, strict=True):
        book = openpyxl.load_workbook(tmp_path / "out" / path.name, data_only=True)
        other.change(inputs_now | inputs)
        assert differing(book, workbook, other) == [], inputs
        assert "rule is broken" not in book["Answer"]["A4"].value
        expected = evaluate_model(settings=inputs, waived=frozenset({"allow_any_grid"}))
        for row, node in enumerate(expected.nodes, start=3):
            for column, metric in enumerate(COLUMN_METRICS, start=FIRST_METRIC + 1):
                found = book["Nodes"].cell(row, column).value
                assert_same(found, node.metrics[metric], (inputs, node.row.path, metric), whole=False)
