"""The training step: laws of the backward, in FLOPs, bytes, gradients and saved tensors."""

from typing import Any

import pytest
from conftest import evaluate_model
from hypothesis import given, settings
from hypothesis import strategies as st
from test_laws import workloads

from dsocr_symbolic.evaluation.estimate import Estimate
from dsocr_symbolic.language.formula import Operator
from dsocr_symbolic.language.library import load_library

FORWARD, BACKWARD = "forward_tensor_core_flops", "backward_tensor_core_flops"
SAVED, GRADIENTS = "backward_activation_bytes", "backward_weight_bytes"
TRAINED = ("vision", "projector", "prefill")
PRODUCTS = [
    name
    for name, formula in load_library().formulas.items()
    if isinstance(formula, Operator) and formula.tensor_core_flops.text != "0"
]
few = settings(deadline=None, max_examples=6)


def _trained(workload: dict[str, Any], **options: str) -> Estimate:
    return evaluate_model("tiny", workload, details=True, **options)


def _attention(found: Estimate, stage: str) -> int:
    fused = ("sdpa_flash", "sdpa_masked")
    return sum(
        node.metrics[FORWARD]
        for node in found.nodes
        if node.row.stage == stage and node.row.layer.rpartition("/")[2] in fused
    )


@few
@given(workload=workloads())
def test_backward_is_twice_the_forward_and_half_more_of_fused_attention(workload: dict[str, Any]) -> None:
    found = _trained(workload)
    side, columns, rows = (workload[name] for name in ("base_size", "crop_columns", "crop_rows"))
    pixels = side**2 + columns * rows * workload["image_size"] ** 2
    # No gradient goes into pixels, nor into the angles of the rotary positions.
    patches = workload["batch"] * 2 * pixels * 3 * 768
    angles = 12 * 2 * 64 * found.values.numbers["prompt_tokens"]
    free = {"vision": patches, "projector": 0, "prefill": 2 * angles}
    for stage in TRAINED:
        expected = 2 * found.stages[stage][FORWARD] + _attention(found, stage) // 2 - free[stage]
        assert found.stages[stage][BACKWARD] == expected, stage


@few
@given(workload=workloads())
def test_eager_attention_counts_four_products_and_flash_five(workload: dict[str, Any]) -> None:
    flash, eager = (_trained(workload, attention=name) for name in ("flash", "eager"))
    more = _attention(flash, "prefill") // 2
    assert flash.stages["prefill"][BACKWARD] - eager.stages["prefill"][BACKWARD] == more
    assert eager.stages["prefill"][SAVED] > flash.stages["prefill"][SAVED]


@few
@given(workload=workloads())
def test_each_parameter_that_runs_has_one_gradient(workload: dict[str, Any]) -> None:
    found = _trained(workload)
    never_run = 602_112
    assert found.total[GRADIENTS] == 2 * (3_336_106_240 - never_run)
    assert found.stages["projector"][GRADIENTS] == found.stages["projector"]["forward_weight_bytes"]


@few
@given(workload=workloads())
def test_decode_has_no_backward_and_the_total_is_the_rest(workload: dict[str, Any]) -> None:
    found = _trained(workload)
    for metric in (BACKWARD, "backward_cuda_core_flops", "backward_io_bytes", SAVED):
        assert found.stages["decode"][metric] is None
        assert found.total[metric] == sum(found.stages[stage][metric] for stage in TRAINED)


@few
@given(workload=workloads(), times=st.integers(2, 5))
def test_saved_tensors_grow_with_the_batch(workload: dict[str, Any], times: int) -> None:
    one, more = (_trained({**workload, "batch": batch}) for batch in (1, times))
    for stage in ("vision", "projector"):
        assert more.stages[stage][SAVED] == times * one.stages[stage][SAVED]


@few
@given(workload=workloads())
def test_a_layer_saves_no_more_than_its_parts_and_no_less_than_each(workload: dict[str, Any]) -> None:
    found = _trained(workload)
    children: dict[int, list[int]] = {}
    for node in found.nodes:
        children.setdefault(node.row.parent, []).append(node.metrics[SAVED])
    for index, node in enumerate(found.nodes, start=1):
        if node.metrics[SAVED] is not None and index in children:
            parts = children[index]
            assert max(parts) <= node.metrics[SAVED] <= sum(parts)


def test_flops_do_not_depend_on_what_else_is_asked() -> None:
    alone, both = evaluate_model("tiny"), evaluate_model("tiny", details=True)
    assert alone.total[BACKWARD] is None
    assert {k: v for k, v in both.total.items() if k in alone.total and alone.total[k] is not None} == {
        k: v for k, v in alone.total.items() if v is not None
    }


@pytest.mark.parametrize("name", PRODUCTS)
def test_every_product_has_a_backward(name: str) -> None:
    operator = load_library()[name]
    assert isinstance(operator, Operator)
    assert operator.backward
    assert all(each.tensor_core_flops.text != "0" for each in operator.backward if "bias" not in each.gives)


SAVED_BYTES = {
    # Distinct storages that PyTorch 2.13 saves, parameters left out.
    "linear": ({"tokens": 2, "in_features": 3, "out_features": 5}, 12),
    "softmax": ({"elements": 6, "dtype": 4}, 24),
    "silu": ({"elements": 6}, 12),
    "add": ({"a": 6, "b": 6, "y": 6, "dtype": 2}, 0),
    "multiply": ({"a": 6, "b": 3, "y": 6, "dtype": 2}, 18),
    "native_layer_norm": ({"rows": 2, "width": 3, "dtype": 2}, 12 + 16 + 6),
    "cast": ({"elements": 6, "dtype_x": 2, "dtype_y": 4}, 0),
    "topk": ({"rows": 2, "choices": 8, "chosen": 3}, 48),
    "sort": ({"elements": 6}, 0),
}


@pytest.mark.parametrize("name", SAVED_BYTES)
def test_an_operator_saves_what_its_backward_reads(name: str) -> None:
    sizes, expected = SAVED_BYTES[name]
    assert evaluate_model(settings=sizes, layer=name, details=True).total[SAVED] == expected
