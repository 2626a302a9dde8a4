"""Comparisons: differences add up, and the fewest nodes explain them."""

import json
from functools import cache
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from test_cli import assert_refused, dsocr

from dsocr_symbolic import UserError, compare
from dsocr_symbolic.evaluation.answer import answer
from dsocr_symbolic.language.lookup import find_definition
from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.questions.compare.comparison import Cause, Comparison, _fewest, parts_of
from dsocr_symbolic.scenario.scenario import Scenario, make_scenario

KINDS = ("flow", "time", "bound", "stock", "memory", "latency")
# Decode has no gradients: what it shares with prefill has no node to stand at.
NOWHERE = ("backward_weight_bytes", "backward_activation_bytes")
# A rate is of all stages together.
ADDING = [
    name
    for name, each in load_metrics().items()
    if each.kind in KINDS and name not in NOWHERE and not each.unit.endswith("/s")
]


@cache
def found(*texts: str, metrics: tuple[str, ...] = ("forward_tensor_core_flops", "roofline_s")) -> Comparison:
    return compare(*texts, metrics=metrics)


def scenario(**given: Any) -> Scenario:
    return make_scenario(definition=find_definition("deepseek-ocr"), **given)


def test_values_are_those_of_totals() -> None:
    metrics = ("forward_tensor_core_flops", "forward_io_bytes", "roofline_s", "peak_memory_bytes", "ttft_s")
    result = compare("workload=base", "workload=base,batch=3", "gpu=h200,attention=eager", metrics=metrics)
    asked = [
        scenario(workload="base"),
        scenario(workload="base", settings={"batch": 3}),
        scenario(gpu="h200", choices={"attention": "eager"}),
    ]
    expected = [answer(each, details=False).total for each in asked]
    assert result.baseline == tuple(expected[0][name] for name in metrics)
    for name, differences in zip(metrics, result.differences, strict=True):
        for each, other in zip(differences, expected[1:], strict=True):
            assert each.value == other[name]
            assert each.difference == other[name] - expected[0][name]
            assert each.ratio == pytest.approx(other[name] / expected[0][name])


@pytest.mark.parametrize("metric", ADDING)
def test_parts_add_up_to_the_whole(metric: str) -> None:
    """Every additive metric: what explains a difference leaves nothing out and counts nothing twice."""
    for given in ({"workload": "gundam"}, {"workload": "base", "choices": {"experts": "grouped"}}):
        asked = scenario(**given)
        result = answer(asked)
        parts = parts_of(metric, asked, result)
        if isinstance(result.total[metric], int):
            assert sum(parts.values()) == result.total[metric]
        else:
            assert sum(parts.values()) == pytest.approx(result.total[metric], rel=1e-12)


def test_the_causes_are_the_fewest_that_are_enough() -> None:
    sizes = [50, -30, 9, 8, -2, 1]
    causes = [Cause(path=str(size), baseline=0, value=size, difference=size) for size in sizes]
    kept, explained = _fewest(causes)
    assert [cause.difference for cause in kept] == [50, -30, 9, 8]
    assert explained == 0.97
    fewer = max(sum(map(abs, each)) for each in combinations(sizes, len(kept) - 1))
    assert fewer < 0.9 * sum(map(abs, sizes))
    assert _fewest([]) == ((), 0.0)


def test_causes_are_nodes_and_their_numbers() -> None:
    result = found("workload=base", "workload=gundam")
    base, gundam = (answer(scenario(workload=name), details=False) for name in ("base", "gundam"))
    for metric, (difference,) in zip(result.metrics, result.differences, strict=True):
        assert difference.causes
        assert difference.explained >= 0.9
        for cause in difference.causes:
            numbers = [
                {node.row.path: node.metrics[metric] for node in each.nodes}[cause.path] for each in (base, gundam)
            ]
            assert [cause.baseline, cause.value] == numbers
            assert cause.difference == numbers[1] - numbers[0]


def test_nodes_of_another_tree_count_as_none() -> None:
    (difference,) = found("", "attention=eager", metrics=("forward_io_bytes",)).differences[0]
    flash, eager = (answer(scenario(choices={"attention": name}), details=False) for name in ("flash", "eager"))
    below = [
        {path: node.metrics["forward_io_bytes"] for node in each.nodes for path in [node.row.path]}
        for each in (flash, eager)
    ]
    met = [cause for cause in difference.causes if cause.path.endswith("/...")]
    assert {cause.path.split("/")[-2] for cause in met} == {"attend"}
    for cause in met:
        # Both kernels of an attention are others, so that all of it is.
        assert [cause.baseline, cause.value] == [each[cause.path.removesuffix("/...")] for each in below]


def test_what_makes_a_server_different_stands_where_both_have_a_node() -> None:
    (difference,) = found("", "execution=served", metrics=("forward_io_bytes",)).differences[0]
    plain, served = (answer(scenario(choices={"execution": name}), details=False) for name in ("checkpoint", "served"))
    both = {node.row.path for node in plain.nodes} & {node.row.path for node in served.nodes}
    assert difference.causes
    assert all(cause.path.removesuffix("/...") in both for cause in difference.causes)
    assert "decode/layers.1-11/self_attn/..." in {cause.path for cause in difference.causes}


def test_the_same_twice_differs_in_nothing() -> None:
    (difference,) = found("batch=2", "batch=2").differences[0]
    assert (difference.difference, difference.ratio, difference.causes, difference.others) == (0, 1, (), 0)


def test_a_file_a_text_and_a_mapping_say_the_same(tmp_path: Path) -> None:
    path = tmp_path / "big.yaml"
    path.write_text("gpu: h200\nbatch: 8\nweight-dtype: fp8\nbandwidth_efficiency: 0.9\n", encoding="utf-8")
    said = "gpu=h200,batch=8,weight-dtype=fp8,bandwidth_efficiency=0.9"
    mapping = {"gpu": "h200", "batch": 8, "weight_dtype": "fp8", "bandwidth_efficiency": 0.9}
    result = compare(str(path), said, mapping)
    assert result.names[0] == "big"
    assert all(each.difference == 0 for differences in result.differences for each in differences)
    assert result.about[0] == result.about[1] == result.about[2]


def test_options_hold_for_all() -> None:
    shared = dsocr("compare", "batch=1", "batch=2", "--workload", "base", "--gpu", "h200", "--format", "json")
    about = json.loads(shared.out)["comparison"]["about"]
    assert [each["gpu"] for each in about] == ["h200", "h200"]
    assert [each["workload"] for each in about] == ["base", "base"]
    mixed = dsocr(
        "compare", "batch=1", "workload=gundam", "--set", "new_tokens=7", "--workload", "base", "--format", "json"
    )
    settings = [each["settings"] for each in json.loads(mixed.out)["comparison"]["about"]]
    assert [each["new_tokens"] for each in settings] == [7, 7]
    assert settings[1]["crop_columns"] == 3


def test_the_command_prints_tables() -> None:
    text = dsocr("compare", "gpu=rtx5090", "gpu=h200", "--time", "lower_bound")
    assert text.status == 0
    assert "at least 317.1 ms" in text.out
    assert "at least 119.9 ms" in text.out
    assert "roofline_s" not in text.out
    plain = dsocr("compare", "gpu=rtx5090", "gpu=h200", "--metric", "ttft_s").out
    assert "at least" not in plain
    assert "neither bound nor forecast" in plain
    assert "ttft_s, gpu=h200 against gpu=rtx5090" in plain


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("batch=1",), "at least one more"),
        (("batch=1", "batches=2"), "did you mean batch"),
        (("batch=1", "batch"), "expected KEY=VALUE"),
        (("batch=1", "batch=2,batch=3"), "given twice"),
        (("batch=1", "batch=x"), "not a number"),
        (("batch=1", "batch=0"), "less than 1"),
        (("batch=1", "gpu=h2000"), "unknown GPU"),
        (("batch=1", "workload=gundamm"), "did you mean gundam"),
        (("batch=1", "attention=eagr"), "did you mean eager"),
        (("batch=1", "none.yaml"), "no such scenario file"),
        (("batch=1", "batch=2", "--metric", "flops"), "unknown metric"),
    ],
)
def test_mistakes_are_said_in_one_line(words: tuple[str, ...], said: str) -> None:
    assert_refused(dsocr("compare", *words), said)


def test_mistakes_in_python() -> None:
    with pytest.raises(UserError, match="unknown time"):
        compare("batch=1", "batch=2", time="rooflines")
