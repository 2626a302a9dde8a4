"""Budgets: what holds, what breaks and because of which nodes; a mistake in a file is one line."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from test_cli import assert_refused, dsocr

from dsocr_symbolic import UserError, budget
from dsocr_symbolic.evaluation.answer import answer
from dsocr_symbolic.language.files.budget_file import read_assertion
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.language.strict_yaml import read_yaml
from dsocr_symbolic.paths import PACKAGE
from dsocr_symbolic.questions.budget.baseline import NodeValues
from dsocr_symbolic.questions.budget.changes import change_of
from dsocr_symbolic.scenario.scenario import make_scenario
from dsocr_symbolic.scenario.schema_files import schema

LIMITS = ("ttft_s <= 0.3 on rtx5090", "device_s <= 1e-3 on l4 with attention=eager", "parameters >= 3336106240")


def written(folder: Path, *assertions: str, **more: Any) -> Path:
    path = folder / "budget.yaml"
    path.write_text(json.dumps({**more, "assertions": list(assertions)}))
    return path


def test_a_line_per_assertion_and_exit_3(tmp_path: Path) -> None:
    answered = dsocr("budget", written(tmp_path, *LIMITS))
    assert answered.status == 3
    lines = answered.out.splitlines()
    assert [line.split()[0] for line in lines[:3]] == ["ok", "BROKEN", "ok"]
    assert all(text in line for text, line in zip(LIMITS, lines, strict=False))
    assert lines[3:] == [f"deepseek-ocr: 1 of 3 assertions of {tmp_path}/budget.yaml broken"]


def test_all_hold(tmp_path: Path) -> None:
    answered = dsocr("budget", written(tmp_path, "parameters <= 3336106240", "parameters >= 3336106240"))
    assert answered.status == 0
    assert answered.out.endswith(f"all 2 assertions of {tmp_path}/budget.yaml hold\n")


def test_sides_are_those_of_totals() -> None:
    found = budget(LIMITS)
    definition = default_definition(None)
    asked = (
        make_scenario(definition=definition, gpu="rtx5090"),
        make_scenario(definition=definition, gpu="l4", choices={"attention": "eager"}),
        make_scenario(definition=definition),
    )
    totals = [answer(each, details=False).total for each in asked]
    assert [each.left for each in found.assertions] == [
        totals[0]["ttft_s"],
        totals[1]["device_s"],
        totals[2]["parameters"],
    ]
    assert [each.holds for each in found.assertions] == [True, False, True]
    assert not found.holds
    assert "1 of 3 assertions broken" in repr(found)
    assert "broken" in found._repr_markdown_()


def test_what_a_file_gives_holds_for_all_but_those_that_say_otherwise() -> None:
    texts = ["forward_kv_cache_bytes <= 1", "forward_kv_cache_bytes <= 1 with batch=1"]
    one, two, three = (
        budget({"with": more, "assertions": texts}).assertions
        for more in ({"batch": 2}, {"batch": 1}, {"workload": "base", "batch": 2})
    )
    assert one[0].left == 2 * one[1].left == 2 * two[0].left
    assert three[0].left < one[0].left


def test_formulas_of_metrics_and_symbols_on_both_sides() -> None:
    found = budget(["Max(ttft_s, tpot_s)*2 <= 1/3 + ttft_s", "capacity >= peak_memory_bytes", "batch <= 1"])
    assert found.holds


def test_nodes_that_grew_against_a_baseline(tmp_path: Path) -> None:
    path, kept = written(tmp_path, "operator_launches <= 600000"), tmp_path / "kept.json"
    assert dsocr("budget", path, "--save-baseline", kept).status == 0
    answered = dsocr("budget", path, "--baseline", kept, "--set", "new_tokens=600", "--format", "json")
    assert answered.status == 3
    (change,) = json.loads(answered.out)["assertions"][0]["changes"]
    assert change["after"] - change["before"] == change["difference"] == 689245 - 589013
    # Every launch that came is at some node.
    assert sum(node["difference"] for node in change["nodes"]) == change["difference"]
    assert all(node["path"].startswith("decode/") for node in change["nodes"])
    text = dsocr("budget", path, "--baseline", kept, "--set", "new_tokens=600").out
    assert "operator_launches: 589013 -> 689245, +100232 (+17.0%)" in text
    assert "decode/layers.1-11/mlp/experts/gate_proj: 33792 -> 39600, +5808" in text
    assert "new_tokens=600; in the baseline of" in text


def test_a_baseline_of_itself_shows_no_growth(tmp_path: Path) -> None:
    path, kept = written(tmp_path, "ttft_s <= 1e-9 on h200", "tpot_s <= 1"), tmp_path / "kept.json"
    dsocr("budget", path, "--save-baseline", kept)
    answered = dsocr("budget", path, "--baseline", kept)
    assert answered.status == 3
    assert "ttft_s: as in the baseline" in answered.out
    first = kept.read_text()
    assert_refused(dsocr("budget", path, "--save-baseline", kept), kept, "--force")
    dsocr("budget", path, "--save-baseline", kept, "--force")
    assert kept.read_text() == first


def test_what_a_baseline_lacks_is_said(tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    budget(["ttft_s <= 1"], save_baseline=kept)
    (broken,) = budget(["tpot_s <= 1e-9 on l4"], baseline=kept).broken
    assert broken.changes[0].before is None
    assert "the baseline has none of it" in dsocr("budget", written(tmp_path, "tpot_s <= 1e-9"), "--baseline", kept).out


def test_annotations_of_a_ci(tmp_path: Path) -> None:
    path = tmp_path / "budget.yaml"
    path.write_text("summary: 100%\nassertions:\n  - ttft_s <= 1\n  - device_s   <= 1e-3 on l4\n")
    answered = dsocr("budget", path, "--format", "github")
    assert answered.status == 3
    ok, broken, _ = answered.out.splitlines()
    assert ok.startswith("ok ")
    assert broken.startswith(f"::error file={path},line=4,title=dsocr budget::device_s <= 1e-3 on l4: ")


CHANGES = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 10**12))


@given(before=CHANGES, after=CHANGES, way=st.sampled_from((1, -1)))
@settings(max_examples=50)
def test_changes_of_nodes_add_up(before: Mapping[str, int], after: Mapping[str, int], way: int) -> None:
    old, new = (NodeValues(total=sum(each.values()), nodes=each) for each in (before, after))
    change = change_of("parameters", old, new, way)
    assert sum(node.difference for node in change.nodes) == change.difference
    assert all(node.difference != 0 for node in change.nodes)
    ways = [way * node.difference > 0 for node in change.nodes]
    assert ways == sorted(ways, reverse=True)


@given(
    constraint=st.sampled_from(("a <= 1", "Max(a, b) >= 1/3")),
    gpu=st.sampled_from(("", "l4", "my/own.yaml")),
    entries=st.dictionaries(st.sampled_from(("batch", "attention", "weight-dtype")), st.sampled_from(("1", "eager"))),
)
def test_what_is_written_is_what_is_read(constraint: str, gpu: str, entries: Mapping[str, str]) -> None:
    words = ", ".join(f"{name}={value}" for name, value in entries.items())
    found = read_assertion(
        f" {constraint}" + (f"  on {gpu}" if gpu else "") + (f" with {words}" if words else ""), "here"
    )
    assert found.constraint == constraint
    assert found.given == ({"gpu": gpu} if gpu else {}) | entries


WRONG: Sequence[tuple[str, Sequence[str]]] = (
    ("ttft <= 1", ("unknown metric or symbol 'ttft'", "ttft_s")),
    ("ttft_s <= 1 on rtx509", ("unknown GPU 'rtx509'", "rtx5090")),
    ("ttft_s == 1", ("LEFT <= RIGHT",)),
    ("ttft_s < 1", ("LEFT <= RIGHT",)),
    ("ttft_s <= 1 >= 0", ("not allowed",)),
    ("ttft_s <= nan", ("unknown metric or symbol 'nan'",)),
    ("ttft_s <= 1e999", ("not allowed",)),
    ("ttft_s <= 1/0", ("divides by 0",)),
    ("ttft_s <= 1/(batch - 1)", ("divides by 0",)),
    ("1 <= 2", ("names no metric",)),
    ("__import__('os') <= 1", ("not allowed",)),
    ("ttft_s <= 1 on", ("write METRIC <= NUMBER",)),
    ("ttft_s <= 1 with", ("write METRIC <= NUMBER",)),
    ("ttft_s <= 1 with attention", ("KEY=VALUE",)),
    ("ttft_s <= 1 with attention=eagre", ("unknown option 'eagre'", "eager")),
    ("ttft_s <= 1 with atention=eager", ("unknown key 'atention'", "attention")),
    ("ttft_s <= 1 with batch=nan", ("batch",)),
    ("ttft_s <= 1 with batch=2, batch=3", ("given twice",)),
    ("ttft_s <= 1 on l4 with gpu=h200", ("given twice",)),
    ("tpot_s <= 1 with new_tokens=0", ("tpot_s has no value there",)),
    ("lower_bound_s <= 1 on mi300x", ("mi300x",)),
)


@pytest.mark.parametrize(("assertion", "words"), WRONG, ids=[text for text, _ in WRONG])
def test_a_wrong_assertion_is_one_line(assertion: str, words: Sequence[str], tmp_path: Path) -> None:
    path = written(tmp_path, assertion)
    assert_refused(dsocr("budget", path), path, *words)


FILES: Sequence[tuple[str, Sequence[str]]] = (
    ("", ("is empty",)),
    ("assertions: []", ("there is none",)),
    ("assertions: ttft_s <= 1", ("expected a list",)),
    ("assertions: [1]", ("expected METRIC",)),
    ("- ttft_s <= 1", ("expected a mapping",)),
    ("assertions: [ttft_s <= 1]\nassertions: [ttft_s <= 2]", ("stands twice",)),
    ("assertions: [ttft_s <= 1, ttft_s  <= 1]", ("stands twice",)),
    ("with: {batch: 1, batch: 2}\nassertions: [ttft_s <= 1]", ("stands twice",)),
    ("with: {batch: .nan}\nassertions: [ttft_s <= 1]", ("batch",)),
    ("with: {batch: true}\nassertions: [ttft_s <= 1]", ("expected a number or a name",)),
    ("assertion: [ttft_s <= 1]", ("unknown key 'assertion'", "assertions")),
)


@pytest.mark.parametrize(("text", "words"), FILES, ids=[text for text, _ in FILES])
def test_a_wrong_file_is_one_line(text: str, words: Sequence[str], tmp_path: Path) -> None:
    path = tmp_path / "budget.yaml"
    path.write_text(text)
    assert_refused(dsocr("budget", path), path, *words)


BASELINES: Sequence[tuple[str, Sequence[str]]] = (
    ("{", ("is no JSON",)),
    ("[]", ("dsocr baseline 1",)),
    ('{"schema": "dsocr baseline 2"}', ("dsocr baseline 1",)),
    ('{"schema": "dsocr baseline 1", "model": "llama", "scenarios": {}}', ("'llama'", "'deepseek-ocr'")),
    ('{"schema": "dsocr baseline 1", "model": "deepseek-ocr", "scenarios": 3}', ("expected names",)),
    (
        (
            '{"schema": "dsocr baseline 1", "model": "deepseek-ocr",'
            ' "scenarios": {"as it is": {"metrics": {"ttft_s": {"total": NaN, "nodes": {}}}}}}'
        ),
        ("total: nan is not a number",),
    ),
)


@pytest.mark.parametrize(("text", "words"), BASELINES, ids=range(len(BASELINES)))
def test_a_wrong_baseline_is_one_line(text: str, words: Sequence[str], tmp_path: Path) -> None:
    kept = tmp_path / "kept.json"
    kept.write_text(text)
    assert_refused(dsocr("budget", written(tmp_path, "ttft_s <= 1"), "--baseline", kept), kept, *words)


def test_the_example_holds() -> None:
    path = PACKAGE.parent / "examples" / "budget.yaml"
    answered = dsocr("budget", path)
    assert answered.status == 0, answered.out
    assert Draft202012Validator(schema("budget")).is_valid(read_yaml(path))


def test_missing_files_are_one_line(tmp_path: Path) -> None:
    assert_refused(dsocr("budget", tmp_path / "none.yaml"), "no such budget file")
    path = written(tmp_path, "ttft_s <= 1")
    assert_refused(dsocr("budget", path, "--baseline", tmp_path / "none.json"), "cannot be read")
    assert_refused(dsocr("budget", path, "--force"), "--save-baseline")
    with pytest.raises(UserError, match="no such budget file"):
        budget(tmp_path / "none.yaml")


def test_the_schema_takes_what_is_read(tmp_path: Path) -> None:
    validator = Draft202012Validator(schema("budget"))
    assert validator.is_valid({"summary": "x", "with": {"batch": 2, "gpu": "l4"}, "assertions": list(LIMITS)})
    for wrong in ({}, {"assertions": []}, {"assertions": [1]}, {"assertions": ["a", "a"]}, {"with": {"batch": True}}):
        assert not validator.is_valid(wrong)
    answered = dsocr("check", written(tmp_path, *LIMITS))
    assert answered.status == 0
    assert "3 assertions" in answered.out
