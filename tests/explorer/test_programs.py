"""The page's program in node: the same numbers as the command line's, whatever is asked."""

import os
import random
from pathlib import Path

import pytest
from scenarios import (
    answered,
    as_chosen,
    differences,
    expected,
    few_variants,
    in_variants,
    is_held,
    random_question,
    refused,
)

from dsocr_symbolic.explorer.variants import variants
from dsocr_symbolic.language.lookup import find_definition
from dsocr_symbolic.scenario.values import choose

# 200 for a thorough look, a few in every run; another DSOCR_RANDOM draws others.
SCENARIOS = int(os.environ.get("DSOCR_SCENARIOS", "50"))
SEED = int(os.environ.get("DSOCR_RANDOM", "0"))


@pytest.mark.parametrize("model", ["deepseek-ocr", "mixtral"])
def test_the_page_computes_what_totals_says(model: str, tmp_path: Path) -> None:
    definition, chance = find_definition(model), random.Random(SEED + 18)
    names = few_variants(definition) if SCENARIOS <= 50 else list(variants(definition))
    questions = [random_question(definition, chance, in_variants(definition, chance, names)) for _ in range(SCENARIOS)]
    held = [is_held(definition, question) for question in questions]
    found = answered(definition, questions, tmp_path, names)
    asked = list(zip(questions, held, found, strict=True))
    assert [theirs["options"] for theirs in found] == [choose(definition, each["options"]) for each in questions]
    assert [theirs["own"] for theirs in found] == [as_chosen(definition, each)["options"] for each in questions]
    assert all(refused(definition, question, theirs) for question, is_there, theirs in asked if not is_there)
    said = [(question, expected(definition, question), theirs) for question, is_there, theirs in asked if is_there]
    apart = [(question, differences(ours, theirs)) for question, ours, theirs in said]
    assert [each for each in apart if each[1]] == []
    assert sum("error" not in each for _, each, _ in said) > SCENARIOS / 5
    assert not all(held)
    bundles = {name for name, choice in definition.choices.items() for each in choice.options.values() if each.choices}
    assert any("error" not in each and bundles & question["options"].keys() for question, each, _ in said)
    # In doubles, as while a slider moves, nothing is far off.
    assert [each["apart"] for each in found if each.get("apart")] == []


FAR = (
    {"n_routed_experts": "100000000", "num_experts_per_tok": "1"},
    {"batch": "1000000000000000000"},
    {"new_tokens": "1000000000000000000"},
    {"new_tokens": "0", "text_tokens": "0", "image_tokens": "0"},
    {"decode_experts_hit": "13/2"},
    {"hidden_size": "1290"},
    {"num_hidden_layers": "1"},
    {"weight": "1/3"},
    {"memory_bandwidth": "1/3"},
    {"tensor_core_peak": "1e15"},
)


def test_far_values_are_computed_or_refused_alike(tmp_path: Path) -> None:
    definition = find_definition("deepseek-ocr")
    questions = [{"workload": "base", "gpu": "h200", "options": {}, "settings": settings} for settings in FAR]
    found = answered(definition, questions, tmp_path, few_variants(definition))
    asked = zip(questions, found, strict=True)
    assert [(question, differences(expected(definition, question), theirs)) for question, theirs in asked] == [
        (question, []) for question in questions
    ]
