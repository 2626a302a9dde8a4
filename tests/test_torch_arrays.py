"""Tensors against numpy: one source, two algebras."""

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from dsocr_symbolic import UserError, load_model
from dsocr_symbolic.algebras import arithmetic

torch = pytest.importorskip("torch")

from dsocr_symbolic.algebras import torch_arrays  # noqa: E402

MODEL = load_model("deepseek-ocr", attention="eager", precision="autocast")
METRICS = ("forward_tensor_core_flops", "forward_io_bytes", "roofline_s", "forward_arithmetic_intensity", "parameters")
FEW = ("batch", "crop_columns", "crop_rows", "new_tokens", "prefill_experts_hit")
MANY = (*FEW, "base_size", "hidden_size", "vocab_size", "memory_bandwidth", "compute_efficiency", "n_routed_experts")
GOOD = {"batch": 2, "crop_columns": 3, "crop_rows": 2, "new_tokens": 0, "prefill_experts_hit": 20}


def _points(count: int) -> dict[str, Any]:
    rng = np.random.default_rng(3)
    grid = rng.integers(0, 3, count)
    return {
        "batch": rng.integers(1, 100, count),
        "crop_columns": np.array([0, 2, 3])[grid],
        "crop_rows": np.array([0, 1, 3])[grid],
        "new_tokens": rng.integers(0, 2000, count),
        "prefill_experts_hit": rng.uniform(10, 60, count),
    }


@pytest.mark.parametrize("over", [FEW, MANY], ids=["few", "many"])
def test_tensors_equal_numpy(over: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch_arrays, "BLOCK", 64)
    more = {"base_size": 640, "hidden_size": 1280, "vocab_size": 1000, "compute_efficiency": 0.3}
    more |= {"memory_bandwidth": 1.79e12, "n_routed_experts": 64}
    values = _points(200) | {name: more[name] for name in over if name in more}
    expected = MODEL.compile(METRICS, over)(**values)
    tensors = {name: torch.as_tensor(value) if name in FEW else value for name, value in values.items()}
    found = MODEL.compile(METRICS, over, backend="torch")(**tensors)
    for metric, parts in expected.items():
        for part, numbers in parts.items():
            assert found[metric][part].dtype == torch.float64
            np.testing.assert_allclose(found[metric][part].numpy(), numbers, rtol=1e-14, err_msg=f"{metric} {part}")


@pytest.mark.parametrize("kind", ["int8", "uint8", "int32", "int64", "float16", "float32"])
def test_tensors_of_any_width_do_not_wrap(kind: str) -> None:
    function = MODEL.compile("forward_tensor_core_flops", FEW, backend="torch")
    values = {name: torch.tensor([value], dtype=getattr(torch, kind)) for name, value in GOOD.items()}
    found = function(**values)["forward_tensor_core_flops"]["total"]
    exact = function(**GOOD)["forward_tensor_core_flops"]["total"]
    assert isinstance(exact, int)
    assert found.tolist() == [exact]


def test_lists_and_numpy_are_taken_in_float64() -> None:
    function = MODEL.compile("forward_io_bytes", FEW, backend="torch", by="total")
    exact = function(**{**GOOD, "prefill_experts_hit": 20.1})["forward_io_bytes"]["total"]
    for hits in ([20.1], np.array([20.1]), torch.tensor([20.1], dtype=torch.float64)):
        found = function(**{**GOOD, "prefill_experts_hit": hits})["forward_io_bytes"]["total"]
        assert found.item() == pytest.approx(exact, rel=1e-14)
    mixed = function(**{**GOOD, "prefill_experts_hit": 20.1, "batch": torch.tensor([2])})["forward_io_bytes"]["total"]
    assert mixed.item() == pytest.approx(exact, rel=1e-14)


@pytest.mark.parametrize(
    ("change", "hint"),
    [
        ({"batch": torch.tensor([1, 0])}, r"less than 1 .* \(point 1\)"),
        ({"batch": torch.tensor([1.5, 1])}, r"not a whole number .* \(point 0\)"),
        ({"batch": torch.tensor([1.0, math.nan])}, r"nan is not a number \(point 1\)"),
        ({"batch": torch.tensor([True])}, "a tensor of torch.bool"),
        ({"batch": torch.tensor([1j])}, "a tensor of torch.complex"),
        ({"crop_rows": torch.tensor([1, 2, 4])}, r"crops = 12, max_crops = 9 \(point 2\)"),
        ({"batch": torch.ones(2), "crop_rows": torch.ones(3)}, "do not go together"),
        ({"batch": torch.ones(2), "crop_rows": torch.ones(2, device="meta")}, "do not go together"),
    ],
)
def test_values_that_are_not_allowed_are_named(change: dict[str, Any], hint: str) -> None:
    function = MODEL.compile("forward_io_bytes", FEW, backend="torch")
    with pytest.raises(UserError, match=hint):
        function(**{**GOOD, **change})


LINES = st.lists(st.tuples(st.integers(0, 1000), st.integers(0, 50)), min_size=1, max_size=4)


@given(lines=LINES, last=st.integers(0, 60))
def test_sum_of_maxima_equals_exact_arithmetic(lines: list[tuple[int, int]], last: int) -> None:
    wide = [(torch.tensor([float(a), 1.0]), torch.tensor([float(b), 0.0])) for a, b in lines]
    found = torch_arrays.sum_maxima(wide, torch.tensor([float(last), 3.0], dtype=torch.float64))
    assert found[0].item() == pytest.approx(float(arithmetic.sum_maxima(lines, last)), rel=1e-12)
    assert found[1].item() == 3.0


def test_bare_numbers_mix_with_tensors() -> None:
    tensor = torch.tensor([1.0, 5.0], dtype=torch.float64)
    assert torch_arrays.maximum(2, tensor, 3).tolist() == [3, 5]
    assert torch_arrays.minimum(2, tensor, 3).tolist() == [1, 2]
    assert torch_arrays.maximum(2, 3).item() == 3
    assert torch_arrays.minimum(2, 3).item() == 2
    assert [torch_arrays.ceiling(1.5).item(), torch_arrays.floor(1.5).item()] == [2, 1]
    assert [torch_arrays.positive(0).item(), torch_arrays.nonzero(-1).item()] == [0, 1]
    assert torch_arrays.power(0.5, tensor).tolist() == [0.5, 0.03125]
