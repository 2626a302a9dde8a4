"""Bytes of live storages, on cases that can be counted by hand."""

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("torch", reason="the reference network needs torch: pip install dsocr_symbolic[verify]")

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from dsocr_symbolic.verification.reference.clip import NoTPTransformerBlock
from dsocr_symbolic.verification.reference.config import ClipConfig, DecoderConfig, SamConfig
from dsocr_symbolic.verification.reference.deepseek_v2 import DeepseekV2DecoderLayer, DeepseekV2RMSNorm
from dsocr_symbolic.verification.reference.llama import KeyValueCache
from dsocr_symbolic.verification.reference.memory import AllocationTrace, Peak, allocation_peak
from dsocr_symbolic.verification.reference.precision import fake_cuda
from dsocr_symbolic.verification.reference.sam import Block

KB = 1000


def kilobytes(device: str = "meta") -> Tensor:
    """Make one tensor of a thousand bytes."""
    return torch.empty(250, device=device)


def make(module: Callable[[], nn.Module]) -> nn.Module:
    with torch.device("meta"):
        return module().to(torch.bfloat16).eval()


def half(*shape: int) -> Tensor:
    return torch.empty(*shape, dtype=torch.bfloat16, device="meta")


def test_a_chain_without_names_holds_two_results_at_a_time() -> None:
    x = kilobytes()
    found = allocation_peak(lambda: x.add(1).mul(2).sub(3), [x])
    assert found == Peak(peak_bytes=3 * KB, end_bytes=2 * KB, operator="mul")


def test_names_keep_every_result_of_a_chain() -> None:
    x = kilobytes()

    def chain() -> Tensor:
        a = x.add(1)
        b = a.mul(2)
        return b.sub(3)

    assert allocation_peak(chain, [x]) == Peak(peak_bytes=4 * KB, end_bytes=2 * KB, operator="sub")


def test_a_name_that_is_used_again_frees_what_it_held() -> None:
    def chain() -> Tensor:
        a = kilobytes()
        for _ in range(5):
            a = a + 1
        return a

    assert allocation_peak(chain) == Peak(peak_bytes=2 * KB, end_bytes=KB, operator="add")


def test_in_place_operators_take_nothing() -> None:
    x = kilobytes()
    assert allocation_peak(lambda: x.add(1).mul_(2).sub_(3), [x]).peak_bytes == 2 * KB


def test_views_take_nothing_and_keep_all_of_their_storage() -> None:
    x = kilobytes()
    assert allocation_peak(lambda: x.view(10, 25).t(), [x]) == Peak(peak_bytes=KB, end_bytes=KB, operator="inputs")
    assert allocation_peak(lambda: x.add(1).narrow(0, 0, 1), [x]).end_bytes == 2 * KB


def test_what_the_call_leaves_behind_counts_to_the_end() -> None:
    x, kept = kilobytes(), []
    found = allocation_peak(lambda: kept.append(x + 1), [x])
    assert found.end_bytes == 2 * KB


def test_inputs_count_to_the_end_and_other_tensors_never() -> None:
    x, weight = kilobytes(), kilobytes()
    assert allocation_peak(x.t, [x, x.view(25, 10)]) == Peak(peak_bytes=KB, end_bytes=KB, operator="inputs")
    assert allocation_peak(lambda: x * weight.view(250), [x]).peak_bytes == 2 * KB


def test_excluded_tensors_never_count() -> None:
    x, caches = kilobytes(), [KeyValueCache()]

    def call() -> None:
        caches[-1].update(0, x + 1, x + 2)

    assert allocation_peak(call, [x]).peak_bytes == 3 * KB
    caches.append(KeyValueCache())
    assert allocation_peak(call, [x], lambda: [*caches[1].keys, *caches[1].values]).peak_bytes == KB


def test_a_storage_at_the_place_of_a_freed_one_is_another_one() -> None:
    def call() -> None:
        for _ in range(50):
            kilobytes().add(1)

    assert allocation_peak(call).peak_bytes == 2 * KB


def test_fake_gpu_tensors_count_like_tensors_on_meta() -> None:
    def peak(device: str) -> Peak:
        x = kilobytes(device)
        return allocation_peak(lambda: torch.softmax(x.add(1).view(5, 50), -1).clone().sum(), [x])

    with fake_cuda():
        fake = peak("cuda")
    assert fake == peak("meta")


@given(st.lists(st.tuples(st.integers(1, 99), st.integers(0, 9), st.booleans())))
@settings(max_examples=40, deadline=None)
def test_peak_is_the_highest_sum_of_what_lives(steps: list[tuple[int, int, bool]]) -> None:
    def run() -> dict[int, Tensor]:
        held: dict[int, Tensor] = {}
        for size, name, frees in steps:
            if frees:
                held.pop(name, None)
            else:
                held[name] = torch.empty(size, dtype=torch.int8, device="meta")
        return held

    alive: dict[int, int] = {}
    most = 0
    for size, name, frees in steps:
        if frees:
            alive.pop(name, None)
        else:
            # The new tensor is there before its name lets go of the old one.
            most = max(most, sum(alive.values()) + size)
            alive[name] = size
    found = allocation_peak(run)
    assert (found.peak_bytes, found.end_bytes) == (most, sum(alive.values()))


def test_the_trace_ends_with_its_block() -> None:
    with AllocationTrace() as trace:
        inside = kilobytes()
    before = trace.peak()
    del inside
    kilobytes().add(1)
    assert trace.peak() == before == Peak(peak_bytes=KB, end_bytes=KB, operator="empty")


def test_rms_norm_holds_ten_bytes_per_element() -> None:
    tokens, width = 913, 1280
    norm, x = make(lambda: DeepseekV2RMSNorm(width)), half(1, tokens, width)
    # The input, the copy in fp32 and its product; the mean square and its reciprocal root.
    expected = tokens * width * (2 + 4 + 4) + tokens * (4 + 4)
    assert allocation_peak(lambda: norm(x), [x]).peak_bytes == expected


def test_clip_block_peaks_at_the_sigmoid_of_its_mlp() -> None:
    tokens, width, inner = 257, 1024, 4096
    block, x = make(lambda: NoTPTransformerBlock(ClipConfig())), half(1, tokens, width)
    # The input, attention, their sum and its norm; fc1's output, its multiple, the sigmoid.
    expected = 2 * tokens * (4 * width + 3 * inner)
    assert allocation_peak(lambda: block(x), [x]) == Peak(
        peak_bytes=expected, end_bytes=2 * 2 * tokens * width, operator="sigmoid"
    )


def test_sam_block_on_the_whole_grid_peaks_behind_its_mask() -> None:
    grid, width, heads = 64, 768, 12
    block, x = make(lambda: Block(SamConfig(), 0)), half(1, grid, grid, width)
    stream, pairs = grid**2 * width, heads * grid**3
    # Input, norm, q k v, attention's output and its projection; scores by row and by column, and the mask of both.
    expected = 2 * (stream * (1 + 1 + 3 + 1 + 1) + pairs * (1 + 1) + pairs * grid)
    assert allocation_peak(lambda: block(x), [x]).peak_bytes == expected


def test_experts_peak_at_the_sum_of_their_weighted_outputs() -> None:
    tokens, config = 913, DecoderConfig()
    layer = make(lambda: DeepseekV2DecoderLayer(config, 1))
    x, positions = half(1, tokens, 1280), torch.empty(1, tokens, dtype=torch.int64, device="meta")
    rows = tokens * config.num_experts_per_tok
    # The layer's input, the sum with attention, its norm; the experts' rows gathered, their outputs, both joined and
    # restored, and weighted in fp32; then the sum over each token's experts.
    wide = tokens * 1280 * 2 * 3 + rows * 1280 * (4 * 2 + 4) + tokens * 1280 * 4
    # Positions, counts per token and expert, chosen experts and their order in int64; weights in fp32.
    narrow = tokens * 8 + tokens * config.n_routed_experts * 8 + rows * (8 + 8 + 4)
    found = allocation_peak(lambda: layer(x, positions), [x, positions])
    assert (found.peak_bytes, found.operator) == (wide + narrow, "sum")


def test_the_peak_is_the_same_every_time() -> None:
    layer: Any = make(lambda: DeepseekV2DecoderLayer(DecoderConfig(attention="eager"), 0))
    x, positions = half(2, 31, 1280), torch.empty(1, 31, dtype=torch.int64, device="meta")
    assert len({allocation_peak(lambda: layer(x, positions, None), [x, positions]) for _ in range(3)}) == 1
