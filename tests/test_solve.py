"""Solved constraints: equal to trying every value."""

import json
import math
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cli import assert_refused, dsocr

from dsocr_symbolic import Model, UserError, load_model, solve
from dsocr_symbolic.evaluation.answer import answer
from dsocr_symbolic.language.lookup import find_definition
from dsocr_symbolic.questions.capacity import fit
from dsocr_symbolic.scenario.scenario import Scenario, make_scenario, with_user

TIMES = {"roofline": "ttft_s", "lower_bound": "ttft_lower_bound_s"}


@cache
def model() -> Model:
    return load_model()


def scenario(gpu: str = "rtx5090", workload: str = "gundam", **values: Any) -> Scenario:
    return make_scenario(definition=find_definition("deepseek-ocr"), workload=workload, gpu=gpu, settings=values)


def total(metric: str, gpu: str = "rtx5090", workload: str = "gundam", **values: Any) -> Any:
    return answer(scenario(gpu, workload, **values), details=False).total[metric]


def numbers(metric: str, symbol: str, values: np.ndarray, **given_values: Any) -> np.ndarray:
    """Evaluate a metric of the whole at many values, through the compiled array functions."""
    function = model().compile(metric, over=symbol, by="total", check=False, **given_values)
    return np.asarray(function(**{symbol: values})[metric]["total"])


# the answer


@pytest.mark.parametrize("gpu", ["rtx5090", "h200", "l4"])
def test_the_largest_batch_that_fits_is_that_of_a_loop(gpu: str) -> None:
    found = solve("batch", "peak_memory_bytes <= capacity", model=model(), gpu=gpu, workload="gundam")
    known = fit(scenario(gpu))
    assert found.value == known.largest_batch
    assert known.beyond is not None
    assert found.beyond is not None
    assert found.beyond.left == known.beyond.peak_memory_bytes
    peaks = numbers("peak_memory_bytes", "batch", np.arange(1, found.value + 40), gpu=gpu, workload="gundam")
    assert found.value == int((peaks <= known.capacity_bytes).sum())
    assert found.at is not None
    assert found.at.left == total("peak_memory_bytes", gpu, batch=found.value) <= found.at.right


@pytest.mark.parametrize("time", TIMES)
@pytest.mark.parametrize("gpu", ["rtx5090", "h200"])
def test_the_largest_batch_within_a_time_is_that_of_a_loop(gpu: str, time: str) -> None:
    found = solve("batch", "ttft_s <= 0.05", model=model(), gpu=gpu, workload="gundam", time=time)
    looped = 1
    while total(TIMES[time], gpu, batch=looped + 1) <= 0.05:
        looped += 1
    assert found.value == looped
    assert found.metrics == (TIMES[time],)
    assert found.at is not None
    assert found.at.left == pytest.approx(total(TIMES[time], gpu, batch=looped), rel=1e-12)


def test_other_symbols_are_those_of_a_loop() -> None:

    for symbol, constraint, values in (
        ("new_tokens", "forward_kv_cache_bytes <= 2e8", np.arange(0, 6000)),
        ("text_tokens", "forward_tensor_core_flops <= 6e12", np.arange(0, 6000)),
        ("prompt_tokens", "ttft_s <= 0.1", np.arange(1, 9000)),
        ("new_tokens", "tpot_s <= 0.0008", np.arange(1, 3000)),
        ("crop_rows", "forward_tensor_core_flops <= 6e12", np.arange(1, 4)),
    ):
        found = solve(symbol, constraint, model=model(), workload="gundam")
        metric, limit = constraint.split(" <= ")
        looped = values[numbers(metric, symbol, values, workload="gundam") <= float(limit)]
        assert found.value == looped.max(), symbol
        assert found.sense == "largest"


def test_values_that_rules_allow_are_the_only_ones() -> None:
    found = solve("base_size", "peak_memory_bytes <= capacity", model=model(), workload="base")
    assert found.at is not None
    sizes = range(2560, 3200, 64)
    looped = [size for size in sizes if total("peak_memory_bytes", base_size=size, workload="base") <= found.at.right]
    assert found.value == max(looped) < max(sizes)
    assert found.beyond is not None
    assert found.beyond.value == found.value + 64


@settings(max_examples=25, deadline=None)
@given(limit=st.integers(10**8, 10**12))
def test_closed_forms_are_exact(limit: int) -> None:
    found = solve("batch", f"forward_kv_cache_bytes <= {limit}", model=model(), workload="gundam")
    assert found.method == "closed form"
    assert found.value == limit // 86937600
    flops = solve(
        "prompt_tokens", f"forward_tensor_core_flops <= {limit + 5 * 10**12}", model=model(), workload="gundam"
    )
    # A prompt of 0 tokens runs no prefill: a guard of the symbol itself takes a search.
    assert flops.method == "bisection"
    assert flops.at is not None
    assert flops.beyond is not None
    assert flops.at.left <= limit + 5 * 10**12 < flops.beyond.left
    assert flops.beyond.value == flops.at.value + 1


def test_a_bandwidth_is_found_to_the_last_bit() -> None:
    found = solve("memory_bandwidth", "tpot_s <= 0.0005", model=model(), workload="gundam")
    assert found.sense == "smallest"
    assert total("tpot_s", memory_bandwidth=found.value) == pytest.approx(0.0005, rel=1e-12)
    assert found.beyond is not None
    assert found.beyond.value == math.nextafter(found.value, 0)
    assert found.beyond.left > found.beyond.right
    assert found.unit == "byte/s"


def test_a_bandwidth_in_closed_form() -> None:
    found = solve("memory_bandwidth", "forward_io_bytes/memory_bandwidth <= 1", model=model(), workload="gundam")
    assert (found.method, found.sense) == ("closed form", "smallest")
    assert found.value == pytest.approx(total("forward_io_bytes"), rel=1e-15)


@pytest.mark.parametrize(("constraint", "sense"), [("tpot_s >= 0.001", "smallest"), ("0.001 >= tpot_s", "largest")])
def test_either_side_may_be_the_larger(constraint: str, sense: str) -> None:
    found = solve("new_tokens", constraint, model=model(), workload="gundam")
    other = solve("new_tokens", "tpot_s <= 0.001", model=model(), workload="gundam")
    assert found.sense == sense
    assert found.value == other.value + (sense == "smallest")


def test_a_rate_grows_with_the_batch() -> None:
    found = solve("batch", "batch/roofline_s >= 5", model=model(), workload="gundam")
    assert found.sense == "smallest"
    rates = np.arange(1, 50) / numbers("roofline_s", "batch", np.arange(1, 50), workload="gundam")
    assert found.value == 1 + int((rates < 5).sum())


def test_what_if_and_choices_hold() -> None:
    eager = load_model(attention="eager")
    found = solve("prompt_tokens", "peak_memory_bytes <= capacity", model=eager, workload="gundam")
    known = make_scenario(definition=eager.definition, workload="gundam", choices={"attention": "eager"}, gpu="rtx5090")
    peaks = [
        answer(with_user(known, {"prompt_tokens": value}), details=False) for value in (found.value, found.value + 1)
    ]
    limit = peaks[0].values.numbers["capacity"]
    assert [each.total["peak_memory_bytes"] <= limit for each in peaks] == [True, False]
    doubled = solve("batch", "peak_memory_bytes <= capacity", model=model().what_if(batch="2*batch"), workload="gundam")
    assert doubled.value == solve("batch", "peak_memory_bytes <= capacity", model=model(), workload="gundam").value // 2


# what is said of it


def test_memory_names_its_worst_moment() -> None:
    found = solve("batch", "peak_memory_bytes <= capacity", model=model(), workload="gundam")
    (bottleneck,) = found.bottlenecks
    known = fit(scenario()).beyond
    assert known is not None
    assert (bottleneck.part, bottleneck.resource) == (known.at, "activations")
    assert bottleneck.moment == known
    text, root = found.derivation
    assert text.endswith("*batch <= 33117175808")
    assert root.startswith("batch <= ")
    assert int(float(root.rpartition("= ")[2])) == found.value


def test_times_name_their_stage_and_engine() -> None:
    slow = solve("batch", "ttft_s <= 1", model=model(), workload="gundam").bottlenecks[0]
    stages = answer(scenario(batch=solve("batch", "ttft_s <= 1", model=model(), workload="gundam").value + 1)).stages
    times = {name: stages[name]["roofline_s"] for name in ("vision", "projector", "prefill")}
    assert slow.part == max(times, key=lambda name: times[name])
    assert slow.share == pytest.approx(max(times.values()) / sum(times.values()))
    assert slow.resource in ("tensor_core_peak", "memory_bandwidth")
    decode = solve("new_tokens", "tpot_s <= 0.001", model=model(), workload="gundam").bottlenecks[0]
    assert (decode.part, decode.resource) == ("decode", "memory_bandwidth")
    bound = solve("batch", "ttft_s <= 1", model=model(), workload="gundam", time="lower_bound").bottlenecks[0]
    assert (bound.part, bound.resource) == ("vision/crops", "fastest_tensor_core_peak")


def test_times_are_worded_as_what_they_are() -> None:
    said = solve("batch", "ttft_s <= 1", model=model(), workload="gundam").says
    assert said == "by ttft_s (neither bound nor forecast)"
    bound = solve("batch", "ttft_s <= 1", model=model(), workload="gundam", time="lower_bound")
    assert bound.says == f"at most {bound.value}: by ttft_lower_bound_s, no batch above it can meet the limit"
    longer = solve("batch", "ttft_s >= 1", model=model(), workload="gundam", time="lower_bound")
    assert "every run meets the limit" in longer.says
    assert solve("batch", "forward_kv_cache_bytes <= 1e9", model=model(), workload="gundam").says == ""


def test_a_limit_met_at_the_least_value_alone_is_met() -> None:
    least = total("forward_tensor_core_flops", text_tokens=0)
    found = solve("text_tokens", f"forward_tensor_core_flops <= {least}", model=model(), workload="gundam")
    assert (found.method, found.sense, found.value) == ("closed form", "largest", 0)
    with pytest.raises(UserError, match="at 0, which comes closest"):
        solve("text_tokens", f"forward_tensor_core_flops <= {least - 1}", model=model(), workload="gundam")
    first = solve("text_tokens", f"forward_tensor_core_flops >= {least}", model=model(), workload="gundam")
    assert (first.sense, first.value) == ("every", None)


def test_no_limit_is_said() -> None:
    found = solve("batch", "forward_weight_bytes <= capacity", model=model(), workload="gundam")
    assert (found.sense, found.value, found.at, found.beyond) == ("every", None, None, None)
    assert found.derivation == ("neither side depends on batch",)
    rows = solve("crop_rows", "ttft_s <= 1", model=model(), workload="gundam")
    assert (rows.sense, rows.value) == ("every", None)


def test_the_command_prints_the_same() -> None:
    words = ("solve", "batch", "peak_memory_bytes <= capacity", "--gpu", "rtx5090", "--workload", "gundam")
    text = dsocr(*words)
    assert text.status == 0
    assert text.out.startswith("batch = 33: the largest that meets peak_memory_bytes <= capacity\n")
    assert "at 34: 33.324 GB > 33.117 GB" in text.out
    document = json.loads(dsocr(*words, "--format", "json").out)
    assert document["solution"]["value"] == 33
    assert document["gpu"] == "rtx5090"
    every = dsocr("solve", "batch", "forward_weight_bytes <= capacity")
    assert every.out.startswith("every batch that the model allows meets forward_weight_bytes <= capacity\n")
    real = dsocr("solve", "memory_bandwidth", "tpot_s <= 0.0005", "--kv-dtype", "fp8")
    assert real.out.startswith("memory_bandwidth = ")
    assert "TB/s: the smallest" in real.out
    assert "kv-dtype fp8" in real.out


# mistakes


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("batch", "peak_memory_bytes <= 4e9"), "weights alone need 6.672 GB of 4 GB"),
        (("batch", "forward_weight_bytes <= 4e9"), "which does not depend on batch"),
        (("memory_bandwidth", "tpot_s <= 1e-8"), "however large it is, 5.828 us > 10 ns"),
        (("batches", "ttft_s <= 1"), "did you mean batch?"),
        (("batch", "ttft <= 1"), "did you mean ttft_s"),
        (("capacity", "peak_memory_bytes <= capacity"), "is a definition"),
        (("batch", "ttft_s < 1"), "write LEFT <= RIGHT"),
        (("batch", "ttft_s <= 1 <= 2"), "not allowed"),
        (("batch", "__import__('os') <= 1"), "not allowed"),
        (("batch", "1 <= 2"), "names no metric"),
        (("batch", "ttft_s <="), "is not a formula"),
        (("batch", "backward_kv_cache_bytes <= 1"), "does not exist"),
        (("activation", "Max(activation, 5 - activation) <= 3"), "not monotone in activation"),
        (("batch", "ttft_s <= 1", "--set", "batch=2"), "is solved for"),
        (("batch", "ttft_s <= 1", "--set", "base_size=1000"), "base_size"),
        (("batch", "1/(prompt_tokens - 903) <= 1"), "no value there"),
        (("crops", "ttft_s <= 1"), "no other value than 6 is allowed here"),
        (("batch", "tpot_s <= 1", "--set", "new_tokens=0"), "no value there"),
    ],
)
def test_mistakes_are_said_in_one_line(words: tuple[str, ...], said: str) -> None:
    assert_refused(dsocr("solve", *words), said)


def test_choices_of_a_model_are_made_when_it_is_loaded() -> None:
    with pytest.raises(UserError, match="give them to load_model"):
        solve("batch", "ttft_s <= 1", model=model(), attention="eager")
    with pytest.raises(UserError, match="unknown time"):
        solve("batch", "ttft_s <= 1", model=model(), time="rooflines")
    with pytest.raises(UserError, match="what_if put 4 in for it"):
        solve("batch", "ttft_s <= 1", model=model().what_if(batch=4))
