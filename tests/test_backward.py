"""The training step: laws of the backward, in FLOPs, bytes, gradients and saved tensors."""

from pathlib import Path
from typing import Any

import pytest
from conftest import evaluate_model
from hypothesis import given, settings
from hypothesis import strategies as st
from test_laws import workloads

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.evaluation.estimate import Estimate
from dsocr_symbolic.language.formula import Layer, Operator
from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.language.registry import load_metrics

FORWARD, BACKWARD = "forward_tensor_core_flops", "backward_tensor_core_flops"
SAVED, GRADIENTS = "backward_activation_bytes", "backward_weight_bytes"
TRAINED = ("vision", "projector", "prefill")
LIBRARY = load_library()
LAYERS = [formula for formula in LIBRARY.formulas.values() if isinstance(formula, Layer)]
_CALLERS = [(call.use, Path(layer.file).parent.name) for layer in LAYERS for call in layer.calls]
# What servers alone call, in these folders of layers: they take no gradients.
_OF_SERVERS = {"served", "gemma", "latent"}
SERVED = {used for used, _ in _CALLERS} - {used for used, folder in _CALLERS if folder not in _OF_SERVERS}
PRODUCTS = [
    name
    for name, formula in LIBRARY.formulas.items()
    if isinstance(formula, Operator) and formula.tensor_core_flops.text != "0" and name not in SERVED
]
few = settings(deadline=None, max_examples=6)


def _trained(workload: dict[str, Any], *, train: str = "all", **options: str) -> Estimate:
    return evaluate_model("tiny", workload, details=True, train=train, **options)


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


BACKWARDS = [name for name in load_metrics() if name.startswith("backward_") and name != "backward_kv_cache_bytes"]


@few
@given(workload=workloads())
def test_as_shipped_the_decoder_alone_is_trained(workload: dict[str, Any]) -> None:
    shipped, whole = evaluate_model("tiny", workload, details=True), _trained(workload)
    nodes, before = shipped.nodes, whole.nodes
    for node, same in zip(nodes, before, strict=True):
        frozen = node.row.stage in ("vision", "projector")
        for metric, value in node.metrics.items():
            wanted = same.metrics[metric]
            if frozen and metric in BACKWARDS:
                # Nothing is moved, so that there is no FLOP per byte.
                assert value == (None if metric == "backward_arithmetic_intensity" else 0), (node.row.path, metric)
            elif metric not in ("backward_io_bytes", "backward_arithmetic_intensity", "backward_device_s"):
                assert value == wanted, (node.row.path, metric)
    moved = {node.row.path: node.metrics["backward_io_bytes"] for node in nodes if node.row.stage == "prefill"}
    fell = {
        path: same.metrics["backward_io_bytes"] - moved[path] for same in before if (path := same.row.path) in moved
    }
    # The images' embeddings need no gradient: one launch per sample reads the mask and the rows' gradient no more, and
    # writes none of the embeddings.
    numbers = whole.values.numbers
    rows, image = numbers["prompt_tokens"], numbers["image_tokens"]
    launch = rows * (1 + 2 * 1280) + 2 * 1280 * image
    for path in ("prefill", "prefill/inputs", "prefill/inputs/scatter"):
        assert fell[path] == numbers["batch"] * launch
        fell[path] = 0
    assert not any(fell.values())


@few
@given(workload=workloads())
def test_all_that_is_trained_is_what_layers_alone_are(workload: dict[str, Any]) -> None:
    """A layer alone does not know who calls it; within the network, all is the default of before there was a choice."""
    found = _trained(workload)
    sizes = {name: workload[name] for name in ("batch", "base_size", "image_size")}
    crops = {"crop_columns": workload["crop_columns"], "crops": workload["crop_columns"] * workload["crop_rows"]}
    alone = {
        "vision": evaluate_model(layer="vision_towers", settings={**sizes, "crops": crops["crops"]}, details=True),
        "projector": evaluate_model(layer="projector_views", settings={**sizes, **crops}, details=True),
    }
    for stage, one in alone.items():
        for metric in BACKWARDS:
            assert found.stages[stage][metric] == pytest.approx(one.total[metric], rel=1e-12), (stage, metric)


PINNED = {
    # As of the version before, which trained all, but for CUDA cores and bytes, which are now those of autograd:
    # Tensor Cores, CUDA cores, moved, gradients, saved.
    "vision": (7153598152704, 28612609374, 42281563016, 796289536, 9089056648),
    "projector": (8975810560, 1095680, 34563072, 5250560, 3506176),
    "prefill": (2198879262720, 6783448875, 80451728982, 5869468160, 1337766499),
}


@pytest.mark.parametrize("stage", PINNED)
def test_gundam_trained_as_before(stage: str) -> None:
    found = evaluate_model("gundam", details=True, train="all").stages[stage]
    names = (BACKWARD, "backward_cuda_core_flops", "backward_io_bytes", GRADIENTS, SAVED)
    assert tuple(found[name] for name in names) == PINNED[stage]


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


def test_a_server_has_no_backward_and_none_is_claimed() -> None:
    found = evaluate_model("tiny", details=True, execution="served")
    assert found.stages["prefill"][BACKWARD] is None
    assert found.total[BACKWARD] is None
    assert found.stages["vision"][BACKWARD] == 0
    with pytest.raises(UserError, match="a server takes no gradients"):
        evaluate_model("tiny", execution="served", train="all")


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
