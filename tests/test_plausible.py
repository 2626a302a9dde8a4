"""What cannot be is refused in one line, what is doubtful is warned of once; a symbol has one meaning."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import evaluate_model
from test_cli import assert_refused, dsocr

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.lookup import default_definition, find_definition
from dsocr_symbolic.language.registry import load_conventions, load_machine
from dsocr_symbolic.paths import data_files
from dsocr_symbolic.scenario.scenario import doubts, make_scenario

DEFINITION = default_definition(None)
IMPOSSIBLE = {
    "compute_efficiency=2.01": "at most 2",
    "bandwidth_efficiency=3": "at most 2",
    "memory_utilisation=1.5": "at most 1",
    "highest_clock=1000000000": "at least rated_clock",
    "rated_clock=9000000000": "at least rated_clock",
    "reserve=64000000000": "at most usable_memory",
    "usable_memory=1000": "reserve is at most usable_memory",
    "autocast=0.5": "autocast is 1",
    "logits_of_all=0.5": "logits_of_all is 1",
    "weight=0": "more than 0 bytes",
    "kv=0": "more than 0 bytes",
}
DOUBTFUL = {
    "compute_efficiency=1.5": "compute_efficiency = 1.5",
    "bandwidth_efficiency=2": "bandwidth_efficiency = 2",
    "memory_bandwidth=1792": "memory_bandwidth = 1792 byte/s",
    "memory_bandwidth=1.8e16": "memory_bandwidth = 18000000000000000 byte/s",
    "tensor_core_peak=209.5": "tensor_core_peak = 209.5 FLOP/s",
    "cuda_core_peak=104": "cuda_core_peak = 104 FLOP/s",
    "highest_clock=3e12": "highest_clock = 3000000000000 Hz",
    "usable_memory=64000000000": "usable_memory = 64000000000 byte is more than the 34359738368 byte",
    "process_memory=35000000000": "process_memory = 35000000000 byte",
    "weight=16": "are they bits?",
}
VERBS = (
    *(("totals", "--format", output) for output in ("text", "json", "csv")),
    *(("sweep", "--vary", "batch=1", "--metric", "parameters"), ("solve", "batch", "parameters >= 1")),
    *(("sensitivity", "--metric", "parameters", "--symbol", "vocab_size"), ("formula", "decode/norm")),
)


@pytest.mark.parametrize("setting", IMPOSSIBLE)
def test_what_cannot_be_is_refused(setting: str) -> None:
    assert_refused(dsocr("totals", "--set", setting), IMPOSSIBLE[setting])


@pytest.mark.parametrize("setting", DOUBTFUL)
def test_what_is_doubtful_is_warned_of_once_and_in_json(setting: str) -> None:
    answer = dsocr("totals", "--set", setting, "--format", "json")
    assert answer.status == 0
    assert answer.err.count("\n") == 1
    assert answer.err.startswith("dsocr: warning: ")
    (warning,) = json.loads(answer.out)["warnings"]
    assert DOUBTFUL[setting] in warning
    assert answer.err == f"dsocr: warning: {warning}\n"


@pytest.mark.parametrize("verb", VERBS, ids=" ".join)
def test_every_verb_warns_on_standard_error(verb: tuple[str, ...]) -> None:
    answer = dsocr(*verb, "--set", "compute_efficiency=1.5")
    assert answer.status == 0
    assert answer.err == "dsocr: warning: compute_efficiency = 1.5 is more than the peak that the maker states\n"
    assert dsocr(*verb, "--set", "compute_efficiency=0.5").err == ""


def test_a_scenario_of_a_comparison_is_warned_of_by_name() -> None:
    answer = dsocr("compare", "compute_efficiency=1.5", "batch=2", "--metric", "parameters")
    assert answer.err.startswith("dsocr: warning: compute_efficiency=1.5: compute_efficiency = 1.5 is more")
    assert answer.err.count("\n") == 1


def test_a_mistake_is_one_line_though_something_is_doubtful() -> None:
    assert_refused(dsocr("formula", "nowhere", "--set", "compute_efficiency=1.5"), "nowhere")
    assert_refused(dsocr("totals", "--set", "compute_efficiency=1.5", "--set", "bandwidth_efficiency=3"), "at most 2")


def test_no_gpu_of_ours_is_doubtful() -> None:
    for gpu in data_files("hardware"):
        assert doubts(make_scenario(definition=DEFINITION, gpu=gpu)) == [], gpu


def test_a_gpu_of_ones_own_is_looked_at_too(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    numbers = {
        key: {"value": value, "source": "me"}
        for key, value in (
            ("tensor_bf16_tflops", 200),
            ("cuda_fp32_tflops", 100),
            ("memory_bandwidth_gb_per_s", 1792e9),
        )
    }
    path.write_text(yaml.safe_dump({"title": "mine", "numbers": numbers}), encoding="utf-8")
    answer = dsocr("totals", "--gpu", path)
    assert answer.status == 0
    assert "memory_bandwidth = 1792000000000000000000 byte/s is that of no machine" in answer.err


def test_a_layer_alone_keeps_to_what_holds_of_every_machine() -> None:
    layer = ("totals", "--layer", "vision/block")
    assert_refused(dsocr(*layer, "--set", "compute_efficiency=3"), "at most 2")
    assert "1.5 is more" in dsocr(*layer, "--set", "compute_efficiency=1.5").err


def test_python_is_told_as_well() -> None:
    (said,) = evaluate_model("tiny", {"compute_efficiency": 1.5}).values.warnings
    assert "compute_efficiency = 1.5" in said
    with pytest.raises(UserError, match="at most 2"):
        evaluate_model("tiny", {"compute_efficiency": 2.5})


# one name, one meaning

SMALL = Path(__file__).parent / "manual" / "deepseek_ocr" / "other_network" / "formulas" / "models" / "small-llama.yaml"


def renamed(tmp_path: Path, change: dict[str, Any]) -> Path:
    content = yaml.safe_load(SMALL.read_text(encoding="utf-8"))
    for section, symbols in change.items():
        content.setdefault(section, {}).update(symbols)
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    return path


SHARED = [*load_conventions().symbols, *load_machine()]


@pytest.mark.parametrize(
    ("section", "name"),
    [
        *((section, name) for section in ("constants", "workload", "derived") for name in SHARED),
        *(("constants", "batch"), ("derived", "batch"), ("workload", "hidden_size"), ("derived", "hidden_size")),
    ],
)
def test_a_symbol_that_is_another_ones_is_refused(tmp_path: Path, section: str, name: str) -> None:
    own = {"letter": "x", "meaning": "mine", **({"formula": 1} if section == "derived" else {"value": 1})}
    path = renamed(tmp_path, {section: {name: own}})
    with pytest.raises(UserError) as refused:
        find_definition(str(path))
    assert re.fullmatch(rf"{re.escape(str(path))}: .*'{name}' .*give .* another name", str(refused.value))


def test_the_symbol_that_stands_for_another_in_bounds_is_taken(tmp_path: Path) -> None:
    quantity = {"value": 1, "letter": "x", "meaning": "mine"}
    for order in (("x", "fewest_x"), ("fewest_x", "x")):
        symbols = {name: quantity | ({"fewest": 1} if name == "x" else {}) for name in order}
        with pytest.raises(UserError, match=r"'fewest_x' is a symbol of constants as well; give (fewest_)?x another"):
            find_definition(str(renamed(tmp_path, {"constants": symbols})))


def test_the_command_says_file_symbol_and_way_out(tmp_path: Path) -> None:
    path = renamed(tmp_path, {"constants": {"kv": {"value": 1, "letter": "x", "meaning": "mine"}}})
    assert_refused(dsocr("totals", "--model", path), path, "'kv'", "conventions.yaml", "another name")
