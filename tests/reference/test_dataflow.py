"""What every operator reads of another one: in calls of the reference's modules, and as the formulas say it."""

import json
import os
from collections import Counter
from pathlib import Path

import pytest
from attrs import evolve

from dsocr_symbolic.language.files.proof_file import ConfigEntry
from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.language.lookup import find_definition
from dsocr_symbolic.paths import data_files
from dsocr_symbolic.verification.calls.cases import Case, formula_file, sampled_cases
from dsocr_symbolic.verification.mutants.following import flows_of, follow, followed_by, followed_cases
from dsocr_symbolic.verification.mutants.killing import KILLED, try_file
from dsocr_symbolic.verification.mutants.mutants import mutants_of
from dsocr_symbolic.verification.networks.comparison import networks_file
from dsocr_symbolic.verification.networks.flows import prefill_flows

CALLS = list(followed_cases())
# Each call of a session, or a part of those of each layer.
TRIED = CALLS if os.environ.get("DSOCR_ALL_ANCHORS") else CALLS[::5]


@pytest.mark.parametrize(("case", "precision"), TRIED, ids=lambda each: getattr(each, "layer", each))
def test_operators_read_what_those_of_the_modules_read(case: Case, precision: str) -> None:
    followed = follow(case, precision)
    assert followed_by(load_library(), followed.counted) == followed.edges
    assert all(type(count) is int or count.denominator == 1 for count in followed.edges.values())


def test_nearly_every_layer_is_followed() -> None:
    layers = {f"{formula_file(case.layer)}" for case, _ in CALLS}
    called = {formula_file(case.layer) for case in sampled_cases() if not case.layer.startswith("operators/")}
    assert called <= layers | {"prefill of the network"}
    assert len(layers) > 25


def test_what_else_is_read_is_told() -> None:
    file = data_files("formulas/layers")["block"]
    wrong = [mutant for mutant in mutants_of("layer", file) if "residual2: reads: middle -> " in mutant.name]
    assert wrong
    (fate,) = try_file("layer", file, wrong[:1], draws=1)
    assert (fate.fate, fate.by) == (KILLED, "what is read: vision/block")


def test_a_formula_that_reads_something_else_is_told() -> None:
    (flow, *_) = flows_of("vision/mlp_block")
    assert not flow.tells(load_library())
    assert evolve(flow, edges=Counter()).tells(load_library())


# Networks whose layers of two kinds alternate stand as one group of layers after the other: what begins the second one
# is another layer there.
IN_TURNS = {
    ("qwen2", "some layers in a window, tied"),
    ("qwen3", "the first layer alone sees all tokens, fp32"),
    ("qwen3_moe", "the first layer alone is sparse, fp32"),
    ("gemma3_text", "the first layer alone sees all tokens, fp32"),
}
NETWORKS = [
    pytest.param(name, config, id=f"{name}-{config.name}")
    for name, configs in networks_file().networks.items()
    for config in (configs if "DSOCR_ALL_ANCHORS" in os.environ else configs[-2:-1])
    if (name, config.name) not in IN_TURNS
]


@pytest.mark.parametrize(("name", "config"), NETWORKS)
def test_operators_of_a_network_read_what_they_read_in_transformers(
    name: str, config: ConfigEntry, tmp_path: Path
) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(dict(config.values)), encoding="utf-8")
    formulas, read = prefill_flows(find_definition(name), path, 2, 5)
    assert formulas == read
    assert read.total() > 50
