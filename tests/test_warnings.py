"""What the model file warns of: the same words on every output, and numbers that stand."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import evaluate_model
from test_cli import assert_refused, dsocr
from test_config import CONFIG

from dsocr_symbolic import bounds, compare, load_model, sensitivity, solve, sweep
from dsocr_symbolic.language.lookup import default_definition

BEYOND = "prompt_tokens + new_tokens = 8193 positions are more than the max_position_embeddings = 8192"
LAST = 8192 - 903
TOO_MANY = ("--set", f"new_tokens={LAST + 1}")


def plain(text: str) -> str:
    return " ".join(text.split())


def test_the_last_position_is_the_networks_own() -> None:
    assert evaluate_model("gundam", {"new_tokens": LAST}).values.warnings == ()
    (said,) = evaluate_model("gundam", {"new_tokens": LAST + 1}).values.warnings
    assert said.startswith(BEYOND)
    # The last step attends to every key before it and its own: the whole cache.
    cache = evaluate_model("gundam", {"new_tokens": LAST}).total["forward_kv_cache_bytes"]
    assert cache == 61_440 * 8192


@pytest.mark.parametrize("workload", default_definition(None).workloads)
def test_named_workloads_warn_of_nothing_but_the_short_prompt(workload: str) -> None:
    said = evaluate_model(workload).values.warnings
    assert said == (
        ("the image alone needs 693 prompt tokens, there are 512",) if workload == "dsocr-standard-v1" else ()
    )


def test_a_billion_tokens_are_warned_of() -> None:
    (said,) = evaluate_model("gundam", {"text_tokens": 10**9}).values.warnings
    assert said.startswith("prompt_tokens + new_tokens = 1000001405 positions")


def test_a_config_moves_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps({**CONFIG, "max_position_embeddings": 1414, "language_config": {}}))
    said = plain(dsocr("totals", "--config", path).out)
    assert "= 1415 positions are more than the max_position_embeddings = 1414" in said


@pytest.mark.parametrize(
    "command",
    [
        ("totals",),
        ("totals", "--format", "markdown"),
        ("tree", "--depth", "1"),
        ("solve", "batch", "peak_memory_bytes <= capacity"),
        ("sensitivity", "--symbol", "batch"),
        ("bounds", "expert_weights"),
        ("compare", "batch=1", "batch=2", "--metric", "parameters"),
        ("sweep", "--vary", "batch=1,2", "--metric", "parameters"),
    ],
    ids=" ".join,
)
def test_texts_say_it(command: tuple[str, ...]) -> None:
    if command[0] == "bounds":
        command = ("bounds", next(iter(load_bound_names())))
    answer = dsocr(*command, *TOO_MANY)
    assert answer.status == 0, answer.err
    assert f"warning: {BEYOND}" in plain(answer.out).replace("batch=1: ", "")
    assert "warning" not in dsocr(*command).out


def load_bound_names() -> Any:
    from dsocr_symbolic.language.files.bounds_file import load_bounds

    return load_bounds(default_definition(None)).conditions


@pytest.mark.parametrize(
    "command",
    [
        ("totals", "--format", "csv"),
        ("formula", "prefill/norm", "--format", "latex"),
        ("sweep", "--vary", "batch=1,2", "--metric", "parameters", "--out", "OUT.csv"),
        ("export", "--xlsx", "OUT.xlsx"),
    ],
    ids=" ".join,
)
def test_machine_formats_leave_it_to_standard_error(command: tuple[str, ...], tmp_path: Path) -> None:
    words = [word.replace("OUT", str(tmp_path / "out")) for word in command]
    answer = dsocr(*words, *TOO_MANY)
    assert answer.status == 0
    assert answer.err.startswith(f"dsocr: warning: {BEYOND}")
    assert answer.err.count("\n") == 1
    assert "warning" not in answer.out


@pytest.mark.parametrize(
    "command",
    [
        ("totals",),
        ("solve", "batch", "peak_memory_bytes <= capacity"),
        ("sensitivity", "--symbol", "batch"),
        ("compare", "batch=1", "batch=2", "--metric", "parameters"),
    ],
    ids=" ".join,
)
def test_json_lists_it(command: tuple[str, ...]) -> None:
    answer = dsocr(*command, "--format", "json", *TOO_MANY)
    assert answer.err == ""
    warnings = json.loads(answer.out)["warnings"]
    assert all(BEYOND in said for said in warnings)
    assert len(warnings) == (2 if command[0] == "compare" else 1)
    assert json.loads(dsocr(*command, "--format", "json").out)["warnings"] == []


def test_solve_names_the_limit_that_its_answer_passes() -> None:
    found = solve("new_tokens", "tpot_s <= 0.002")
    (said,) = found.warnings
    assert "max_position_embeddings = 8192" in said
    assert said.endswith(f"new_tokens = {LAST} is the largest that keeps to it")
    assert (
        solve("text_tokens", "ttft_s <= 1").warnings[0].endswith("text_tokens = 6787 is the largest that keeps to it")
    )
    assert solve("new_tokens", f"new_tokens <= {LAST}").warnings == ()
    assert len(solve("new_tokens", f"new_tokens <= {LAST + 1}").warnings) == 1
    assert "is the largest that keeps to it" in found._repr_markdown_()


def test_answers_in_python_have_an_attribute() -> None:
    settings = {"new_tokens": LAST + 1}
    assert BEYOND in sensitivity("parameters", symbols=["batch"], settings=settings).warnings[0]
    name = next(iter(load_bound_names()))
    assert BEYOND in bounds(only=[name], settings=settings).warnings[0]
    compared = compare({"batch": 1}, {"new_tokens": LAST + 1}, metrics=["parameters"])
    assert compared.warnings == (f"new_tokens={LAST + 1}: {BEYOND} that the decoder was made for",)


@pytest.mark.parametrize("backend", ["numpy", "torch"])
def test_a_compiled_function_says_it_of_any_points(backend: Any) -> None:
    if backend == "torch":
        pytest.importorskip("torch")
    cost = load_model("deepseek-ocr").compile("parameters", ["text_tokens", "new_tokens"], backend=backend)
    assert cost.warnings(text_tokens=10, new_tokens=LAST) == ()
    assert cost.warnings(text_tokens=10, new_tokens=LAST + 1)[0].startswith(BEYOND)
    many = cost.warnings(text_tokens=np.array([[10], [11]]), new_tokens=np.arange(LAST - 1, LAST + 2))
    assert len(many) == 1
    assert BEYOND in many[0]
    assert "(point 2, 3 in all)" in many[0]
    fixed = load_model("deepseek-ocr").compile("parameters", ["batch"], settings={"new_tokens": LAST + 1})
    assert "(point 0, 3 in all)" in fixed.warnings(batch=[1, 2, 3])[0]


def test_a_sweep_says_where_and_how_often() -> None:
    vary = ("--vary", f"new_tokens={LAST - 1}:{LAST + 2}", "--vary", "attention=flash,eager")
    text = plain(dsocr("sweep", *vary, "--metric", "parameters").out)
    assert f"at new_tokens {LAST + 1}, attention flash (4 of 8 points)" in text
    pytest.importorskip("xarray")
    data = sweep(load_model("deepseek-ocr"), metrics="parameters", new_tokens=[1, LAST + 1])
    assert BEYOND in data.attrs["warnings"]
    assert "warnings" not in sweep(load_model("deepseek-ocr"), metrics="parameters", new_tokens=[1, 2]).attrs


def test_a_document_says_it_once(tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    for name in ("one", "two"):
        image.new("1", (500, 500)).save(tmp_path / f"{name}.png")
    document = json.loads(dsocr("totals", "--document", tmp_path, "--format", "json", "--set", "new_tokens=8192").out)
    assert len(document["warnings"]) == 1


def test_a_warning_is_part_of_a_model_file(tmp_path: Path) -> None:
    text = Path(default_definition(None).file).read_text(encoding="utf-8")
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace("warnings:\n", "warnings:\n  - {require: batch < 4, say: 'batch {2*batch}/2'}\n"))
    assert "warning: batch 8/2" in dsocr("totals", "--model", path, "--set", "batch=4").out
    assert "warning:" not in dsocr("totals", "--model", path, "--set", "batch=3").out
    path.write_text(text.replace("warnings:\n", "warnings:\n  - {require: bath < 4, say: few}\n"))
    assert_refused(dsocr("totals", "--model", str(path)), "warnings: few: unknown symbol 'bath'")


def test_a_layer_warns_of_its_own_symbols_alone() -> None:
    alone = ("totals", "--layer", "deepseek_ocr_model", "--set", "prompt_tokens=5")
    assert "warning: the image alone needs 273 prompt tokens" in dsocr(*alone).out
    assert "warning" not in dsocr("totals", "--layer", "lm_head", "--set", "image_tokens=7").out
