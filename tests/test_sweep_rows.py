"""Rows of a sweep: CSV that holds what the Dataset holds, and a short table."""

import csv
import math
from pathlib import Path
from typing import Any

import pytest

from dsocr_symbolic import UserError, load_model
from dsocr_symbolic.evaluation.model import Model
from dsocr_symbolic.questions.sweep.dataset import dataset
from dsocr_symbolic.questions.sweep.plan import plan_sweep
from dsocr_symbolic.questions.sweep.rows import table_text, write_csv

FAST = "forward_tensor_core_flops"


@pytest.fixture(scope="module")
def model() -> Model:
    return load_model("deepseek-ocr")


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def test_csv_has_a_row_per_point(model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dsocr_symbolic.questions.sweep.plan._MOST_ROWS", 7)
    question: dict[str, Any] = {
        "batch": [1, 4],
        "crop_grid": "0x0,3x2",
        "kv_dtype": ["bf16", "fp8"],
        "new_tokens": [0, 9],
    }
    plan = plan_sweep(model, metrics=[FAST, "forward_arithmetic_intensity"], by=["decode", "total"], **question)
    done: list[int] = []
    write_csv(plan, tmp_path / "a.csv", done.append)
    assert done == [7, 7, 2]
    rows = rows_of(tmp_path / "a.csv")
    assert list(rows[0]) == [
        *("batch", "crop_grid", "crop_columns", "crop_rows", "kv_dtype", "new_tokens"),
        *(f"{metric}[{part}]" for metric in (FAST, "forward_arithmetic_intensity") for part in ("decode", "total")),
    ]
    data = dataset(plan)
    for row in rows:
        point = data.sel(
            batch=int(row["batch"]),
            crop_grid=row["crop_grid"],
            kv_dtype=row["kv_dtype"],
            new_tokens=int(row["new_tokens"]),
        )
        assert row["crop_grid"] == f"{row['crop_columns']}x{row['crop_rows']}"
        for part in ("decode", "total"):
            assert int(row[f"{FAST}[{part}]"]) == point[FAST].sel(part=part).item()
            ratio = row[f"forward_arithmetic_intensity[{part}]"]
            expected = point["forward_arithmetic_intensity"].sel(part=part).item()
            assert (ratio == "") == math.isnan(expected)
            assert ratio == "" or float(ratio) == expected
    assert any(row["forward_arithmetic_intensity[decode]"] == "" for row in rows)
    assert len(rows) == 16


def test_a_broken_rule_leaves_no_file(model: Model, tmp_path: Path) -> None:
    plan = plan_sweep(model, metrics=FAST, crop_columns=[0, 2], crop_rows=[0, 2])
    with pytest.raises(UserError, match="at crop_columns 0, crop_rows 2"):
        write_csv(plan, tmp_path / "a.csv")
    assert list(tmp_path.iterdir()) == []


def test_a_table_shows_the_first_rows(model: Model) -> None:
    plan = plan_sweep(model, metrics=FAST, by="stage", batch="1:100", compute_efficiency=[0.5, 1])
    text = table_text(plan)
    assert text.splitlines()[0] == "deepseek-ocr, gundam, rtx5090"
    assert f"{FAST} [FLOP]" in text
    assert "weight-dtype bf16" in " ".join(text.split())
    assert text.splitlines()[-1] == "180 more of 200 points: --out FILE writes them all"
    (head,) = [line for line in text.splitlines() if line.startswith("batch")]
    assert head.split() == ["batch", "compute_efficiency", "vision", "projector", "prefill", "decode", "total"]
    body = text.splitlines()[text.splitlines().index(head) + 1 :][:20]
    assert [line.split()[:2] for line in body[:3]] == [["1", "0.5"], ["1", "1"], ["2", "0.5"]]
    assert all(len(line) <= 100 for line in text.splitlines())


def test_a_short_table_is_whole(model: Model) -> None:
    metrics = [FAST, "parameters"]
    text = table_text(plan_sweep(model, metrics=metrics, batch=[1, 2], settings={"new_tokens": 7}))
    assert "more of" not in text
    assert "set: new_tokens 7 (default 512)" in text
    (head,) = [line for line in text.splitlines() if line.startswith("batch ")]
    assert head.split() == ["batch", *metrics]


def test_what_does_not_exist_is_a_dash(model: Model) -> None:
    plan = plan_sweep(model, metrics="forward_arithmetic_intensity", by="decode", new_tokens=[0, 1])
    assert table_text(plan).splitlines()[-2].split() == ["0", "-"]


def test_unverified_numbers_are_named(model: Model) -> None:
    assert "memory_bandwidth_bytes_per_s of h100-pcie" in table_text(
        plan_sweep(model, metrics="roofline_s", by="projector", batch=[1], gpu="h100-pcie")
    )
