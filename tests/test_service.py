"""A server's formulas: against a simulation of the same engine, and what must hold whatever the numbers."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from service_workloads import draw, errors

from dsocr_symbolic.language.files.service_file import load_service
from dsocr_symbolic.questions.plan import steady
from dsocr_symbolic.questions.plan.demand import Answers
from dsocr_symbolic.questions.plan.simulation import Engine, simulate

pytest.importorskip("simpy")
ALONE = {"encode_s": 0.05, "prefill_s": 0.02, "work_spread": 0.0, "chunks": 1.0, "new_tokens": 200.0, "spread": 0.5}
ALONE |= {"merged": 0.0}


def step_s(batch: Any) -> Any:
    return 0.01 + 0.0002 * batch


def at(found: dict[str, Any], name: str) -> float:
    return float(np.ravel(found[name])[0])


# bench_service.py holds 200 of them.
@pytest.mark.parametrize("seed", range(12))
def test_formulas_are_within_5_percent_of_a_simulation_below_the_knee(seed: int) -> None:
    missed, seen = errors(draw(seed), 2500, seed)
    assert {name: error for name, error in missed.items() if abs(error) > 0.05} == {}
    assert seen.ttft_p99_s >= seen.ttft_s > 0
    assert seen.tpot_p99_s >= seen.tpot_s > 0


@pytest.mark.parametrize("seed", range(6))
def test_chunks_in_one_forward_with_decode_are_within_5_percent_of_a_simulation(seed: int) -> None:
    missed, _ = errors(draw(seed, merged=True), 2500, seed)
    assert {name: error for name, error in missed.items() if abs(error) > 0.05} == {}


@settings(max_examples=25, deadline=None)
@given(concurrency=st.integers(1, 200), saved=st.floats(1e-4, 0.01))
def test_one_forward_of_two_ends_more_the_more_it_saves(concurrency: int, saved: float) -> None:
    inputs = {**ALONE, "spread": 0.0, "concurrency": np.array([[float(concurrency)]])}
    apart = steady.closed(inputs, step_s)
    merged = steady.closed({**inputs, "merged": 1.0}, step_s, lambda batch: np.full_like(batch, saved))
    if concurrency == 1:
        assert at(merged, "requests_per_s") == at(apart, "requests_per_s")
        assert at(merged, "ttft_s") == at(apart, "ttft_s")
        return
    # A request that got its first token at the end of a forward decodes in the next one alone: little saved is no gain.
    half = steady.closed({**inputs, "merged": 1.0}, step_s, lambda batch: np.full_like(batch, saved / 2))
    assert at(merged, "requests_per_s") > at(half, "requests_per_s")
    assert at(merged, "ttft_s") == pytest.approx(0.07 - saved + at(merged, "step_s"))


def test_percentiles_of_two_simulations_are_within_20_percent() -> None:
    server = draw(3)
    one, other = (errors(server, 2500, seed)[1] for seed in (1, 2))
    assert one.ttft_p99_s == pytest.approx(other.ttft_p99_s, rel=0.2)
    assert one.tpot_p99_s == pytest.approx(other.tpot_p99_s, rel=0.2)


def test_a_simulation_is_the_same_whenever_it_is_run() -> None:
    engine = Engine(prompts=((0.05,),), shares=(1.0,), step_s=step_s, answers=Answers(mean=50, spread=0.5, longest=0))
    one, other = (simulate(engine, concurrency=4, arrivals_per_s=0.5, requests=200, seed=7) for _ in range(2))
    assert one == other


def test_one_request_at_a_time_takes_its_own_seconds() -> None:
    found = steady.closed({**ALONE, "concurrency": np.array([[1.0]])}, step_s)
    assert at(found, "ttft_s") == pytest.approx(0.07)
    assert at(found, "tpot_s") == pytest.approx(step_s(1))
    assert at(found, "requests_per_s") == pytest.approx(1 / (0.07 + 200 * step_s(1)))


@settings(max_examples=25, deadline=None)
@given(concurrency=st.integers(1, 200), steps=st.integers(50, 2000), work=st.floats(0.001, 0.2))
def test_little_holds_in_a_closed_system(concurrency: int, steps: int, work: float) -> None:
    inputs = {**ALONE, "encode_s": work, "new_tokens": float(steps), "concurrency": np.array([[float(concurrency)]])}
    found = steady.closed(inputs, step_s)
    assert at(found, "requests_per_s") * at(found, "residence_s") == pytest.approx(concurrency, rel=1e-6)
    assert at(found, "running") <= concurrency * (1 + 1e-9)


@settings(max_examples=25, deadline=None)
@given(load=st.floats(0.01, 0.7))
def test_more_arrivals_wait_longer(load: float) -> None:
    most = 1 / (0.07 + 200 * 0.0002)
    less, more = (
        steady.open_loop({**ALONE, "concurrency": 256.0, "arrivals_per_s": np.array([[rate]])}, step_s, 256)
        for rate in (load * most, 1.01 * load * most)
    )
    assert at(less, "ttft_s") < at(more, "ttft_s")
    assert at(less, "tpot_s") < at(more, "tpot_s")


def test_next_to_no_arrivals_are_served_as_one_alone() -> None:
    found = steady.open_loop({**ALONE, "concurrency": 64.0, "arrivals_per_s": np.array([[1e-6]])}, step_s, 64)
    assert at(found, "ttft_s") == pytest.approx(0.07, rel=1e-4)
    assert at(found, "tpot_s") == pytest.approx(step_s(1), rel=1e-4)


def test_every_input_and_term_is_used() -> None:
    service = load_service()
    for system in (service.closed, service.open):
        assert system.why
        assert {"requests_per_s", "ttft_s", "tpot_s", "busy"} <= system.terms.keys()
