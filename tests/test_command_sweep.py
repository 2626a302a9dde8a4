"""``dsocr sweep``: tables, files in four formats, and one line for every mistake."""

import io
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Terminal, evaluate_model
from test_cli import assert_refused, dsocr

from dsocr_symbolic.questions.sweep.command import LIBRARIES
from dsocr_symbolic.writing.terminal import progress

FAST = "forward_tensor_core_flops"
BATCHES = ("--vary", "batch=1:8")
QUESTION = (*BATCHES, "--metric", FAST)
EXTRAS = ("xarray", "pandas", "pyarrow", "h5netcdf", "h5py", "matplotlib", "dask", "distributed", "scipy")


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is folded: lines are read one by one."""
    monkeypatch.setenv("COLUMNS", "1000")


def test_a_table_of_what_is_asked() -> None:
    answer = dsocr("sweep", "--vary", "batch=1,3", "--vary", "weight-dtype=fp8,bf16", "--metric", "parameters")
    assert (answer.status, answer.err) == (0, "")
    expected = f"{evaluate_model().total['parameters']:,}"
    rows = [line.split() for line in answer.out.splitlines()[-4:]]
    assert rows == [[batch, dtype, expected] for batch in "13" for dtype in ("fp8", "bf16")]


def test_options_decide_the_numbers() -> None:
    options = (
        "--workload",
        "tiny",
        "--set",
        "new_tokens=3",
        "--attention",
        "eager",
        "--gpu",
        "h200",
        "--by",
        "prefill",
    )
    answer = dsocr("sweep", *QUESTION, *options)
    assert "deepseek-ocr, tiny, h200" in answer.out
    assert "attention eager" in answer.out
    assert "set: new_tokens 3 (default 512)" in answer.out
    small = dsocr("sweep", "--vary", "batch=1", "--metric", "parameters", "--set", "n_routed_experts=8")
    assert f"{evaluate_model(settings={'n_routed_experts': 8}).total['parameters']:,}" in small.out
    allowed = dsocr("sweep", "--vary", "crop_grid=4x3", "--metric", FAST, "--allow-any-grid")
    assert allowed.status == 0


@pytest.mark.parametrize("suffix", LIBRARIES)
def test_a_file_is_written_once_and_replaced_when_forced(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    answer = dsocr("sweep", *QUESTION, "--out", path)
    assert (answer.status, answer.out, answer.err) == (0, f"{path}: 8 points of {FAST}\n", "")
    beside = [f"{path.name}.txt"] if suffix == ".csv" else []
    assert sorted(each.name for each in tmp_path.iterdir()) == [path.name, *beside]
    before = path.read_bytes()
    assert_refused(dsocr("sweep", *QUESTION, "--out", path), path, "exists", "--force")
    assert path.read_bytes() == before
    assert dsocr("sweep", "--vary", "batch=1:9", "--metric", FAST, "--out", path, "--force").status == 0
    assert path.read_bytes() != before


def test_files_hold_the_same_numbers(tmp_path: Path) -> None:
    pandas, xarray = pytest.importorskip("pandas"), pytest.importorskip("xarray")
    for suffix in (".parquet", ".csv", ".nc"):
        dsocr("sweep", "--vary", "crop_grid=all", *QUESTION, "--by", "stage", "--out", tmp_path / f"a{suffix}")
    frame, text = pandas.read_parquet(tmp_path / "a.parquet"), pandas.read_csv(tmp_path / "a.csv")
    with xarray.open_dataset(tmp_path / "a.nc") as data:
        assert data[FAST].attrs["units"] == "FLOP"
        for stage in data.stage.values.tolist():
            column = f"{FAST}[{stage}]"
            numbers = data[FAST].sel(stage=stage).values.reshape(-1).tolist()
            assert frame[column].tolist() == text[column].tolist() == numbers
        grids = data.crop_grid.values.tolist()
    assert list(dict.fromkeys(frame["crop_grid"])) == list(dict.fromkeys(text["crop_grid"])) == grids


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--metric", FAST), ["nothing varies", "--vary batch=1:128"]),
        (BATCHES, ["--metric"]),
        ((*QUESTION, "--out", "a.xlsx"), ["a.xlsx", ".parquet, .csv, .nc, .svg"]),
        ((*QUESTION, "--out", "a"), ["a:", ".parquet, .csv, .nc, .svg"]),
        ((*QUESTION, "--out", "none/a.csv"), ["none/a.csv", "no folder"]),
        ((*QUESTION, "--set", "batch=2"), ["batch", "varies", "2"]),
        ((*QUESTION, *BATCHES), ["batch", "given twice"]),
        ((*QUESTION, "--vary", "gpu=h200", "--gpu", "l4"), ["--gpu and --vary gpu"]),
        ((*QUESTION, "--vary", "workload=tiny", "--workload", "base"), ["--workload and --vary workload"]),
        (
            (*QUESTION, "--vary", "weight-dtype=fp8", "--weight-dtype", "fp8"),
            ["--weight-dtype and --vary weight-dtype"],
        ),
        ((*QUESTION, "--vary", "reserve=0,1", "--reserve", "1"), ["--reserve and --vary reserve"]),
        ((*QUESTION, "--vary", "crops=2,3"), ["crop_columns", "crop_rows"]),
        ((*QUESTION, "--metric", "flop"), ["unknown metric 'flop'"]),
        ((*QUESTION, "--by", "prefil"), ["unknown part 'prefil'", "prefill"]),
        (("--vary", "crop_grid=4x3", "--metric", FAST), ["2 to 9", "--allow-any-grid", "at crop_grid 4x3"]),
        (("--vary", "batch=1:1e13", "--metric", FAST), ["1e+13 points"]),
        ((*QUESTION, "--layer", "linear"), ["--layer"]),
        (("--vary", "batch=1:1000001", "--metric", FAST, "--out", "a.svg"), ["1,000,001 numbers", "1,000,000"]),
    ],
)
def test_mistakes(arguments: tuple[str, ...], words: list[str]) -> None:
    assert_refused(dsocr("sweep", *arguments), *words)


@pytest.mark.parametrize("suffix", [each for each, libraries in LIBRARIES.items() if libraries])
def test_a_missing_library_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, suffix: str) -> None:
    for library in LIBRARIES[suffix]:
        with monkeypatch.context() as patch:
            patch.setitem(sys.modules, library, None)
            answer = dsocr("sweep", *QUESTION, "--out", tmp_path / f"a{suffix}")
            assert_refused(answer, library, 'pip install "dsocr_symbolic[sweep]"')
    assert list(tmp_path.iterdir()) == []


def test_only_the_formats_that_need_them_import_libraries(tmp_path: Path) -> None:
    code = (
        "import sys, dsocr_symbolic; from dsocr_symbolic.cli import capture; capture(['totals']);"
        f"question = ['sweep', *{QUESTION!r}]; capture(question); capture([*question, '--out', 'a.csv']);"
        f"print(sorted({set(EXTRAS)!r} & set(sys.modules)))"
    )
    top = str(Path(__file__).parent.parent)
    found = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=tmp_path, env={"PYTHONPATH": top}
    )
    assert found.stdout.strip() == "[]"


@pytest.mark.usefixtures("impatient")
def test_progress_is_shown_on_a_terminal_only(monkeypatch: pytest.MonkeyPatch) -> None:
    for stream, expected in ((io.StringIO(), False), (Terminal(), True)):
        monkeypatch.setattr("sys.stderr", stream)
        with progress("compiling"):
            assert bool(stream.getvalue()) == expected
        with progress("points", 8) as advance:
            advance(3)
        assert bool(stream.getvalue()) == expected
