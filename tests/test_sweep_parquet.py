"""Parquet: what the Dataset holds; a killed sweep continues, is the same, and is no other one."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from dsocr_symbolic import UserError, load_model
from dsocr_symbolic.evaluation.model import Model
from dsocr_symbolic.questions.sweep.dataset import dataset
from dsocr_symbolic.questions.sweep.plan import SweepPlan, plan_sweep
from dsocr_symbolic.questions.sweep.rows import write_parquet

parquet = pytest.importorskip("pyarrow.parquet")
pandas = pytest.importorskip("pandas")

FAST = "forward_tensor_core_flops"
QUESTION: dict[str, Any] = {"metrics": FAST, "batch": "1:400", "logits": ["all", "last"], "crop_grid": "0x0,2x1,3x2"}
ROWS = 100


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("deepseek-ocr")


@pytest.fixture
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dsocr_symbolic.questions.sweep.plan._MOST_ROWS", ROWS)


def content(folder: Path) -> dict[str, bytes]:
    return {each.name: each.read_bytes() for each in folder.iterdir()}


def assert_holds(path: Path, plan: SweepPlan) -> None:
    """Check a file or folder against the Dataset."""
    frame = pandas.read_parquet(path)
    expected = dataset(plan).to_dataframe().reset_index()
    assert len(frame) == plan.count
    for name in plan.coordinates(plan.places(0, 1)):
        assert frame[name].tolist() == expected[name].tolist()
    for metric in plan.metrics:
        np.testing.assert_array_equal(frame[metric.name], expected[metric.name])


def test_few_points_are_one_file(model: Model, tmp_path: Path) -> None:
    plan = plan_sweep(model, **QUESTION)
    done: list[int] = []
    write_parquet(plan, tmp_path / "a.parquet", advance=done.append)
    assert [each.name for each in tmp_path.iterdir()] == ["a.parquet"]
    assert (tmp_path / "a.parquet").is_file()
    assert done == [2400]
    assert_holds(tmp_path / "a.parquet", plan)


@pytest.mark.usefixtures("small_chunks")
def test_many_points_are_a_folder(model: Model, tmp_path: Path) -> None:
    plan = plan_sweep(model, **QUESTION)
    done: list[int] = []
    write_parquet(plan, tmp_path / "a.parquet", advance=done.append)
    names = [f"chunk-{place:08d}.parquet" for place in range(24)]
    assert sorted(each.name for each in (tmp_path / "a.parquet").iterdir()) == names
    assert done == [ROWS] * 24
    assert_holds(tmp_path / "a.parquet", plan)


def test_columns_have_types_units_and_the_question(model: Model, tmp_path: Path) -> None:
    plan = plan_sweep(
        model, metrics="roofline_s", by=["vision", "total"], crop_grid="3x2", memory_bandwidth="1e12,2e12", gpu=["h200"]
    )
    write_parquet(plan, tmp_path / "a.parquet")
    schema = parquet.read_schema(tmp_path / "a.parquet")
    assert {field.name: str(field.type).partition("<")[0] for field in schema} == {
        "crop_grid": "dictionary",
        "crop_columns": "int64",
        "crop_rows": "int64",
        "memory_bandwidth": "double",
        "gpu": "dictionary",
        "roofline_s[vision]": "double",
        "roofline_s[total]": "double",
    }
    assert schema.field("roofline_s[total]").metadata[b"units"] == b"s"
    assert schema.field("memory_bandwidth").metadata[b"long_name"] == b"DRAM bandwidth in byte/s"
    about = json.loads(schema.metadata[b"dsocr_symbolic"])
    assert about["about"]["workload"] == "gundam"
    assert about["axes"] == {"crop_grid": 1, "memory_bandwidth": 2, "gpu": 1}
    assert about["points"] == 2


_KILLED = f"""
import sys, time
from pathlib import Path
import dsocr_symbolic.questions.sweep.plan
from dsocr_symbolic import load_model
from dsocr_symbolic.questions.sweep.rows import write_parquet
from dsocr_symbolic.questions.sweep.plan import plan_sweep

dsocr_symbolic.questions.sweep.plan._MOST_ROWS = {ROWS}

def advance(points):
    print(points, flush=True)
    time.sleep(0.02)

write_parquet(plan_sweep(load_model("deepseek-ocr"), **{QUESTION!r}), Path(sys.argv[1]), advance=advance)
"""


@pytest.mark.usefixtures("small_chunks")
def test_a_killed_sweep_continues_where_it_was(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, part = tmp_path / "a.parquet", tmp_path / "a.parquet.part"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parent.parent), "PYTHONHASHSEED": "7"}
    process = subprocess.Popen(
        [sys.executable, "-c", _KILLED, str(path)], stdout=subprocess.PIPE, text=True, env=environment
    )
    assert process.stdout is not None
    for _ in range(10):
        assert process.stdout.readline() == f"{ROWS}\n"
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    kept = {each.name: each.stat().st_mtime_ns for each in part.glob("chunk-*.parquet")}
    assert 10 <= len(kept) < 24
    assert not path.exists()
    (part / ".chunk-00000020.parquet.1.draft").write_text("half a chunk")

    plan = plan_sweep(model, **QUESTION)
    evaluated: list[int] = []
    original = SweepPlan.evaluate_range
    monkeypatch.setattr(SweepPlan, "evaluate_range", lambda self, *span: evaluated.append(1) or original(self, *span))
    done: list[int] = []
    write_parquet(plan, path, advance=done.append)
    assert len(evaluated) == 24 - len(kept)
    assert done == [ROWS] * 24
    assert not part.exists()
    assert {each.name: each.stat().st_mtime_ns for each in path.iterdir() if each.name in kept} == kept

    write_parquet(plan, tmp_path / "whole.parquet")
    assert content(path) == content(tmp_path / "whole.parquet")
    assert_holds(path, plan)


@pytest.fixture
def unfinished(model: Model, tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Leave a sweep that stopped after three chunks."""
    request.getfixturevalue("small_chunks")
    path = tmp_path / "a.parquet"
    left = iter(range(3))

    def stop(_: int) -> None:
        if next(left) == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_parquet(plan_sweep(model, **QUESTION), path, advance=stop)
    assert not path.exists()
    assert len(list((tmp_path / "a.parquet.part").glob("chunk-*"))) == 3
    return path


@pytest.mark.parametrize(
    "other", [{"batch": "2:401"}, {"metrics": "forward_cuda_core_flops"}, {"attention": "eager"}, {"new_tokens": 3}]
)
def test_another_question_does_not_continue_it(model: Model, unfinished: Path, other: dict[str, Any]) -> None:
    plan = plan_sweep(model, **{**QUESTION, **other})
    with pytest.raises(UserError, match="unfinished sweep of another question; --force throws it away"):
        write_parquet(plan, unfinished)
    write_parquet(plan, unfinished, force=True)
    assert_holds(unfinished, plan)


def test_what_is_no_sweep_is_never_replaced(model: Model, unfinished: Path) -> None:
    plan = plan_sweep(model, **{**QUESTION, "batch": "1:300"})
    part = unfinished.with_name("a.parquet.part")
    (part / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match=r"holds more than a sweep \(notes.txt\)"):
        write_parquet(plan, unfinished, force=True)
    assert (part / "notes.txt").read_text() == "mine"
    unfinished.mkdir()
    (unfinished / "thesis.tex").write_text("mine")
    with pytest.raises(UserError, match=r"holds more than a sweep \(thesis.tex\)"):
        write_parquet(plan, unfinished, force=True)


def test_a_new_sweep_replaces_an_old_one_when_it_is_whole(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.parquet"
    many, few = (plan_sweep(model, metrics=FAST, batch=f"1:{count}") for count in (400, 50))
    for rows, plan in ((10, many), (100, few), (10, few), (1000, many)):
        monkeypatch.setattr("dsocr_symbolic.questions.sweep.plan._MOST_ROWS", rows)
        plan = plan_sweep(model, metrics=FAST, batch=f"1:{plan.count}")  # noqa: PLW2901 - chunks are part of the question
        write_parquet(plan, path)
        assert [each.name for each in tmp_path.iterdir()] == ["a.parquet"]
        assert_holds(path, plan)


@pytest.mark.usefixtures("small_chunks")
def test_a_broken_rule_leaves_no_result(model: Model, tmp_path: Path) -> None:
    plan = plan_sweep(model, metrics=FAST, batch="1:100", crop_columns=[2, 0], crop_rows=[2])
    with pytest.raises(UserError, match="at batch 1, crop_columns 0, crop_rows 2"):
        write_parquet(plan, tmp_path / "a.parquet")
    assert not (tmp_path / "a.parquet").exists()
