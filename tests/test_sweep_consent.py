"""A sweep of very many points is asked about before it starts."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from conftest import Terminal
from test_cli import dsocr

from dsocr_symbolic.questions.sweep import consent

SWEEP = ("sweep", "--metric", "parameters", "--vary")


@pytest.mark.parametrize("name", ["a.parquet", "a.csv"])
def test_a_huge_sweep_asks_first(name: str, tmp_path: Path) -> None:
    answer = dsocr(*SWEEP, "batch=1:1e12", "--out", tmp_path / name)
    assert (answer.status, answer.out, answer.err.count("\n")) == (2, "", 1)
    assert answer.err.startswith(f"dsocr: {tmp_path / name}: 1,000,000,000,000 points take about ")
    assert f" or more, and {'8 TB' if 'parquet' in name else '18 TB'} (" in answer.err
    assert answer.err.endswith(" are free); --yes starts it\n")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("name", "why"), [("a.nc", "too many for memory"), ("a.svg", "a picture shows at most")])
def test_what_a_format_cannot_hold_is_refused_unasked(name: str, why: str, tmp_path: Path) -> None:
    answer = dsocr(*SWEEP, "batch=1:1e12", "--out", tmp_path / name)
    assert (answer.status, answer.err.count("\n")) == (2, 1)
    assert why in answer.err


def test_the_first_points_of_a_huge_sweep_are_shown_unasked() -> None:
    answer = dsocr(*SWEEP, "batch=1:1e12")
    assert (answer.status, answer.err) == (0, "")
    assert "999,999,999,980 more of 1,000,000,000,000 points" in answer.out


def test_no_question_up_to_the_limit_nor_with_yes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consent, "MOST_UNASKED", 5)
    assert dsocr(*SWEEP, "batch=1:5", "--out", tmp_path / "few.csv").status == 0
    assert dsocr(*SWEEP, "batch=1:6", "--out", tmp_path / "many.csv").status == 2
    assert dsocr(*SWEEP, "batch=1:6", "--out", tmp_path / "many.csv", "--yes").status == 0
    assert {path.name for path in tmp_path.iterdir()} == {"few.csv", "few.csv.txt", "many.csv", "many.csv.txt"}


@pytest.mark.parametrize(("typed", "status", "said"), [("y\n", 0, ""), ("n\n", 2, "not started"), ("", 130, "interr")])
def test_a_terminal_is_asked(
    typed: str, status: int, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consent, "MOST_UNASKED", 5)
    monkeypatch.setattr("sys.stdin", Terminal(typed))
    monkeypatch.setattr(consent, "sys", SimpleNamespace(stdin=Terminal(), stderr=Terminal()))
    answer = dsocr(*SWEEP, "batch=1:6", "--out", tmp_path / "a.csv")
    assert answer.status == status
    assert "6 points take about 1 second or more, and 110 B (" in answer.err
    assert said in answer.err.splitlines()[-1]
    assert (tmp_path / "a.csv").exists() == (typed == "y\n")


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0.0, "1 second"), (45.4, "45 seconds"), (60, "1 minute"), (86_400 * 12, "12 days"), (6.4e9, "203 years")],
)
def test_spans_of_time(seconds: float, said: str) -> None:
    assert consent.lasting(seconds) == said


def test_time_is_estimated_by_ranges_of_the_sweep(monkeypatch: pytest.MonkeyPatch) -> None:
    evaluated: list[tuple[int, int]] = []
    clock = iter([10.0, 12.0])
    monkeypatch.setattr("time.perf_counter", lambda: next(clock))
    plan: Any = SimpleNamespace(
        count=10 * consent._SAMPLE, evaluate_range=lambda start, stop: evaluated.append((start, stop))
    )
    assert consent.seconds_of(plan) == 5.0
    assert len(evaluated) == 2 * consent._RANGES
    assert evaluated[0] == (0, consent._SAMPLE)
    assert evaluated[-1] == (9 * consent._SAMPLE, 10 * consent._SAMPLE)
