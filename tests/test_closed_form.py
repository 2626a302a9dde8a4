"""Formulas that a person can read: equal to the numbers wherever they are evaluated."""

import ast
import json
import re
from functools import cache

import pytest
from conftest import evaluate_model
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cli import assert_refused, dsocr

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.evaluation.estimate import Estimate
from dsocr_symbolic.language.expression import Expression, evaluate, names, parse
from dsocr_symbolic.language.registry import load_metrics

FLOWS = ("forward_tensor_core_flops", "forward_cuda_core_flops", "forward_io_bytes", "operator_launches")
STOCKS = ("parameters", "forward_weight_bytes", "forward_kv_cache_bytes")
FREE = {"batch", "crops", "image_tokens", "prompt_tokens", "new_tokens"}
STAGES = ("vision", "projector", "prefill", "decode")
# Distinct experts hit depend on the free symbols; held whole, every form is exact.
WHOLE = {"prefill_experts_hit": 64, "decode_experts_hit": 6}
Forms = dict[str, dict[str, str]]


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is folded: lines are read one by one."""
    monkeypatch.setenv("COLUMNS", "1000")


@cache
def read(text: str) -> Expression:
    """Read a printed formula of any length; a condition in brackets is 1 or 0."""
    translated = text.strip().replace("[", "(").replace("]", ")")
    if len(translated) <= 2000:
        return parse(translated, "printed")
    return Expression(text=translated, tree=ast.parse(translated, mode="eval").body)


@cache
def closed_forms(*arguments: str, **values: int) -> Forms:
    given_values = [part for name, value in values.items() for part in ("--set", f"{name}={value}")]
    answer = dsocr("totals", "--closed-form", "--format", "json", *arguments, *given_values)
    assert (answer.status, answer.err) == (0, "")
    forms: Forms = json.loads(answer.out)["closed_form"]
    return forms


def assert_equal(forms: Forms, result: Estimate, stages: tuple[str, ...] = (*STAGES, "total")) -> None:
    for stage in stages:
        expected = result.total if stage == "total" else result.stages[stage]
        for metric in (*FLOWS, *STOCKS):
            found = evaluate(read(forms[stage][metric]), result.values.numbers, arithmetic)
            assert found == expected[metric], (stage, metric)


def used(forms: Forms) -> set[str]:
    texts = [form for stage in forms.values() for form in stage.values() if form is not None]
    return {name for text in texts for name in names(read(text))}


# closed forms


def test_the_forms_that_were_asked_for() -> None:
    text = dsocr("totals", "--closed-form", "--set", "batch=1").out
    vision, projector = text[text.index("\nvision\n") :], text[text.index("\nprojector\n") :]
    assert vision.splitlines()[2].strip() == "forward_tensor_core_flops = 1138624856064 + 387625549824*crops"
    assert projector.splitlines()[2].strip() == "forward_tensor_core_flops = 1342177280 + 524288000*crops"
    assert "forward_tensor_core_flops = prompt_tokens*(1148192256 + 61440*prompt_tokens)" in text
    assert "forward_kv_cache_bytes = 61440*(new_tokens + prompt_tokens)" in text
    assert "parameters = 3336106240" in text


def test_only_what_should_stay_free_does() -> None:
    assert used(closed_forms(**WHOLE)) == FREE
    assert used(closed_forms(batch=1, **WHOLE)) == FREE - {"batch"}
    assert used(closed_forms(prompt_tokens=512, new_tokens=8, **WHOLE)) == FREE - {"prompt_tokens", "new_tokens"}


@settings(max_examples=25, deadline=None)
@given(
    batch=st.integers(1, 50),
    columns=st.sampled_from([0, 2, 3, 9, 20]),
    rows=st.integers(1, 20),
    text=st.integers(0, 3000),
    new=st.integers(0, 3000),
)
def test_one_form_holds_for_every_workload_of_its_sizes(
    batch: int, columns: int, rows: int, text: int, new: int
) -> None:
    # The form is one of crops side by side: crop_columns is put in, and only 1 is another layout.
    values = {"batch": batch, "text_tokens": text, "new_tokens": new, **WHOLE}
    values |= {"crop_columns": columns, "crop_rows": rows if columns else 0}
    result = evaluate_model("base", values, waived=frozenset({"allow_any_grid"}))
    assert_equal(closed_forms(**WHOLE), result)


@pytest.mark.parametrize("workload", ["tiny", "large", "dsocr-standard-v1"])
def test_forms_of_other_workloads(workload: str) -> None:
    forms = closed_forms("--workload", workload, **WHOLE)
    assert_equal(forms, evaluate_model(workload, WHOLE))
    assert_equal(forms, evaluate_model(workload, {**WHOLE, "batch": 3, "new_tokens": 7}))


def test_forms_under_other_choices() -> None:
    forms = closed_forms("--attention", "eager", "--experts", "grouped", "--kv-dtype", "fp8", **WHOLE)
    choices = {"attention": "eager", "experts": "grouped", "kv_dtype": "fp8"}
    assert_equal(forms, evaluate_model("gundam", WHOLE, **choices))
    assert_equal(forms, evaluate_model("base", {**WHOLE, "batch": 2, "new_tokens": 3}, **choices))


def test_a_kept_symbol_stays_free() -> None:
    forms = closed_forms("--keep", "base_size", "--keep", "hidden_size", **WHOLE)
    assert used(forms) == FREE | {"base_size", "hidden_size"}
    for workload in ("tiny", "small", "base", "large", "gundam"):
        assert_equal(forms, evaluate_model(workload, WHOLE))
    wider = {**WHOLE, "hidden_size": 2560, "batch": 2}
    assert_equal(forms, evaluate_model("tiny", wider))


def test_keep_alone_asks_for_closed_forms() -> None:
    answer = dsocr("totals", "--keep", "num_experts_per_tok", "--set", "batch=1")
    assert answer.status == 0
    assert "num_experts_per_tok" in answer.out.partition("\nprefill\n")[2]
    assert_refused(dsocr("totals", "--keep", "tokens"), "unknown symbol 'tokens'")


def test_a_symbol_cannot_be_both_kept_and_put_in() -> None:
    both = closed_forms("--keep", "batch", batch=2, **WHOLE)
    assert_equal(both, evaluate_model("gundam", {**WHOLE, "batch": 5}))
    assert "batch" in used(both)


def test_routing_that_is_not_whole_is_close() -> None:
    forms = closed_forms("--set", "batch=3")
    result = evaluate_model("gundam", {"batch": 3})
    for stage in ("prefill", "decode"):
        text = forms[stage]["forward_io_bytes"]
        found = evaluate(read(text), result.values.numbers, arithmetic)
        assert float(found) == pytest.approx(result.stages[stage]["forward_io_bytes"], rel=1e-12)


def test_a_layer_alone_has_a_closed_form() -> None:
    arguments = ("--layer", "vision/image_encoder_vit", "--set", "image_size=1024")
    forms = closed_forms(*arguments)
    assert forms["total"]["forward_tensor_core_flops"] == "976909172736*batch"
    assert set(forms) == {"image_encoder_vit", "total"}


@pytest.mark.parametrize("output", ["markdown", "yaml", "text"])
def test_every_format_shows_closed_forms(output: str) -> None:
    answer = dsocr("totals", "--closed-form", "--set", "batch=1", "--format", output)
    assert (answer.status, answer.err) == (0, "")
    assert "387625549824" in answer.out


def test_markdown_shows_latex() -> None:
    text = dsocr("totals", "--closed-form", "--set", "batch=1", "--format", "markdown").out
    formulas = re.findall(r"```math\n(.*?)\n```", text, re.DOTALL)
    # Decode has no backward.
    trained = [
        name for name, each in load_metrics().items() if name.startswith("backward") and each.kind in ("flow", "stock")
    ]
    assert len(formulas) == 5 * len((*FLOWS, "device_kernels", *STOCKS)) + 4 * len(trained)
    assert any(re.fullmatch(r"(F_\{TC\} = )?1138624856064 \+ 387625549824 \\, n", each) for each in formulas)
    assert all(each.count("{") == each.count("}") for each in formulas)


# a formula, its numbers, its result


def derivation(*arguments: str) -> tuple[str, str, str, dict[str, str]]:
    """Split what is printed: formula, numbers put in, result, value of each symbol."""
    answer = dsocr("formula", *arguments)
    assert (answer.status, answer.err) == (0, "")
    lines = answer.out.splitlines()
    first = next(place for place, line in enumerate(lines) if line.startswith("= "))
    formula, numbers, result, *where = lines[first - 1 :]
    assert lines[0].startswith(f"{arguments[0]}: ")
    assert "command: dsocr" in " ".join(line.strip() for line in lines[1:first])
    assert formula.startswith("  ")
    assert result.startswith("= ")
    assert where[0] == "  where"
    values = dict(re.fullmatch(r"    (\w+) = ([^:]+): .+", line).groups() for line in where[1:])  # type: ignore[union-attr]
    return formula, numbers[2:], result[2:], values


NODES = [
    ("vision", "forward_tensor_core_flops"),
    ("vision/crops/sam_model", "forward_io_bytes"),
    ("vision/global/sam_model/blocks.windowed/attn", "forward_cuda_core_flops"),
    ("vision/global/sam_model", "parameters"),
    ("projector", "forward_tensor_core_flops"),
    ("projector/assemble", "forward_weight_bytes"),
    ("prefill", "forward_tensor_core_flops"),
    ("prefill/layers.1-11", "forward_io_bytes"),
    ("prefill/layers.1-11/mlp/experts", "operator_launches"),
    ("prefill/layers.0/self_attn/q_proj", "forward_tensor_core_flops"),
    ("decode", "forward_tensor_core_flops"),
    ("decode", "forward_kv_cache_bytes"),
    ("decode/layers.1-11", "forward_io_bytes"),
    ("decode/layers.0/self_attn/append_k", "forward_io_bytes"),
]


@pytest.mark.parametrize(("path", "metric"), NODES)
def test_formula_numbers_and_result_agree(path: str, metric: str) -> None:
    setting = [part for name, value in WHOLE.items() for part in ("--set", f"{name}={value}")]
    formula, numbers, result, values = derivation(path, "--metric", metric, *setting)
    estimate = evaluate_model("gundam", WHOLE)
    (expected,) = (node.metrics[metric] for node in estimate.nodes if node.row.path == path)
    number, _, unit = result.partition(" ")
    assert int(number) == expected
    assert unit in ("FLOP", "byte", "parameter", "launch")
    assert names(read(numbers)) == set()
    assert evaluate(read(numbers), {}, arithmetic) == expected
    assert evaluate(read(formula), estimate.values.numbers, arithmetic) == expected
    assert names(read(formula)) <= set(values)
    assert {name: float(value) for name, value in values.items()} == {
        name: float(estimate.values.numbers[name]) for name in values
    }


def test_only_symbols_of_the_formula_are_explained() -> None:
    for path, metric in (("decode", "forward_kv_cache_bytes"), ("prefill/layers.0/mlp", "forward_tensor_core_flops")):
        formula, _, _, values = derivation(path, "--metric", metric)
        assert set(values) == names(read(formula))


def test_the_whole_has_a_formula() -> None:
    formula, numbers, result, _ = derivation("total")
    expected = evaluate_model("gundam")
    assert result == f"{expected.total['forward_tensor_core_flops']} FLOP"
    assert evaluate(read(numbers), {}, arithmetic) == expected.total["forward_tensor_core_flops"]
    assert evaluate(read(formula), expected.values.numbers, arithmetic) == expected.total["forward_tensor_core_flops"]


def test_a_formula_takes_workload_choices_and_values() -> None:
    arguments = ("--workload", "tiny", "--set", "batch=2", "--logits", "last", "--set", "vocab_size=1000")
    _, numbers, result, values = derivation("prefill/lm_head", *arguments)
    assert result == f"{2 * 2 * 1280 * 1000} FLOP"
    assert evaluate(read(numbers), {}, arithmetic) == 2 * 2 * 1280 * 1000
    assert values["batch"] == "2"


def test_formula_of_a_layer_alone() -> None:
    formula, numbers, result, _ = derivation(
        "vision/mlp_projector", "--set", "feature_grid=10", "--set", "feature_width=2048"
    )
    assert result == "524288000 FLOP"
    assert names(read(formula)) == {"batch", "feature_grid", "feature_width", "hidden_size"}
    assert evaluate(read(numbers), {}, arithmetic) == 524_288_000


def test_time_of_one_operator_is_a_maximum() -> None:
    path = "prefill/layers.0/mlp/gate_proj"
    formula, numbers, result, _ = derivation(path, "--metric", "roofline_s")
    assert "Max(" in formula
    expected = evaluate_model("gundam")
    (seconds,) = (node.metrics["roofline_s"] for node in expected.nodes if node.row.path == path)
    assert result == f"{seconds} s"
    assert float(evaluate(read(numbers), {}, arithmetic)) == pytest.approx(seconds, rel=1e-12)
    assert float(evaluate(read(formula), expected.values.numbers, arithmetic)) == pytest.approx(seconds, rel=1e-12)


def test_time_of_decode_sums_a_maximum_over_the_steps() -> None:
    path = "decode/layers.0/self_attn/attend/kernel"
    formula, numbers, result, _ = derivation(path, "--metric", "roofline_s", "--set", "new_tokens=20")
    assert "Sum(Max(" in formula
    factor, inner, last = re.fullmatch(r"(\d+)\*Sum\((Max\(.*\)), t = 1\.\.(\d+)\)", numbers).groups()  # type: ignore[union-attr]
    steps = [evaluate(read(inner), {"t": step}, arithmetic) for step in range(1, int(last) + 1)]
    assert len(steps) == 20
    assert float(int(factor) * sum(steps)) == pytest.approx(float(result.split()[0]), rel=1e-12)


def test_time_of_many_operators_is_named_not_printed() -> None:
    answer = dsocr("formula", "prefill", "--metric", "roofline_s")
    assert answer.status == 0
    seconds = evaluate_model("gundam").stages["prefill"]["roofline_s"]
    assert f"= {seconds} s\n" in answer.out
    assert len(answer.out) < 1000


def test_intensity_of_many_operators_is_no_book() -> None:
    answer = dsocr("formula", "prefill", "--metric", "forward_arithmetic_intensity")
    assert answer.status == 0
    intensity = evaluate_model("gundam").stages["prefill"]["forward_arithmetic_intensity"]
    assert str(intensity) in answer.out
    assert len(answer.out) < 20_000


@pytest.mark.parametrize(
    ("path", "metric", "reason"),
    [
        ("decode", "backward_io_bytes", "null: decode has no backward"),
        ("prefill", "backward_kv_cache_bytes", "null: a training step keeps no cache"),
        ("prefill/norm", "peak_memory_bytes", "null: of stages and the total only"),
        ("prefill", "ttft_s", "null: of the total only"),
    ],
)
def test_what_does_not_exist_says_why(path: str, metric: str, reason: str) -> None:
    answer = dsocr("formula", path, "--metric", metric)
    assert answer.status == 0
    assert reason in answer.out


@pytest.mark.parametrize("metric", ["peak_memory_bytes", "ttft_s", "lower_bound_s", "forward_activation_bytes"])
def test_metrics_of_the_whole_are_derived(metric: str) -> None:
    answer = dsocr("formula", "total", "--metric", metric)
    assert answer.status == 0
    assert f"= {evaluate_model('gundam').total[metric]} " in answer.out


@pytest.mark.parametrize(("path", "metric"), [*NODES[:3], NODES[6], NODES[11]])
def test_latex(path: str, metric: str) -> None:
    answer = dsocr("formula", path, "--metric", metric, "--format", "latex")
    assert (answer.status, answer.err) == (0, "")
    result = derivation(path, "--metric", metric)[2]
    asked, formula = answer.out.rstrip().split("\n")
    assert asked.startswith("% ")
    assert asked.endswith(f"command: dsocr formula {path} --metric {metric} --format latex")
    assert formula.endswith(f"= {result.split()[0]}")
    assert formula.count("{") == formula.count("}")
    assert formula.count(r"\left") == formula.count(r"\right")
    # A word of several letters stands upright or escaped, never as a product of letters.
    bare = re.sub(r"\\[A-Za-z]+|\\mathrm\{[^}]*\}", "", formula)
    assert not re.search(r"[a-z]{2,}_[a-z]", bare)
