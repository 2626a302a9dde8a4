"""GPU files: exact SI values, consistency with their own derivations, and errors a user can act on."""

import re
import subprocess
import sys
import textwrap
from fractions import Fraction
from math import inf, log2
from pathlib import Path

import pytest
import yaml
from attrs.exceptions import FrozenInstanceError
from hypothesis import given
from hypothesis import strategies as st

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.registry import load_machine
from dsocr_symbolic.scenario.hardware import Gpu, load_gpu, load_gpus
from dsocr_symbolic.scenario.units import UNITS, in_si, scaled

FOLDER = Path(__file__).resolve().parent.parent / "hardware"
PATHS = sorted(FOLDER.glob("*.yaml"))
NAMES = sorted(path.stem for path in PATHS)
GPUS = {name: load_gpu(name) for name in NAMES}
EVERY_GPU = pytest.mark.parametrize("gpu", GPUS.values(), ids=NAMES)

EXACT = {
    ("rtx5090", "tensor_bf16_flops_per_s"): 209_500_000_000_000,
    ("rtx5090", "tensor_fp16_acc16_flops_per_s"): 419 * 10**12,
    ("rtx5090", "tensor_fp8_flops_per_s"): 419 * 10**12,
    ("rtx5090", "tensor_int8_ops_per_s"): 838 * 10**12,
    ("rtx5090", "tensor_fp4_flops_per_s"): 1676 * 10**12,
    ("rtx5090", "cuda_fp32_flops_per_s"): 104_800_000_000_000,
    ("rtx5090", "memory_bandwidth_bytes_per_s"): 1_792_000_000_000,
    ("rtx5090", "memory_capacity_bytes"): 32 * 2**30,
    ("rtx5090", "usable_memory_bytes"): 34_190_917_632,
    ("rtx5090", "boost_clock_hz"): 2_407_000_000,
    ("rtx5090", "streaming_multiprocessors"): 170,
    ("rtx5090", "l2_cache_bytes"): 98304 * 2**10,
    ("rtx5090", "shared_memory_bytes_per_sm"): 100 * 2**10,
    ("rtx5090", "registers_bytes_per_sm"): 256 * 2**10,
    ("rtx5090", "host_link_bytes_per_s"): 64 * 10**9,
    ("rtx5090", "special_function_ops_per_s"): 6547 * 10**9,
    ("rtx5090", "board_power_w"): 575,
    ("rtx4090", "tensor_bf16_flops_per_s"): 165_200_000_000_000,
    ("rtx4090", "tensor_fp8_flops_per_s"): 330_300_000_000_000,
    ("rtx3090", "gpu_link_bytes_per_s"): 56_250_000_000,
    ("h100-sxm", "tensor_bf16_flops_per_s"): 989_400_000_000_000,
    ("h100-sxm", "highest_clock_hz"): 1_980_000_000,
    ("h200", "memory_bandwidth_bytes_per_s"): 4_800_000_000_000,
    ("h200", "memory_capacity_bytes"): 151_397_597_184,
    ("a100-80gb", "memory_bandwidth_bytes_per_s"): 2_039_000_000_000,
    ("a100-40gb", "memory_bandwidth_bytes_per_s"): 1_555_000_000_000,
    ("l40s", "tensor_bf16_flops_per_s"): 366_400_000_000_000,
    ("h100-pcie", "memory_bandwidth_bytes_per_s"): 2_039_000_000_000,
    ("h100-sxm", "l2_cache_bytes"): 52_428_800,
    ("h200", "l2_cache_bytes"): 62_914_560,
    ("h200", "usable_memory_bytes"): 150_754_820_096,
    ("l4", "l2_cache_bytes"): 50_331_648,
    ("l40s", "l2_cache_bytes"): 100_663_296,
    ("b200", "l2_cache_bytes"): 132_644_864,
    ("t4", "l2_cache_bytes"): 4_194_304,
    ("a10g", "streaming_multiprocessors"): 80,
    ("rtx3060", "highest_clock_hz"): 2_145_000_000,
    ("rtx4080", "tensor_fp8_acc16_flops_per_s"): 389_900_000_000_000,
    ("rtx5070ti", "tensor_fp16_acc16_flops_per_s"): 175_800_000_000_000,
    ("rtx5080", "l2_cache_bytes"): 64 * 2**20,
    ("rtxpro6000-server", "tensor_bf16_flops_per_s"): 467_800_000_000_000,
    ("rtxpro6000-maxq", "highest_clock_hz"): 3_090_000_000,
    ("b300", "tensor_int8_ops_per_s"): 153_500_000_000_000,
    ("b300", "usable_memory_bytes"): 288_400_343_040,
    ("gb200", "memory_bandwidth_bytes_per_s"): 8 * 10**12,
    ("gb10", "l2_cache_bytes"): 25_165_824,
    ("mi300x", "tensor_bf16_flops_per_s"): 1_307_400_000_000_000,
    ("mi300x", "registers_bytes_per_sm"): 512 * 2**10,
    ("mi355x", "l1_bytes_per_sm"): 192 * 2**10,
    ("l40s", "usable_memory_bytes"): 48_305_799_168,
    ("b200", "tensor_fp4_flops_per_s"): 9000 * 10**12,
    ("h20", "cuda_fp32_flops_per_s"): 39_500_000_000_000,
    ("rtxpro6000", "usable_memory_bytes"): 102_641_958_912,
}
FP16_FMA_PER_CLOCK_AND_SM = {
    "rtx5090": 256,
    "rtx5080": 256,
    "rtx5070ti": 256,
    "rtx4090": 256,
    "rtx4080": 256,
    "rtx3090": 256,
    "rtx3060": 256,
    "rtxpro6000": 512,
    "rtxpro6000-server": 512,
    "rtxpro6000-maxq": 512,
    "gb10": 512,
    "h100-sxm": 2048,
    "h100-pcie": 2048,
    "h200": 2048,
    "h20": 512,
    "a100-80gb": 1024,
    "a100-40gb": 1024,
    "a10g": 256,
    "t4": 512,
    "l4": 512,
    "l40s": 512,
    "b200": 4096,
    "b300": 4096,
    "gb200": 4096,
    "mi300x": 1024,
    "mi355x": 2048,
}
# Peaks that are no power of two of FMA per clock and SM at a clock of their file, and why.
NO_POWER_OF_TWO = {("b300", "tensor_fp4_flops_per_s"): "6.2 times BF16"}
# What a file does not give, though the others do: an engine that the GPU lacks, or no source.
LACKING = {
    "t4": {"tensor_bf16_flops_per_s", "tensor_tf32_flops_per_s", "cuda_bf16_flops_per_s"},
    "mi300x": {"cuda_fp16_flops_per_s", "cuda_bf16_flops_per_s", "special_function_ops_per_s"},
    "mi355x": {
        "tensor_tf32_flops_per_s",
        "cuda_fp16_flops_per_s",
        "cuda_bf16_flops_per_s",
        "special_function_ops_per_s",
        "usable_memory_bytes",
    },
    "gb10": {"host_link_bytes_per_s"},
    "rtx5080": {"highest_clock_hz"},
}
SPARSE_BF16_TFLOPS = {
    "rtx5090": {419, 838},
    "rtx4090": {330.3, 330.4, 660.6},
    "rtx3090": {142, 142.3, 285},
    "rtxpro6000": {1007.6},
    "h20": {296},
    "h100-sxm": {1978.9, 1979},
    "h200": {1978.9, 1979},
    "h100-pcie": {1513},
    "a100-80gb": {624},
    "a100-40gb": {624},
    "l40s": {733},
    "l4": {242},
    "b200": {4500},
    "b300": {4500},
    "gb200": {5000},
    "gb10": {213, 237.7, 250},
    "rtx5080": {225.1, 450.2},
    "rtx5070ti": {175.8, 351.5},
    "rtx4080": {194.9, 389.9},
    "rtx3060": {51, 102},
    "t4": {130},
    "a10g": {125, 140},
    "rtxpro6000-server": {935.6},
    "rtxpro6000-maxq": {877.8},
    "mi300x": {2614.9},
    "mi355x": {5033},
}
UNVERIFIED = {
    ("rtx5090", "tensor_bf16_flops_per_s"): False,
    ("rtx5090", "usable_memory_bytes"): False,
    ("rtx5090", "special_function_ops_per_s"): True,
    ("rtx4090", "usable_memory_bytes"): False,
    ("rtx4090", "special_function_ops_per_s"): True,
    ("rtx3090", "tensor_bf16_flops_per_s"): False,
    ("rtx3090", "tensor_tf32_flops_per_s"): True,
    ("rtx3090", "gpu_link_bytes_per_s"): True,
    ("rtxpro6000", "boost_clock_hz"): False,
    ("rtxpro6000", "usable_memory_bytes"): False,
    ("rtxpro6000", "memory_bandwidth_bytes_per_s"): False,
    ("h20", "tensor_bf16_flops_per_s"): False,
    ("h20", "cuda_fp32_flops_per_s"): True,
    ("h20", "l2_cache_bytes"): True,
    ("h100-sxm", "special_function_ops_per_s"): False,
    ("h100-pcie", "memory_bandwidth_bytes_per_s"): True,
    ("a100-80gb", "special_function_ops_per_s"): False,
    ("a100-40gb", "usable_memory_bytes"): False,
    ("l40s", "tensor_bf16_flops_per_s"): True,
    ("l40s", "usable_memory_bytes"): False,
    ("l4", "host_link_bytes_per_s"): True,
    ("b200", "tensor_bf16_flops_per_s"): False,
    ("b200", "boost_clock_hz"): True,
    ("b200", "usable_memory_bytes"): False,
    ("a10g", "tensor_fp16_acc16_flops_per_s"): True,
    ("gb10", "tensor_bf16_flops_per_s"): True,
    ("gb10", "cuda_fp32_flops_per_s"): False,
    ("gb200", "streaming_multiprocessors"): True,
    ("t4", "tensor_fp16_flops_per_s"): False,
    ("mi300x", "tensor_bf16_flops_per_s"): False,
}
PLAIN = """
title: A GPU
chip: X1
numbers:
  tensor_bf16_tflops: {value: 10, source: a document}
  cuda_fp32_tflops: {value: 2.5, source: a document}
  memory_bandwidth_gb_per_s: {value: 100, source: a document}
"""


def value(gpu: Gpu, name: str) -> int | float:
    return gpu.numbers[name].value_si


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(textwrap.dedent(text), encoding="utf-8")
    return path


def refusal(path: Path, text: str) -> str:
    with pytest.raises(UserError) as caught:
        load_gpu(str(write(path, text)))
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(path))
    return message


def test_the_tables_below_cover_every_gpu() -> None:
    assert set(SPARSE_BF16_TFLOPS) == set(NAMES)
    assert {name for name, _ in EXACT} | {name for name, _ in UNVERIFIED} == set(NAMES)
    assert [gpu.name for gpu in load_gpus()] == NAMES


@EVERY_GPU
def test_every_file_says_what_it_is_and_where_its_numbers_are_from(gpu: Gpu) -> None:
    assert gpu.title.startswith(("NVIDIA ", "AMD "))
    assert re.search(r"compute capability \d|gfx\d", gpu.chip)
    for number in gpu.numbers.values():
        for said in (number, *number.disagree):
            assert len(said.source) > 10
            assert not re.search(r"hardware\.md|/work|shared/|\[MEM\]", said.source, re.IGNORECASE)


@EVERY_GPU
def test_sources_that_disagree_say_another_value(gpu: Gpu) -> None:
    for number in gpu.numbers.values():
        values = [number.value, *(said.value for said in number.disagree)]
        assert len(set(values)) == len(values), number.key
        assert number.value == 0 or all(1 / 3 < value / number.value < 3 for value in values), number.key


@EVERY_GPU
def test_every_doubtful_source_is_marked_unverified(gpu: Gpu) -> None:
    for number in gpu.numbers.values():
        if re.search(r"recalled|inferred|disputed", number.source):
            assert number.unverified, number.key


@EVERY_GPU
def test_the_estimate_finds_what_it_needs(gpu: Gpu) -> None:
    needed = {"tensor_bf16_flops_per_s", "tensor_fp16_flops_per_s", "tensor_tf32_flops_per_s", "cuda_fp32_flops_per_s"}
    needed |= {"memory_bandwidth_bytes_per_s", "memory_capacity_bytes", "usable_memory_bytes", "boost_clock_hz"}
    needed |= {"streaming_multiprocessors", "l2_cache_bytes", "shared_memory_bytes_per_sm", "registers_bytes_per_sm"}
    needed |= {"special_function_ops_per_s", "host_link_bytes_per_s", "board_power_w", "highest_clock_hz"}
    needed |= {"tensor_fp16_acc16_flops_per_s", "tensor_int8_ops_per_s", "l1_bytes_per_sm"}
    needed |= {"cuda_fp16_flops_per_s", "cuda_bf16_flops_per_s"}
    assert needed - set(gpu.numbers) == LACKING.get(gpu.name, set())


@EVERY_GPU
def test_caches_are_those_of_the_architecture(gpu: Gpu) -> None:
    per_sm = [value(gpu, f"{name}_bytes_per_sm") / 2**10 for name in ("l1", "registers")]
    by_chip = {"7.5": [96, 256], "8.0": [192, 256], "8.6": [128, 256], "8.9": [128, 256], "9.0": [256, 256]}
    by_chip |= {"10.0": [256, 256], "10.3": [256, 256], "12.0": [128, 256], "12.1": [128, 256]}
    by_chip |= {"gfx942": [96, 512], "gfx950": [192, 512]}
    assert per_sm == by_chip[gpu.chip.split()[-1]]
    assert value(gpu, "shared_memory_bytes_per_sm") <= value(gpu, "l1_bytes_per_sm")
    assert ("tensor_memory_bytes_per_sm" in gpu.numbers) == ("capability 10." in gpu.chip)
    assert "l2_cache_mib" in {number.key for number in gpu.numbers.values()}, "device queries print binary sizes"


@EVERY_GPU
def test_whole_values_are_exact_ints(gpu: Gpu) -> None:
    file = yaml.safe_load((FOLDER / f"{gpu.name}.yaml").read_text(encoding="utf-8"))
    written = {**file["numbers"], **file.get("measured", {}).get("constants", {})}
    assert {number.key for number in gpu.numbers.values()} == set(written)
    for number in gpu.numbers.values():
        suffix = next((each for each in UNITS if number.key.endswith(each)), None)
        factor = Fraction(UNITS[suffix][1]) if suffix else Fraction(1)
        exact = Fraction(repr(written[number.key]["value"])) * factor
        assert number.value_si == (int(exact) if exact.denominator == 1 else float(exact))
        assert isinstance(number.value_si, int) == (exact.denominator == 1)


@EVERY_GPU
def test_peaks_and_memory_are_in_order(gpu: Gpu) -> None:
    numbers = {name: number.value_si for name, number in gpu.numbers.items()}
    tensor = numbers["tensor_fp16_flops_per_s"]
    assert numbers.get("tensor_bf16_flops_per_s", tensor) == tensor <= numbers["tensor_fp16_acc16_flops_per_s"]
    assert numbers.get("tensor_tf32_flops_per_s", tensor / 2) == pytest.approx(tensor / 2, rel=0.025)
    assert (numbers["tensor_int8_ops_per_s"] >= 1.99 * tensor) == (gpu.name != "b300")
    half = numbers.get("cuda_fp16_flops_per_s", numbers["cuda_fp32_flops_per_s"])
    assert numbers["cuda_fp32_flops_per_s"] <= half < tensor
    assert numbers.get("cuda_bf16_flops_per_s", half) in (half, half / 2)
    capacity = numbers["memory_capacity_bytes"]
    usable = numbers.get("usable_memory_bytes", capacity)
    assert 0.9 * capacity < usable <= capacity
    assert 0.9 * usable < numbers.get("process_memory_bytes", usable) <= usable
    fp8 = numbers.get("tensor_fp8_flops_per_s", 2 * tensor)
    assert fp8 == pytest.approx(2 * tensor, rel=0.015)
    assert numbers.get("tensor_fp8_acc16_flops_per_s", fp8) >= fp8
    assert ("tensor_fp8_flops_per_s" in numbers) == ("tensor_fp8_acc16_flops_per_s" in numbers)
    assert numbers.get("highest_clock_hz", inf) >= numbers["boost_clock_hz"]


@EVERY_GPU
def test_every_product_in_a_source_gives_its_number(gpu: Gpu) -> None:
    product = re.compile(r"(?:derived:|agrees with|digits from|;) (\d+) [SC][MU] x (\d+)( FMA x 2)? x ([\d.]+) GHz")
    scale = {"flops_per_s": 1e9, "ops_per_s": 1e9}
    checked = 0
    for name, number in gpu.numbers.items():
        for sm, per_clock, fma, ghz in product.findall(number.source):
            rate = int(sm) * int(per_clock) * float(ghz) * (2 if fma else 1) * scale[name[name.index("ops_per_s") :]]
            assert rate == pytest.approx(number.value_si, rel=0.005), number.key
            assert int(sm) == value(gpu, "streaming_multiprocessors")
            checked += 1
    assert checked


@pytest.mark.parametrize(("name", "key"), EXACT)
def test_exact_values(name: str, key: str) -> None:
    assert value(GPUS[name], key) == EXACT[name, key]
    assert isinstance(value(GPUS[name], key), int)


def test_a_value_that_is_not_whole_stays_a_float() -> None:
    assert value(GPUS["a100-80gb"], "launch_floor_s") == 2.4e-6


@pytest.mark.parametrize(("name", "fma"), FP16_FMA_PER_CLOCK_AND_SM.items())
def test_fp16_peak_is_sms_times_fma_times_clock(name: str, fma: int) -> None:
    gpu = GPUS[name]
    derived = value(gpu, "streaming_multiprocessors") * fma * 2 * value(gpu, "boost_clock_hz")
    assert derived == pytest.approx(value(gpu, "tensor_fp16_flops_per_s"), rel=0.005)


@EVERY_GPU
def test_every_peak_is_a_power_of_two_of_fma_per_clock_and_sm(gpu: Gpu) -> None:
    """At the rated clock, or at the highest: data centre parts state their CUDA cores at that one."""
    clocks = [value(gpu, name) for name in ("boost_clock_hz", "highest_clock_hz") if name in gpu.numbers]
    for name in (name for name in gpu.numbers if re.match(r"(tensor|cuda)_\w+_per_s$", name)):
        per_clock = [value(gpu, name) / value(gpu, "streaming_multiprocessors") / 2 / clock for clock in clocks]
        agrees = any(fma == pytest.approx(2 ** round(log2(fma)), rel=0.02) for fma in per_clock)
        assert agrees != ((gpu.name, name) in NO_POWER_OF_TWO), (name, per_clock)
        if not agrees:
            assert any(NO_POWER_OF_TWO[gpu.name, name] in note for note in gpu.notes)


@EVERY_GPU
def test_fp32_peak_is_128_fma_per_sm_at_a_clock_that_is_stated(gpu: Gpu) -> None:
    clocks = [value(gpu, name) for name in ("boost_clock_hz", "highest_clock_hz") if name in gpu.numbers]
    cores = 64 if gpu.chip.startswith(("GA100", "TU104")) else 128
    per_clock = value(gpu, "streaming_multiprocessors") * cores * 2
    peak = value(gpu, "cuda_fp32_flops_per_s")
    assert any(per_clock * clock == pytest.approx(peak, rel=0.01) for clock in clocks)


@pytest.mark.parametrize(("name", "sparse"), SPARSE_BF16_TFLOPS.items())
def test_fp16_peak_is_not_the_sparse_one(name: str, sparse: set[float]) -> None:
    dense = value(GPUS[name], "tensor_fp16_flops_per_s") / 1e12
    assert all(abs(dense / trap - 1) > 0.1 for trap in sparse)


def test_fp16_ridge_points_are_those_of_dense_peaks() -> None:
    ridges = {
        name: value(g, "tensor_fp16_flops_per_s") / value(g, "memory_bandwidth_bytes_per_s") for name, g in GPUS.items()
    }
    assert ridges["rtx5090"] == pytest.approx(116.9, abs=0.1)
    assert ridges["h20"] == pytest.approx(37, abs=0.1)
    assert all(35 < ridge < 440 for ridge in ridges.values())


@pytest.mark.parametrize(("name", "key"), UNVERIFIED)
def test_the_unverified_mark_sits_on_the_right_number(name: str, key: str) -> None:
    assert GPUS[name].numbers[key].unverified is UNVERIFIED[name, key]


@pytest.mark.parametrize(
    ("name", "absent"),
    [
        ("rtx5090", "gpu_link_bytes_per_s"),
        ("rtx3090", "tensor_fp8_flops_per_s"),
        ("a100-80gb", "tensor_fp8_flops_per_s"),
        ("h100-sxm", "tensor_fp4_flops_per_s"),
        ("l4", "launch_floor_s"),
        ("t4", "tensor_bf16_flops_per_s"),
        ("a10g", "tensor_fp8_flops_per_s"),
        ("mi300x", "tensor_fp4_flops_per_s"),
        ("mi355x", "tensor_tf32_flops_per_s"),
    ],
)
def test_an_engine_that_a_gpu_lacks_is_absent(name: str, absent: str) -> None:
    assert absent not in GPUS[name].numbers


def test_conflicts_between_sources_are_noted() -> None:
    assert any("2.20 GHz" in note for note in GPUS["h20"].notes)
    assert any("366.4" in note for note in GPUS["l40s"].notes)
    assert any("MXFP8" in note for note in GPUS["rtx5090"].notes)


@pytest.mark.parametrize(
    ("name", "key", "usual", "largest"),
    [
        ("l40s", "tensor_bf16_flops_per_s", 366.4e12, 366.4e12),
        ("h100-pcie", "memory_bandwidth_bytes_per_s", 2039e9, 2039e9),
        ("h20", "cuda_fp32_flops_per_s", 39.5e12, 44e12),
        ("h20", "memory_bandwidth_bytes_per_s", 4e12, 4.096e12),
        ("b200", "tensor_tf32_flops_per_s", 1125e12, 1125e12),
        ("b200", "memory_bandwidth_bytes_per_s", 7.7e12, 8e12),
        ("h200", "l2_cache_bytes", 62_914_560, 62_914_560),
        ("rtx4090", "highest_clock_hz", 3.105e9, 3.165e9),
        ("rtx5090", "highest_clock_hz", 3.105e9, 3.135e9),
        ("gb10", "tensor_bf16_flops_per_s", 118.9e12, 213e12),
    ],
)
def test_what_sources_disagree_on(name: str, key: str, usual: float, largest: float) -> None:
    number = GPUS[name].numbers[key]
    assert (number.value_si, max(number.said_si)) == (usual, largest)
    assert number.disagree


def test_a_gpu_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        GPUS["l4"].title = "another"  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        GPUS["l4"].numbers["board_power_w"].value_si = 1  # type: ignore[misc]


def test_a_plain_file_loads_by_path(tmp_path: Path) -> None:
    gpu = load_gpu(str(write(tmp_path / "mine.yaml", PLAIN)))
    assert (gpu.name, gpu.title, gpu.chip, gpu.notes) == ("mine", "A GPU", "X1", ())
    number = gpu.numbers["cuda_fp32_flops_per_s"]
    assert (number.key, number.value_si, number.unit) == ("cuda_fp32_tflops", 2_500_000_000_000, "FLOP/s")
    assert (number.source, number.unverified) == ("a document", False)


@pytest.mark.parametrize(("others", "largest"), [([], 10), ([9.5], 10), ([9.5, 12.25, 11], 12.25)])
def test_the_largest_is_that_of_all_sources(tmp_path: Path, others: list[float], largest: float) -> None:
    said = ", ".join(f"{{value: {other}, source: another}}" for other in others)
    text = PLAIN.replace("value: 10,", f"value: 10, disagree: [{said}],")
    number = load_gpu(str(write(tmp_path / "mine.yaml", text))).numbers["tensor_bf16_flops_per_s"]
    assert (number.value_si, max(number.said_si)) == (10**13, largest * 10**12)
    assert isinstance(max(number.said_si), int)
    assert [(other.value, other.source) for other in number.disagree] == [(other, "another") for other in others]


@given(st.floats(min_value=1e-6, max_value=1e9), st.sampled_from(sorted(UNITS)))
def test_conversion_to_si_is_exact_in_decimal(number: float, suffix: str) -> None:
    name, factor, _ = in_si("file", f"some_thing{suffix}")
    exact = Fraction(repr(number)) * Fraction(factor)
    converted = scaled(number, factor)
    assert name.startswith("some_thing_")
    assert converted == (int(exact) if exact.denominator == 1 else float(exact))
    assert isinstance(converted, int) == (exact.denominator == 1)


@given(st.integers(min_value=1, max_value=10**6), st.sampled_from(["_tflops", "_gib", "_mib", "_gb_per_s", "_w"]))
def test_whole_numbers_stay_whole(number: int, suffix: str) -> None:
    _, factor, _ = in_si("file", f"some_thing{suffix}")
    assert scaled(number, factor) == number * int(factor)


@pytest.mark.parametrize(
    "key", ["memory_tib", "speed_gflops", "tflops", "_tflops", "link_tb_per_s", "cores", "a-b_w", "5"]
)
def test_an_unknown_unit_is_refused(tmp_path: Path, key: str) -> None:
    message = refusal(tmp_path / "gpu.yaml", f"{PLAIN}  {key}: {{value: 1, source: a document}}\n")
    if key != "_tflops":
        assert key in message
    assert "unit" in message
    assert "_tflops" in message


@pytest.mark.parametrize("bad", ["0", "-1", "true", "fast", "'10'", ".inf", ".nan", "null", "[1]", '"a\\nb"'])
def test_a_value_must_be_a_positive_number(tmp_path: Path, bad: str) -> None:
    message = refusal(tmp_path / "gpu.yaml", PLAIN.replace("value: 10,", f"value: {bad},"))
    assert "'tensor_bf16_tflops'" in message
    assert "positive number" in message


@pytest.mark.parametrize("key", ["cuda_fp32_tflops", "memory_bandwidth_gb_per_s"])
def test_a_required_number_is_missed(tmp_path: Path, key: str) -> None:
    message = refusal(tmp_path / "gpu.yaml", PLAIN.replace(key, f"other_{key}"))
    assert f"'{key}' is missing" in message


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("title: A GPU", "titel: A GPU", ["unknown key 'titel'", "did you mean title?"]),
        ("title: A GPU\n", "", ["'title' is missing"]),
        ("title: A GPU", "title: 5090", ["title is 5090"]),
        ("title: A GPU", "title: ''", ["title is ''"]),
        ("chip: X1", "chip: 12.0", ["chip is 12.0"]),
        ("chip: X1", "notes: a sentence", ["notes", "list"]),
        ("chip: X1", "notes: [1]", ["notes: 1 is 1; write a sentence"]),
        ("value: 10, source: a document", "value: 10", ["'tensor_bf16_tflops'", "'source' is missing"]),
        ("value: 10, source: a document", "source: a document", ["'tensor_bf16_tflops'", "'value' is missing"]),
        ("value: 10, source: a document", "value: 10, source: ''", ["'tensor_bf16_tflops'", "source is ''"]),
        ("value: 10, source: a document", "value: 10, source: 3", ["'tensor_bf16_tflops'", "source is 3"]),
        (
            "value: 10,",
            "value: 10, soruce: b,",
            ["'tensor_bf16_tflops'", "unknown key 'soruce'", "did you mean source?"],
        ),
        (
            "value: 10,",
            "value: 10, unverified: 1,",
            ["'tensor_bf16_tflops'", "unverified: expected true or false, found 1"],
        ),
        ("value: 10,", "value: 10, disagree: 11,", ["'tensor_bf16_tflops': disagree: expected a list, found 11"]),
        ("value: 10,", "value: 10, disagree: [11],", ["disagree: 1: expected a mapping", "(value, source)"]),
        ("value: 10,", "value: 10, disagree: [{value: 11}],", ["disagree: 1: the key 'source' is missing"]),
        ("value: 10,", "value: 10, disagree: [{value: 0, source: b}],", ["disagree: 1: value is 0", "positive"]),
        ("{value: 10, source: a document}", "10", ["'tensor_bf16_tflops'", "mapping", "value, source"]),
        ("value: 10,", "value: 10, value: 11,", ["line 5", "'value' stands twice"]),
    ],
)
def test_a_broken_file_is_refused(tmp_path: Path, old: str, new: str, says: list[str]) -> None:
    assert old in PLAIN
    message = refusal(tmp_path / "gpu.yaml", PLAIN.replace(old, new, 1))
    assert all(part in message for part in says), message


@pytest.mark.parametrize("text", ["", "- a list\n", "a word\n"])
def test_a_file_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    assert "title, numbers" in refusal(tmp_path / "gpu.yaml", text)


@pytest.mark.parametrize("numbers", ["", "[1, 2]", "3"])
def test_numbers_that_are_no_mapping_are_refused(tmp_path: Path, numbers: str) -> None:
    assert ": numbers: must map" in refusal(tmp_path / "gpu.yaml", f"title: A GPU\nnumbers: {numbers}\n")


def test_two_keys_with_one_si_name_are_refused(tmp_path: Path) -> None:
    twice = "  memory_capacity_gib: {value: 32, source: a}\n  memory_capacity_gb: {value: 32, source: a}\n"
    message = refusal(tmp_path / "gpu.yaml", PLAIN + twice)
    assert "'memory_capacity_gb'" in message
    assert "'memory_capacity_gib'" in message
    assert "'memory_capacity_bytes'" in message


def test_an_unknown_gpu_is_refused_with_the_nearest_name() -> None:
    with pytest.raises(UserError, match="unknown GPU 'rtx5091': did you mean rtx5090"):
        load_gpu("rtx5091")
    with pytest.raises(UserError, match=r"nowhere\.yaml: no such GPU file"):
        load_gpu("nowhere.yaml")


def test_a_users_folder_adds_gpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "hardware" / "mine.yaml", PLAIN)
    monkeypatch.setenv("DSOCR_PATH", str(tmp_path))
    assert load_gpu("mine").title == "A GPU"
    assert load_gpu("rtx5090").title == GPUS["rtx5090"].title
    assert [gpu.name for gpu in load_gpus()] == sorted([*NAMES, "mine"])


def test_a_users_gpu_cannot_shadow_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "hardware" / "rtx5090.yaml", PLAIN)
    monkeypatch.setenv("DSOCR_PATH", str(tmp_path))
    for load in (lambda: load_gpu("rtx5090"), load_gpus):
        with pytest.raises(UserError, match="the name 'rtx5090' is taken by"):
            load()


def test_importing_the_module_imports_nothing_slow() -> None:
    heavy = "{'cattrs', 'numpy', 'sympy', 'click', 'rich', 'difflib'}"
    code = "import sys, dsocr_symbolic.scenario.hardware as h; h.load_gpu('l4');"
    code += f" print(sorted({heavy} & set(sys.modules)))"
    top = FOLDER.parent
    done = subprocess.run([sys.executable, "-c", code], cwd=top, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@EVERY_GPU
def test_a_symbol_has_the_unit_of_the_number_that_it_stands_for(gpu: Gpu) -> None:
    for name, quantity in load_machine().items():
        for key in quantity.gpu:
            unit = gpu.numbers[key].unit if key in gpu.numbers else quantity.unit
            assert unit.removesuffix("/SM").removeprefix("1") == quantity.unit, name
