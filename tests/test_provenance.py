"""What was set is stated everywhere, with what it is otherwise; what was not set is stated nowhere."""

import csv
import io
import json
import shlex
from pathlib import Path
from typing import Any

import pytest
from conftest import uncommented
from test_cli import dsocr

from dsocr_symbolic import load_model
from dsocr_symbolic.algebras.arithmetic import whole
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.questions.question import Question
from dsocr_symbolic.questions.settings_text import setting_notes
from dsocr_symbolic.scenario.provenance import what_was_set
from dsocr_symbolic.scenario.scenario import make_scenario, scenario_values

DEFINITION = default_definition(None)
SETTABLE = [name for name, known in DEFINITION.quantities.items() if not known.fixed and known.group != "choice"]
# A network size, what follows from others, a convention, the machine, its memory; and options that set symbols.
SET = {"n_routed_experts": 128, "prompt_tokens": 950, "activation": 1, "compute_efficiency": 0.5}
OTHERWISE = {"n_routed_experts": 64, "prompt_tokens": 903, "activation": 2, "compute_efficiency": 1, "reserve": 2**30}
ASKED = (
    *(word for name, value in SET.items() for word in ("--set", f"{name}={value}")),
    *("--reserve", "2", "--kv-dtype", "fp8", "--allow-any-grid"),
)
SENTENCES = (
    *("n_routed_experts 128 (default 64)", "prompt_tokens 950 (its formula gives 903)", "activation 1 (default 2)"),
    *("compute_efficiency 0.5 (default 1)", f"reserve {2**31} (default {2**30})", "kv-dtype fp8", "--allow-any-grid"),
)
SWEEP = ("sweep", "--vary", "batch=1,2", "--metric", "roofline_s")
VERBS = {
    "totals": ("totals",),
    "markdown": ("totals", "--format", "markdown"),
    "csv": ("totals", "--format", "csv"),
    "tree": ("tree", "--depth", "1"),
    "sweep": SWEEP,
    "solve": ("solve", "batch", "ttft_s <= 1"),
    "sensitivity": ("sensitivity", "--metric", "parameters", "--symbol", "vocab_size"),
    "bounds": ("bounds", "cache_passes_weights_held"),
    "gpus": ("bounds", "cache_passes_weights_held", "--by", "gpu"),
    "compare": ("compare", "batch=1", "batch=2", "--metric", "parameters"),
    "formula": ("formula", "decode/norm", "--metric", "parameters"),
    "latex": ("formula", "decode/norm", "--metric", "parameters", "--format", "latex"),
}


def data(*arguments: str | Path) -> Any:
    answer = dsocr(*arguments, "--format", "json")
    assert answer.status == 0, answer.err
    return json.loads(answer.out)


def set_by(**settings: Any) -> dict[str, dict[str, Any]]:
    """Return what is said of settings, nothing evaluated but symbols."""
    scenario = make_scenario(definition=DEFINITION, settings=settings)
    found = what_was_set(scenario, scenario_values(scenario).numbers)
    return {name: setting.data for name, setting in found.items()}


@pytest.mark.parametrize("verb", VERBS)
def test_every_text_says_all_that_was_set_and_what_was_typed(verb: str) -> None:
    answer = dsocr(*VERBS[verb], *ASKED)
    assert answer.status == 0, answer.err
    text = " ".join(answer.out.replace("\n#", "\n").split())
    for sentence in SENTENCES:
        assert sentence in text or (sentence, verb) == (SENTENCES[0], "gpus"), sentence
    assert " ".join(shlex.join(["dsocr", *VERBS[verb], *ASKED]).split()) in text


@pytest.mark.parametrize("verb", VERBS)
def test_nothing_is_said_to_be_set_that_was_not(verb: str) -> None:
    text = dsocr(*VERBS[verb]).out.replace("set: batch", "")
    assert not [word for word in ("set:", "set by", "put in:", "rules lifted", "formula gives") if word in text]


@pytest.mark.parametrize("name", ["totals", "solve", "sensitivity", "bounds", "gpus"])
def test_json_lists_each_with_its_origin_and_what_it_is_otherwise(name: str) -> None:
    verb = VERBS[name]
    found = data(*verb, *ASKED)
    told = found["overridden"]
    assert {name: told[name]["value"] for name in SET} == SET
    for symbol, value in OTHERWISE.items():
        assert told[symbol]["origin"] == "user"
        assert told[symbol]["formula_gives" if symbol == "prompt_tokens" else "default"] == value
    assert told["kv"] == {"value": 1, "origin": "choice kv-dtype fp8", "default": 2}
    assert set(told) == {*OTHERWISE, "kv"}
    assert found["waived"] == ["allow_any_grid"]
    assert found["command"] == shlex.join(["dsocr", *verb, *ASKED, "--format", "json"])
    plain = data(*verb)
    assert (plain["overridden"], plain["waived"]) == ({}, [])


def test_json_of_a_comparison_says_it_of_each_scenario() -> None:
    found = data("compare", "batch=1", "batch=2,weight-dtype=fp8", "--set", "new_tokens=7", "--metric", "parameters")
    first, second = (about["overridden"] for about in found["comparison"]["about"])
    assert first["new_tokens"] == second["new_tokens"] == {"value": 7, "origin": "user", "default": 512}
    assert (first["batch"]["value"], second["batch"]["value"], second["weight"]["default"]) == (1, 2, 2)
    assert "weight" not in first
    assert found["command"].startswith("dsocr compare batch=1 ")


@pytest.mark.parametrize("name", SETTABLE)
def test_every_symbol_is_stated_with_what_it_would_be(name: str) -> None:
    plain = make_scenario(definition=DEFINITION)
    values = scenario_values(plain)
    usual, source = values.numbers[name], values.origins[name]
    # Of what was not measured on the machine nothing else is known.
    known = None if source.kind == "default" and source.name else whole(usual)
    scenario = make_scenario(definition=DEFINITION, settings={name: usual})
    settings = what_was_set(scenario, scenario_values(scenario).numbers)
    assert set(settings) == {name}
    # What is set to what it is anyway was set all the same.
    assert (settings[name].value, settings[name].otherwise) == (whole(usual), known)
    assert settings[name].origin == "user"


def test_origins_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("set: {base_size: 640, prompt_tokens: 300, weight: 1}\n", encoding="utf-8")
    told = data("totals", "--workload", path, "--set", "weight=2", "--kv-dtype", "fp8")["overridden"]
    assert told["base_size"] == {"value": 640, "origin": f"workload {path}", "default": 1024}
    assert told["prompt_tokens"] == {"value": 300, "origin": f"workload {path}", "formula_gives": 121}
    assert told["weight"] == {"value": 2, "origin": "user", "default": 1}
    assert told["kv"]["origin"] == "choice kv-dtype fp8"
    assert set_by(base_size=640) == {"base_size": {"value": 640, "origin": "user", "default": 1024}}
    assert data("totals", "--workload", "tiny", "--set", "base_size=640")["overridden"]["base_size"]["default"] == 512
    assert data("totals", "--workload", "tiny")["overridden"] == {}


def test_sizes_of_a_config_are_stated(tmp_path: Path) -> None:
    sizes = {known.config: known.formula.text for known in DEFINITION.quantities.values() if known.config}
    path = tmp_path / "config.json"
    path.write_text(
        json.dumps(
            {"model_type": "deepseek_vl_v2"} | {key: int(value) for key, value in sizes.items()} | {"vocab_size": 1000}
        )
    )
    told = data("totals", "--config", path)["overridden"]
    assert told["vocab_size"] == {"value": 1000, "origin": "config", "default": 129280}
    assert len(told) == len(sizes)
    text = " ".join(dsocr("totals", "--config", path).out.split())
    assert f"set by config.json: vocab_size 1000 (default 129280), {len(sizes) - 1} more as they are by default" in text
    model = load_model("deepseek-ocr", config=path)
    notes = setting_notes(
        {
            name: each.data
            for name, each in Question(model=model, scenario=make_scenario(definition=DEFINITION)).was_set().items()
        }
    )
    assert notes == []


def test_what_a_model_brings_is_put_in() -> None:
    model = load_model("deepseek-ocr").what_if(text_tokens=7, batch="2*batch")
    question = Question(model=model, scenario=make_scenario(definition=DEFINITION, settings={"new_tokens": 3}))
    told = question.described()["overridden"]
    assert told["text_tokens"] == {"value": 7, "origin": "what_if", "default": 10}
    assert told["batch"] == {"value": 2, "origin": "what_if", "default": 1}
    assert "put in: batch 2 (default 1), text_tokens 7 (default 10)" in question.heading()
    assert "set: new_tokens 3 (default 512)" in question.heading()
    # In Python nothing was typed.
    assert (question.described()["command"], "command" in question.heading()) == (None, False)


def test_a_number_that_the_gpu_lacks_has_no_default() -> None:
    told = data("totals", "--gpu", "t4", "--set", "tensor_core_peak=6.5e13")["overridden"]
    assert told["tensor_core_peak"] == {"value": 65 * 10**12, "origin": "user", "default": None}
    assert setting_notes(told) == ["set: tensor_core_peak 65000000000000 (no one default)"]


# sweeps


def test_a_default_that_differs_along_a_sweep_is_none_of_them() -> None:
    question = ("sweep", "--metric", "roofline_s", "--set", "memory_bandwidth=1e12", "--set", "prompt_tokens=950")
    text = " ".join(dsocr(*question, "--vary", "gpu=l4,h200", "--vary", "crop_grid=3x2,0x0").out.split())
    assert "memory_bandwidth 1000000000000 (no one default), prompt_tokens 950 (else by its formula)" in text
    fixed = " ".join(dsocr(*question, "--vary", "batch=1,2").out.split())
    assert "memory_bandwidth 1000000000000 (default 1792000000000), prompt_tokens 950 (its formula gives 903)" in fixed


def test_a_csv_file_is_plain_and_its_companion_says_what_it_is_of(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    out = ("--out", path)
    assert dsocr(*SWEEP, *ASKED, "--set", "new_tokens=9000", *out).status == 0
    head, *rows = csv.reader(io.StringIO(path.read_text(encoding="utf-8")))
    assert (head, [row[0] for row in rows]) == (["batch", "roofline_s"], ["1", "2"])
    companion = path.with_name("a.csv.txt")
    lines = companion.read_text(encoding="utf-8").splitlines()
    assert all(line.startswith("# ") for line in lines)
    for sentence in (*SENTENCES, "dsocr sweep --vary batch=1,2", "warning: prompt_tokens + new_tokens"):
        assert any(sentence in line for line in lines), sentence
    path.unlink()
    kept = dsocr(*SWEEP, *out)
    assert (kept.status, path.exists(), str(companion) in kept.err) == (2, False, True)
    assert dsocr(*SWEEP, *out, "--force").status == 0
    assert "set:" not in companion.read_text(encoding="utf-8")


def test_csv_is_comments_axes_and_metrics_with_nothing_for_null() -> None:
    text = dsocr("totals", "--format", "csv", "--set", "new_tokens=0").out
    comments = [line for line in text.splitlines() if line.startswith("#")]
    assert text.startswith("".join(f"{line}\n" for line in comments))
    head, *rows = csv.reader(io.StringIO(uncommented(text)))
    total = data("totals", "--set", "new_tokens=0")
    assert head == ["stage", "calls", *total["total"]]
    for row in rows:
        stage = total["stages"][row[0]]
        assert [value == "" for value in row[2:]] == [stage[name] is None for name in head[2:]]


def test_a_line_break_in_a_name_breaks_no_comment(tmp_path: Path) -> None:
    path = tmp_path / "a\nb.yaml"
    path.write_text("set: {base_size: 640}\n", encoding="utf-8")
    text = dsocr("totals", "--format", "csv", "--workload", path).out
    assert uncommented(text).startswith("stage,calls,")


# files


def test_reports_say_all_that_was_set(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="figures need matplotlib")
    assert dsocr("report", "--workload", "tiny", "--set", "new_tokens=1", *ASKED, "--out", tmp_path).status == 0
    text = (tmp_path / "report.md").read_text(encoding="utf-8")
    for sentence in (*SENTENCES[:1], *SENTENCES[2:5], "prompt_tokens 950 (its formula gives 83)", "--allow-any-grid"):
        assert sentence in text, sentence
    assert "(**set by hand**; default 1)" in text
    notes = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))["notes"]
    assert "n_routed_experts 128 (default 64)" in notes
    assert "--allow-any-grid" in notes


def test_a_document_states_its_pages_numbers_as_nobodys_setting(tmp_path: Path) -> None:
    from PIL import Image

    Image.new("RGB", (2000, 1000)).save(tmp_path / "a.png")
    found = data("totals", "--document", tmp_path / "a.png", "--set", "text_tokens=3")
    assert found["overridden"] == {"text_tokens": {"value": 3, "origin": "user", "default": 10}}
