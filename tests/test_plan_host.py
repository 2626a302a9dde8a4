"""The host's work in a plan: what feeds a GPU, what a page waits for, and when cores hold it."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from test_cli import assert_refused, dsocr
from test_host_work import host_file

from dsocr_symbolic import plan
from dsocr_symbolic.language.files.service_file import load_service
from dsocr_symbolic.questions.host_pages import feeding
from dsocr_symbolic.questions.plan.demand import Answers
from dsocr_symbolic.questions.plan.hosting import HostWork, before_s, host_numbers, prepared_per_s
from dsocr_symbolic.questions.plan.simulation import Engine, simulate

L4 = ("plan", "--gpus", "l4", "--execution", "served", "--format", "json")


def planned(*words: str) -> dict[str, Any]:
    found = dsocr(*L4, *words)
    assert found.status == 0, found.err
    answer: dict[str, Any] = json.loads(found.out)["plan"]
    return answer


def pages(folder: Path) -> Path:
    for place, size in enumerate([(600, 600), (1700, 1200)]):
        Image.new("L", size).save(folder / f"{place}.png")
    return folder


def test_nothing_is_claimed_of_a_host_that_nobody_measured(tmp_path: Path) -> None:
    for words in ((), ("--document", str(pages(tmp_path)))):
        answer = planned(*words)
        assert answer["host"] is None
        assert answer["offers"][0]["host"] is None
        assert answer["host_reason"]


def test_seconds_of_pages_are_those_of_the_bill(tmp_path: Path) -> None:
    asked = ("--document", str(pages(tmp_path)), "--machine", str(host_file(tmp_path)), "--execution", "served")
    answer = planned(*asked[:4])
    bill = json.loads(dsocr("totals", "--gpu", "l4", *asked, "--format", "json").out)
    assert answer["host"]["host_s"] == bill["host"]["mean_s"]
    assert answer["host"]["pages"] == 2
    assert "made up" in answer["host"]["source"]


def test_the_first_token_waits_for_the_host() -> None:
    (without,), (offer,) = planned()["offers"], planned("--host-s", "0.2")["offers"]
    for load in ("full", "planned"):
        assert offer[load]["ttft_s"] == pytest.approx(without[load]["ttft_s"] + 0.2)
        assert offer[load]["tpot_s"] == without[load]["tpot_s"]
    assert offer["host"]["cores_busy"] == pytest.approx(0.2 * offer["full"]["requests_per_s"])
    assert offer["host"]["cores_enough"] == 1
    (waits,) = planned("--host-s", "0.2", "--cores", "1")["offers"]
    more = waits["host"]["planned_core_wait_s"]
    assert more > 0
    assert waits["planned"]["ttft_s"] == pytest.approx(offer["planned"]["ttft_s"] + more)


def test_limits_are_held_to_what_a_caller_waits_for() -> None:
    assert_refused(dsocr(*L4, "--host-s", "0.2", "--ttft", "0.25"), "ttft is", "above 0.25 s")
    assert dsocr(*L4, "--ttft", "0.25").status == 0


def test_cores_that_prepare_less_than_the_gpu_takes_hold_it() -> None:
    answer = planned("--host-s", "1", "--cores", "2", "--pages-per-day", "1e6")
    (offer,) = answer["offers"]
    assert (offer["held_by"], offer["bound_by"]) == ("host", "host")
    assert offer["full"]["requests_per_s"] == pytest.approx(2)
    assert offer["pages_per_day"] == pytest.approx(2 * 86400)
    assert offer["gpus"] == -(-1e6 // (0.7 * 2 * 86400))
    assert offer["host"]["cores_busy"] > 2
    assert {move["symbol"]: move["elasticity"] for move in answer["moves"]} == {"host_s": 1, "cores": -1}
    text = dsocr(*L4[:-2], "--host-s", "1", "--cores", "2").out
    assert "its cores prepare no more pages" in " ".join(text.split())


def test_in_python_it_is_the_same() -> None:
    offer = plan(gpus=("l4",), choices={"execution": "served"}, host_s=1.0, cores=2).offers[0]
    assert offer.bound_by == "host"
    assert offer.host["cores_busy"] == feeding(1.0, offer.choice.engine_per_s)


@pytest.mark.parametrize("cores", [1, 4])
def test_waits_for_a_core_are_those_of_a_simulation(cores: int) -> None:
    pytest.importorskip("simpy")
    seconds = (0.2, 0.5, 0.8)
    host = HostWork(host_s=0.5, spread=0.4899, seconds=seconds, cores=cores)
    engine = Engine(
        prompts=((0.0,),),
        shares=(1.0,),
        step_s=lambda _: 1e-9,
        answers=Answers(mean=1, spread=0, longest=1),
        host=host,
    )
    rate = 0.7 * cores / 0.5
    seen = simulate(engine, concurrency=64, arrivals_per_s=rate, requests=20000, seed=1)
    assert before_s(host, seen.requests_per_s) == pytest.approx(seen.ttft_s, rel=0.05)


@settings(max_examples=50, deadline=None)
@given(host_s=st.floats(1e-3, 10), spread=st.floats(0, 2), cores=st.integers(1, 64), load=st.floats(0.01, 0.9))
def test_more_cores_wait_less(host_s: float, spread: float, cores: int, load: float) -> None:
    fewer, more = (HostWork(host_s=host_s, spread=spread, cores=number) for number in (cores, cores + 1))
    rate = load * prepared_per_s(fewer)
    assert before_s(more, rate) <= before_s(fewer, rate)
    assert host_numbers(fewer, rate)["cores_enough"] <= cores
    one = HostWork(host_s=host_s, spread=spread, cores=1)
    # Of one core it is Pollaczek and Khinchine's mean.
    exact = load * host_s * (1 + spread**2) / (2 * (1 - load))
    assert host_numbers(one, load / host_s)["core_wait_s"] == pytest.approx(exact)


def test_formulas_of_the_host_say_what_they_rest_on() -> None:
    assert "core" in load_service().host.why


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--cores", "2"), "dsocr calibrate --documents"),
        (("--cores", "0", "--host-s", "1"), "expected cores for each GPU, from 1"),
        (("--host-s", "0"), "--host-s 0.0: expected a finite number above 0"),
        (("--host-s", "nan"), "--host-s nan: expected a finite number above 0"),
    ],
)
def test_mistakes_are_one_line(words: tuple[str, ...], said: str) -> None:
    assert_refused(dsocr(*L4[:-2], *words), said)


def test_pages_and_user_do_not_both_say_it(tmp_path: Path) -> None:
    words = ("--document", str(pages(tmp_path)), "--machine", str(host_file(tmp_path)), "--host-s", "1")
    assert_refused(dsocr(*L4[:-2], *words), "drop --host-s or --machine")
