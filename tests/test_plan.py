"""dsocr plan: how many GPUs, what holds them, what is refused."""

import json
import time
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_cli import dsocr

from dsocr_symbolic import plan
from dsocr_symbolic.evaluation.answer import scenario_details, scenario_program
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.questions.plan.asking import Request, plan_of
from dsocr_symbolic.questions.plan.figure import front_of, points_of
from dsocr_symbolic.questions.plan.merging import merged_steps
from dsocr_symbolic.questions.plan.steps import machines, steps_of
from dsocr_symbolic.questions.plan.workloads import asked_of
from dsocr_symbolic.scenario.documents import PageSize
from dsocr_symbolic.scenario.hardware import load_gpu
from dsocr_symbolic.scenario.scenario import make_scenario

L4 = ("--gpus", "l4", "--pages-per-day", "350000")


def planned(*words: str) -> dict[str, Any]:
    found = dsocr("plan", *words, "--format", "json")
    assert found.status == 0, found.err
    answer: dict[str, Any] = json.loads(found.out)["plan"]
    return answer


def test_gpus_are_what_pages_take() -> None:
    answer = planned(*L4, "--price", "l4=0.8")
    (offer,) = answer["offers"]
    each = offer["pages_per_day"] * answer["limits"]["utilisation"]
    assert (offer["gpus"] - 1) * each < 350000 <= offer["gpus"] * each
    assert offer["cost_per_1000_pages"] == pytest.approx(offer["gpus"] * 0.8 * 24 / 350)
    assert offer["energy_per_1000_pages"] == pytest.approx(offer["gpus"] * 72 * 86400 / 350)
    assert sum(offer["shares"].values()) == pytest.approx(1)
    assert offer["known"]["pages_per_day"] == "derived"
    assert offer["known"]["energy_per_1000_pages"] == "bound"
    assert f"--max-num-seqs {offer['concurrency']} " in offer["launch"]


def test_memory_holds_what_is_at_once() -> None:
    (offer,) = planned(*L4, "--set", "new_tokens=4000")["offers"]
    assert offer["concurrency"] <= offer["memory"]["requests"]
    assert offer["held_by"] in ("memory", "enough")


def test_limits_hold_and_one_more_would_break_them() -> None:
    (offer,) = planned(*L4, "--tpot", "0.06")["offers"]
    more = planned(*L4, "--concurrency", str(offer["concurrency"] + 1))["offers"][0]
    assert offer["held_by"] == "tpot"
    assert offer["full"]["tpot_s"] <= 0.06 < more["full"]["tpot_s"]
    assert planned(*L4, "--ttft", "0.22")["offers"][0]["full"]["ttft_s"] <= 0.22


def test_offers_are_ranked_by_cost_and_what_has_no_forecast_says_why() -> None:
    answer = planned("--gpus", "l4,h200,t4", "--price", "l4=9", "--price", "h200=1")
    assert [offer["gpu"] for offer in answer["offers"]] == ["h200", "l4"]
    assert answer["refused"].keys() == {"t4"}
    assert [offer["known"]["full"] for offer in answer["offers"]] == ["calibrated", "derived"]


def test_a_mix_lies_between_its_parts() -> None:
    parts = [planned(*L4, "--workload", name)["offers"][0]["pages_per_day"] for name in ("gundam", "base")]
    mixed = planned(*L4, "--mix", "gundam=0.5,base=0.5")["offers"][0]["pages_per_day"]
    assert min(parts) < mixed < max(parts)


def test_chunks_are_those_of_the_server() -> None:
    answer = planned(*L4, "--set", "chunk_tokens=304", "--execution", "served")
    assert answer["demand"]["chunk_tokens"] == 304
    (offer,) = answer["offers"]
    assert f"--max-num-batched-tokens {304 + offer['concurrency']} " in offer["launch"]


def test_what_one_forward_saves_is_the_weights_of_a_decode_step() -> None:
    scenario = make_scenario(definition=default_definition(None), choices={"execution": "served"})
    asked = asked_of([scenario], [1.0], 512)
    on, _ = machines(asked.average, [load_gpu("l4"), load_gpu("h200")])
    programs = [scenario_program(scenario), scenario_details(scenario)]
    batches = (1, 8, 4096)
    steps = merged_steps(asked, programs, on, steps_of(asked, programs, on, batches)["wall_s"], batches)
    read = steps.saved_s * on.numbers["stream_bandwidth"]
    assert read[0] == pytest.approx(read[1])
    layers, experts, expert = 11, 64, 2 * 3 * 1280 * 896
    hit = np.array([experts * (1 - (1 - 6 / experts) ** batch) for batch in batches])
    # Whatever is hit, the rest of the decoder and its head are read; of the embedding one row a token is.
    assert read[0] - layers * expert * hit == pytest.approx(read[0][0] - layers * expert * 6, rel=0.02)
    assert read[0][-1] == pytest.approx(2 * (2934734080 - 129280 * 1280), rel=0.01)
    assert steps.saved(np.array([[4.5]]))[0, 0] == pytest.approx(steps.saved_s[0, :2].mean())


def test_chunks_in_one_forward_with_decode_end_more_pages() -> None:
    (apart,), (merged,) = (planned(*L4, "--execution", "served", *more)["offers"] for more in ((), ("--merge-chunks",)))
    assert apart["pages_per_day"] < merged["pages_per_day"] < 1.15 * apart["pages_per_day"]


def test_documents_say_which_pages(tmp_path: Path) -> None:
    for place, size in enumerate([(600, 600), (2000, 1000), (2000, 1000), (1000, 2000)]):
        Image.new("1", size).save(tmp_path / f"{place}.png")
    found = dsocr("plan", "--gpus", "l4", "--document", str(tmp_path), "--price", "l4=1", "--format", "json")
    answer = json.loads(found.out)["plan"]
    assert answer["demand"]["pages"] == 4
    assert sum(kind["share"] for kind in answer["demand"]["kinds"]) == pytest.approx(1)
    assert max(kind["share"] for kind in answer["demand"]["kinds"]) == 0.5
    text = dsocr("plan", "--gpus", "l4", "--document", str(tmp_path), "--price", "l4=1").out
    assert "the 4 pages take" in text


def test_pages_of_a_plan_are_cut_as_those_of_a_bill(tmp_path: Path) -> None:
    Image.new("1", (3000, 3000)).save(tmp_path / "large.png")
    words = ("--document", str(tmp_path), "--execution", "served", "--format", "json")
    (row,) = json.loads(dsocr("totals", *words).out)["pages"]
    (kind,) = json.loads(dsocr("plan", "--gpus", "l4", *words).out)["plan"]["demand"]["kinds"]
    assert kind["name"] == f"{row['crop_columns']}x{row['crop_rows']}" == "2x2"


def test_lengths_are_a_column(tmp_path: Path) -> None:
    file = tmp_path / "lengths.csv"
    file.write_text("page,tokens\n1,301\n2,501\n", encoding="utf-8")
    answer = planned(*L4, "--output-tokens", f"{file}:tokens")
    assert answer["demand"]["new_tokens"] == {"mean": 400, "spread": 0.25, "longest": 500}


def test_text_and_markdown_say_the_same() -> None:
    text = dsocr("plan", *L4, "--price", "l4=0.8").out
    page = dsocr("plan", *L4, "--price", "l4=0.8", "--format", "markdown").out
    for said in ("vllm serve deepseek-ai/DeepSeek-OCR --gpu-memory-utilization 0.9", "more end hardly more pages"):
        assert said in " ".join(text.split())
        assert said in page


def test_the_simulation_is_of_the_best_one() -> None:
    pytest.importorskip("simpy")
    answer = planned(*L4, "--output-tokens", "200", "--simulate")
    seen, said = answer["simulated"], answer["offers"][0]["planned"]
    assert said["trusted"]
    assert seen["ttft_s"] == pytest.approx(said["ttft_s"], rel=0.05)
    assert seen["tpot_s"] == pytest.approx(said["tpot_s"], rel=0.05)


def test_ten_thousand_pages_on_all_machines_take_3_seconds_at_most() -> None:
    lots = Random(1)
    sizes = [(lots.randint(300, 3000), lots.randint(300, 3000)) for _ in range(10_000)]
    pages = [PageSize(path="p", page=1, width=width, height=height, error=None) for width, height in sizes]
    scenario = make_scenario(definition=default_definition(None))
    plan_of(scenario, Request(), pages[:10])
    start = time.process_time()
    found = plan_of(scenario, Request(pages_per_day=1e6), pages)
    assert time.process_time() - start < 3
    assert len(found.offers) > 20
    assert found.demand.pages == 10_000


def test_in_python_it_is_the_same() -> None:
    offer = plan(pages_per_day=350000, gpus=("l4",), prices={"l4": 0.8}).offers[0]
    (other,) = planned(*L4, "--price", "l4=0.8")["offers"]
    assert offer.numbers["cost_per_1000_pages"] == other["cost_per_1000_pages"]
    assert offer.choice.concurrency == other["concurrency"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--mix", "gundam=0.6,base=0.5"), "the shares add up to 1.1, not to 1"),
        (("--mix", "gundam=0.6,base"), "expected WORKLOAD=SHARE"),
        (("--mix", "gundam=0.6,bas=0.4"), "unknown workload 'bas'"),
        (("--price", "l4=0"), "--price l4 0.0: expected a finite number above 0"),
        (("--price", "l4"), "--price: 'l4': expected GPU=PER_HOUR"),
        (("--price", "l4=1", "--price", "l4=2"), "--price: l4 is given twice"),
        (("--price", "l4=nan"), "'nan' is not a number"),
        (("--mix", "gundam=nan,base=1"), "--mix gundam: 'nan' is not a number"),
        (("--output-spread", "nan"), "--output-spread nan: expected a finite number"),
        (("--utilisation", "nan"), "expected a share above 0, 1 at most"),
        (("--tpot", "inf"), "--tpot inf: expected a finite number above 0"),
        (("--price", "l5=1"), "unknown GPU 'l5'"),
        (("--pages-per-day", "nan"), "--pages-per-day nan: expected a finite number above 0"),
        (("--ttft", "0.01"), "no GPU meets the limits; the nearest is l4: ttft is"),
        (("--utilisation", "1.5"), "expected a share above 0, 1 at most"),
        (("--set", "batch=8"), "a plan finds it"),
        (("--set", "chunk_tokens=0"), "chunk_tokens"),
        (("--set", "chunk_tokens=300"), "chunk_tokens: a prompt in 4 chunks: "),
        (("--output-tokens", "1"), "expected at least 2"),
        (("--output-tokens", "none.csv:tokens"), "no such file"),
        (("--mix", "gundam=1", "--workload", "base"), "--mix names the workloads; drop --workload"),
        (("--reserve", "2"), "--memory-utilisation"),
        (("--gpu", "h200"), "--gpus names the machines"),
        (("--concurrency", "0"), "expected requests from 1"),
        (("--weight-dtype", "fp32", "--memory-utilisation", "0.5"), "l4: a server takes"),
    ],
)
def test_mistakes_are_one_line(words: tuple[str, ...], said: str) -> None:
    found = dsocr("plan", "--gpus", "l4", *words)
    assert found.status == 2
    assert len(found.err.splitlines()) == 1
    assert said in found.err


def test_an_empty_folder_is_one_line(tmp_path: Path) -> None:
    found = dsocr("plan", "--gpus", "l4", "--document", str(tmp_path))
    assert found.status == 2
    assert "no page can be read" in found.err
    assert len(found.err.splitlines()) == 1


def test_metrics_of_a_batch_answer_other_questions() -> None:
    found = json.loads(dsocr("solve", "batch", "pages_per_s >= 0.9", "--gpu", "l4", "--format", "json").out)
    assert found["solution"]["sense"] == "smallest"
    total = json.loads(dsocr("totals", "--gpu", "l4", "--set", "price_per_hour=0.8", "--format", "json").out)["total"]
    seconds = 1 / total["pages_per_s"]
    assert total["tokens_per_s"] == pytest.approx(513 / seconds)
    assert total["cost_per_1000_pages"] == pytest.approx(1000 * 0.8 * seconds / 3600)
    assert total["energy_per_1000_pages"] == pytest.approx(1000 * 72 * seconds)


def test_the_figure_marks_what_nothing_beats(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    file = tmp_path / "plan.svg"
    words = ("plan", "--gpus", "l4,h200", "--price", "l4=0.8", "--price", "h200=3")
    found = dsocr(*words, "--figure", str(file))
    assert (found.status, found.err) == (0, "")
    drawn = file.read_text(encoding="utf-8")
    for said in ("nothing beats it in both", "planned", "h200", "price of 1,000 pages"):
        assert said in drawn
    assert dsocr(*words, "--figure", str(file)).status == 2
    assert "name it FILE.svg" in dsocr(*words, "--figure", str(tmp_path / "plan.png")).err
    points = points_of(plan(gpus=("l4", "h200"), prices={"l4": 0.8, "h200": 3}))
    front = front_of(points)
    for point in points:
        beaten = any(other.seconds <= point.seconds and other.cost < point.cost for other in points)
        assert beaten == (point not in front)
