"""The measuring script runs where there is no GPU: every case on a small network, with values and without."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

pytest.importorskip("torch", reason="the reference network needs torch: pip install dsocr_symbolic[verify]")

SCRIPT = Path(__file__).parent / "measure_memory.py"


@pytest.fixture
def script(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("measure_memory", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Dataclasses look their module up.
    monkeypatch.setitem(__import__("sys").modules, "measure_memory", module)
    spec.loader.exec_module(module)
    monkeypatch.setattr(module, "GRIDS", ((2, 1),))
    return module


def settings(case: dict[str, Any]) -> tuple[Any, ...]:
    return case["name"], sorted(case["settings"].items()), sorted(case["choices"].items())


def test_a_gpu_is_read_before_and_after_the_call(script: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    bytes_now = {"allocated": 100, "peak": 100, "requested_bytes.all.current": 90, "requested_bytes.all.peak": 90}

    def call() -> str:
        assert not torch.is_grad_enabled()
        bytes_now.update({"allocated": 150, "peak": 400, "requested_bytes.all.peak": 380})
        return "result"

    for name, answer in {
        "memory_allocated": lambda: bytes_now["allocated"],
        "max_memory_allocated": lambda: bytes_now["peak"],
        "memory_stats": lambda: bytes_now,
        "memory_reserved": lambda: 1000,
        "max_memory_reserved": lambda: 3000,
        **dict.fromkeys(("synchronize", "empty_cache", "reset_peak_memory_stats"), lambda: None),
    }.items():
        assert hasattr(torch.cuda, name)
        monkeypatch.setattr(torch.cuda, name, answer)
    expected = {"peak_bytes": 300, "requested_bytes": 290, "end_bytes": 50, "reserved_bytes": 2000}
    assert script.peak_on_cuda(call) == script.CudaPeak(**expected)


def test_cases_are_the_same_with_values_and_without(
    script: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = {}
    for device in ("meta", "cpu"):
        out = tmp_path / f"{device}.json"
        found[device] = script.main(["--device", device, "--tiny", "--out", str(out)])
        assert json.loads(out.read_text()) == found[device] == json.loads(capsys.readouterr().out)
        assert found[device]["finished"]
    meta, cpu = found["meta"]["cases"], found["cpu"]["cases"]
    assert [case for case in meta + cpu if "error" in case] == []
    assert list(map(settings, meta)) == list(map(settings, cpu))
    assert {case["name"].partition("/")[0] for case in cpu} == {"vision", "decoder", "prefill"}
    assert all(case["peak_bytes"] >= case["end_bytes"] > 0 for case in meta + cpu)
    # Routers choose experts only where there are values.
    routed = [case["experts_hit"] for case in cpu if case["name"] == "prefill"]
    assert routed
    assert all(0 < each <= 8 for layers in routed for each in layers)
    assert all(case["experts_hit"] is None for case in meta)


def test_a_case_that_fails_says_why_and_others_go_on(script: ModuleType) -> None:
    def fails() -> None:
        raise ValueError("no such size")

    import torch

    run = script.Run(
        device="cpu", config=script.tiny(), sizes=(64,), batches=(1,), crop=64, base=128, prompts=((1, 3),)
    )
    case = script.Case(name="vision/block", settings={"batch": 1}, run=fails, module=torch.nn.Module())
    assert script.measure(run, case)["error"] == "ValueError: no such size"


def test_no_case_starts_when_time_is_up(script: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    found = script.main(["--device", "meta", "--tiny", "--seconds", "0"])
    capsys.readouterr()
    assert {case["error"] for case in found["cases"]} == {"no time left"}
