"""The lower bound holds against an adversary: a perfect compiler, any routing, warm caches, the highest clock."""

import random
import re
from collections.abc import Iterator, Mapping
from itertools import combinations, product
from typing import Any

import pytest
from attrs import evolve
from conftest import evaluate_model
from hypothesis import given, settings
from hypothesis import strategies as st

from dsocr_symbolic import UserError, compare, load_model, solve
from dsocr_symbolic.evaluation.estimate import Estimate
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.lookup import find_definition
from dsocr_symbolic.language.registry import load_metrics
from dsocr_symbolic.questions.compare.text import comparison_text
from dsocr_symbolic.questions.formula.derivation import derive
from dsocr_symbolic.scenario.hardware import Gpu, Number, OtherSource, load_gpu, load_gpus
from dsocr_symbolic.scenario.scenario import make_scenario

BOUND, ROOFLINE, TC = "lower_bound_s", "roofline_s", "forward_tensor_core_flops"
PAIRS = (
    ("lower_bound_s", "roofline_s"),
    ("ttft_lower_bound_s", "ttft_s"),
    ("tpot_lower_bound_s", "tpot_s"),
)
NEEDED = {
    "boost_clock_hz": "rated_clock",
    "highest_clock_hz": "highest_clock",
    "streaming_multiprocessors": "multiprocessors",
    "l2_cache_bytes": "l2_cache",
    "l1_bytes_per_sm": "l1_cache",
    "registers_bytes_per_sm": "registers",
    "cuda_bf16_flops_per_s": "cuda_core_peak",
}
few = settings(deadline=None, max_examples=8)


def number(value: float, *others: float) -> Number:
    """Return a number in SI that sources may disagree about."""
    said = tuple(OtherSource(value=other, source="another") for other in others)
    return Number(key="a key", unit="1", factor=1, value=value, source="a source", disagree=said)  # type: ignore[arg-type]


def machine(**numbers: Number | float | None) -> Gpu:
    """Return a GPU of which everything is known, some numbers replaced or left out."""
    known: dict[str, Any] = dict(load_gpu("rtx5090").numbers)
    known |= {"l1_bytes_per_sm": number(2**17), "registers_bytes_per_sm": number(2**18)}
    known |= {"highest_clock_hz": number(3105e6)}
    known |= {f"cuda_{dtype}_flops_per_s": number(1e14) for dtype in ("fp32", "fp16", "bf16")}
    known |= {name: number(each) if isinstance(each, int | float) else each for name, each in numbers.items()}
    return Gpu(name="machine", title="a machine", numbers={name: each for name, each in known.items() if each})


def limited_by(resource: str, **more: Any) -> Gpu:
    """Return a machine on which one resource alone takes time; a unit of it takes a second."""
    peaks = {"tensor_bf16_flops_per_s": 1e30, "memory_bandwidth_bytes_per_s": 1e30}
    peaks |= dict.fromkeys(("cuda_fp32_flops_per_s", "cuda_bf16_flops_per_s"), 1e30)
    return machine(**{**peaks, resource: 1.0, "boost_clock_hz": 1.0, "highest_clock_hz": 1.0, **more})


def exactly(value: Any) -> Any:
    return pytest.approx(value, rel=1e-12)


# Choices decide the program, whose making takes longest: so many draws have the same ones.
TOGETHER = 40


# Against everything -------------------------------------------------------------------------------------------------


def draws(count: int) -> Iterator[tuple[dict[str, Any], dict[str, str], Gpu]]:
    """Yield random workloads with machine settings, choices, and machines."""
    chance = random.Random(count)
    definition, shipped = find_definition("deepseek-ocr"), load_gpus()
    for place in range(count):
        if place % TOGETHER == 0:
            options = _options(chance, definition)
        gpu = chance.choice(shipped) if chance.random() < 0.5 else machine(**_numbers(chance))
        yield _workload(chance), options, gpu


def _workload(chance: random.Random) -> dict[str, Any]:
    columns, rows = chance.choice([(0, 0), (1, 2), (2, 1), (2, 2), (3, 2), (3, 3), (1, 7), (9, 1)])
    workload: dict[str, Any] = {
        "batch": int(2 ** chance.uniform(0, 9)),
        "base_size": 64 * chance.randint(1, 20),
        "image_size": 64 * chance.randint(1, 16),
        "crop_columns": columns,
        "crop_rows": rows,
        "text_tokens": int(2 ** chance.uniform(0, 14)),
        "new_tokens": chance.choice([0, 1, 2, 30, 512]),
        "reserve": 0,
    }
    dense = chance.randint(1, 2)
    sizes = {"vocab_size": int(2 ** chance.uniform(1, 18)), "hidden_size": 10 * 2 * chance.randint(1, 256)}
    if chance.random() < 0.5:
        workload |= {"num_hidden_layers": dense + chance.randint(0, 12), "first_k_dense_replace": dense}
    workload |= {name: value for name, value in sizes.items() if chance.random() < 0.4}
    scales = ("tensor_core_peak", "cuda_core_peak", "memory_bandwidth", "on_chip")
    workload |= {name: 10 ** chance.uniform(3, 17) for name in scales if chance.random() < 0.15}
    if chance.random() < 0.2:
        rated = 10 ** chance.uniform(3, 14)
        workload |= {"rated_clock": rated, "highest_clock": rated * 10 ** chance.uniform(0, 3)}
    efficiencies = ("compute_efficiency", "bandwidth_efficiency")
    workload |= {name: 2 * 10 ** chance.uniform(-2, 0) for name in efficiencies if chance.random() < 0.3}
    if chance.random() < 0.2:
        workload["decode_experts_hit"] = chance.uniform(6, min(64, 6 * workload["batch"]))
    return workload


def _options(chance: random.Random, definition: Definition) -> dict[str, str]:
    options = {name: chance.choice([*choice.options]) for name, choice in definition.choices.items()}
    if options["host"] in ("graph", "graph-decode"):  # the loop over experts waits for the host
        options["experts"] = "grouped"
    if options["kernels"] == "fused":  # an engine's kernels write pages
        options["cache"] = "paged"
    if {options["kernels"], options["vision"]} != {"eager"}:  # a server takes no gradients
        options["train"] = "decoder"
    if options["precision"] == "autocast":  # a compiler's kernels and an engine's have plain dtypes
        options |= {"kernels": "eager", "vision": "eager"}
    return options


def _numbers(chance: random.Random) -> dict[str, Number]:
    def drawn() -> float:
        return 10 ** chance.uniform(2, 16)

    names = {*load_gpu("h100-sxm").numbers, *NEEDED}
    numbers = {name: number(drawn(), *(drawn() for _ in range(chance.randint(0, 2)))) for name in sorted(names)}
    # No machine's highest clock is below the one that its peaks are stated at.
    rated = numbers["boost_clock_hz"].value
    return {**numbers, "highest_clock_hz": number(rated * 10 ** chance.uniform(0, 3), drawn())}


def test_no_time_lies_below_its_bound(request: pytest.FixtureRequest) -> None:
    asked = request.config.getoption("--draws")
    compared = refused = 0
    for workload, options, gpu in draws(asked):
        try:
            result = evaluate_model("tiny", workload, gpu=gpu, **options)
        except UserError as error:
            # A drawn machine may lack the peak of a drawn dtype.
            if "gives no" not in str(error):
                raise
            refused += 1
            continue
        for metrics in (result.total, *(node.metrics for node in result.nodes)):
            for bound, time in PAIRS:
                if metrics[bound] is not None:
                    assert metrics[bound] <= metrics[time] * (1 + 1e-9), (bound, workload, options, gpu.name)
                    assert metrics[bound] >= 0
                    compared += 1
        assert (result.total[BOUND] is None) == bool(result.values.claims.bound)
    assert compared > 3 * asked
    assert refused < asked / 3


# What a mask hides --------------------------------------------------------------------------------------------------


@few
@given(tokens=st.integers(1, 60), batch=st.integers(1, 3), kernel=st.sampled_from(["flash", "eager"]))
def test_a_causal_kernel_computes_what_is_visible(tokens: int, batch: int, kernel: str) -> None:
    sizes = {"batch": batch, "text_tokens": tokens, "image_tokens": 273, "new_tokens": 3}
    gpu = limited_by("tensor_bf16_flops_per_s")
    result = evaluate_model("base", sizes, gpu=gpu, attention=kernel)
    prompt = tokens + 273
    hidden = sum(1 for query, key in product(range(prompt), repeat=2) if key > query)
    # Two products of 128 for each pair, in ten heads of twelve layers.
    skipped = batch * hidden * 2 * 2 * 128 * 10 * 12
    prefill = result.stages["prefill"]
    assert prefill[BOUND] == exactly(prefill[TC] - skipped)
    assert result.stages["decode"][BOUND] == exactly(result.stages["decode"][TC])


def test_the_share_of_a_long_prompt_that_is_needed() -> None:
    gpu = limited_by("tensor_bf16_flops_per_s")
    for tokens, share in ((8191, 0.81), (131072, 0.55)):
        result = evaluate_model("base", {"prompt_tokens": tokens}, gpu=gpu, logits="last").stages["prefill"]
        assert result[BOUND] / result[TC] == pytest.approx(share, abs=0.005)


def test_vision_hides_nothing() -> None:
    result = evaluate_model("gundam", gpu=limited_by("tensor_bf16_flops_per_s"))
    assert result.stages["vision"][BOUND] == exactly(result.stages["vision"][TC])


# Routing ------------------------------------------------------------------------------------------------------------


def fewest_hit(experts: int, chosen: int, rows: int) -> int:
    """Try every routing of some rows."""
    ways = list(combinations(range(experts), chosen))
    return min(len(set().union(*routing)) for routing in product(ways, repeat=rows))


@pytest.mark.parametrize(("experts", "chosen", "rows"), [(4, 2, 3), (5, 1, 3), (4, 3, 2), (3, 3, 2)])
def test_rows_can_hit_as_few_experts_as_one_token(experts: int, chosen: int, rows: int) -> None:
    sizes = {"n_routed_experts": experts, "num_experts_per_tok": chosen, "batch": rows}
    result = evaluate_model("tiny", sizes)
    assert result.values.numbers["fewest_decode_experts_hit"] == fewest_hit(experts, chosen, rows)
    assert result.values.numbers["decode_experts_hit"] >= fewest_hit(experts, chosen, rows)


@few
@given(hit=st.integers(6, 40), batch=st.integers(7, 30))
def test_experts_that_somebody_sets_are_a_fact(hit: int, batch: int) -> None:
    gpu = limited_by("memory_bandwidth_bytes_per_s")
    sizes = {"batch": batch, "new_tokens": 1, "on_chip": 0}
    free = evaluate_model("tiny", sizes, gpu=gpu).stages["decode"][BOUND]
    told = evaluate_model("tiny", {**sizes, "decode_experts_hit": hit}, gpu=gpu).stages["decode"][BOUND]
    expert = 3 * 1280 * 896 * 2
    assert told - free == pytest.approx((hit - 6) * expert * 11, rel=1e-9, abs=1)


def test_equal_tokens_look_up_one_row() -> None:
    gpu = limited_by("memory_bandwidth_bytes_per_s")
    sizes = {"new_tokens": 0, "on_chip": 0, "image_tokens": 273}
    one, two = (evaluate_model("base", {**sizes, "text_tokens": text}, gpu=gpu).stages["prefill"] for text in (10, 11))
    # One more token: its id and its place in the mask, its KV, its logits; no further row of the token table.
    assert two[BOUND] - one[BOUND] == pytest.approx(8 + 1 + 2 * 12 * 1280 * 2 + 129280 * 4, abs=1)


# Caches -------------------------------------------------------------------------------------------------------------


def test_what_fits_the_chip_moves_nothing() -> None:
    sizes = {"num_hidden_layers": 1, "vocab_size": 8000, "new_tokens": 4}
    gpu = machine()
    held = evaluate_model("tiny", sizes, gpu=gpu)
    assert held.values.numbers["on_chip"] == 96 * 2**20 + 170 * (2**17 + 2**18)
    step = evaluate_model("tiny", {**sizes, "on_chip": 0}, gpu=limited_by("memory_bandwidth_bytes_per_s"))
    assert 80e6 < step.stages["decode"][BOUND] / 4 < held.values.numbers["on_chip"]
    decode = held.stages["decode"]
    at = 3105 / 2407
    assert decode[BOUND] == exactly(max(decode[TC] / 209.5e12, decode["forward_cuda_core_flops"] / 1e14) / at)


@few
@given(chip=st.integers(0, 10**11), batch=st.integers(1, 40))
def test_a_phase_reads_and_writes_less_what_the_chip_holds(chip: int, batch: int) -> None:
    gpu = limited_by("memory_bandwidth_bytes_per_s")
    sizes = {"batch": batch, "new_tokens": 1}
    whole = evaluate_model("tiny", {**sizes, "on_chip": 0}, gpu=gpu).stages["decode"][BOUND]
    held = evaluate_model("tiny", {**sizes, "on_chip": chip}, gpu=gpu).stages["decode"][BOUND]
    written = batch * (129280 * 4 + 2 * 12 * 1280 * 2)
    assert held == pytest.approx(max(0, whole - written - chip) + max(0, written - chip), rel=1e-9, abs=1)


# Clocks and sources -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("missing", list(NEEDED))
def test_a_number_that_no_source_gives_is_no_bound(missing: str) -> None:
    result = evaluate_model("tiny", gpu=machine(**{missing: None}))
    assert result.values.claims.bound == (missing,)
    assert [result.total[bound] for bound, _ in PAIRS] == [None] * 3
    assert result.total[ROOFLINE] > 0
    told = evaluate_model("tiny", {NEEDED[missing]: 3e9}, gpu=machine(**{missing: None}))
    assert told.values.claims.bound == ()
    assert told.total[BOUND] > 0


def test_a_bound_of_nothing_is_null_everywhere(tmp_path: Any) -> None:
    path = tmp_path / "unknown.yaml"
    numbers = {"tensor_bf16_tflops": 100, "cuda_fp32_tflops": 50, "memory_bandwidth_gb_per_s": 1000}
    lines = "".join(f"  {name}: {{value: {value}, source: a source}}\n" for name, value in numbers.items())
    path.write_text(f"title: Unknown\nnumbers:\n{lines}", encoding="utf-8")
    function = load_model("deepseek-ocr").compile(["lower_bound_s", "roofline_s"], over="batch", gpu=str(path))
    assert function(batch=2)["lower_bound_s"]["total"] is None
    assert function(batch=2)["roofline_s"]["total"] > 0
    assert str(function(batch=[1, 2])["lower_bound_s"]["total"]) == "[nan nan]"
    said = r"no lower bound is claimed on unknown: its file gives no .*highest_clock_hz"
    with pytest.raises(UserError, match=said):
        solve("batch", "lower_bound_s <= 1", gpu=str(path))
    definition = find_definition("deepseek-ocr")
    for node, metric in [("total", BOUND), ("total", "ttft_lower_bound_s")]:
        text, _ = derive(make_scenario(definition=definition, gpu=str(path)), node, metric, "text")
        assert re.search(rf"null: {said}", " ".join(text.split()))
    told = comparison_text(compare(f"gpu={path}", "gpu=h200", metrics=[BOUND]))
    assert re.search(said, " ".join(told.split()))
    assert "claimed" not in comparison_text(compare(f"gpu={path}", "gpu=h200", metrics=[ROOFLINE]))


def test_the_largest_number_that_any_source_says_counts() -> None:
    names = ("tensor_bf16_flops_per_s", "memory_bandwidth_bytes_per_s", "cuda_bf16_flops_per_s", "highest_clock_hz")
    for name in names:
        unit = 1e10 if name == "highest_clock_hz" else 1e6
        slow: dict[str, float] = {"cuda_fp32_flops_per_s": 1.0} if name.startswith("cuda") else {}
        slow |= {"memory_bandwidth_bytes_per_s": 1e30} if unit == 1e10 else {}
        plain, more, only = (
            evaluate_model("tiny", {"new_tokens": 2}, gpu=machine(**slow, **{name: said}))
            for said in (number(unit), number(unit, 4 * unit, 2 * unit), number(4 * unit))
        )
        assert more.total[BOUND] == only.total[BOUND] < plain.total[BOUND], name
        assert more.total[ROOFLINE] == plain.total[ROOFLINE]


@pytest.mark.parametrize(
    ("dtype", "faster", "than"),
    [
        ("fp16", "tensor_fp16_acc16_flops_per_s", "tensor_fp16_flops_per_s"),
        ("fp8", "tensor_fp8_acc16_flops_per_s", "tensor_fp8_flops_per_s"),
        ("fp32", "cuda_fp32_flops_per_s", "tensor_tf32_flops_per_s"),
    ],
)
def test_the_fastest_product_of_a_dtype_counts(dtype: str, faster: str, than: str) -> None:
    base = limited_by(than)
    gpu = evolve(base, numbers={**base.numbers, faster: number(2.0), "cuda_fp16_flops_per_s": number(1e30)})
    result = evaluate_model("base", {"new_tokens": 0}, gpu=gpu, activation_dtype=dtype)
    vision = result.stages["vision"]
    elementwise = vision["forward_cuda_core_flops"] / 2 if dtype == "fp32" else 0
    assert vision[BOUND] == exactly(max(vision[TC] / 2, elementwise))


@pytest.mark.parametrize("dtype", ["bf16", "fp16"])
def test_the_fastest_elementwise_rate_of_a_dtype_counts(dtype: str) -> None:
    rates = {f"cuda_{dtype}_flops_per_s": number(2.0), "tensor_fp16_flops_per_s": number(1e30)}
    base = limited_by("cuda_fp32_flops_per_s")
    gpu = evolve(base, numbers={**base.numbers, **rates, "tensor_fp16_acc16_flops_per_s": number(1e30)})
    vision = evaluate_model("base", {"new_tokens": 0}, gpu=gpu, activation_dtype=dtype).stages["vision"]
    assert vision[BOUND] == exactly(vision["forward_cuda_core_flops"] / 2)


def test_clocks_raise_both_peaks_and_are_never_below_the_rated_one() -> None:
    for resource in ("tensor_bf16_flops_per_s", "cuda_fp32_flops_per_s"):
        base = limited_by(resource, **{"cuda_bf16_flops_per_s": 1.0} if "cuda" in resource else {})
        times = [
            evaluate_model("base", {"new_tokens": 0, "highest_clock": clock}, gpu=base).stages["vision"][BOUND]
            for clock in (1, 2)
        ]
        assert times[1] == exactly(times[0] / 2)
        with pytest.raises(UserError, match="highest_clock is at least rated_clock"):
            evaluate_model("base", {"highest_clock": 0.5}, gpu=base)


def test_a_peak_that_somebody_sets_is_the_machine() -> None:
    gpu = machine(memory_bandwidth_bytes_per_s=number(1e12, 5e12))
    told = evaluate_model("tiny", {"memory_bandwidth": 1e12, "on_chip": 0}, gpu=gpu)
    free = evaluate_model("tiny", {"on_chip": 0}, gpu=gpu)
    assert told.values.numbers["fastest_memory_bandwidth"] == 1e12
    assert free.values.numbers["fastest_memory_bandwidth"] == 5e12
    with pytest.raises(UserError, match="is a definition and cannot be set"):
        evaluate_model("tiny", {"fastest_memory_bandwidth": 1e12}, gpu=gpu)


# Overlap ------------------------------------------------------------------------------------------------------------


def by_path(result: Estimate) -> Mapping[str, Any]:
    return {node.row.path: node.metrics for node in result.nodes}


@few
@given(grid=st.sampled_from([(2, 1), (3, 2), (3, 3)]), batch=st.integers(1, 5), bandwidth=st.floats(1e9, 1e14))
def test_the_views_of_a_page_overlap(grid: tuple[int, int], batch: int, bandwidth: float) -> None:
    sizes = {"batch": batch, "crop_columns": grid[0], "crop_rows": grid[1], "memory_bandwidth": bandwidth}
    result = evaluate_model("tiny", sizes, gpu=machine())
    nodes, vision = by_path(result), result.stages["vision"][BOUND]
    parts = [nodes[f"vision/{view}"][BOUND] for view in ("crops", "global")]
    assert max(parts) * (1 - 1e-12) <= vision <= sum(parts) * (1 + 1e-12)
    assert result.total[BOUND] == exactly(sum(stage[BOUND] for stage in result.stages.values()))


@few
@given(batch=st.integers(1, 8))
def test_all_views_read_the_weights_once(batch: int) -> None:
    gpu = limited_by("memory_bandwidth_bytes_per_s")
    result = evaluate_model(
        "gundam", {"batch": batch, "new_tokens": 0, "on_chip": 0}, gpu=gpu, details=True, train="all"
    )
    vision, projector = (result.stages[name] for name in ("vision", "projector"))
    weights = vision["backward_weight_bytes"] + projector["backward_weight_bytes"]
    pixels = batch * 2 * 3 * (6 * 640**2 + 1024**2)
    # Features never leave the chip, the embeddings of 893 image tokens do; of CLIP's 257 places one row is sure.
    embeddings, places = batch * 893 * 1280 * 2, 256 * 1024 * 2
    assert vision[BOUND] + projector[BOUND] == exactly(weights + pixels + embeddings - places)
    assert by_path(result)["vision/crops"][BOUND] < vision[BOUND]


@few
@given(batch=st.integers(1, 8), bandwidth=st.floats(1e9, 1e14))
def test_the_projector_of_one_view_runs_beside_the_next_view(batch: int, bandwidth: float) -> None:
    result = evaluate_model("gundam", {"batch": batch, "memory_bandwidth": bandwidth, "on_chip": 0}, gpu=machine())
    alone = sum(result.stages[name][TC] for name in ("vision", "projector")) / (209.5e12 * 3105 / 2407)
    both = sum(result.stages[name][BOUND] for name in ("vision", "projector"))
    assert both >= alone * (1 - 1e-9)
    assert both <= sum(result.stages[name][ROOFLINE] for name in ("vision", "projector"))


def test_every_bound_says_what_it_is() -> None:
    for name in ("lower_bound_s", "ttft_lower_bound_s", "tpot_lower_bound_s"):
        assert load_metrics()[name].reason
