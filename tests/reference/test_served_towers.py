"""Kernels of the compiled towers compute what their steps do and count as formulas; the whole runs what a GPU ran."""

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest

pytest.importorskip("torch")

import torch
from attrs import frozen
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn import functional

from dsocr_symbolic.evaluation.estimate import Estimate
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.paths import PACKAGE
from dsocr_symbolic.verification.calls.comparison import formula_numbers
from dsocr_symbolic.verification.reference.clip import quick_gelu
from dsocr_symbolic.verification.reference.sam import LayerNorm2d, relative_position_scores
from dsocr_symbolic.verification.reference.trace import OperatorTrace
from dsocr_symbolic.verification.served.groups import EPSILON
from dsocr_symbolic.verification.served.tower_groups import PLAIN, TOWER_GROUPS

Sizes = dict[str, int]
METRICS = ("forward_tensor_core_flops", "forward_io_bytes", "operator_launches")
SERVED = {"execution": "served"}
MEASURED = PACKAGE.parent / "reports" / "measured" / "h200" / "served" / "measured-1.json"
FP32 = torch.float32


@frozen(kw_only=True)
class Kernel:
    """A kernel at some sizes: its formula's file and symbols, shape and dtype of its tensors, and numbers."""

    formula: str
    symbols: Callable[[Sizes], Mapping[str, int]]
    inputs: Callable[[Sizes], tuple[Any, ...]]


def _norm(s: Sizes, **more: int) -> Sizes:
    return {"rows": s["t"], "width": s["n"] * s["d"], **more}


def _pixels(s: Sizes) -> Sizes:
    return {"pixels": s["t"], "channels": s["n"] * s["d"]}


def _queries(s: Sizes) -> tuple[Any, ...]:
    return ((s["t"], s["h"], s["k"], s["k"], s["d"]),)


def _query_elements(s: Sizes, both: int) -> Sizes:
    return {"elements": s["t"] * s["h"] * s["k"] ** 2 * s["d"], "both": both}


def _rows(s: Sizes) -> tuple[int, int]:
    return s["t"], s["n"] * s["d"]


def _two(s: Sizes) -> tuple[tuple[int], tuple[int]]:
    return (s["n"] * s["d"],), (s["n"] * s["d"],)


def _moments(s: Sizes) -> tuple[Any, ...]:
    return (2, s["t"]), FP32


KERNELS: dict[str, Kernel] = {
    "compiled_partial_moments": Kernel(
        formula="partial_moments_group",
        symbols=lambda s: _norm(s, parts=s["n"], added=0),
        inputs=lambda s: (_rows(s), s["n"]),
    ),
    "compiled_partial_moments_of_sum": Kernel(
        formula="partial_moments_group",
        symbols=lambda s: _norm(s, parts=s["n"], added=1),
        inputs=lambda s: (_rows(s), _rows(s), s["n"]),
    ),
    "compiled_joined_moments": Kernel(
        formula="joined_moments_group",
        symbols=lambda s: {"rows": s["t"], "parts": s["n"]},
        inputs=lambda s: (((3, s["t"], s["n"]), FP32), s["n"] * s["d"]),
    ),
    "compiled_row_moments": Kernel(
        formula="row_moments_group", symbols=lambda s: _norm(s, added=0), inputs=lambda s: (_rows(s),)
    ),
    "compiled_normalise": Kernel(
        formula="normalise_group",
        symbols=lambda s: _norm(s, written=s["t"] + s["h"], added=0),
        inputs=lambda s: (_rows(s), _moments(s), *_two(s), s["t"] + s["h"]),
    ),
    "compiled_normalise_sum": Kernel(
        formula="normalise_group",
        symbols=lambda s: _norm(s, written=s["t"], added=1),
        inputs=lambda s: (_rows(s), _rows(s), _moments(s), *_two(s)),
    ),
    "compiled_tower_norm": Kernel(
        formula="tower_norm_group",
        symbols=lambda s: _norm(s, added=0, together=1, dtype=2),
        inputs=lambda s: (_rows(s), *_two(s)),
    ),
    "compiled_tower_norm_of_sum": Kernel(
        formula="tower_norm_group",
        symbols=lambda s: _norm(s, added=1, together=0, dtype=2),
        inputs=lambda s: (_rows(s), _rows(s), *_two(s)),
    ),
    "compiled_residuals": Kernel(
        formula="residuals_group",
        symbols=lambda s: {"elements": s["t"] * s["n"] * s["d"], "dtype": 2},
        inputs=lambda s: 3 * (_rows(s),),
    ),
    "compiled_queries": Kernel(formula="query_group", symbols=lambda s: _query_elements(s, 0), inputs=_queries),
    "compiled_both_queries": Kernel(formula="query_group", symbols=lambda s: _query_elements(s, 1), inputs=_queries),
    "compiled_relative_rows": Kernel(
        formula="relative_rows_group",
        symbols=lambda s: {"side": s["k"], "head_dim": s["d"], "table_rows": 2 * s["k"] - 1},
        inputs=lambda s: ((2 * s["k"] - 1, s["d"]), s["k"]),
    ),
    "compiled_resized_rows": Kernel(
        formula="relative_rows_group",
        symbols=lambda s: {"side": s["k"], "head_dim": s["d"], "table_rows": 2 * s["k"] + 4},
        inputs=lambda s: ((2 * s["k"] + 4, s["d"]), s["k"]),
    ),
    "compiled_mask": Kernel(
        formula="mask_group",
        symbols=lambda s: {"pairs": s["t"] * s["k"] ** 3, "side": s["k"]},
        inputs=lambda s: 2 * ((s["t"], s["k"] ** 2, s["k"]),),
    ),
    "compiled_tower_gelu": Kernel(
        formula="tower_gelu_group",
        symbols=lambda s: {"elements": s["t"] * s["n"] * s["d"]},
        inputs=lambda s: (_rows(s),),
    ),
    "compiled_pixel_moments": Kernel(formula="pixel_moments_group", symbols=_pixels, inputs=lambda s: (_rows(s),)),
    "compiled_pixel_normalise": Kernel(
        formula="pixel_normalise_group", symbols=_pixels, inputs=lambda s: (_rows(s), (2, s["t"]), *_two(s))
    ),
    "compiled_pixel_norm": Kernel(formula="pixel_norm_group", symbols=_pixels, inputs=lambda s: (_rows(s), *_two(s))),
}
# More than one of what is cut or copied: an axis of one needs no copy.
SIZES = st.fixed_dictionaries(
    {
        "t": st.integers(2, 5),
        "d": st.integers(2, 5),
        "n": st.integers(1, 3),
        "h": st.integers(1, 3),
        "k": st.integers(2, 4),
    }
)


def _made(kernel: Kernel, sizes: Sizes) -> list[Any]:
    made: list[Any] = []
    for each in kernel.inputs(sizes):
        if isinstance(each, int):
            made.append(each)
            continue
        shape, dtype = each if isinstance(each[0], tuple) else (each, torch.bfloat16)
        made.append(torch.empty(shape, dtype=dtype, device="meta"))
    return made


def test_every_kernel_of_the_towers_is_here() -> None:
    assert KERNELS.keys() == TOWER_GROUPS.keys()


@pytest.mark.parametrize("name", KERNELS)
@settings(max_examples=8, deadline=None)
@given(sizes=SIZES)
def test_a_kernel_counts_as_its_formula(name: str, sizes: Sizes) -> None:
    kernel = KERNELS[name]
    given_ = _made(kernel, sizes)
    with torch.no_grad(), OperatorTrace() as trace:
        TOWER_GROUPS[name](*given_)
    total = trace.total
    numbers = formula_numbers(f"operators/{kernel.formula}", dict(kernel.symbols(sizes)), {}).total
    assert tuple(numbers[metric] for metric in METRICS) == (total.tensor_core_flops, total.io_bytes, total.launches)
    # Its FLOPs are those of the operators that it stands for.
    with torch.no_grad(), OperatorTrace() as steps:
        PLAIN[name](*given_)
    assert numbers["forward_cuda_core_flops"] == steps.total.cuda_core_flops


def _drawn(*shapes: tuple[int, ...]) -> list[Tensor]:
    return [torch.randn(shape) for shape in shapes]


@settings(max_examples=10, deadline=None)
@given(sizes=SIZES)
def test_norms_in_one_two_and_three_kernels_are_one(sizes: Sizes) -> None:
    x, attended, weight, bias = _drawn(_rows(sizes), _rows(sizes), *_two(sizes))
    kernels, width, parts = TOWER_GROUPS, len(weight), sizes["n"]
    alone = functional.layer_norm(x, weight.shape, weight, bias, EPSILON)
    of_sum = functional.layer_norm(x + attended, weight.shape, weight, bias, EPSILON)
    moments = kernels["compiled_row_moments"](x)
    joined = kernels["compiled_joined_moments"]
    parted = joined(kernels["compiled_partial_moments"](x, parts), width)
    summed = joined(kernels["compiled_partial_moments_of_sum"](x, attended, parts), width)
    torch.testing.assert_close(parted, moments)
    padded = kernels["compiled_normalise"](x, moments, weight, bias, len(x) + 2)
    torch.testing.assert_close(padded, functional.pad(alone, (0, 0, 0, 2)))
    torch.testing.assert_close(kernels["compiled_normalise_sum"](x, attended, summed, weight, bias), of_sum)
    torch.testing.assert_close(kernels["compiled_tower_norm"](x, weight, bias), alone)
    torch.testing.assert_close(kernels["compiled_tower_norm_of_sum"](x, attended, weight, bias), of_sum)


@settings(max_examples=10, deadline=None)
@given(sizes=SIZES, resized=st.booleans())
def test_masks_are_those_of_the_plain_attention(sizes: Sizes, resized: bool) -> None:
    groups, heads, side, width = sizes["t"], sizes["h"], sizes["k"], sizes["d"]
    (q,) = _drawn((groups, heads, side, side, width))
    table_h, table_w = _drawn(*(2 * ((2 * side - 1 + 5 * resized, width),)))
    rows, columns = relative_position_scores(q.view(-1, side * side, width), table_h, table_w, side)
    expected = (rows + columns).view(-1, side**2, side, side)
    kernels = TOWER_GROUPS
    by_row, by_column = kernels["compiled_both_queries"](q)
    torch.testing.assert_close(kernels["compiled_queries"](q), by_row)
    looked_up = kernels["compiled_resized_rows" if resized else "compiled_relative_rows"]
    products = [
        torch.bmm(each.reshape(side, -1, width), looked_up(table, side).transpose(1, 2)).view(
            side, groups * heads, side, side
        )
        for each, table in ((by_row, table_h), (by_column, table_w))
    ]
    scores = [products[0].permute(1, 0, 2, 3), products[1].permute(1, 2, 0, 3)]
    scores = [each.reshape(-1, side**2, side) for each in scores]
    torch.testing.assert_close(kernels["compiled_mask"](*scores), expected)


@settings(max_examples=10, deadline=None)
@given(sizes=SIZES)
def test_pixels_gates_and_residuals_are_those_of_the_plain_towers(sizes: Sizes) -> None:
    x, attended, fed, weight, bias = _drawn(*(3 * (_rows(sizes),)), *_two(sizes))
    module = LayerNorm2d(len(weight))
    module.weight.data, module.bias.data = weight, bias
    expected = module(x[:, :, None, None])[:, :, 0, 0].detach()
    kernels = TOWER_GROUPS
    parted = kernels["compiled_pixel_normalise"](x, kernels["compiled_pixel_moments"](x), weight, bias)
    torch.testing.assert_close(parted, expected)
    torch.testing.assert_close(kernels["compiled_pixel_norm"](x, weight, bias), expected)
    torch.testing.assert_close(kernels["compiled_tower_gelu"](x), quick_gelu(x))
    torch.testing.assert_close(kernels["compiled_residuals"](x, attended, fed), x + attended + fed)


# Products, parameters and weights are those of the plain towers, whatever the sizes.
UNCHANGED = ("forward_tensor_core_flops", "parameters", "forward_weight_bytes")


@settings(max_examples=15, deadline=None)
@given(
    batch=st.integers(1, 7),
    sides=st.tuples(st.integers(1, 24), st.integers(1, 16), st.integers(1, 70)),
    blocks=st.tuples(st.integers(0, 9), st.integers(0, 5)),
    heads=st.integers(1, 13),
)
def test_a_compiled_sam_has_the_products_of_a_plain_one(
    batch: int, sides: tuple[int, int, int], blocks: tuple[int, int], heads: int
) -> None:
    grid, window, table = sides
    given_ = {
        "batch": batch,
        "image_size": 64 * grid,
        "sam_heads": heads,
        "sam_width": 8 * heads,
        "sam_windowed_blocks": blocks[0],
        "sam_global_blocks": blocks[1],
        "sam_window_size": window,
        "sam_table_grid": table,
    }
    compiled = formula_numbers("served/served_sam", given_, SERVED).total
    plain = formula_numbers("vision/image_encoder_vit", given_, {}).total
    assert [compiled[name] for name in UNCHANGED] == [plain[name] for name in UNCHANGED]
    assert compiled["forward_io_bytes"] < plain["forward_io_bytes"] or not any(blocks)


@settings(max_examples=10, deadline=None)
@given(st.integers(1, 7), st.integers(1, 24), st.integers(1, 30), st.integers(1, 17))
def test_a_compiled_clip_has_the_products_of_a_plain_one(batch: int, grid: int, layers: int, heads: int) -> None:
    sizes = {"batch": batch, "feature_grid": grid, "clip_layers": layers, "clip_heads": heads, "clip_width": 8 * heads}
    compiled = formula_numbers("served/served_clip", sizes, SERVED).total
    plain = formula_numbers("vision/vit_model", sizes, {}).total
    assert [compiled[name] for name in UNCHANGED] == [plain[name] for name in UNCHANGED]
    assert compiled["forward_io_bytes"] < plain["forward_io_bytes"]


TOWERS = {"served_sam": "served/served_sam", "served_clip": "served/served_clip"}


def _cases() -> list[Any]:
    if not MEASURED.is_file():
        return []
    cases = json.loads(MEASURED.read_text(encoding="utf-8"))["cases"]
    return [case for case in cases if case["component"] in TOWERS]


def _launches(result: Estimate, *, own: bool, **aten: Any) -> int:
    """Count launches: a compiler's kernels are those inside what is compiled that are no library's."""
    library = {"addmm", "bmm", "convolution"}
    compiled = ("blocks", "neck", "transformer")
    found = 0
    for node in result.nodes:
        name, inside = node.row.aten, any(part.startswith(compiled) for part in node.row.path.split("/"))
        is_own = inside and name not in library and not name.startswith("_scaled")
        if (is_own if own else name.startswith(aten["name"])) and name:
            found += int(node.metrics["operator_launches"])
    return found


@pytest.mark.parametrize("case", _cases(), ids=lambda case: f"{case['component']}-{list(case['settings'].values())}")
def test_formulas_have_the_kernels_that_a_gpu_ran(case: Any) -> None:
    result = formula_numbers(TOWERS[case["component"]], case["settings"], SERVED)
    ran = {each["name"]: each["kernels"] for each in case["kernels_by_name"]}
    assert _launches(result, own=True) == sum(count for name, count in ran.items() if name.startswith("triton"))
    assert _launches(result, own=False, name="_scaled") == sum(
        count for name, count in ran.items() if "native_sdpa" in name
    )
    products = _launches(result, own=False, name="addmm") + _launches(result, own=False, name="bmm")
    # The neck's first convolution is a product of pixels.
    products += case["component"] == "served_sam"
    assert products == sum(count for name, count in ran.items() if name.startswith("nvjet") or "cutlass" in name)


def test_towers_are_compiled_where_vision_is() -> None:
    definition = default_definition(None)
    options = definition.choices["vision"].options
    assert {name: option.slots["sam_tower"] for name, option in options.items()} == {
        "eager": "image_encoder_vit",
        "compiled": "served_sam",
    }
    plain, served = (formula_numbers("vision/vision_view", _VIEW, choices).total for choices in ({}, SERVED))
    assert served["forward_tensor_core_flops"] == plain["forward_tensor_core_flops"]
    assert served["operator_launches"] < plain["operator_launches"]


_VIEW = {"samples": 1, "images": 1, "image_size": 640, "probes": 0, "blank_elements": 0, "blank_probes": 0}
