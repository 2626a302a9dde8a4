"""Stored weights part by part, and tokens of a page as the paper counts them."""

from fractions import Fraction

import pytest
from conftest import evaluate_model

from dsocr_symbolic.errors import UserError

WEIGHTS = "forward_weight_bytes"
ENCODER = 398_746_880 + 2_625_280
DECODER = 3_336_106_240 - ENCODER
# Two norms in each of 12 layers and one behind them; a router in each of 11 layers.
NORMS, ROUTERS = (2 * 12 + 1) * 1280, 11 * 64 * 1280
# Blocks of 32: 32 or 16 bytes of weights, and a scale of 2 bytes.
BLOCKS = {"q8_0": 34, "q4_0": 18}


@pytest.mark.parametrize("option", BLOCKS)
def test_weights_in_blocks_are_counted_by_hand(option: str) -> None:
    found = evaluate_model("gundam", weight_dtype=option)
    blocks, rest = divmod(DECODER - NORMS - ROUTERS, 32)
    assert rest == 0
    decoder = blocks * BLOCKS[option] + 4 * (NORMS + ROUTERS)
    assert found.stages["prefill"][WEIGHTS] == decoder
    assert found.stages["vision"][WEIGHTS] + found.stages["projector"][WEIGHTS] == 2 * ENCODER
    assert found.total[WEIGHTS] == decoder + 2 * ENCODER
    nodes = {node.row.path: node.metrics[WEIGHTS] for node in found.nodes}
    assert nodes["prefill/norm"] == 4 * 1280
    assert nodes["prefill/layers.1-11/mlp/gate"] == 4 * ROUTERS
    assert nodes["prefill/lm_head"] == 129280 * 1280 // 32 * BLOCKS[option]
    # Every width of a row is whole blocks, so that nothing is padded, and bytes stay whole numbers.
    assert all(width % 32 == 0 for width in (1280, 896, 6848, 2 * 896))
    assert all(isinstance(node.metrics[name], int) for node in found.nodes for name in (WEIGHTS, "forward_io_bytes"))


def test_blocks_need_widths_that_q4_k_lacks() -> None:
    """A block of 256 does not fit a row of 896 or 6848, so that such a file holds other formats: it is no option."""
    assert 896 % 256
    assert 6848 % 256
    with pytest.raises(UserError, match=r"weight-dtype: unknown option 'q4_k'"):
        evaluate_model("tiny", weight_dtype="q4_k")


@pytest.mark.parametrize(
    ("option", "size"), [("bf16", 2), ("fp16", 2), ("fp32", 4), ("fp8", 1), ("int4", Fraction(1, 2))]
)
def test_other_widths_are_those_of_all_weights(option: str, size: Fraction) -> None:
    found = evaluate_model("tiny", weight_dtype=option)
    assert found.total[WEIGHTS] == 3_336_106_240 * size
    assert type(found.total[WEIGHTS]) is int


def test_a_part_can_have_its_own_width() -> None:
    found = evaluate_model("tiny", {"encoder_weight": 4})
    assert found.total[WEIGHTS] == 4 * ENCODER + 2 * DECODER
    vision, before = found.stages["vision"], evaluate_model("tiny").stages["vision"]
    assert vision["forward_tensor_core_flops"] == before["forward_tensor_core_flops"]
    assert vision["forward_io_bytes"] > before["forward_io_bytes"]
    assert found.stages["prefill"] == evaluate_model("tiny").stages["prefill"] | {
        name: found.stages["prefill"][name] for name in ("peak_memory_bytes",)
    }


# Tables 1 and 2 of the paper: Tiny, Small, Base, Large, and Gundam with n x 100 + 256.
MODES = {"tiny": 64, "small": 100, "base": 256, "large": 400, "gundam": 6 * 100 + 256}


@pytest.mark.parametrize("mode", MODES)
def test_vision_tokens_are_those_of_the_paper(mode: str) -> None:
    numbers = evaluate_model(mode, {"new_tokens": 1000}).values.numbers
    assert numbers["vision_tokens"] == MODES[mode]
    assert numbers["compression"] == Fraction(1000, MODES[mode])
    grid = 10 * numbers["crop_rows"]
    # What the prompt holds besides: a newline for each row of features, and a separator.
    assert numbers["image_tokens"] - numbers["vision_tokens"] == numbers["base_size"] // 64 + grid + 1


def test_what_defines_a_ratio_cannot_be_set() -> None:
    for name in ("vision_tokens", "compression"):
        with pytest.raises(UserError, match=rf"^{name}: .* is a definition and cannot be set"):
            evaluate_model("tiny", {name: 5})
    numbers = evaluate_model("tiny", {"image_tokens": 0, "prompt_tokens": 10}).values.numbers
    assert (numbers["vision_tokens"], numbers["compression"]) == (0, 0)
