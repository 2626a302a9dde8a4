"""The page's plan in node: the same numbers as those of ``dsocr plan --format json``, whatever is asked."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from scenarios import HERE, TEMPLATES, Question, few_variants, in_variants, is_held, need_node

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.explorer.page_data import page_data
from dsocr_symbolic.explorer.programs import written
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.language.lookup import find_definition
from dsocr_symbolic.questions.plan.asking import Request, plan_of
from dsocr_symbolic.questions.plan.document import plan_document
from dsocr_symbolic.scenario.checks import parse_number
from dsocr_symbolic.scenario.hardware import load_gpus
from dsocr_symbolic.scenario.scenario import make_scenario

# 200 for a thorough look, a few in every run; another DSOCR_RANDOM draws others.
SCENARIOS = int(os.environ.get("DSOCR_SCENARIOS", "25"))
SEED = int(os.environ.get("DSOCR_RANDOM", "0"))
_CLOSE = 1e-9
_OFTEN = {"concurrency": 0.15, "mix": 0.3}
_SAME = ("pages_per_day", "ttft", "tpot", "concurrency", "mix")
_FIELDS = {"spread": "output_spread", **{name: name for name in _SAME}}


def _question(definition: Definition, chance: random.Random) -> Question:
    """Ask for a plan, some of whose limits and memories are too small."""
    possible = {
        "text_tokens": str(chance.randint(1, 2000)),
        "new_tokens": str(chance.randint(2, 3000)),
        "num_hidden_layers": str(chance.randint(2, 30)),
        "n_routed_experts": str(chance.randint(8, 256)),
        "chunk_tokens": str(chance.choice([256, 512, 1000])),
        "memory_bandwidth": chance.choice(["1.8e12", "3.35e12"]),
        "process_memory": chance.choice(["9e9", "12e9", "4e9"]),
    }
    asked = {
        "pages_per_day": float(chance.randint(1, 10**7)),
        "price": chance.uniform(0.1, 9),
        "ttft": chance.uniform(0.05, 3),
        "tpot": chance.uniform(0.001, 0.05),
        "spread": chance.choice([0.0, 0.25, 1.0]),
        "utilisation": chance.uniform(0.3, 1),
        "concurrency": chance.choice([1, 2, chance.randint(3, 64), 256]),
        "mix": _mix(definition, chance),
    }
    question = {
        "workload": chance.choice(list(definition.workloads)),
        "gpu": chance.choice([gpu.name for gpu in load_gpus()]),
        "options": in_variants(definition, chance, few_variants(definition)),
        "settings": {
            name: value for name, value in possible.items() if name in definition.quantities and chance.random() < 0.25
        },
        "plan": {name: value for name, value in asked.items() if chance.random() < _OFTEN.get(name, 0.5)},
    }
    return question if is_held(definition, question) else _question(definition, chance)


def _mix(definition: Definition, chance: random.Random) -> str:
    """Write a few workloads down with their shares."""
    names = chance.sample(list(definition.workloads), min(len(definition.workloads), chance.randint(1, 3)))
    shares = [chance.randint(1, 9) for _ in names]
    return ",".join(f"{name}={share / sum(shares)!r}" for name, share in zip(names, shares, strict=True))


def _expected(definition: Definition, question: Question) -> dict[str, Any]:
    asked = question["plan"]
    price = {question["gpu"]: asked["price"]} if "price" in asked else {}
    said = {field: asked[name] for name, field in _FIELDS.items() if name in asked}
    request = Request(gpus=(question["gpu"],), prices=price, utilisation=asked.get("utilisation"), **said)
    try:
        scenario = make_scenario(
            definition=definition,
            workload=None if "mix" in asked else question["workload"],
            gpu=question["gpu"],
            choices=question["options"],
            settings={name: parse_number(value, name) for name, value in question["settings"].items()},
        )
        offer: dict[str, Any] = plan_document(plan_of(scenario, request))["offers"][0]
    except UserError as error:
        return {"error": str(error)}
    return offer


def _answered(definition: Definition, questions: list[Question], folder: Path) -> list[Any]:
    made = written(definition, few_variants(definition))["programs"]
    content = {"data": page_data(definition), "programs": made, "questions": questions}
    (folder / "content.json").write_text(json.dumps(content))
    scripts = [TEMPLATES / f"{name}.js" for name in ("numbers", "network", "service", "words", "plan")]
    (folder / "run.js").write_text("\n".join(file.read_text() for file in [*scripts, HERE / "plan_in_node.js"]))
    ran = subprocess.run([need_node(), "run.js"], cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    found: list[Any] = json.loads(ran.stdout)
    return found


def _differences(ours: dict[str, Any], theirs: dict[str, Any], where: str = "") -> list[str]:
    """Compare what the page says: whole numbers and words exactly, others to 1e-9 of them."""
    if "error" in ours or "error" in theirs:
        return [] if ("error" in ours) == ("error" in theirs) else [f"{ours.get('error')} - {theirs.get('error')}"]
    apart: list[str] = []
    for name, value in theirs.items():
        if name in ("milliseconds", "runs"):
            continue
        if isinstance(value, dict):
            apart += _differences(ours[name], value, f"{name}: ")
        elif value != ours[name] and not (
            isinstance(ours[name], float) and value is not None and value == pytest.approx(ours[name], rel=_CLOSE)
        ):
            apart.append(f"{where}{name}: {ours[name]!r} against {value!r}")
    return apart


@pytest.mark.parametrize("model", ["deepseek-ocr", "mixtral"])
def test_the_page_plans_what_the_command_plans(model: str, tmp_path: Path) -> None:
    definition, chance = find_definition(model), random.Random(SEED + 47)
    questions = [_question(definition, chance) for _ in range(SCENARIOS)]
    found = _answered(definition, questions, tmp_path)
    said = [_expected(definition, question) for question in questions]
    apart = [(each, _differences(ours, theirs)) for each, ours, theirs in zip(questions, said, found, strict=True)]
    assert [each for each in apart if each[1]] == []
    planned = [each for each in found if "error" not in each]
    assert len(planned) > SCENARIOS / 30
    # Milliseconds of steps and of what follows from them; `-s` shows them.
    sys.stdout.write(f"{[(each['runs'], *each['milliseconds']) for each in planned]}\n")
