"""Compiled code: counted by the kernels that a GPU ran, written to a machine file, priced where code is compiled."""

import pytest

pytest.importorskip("torch", reason="measuring needs torch (the extra 'verify')")

import torch
import yaml
from conftest import evaluate_model

from dsocr_symbolic.language.files.calibration_file import GridFile
from dsocr_symbolic.measurement.fit import Fitted
from dsocr_symbolic.measurement.grid import load_grid
from dsocr_symbolic.measurement.host import HostCost, launched
from dsocr_symbolic.measurement.kernels import GpuFacts, MeasuredKernel
from dsocr_symbolic.measurement.machine_file import machine_file
from dsocr_symbolic.measurement.served.compiled import LAUNCHES, block_chain
from dsocr_symbolic.measurement.streams import GraphCost, StreamCost

FACTS = GpuFacts(name="NVIDIA H200", torch="2.11.0", cuda="13.0", driver="1", multiprocessors=132, date="2026-11-30")
NAMES = (
    *("triton_per_fused_native_layer_norm_0", "nvjet_sm90_tst_32x64_64x16_2x1_v_bz_splitK_bias_TNN"),
    *("void cublasLt::splitKreduce_kernel<32, 16, int>", "Memset (Device)", "Memcpy DtoD (Device -> Device)"),
)


def test_what_a_library_runs_besides_is_not_launched() -> None:
    kernels = [MeasuredKernel(name=name, seconds=1e-6) for name in NAMES]
    assert launched(kernels) == 2
    assert launched([]) == 0


def test_a_chain_of_blocks_gives_what_its_blocks_give() -> None:
    run = block_chain(2, "cpu", compiles=False)
    with torch.inference_mode():
        first = run()
    # One graph serves whoever calls: no tensor of inference comes out.
    assert not first.is_inference()
    assert not first.requires_grad
    torch.testing.assert_close(run(), first)


def _cost(name: str, per_launch_s: float) -> HostCost:
    launches = 6 * LAUNCHES
    wall = per_launch_s * launches
    return HostCost(name=name, launches=launches, device_s=1e-4, wall_s=(wall,), per_launch_s=per_launch_s, spread=0.0)


def _constants(grid: GridFile, *costs: HostCost) -> dict[str, dict[str, object]]:
    text = machine_file(
        gpu="h200",
        facts=FACTS,
        command="dsocr calibrate",
        grid=grid,
        fitted=Fitted(constants={}, errors={}),
        busy={},
        host=(list(costs), StreamCost(wait_s=1e-5, gap_s=1e-6), GraphCost(per_kernel_s=1e-8, per_replay_s=1e-6)),
    )
    found: dict[str, dict[str, object]] = yaml.safe_load(text)["constants"]
    return found


def test_a_machine_file_has_it_where_it_was_measured() -> None:
    grid, plain = load_grid(), [_cost("decoder", 16e-6), _cost("vision", 22e-6)]
    assert "compiled_launch_us" not in _constants(grid, *plain)
    found = _constants(grid, *plain, _cost("compiled", 32e-6))
    assert found["compiled_launch_us"] == {"value": 32.0, "records": ["host compiled"]}


def test_launches_of_compiled_code_cost_what_they_were_measured_to() -> None:
    numbers = evaluate_model("gundam", gpu="h200").values.numbers
    slower = {"compiled_launch": 2 * numbers["compiled_launch"]}
    eager, slow_eager = evaluate_model("gundam", gpu="h200"), evaluate_model("gundam", slower, gpu="h200")
    assert slow_eager.total["wall_s"] == eager.total["wall_s"]
    served = evaluate_model("gundam", gpu="h200", execution="served")
    slow = evaluate_model("gundam", slower, gpu="h200", execution="served")
    for stage in ("vision", "prefill"):
        assert slow.stages[stage]["wall_s"] > served.stages[stage]["wall_s"]
        assert slow.stages[stage]["device_s"] == served.stages[stage]["device_s"]
    # Decode is replayed from graphs.
    assert slow.stages["decode"]["wall_s"] == pytest.approx(served.stages["decode"]["wall_s"])
