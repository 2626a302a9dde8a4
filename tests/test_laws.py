"""Laws that hold at every workload, whatever the numbers are."""

from fractions import Fraction
from typing import Any

import pytest
import sympy
from conftest import evaluate_model
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cli import dsocr

from dsocr_symbolic.algebras import symbolic
from dsocr_symbolic.evaluation.estimate import Estimate
from dsocr_symbolic.language.lookup import find_definition
from dsocr_symbolic.language.registry import load_conventions
from dsocr_symbolic.network.leaves import metric_expression
from dsocr_symbolic.network.model_tree import model_tree
from dsocr_symbolic.questions.totals.views import by_category, by_layer, by_operator, by_stage, by_total, check_sums
from dsocr_symbolic.scenario.values import choose, chosen_slots

TC, CUDA, IO = "forward_tensor_core_flops", "forward_cuda_core_flops", "forward_io_bytes"
WEIGHTS, KV, LAUNCHES = "forward_weight_bytes", "forward_kv_cache_bytes", "operator_launches"
FLOPS = (TC, CUDA)
FLOWS = (*FLOPS, IO, LAUNCHES, "roofline_s")
GRIDS = [(0, 0), *((columns, rows) for columns in range(1, 10) for rows in range(1, 10) if 2 <= columns * rows <= 9)]

few = settings(deadline=None, max_examples=8)
some = settings(deadline=None, max_examples=15)
sides = st.integers(1, 20).map(lambda each: 64 * each)
attentions = st.sampled_from(["flash", "eager"])
choices = st.fixed_dictionaries(
    {
        "attention": attentions,
        "experts": st.sampled_from(["loop", "grouped"]),
        "logits": st.sampled_from(["all", "last"]),
        "precision": st.sampled_from(["plain", "autocast"]),
    }
)


@st.composite
def workloads(draw: st.DrawFn) -> dict[str, Any]:
    columns, rows = draw(st.sampled_from(GRIDS))
    return {
        "batch": draw(st.integers(1, 6)),
        "base_size": draw(sides),
        "image_size": draw(sides),
        "crop_columns": columns,
        "crop_rows": rows,
        "text_tokens": draw(st.integers(0, 2000)),
        "new_tokens": draw(st.integers(0, 40)),
    }


@st.composite
def whole_workloads(draw: st.DrawFn) -> dict[str, Any]:
    """A workload whose experts hit are whole numbers; the shortest prompt has three tokens, so 18 rows each."""
    workload = draw(workloads())
    hit = {
        "prefill_experts_hit": draw(st.integers(6, min(63, 18 * workload["batch"] - 1))),
        "decode_experts_hit": draw(st.integers(6, min(64, 6 * workload["batch"]))),
    }
    return {**workload, **hit}


def _evaluate(workload: dict[str, Any], **options: str) -> Estimate:
    return evaluate_model("tiny", workload, **options)


def _flows(metrics: Any) -> dict[str, Any]:
    return {name: metrics[name] for name in FLOWS}


# Vision --------------------------------------------------------------------------------------------------------------


@few
@given(workload=workloads(), most=st.integers(2, 30))
def test_vision_is_linear_in_crops(workload: dict[str, Any], most: int) -> None:
    def flops(count: int) -> int:
        grid = {"crop_columns": count, "crop_rows": 1 if count else 0}
        found = evaluate_model("tiny", {**workload, **grid}, waived=frozenset({"allow_any_grid"}))
        return found.stages["vision"][TC] + found.stages["projector"][TC]

    none, one = flops(0), flops(1)
    assert one > none
    assert flops(most) == none + most * (one - none)


@few
@given(images=st.integers(1, 40), side=sides)
def test_images_of_one_call_do_not_meet_each_other(images: int, side: int) -> None:
    given_ = {"samples": 1, "image_size": side, "probes": 0, "blank_elements": 0, "blank_probes": 0}
    found = [
        evaluate_model(settings={**given_, "images": count}, layer="vision/vision_view").total[TC]
        for count in (1, images)
    ]
    assert found[1] == images * found[0]


def test_vision_has_degree_one_in_crops() -> None:
    definition = find_definition("deepseek-ocr")
    stages = model_tree(definition, chosen_slots(definition, choose(definition, {})))
    crops = symbolic.symbol("crops")
    expression = metric_expression(stages[:1], TC).xreplace({symbolic.positive(crops): sympy.S.One})
    assert sympy.degree(expression, crops) == 1
    assert not expression.coeff(crops, 0).has(symbolic.symbol("image_size"))


@few
@given(workload=workloads(), batch=st.integers(2, 9))
def test_vision_and_projector_cost_each_sample_the_same(workload: dict[str, Any], batch: int) -> None:
    one, many = (_evaluate({**workload, "batch": count}).stages for count in (1, batch))
    for stage in ("vision", "projector"):
        assert many[stage][TC] == batch * one[stage][TC]
        assert many[stage]["parameters"] == one[stage]["parameters"]


@few
@given(workload=workloads())
def test_a_larger_view_never_costs_less(workload: dict[str, Any]) -> None:
    larger = {**workload, "base_size": workload["base_size"] + 64}
    one, two = (_evaluate(each).stages["vision"] for each in (workload, larger))
    assert two[TC] > one[TC]
    assert two[IO] > one[IO]


# Attention -----------------------------------------------------------------------------------------------------------


@some
@given(workload=workloads(), precision=st.sampled_from(["plain", "autocast"]))
def test_flash_and_eager_multiply_the_same_and_flash_moves_less_in_prefill(
    workload: dict[str, Any], precision: str
) -> None:
    flash, eager = (_evaluate(workload, attention=name, precision=precision) for name in ("flash", "eager"))
    for stage, metrics in flash.stages.items():
        assert metrics[TC] == eager.stages[stage][TC], stage
        assert metrics[WEIGHTS] == eager.stages[stage][WEIGHTS], stage
        assert metrics[KV] == eager.stages[stage][KV], stage
    assert flash.stages["prefill"][IO] < eager.stages["prefill"][IO]
    assert flash.stages["prefill"][LAUNCHES] < eager.stages["prefill"][LAUNCHES]
    assert flash.stages["vision"] == eager.stages["vision"]


@some
@given(workload=workloads())
def test_kv_cache_is_that_of_the_tokens_at_the_end(workload: dict[str, Any]) -> None:
    found = _evaluate(workload)
    tokens = found.values.numbers["prompt_tokens"]
    per_token = 61_440 * workload["batch"]
    assert found.stages["vision"][KV] == found.stages["projector"][KV] == 0
    assert found.stages["prefill"][KV] == per_token * tokens
    assert found.stages["decode"][KV] == found.total[KV] == per_token * (tokens + workload["new_tokens"])


# Decode --------------------------------------------------------------------------------------------------------------


@few
@given(workload=workloads(), prompt=st.integers(1, 3000), steps=st.integers(0, 9), options=choices)
def test_decode_over_steps_equals_one_step_after_the_other(
    workload: dict[str, Any], prompt: int, steps: int, options: dict[str, str]
) -> None:
    def decode(start: int, count: int) -> dict[str, Any]:
        changed = {**workload, "prompt_tokens": start, "new_tokens": count, "prefill_experts_hit": 6}
        return _flows(_evaluate({**changed, "decode_experts_hit": 6}, **options).stages["decode"])

    whole = decode(prompt, steps)
    single = [decode(prompt + step, 1) for step in range(steps)]
    for metric in (TC, CUDA, IO, LAUNCHES):
        assert whole[metric] == sum(each[metric] for each in single), metric
    assert whole["roofline_s"] == pytest.approx(sum(each["roofline_s"] for each in single), rel=1e-12, abs=0)


@few
@given(workload=workloads(), steps=st.integers(1, 3000), options=choices)
def test_one_more_step_costs_one_step_from_there(workload: dict[str, Any], steps: int, options: dict[str, str]) -> None:
    """The two long sums have up to 3000 steps; their difference is one step with that many tokens more."""
    found = [_evaluate({**workload, "new_tokens": count}, **options) for count in (steps - 1, steps)]
    prompt = found[0].values.numbers["prompt_tokens"] + steps - 1
    hit = {"prefill_experts_hit": found[0].values.numbers["prefill_experts_hit"]}
    one = _evaluate({**workload, **hit, "prompt_tokens": prompt, "new_tokens": 1}, **options).stages["decode"]
    before, after = (each.stages["decode"] for each in found)
    for metric in (*FLOPS,):
        assert after[metric] - before[metric] == one[metric]
    for metric in (IO, LAUNCHES, "roofline_s"):
        assert after[metric] == pytest.approx(before[metric] + one[metric], rel=1e-12, abs=0)


@few
@given(workload=workloads(), attention=attentions)
def test_no_decode_step_costs_nothing(workload: dict[str, Any], attention: str) -> None:
    found = _evaluate({**workload, "new_tokens": 0}, attention=attention)
    assert _flows(found.stages["decode"]) == dict.fromkeys(FLOWS, 0)
    assert found.stages["decode"]["forward_arithmetic_intensity"] is None
    assert found.stages["decode"]["parameters"] == found.stages["prefill"]["parameters"]


# Batch, experts ------------------------------------------------------------------------------------------------------


@some
@given(workload=workloads(), more=st.integers(1, 9), options=choices)
def test_every_flow_grows_with_batch(workload: dict[str, Any], more: int, options: dict[str, str]) -> None:
    small = _evaluate(workload, **options)
    large = _evaluate({**workload, "batch": workload["batch"] + more}, **options)
    for stage in small.stages:
        for metric in FLOWS:
            assert large.stages[stage][metric] >= small.stages[stage][metric], (stage, metric)
    assert large.total[KV] > small.total[KV]
    for metric in (TC, CUDA, IO, "roofline_s"):
        assert large.total[metric] > small.total[metric]


@some
@given(workload=workloads(), options=choices, data=st.data())
def test_flops_do_not_depend_on_the_experts_hit(
    workload: dict[str, Any], options: dict[str, str], data: st.DataObject
) -> None:
    most, rows = min(64, 6 * workload["batch"]), min(64, 18 * workload["batch"])
    hits = {
        "prefill_experts_hit": data.draw(st.one_of(st.integers(6, rows), st.floats(6, rows), st.fractions(6, rows))),
        "decode_experts_hit": data.draw(st.one_of(st.integers(6, most), st.floats(6, most))),
    }
    one, two = _evaluate(workload, **options), _evaluate({**workload, **hits}, **options)
    for stage in one.stages:
        for metric in FLOPS:
            assert one.stages[stage][metric] == two.stages[stage][metric], (stage, metric)


@few
@given(workload=whole_workloads())
def test_each_expert_hit_more_costs_its_launches_and_its_weights(workload: dict[str, Any]) -> None:
    more = {**workload, "prefill_experts_hit": workload["prefill_experts_hit"] + 1}
    one, two = (_evaluate(each).stages["prefill"] for each in (workload, more))
    assert two[LAUNCHES] - one[LAUNCHES] == 11 * 5
    assert two[IO] - one[IO] == 11 * 3 * 1280 * 896 * 2


@some
@given(workload=workloads(), options=choices)
def test_flops_are_ints(workload: dict[str, Any], options: dict[str, str]) -> None:
    found = _evaluate(workload, **options)
    for metrics in (found.total, *found.stages.values(), *(node.metrics for node in found.nodes)):
        assert type(metrics[TC]) is int
        assert type(metrics[CUDA]) is int
        assert type(metrics["parameters"]) is int


@some
@given(workload=whole_workloads(), options=choices)
def test_bytes_and_launches_are_ints_when_whole_experts_are_hit(
    workload: dict[str, Any], options: dict[str, str]
) -> None:
    found = _evaluate(workload, **options)
    for metrics in (found.total, *found.stages.values(), *(node.metrics for node in found.nodes)):
        for metric in (TC, CUDA, IO, LAUNCHES, WEIGHTS, KV):
            assert type(metrics[metric]) is int, metric
            assert metrics[metric] >= 0


# Stocks and dtypes ---------------------------------------------------------------------------------------------------


@some
@given(workload=workloads(), options=choices)
def test_parameters_and_weights_are_those_of_the_checkpoint_at_every_workload(
    workload: dict[str, Any], options: dict[str, str]
) -> None:
    found = _evaluate(workload, **options)
    assert found.total["parameters"] == 3_336_106_240
    assert found.total[WEIGHTS] == 6_672_212_480
    parts = {"vision": 398_746_880, "projector": 2_625_280, "prefill": 2_934_734_080, "decode": 2_934_734_080}
    assert {stage: metrics["parameters"] for stage, metrics in found.stages.items()} == parts


WIDTHS = {
    "weight-dtype": {"fp32": 4, "bf16": 2, "fp16": 2, "fp8": 1, "int8": 1, "int4": Fraction(1, 2)},
    "kv-dtype": {"fp32": 4, "bf16": 2, "fp8": 1},
    "activation-dtype": {"fp32": 4, "bf16": 2, "fp16": 2, "fp8": 1},
}
OWN = {"weight-dtype": WEIGHTS, "kv-dtype": KV, "activation-dtype": ""}


@few
@given(workload=whole_workloads())
def test_halving_the_weight_dtype_halves_the_weight_bytes(workload: dict[str, Any]) -> None:
    bf16, fp8 = (_evaluate(workload, weight_dtype=name) for name in ("bf16", "fp8"))
    for stage, metrics in bf16.stages.items():
        assert metrics[WEIGHTS] == 2 * fp8.stages[stage][WEIGHTS]
    assert bf16.total[WEIGHTS] == 2 * fp8.total[WEIGHTS]


@pytest.mark.parametrize("choice", WIDTHS)
@settings(deadline=None, max_examples=6)
@given(workload=whole_workloads(), attention=attentions)
def test_a_dtype_scales_its_own_bytes_and_nothing_else(choice: str, workload: dict[str, Any], attention: str) -> None:
    found = {
        name: _evaluate(workload, attention=attention, **{choice.replace("-", "_"): name}).total
        for name in WIDTHS[choice]
    }
    base = found["bf16"]
    per_byte = base[IO] - found["fp8"][IO]
    assert per_byte > 0
    for name, width in WIDTHS[choice].items():
        # What is of fp32 already is cast to it by no launch, and moves nothing for that.
        casts_less = name == "fp32" and choice != "kv-dtype"
        for metric in (TC, CUDA, "parameters"):
            assert found[name][metric] == base[metric], (name, metric)
        assert found[name][LAUNCHES] < base[LAUNCHES] if casts_less else found[name][LAUNCHES] == base[LAUNCHES], name
        for metric in (WEIGHTS, KV):
            expected = base[metric] * width / 2 if metric == OWN[choice] else base[metric]
            assert found[name][metric] == expected, (name, metric)
        all_moved = base[IO] + (width - 2) * per_byte
        assert found[name][IO] < all_moved if casts_less else found[name][IO] == all_moved, name


def test_every_option_of_the_dtypes_is_tested() -> None:
    definition = find_definition("deepseek-ocr")
    dtypes = {name: set(choice.options) for name, choice in definition.choices.items() if name.endswith("-dtype")}
    # Blocks with scales mean some weights alone: tests/test_weights.py counts them by hand.
    dtypes["weight-dtype"] -= {"q8_0", "q4_0"}
    assert dtypes == {name: set(widths) for name, widths in WIDTHS.items()}


@few
@given(workload=workloads(), attention=attentions)
def test_autocast_moves_more_and_multiplies_the_same(workload: dict[str, Any], attention: str) -> None:
    plain, cast = (_evaluate(workload, attention=attention, precision=name) for name in ("plain", "autocast"))
    for stage, metrics in plain.stages.items():
        for metric in (*FLOPS, WEIGHTS, KV, "parameters"):
            assert cast.stages[stage][metric] == metrics[metric], (stage, metric)
    for stage in ("vision", "prefill"):
        assert cast.stages[stage][IO] > plain.stages[stage][IO]
        assert cast.stages[stage][LAUNCHES] > plain.stages[stage][LAUNCHES]


@few
@given(workload=workloads(), options=choices)
def test_grouped_experts_multiply_the_same_in_fewer_launches(workload: dict[str, Any], options: dict[str, str]) -> None:
    loop, grouped = (
        _evaluate(workload, **{**options, "experts": name}).stages["prefill"] for name in ("loop", "grouped")
    )
    assert loop[TC] == grouped[TC]
    assert loop["parameters"] == grouped["parameters"]
    assert grouped[LAUNCHES] < loop[LAUNCHES]


@few
@given(workload=workloads(), options=choices)
def test_logits_of_the_last_position_alone_save_their_products(
    workload: dict[str, Any], options: dict[str, str]
) -> None:
    everything, last = (_evaluate(workload, **{**options, "logits": name}) for name in ("all", "last"))
    tokens = workload["batch"] * (everything.values.numbers["prompt_tokens"] - 1)
    assert everything.stages["prefill"][TC] - last.stages["prefill"][TC] == 330_956_800 * tokens
    assert everything.stages["decode"] == last.stages["decode"]


# Views ---------------------------------------------------------------------------------------------------------------


@some
@given(workload=workloads(), options=choices)
def test_every_view_adds_up_to_the_total(workload: dict[str, Any], options: dict[str, str]) -> None:
    found = _evaluate(workload, **options)
    views = {
        "total": by_total(found),
        "stage": by_stage(found),
        "layer": by_layer(found),
        "category": by_category(found, load_conventions().categories),
        "operator": by_operator(found),
    }
    for lines in views.values():
        check_sums(found, lines)
        for metric in FLOPS:
            assert sum(line.metrics[metric] for line in lines) == found.total[metric]
    assert [line.name for line in views["category"]] == list(load_conventions().categories)
    assert {line.name: line.metrics for line in views["stage"]} == dict(found.stages)
    seconds = [line.metrics["device_s"] for line in views["operator"]]
    assert seconds == sorted(seconds, reverse=True)
    assert len({line.name for line in views["layer"]}) == len(views["layer"])


@few
@given(workload=workloads())
def test_every_node_is_the_sum_of_its_children(workload: dict[str, Any]) -> None:
    found = _evaluate(workload)
    children: dict[int, list[Any]] = {}
    for node in found.nodes:
        children.setdefault(node.row.parent, []).append(node)
    for index, node in enumerate(found.nodes, start=1):
        if not node.row.aten:
            for metric in (TC, CUDA):
                assert node.metrics[metric] == sum(each.metrics[metric] for each in children.get(index, []))


@pytest.mark.parametrize("place", [0, -1])
def test_view_that_lost_a_line_is_noticed(place: int) -> None:
    found = evaluate_model("gundam")
    lines = by_operator(found)
    lines.remove(lines[place])
    with pytest.raises(AssertionError, match="the rows add up to"):
        check_sums(found, lines)


@few
@given(workload=workloads(), options=choices)
def test_roofline_is_no_faster_than_any_one_resource(workload: dict[str, Any], options: dict[str, str]) -> None:
    found = _evaluate(workload, **options)
    numbers = found.values.numbers
    peaks = {TC: "tensor_core_peak", CUDA: "cuda_core_peak", IO: "memory_bandwidth"}
    for metrics in (found.total, *found.stages.values()):
        alone = [metrics[metric] / numbers[peak] for metric, peak in peaks.items()]
        assert metrics["roofline_s"] >= max(alone) * (1 - 1e-12)
        assert metrics["roofline_s"] <= sum(alone) * (1 + 1e-12)


@pytest.mark.parametrize(
    "settings", [("moe_intermediate_size=1e12", "new_tokens=1"), ("text_tokens=1e12", "n_routed_experts=1e3")]
)
def test_sums_of_expectations_beyond_exact_floats_are_no_mistake(settings: tuple[str, ...]) -> None:
    words = [word for setting in settings for word in ("--set", setting)]
    answer = dsocr("totals", "--workload", "base", "--by", "layer", *words)
    assert (answer.status, [line for line in answer.err.splitlines() if "warning" not in line]) == (0, [])
