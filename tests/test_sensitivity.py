"""Derivatives, elasticities and growth: equal to what tiny and huge steps show."""

import json
import math
import time
from fractions import Fraction
from functools import cache
from typing import Any

import pytest
import sympy
from hypothesis import given, settings
from hypothesis import strategies as st
from test_cli import assert_refused, dsocr

from dsocr_symbolic import Model, UserError, load_model, sensitivity
from dsocr_symbolic.algebras import branches, symbolic, tangents
from dsocr_symbolic.algebras.branches import exact
from dsocr_symbolic.language.expression import evaluate, parse
from dsocr_symbolic.language.registry import Term
from dsocr_symbolic.questions.curve import Curve
from dsocr_symbolic.questions.question import Question, ask
from dsocr_symbolic.questions.sensitivity.effects import Effect, Sensitivity, degree

METRICS = ("roofline_s", "ttft_lower_bound_s", "peak_memory_bytes", "forward_tensor_core_flops", "forward_io_bytes")
STEP = Fraction(1, 10**15)
RATES = ("tensor_core_peak", "cuda_core_peak", "memory_bandwidth")


@cache
def model() -> Model:
    return load_model()


@cache
def question(workload: str = "gundam") -> Question:
    return ask(model(), workload=workload)


@cache
def ranked(metric: str, workload: str = "gundam") -> Sensitivity:
    return sensitivity(metric, model=model(), workload=workload)


def at(metric: str, symbol: str, value: Any, workload: str = "gundam") -> Any:
    """Evaluate a metric exactly, powers to 150 digits, with what follows from the symbol."""
    curve = Curve(question=question(workload), symbol=symbol, terms=(Term(paths=("",), metric=metric),))
    return curve.metrics(curve.scope(value, branches), branches)[0]  # type: ignore[arg-type]


def effect(metric: str, symbol: str, workload: str = "gundam") -> Effect:
    return {each.symbol: each for each in ranked(metric, workload).effects}[symbol]


# derivatives


@pytest.mark.parametrize("metric", METRICS)
def test_derivatives_are_those_of_tiny_steps(metric: str) -> None:
    for each in ranked(metric).effects:
        value = exact(each.value)
        here = at(metric, each.symbol, value)
        sides = [(at(metric, each.symbol, value + sign * STEP) - here) * sign / STEP for sign in (-1, 1)]
        expected = pytest.approx(each.derivative, rel=1e-6, abs=1e-18)
        holds = [each.side in ("both", "below"), each.side in ("both", "above")]
        assert [float(side) == expected for side in sides] == holds, each.symbol


@pytest.mark.parametrize("metric", METRICS)
def test_symbols_without_effect_are_left_out_and_no_other(metric: str) -> None:
    found = {each.symbol for each in ranked(metric).effects}
    known = question().definition.quantities
    # In a bound what stands for a symbol there moves in its stead.
    standing = {quantity.in_bounds_for for quantity in known.values()} if "lower_bound" in metric else set()
    for name, quantity in known.items():
        if quantity.fixed or name in found or name in standing:
            continue
        value = exact(question().numbers[name])
        assert at(metric, name, value + STEP) == at(metric, name, value), name


@pytest.mark.parametrize("symbol", ["hidden_size", "crops", "moe_intermediate_size", "new_tokens", "prompt_tokens"])
def test_derivatives_of_polynomials_are_those_of_sympy(symbol: str) -> None:
    numbers = {symbolic.symbol(name): sympy.Rational(str(value)) for name, value in question().numbers.items()}
    expression = model().total("forward_tensor_core_flops")
    guards = expression.atoms(symbolic.positive, symbolic.nonzero)
    expression = expression.xreplace({guard: guard.xreplace(numbers) for guard in guards})
    expected = sympy.diff(expression, symbolic.symbol(symbol)).xreplace(numbers)
    assert effect("forward_tensor_core_flops", symbol).derivative == expected


def test_what_follows_from_a_symbol_follows() -> None:
    """One more crop row: more crops, and more prompt tokens for every stage behind."""
    one = effect("forward_tensor_core_flops", "crop_rows")
    steps = [at("forward_tensor_core_flops", "crop_rows", value) for value in (1, 2, 3)]
    assert one.derivative == Fraction(steps[2] - steps[0], 2)
    assert effect("forward_io_bytes", "batch").derivative != effect("forward_io_bytes", "crops").derivative


@pytest.mark.parametrize("metric", ["roofline_s", "ttft_s", "tpot_lower_bound_s"])
def test_times_are_shared_out_among_the_rates(metric: str) -> None:
    """A time is a sum of quotients by rates: its elasticities in them add up to -1."""
    found = {each.symbol: each for each in sensitivity(metric, model=model(), symbols=RATES).effects}
    assert sum(found[name].elasticity for name in RATES) == pytest.approx(-1, rel=1e-12)
    assert all(found[name].elasticity <= 0 for name in RATES)


@pytest.mark.parametrize("metric", METRICS)
def test_elasticities_rank_and_relate(metric: str) -> None:
    found = ranked(metric)
    sizes = [abs(each.elasticity) for each in found.effects]
    assert sizes == sorted(sizes, reverse=True)
    for each in found.effects:
        assert each.elasticity == pytest.approx(each.value * each.derivative / found.value, rel=1e-9)


def test_the_side_of_kinks_and_jumps_is_named() -> None:
    # An efficiency above 1 raises the bound's peaks, one below does not.
    assert effect("ttft_lower_bound_s", "compute_efficiency").side == "below"
    assert effect("roofline_s", "compute_efficiency").side == "both"
    # Tables are interpolated where the grid is another one than theirs.
    assert effect("roofline_s", "base_size").side == "neither"
    assert effect("roofline_s", "hidden_size").side == "both"
    # The first crop brings the crops' own calls.
    crops = sensitivity("operator_launches", model=model(), workload="base", symbols=["crops"]).effects[0]
    assert (crops.derivative, crops.side) == (0, "below")


def test_where_every_expert_is_chosen_derivatives_are_numbers() -> None:
    """All experts per token: the base of the powers in the experts hit is 0."""
    given_values = {"num_experts_per_tok": 64, "batch": 2}
    found = sensitivity("roofline_s", model=model(), settings=given_values, symbols=["batch", "n_routed_experts"])
    assert all(math.isfinite(each.derivative) and each.derivative > 0 for each in found.effects)


# growth


@pytest.mark.parametrize("metric", METRICS)
def test_orders_are_those_of_huge_values(metric: str) -> None:
    for each in ranked(metric).effects:
        try:
            near, far = (at(metric, each.symbol, 10**power) for power in (40, 50))
        except (OverflowError, UserError):
            assert each.order is None, each.symbol
            continue
        assert each.order == round(math.log10(Fraction(far) / Fraction(near)) / 10), each.symbol


def test_orders_that_are_known() -> None:
    assert effect("forward_tensor_core_flops", "prompt_tokens").order == 2
    assert effect("forward_tensor_core_flops", "base_size").order == 4
    assert effect("forward_tensor_core_flops", "batch").order == 1
    assert effect("forward_tensor_core_flops", "sam_patch_size").order == 0
    assert effect("roofline_s", "memory_bandwidth").order == 0
    assert sensitivity("forward_weight_bytes", model=model(), symbols=["batch"]).effects[0].order == 0
    # Powers are bounded: every expert is hit in the end.
    assert effect("forward_io_bytes", "batch").order == 1
    assert sensitivity("operator_launches", model=model(), symbols=["new_tokens", "batch"]).effects[0].order == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x**2 + 5*x", 2),
        ("(x + 1)**2 - x**2 - 2*x", 0),
        ("x/(x + 3)", 0),
        ("1/x + 2/x**2", -1),
        ("floor(x/14)*x", 2),
        ("ceiling(64/x)*x", 1),
        ("64*(1 - power(29/32, x))", 0),
        ("power(29/32, x)*x**3 + x", 1),
        ("x*(1 - power(1 - 6/x, 903))", 0),
        ("x*(1 - power(1 - 6/x, 903))*x", 1),
        ("power(2, x)", None),
        ("power(1/2, 3 + 1/x)*x", 1),
        ("power(x, 1/2)", None),
        ("x - x", None),
    ],
)
def test_degrees(text: str, expected: int | None) -> None:
    formula = parse(text, "test")
    assert degree(lambda x: evaluate(formula, {"x": x}, tangents)) == expected


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(-3, 3), min_size=1, max_size=5), st.integers(0, 3))
def test_degrees_of_laurent_polynomials(coefficients: list[int], below: int) -> None:
    expected = max((place - below for place, each in enumerate(coefficients) if each), default=None)
    assert (
        degree(lambda x: Fraction(sum(each * x**place for place, each in enumerate(coefficients)), x**below))
        == expected
    )


@pytest.mark.parametrize("metric", ["ttft_s", "tpot_lower_bound_s"])
@pytest.mark.parametrize("batch", [1_000, 10**18])
def test_a_ranking_takes_no_longer_where_powers_are_huge(metric: str, batch: int) -> None:
    """Every expert is hit: in time and memory that do not grow, and with the elasticities of a smaller batch."""
    symbols = ["batch", "n_routed_experts", "num_experts_per_tok", "hidden_size", *RATES]
    given_values = {"batch": batch, "prompt_tokens": 10**9}
    started = time.process_time()
    found = sensitivity(metric, model=model(), settings=given_values, symbols=symbols)
    assert time.process_time() - started < 20
    assert all(math.isfinite(each.derivative) for each in found.effects)
    effects = {each.symbol: each for each in found.effects}
    assert effects["batch"].order == 1
    assert effects["batch"].elasticity == pytest.approx(1, rel=1e-3)


# the command, and mistakes


def test_the_command_prints_a_ranking() -> None:
    answer = dsocr("sensitivity", "--metric", "forward_kv_cache_bytes", "--workload", "gundam")
    assert answer.status == 0
    assert answer.out.startswith("forward_kv_cache_bytes = 86.94 MB\n")
    rows = [line.split()[0] for line in answer.out.splitlines() if line and not line.startswith(" ")]
    names = [each.symbol for each in sensitivity("forward_kv_cache_bytes", model=model(), workload="gundam").effects]
    assert rows[2 : 2 + len(names)] == names
    grouped = dsocr("sensitivity", "--metric", "forward_kv_cache_bytes", "--by", "group").out
    assert [line for line in grouped.splitlines() if line in ("constant", "workload", "derived", "convention")]
    document = json.loads(dsocr("sensitivity", "--metric", "tpot_s", "--symbol", "batch", "--format", "json").out)
    assert document["sensitivity"]["effects"][0]["symbol"] == "batch"


def test_a_part_has_its_own_ranking() -> None:
    found = sensitivity("forward_tensor_core_flops", model=model(), part="prefill/layers.1-11/mlp/gate")
    assert {each.symbol for each in found.effects} >= {"n_routed_experts", "hidden_size", "prompt_tokens"}
    assert all(each.elasticity == 1 for each in found.effects if each.symbol in ("n_routed_experts", "hidden_size"))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--metric", "roofline"), "did you mean roofline_s"),
        (("--symbol", "batches"), "did you mean batch?"),
        (("--of", "prefil"), "did you mean prefill"),
        (("--metric", "tpot_s", "--of", "prefill"), "does not exist for prefill"),
        (("--set", "base_size=1000"), "base_size"),
        (("--metric", "tpot_s", "--set", "new_tokens=0"), "has no value at this workload"),
    ],
)
def test_mistakes_are_said_in_one_line(words: tuple[str, ...], said: str) -> None:
    assert_refused(dsocr("sensitivity", *words), said)


def test_mistakes_in_python() -> None:
    with pytest.raises(UserError, match="did you mean"):
        sensitivity("roofline", model=model())
