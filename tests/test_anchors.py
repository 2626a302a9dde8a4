"""Numbers counted on the network's own modules, reached through whole workloads: difference 0."""

from collections import Counter
from fractions import Fraction
from typing import Any

import pytest
from conftest import evaluate_model

from dsocr_symbolic.evaluation.estimate import Estimate, NodeNumbers
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.scenario.crop_grids import all_grids
from dsocr_symbolic.scenario.provenance import what_was_set
from dsocr_symbolic.scenario.scenario import make_scenario, scenario_values

FLOPS = "forward_tensor_core_flops"
SAM, CLIP, PROJECTOR = "vision/global/sam_model", "vision/global/vision_model", "projector/global"
VIEWS = {512: "tiny", 640: "small", 1024: "base", 1280: "large"}
ATTENTION = "vision/global/sam_model/blocks.windowed/attn"
LM_HEAD_FLOPS = 330_956_800


def node(result: Estimate, path: str) -> NodeNumbers:
    (found,) = (each for each in result.nodes if each.row.path == path)
    return found


def numbers(result: Estimate, path: str) -> Any:
    return node(result, path).metrics


def operators(result: Estimate, path: str, **rows: str) -> list[NodeNumbers]:
    """List the operators below a path, of one aten name or category if asked for."""
    return [
        each
        for each in result.nodes
        if each.row.aten
        and f"{each.row.path}/".startswith(f"{path}/")
        and all(getattr(each.row, key) == value for key, value in rows.items())
    ]


def total(nodes: list[NodeNumbers], metric: str = FLOPS) -> Any:
    assert nodes
    return sum(each.metrics[metric] for each in nodes)


def of_decoder(result: Estimate, stage: str, metric: str = FLOPS) -> Any:
    """Return what a stage of the decoder costs without its head."""
    return result.stages[stage][metric] - numbers(result, f"{stage}/lm_head")[metric]


# vision


@pytest.mark.parametrize(
    ("path", "at_640", "at_1024"),
    [
        (SAM, 325_620_793_344, 976_909_172_736),
        (CLIP, 62_004_756_480, 161_715_683_328),
        (PROJECTOR, 524_288_000, 1_342_177_280),
    ],
)
def test_components(path: str, at_640: int, at_1024: int) -> None:
    assert numbers(evaluate_model("small"), path)[FLOPS] == at_640
    assert numbers(evaluate_model("base"), path)[FLOPS] == at_1024
    gundam = evaluate_model("gundam")
    assert numbers(gundam, path)[FLOPS] == at_1024
    assert numbers(gundam, path.replace("global", "crops"))[FLOPS] == 6 * at_640


def test_sam_by_kind() -> None:
    base = evaluate_model("base")
    attention = operators(base, SAM, aten="_scaled_dot_product_efficient_attention")
    kinds = {
        "linear": total(operators(base, SAM, aten="addmm")),
        "attention products": total(attention),
        "convolution": total(operators(base, SAM, aten="convolution")),
        "rel-pos bmm": total(operators(base, SAM, aten="bmm")),
    }
    assert kinds == {
        "linear": 726_134_685_696,
        "attention products": 229_761_220_608,
        "convolution": 16_106_127_360,
        "rel-pos bmm": 4_907_139_072,
    }
    assert sum(kinds.values()) == 976_909_172_736
    assert total(operators(base, SAM, category="linear")) == kinds["linear"]
    assert total(operators(base, SAM, category="convolution")) == kinds["convolution"]
    assert total(operators(base, SAM, category="attention")) == kinds["attention products"] + kinds["rel-pos bmm"]


@pytest.mark.parametrize(("size", "padded"), [(512, 42), (640, 42), (1024, 70), (1280, 84)])
def test_windows_pad_the_grid(size: int, padded: int) -> None:
    result = evaluate_model(VIEWS[size])
    tokens, width, blocks = padded**2, 768, 8
    assert numbers(result, f"{ATTENTION}/qkv")[FLOPS] == blocks * 2 * tokens * width * 3 * width
    assert numbers(result, f"{ATTENTION}/proj")[FLOPS] == blocks * 2 * tokens * width * width
    rel_pos = total(operators(result, ATTENTION, aten="bmm"))
    assert rel_pos == blocks * 4 * tokens * 14 * width
    # The MLP runs on the tokens that are there.
    mlp = numbers(result, "vision/global/sam_model/blocks.windowed/mlp")
    assert mlp[FLOPS] == blocks * 2 * 2 * (size // 16) ** 2 * width * 4 * width


def test_512_and_640_cost_the_same_in_windows() -> None:
    tiny, small = (dict(numbers(evaluate_model(name), ATTENTION)) for name in ("tiny", "small"))
    assert tiny == small
    assert tiny[FLOPS] > 0


def test_global_rel_pos_mask() -> None:
    base = evaluate_model("base")
    path = "vision/global/sam_model/blocks.global/attn/mask"
    one_block = Fraction(numbers(base, path)["forward_io_bytes"], 4)
    mask = 12 * 4096 * 4096 * 2
    assert mask == 402_653_184
    assert one_block - mask == 2 * 12 * 4096 * 64 * 2
    attend = numbers(base, "vision/global/sam_model/blocks.global/attn/attend")["forward_io_bytes"]
    assert attend > 4 * mask


def test_index_arithmetic_of_a_sam_forward() -> None:
    launches: Counter[str] = Counter()
    for each in operators(evaluate_model("base"), SAM):
        launches[each.row.aten] += each.metrics["operator_launches"]
    assert launches["arange"] == 48
    assert launches["index"] == 24


@pytest.mark.parametrize(("size", "bicubic", "linear"), [(512, 2, 8), (640, 2, 8), (1024, 0, 0), (1280, 2, 8)])
def test_interpolation_wherever_a_table_does_not_fit(size: int, bicubic: int, linear: int) -> None:
    result = evaluate_model(VIEWS[size])
    names = {"_upsample_bicubic2d_aa": bicubic, "upsample_linear1d": linear}
    for aten, launches in names.items():
        assert total(operators(result, "vision/global", aten=aten), "operator_launches") == launches
    assert total(operators(result, f"{ATTENTION}", aten="upsample_linear1d"), "operator_launches") == 0


def test_layer_norm_2d_is_written_by_hand() -> None:
    neck = operators(evaluate_model("base"), "vision/global/sam_model/neck.1")
    launched = [each.row.aten for each in neck if each.metrics["operator_launches"]]
    assert launched == ["mean", "sub", "pow", "mean", "sub", "add", "sqrt", "div", "mul", "add"]


def test_vision_is_linear_in_crops() -> None:
    grids = [(0, 0), (1, 1), (2, 1), (3, 3), (13, 30)]
    waived = frozenset({"allow_any_grid"})
    for columns, rows in grids:
        settings = {"crop_columns": columns, "crop_rows": rows}
        stages = evaluate_model("base", settings, waived=waived).stages
        assert stages["vision"][FLOPS] == 1_138_624_856_064 + 387_625_549_824 * columns * rows
        assert stages["projector"][FLOPS] == 1_342_177_280 + 524_288_000 * columns * rows


# image tokens


@pytest.mark.parametrize(
    ("workload", "tokens", "features"), [("tiny", 73, 64), ("small", 111, 100), ("base", 273, 256), ("large", 421, 400)]
)
def test_image_tokens_of_one_view(workload: str, tokens: int, features: int) -> None:
    result = evaluate_model(workload)
    assert result.values.numbers["image_tokens"] == tokens
    assert result.values.numbers["prompt_tokens"] == tokens + 10
    assert numbers(result, PROJECTOR)[FLOPS] == features * 2 * 2048 * 1280


@pytest.mark.parametrize("grid", all_grids())
def test_image_tokens_of_a_grid(grid: tuple[int, int]) -> None:
    columns, rows = grid
    result = evaluate_model("base", {"crop_columns": columns, "crop_rows": rows})
    assert result.values.numbers["image_tokens"] == 273 + 10 * rows * (10 * columns + 1)


@pytest.mark.parametrize(
    ("grid", "tokens"), [((2, 1), 483), ((1, 2), 493), ((3, 2), 893), ((2, 3), 903), ((3, 3), 1203), ((2, 2), 693)]
)
def test_image_tokens_that_were_counted(grid: tuple[int, int], tokens: int) -> None:
    result = evaluate_model("base", {"crop_columns": grid[0], "crop_rows": grid[1]})
    assert result.values.numbers["image_tokens"] == tokens


def test_published_profiles() -> None:
    for workload, tokens, otherwise in (
        ("dsocr-standard-v1", 512, {"prompt_tokens": 693}),
        ("dsocr-standard-v2", 703, {}),
    ):
        scenario = make_scenario(definition=default_definition(None), workload=workload)
        numbers = scenario_values(scenario).numbers
        assert numbers["prompt_tokens"] == tokens
        assert {name: setting.otherwise for name, setting in what_was_set(scenario, numbers).items()} == otherwise


# decoder


def test_decoder_at_512_tokens() -> None:
    result = evaluate_model("base", {"prompt_tokens": 512})
    assert of_decoder(result, "prefill") == 434_530_680_832
    assert numbers(result, "prefill/lm_head")[FLOPS] == 512 * LM_HEAD_FLOPS
    symbols = {"sequence": 512, "past": 0, "cached": 0, "image_tokens": 0}
    alone = evaluate_model(settings=symbols, layer="decoder/deepseek_v2_model")
    assert alone.total[FLOPS] == 434_530_680_832


def test_decoder_per_token() -> None:
    result = evaluate_model("base", {"prompt_tokens": 512})
    dense, moe = "prefill/layers.0", "prefill/layers.1-11"

    def per_token(path: str, layers: int = 1) -> Fraction:
        return Fraction(numbers(result, path)[FLOPS], 512 * layers)

    for path, layers in ((dense, 1), (moe, 11)):
        projections = total(operators(result, f"{path}/self_attn", aten="mm"))
        assert projections == 512 * layers * 13_107_200
        attention = total(operators(result, f"{path}/self_attn", aten="_scaled_dot_product_flash_attention"))
        assert attention == layers * 4 * 512 * 512 * 1280
    assert per_token(f"{dense}/mlp") == 52_592_640
    assert per_token(f"{moe}/mlp", 11) == 55_214_080
    assert per_token(f"{moe}/mlp/gate", 11) == 163_840
    assert per_token(f"{moe}/mlp/shared_experts", 11) == 13_762_560
    assert per_token(f"{moe}/mlp/experts", 11) == 6 * 6_881_280


@pytest.mark.parametrize("batch", [1, 3])
def test_rope_is_computed_once_for_any_batch(batch: int) -> None:
    result = evaluate_model("base", {"prompt_tokens": 512, "batch": batch})
    assert total(operators(result, "prefill", aten="bmm")) == 12 * 128 * 512


def test_decode_attends_past_and_itself() -> None:
    result = evaluate_model("base", {"prompt_tokens": 512, "new_tokens": 1})
    assert of_decoder(result, "decode") == 848_754_176
    assert numbers(result, "decode/lm_head")[FLOPS] == LM_HEAD_FLOPS
    attention = total(operators(result, "decode", aten="_scaled_dot_product_flash_attention"))
    assert attention == 12 * 4 * 513 * 1280


def test_decode_is_the_sum_of_its_steps() -> None:
    prompt, steps = 300, 7
    whole = evaluate_model("base", {"prompt_tokens": prompt, "new_tokens": steps}).stages["decode"]
    single = [
        evaluate_model("base", {"prompt_tokens": prompt + t, "new_tokens": 1}).stages["decode"] for t in range(steps)
    ]
    for metric in (FLOPS, "forward_cuda_core_flops", "forward_io_bytes", "operator_launches"):
        assert whole[metric] == sum(step[metric] for step in single)
    assert whole["forward_kv_cache_bytes"] == single[-1]["forward_kv_cache_bytes"]
    assert whole["roofline_s"] == pytest.approx(sum(step["roofline_s"] for step in single), rel=1e-12)


def test_prefill_computes_logits_of_all_positions_unless_told_otherwise() -> None:
    settings = {"prompt_tokens": 512}
    assert numbers(evaluate_model("base", settings), "prefill/lm_head")[FLOPS] == 512 * LM_HEAD_FLOPS
    assert numbers(evaluate_model("base", settings, logits="last"), "prefill/lm_head")[FLOPS] == LM_HEAD_FLOPS


def test_weights_that_a_decode_step_reads() -> None:
    result = evaluate_model("base", {"new_tokens": 1})
    products = operators(result, "decode", aten="mm")
    # At batch 1 a product reads each weight for one multiply-add.
    assert Fraction(total(products), 2) == 574_095_360


@pytest.mark.parametrize("hit", [6, 23, 64])
def test_products_follow_the_experts_that_are_hit(hit: int) -> None:
    settings = {"prefill_experts_hit": hit, "new_tokens": 1, "batch": 16, "decode_experts_hit": hit}
    result = evaluate_model("base", settings)
    for stage in ("prefill", "decode"):
        launched = total(operators(result, stage, aten="mm"), "operator_launches")
        head = total(operators(result, f"{stage}/lm_head", aten="mm"), "operator_launches")
        assert (launched - head, head) == (95 + 33 * hit, 1)
    other = evaluate_model("base", {"new_tokens": 1, "batch": 16})
    for stage in ("prefill", "decode"):
        assert result.stages[stage][FLOPS] == other.stages[stage][FLOPS]


def test_experts_hit_by_independent_tokens() -> None:
    for batch in (1, 2, 40):
        found = evaluate_model("base", {"batch": batch}).values.numbers
        for name, tokens in (("prefill_experts_hit", batch * 283), ("decode_experts_hit", batch)):
            exact = 64 * (1 - (1 - Fraction(6, 64)) ** tokens)
            assert found[name] == pytest.approx(float(exact), rel=1e-14)
    assert evaluate_model("base").values.numbers["decode_experts_hit"] == 6


def test_each_decode_step_copies_the_cache() -> None:
    result = evaluate_model("base", {"prompt_tokens": 512, "new_tokens": 1})
    copied = [each for each in operators(result, "decode", aten="cat") if "/append_" in each.row.path]
    assert total(copied, "forward_io_bytes") == 61_440 * (512 + 1) + 61_440 * 513
    first = [each for each in operators(result, "prefill", aten="cat") if "/append_" in each.row.path]
    assert total(first, "forward_io_bytes") == 0


def test_eager_builds_its_mask_once_per_prefill() -> None:
    result = evaluate_model("base", {"prompt_tokens": 1024}, attention="eager")
    mask = numbers(result, "prefill/attention_mask")
    assert mask["operator_launches"] > 0
    assert numbers(result, "decode/attention_mask")["operator_launches"] == 0
    assert 20e6 < mask["forward_io_bytes"] < 22e6
    assert numbers(evaluate_model("base"), "prefill/attention_mask")["operator_launches"] == 0


# footprint

PARTS = {
    "model.sam_model": 95_569_152,
    "model.vision_model": 303_177_728,
    "model.projector": 2_622_720,
    "model": 2 * 1_280,  # image_newline and view_seperator
    "model.embed_tokens": 165_478_400,
    "model.layers.0": 32_852_480,
    "model.layers.1-11": 11 * 233_720_320,
    "model.norm": 1_280,
    "lm_head": 165_478_400,
}
WHOLE = 3_336_106_240


@pytest.mark.parametrize("workload", ["tiny", "gundam"])
def test_parameters(workload: str) -> None:
    result = evaluate_model(workload)
    assert sum(PARTS.values()) == result.total["parameters"] == WHOLE
    assert result.total["forward_weight_bytes"] == 6_672_212_480
    for module, parameters in PARTS.items():
        places = [each for each in result.nodes if each.row.module == module]
        assert len(places) == (1 if module == "model" else 2)
        for place in places:
            assert place.metrics["parameters"] == parameters
            assert place.metrics["forward_weight_bytes"] == 2 * parameters


def test_shared_weights_count_once_per_ancestor() -> None:
    stages = evaluate_model("gundam").stages
    assert stages["vision"]["parameters"] == PARTS["model.sam_model"] + PARTS["model.vision_model"]
    assert stages["projector"]["parameters"] == PARTS["model.projector"] + PARTS["model"]
    language = WHOLE - stages["vision"]["parameters"] - stages["projector"]["parameters"]
    assert stages["prefill"]["parameters"] == stages["decode"]["parameters"] == language


@pytest.mark.parametrize(("batch", "prompt", "new"), [(1, 512, 512), (3, 283, 0), (2, 100, 1)])
def test_kv_cache(batch: int, prompt: int, new: int) -> None:
    result = evaluate_model("base", {"batch": batch, "prompt_tokens": prompt, "new_tokens": new})
    kv = {name: metrics["forward_kv_cache_bytes"] for name, metrics in result.stages.items()}
    at_end = 61_440 * batch * (prompt + new)
    assert kv == {"vision": 0, "projector": 0, "prefill": 61_440 * batch * prompt, "decode": at_end}
    assert result.total["forward_kv_cache_bytes"] == at_end
