"""Random questions, and what they are answered by the command line's own functions and by the page's program."""

import json
import random
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from dsocr_symbolic import UserError
from dsocr_symbolic.evaluation.answer import answer
from dsocr_symbolic.explorer.page_data import page_data
from dsocr_symbolic.explorer.programs import written
from dsocr_symbolic.explorer.variants import key_of, variants
from dsocr_symbolic.language.definition import Definition
from dsocr_symbolic.scenario.checks import parse_number
from dsocr_symbolic.scenario.hardware import load_gpus
from dsocr_symbolic.scenario.scenario import make_scenario
from dsocr_symbolic.scenario.values import choose, own_options

HERE = Path(__file__).parent
TEMPLATES = HERE.parents[1] / "templates" / "explorer"
NODE = shutil.which("node")
Question = dict[str, Any]


def need_node() -> str:
    if NODE is None:
        pytest.skip("node is not installed: the page's program is not run")
    return NODE


def random_options(definition: Definition, chance: random.Random) -> dict[str, str]:
    """Choose options, half of the time beside one that sets others; each choice that fills slots now and then."""
    bundles = [
        {name: label}
        for name, choice in definition.choices.items()
        for label in choice.options
        if choice.options[label].choices
    ]
    options = dict(chance.choice(bundles)) if bundles and chance.random() < 0.5 else {}
    for name, choice in definition.choices.items():
        often = 0.12 if any(option.slots for option in choice.options.values()) else 0.25
        if name not in options and chance.random() < often:
            options[name] = chance.choice(list(choice.options))
    return options


def few_variants(definition: Definition) -> list[str]:
    """Return the first variants, as the page has them: the defaults, those that set others, and one beside them."""
    return list(variants(definition))[:3]


def in_variants(definition: Definition, chance: random.Random, names: Sequence[str]) -> dict[str, str]:
    """Choose options whose slots are filled as in one of some variants, or now and then as in none of the page's."""
    held, is_held = variants(definition), chance.random() < 0.85
    while True:
        options = random_options(definition, chance)
        key = key_of(definition, choose(definition, options))
        if key in names if is_held else key not in held:
            return options


def is_held(definition: Definition, question: Question) -> bool:
    """Tell whether the page has a program for a question."""
    return key_of(definition, choose(definition, question["options"])) in variants(definition)


def as_chosen(definition: Definition, question: Question) -> Question:
    """Leave out options that follow from others: choosing one in a field is no choice."""
    own = own_options(definition, choose(definition, question["options"]))
    plain = {name for name, option in own.items() if option == definition.choices[name].default}
    bundles = {
        name for name, choice in definition.choices.items() if any(each.choices for each in choice.options.values())
    }
    return {**question, "options": {name: option for name, option in own.items() if name not in plain & bundles}}


def random_question(definition: Definition, chance: random.Random, options: Mapping[str, str]) -> Question:
    """Choose a GPU and settings, some of which break rules, beside some options."""
    columns, rows = chance.choice([(0, 0), (2, 1), (1, 3), (3, 2), (3, 3)])
    possible = {
        "batch": str(chance.randint(1, 64)),
        "crop_columns": str(columns),
        "crop_rows": str(rows),
        "text_tokens": str(chance.randint(0, 2000)),
        "new_tokens": str(chance.choice([0, 1, chance.randint(2, 4000)])),
        "base_size": str(64 * chance.randint(4, 24)),
        "num_hidden_layers": str(chance.randint(2, 30)),
        "n_routed_experts": str(chance.randint(8, 256)),
        "num_experts_per_tok": str(chance.randint(1, 9)),
        "vocab_size": str(chance.randint(1, 10**6)),
        "weight": chance.choice(["1/2", "1", "2", "17/16"]),
        "memory_bandwidth": chance.choice(["1.8e12", "3.35e12", "9.1e11"]),
        "kernel_floor": "1.5e-6",
        "sam_global_blocks": str(chance.randint(0, 6)),
    }
    wanted = {name: value for name, value in possible.items() if name in definition.quantities}
    settings = {name: value for name, value in wanted.items() if chance.random() < 0.4}
    if {"crop_columns", "crop_rows"} & settings.keys():
        settings |= {name: wanted[name] for name in ("crop_columns", "crop_rows")}
    return {
        "workload": chance.choice(list(definition.workloads)),
        "gpu": chance.choice([gpu.name for gpu in load_gpus()]),
        "options": dict(options),
        "settings": settings,
    }


def expected(definition: Definition, question: Question) -> dict[str, Any]:
    """Answer as ``dsocr totals --format json`` does, or say what is wrong."""
    try:
        scenario = make_scenario(
            definition=definition,
            workload=question["workload"],
            gpu=question["gpu"],
            choices=question["options"],
            settings={name: parse_number(value, name) for name, value in question["settings"].items()},
        )
        result = answer(scenario)
    except UserError as error:
        return {"error": str(error)}
    return {"total": result.total, "stages": result.stages, "warnings": list(result.values.warnings)}


def answered(
    definition: Definition, questions: Sequence[Question], folder: Path, names: Sequence[str] = ()
) -> list[Any]:
    """Answer by the page's programs, all or some, in node."""
    made = written(definition, names)["programs"]
    content = {"data": page_data(definition), "programs": made, "questions": list(questions)}
    (folder / "content.json").write_text(json.dumps(content))
    (folder / "run.js").write_text(
        "\n".join((TEMPLATES / name).read_text() for name in ("numbers.js", "network.js"))
        + (HERE / "answer_in_node.js").read_text()
    )
    ran = subprocess.run([need_node(), "run.js"], cwd=folder, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr[-2000:]
    found: list[Any] = json.loads(ran.stdout)
    return found


NO_PROGRAM = "is a combination that this page has no program for; choose "


def refused(definition: Definition, question: Question, found: Mapping[str, Any]) -> bool:
    """Tell whether a question without a program was refused as it shall be: by a choice that was made, in one line."""
    said = str(found.get("error"))
    blamed, _, rule = said.partition(": ")
    return NO_PROGRAM in rule and "\n" not in rule and blamed in as_chosen(definition, question)["options"]


def differences(said: Mapping[str, Any], found: Mapping[str, Any]) -> list[str]:
    """Compare: whole numbers exactly, others to 1e-12 of them."""
    if "error" in said or "error" in found:
        return [] if ("error" in said) == ("error" in found) else [f"{said.get('error')} against {found.get('error')}"]
    parts = {"total": (said["total"], found["total"])}
    parts |= {name: (said["stages"][name], found["stages"][name]) for name in said["stages"]}
    apart = [] if said["warnings"] == found["warnings"] else [f"{said['warnings']} against {found['warnings']}"]
    for part, (ours, theirs) in parts.items():
        for metric, value in ours.items():
            if not _same(value, theirs[metric]):
                apart.append(f"{part}: {metric}: {value!r} against {theirs[metric]!r}")
    return apart


def _same(value: Any, found: Any) -> bool:
    """Compare a number with text of a whole one, or with a double; an expectation may be whole on one side alone."""
    if value is None or found is None:
        return value is found
    exact = isinstance(found, str)
    if exact and isinstance(value, int):
        other = int(found)
        # A double that is whole is not exact, however long it is printed.
        return value == other or (abs(value) > 2**53 and abs(value - other) <= 1e-12 * abs(value))
    other = float(found)
    return abs(value - other) <= 1e-12 * abs(value)
