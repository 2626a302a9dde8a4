"""What is printed fits the terminal, lists and sweeps come as data, and whoever waits sees that something goes on."""

import csv
import io
import json
import os
import re
import shlex
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from conftest import Terminal, evaluate_model
from rich.text import Text
from test_cli import assert_refused, dsocr

from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.language.lookup import find_definition
from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.paths import data_files
from dsocr_symbolic.questions.bounds.regimes import find_bounds
from dsocr_symbolic.questions.bounds.text import bounds_table
from dsocr_symbolic.questions.question import ask
from dsocr_symbolic.scenario.hardware import load_gpus
from dsocr_symbolic.writing import terminal
from dsocr_symbolic.writing.fitting import _folded
from dsocr_symbolic.writing.terminal import columns, on_terminal, table

NUMBER = re.compile(r"(?<![\w.])\d[\d,.]*\d(?!\w)")
HUGE = "--set batch=512 --set new_tokens=8192 --gpu rtxpro6000-maxq"
# Of these a narrow terminal leaves out columns, and says which.
SPARING = [
    f"totals {HUGE}",
    "totals --traffic fused",
    *(f"totals --by {view} {HUGE}" for view in ("total", "category", "layer", "operator")),
    "totals --layer deepseek_v2_moe",
    "totals --document {scan}",
    "totals --document {scan} --by page",
    "tree --depth 20",
    f"tree vision/crops/sam_model --depth 9 {HUGE}",
    "sensitivity --metric forward_kv_cache_bytes --by group",
]
WHOLE = [
    "sweep --vary batch=1,64 --vary new_tokens=1,8192 --metric parameters --metric forward_kv_cache_bytes --by stage",
    "sweep --vary crop_grid=all --metric roofline_s --metric forward_tensor_core_flops --metric tpot_lower_bound_s",
    "solve batch 'peak_memory_bytes <= capacity'",
    "solve memory_bandwidth 'tpot_s <= 0.0005'",
    "bounds --by gpu experts_compute_bound",
    "compare gpu=rtx5090 gpu=h200,batch=8 workload=tiny,weight-dtype=fp8",
    *("models", "gpus", "workloads", "layers", "symbols", "symbols --metrics"),
]
HELP = [f"{verb} -h" for verb in ("", "totals", "sweep", "report", "compare", "verify", "gpus")]
# Formulas stand on one line each, however long, to be copied.
FORMULAS = [
    "formula prefill/layers.1-11/mlp/gate",
    "totals --layer deepseek_v2_mlp --keep tokens --keep hidden_size --keep intermediate_size",
    "bounds experts_compute_bound",
]


@pytest.fixture(scope="module")
def scan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from PIL import Image

    path = tmp_path_factory.mktemp("a-folder-with-a-long-name") / "a scan of some_pages.pdf"
    Image.new("RGB", (900, 700)).save(path)
    return path


def _shown(command: str, width: int, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("COLUMNS", str(width))
    answer = dsocr(*shlex.split(command))
    assert (answer.status, answer.err) == (0, "")
    return answer.out


def _numbers(text: str) -> set[str]:
    return {number.strip(".,") for number in NUMBER.findall(text)}


@pytest.mark.parametrize("command", [*SPARING, *WHOLE, *HELP])
def test_text_is_no_wider_than_the_terminal(command: str, scan: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = command.replace("{scan}", shlex.quote(str(scan)))
    narrow, wide = (_shown(command, width, monkeypatch) for width in (80, 200))
    for text, width in ((narrow, 80), (wide, 200)):
        longest = max(text.splitlines(), key=len)
        assert len(longest) <= width, longest
        assert not re.search(r"[ \t]+$", text, re.MULTILINE)
    if command in WHOLE:
        assert _numbers(narrow) == _numbers(wide)
        assert "leave out" not in narrow


def test_a_table_of_many_columns_is_whole_at_any_width(monkeypatch: pytest.MonkeyPatch) -> None:
    question = ask("deepseek-ocr")
    bounds = find_bounds(question, ("experts_compute_bound", "cache_passes_weights_held"), "roofline")
    many = evolve(bounds, bounds=bounds.bounds * 4)
    numbers = set()
    for width in (40, 60, 80, 120, 200):
        monkeypatch.setenv("COLUMNS", str(width))
        text = bounds_table([many, evolve(many, gpu="rtxpro6000-server")])
        assert max(map(len, text.splitlines())) <= width, text
        numbers.add(tuple(sorted(re.findall(r" ([-.\d+]+\d[+]?)(?= |$)", text, re.MULTILINE))))
    assert len(numbers) == 1
    assert len(next(iter(numbers))) == 2 * (2 + 8)


def test_what_has_room_uses_it(monkeypatch: pytest.MonkeyPatch) -> None:
    for command in ("gpus", "symbols", "totals"):
        narrow, wide = (_shown(command, width, monkeypatch).splitlines() for width in (80, 200))
        assert max(map(len, wide)) > 100, command
        assert len(wide) < len(narrow), command
    # Four digits where there is room for them.
    assert "26.59 GB" in _shown("totals", 120, monkeypatch)
    assert "26.6 GB" in _shown("totals", 80, monkeypatch)


@pytest.mark.parametrize("command", FORMULAS)
def test_formulas_alone_are_not_broken(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    long = [line for line in _shown(command, 40, monkeypatch).splitlines() if len(line) > 40]
    assert long
    assert all("*" in line and re.fullmatch(r" *(= |\w+ = )?[][\w(*+/., )<>=-]+", line) for line in long), long


def test_what_is_left_out_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    text = _shown("totals --by layer", 80, monkeypatch)
    said = re.search(
        r"80 columns leave out F/B, KV, CC, ops, weights; a wider terminal, or\s+COLUMNS=(\d+), shows all", text
    )
    assert said
    assert "leave out" not in _shown("totals --by layer", int(said[1]), monkeypatch)
    assert "leave out" in _shown("totals --by layer", int(said[1]) - 1, monkeypatch)
    assert "leave out" not in _shown("totals --by layer --format csv", 80, monkeypatch)


@pytest.mark.parametrize(
    ("said", "width"), [("80", 80), ("200", 200), ("1", 40), ("0", 100), ("", 100), ("-5", 100), ("wide", 100)]
)
def test_columns_are_what_the_user_says(said: str, width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.get_terminal_size", _no_terminal)
    monkeypatch.setenv("COLUMNS", said)
    assert columns() == width


def _no_terminal(_: int) -> os.terminal_size:
    raise OSError


class _Stream(io.StringIO):
    def fileno(self) -> int:
        return 1


def test_columns_are_those_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS")
    monkeypatch.setattr("sys.__stdout__", _Stream())
    monkeypatch.setattr("os.get_terminal_size", lambda _: os.terminal_size((93, 20)))
    assert columns() == 93
    # A terminal that does not know how wide it is.
    monkeypatch.setattr("os.get_terminal_size", lambda _: os.terminal_size((0, 0)))
    assert columns() == 100


def test_what_does_not_fit_stands_below(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    made = table("name", *(f">title_{place}" for place in range(9)))
    made.add_row("a/very_long/path.of/parts-1-11/gate_proj", *(f"{place}23,456,789.5 GB" for place in range(9)))
    text = on_terminal(made)
    assert max(map(len, text.splitlines())) <= 40
    assert all(f"{place}23,456,789.5 GB" in text for place in range(9))
    assert text.count("gate_proj") == 9


def test_a_folded_name_keeps_its_place_in_the_tree() -> None:
    lines = [line.plain for line in _folded(Text("│  ├─ a_long_name_of_a/module"), 20, names=True)]
    assert lines == ["│  ├─ a_long_name_", "│  │    of_a/module"]


# lists and sweeps as data


def test_gpus_are_objects_with_every_number_its_unit_and_its_source() -> None:
    listed = json.loads(dsocr("gpus", "--format", "json").out)
    gpus = load_gpus()
    assert [gpu["name"] for gpu in listed] == [gpu.name for gpu in gpus]
    for shown, gpu in zip(listed, gpus, strict=True):
        assert {name: number["value"] for name, number in shown["numbers"].items()} == {
            name: number.value_si for name, number in gpu.numbers.items()
        }
        for name, number in gpu.numbers.items():
            told = shown["numbers"][name]
            assert (told["unit"], told["source"], told["unverified"]) == (number.unit, number.source, number.unverified)
            assert [other["source"] for other in told["disagree"]] == [other.source for other in number.disagree]
    rows = list(csv.DictReader(io.StringIO(dsocr("gpus", "--format", "csv").out)))
    assert len(rows) == sum(len(gpu.numbers) for gpu in gpus)
    assert all(row["source"] and row["unit"] for row in rows)


def test_every_list_is_data_too() -> None:
    definition = find_definition("deepseek-ocr")
    names = {
        "models": [*data_files("formulas/models")],
        "gpus": [gpu.name for gpu in load_gpus()],
        "workloads": [*definition.workloads],
        "layers": sorted(load_library().formulas),
        "symbols": [*definition.quantities],
        "symbols --metrics": [*load_metrics()],
    }
    for command, expected in names.items():
        records = json.loads(dsocr(*command.split(), "--format", "json").out)
        found = [record["name"].rpartition("/")[2] for record in records]
        assert (sorted(found) if command == "layers" else found) == expected
        assert all(record.keys() == records[0].keys() for record in records)
        if command != "gpus":
            rows = list(csv.DictReader(io.StringIO(dsocr(*command.split(), "--format", "csv").out)))
            assert [row["name"] for row in rows] == [record["name"] for record in records]
    workloads = {known["name"]: known for known in json.loads(dsocr("workloads", "--format", "json").out)}
    assert workloads["gundam"]["set"] == dict(definition.workloads["gundam"].values)
    assert [known["name"] for known in workloads.values() if known["default"]] == [definition.default_workload]


SWEEP = ("sweep", "--vary", "batch=1,3", "--vary", "crop_grid=0x0,3x2", "--metric", "tpot_s", "--metric", "parameters")


def test_a_sweep_on_standard_output(tmp_path: Path) -> None:
    text = dsocr(*SWEEP, "--format", "csv").out
    comments = [line for line in text.splitlines() if line.startswith("#")]
    assert text.startswith("# deepseek-ocr, gundam, rtx5090\n")
    assert any("choices: execution checkpoint, attention flash" in line for line in comments)
    rows = list(csv.reader(text.splitlines()[len(comments) :]))
    assert rows[0] == ["batch", "crop_grid", "crop_columns", "crop_rows", "tpot_s", "parameters"]
    assert dsocr(*SWEEP, "--out", tmp_path / "a.csv").status == 0
    assert list(csv.reader((tmp_path / "a.csv").read_text(encoding="utf-8").splitlines())) == rows
    document = json.loads(dsocr(*SWEEP, "--format", "json").out)
    assert [[str(value) for value in point.values()] for point in document["points"]] == rows[1:]
    assert document["about"]["gpu"] == "rtx5090"
    assert document["metrics"]["tpot_s"]["unit"] == "s"
    assert document["points"][1]["parameters"] == evaluate_model().total["parameters"]


def test_what_does_not_exist_is_null_and_an_empty_field() -> None:
    question = ("sweep", "--vary", "new_tokens=0,1", "--metric", "forward_arithmetic_intensity", "--by", "decode")
    document = json.loads(dsocr(*question, "--format", "json").out)
    assert [point["forward_arithmetic_intensity"] is None for point in document["points"]] == [True, False]
    assert dsocr(*question, "--format", "csv").out.splitlines()[-2] == "0,"


def test_a_file_says_by_its_name_what_to_write(tmp_path: Path) -> None:
    assert_refused(dsocr(*SWEEP, "--format", "json", "--out", tmp_path / "a.csv"), "--format", "--out")
    assert list(tmp_path.iterdir()) == []


# progress

LONG = {
    "solve batch 'peak_memory_bytes <= capacity'": "solving",
    "sensitivity --metric forward_kv_cache_bytes": "deriving",
    "bounds experts_compute_bound": "machines",
    "compare batch=1 batch=2": "comparing",
    "formula projector/assemble": "building the model",
    "tree": "evaluating",
    "totals --layer deepseek_v2_mlp --closed-form": "closed forms",
    "totals --document {scan}": "pages",
    "sweep --vary batch=1,2 --metric parameters": "compiling",
    "sweep --vary batch=1,2 --metric parameters --format csv": "points",
    "export --layer deepseek_v2_mlp --xlsx {out}/a.xlsx": "writing",
}


@pytest.mark.parametrize("command", LONG)
def test_what_may_take_long_says_that_it_goes_on(
    command: str, scan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []

    @contextmanager
    def seen(what: str = "", _total: int | None = None) -> Iterator[Any]:
        said.append(what)
        yield lambda _: None

    for name, module in list(sys.modules.items()):
        if name.startswith("dsocr_symbolic.") and hasattr(module, "progress"):
            monkeypatch.setattr(module, "progress", seen)
    answer = dsocr(*shlex.split(command.format(scan=shlex.quote(str(scan)), out=shlex.quote(str(tmp_path)))))
    assert answer.status == 0
    assert LONG[command] in said


def test_progress_shows_after_a_while_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", stream := Terminal())
    with terminal.progress("short"):
        pass
    assert stream.getvalue() == ""
    monkeypatch.setattr(terminal, "_PATIENCE", 0.01)
    with terminal.progress("outer"), terminal.progress("inner", 3) as advance:
        advance(1)
        time.sleep(0.3)
    assert "outer" in stream.getvalue()
    assert "inner" not in stream.getvalue()
    with pytest.raises(KeyboardInterrupt), terminal.progress("again"):
        raise KeyboardInterrupt
    assert terminal._shown == []
