"""Every key that carries a formula, a guard, a count, a binding or a constant is mutated, and mutants die."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve

from dsocr_symbolic.language.expression import parse
from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.paths import PACKAGE, data_files, data_folders
from dsocr_symbolic.scenario.schema_files import FORMS
from dsocr_symbolic.verification.calls.bench import Bench
from dsocr_symbolic.verification.calls.cases import sampled_cases
from dsocr_symbolic.verification.calls.subjects import count_case
from dsocr_symbolic.verification.expectations.trial import STATEMENTS, contradicts
from dsocr_symbolic.verification.mutants import running
from dsocr_symbolic.verification.mutants.changes import changed_texts
from dsocr_symbolic.verification.mutants.counting import counts_of, held
from dsocr_symbolic.verification.mutants.equivalence import equivalent
from dsocr_symbolic.verification.mutants.keys import FILE_KINDS, NAMES, OUT, SPECIAL, declared, root
from dsocr_symbolic.verification.mutants.killing import (
    EQUIVALENT,
    KILLED,
    SURVIVES,
    Fate,
    as_it_is,
    changed_library,
    try_file,
)
from dsocr_symbolic.verification.mutants.mutants import (
    MEASURED,
    Mutant,
    content_of,
    every_mutant,
    mutants_of,
    mutated_files,
    of_other_networks,
    value_at,
)
from dsocr_symbolic.verification.training import TrainingBench

# Files of what is measured, and how.
CALIBRATION = ("grid", "components", "measured")
REPORTS = PACKAGE.parent / "reports"
FILES = [(kind, file) for kind in FILE_KINDS for file in mutated_files(kind)]


def test_every_key_of_every_class_is_mutated_or_named_as_left_out() -> None:
    keys = {kind: declared(root(kind)) for kind in FILE_KINDS}
    known = {key for each in keys.values() for key in each}
    assert {key for key in (*NAMES, *SPECIAL) if key not in known} == set()
    left_out = {key for each in keys.values() for key, way in each.items() if way == "out"}
    assert {
        key for key in OUT if key not in left_out and not any(name.endswith(f".{key}") for name in left_out)
    } == set()


def test_every_formula_file_is_of_a_kind_that_is_mutated() -> None:
    held_to = {"proofs", "schema", "calibration", "server.yaml", "service.yaml", *MEASURED}
    there = {path for path in data_folders("formulas")[-1].rglob("*.yaml") if not held_to & set(path.parts)}
    kinds = {"operators": "operator", "layers": "layer", "models": "model", "bounds": "bounds"}
    apart = {
        path for path in there for part, kind in kinds.items() if part in path.parts and of_other_networks(kind, path)
    }
    assert {file for _, file in FILES} == there - apart
    assert set(FORMS) - set(FILE_KINDS) == {
        "extension",
        "gpu",
        "workload",
        "scenario",
        "shared",
        "cells",
        "calls",
        "networks",
        # A server's formulas are held to a simulation of the same engine.
        "service",
        "server",
        # Assertions of users, and what a host was measured to take.
        "budget",
        "host",
        "pages",
        *CALIBRATION,
    }


def _leaves(raw: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    """Yield where every single value of a file stands; what is empty holds none."""
    inside = raw.items() if isinstance(raw, dict) else enumerate(raw) if isinstance(raw, list) else None
    yield from [place] if inside is None else [leaf for n, value in inside for leaf in _leaves(value, (*place, n))]


@pytest.mark.parametrize(("kind", "file"), FILES, ids=lambda each: getattr(each, "stem", each))
def test_every_value_of_every_file_is_mutated_or_of_a_key_that_is_left_out(kind: str, file: Path) -> None:
    mutants = list(mutants_of(kind, file))
    # A record that is removed as a whole says nothing of what stands in it.
    places = {mutant.place for mutant in mutants if mutant.change != "gone"}
    gone = {mutant.place for mutant in mutants if mutant.change == "gone"}
    left_out = {key.rpartition(".")[2] for key, way in declared(root(kind)).items() if way == "out"}
    for leaf in _leaves(content_of(file)):
        value = value_at(content_of(file), leaf)
        if value in ({}, []) or (leaf[-1] == "say" and "{" not in value):
            continue
        touched = leaf in gone or any(place[: len(leaf)] == leaf or leaf[: len(place)] == place for place in places)
        # What is said of a broken rule is text wherever no formula stands in it.
        plain = leaf[-1] == "say" and "{" not in value_at(content_of(file), leaf)
        assert touched or plain or left_out & {str(step) for step in leaf}, leaf


def test_mutants_differ_from_their_file_and_from_one_another() -> None:
    for kind, file in FILES:
        mutants = list(mutants_of(kind, file))
        assert all(mutant.content != content_of(file) for mutant in mutants)
        assert len({(mutant.place, str(mutant.value)) for mutant in mutants}) == len(mutants), file


def test_a_formula_is_changed_in_every_way() -> None:
    changed = {text: change for change, text in changed_texts(parse("Max(a*b, 2)/c - (a > 1)", ""), ("d",))}
    for text in ("a * b", "2", "Max(a * b, 2) / c", "Max(a * b, 2) * c - (a > 1)", "Max(a * b, 3) / c - (a > 1)"):
        assert any(other.startswith(text) for other in changed), text
    assert {*changed.values()} == {"literal", "symbol", "swap", "sign", "drop", "comparison", "limit"}
    assert "Max(a * b, 2) / c - (a >= 1)" in changed
    assert "Max(a * b, 2) / c - (a <= 1)" in changed


@pytest.mark.parametrize("kind", STATEMENTS)
def test_files_as_they_are_contradict_no_statement(kind: str) -> None:
    assert as_it_is(kind) == ""


def _found(kind: str, pattern: str) -> list[Mutant]:
    """Return the mutants of a kind of file whose names fit."""
    mutants = [mutant for file in mutated_files(kind) for mutant in mutants_of(kind, file)]
    return [mutant for mutant in mutants if re.search(pattern, mutant.name)]


# What once survived, by the kind of file and what the mutant is called.
ONCE_ALIVE = {
    "fp16 at the rate of fp16 accumulation": (
        "model",
        "activation-dtype: options: fp16: gpu: .*tensor_fp16_flops_per_s -> tensor_fp16_acc16_flops_per_s",
    ),
    "the highest clock is the boost clock": ("machine", "highest_clock: gpu: highest_clock_hz -> boost_clock_hz"),
    "the bound of CUDA cores without the clocks": ("time", r"lower_bound: seconds: .*cuda_core_flops / \(Max"),
    "the right side of a bound": ("bounds", "cache_passes_weights_read: right: .*-> weights - table$"),
}


@pytest.mark.parametrize("what", ONCE_ALIVE)
def test_what_once_survived_is_killed(what: str) -> None:
    found = _found(*ONCE_ALIVE[what])
    assert found
    assert [mutant.name for mutant in found[:2] if not contradicts(mutant.file, mutant.content)] == []


def _counted_in_steps() -> set[str]:
    """Return what gradient steps are compared by."""
    return {name for each in counts_of("operators/linear") for name in each.limits if name.startswith("backward_")}


@pytest.mark.parametrize("operator", ["silu", "native_layer_norm", "softmax", "sdpa_flash", "embedding", "linear"])
def test_backward_costs_are_killed_by_all_that_a_gradient_step_counts(operator: str) -> None:
    if not {"backward_cuda_core_flops", "backward_io_bytes"} <= _counted_in_steps():
        pytest.skip("gradient steps count neither CUDA-core FLOPs nor bytes yet")
    pattern = f"^{operator}: backward: .*(cuda_core_flops: .* ->|weight read as well)"
    for mutant in _found("operator", pattern)[:4]:
        assert try_file("operator", mutant.file, [mutant])[0].fate == KILLED, mutant.name


def test_everything_that_a_gradient_step_counts_is_compared() -> None:
    case = next(case for case in sampled_cases() if case.layer == "operators/linear")
    assert _counted_in_steps() == set(count_case(case, TrainingBench()).metrics)


# Of these kinds a session tries a few keys, for seconds each; a full run tries all.
MOST = {"operator": 2, "layer": 2, **dict.fromkeys(("model", "metrics", "time", "machine"), 4)}
# Files of which something small is counted by itself.
QUICK = {*data_files("formulas/operators"), "layer_norm", "deepseek_v2_rms_norm", "lm_head", "rotate", "mlp_block"}


def _pending(fate: Fate) -> bool:
    """Say whether a mutant costs what gradient steps do not count yet."""
    return fate.key.startswith("Gradient.") and "backward_io_bytes" not in _counted_in_steps()


@pytest.mark.parametrize("kind", FILE_KINDS)
def test_a_sample_of_every_key_is_killed_or_equal(kind: str) -> None:
    by_file: dict[Path, list[Mutant]] = {}
    for mutant in running.sample(1, seed=11, kinds=[kind], quick=QUICK)[: MOST.get(kind)]:
        by_file.setdefault(mutant.file, []).append(mutant)
    fates = [fate for file, mutants in by_file.items() for fate in try_file(kind, file, mutants, draws=5)]
    keys = {mutant.key for file in mutated_files(kind) for mutant in mutants_of(kind, file)}
    assert {fate.key for fate in fates} <= keys
    assert len({fate.key for fate in fates}) == min(len(keys), MOST.get(kind, len(keys)))
    assert [fate.name for fate in fates if fate.fate == SURVIVES and not _pending(fate)] == []
    assert {fate.fate for fate in fates} <= {KILLED, EQUIVALENT, SURVIVES}


def test_an_equal_mutant_is_shown_to_be_equal_and_another_one_is_not() -> None:
    formula = data_files("formulas/operators")["gelu"]
    (one,) = [mutant for mutant in mutants_of("operator", formula) if mutant.change == "symbol"][:1]
    changed = changed_library(evolve(one, value="elements*(9 + 2*flops_per_erf)", place=("cuda_core_flops",)))
    same = changed_library(evolve(one, value=content_of(formula)["cuda_core_flops"], place=("cuda_core_flops",)))
    assert equivalent(same, ("gelu",), draws=50) == "alone"
    assert equivalent(changed, ("gelu",), draws=50) == ""
    assert load_library()["gelu"].file == str(formula)


def test_mutants_are_not_tried_on_counts_that_the_formula_misses() -> None:
    counted = count_case(next(case for case in sampled_cases() if case.layer == "operators/gelu"), Bench())
    assert held(counted) is not None
    with pytest.raises(ValueError, match="the unchanged formula disagrees"):
        held(evolve(counted, metrics={**counted.metrics, "forward_io_bytes": 5}))


def test_a_run_that_was_stopped_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = ("time", str(data_files("formulas/time")["roofline"]), 0)
    monkeypatch.setattr(running, "_CHUNK", 2)
    monkeypatch.setattr(running, "try_file", lambda *given: [_fate(mutant) for mutant in given[2]])
    first = running.run_job(job, tmp_path)
    monkeypatch.setattr(running, "try_file", lambda *_: pytest.fail("tried again"))
    assert running.run_job(job, tmp_path) == first
    assert len(first) == 2
    summed = running.result({job: first})
    assert summed["kinds"]["time"] == {"mutants": 2, "killed": 0, "equivalent": 0, "survives": 2}
    assert [each["mutant"] for each in summed["survivors"]] == [fate.name for fate in first]


def _fate(mutant: Mutant) -> Fate:
    return Fate(key=mutant.key, name=mutant.name, fate=SURVIVES, by="")


def test_the_committed_run_tried_every_mutant() -> None:
    path = REPORTS / "verification" / "mutants.json"
    if not path.is_file():
        pytest.skip("no full run of these formulas is recorded; dsocr verify --mutants --out reports makes one")
    committed = json.loads(path.read_text(encoding="utf-8"))
    tried: dict[str, int] = {}
    for mutant in every_mutant():
        tried[mutant.kind] = tried.get(mutant.kind, 0) + 1
    assert {kind: row["mutants"] for kind, row in committed["kinds"].items()} == tried
    assert committed["survivors"] == []
