"""Symbols and repetition of calls: the same calls as the program has, and values that give its costs."""

from typing import Any

import pytest
from contract_examples import answered

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.evaluation.estimate import Estimate
from dsocr_symbolic.language.expression import evaluate
from dsocr_symbolic.language.formula import Operator
from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.network.builder import build_tree
from dsocr_symbolic.network.flows import total_calls
from dsocr_symbolic.network.node import Node, walk
from dsocr_symbolic.scenario.scenario import make_scenario, scenario_values
from dsocr_symbolic.scenario.values import chosen_slots

DEFINITION = default_definition(None)
CASES: list[dict[str, str]] = [{"workload": name} for name in DEFINITION.workloads]
CASES += [
    {name.replace("-", "_"): option}
    for name, choice in DEFINITION.choices.items()
    for option in choice.options
    if option != choice.default
]
# What waits for the host is in no graph.
for each in CASES:
    if each.get("host") in ("graph", "graph-decode"):
        each["experts"] = "grouped"
    if each.get("kernels") == "fused":
        each["cache"] = "paged"
# The default GPU has no rate for these.
GPUS = {"activation_dtype": "h200"}


def placed(case: dict[str, str]) -> tuple[tuple[Node, ...], Estimate]:
    gpu = next((gpu for name, gpu in GPUS.items() if name in case), "rtx5090")
    scenario, result = answered(**{"gpu": gpu, **case})
    slots = chosen_slots(scenario.definition, scenario.options)
    tree = build_tree(load_library(), scenario.definition.stages, result.values.numbers, slots, arithmetic)
    return tuple(walk(tree)), result


@pytest.mark.parametrize("case", CASES, ids=str)
def test_calls_are_those_of_the_program(case: dict[str, str]) -> None:
    calls, result = placed(case)
    assert ["/".join(call.path) for call in calls] == [node.row.path for node in result.nodes]
    library = load_library().formulas
    for call, node in zip(calls, result.nodes, strict=True):
        assert set(call.given) == set(library[node.row.layer.rpartition("/")[2]].symbols)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_the_formula_at_these_symbols_gives_what_the_program_gives(case: dict[str, str]) -> None:
    calls, result = placed(case)
    library = load_library().formulas
    compared = 0
    for call, node in zip(calls, result.nodes, strict=True):
        operator = library[node.row.layer.rpartition("/")[2]]
        if not isinstance(operator, Operator) or node.row.stage == "decode":
            continue
        scope: dict[str, Any] = {**result.values.numbers, **call.given}
        for name, expression in operator.let.items():
            scope[name] = evaluate(expression, scope, arithmetic)
        for metric, expression in (
            ("forward_tensor_core_flops", operator.tensor_core_flops),
            ("forward_cuda_core_flops", operator.cuda_core_flops),
        ):
            each = evaluate(expression, scope, arithmetic) * node.calls
            assert each == pytest.approx(node.metrics[metric], rel=1e-12), call.path
            compared += node.metrics[metric] > 0
    assert compared > 100


def test_steps_take_their_last_value() -> None:
    calls, result = placed({"workload": "gundam"})
    numbers = result.values.numbers
    (attention,) = (call for call in calls if call.path == ("decode", "layers.0", "self_attn"))
    assert attention.given["past"] == numbers["prompt_tokens"] + numbers["new_tokens"] - 1


def test_where_there_are_no_steps_the_first_one_stands() -> None:
    definition = default_definition(None)
    scenario = make_scenario(definition=definition, settings={"new_tokens": 0})
    numbers = scenario_values(scenario).numbers
    slots = chosen_slots(definition, scenario.options)
    calls = walk(build_tree(load_library(), definition.stages, numbers, slots, arithmetic))
    (attention,) = (call for call in calls if call.path == ("decode", "layers.0", "self_attn"))
    assert attention.given["past"] == numbers["prompt_tokens"]
    assert total_calls(attention) == 0


def test_repetition_says_what_is_independent() -> None:
    found = {"/".join(call.path): call.repetition for call in placed({"workload": "gundam"})[0]}
    assert {found[path] for path in ("decode", "prefill/layers.1-11", "vision/crops/sam_model/blocks.global")} == {
        "for"
    }
    independent = ("vision/crops/sam_model", "projector/global", "prefill/layers.1-11/mlp/experts/gate_proj")
    assert {found[path] for path in independent} == {"parfor"}
    assert {found[path] for path in ("vision", "prefill/lm_head", "decode/layers.1-11/mlp/experts")} == {"none"}
