"""Compiled code: what the host takes for each part of it, written to a machine file, priced where code is compiled."""

import pytest

pytest.importorskip("torch", reason="measuring needs torch (the extra 'verify')")

import torch
import yaml
from conftest import evaluate_model

from dsocr_symbolic.language.files.calibration_file import GridFile
from dsocr_symbolic.measurement.fit import Fitted
from dsocr_symbolic.measurement.grid import load_grid
from dsocr_symbolic.measurement.host import HostCost
from dsocr_symbolic.measurement.kernels import GpuFacts
from dsocr_symbolic.measurement.machine_file import machine_file
from dsocr_symbolic.measurement.served.compiled import block_chain
from dsocr_symbolic.measurement.served.stacks import KINDS, SERVED, compiled_calls, host_shares
from dsocr_symbolic.measurement.streams import GraphCost, StreamCost
from dsocr_symbolic.verification.calls.comparison import formula_numbers

FACTS = GpuFacts(name="NVIDIA H200", torch="2.11.0", cuda="13.0", driver="1", multiprocessors=132, date="2026-11-30")
PARTS = {"frame": 40e-6, "kernel": 15e-6, "call": 60e-6, "passes": 50e-6, "between": 110e-6}


def test_a_chain_of_blocks_gives_what_its_blocks_give() -> None:
    run = block_chain(2, "cpu", compiles=False)
    with torch.inference_mode():
        first = run()
    # One graph serves whoever calls: no tensor of inference comes out.
    assert not first.is_inference()
    assert not first.requires_grad
    torch.testing.assert_close(run(), first)


def _cost(name: str, wall_s: float, work: dict[str, int] | None = None) -> HostCost:
    launches = 54
    return HostCost(
        name=name,
        launches=launches,
        device_s=1e-4,
        wall_s=(wall_s,),
        per_launch_s=wall_s / launches,
        spread=0.0,
        work=work or {},
    )


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


def _seconds(work: dict[str, int]) -> float:
    return sum(PARTS[kind] * number for kind, number in work.items())


def test_stacks_tell_what_each_part_of_the_host_takes() -> None:
    work = [dict(each) for _, each in compiled_calls("cpu", compiles=False).values()]
    found = host_shares(work, [_seconds(each) for each in work])
    assert found == pytest.approx({KINDS[kind]: seconds for kind, seconds in PARTS.items()}, rel=1e-6)
    # What takes nothing is 0, never less.
    slower = [{**each, "passes": 0} for each in work]
    assert host_shares(slower, [_seconds(each) for each in slower])["sort_passes"] == 0


@pytest.mark.parametrize("name", ["served_dense", "served_routed"])
def test_a_served_stack_is_counted_as_the_formulas_count_it(name: str) -> None:
    config, work = SERVED[name], dict(compiled_calls("cpu", compiles=False)[name][1])
    sizes = ("hidden_size", "num_attention_heads", "num_hidden_layers", "first_k_dense_replace", "intermediate_size")
    sizes = (*sizes, "moe_intermediate_size", "n_shared_experts", "n_routed_experts", "num_experts_per_tok")
    settings = {each: getattr(config, each) for each in sizes} | {"batch": 1, "sequence": 170, "past": 0}
    whole = formula_numbers("served_language_model", settings, {"execution": "served"})
    launched = sum(work[kind] for kind in ("kernel", "call", "between"))
    assert launched == whole.total["operator_launches"]


def test_a_machine_file_has_it_where_it_was_measured() -> None:
    grid, plain = load_grid(), [_cost("decoder", 16e-6), _cost("vision", 22e-6)]
    assert not {f"{name}_us" for name in KINDS.values()} & _constants(grid, *plain).keys()
    calls = compiled_calls("cpu", compiles=False)
    stacks = [_cost(name, 1e-5 + _seconds(dict(work)), dict(work)) for name, (_, work) in calls.items()]
    found = _constants(grid, *plain, *stacks)
    # A wait is taken off each wall.
    assert found["compiled_frame_us"] == {"value": 40.0, "records": [f"host {name}" for name in calls]}
    assert found["between_launch_us"]["value"] == 110.0


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
