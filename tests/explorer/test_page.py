"""The page in Chromium, through its own fields; needs chromium, node and playwright-core, and looks with axe-core."""

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Sequence
from typing import Any

import pytest
from PIL import Image
from scenarios import (
    HERE,
    as_chosen,
    differences,
    expected,
    is_held,
    need_node,
    random_options,
    random_question,
    refused,
)

from dsocr_symbolic.cli import capture
from dsocr_symbolic.explorer.page import explorer_page
from dsocr_symbolic.language.lookup import find_definition
from dsocr_symbolic.questions.totals.bill import make_bill
from dsocr_symbolic.scenario.documents import read_pages
from dsocr_symbolic.scenario.scenario import make_scenario

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# 200 for a thorough look, a few in every run; another DSOCR_RANDOM draws others.
SCENARIOS = int(os.environ.get("DSOCR_SCENARIOS", "6"))
SEED = int(os.environ.get("DSOCR_RANDOM", "0"))
SERVED = {"execution": "served"}
DAMAGED = {
    "batch": "#set.batch=NaN",
    "new_tokens": "#set.new_tokens=1e99",
    "text_tokens": "#set.text_tokens=-1",
    "gpu": "#gpu=../../etc/passwd",
    "attention": "#choice.attention=none",
    "constructor": "#set.constructor=1",
    "set.%zz": "#set.%zz=1",
    "base_size": "#set.base_size=1000",
    "ttft": "#plan.ttft=soon",
    "utilisation": "#plan.utilisation=1.5",
    "concurrency": "#plan.concurrency=2.5",
    "mix": "#plan.mix=base%3D0.5",
    "check": "#check=0&set.batch=4",
    "set.new_tokens stands there twice": "#set.new_tokens=4&set.new_tokens=5",
    "plan.constructor": "#plan.constructor=1",
}


WISHES = {"pages_per_day": "2e6", "price": "2.5", "tpot": "0.06"}
MIXED = {"mix": "base=0.75,gundam=0.25", "concurrency": "9"}


def _module(name: str) -> str | None:
    found = subprocess.run(
        [need_node(), "-p", f"require.resolve('{name}')"], capture_output=True, text=True, check=False
    )
    return found.stdout.strip() or None


@pytest.fixture(scope="module")
def driven(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Drive the page once; every test looks at what was found."""
    if CHROMIUM is None or need_node() is None:
        pytest.skip("chromium is not installed: the page is not driven")
    if _module("playwright-core") is None:
        pytest.skip("node finds no playwright-core (npm install playwright-core, NODE_PATH): the page is not driven")
    folder = tmp_path_factory.mktemp("page")
    definition, chance = find_definition("deepseek-ocr"), random.Random(SEED + 5)
    (folder / "explorer.html").write_text(explorer_page(definition), encoding="utf-8")
    Image.new("RGB", (1700, 2200)).save(folder / "letter.png")
    Image.new("RGB", (4000, 500)).save(folder / "strip.png")
    Image.new("RGB", (600, 500)).save(folder / "small.jpg")
    pages = [Image.new("RGB", size) for size in ((900, 700), (700, 2000))]
    pages[0].save(folder / "scan.pdf", save_all=True, append_images=pages[1:], resolution=144)
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4\nnothing")
    wanted = [SERVED, *(random_options(definition, chance) for _ in range(SCENARIOS - 1))]
    questions = [as_chosen(definition, random_question(definition, chance, options)) for options in wanted]
    files = [str(folder / name) for name in ("letter.png", "strip.png", "small.jpg", "scan.pdf", "broken.pdf")]
    axe = _module("axe-core")
    job = {
        "chromium": CHROMIUM,
        "page": (folder / "explorer.html").as_uri(),
        "questions": questions,
        "damaged": DAMAGED,
        "files": files,
        "axe": axe,
        "planned": "#gpu=h200&set.new_tokens=700",
        "wishes": WISHES,
        "mixed": MIXED,
    }
    (folder / "job.json").write_text(json.dumps(job))
    ran = subprocess.run(
        [need_node(), str(HERE / "drive_page.js"), str(folder / "job.json")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    size = (folder / "explorer.html").stat().st_size
    return {**json.loads(ran.stdout), "questions": questions, "files": files, "size": size}


def test_every_shown_total_is_what_totals_says(driven: dict[str, Any]) -> None:
    definition = find_definition("deepseek-ocr")
    asked = list(zip(driven["questions"], driven["answers"], strict=True))
    held = [each for each in asked if is_held(definition, each[0])]
    said = [expected(definition, question) for question, _ in held]
    apart = [differences(ours, theirs) for ours, (_, theirs) in zip(said, held, strict=True)]
    assert [each for each in apart if each] == []
    assert any("error" not in each for each in said)
    assert all(refused(definition, *each) for each in asked if each not in held)


def test_a_shared_link_restores_everything(driven: dict[str, Any]) -> None:
    assert driven["restored"]
    assert all(before == after for before, after in driven["restored"])


def test_bad_words_of_a_link_are_named(driven: dict[str, Any]) -> None:
    for name, said in driven["said"].items():
        assert name in said


def test_a_link_that_is_cut_off_or_changed_is_not_taken_for_whole(driven: dict[str, Any]) -> None:
    assert len(driven["cut"]) > 10
    assert [address for address, said in driven["cut"] if not said] == []


def test_the_plan_is_that_of_the_command(driven: dict[str, Any]) -> None:
    words = "--gpu h200 --set new_tokens=700 --pages-per-day 2e6 --price h200=2.5 --tpot 0.06"
    mixed = "--mix base=0.75,gundam=0.25 --concurrency 9"
    plan = _is_that_of_the_command(driven["plan"], words)
    _is_that_of_the_command(driven["mixed"], f"{words} {mixed}")
    assert driven["replanned"] == driven["plan"]
    assert int(driven["moved"]["gpus"]) > plan["gpus"]
    said, invalid, address = driven["refused"]
    assert said.startswith("ttft: 'soon' is not a number")
    assert invalid == "true"
    assert "soon" not in address


def test_dropped_pages_are_planned_for_as_a_document(driven: dict[str, Any]) -> None:
    files = [word for name in driven["files"][:-1] for word in ("--document", name)]
    _is_that_of_the_command(driven["ofPages"], f"--gpus {find_definition('deepseek-ocr').default_gpu}", files)


def _is_that_of_the_command(shown: dict[str, str], words: str, more: Sequence[str] = ()) -> dict[str, float]:
    (offer,) = json.loads(capture([*f"plan {words} --format json".split(), *more]))["plan"]["offers"]
    plan = {name: float(value) for name, value in shown.items() if value}
    loads = {f"{when}ttft_s": offer[of]["ttft_s"] for when, of in (("", "full"), ("loaded_", "planned"))}
    loads |= {f"{when}tpot_s": offer[of]["tpot_s"] for when, of in (("", "full"), ("loaded_", "planned"))}
    energy = {"energy_per_1000_pages": offer["energy_per_1000_pages"] / 3600}
    assert plan == pytest.approx({name: {**offer, **loads, **energy}[name] for name in plan}, rel=1e-9)
    return plan


@pytest.mark.parametrize(("shown", "choices"), [("bill", {}), ("served", SERVED)])
def test_dropped_pages_are_billed_as_a_document(shown: str, choices: dict[str, str], driven: dict[str, Any]) -> None:
    scenario = make_scenario(definition=find_definition("deepseek-ocr"), choices=choices)
    bill = make_bill(scenario, read_pages(driven["files"][:-1], dpi=144.0))
    grids = [f"{row['crop_columns']}x{row['crop_rows']}" for row in bill.rows]
    assert driven[shown]["grids"] == grids
    assert bill.total is not None
    for metric, value in driven[shown]["total"].items():
        assert float(value) == pytest.approx(float(bill.total.total[metric]), rel=1e-12)
    assert [each for each in driven[shown]["mistakes"] if each.startswith("broken.pdf: ")]


def test_the_page_is_small_quick_and_quiet(driven: dict[str, Any]) -> None:
    redraws = sorted(driven["redraws"])
    # Milliseconds, of which a busy machine takes more; `-s` shows them.
    sys.stdout.write(f"{driven['size']} bytes, paint {driven['paint']}, redraws {redraws}, plans {driven['replans']}\n")
    assert driven["size"] < 10**6
    assert driven["errors"] == []
    assert len(redraws) > 5
    assert driven["keyed"] != "512"
    assert driven["overflow"] == 0


def test_axe_finds_no_serious_fault(driven: dict[str, Any]) -> None:
    if driven["faults"] is None:
        pytest.skip("node finds no axe-core: accessibility is not looked at")
    assert driven["faults"] == []
