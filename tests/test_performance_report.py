"""``dsocr report``: its text, its data, its command, and the reports that are committed."""

import json
import os
import re
import subprocess
import sys
import warnings
from collections import Counter
from contextlib import redirect_stderr
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
import yaml
from conftest import Terminal
from test_cli import TOP, assert_refused, dsocr, main
from test_performance import CASES, every_case, numbers_of, points_of, scenario

from dsocr_symbolic.regenerate import DRAWN_BY, PERFORMANCE, drawn_by, write_performance
from dsocr_symbolic.reports.performance.figures import Figure
from dsocr_symbolic.reports.performance.numbers import performance
from dsocr_symbolic.reports.performance.report import FILES, JSON, TEXT, VERSION, YAML, report_files, report_text
from dsocr_symbolic.scenario.provenance import what_was_set
from dsocr_symbolic.writing import amounts


@cache
def files_of(case: str) -> dict[str, str]:
    return report_files(scenario(**CASES[case]), "dsocr report --out DIR")


# text


TEMPLATE = (TOP / "templates" / "report.md.jinja").read_text(encoding="utf-8")


def test_no_number_of_the_text_is_typed_by_hand() -> None:
    """The template holds digits in no prose but these: the unit, the file of the cache level, the count of bytes."""
    prose = re.sub(r"\{%.*?%\}|\{\{.*?\}\}", "", TEMPLATE, flags=re.DOTALL)
    assert re.findall(r"\S*\d\S*", prose) == ["1", "1e9", "L2"]


@every_case
def test_every_number_of_the_tables_has_a_unit_or_counts(case: str) -> None:
    """A cell that looks like a rounded number without a unit is one of FLOP/byte, a symbol or an efficiency."""
    text = files_of(case)[TEXT]
    tables = re.findall(r"((?:^\|.*\n)+)", text, re.MULTILINE)
    assert len(tables) >= 11
    for table in tables:
        head, _, *rows = (line.split("|")[1:-1] for line in table.splitlines())
        titles = [title.strip() for title in head]
        for row in rows:
            for title, cell in zip(titles, (each.strip() for each in row), strict=True):
                if re.fullmatch(r"[\d.]+", cell.replace(",", "")) and "." in cell:
                    assert "FLOP/byte" in title or "FLOP per" in title or titles[0] in ("symbol", "machine"), (
                        title,
                        cell,
                    )


WORDS = (
    *("operator", "Tensor Cores", "CUDA cores", "Roofline time", "stages", "token", "lower bound", "compulsory"),
    *("time to first token", "time per output token", "eager", "launches", "weights", "KV cache", "activations"),
    *("Arithmetic intensity", "ridge point", "memory bound", "compute bound", "Alone", "Decided by", "context", "step"),
    *("Saved for backward", "Calls"),
)


@pytest.mark.parametrize("word", WORDS)
def test_a_term_is_explained_where_the_report_uses_it(word: str) -> None:
    assert f"*{word}*" in files_of("gundam")[TEXT]


@pytest.mark.parametrize("word", ["Roofline time", "lower bound", "compulsory", "eager", "ridge point", "TTFT", "TPOT"])
def test_a_term_of_our_own_is_explained_before_it_is_used(word: str) -> None:
    text = files_of("gundam")[TEXT]
    first = re.search(rf"\b{re.escape(word)}\b", text, re.IGNORECASE)
    assert first
    around = text[max(0, first.start() - 40) : first.end() + 1]
    assert (
        f"*{word}*" in around or f"*, {word})" in around or f"({word.lower()}" in around or f"*,\n  {word})" in around
    ), around


@every_case
def test_the_text_says_the_numbers(case: str) -> None:
    numbers, text = numbers_of(case), files_of(case)[TEXT]
    total = numbers.whole.metrics
    said = [amounts.scaled(total["forward_io_bytes"], "B"), amounts.scaled(numbers.whole.flops, "FLOP")]
    said += [amounts.seconds(total[each]).replace(" us", " µs") for each in ("roofline_s", "lower_bound_s", "ttft_s")]
    said += [amounts.scaled(moment.peak_memory_bytes, "B") for moment in numbers.moments]
    said += [f"`{part.name}`" for part in numbers.parts[:15]]
    for each in said:
        assert each in text
    assert ("does **not** fit" in text) == (not numbers.fit.fits)
    assert ("set by hand**" in text) == bool(what_was_set(numbers.scenario, numbers.result.values.numbers))
    assert ("unverified**" in text) == bool(numbers.result.values.unverified)
    assert ("TPOT" in text) == (total["tpot_s"] is not None)
    assert not re.search(r"None|nan|\binf\b|Undefined", text)
    assert "\n\n\n\n" not in text


def test_the_text_follows_the_machine() -> None:
    """Another machine changes every time and no count."""
    numbers = performance(scenario(gpu="h200"))
    text = report_text(numbers, points_of("gundam"), "dsocr report")
    assert amounts.seconds(numbers.whole.metrics["roofline_s"]) in text
    assert amounts.seconds(numbers_of("gundam").whole.metrics["roofline_s"]) not in text
    assert amounts.scaled(numbers.whole.flops, "FLOP") in files_of("gundam")[TEXT]


@pytest.mark.parametrize("case", ["gundam", "no answer, other choices"])
def test_data_is_the_same_in_both_formats(case: str) -> None:
    data = json.loads(files_of(case)[JSON])
    assert data == yaml.safe_load(files_of(case)[YAML])
    assert data["schema_version"] == VERSION
    assert data["predicted_total_time_ms"] == pytest.approx(numbers_of(case).whole.metrics["roofline_s"] * 1e3)
    assert len(data["modules"]) == len(numbers_of(case).result.nodes) + 1


def test_what_is_set_by_hand_and_allows_no_curve_is_said() -> None:
    fixed = scenario(settings={"crops": 6})
    texts = report_files(fixed, "dsocr report")
    assert "crops.svg" not in texts
    assert "There is no figure 5" in texts[TEXT]
    assert "crops is crop_columns*crop_rows" in texts[TEXT]
    assert set(texts) == set(FILES) - {"crops.svg"}


# command


def made(folder: Path, *more: str) -> Any:
    return dsocr("report", "--workload", "tiny", "--out", folder, *more)


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}


def test_a_report_is_a_folder_with_these_files(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "report"
    answer = made(folder)
    assert (answer.status, answer.err) == (0, "")
    assert set(re.findall(r"\w+\.(?:svg|md|yaml|json)", answer.out)) == set(contents(folder))
    assert set(contents(folder)) == set(FILES) == {f"{name}.svg" for name in tuple(Figure)} | {TEXT, YAML, JSON}
    assert list(folder.parent.iterdir()) == [folder]
    shown = re.findall(r"\]\((\w+\.svg)\)", (folder / TEXT).read_text(encoding="utf-8"))
    assert sorted(shown) == sorted(f"{name}.svg" for name in tuple(Figure))


def test_the_command_is_said_and_makes_the_same_report(tmp_path: Path) -> None:
    asked = ("--set", "batch=2", "--attention", "eager", "--reserve", "2.0", "--allow-any-grid")
    assert made(tmp_path / "first", *asked).status == 0
    text = (tmp_path / "first" / TEXT).read_text(encoding="utf-8")
    (command,) = re.findall(r"```sh\ndsocr (.*)\n```", text)
    words = command.replace("DIR", str(tmp_path / "second")).split()
    assert {"--set", "batch=2", "--gpu", "rtx5090", "--workload", "tiny", "--allow-any-grid"} <= set(words)
    assert dsocr(*words).status == 0
    assert contents(tmp_path / "second") == contents(tmp_path / "first")


def test_mistakes_are_said_before_anything_is_written(tmp_path: Path) -> None:
    assert_refused(made(tmp_path / "out", "--set", "batch=0"), "batch")
    assert_refused(made(tmp_path / "out", "--gpu", "rtx9999"), "rtx9999")
    assert_refused(dsocr("report"), "--out")
    assert list(tmp_path.iterdir()) == []


def test_without_matplotlib_one_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert_refused(made(tmp_path / "out"), "pip install 'dsocr_symbolic[report]'")
    assert list(tmp_path.iterdir()) == []


def test_totals_and_trees_do_not_import_matplotlib() -> None:
    code = "import sys; from dsocr_symbolic.cli import capture; capture(['totals']); capture(['tree']);"
    environment = {**os.environ, "PYTHONPATH": str(TOP)}
    command = [sys.executable, "-c", code + "print('matplotlib' in sys.modules)"]
    assert subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout == "False\n"


@pytest.mark.usefixtures("impatient")
def test_progress_is_shown_on_a_terminal(tmp_path: Path) -> None:
    err = Terminal()
    with redirect_stderr(err), pytest.raises(SystemExit) as stop:
        main(["report", "--workload", "tiny", "--out", str(tmp_path / "out")])
    assert stop.value.code == 0
    assert "curves" in err.getvalue() or "figure" in err.getvalue()


# what is committed; each takes about three seconds

_SHAPES = ("path", "use", "image", "rect", "polygon", "circle", "line")


def structure(content: bytes) -> tuple[list[str], Counter[str]]:
    """Return the texts of a figure and how many shapes of each kind it has."""
    root = ET.fromstring(content)  # noqa: S314 - made by us
    nodes = [(node.tag.rpartition("}")[2], "".join(node.itertext())) for node in root.iter()]
    return sorted(text for tag, text in nodes if tag == "text"), Counter(tag for tag, _ in nodes if tag in _SHAPES)


@pytest.mark.parametrize("name", PERFORMANCE)
@pytest.mark.filterwarnings("default:only texts and shapes")
def test_committed_performance_reports_are_what_the_code_writes(name: str, tmp_path: Path) -> None:
    write_performance(name, tmp_path / "now")
    committed, now = contents(TOP / "reports" / name), contents(tmp_path / "now")
    made = (TOP / "reports" / DRAWN_BY).read_text(encoding="utf-8")
    if made != drawn_by():
        less = "only texts and shapes of figures are compared"
        warnings.warn(f"{less}: they were drawn by {made.strip()}, here is {drawn_by().strip()}", stacklevel=1)
        assert committed.keys() == now.keys()
        for figure in [file for file in now if file.endswith(".svg")]:
            assert structure(committed.pop(figure)) == structure(now.pop(figure)), figure
    assert committed == now, f"reports/{name} is stale; run python -m dsocr_symbolic.regenerate"


def test_every_committed_performance_report_is_generated() -> None:
    folder = TOP / "reports" / "performance"
    known = {*PERFORMANCE, DRAWN_BY}
    assert {path.relative_to(TOP / "reports").as_posix() for path in folder.iterdir()} == known
