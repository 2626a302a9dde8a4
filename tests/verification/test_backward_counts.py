"""Backward costs against autograd: derivatives by hand, everything accounted for, and wrong formulas noticed."""

from collections.abc import Mapping
from typing import Any

import pytest
from attrs import evolve

pytest.importorskip("torch", reason="counting needs torch: pip install dsocr_symbolic[verify]")

import torch

from dsocr_symbolic.cli import capture
from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.expression import parse
from dsocr_symbolic.language.formula import Library, Operator
from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.verification.calls.bench import Bench
from dsocr_symbolic.verification.calls.cases import Case, corner_cases, sampled_cases
from dsocr_symbolic.verification.calls.comparison import compare
from dsocr_symbolic.verification.calls.subjects import count_case, subject_of
from dsocr_symbolic.verification.mutants.counting import numbers
from dsocr_symbolic.verification.reference.backward import BackwardTrace
from dsocr_symbolic.verification.reference.cuda_flops import COSTS
from dsocr_symbolic.verification.reference.saved import stand_in
from dsocr_symbolic.verification.reference.trace import OperatorTrace, operator_traffic, tensors_in
from dsocr_symbolic.verification.training import TrainingBench

FLOPS, BYTES = "backward_cuda_core_flops", "backward_io_bytes"
EXP, ERF, SIGMOID, DIV = (COSTS[name] for name in ("exp", "erf", "sigmoid", "div"))


def backward(layer: str, **settings: int) -> Mapping[str, int]:
    return count_case(Case(layer=layer, settings=settings), TrainingBench()).metrics


@pytest.mark.parametrize(
    ("operator", "settings", "flops", "size"),
    [
        # y = x s: s(1 + x(1 - s)) takes a sigmoid, 2 sums and 2 products, and one more by the gradient.
        ("silu", {"elements": 6}, 6 * (5 + SIGMOID), 6 * 3 * 2),
        ("gelu", {"elements": 6}, 6 * (9 + ERF + EXP), 6 * 3 * 2),
        # y(g - sum of g y): two products, a sum, a difference.
        ("softmax", {"elements": 6, "dtype": 2}, 6 * 4, 6 * 3 * 2),
        # Gradient, input, 2 moments in fp32 and the weight are read; the bias is not; 3 gradients are written.
        (
            "native_layer_norm",
            {"rows": 2, "width": 3, "dtype": 2},
            13 * 6 + 2 * 2 * DIV,
            2 * (6 + 6 + 3) + 2 * 2 * 4 + 2 * (6 + 3 + 3),
        ),
        # Scale, minus the logarithm, exp, minus the row's sum, product and scale per score; that sum per query.
        (
            "sdpa_flash",
            {"batch": 1, "heads": 1, "queries": 2, "keys": 2, "head_dim": 4, "dtype_kv": 2},
            4 * (5 + EXP) + 2 * 2 * 4,
            2 * 5 * 8 + 2 * 4 + 3 * 8 + 2 * 3 * 8,
        ),
        # The whole table's gradient is written, however few rows were looked up.
        ("embedding", {"tokens": 2, "rows_stored": 11, "width": 3}, 6, 6 * 2 + 2 * 8 + 33 * 2),
        # One product reads gradient and weight, the other gradient and input, the bias the gradient.
        (
            "linear",
            {"tokens": 3, "in_features": 5, "out_features": 7},
            21,
            2 * ((21 + 35 + 15) + (21 + 15 + 35) + (21 + 7)),
        ),
        # x**1, times 2, times the gradient: three launches.
        ("square", {"elements": 6, "dtype_x": 4, "dtype_y": 4}, 6 * 3, 4 * 6 * (2 + 2 + 3)),
        # The gradient of a convolution is one launch, and reads what comes from behind once.
        (
            "conv2d",
            {"images": 1, "in_channels": 1, "in_side": 4, "out_channels": 2, "out_side": 2, "kernel": 2, "bias": 1},
            8,
            2 * (8 + 16 + 8 + 16 + 8 + 2),
        ),
        # The second operand, three of them for one, is summed: minus every element, then their sums.
        ("subtract", {"a": 6, "b": 2, "y": 6, "dtype": 4}, 12, 4 * (6 + 6 + 6 + 2)),
    ],
)
def test_derivatives_by_hand(operator: str, settings: dict[str, int], flops: int, size: int) -> None:
    metrics = backward(f"operators/{operator}", **settings)
    assert (metrics[FLOPS], metrics[BYTES]) == (flops, size)


EXPERTS = {"moe_intermediate_size": 2, "n_shared_experts": 1, "n_routed_experts": 3, "experts_hit": 2}
SMALL = [
    Case(
        layer="decoder/deepseek_v2_moe", settings={"tokens": 4, "hidden_size": 3, "num_experts_per_tok": 2, **EXPERTS}
    ),
    Case(layer="vision/attention", settings={"images": 2, "side": 2, "sam_heads": 2, "sam_width": 4, "table_rows": 3}),
    Case(layer="vision/layer_norm2d", settings={"pixels": 4, "channels": 3}),
]


@pytest.mark.parametrize("case", SMALL, ids=lambda case: case.layer)
def test_all_that_autograd_launches_is_a_derivative_a_sum_or_a_view(case: Case) -> None:
    bench = TrainingBench()
    with bench.context():
        subject = subject_of(bench, case)
        module = torch.nn.Module() if subject.owner is None else subject.owner.train()
        results = [out for out in tensors_in((subject.call(),)) if out.requires_grad]
        # Modes that are entered later see an operator first, and hand it on.
        with OperatorTrace() as everything, BackwardTrace(results) as trace:
            torch.autograd.backward(results, [torch.empty_like(out) for out in results])
        module.eval()
        module.zero_grad(set_to_none=True)
    parts = (trace.derivatives, trace.sums, trace.views)
    assert trace.derivatives.launches > 0
    assert trace.sums.launches > 0
    for name in ("launches", "tensor_core_flops", "cuda_core_flops", "bytes_written"):
        copied = trace.copied_bytes if name == "bytes_written" else 0
        assert sum(getattr(part, name) for part in parts) == getattr(everything.total, name) + copied
    moved = sum(part.io_bytes for part in parts) - trace.expanded_bytes
    assert moved == everything.total.io_bytes + 2 * trace.copied_bytes
    counted = count_case(case, TrainingBench())
    assert counted.metrics[BYTES] == trace.derivatives.io_bytes
    assert counted.beside[BYTES]["sum_bytes"] == trace.sums.io_bytes


def test_experts_without_rows_are_trained_too() -> None:
    sizes = {**EXPERTS, "tokens": 2, "hidden_size": 3, "num_experts_per_tok": 1}
    cases = [
        Case(layer="decoder/deepseek_v2_moe", settings={**sizes, "n_routed_experts": experts}) for experts in (2, 5)
    ]
    verdicts = [compare(count_case(case, TrainingBench())) for case in cases]
    assert not any(verdict.differences for verdict in verdicts)
    assert verdicts[1].counted.metrics[BYTES] > verdicts[0].counted.metrics[BYTES]


def test_a_mask_counts_as_itself_where_places_stand_in_for_it() -> None:
    x, places = torch.empty(7, 5, device="meta"), torch.empty(3, dtype=torch.int64, device="meta")
    mask = torch.empty(7, dtype=torch.bool, device="meta")
    moved = []
    for index in (places, stand_in(places.clone(), mask)):
        out = torch.ops.aten.index(x, [index])
        traffic = operator_traffic(torch.ops.aten.index.Tensor, (x, [index]), {}, out)
        assert traffic is not None
        moved.append(traffic.bytes_read)
    assert moved == [3 * 5 * 4 + 3 * 8, 3 * 5 * 4 + 7]


def _changed(name: str, place: int, **changes: Any) -> Library:
    operator = load_library()[name]
    assert isinstance(operator, Operator)
    assert operator.backward
    launches = list(operator.backward)
    launches[place] = evolve(launches[place], **changes)
    return Library(formulas={**load_library().formulas, name: evolve(operator, backward=tuple(launches))})


@pytest.mark.parametrize(
    "name", ["silu", "gelu", "softmax", "native_layer_norm", "sdpa_flash", "sdpa_masked", "embedding"]
)
def test_one_backward_flop_more_is_noticed(name: str) -> None:
    case = next(case for case in sampled_cases() if case.layer == f"operators/{name}")
    counted = count_case(case, TrainingBench())
    operator = load_library()[name]
    assert isinstance(operator, Operator)
    assert operator.backward
    more = parse(f"{operator.backward[0].cuda_core_flops.text} + 1", name)
    assert numbers(load_library(), counted)[0][FLOPS] == counted.metrics[FLOPS]
    assert numbers(_changed(name, 0, cuda_core_flops=more), counted)[0][FLOPS] == counted.metrics[FLOPS] + 1


@pytest.mark.parametrize(
    ("name", "place", "changes"),
    [
        ("linear", 1, {"reads": ("x", "weight")}),
        ("conv2d", 1, {"takes": None}),
        ("square", 0, {"between": parse("0", "square")}),
        ("topk", 0, {"gives": ()}),
    ],
)
def test_a_byte_more_or_less_in_backward_is_noticed(name: str, place: int, changes: dict[str, Any]) -> None:
    case = next(case for case in sampled_cases() if case.layer == f"operators/{name}")
    counted = count_case(case, TrainingBench())
    assert numbers(load_library(), counted)[0][BYTES] == counted.metrics[BYTES]
    assert numbers(_changed(name, place, **changes), counted)[0][BYTES] != counted.metrics[BYTES]


@pytest.mark.parametrize("layer", ["vision/attention", "vision/clip_vision_embeddings", "llama/attend_eager"])
def test_copies_become_views_where_sizes_are_one(layer: str) -> None:
    cases = [case for case in corner_cases() if case.layer == layer]
    verdicts = [compare(count_case(case, Bench())) for case in cases]
    assert not any(verdict.differences for verdict in verdicts)
    assert len({verdict.counted.metrics["operator_launches"] for verdict in verdicts}) > 1


def _launches(layer: str, *options: str, **settings: int) -> int:
    given = [word for name, value in settings.items() for word in ("--set", f"{name}={value}")]
    text = capture(["totals", "--layer", layer, "--format", "csv", "--by", "total", *options, *given])
    header, row = [line for line in text.splitlines() if not line.startswith("#")][:2]
    return int(dict(zip(header.split(","), row.split(","), strict=True))["operator_launches"])


def test_crops_of_one_feature_are_woven_by_a_view() -> None:
    layout = {"base_grid": 1, "hidden_size": 8, "crops": 4, "crop_columns": 2, "image_tokens": 99}
    assert _launches("vision/image_layout", **layout, crop_grid=2) == 5
    assert _launches("vision/image_layout", **layout, crop_grid=1) == 4
    assert _launches("vision/image_layout", **{**layout, "crop_columns": 1}, crop_grid=2) == 4


def test_keys_that_a_cache_has_joined_need_no_copy() -> None:
    sizes = {"batch": 3, "sequence": 3, "hidden_size": 8}

    def launches(heads: int, past: int) -> int:
        context = {"past": past, "cached": int(past > 0), "num_attention_heads": heads}
        return _launches("llama/llama_attention", "--attention", "eager", **sizes, **context)

    # Two more join the cache, two less bring keys and values into order.
    assert launches(2, 17) == launches(2, 0) == 34
    # Of one head, queries, keys, values and results are in order as they are.
    assert launches(1, 0) == 30


def test_heads_of_width_one_are_refused() -> None:
    with pytest.raises(UserError, match="a head of width 1 is multiplied element by element"):
        _launches("vision/attention", sam_heads=4, sam_width=4, images=1, side=2, table_rows=3)
