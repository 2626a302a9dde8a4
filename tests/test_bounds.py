"""Regime boundaries: equal to looking at every value, through the compiled array functions."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from test_cli import MODEL, assert_refused, dsocr

from dsocr_symbolic import Model, UserError, bounds, load_model
from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.language.expression import evaluate, names
from dsocr_symbolic.language.files.bounds_file import Condition, load_bounds
from dsocr_symbolic.language.time_formula import timed
from dsocr_symbolic.questions.bounds.regimes import Bounds, RegimeBound
from dsocr_symbolic.questions.question import ask
from dsocr_symbolic.scenario.hardware import load_gpu, load_gpus

NAMES = tuple(load_bounds(load_model().definition).conditions)
FARTHEST = 20_000
NUMPY = SimpleNamespace(number=float, divide=np.divide)
# Conditions of times depend on which time it is.
CASES = [(name, time) for name in NAMES for time in ("roofline", "lower_bound") if time == "roofline" or "time" in name]


@cache
def model() -> Model:
    return load_model()


@cache
def found(gpu: str = "rtx5090", time: str = "roofline") -> Bounds:
    return bounds(model=model(), workload="gundam", gpu=gpu, time=time)


def bound(name: str, gpu: str = "rtx5090", time: str = "roofline") -> RegimeBound:
    return {each.name: each for each in found(gpu, time).bounds}[name]


def looped(condition: Condition, gpu: str, time: str) -> np.ndarray:
    """Say for every value from 1 on whether a condition holds, on numpy arrays."""
    values = np.arange(1, FARTHEST)
    metrics = sorted({timed(term.metric, time) for term in condition.terms.values()})
    paths = sorted({path or "total" for term in condition.terms.values() for path in term.paths})
    symbols = names(condition.left) | names(condition.right)
    given = {"workload": "gundam", "gpu": gpu, "settings": dict(condition.settings), "check": False}
    function = model().compile(metrics, over=condition.vary, by=paths, waived=condition.waived, **given)
    results = function(**{condition.vary: values})
    question = ask(model(), workload="gundam", gpu=gpu, settings=condition.settings)
    scope: dict[str, Any] = {name: float(question.numbers[name]) for name in symbols & question.numbers.keys()}
    if condition.vary == "batch":
        scope["decode_experts_hit"] = 64 * (1 - (1 - 6 / 64) ** values)
    scope |= {condition.vary: values}
    for name, term in condition.terms.items():
        parts = [results[timed(term.metric, time)][path or "total"] for path in term.paths]
        scope[name] = sum(np.broadcast_to(part, values.shape) for part in parts)
    sides = [np.asarray(evaluate(side, scope, NUMPY)) for side in (condition.left, condition.right)]  # type: ignore[arg-type]
    return np.broadcast_to(sides[0] >= sides[1], values.shape)


@pytest.mark.parametrize("gpu", ["rtx5090", "l4"])
@pytest.mark.parametrize(("name", "time"), CASES)
def test_boundaries_are_those_of_a_loop(name: str, gpu: str, time: str) -> None:
    condition = load_bounds(model().definition).conditions[name]
    holds = looped(condition, gpu, time)
    changes = [int(place) + 2 for place in np.flatnonzero(holds[1:] != holds[:-1])]
    known = bound(name, gpu, time)
    assert known.holds_first == bool(holds[0])
    near = [each for each in known.changes if each.value < FARTHEST - 1]
    assert [each.value if each.holds else each.value + 1 for each in near] == changes
    for each in near:
        assert each.holds == bool(holds[(each.value if each.holds else each.value + 1) - 1])
        assert each.crossing is not None
        assert abs(each.crossing - each.value) <= 1


def test_what_is_known_of_a_decode_step() -> None:
    experts = bound("experts_compute_bound").changes[0]
    ridge = found().ridge_points[0]
    assert ridge.value == pytest.approx(209.5e12 / 1792e9)
    # bf16 weights of an expert and its rows in and out: more rows than the ridge point, for those are moved as well.
    assert experts.tells["rows_per_expert"] > ridge.value
    assert not bound("decode_compute_bound").changes
    cache_passes = bound("cache_passes_weights_read").changes[0]
    assert cache_passes.tells["context"] == cache_passes.value + 512


def test_the_weights_of_a_step_are_its_compulsory_bytes() -> None:
    """What the condition calls weights is what the tree reads in a step beside cache, inputs and outputs."""
    condition = load_bounds(model().definition).conditions["cache_passes_weights_read"]
    question = ask(model(), workload="gundam", settings={"new_tokens": 1})
    scope = dict(question.numbers) | dict(
        zip(condition.terms, question.metrics(tuple(condition.terms.values())), strict=True)
    )
    cache_bytes, weights = (evaluate(side, scope, arithmetic) for side in (condition.left, condition.right))
    given = {"workload": "gundam", "settings": {"new_tokens": 1}}
    step = model().compile("forward_fused_io_bytes", over="batch", by="decode", **given)
    moved = step(batch=1)["forward_fused_io_bytes"]["decode"]
    # What is left is one row of the table, one cached key and value appended, the token and its logits.
    assert 0 < moved - weights - cache_bytes < 2 * 129280 * 4


def test_numbers_and_formulas_are_printed() -> None:
    experts = bound("experts_compute_bound")
    assert "decode_experts_hit" in experts.formula
    assert ">= compute_efficiency*tensor_core_peak*(" in experts.formula
    assert "*batch" in experts.changes[0].numbers[0]
    assert experts.changes[0].numbers[1].startswith("batch >= ")
    assert experts.terms["products"] == "forward_tensor_core_flops of decode/layers.1-11/mlp/experts"


def test_every_machine_has_bounds() -> None:
    for gpu in load_gpus():
        numbers = load_gpu(gpu.name).numbers
        dtype = "bf16" if "tensor_bf16_flops_per_s" in numbers else "fp16"
        only = ["cache_passes_weights_held"]
        ridge = bounds(gpu=gpu.name, only=only, activation_dtype=dtype).ridge_points[0]
        peak = numbers[f"tensor_{dtype}_flops_per_s"].value_si
        assert ridge.value == pytest.approx(peak / numbers["memory_bandwidth_bytes_per_s"].value_si)


def test_the_command_prints_them() -> None:
    answer = dsocr("bounds", "experts_compute_bound", "cache_passes_weights_held")
    assert answer.status == 0
    assert "from batch = 1435 on (rows_per_expert 134.531)" in answer.out
    assert "from batch = 77 on" in answer.out
    document = json.loads(dsocr("bounds", "experts_compute_bound", "--format", "json").out)
    assert document["bounds"][0]["bounds"][0]["changes"][0]["value"] == 1435
    table = dsocr("bounds", "cache_passes_weights_held", "--by", "gpu").out
    assert all(gpu.name in table for gpu in load_gpus())


@pytest.mark.parametrize(("dtype", "lacking"), [("bf16", {"t4"}), ("fp16", set()), ("fp8", {"t4", "rtx3090", "a10g"})])
def test_the_table_of_machines_leaves_out_those_without_the_dtype(dtype: str, lacking: set[str]) -> None:
    asked = ("bounds", "cache_passes_weights_held", "--by", "gpu", "--activation-dtype", dtype)
    document = json.loads(dsocr(*asked, "--format", "json").out)
    rows = {machine["gpu"] for machine in document["bounds"]}
    assert lacking <= set(document["left_out"]) == {gpu.name for gpu in load_gpus()} - rows
    said = " ".join(dsocr(*asked).out.split()) + " "
    assert all(f"left out: {reason} " in said for reason in document["left_out"].values())
    assert dsocr("bounds", "unheard_of", "--by", "gpu").status != 0


# the file


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Give a network called mini a bounds file of its own."""
    (tmp_path / "formulas/models").mkdir(parents=True)
    (tmp_path / "formulas/bounds").mkdir()
    (tmp_path / "formulas/models/mini.yaml").write_text(MODEL.read_text(encoding="utf-8"), encoding="utf-8")
    monkeypatch.setenv("DSOCR_PATH", str(tmp_path))
    return tmp_path / "formulas/bounds/mini.yaml"


GOOD: Mapping[str, str] = {
    "summary": "cache",
    "vary": "batch",
    "terms": "{cache: {metric: forward_kv_cache_bytes, of: decode}}",
    "left": "cache",
    "right": "1000000000",
}


def written(path: Path, **changes: str | None) -> Path:
    entries = {key: value for key, value in {**GOOD, **changes}.items() if value is not None}
    lines = "".join(f"    {key}: {value}\n" for key, value in entries.items())
    path.write_text(f"bounds:\n  one:\n{lines}", encoding="utf-8")
    return path


def test_a_network_has_bounds_of_its_own(folder: Path) -> None:
    written(folder)
    (only,) = bounds(model="mini", workload="gundam").bounds
    assert only.changes[0].value == 12


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"vary": "batches"}, "unknown symbol 'batches'"),
        ({"left": "cached"}, "unknown name 'cached'"),
        ({"right": None}, "the key 'right' is missing"),
        ({"righ": "1"}, "unknown key 'righ'"),
        ({"right": "cache*"}, "is not a formula"),
        ({"terms": "{cache: {metric: forward_kv_cache, of: decode}}"}, "unknown metric 'forward_kv_cache'"),
        ({"terms": "{cache: {metric: forward_kv_cache_bytes, of: decod}}"}, "unknown part 'decod'"),
        ({"terms": "{cache: {metric: forward_kv_cache_bytes, of: []}}"}, "names no part"),
        ({"terms": "{batch: {metric: forward_kv_cache_bytes, of: decode}}"}, "is a symbol of the model"),
        ({"left": "batch"}, "is used by neither side"),
        ({"set": "{rows: 1}"}, "unknown symbol 'rows'"),
        ({"set": "{crop_rows: many}"}, "expected a number"),
        ({"waive": "[any]"}, "no rule is lifted by 'any'"),
        ({"tells": "{a: cache}"}, "unknown name 'cache'"),
    ],
)
def test_what_a_file_gets_wrong_is_said(folder: Path, changes: dict[str, str | None], said: str) -> None:
    from dsocr_symbolic.language.files.bounds_file import _read

    _read.cache_clear()
    written(folder, **changes)
    with pytest.raises(UserError) as caught:
        bounds(model="mini", workload="gundam")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_network_without_bounds_says_so(folder: Path) -> None:
    assert_refused(dsocr("bounds", "--model", "mini"), "no file formulas/bounds/mini.yaml")
    assert not folder.exists()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("expert_compute_bound",), "did you mean experts_compute_bound"),
        (("--by", "gpu", "--gpu", "h200"), "drop --gpu"),
        (("--attention", "eagr"), "unknown option"),
    ],
)
def test_mistakes_are_said_in_one_line(words: tuple[str, ...], said: str) -> None:
    assert_refused(dsocr("bounds", *words), said)
