"""The reference network in fp32: a cast to fp32 is none there, forward, kept for the backward and in its own bytes."""

from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="counting needs PyTorch")

from attrs import evolve  # noqa: E402
from torch import Tensor  # noqa: E402

from dsocr_symbolic.verification.calls import bench as benches  # noqa: E402
from dsocr_symbolic.verification.calls.bench import Bench  # noqa: E402
from dsocr_symbolic.verification.calls.cases import Case, sampled_cases  # noqa: E402
from dsocr_symbolic.verification.calls.comparison import compare  # noqa: E402
from dsocr_symbolic.verification.calls.subjects import count_case  # noqa: E402
from dsocr_symbolic.verification.reference.build import default_dtype  # noqa: E402
from dsocr_symbolic.verification.training import TrainingBench, training_cases  # noqa: E402

WIDE = {"activation-dtype": "fp32", "weight-dtype": "fp32", "kv-dtype": "fp32"}
# A grouped product takes bf16 alone; operators name their dtypes; the whole, at published sizes, takes too long.
LEFT_OUT = ("operators/", "core/", "decoder/experts_grouped")


def _first(cases: tuple[Case, ...]) -> list[Case]:
    """Return one case of each layer."""
    plain = [case for case in cases if not case.layer.startswith(LEFT_OUT) and case.layer[0] != "p"]
    return list({case.layer: case for case in reversed(plain)}.values())


def _wide(kind: type[Bench], monkeypatch: pytest.MonkeyPatch) -> Bench:
    """Make a bench whose modules and tensors are of fp32 where the others' are of bf16."""

    class Wide(kind):  # type: ignore[valid-type,misc]
        def empty(self, *shape: int, size: int = 2) -> Tensor:
            made: Tensor = super().empty(*shape, size=4 if size == 2 else size)
            return made

        def constant(self, *shape: int) -> Tensor:
            return Bench.empty(self, *shape, size=4)

    monkeypatch.setattr(benches, "default_dtype", lambda _: default_dtype(torch.float32))
    made: Bench = Wide()
    return made


@pytest.mark.parametrize(
    ("kind", "cases"), [(Bench, sampled_cases), (TrainingBench, training_cases)], ids=["forward", "training"]
)
def test_every_layer_agrees_in_fp32(
    kind: type[Bench], cases: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    chosen = _first(tuple(cases()))
    assert len(chosen) > 5
    for case in chosen:
        wide = evolve(case, choices={**case.choices, **WIDE})
        verdict = compare(count_case(wide, _wide(kind, monkeypatch)))
        assert verdict.differences == (), case.layer


def test_counting_casts_in_fp32_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    case = next(case for case in sampled_cases() if case.layer == "decoder/deepseek_v2_rms_norm")
    counted = count_case(case, _wide(Bench, monkeypatch))
    assert "operator_launches" in {difference.name for difference in compare(counted).differences}
