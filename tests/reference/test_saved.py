"""What autograd saves, on cases that can be counted by hand."""

from collections.abc import Callable

import pytest

pytest.importorskip("torch", reason="the reference network needs torch: pip install dsocr_symbolic[verify]")

import torch
from torch import Tensor, nn
from torch.nn import functional

from dsocr_symbolic.verification.reference.build import default_dtype
from dsocr_symbolic.verification.reference.config import DecoderConfig
from dsocr_symbolic.verification.reference.deepseek_v2 import DeepseekV2MoE, rows_over
from dsocr_symbolic.verification.reference.saved import SavedTensors, stand_in


def active(*shape: int) -> Tensor:
    return torch.empty(*shape, device="meta", requires_grad=True)


def saved(call: Callable[[], object], *excluded: Tensor) -> int:
    with torch.enable_grad(), SavedTensors(excluded) as found:
        out = call()
    del out
    return found.nbytes


def held(call: Callable[[], object], *excluded: Tensor) -> int:
    with torch.enable_grad(), SavedTensors(excluded) as found:
        out = call()
        held = found.nbytes
    del out
    return held


def test_a_linear_layer_saves_its_input_alone() -> None:
    linear = nn.Linear(5, 7, device="meta")
    x = active(3, 5)
    assert held(lambda: linear(x), *linear.parameters()) == 3 * 5 * 4
    assert held(lambda: linear(x)) == (3 * 5 + 5 * 7) * 4


def test_two_layers_save_their_input_once() -> None:
    first, second = nn.Linear(5, 7, device="meta"), nn.Linear(5, 9, device="meta")
    x = active(3, 5)
    assert held(lambda: (first(x), second(x)), *first.parameters(), *second.parameters()) == 3 * 5 * 4


@pytest.mark.parametrize(
    ("function", "elements"),
    [
        (lambda x: x + x, 0),
        (lambda x: x * 2, 0),
        (lambda x: x.clone().t().contiguous(), 0),
        (lambda x: torch.softmax(x, -1), 12),
        (functional.silu, 12),
        (functional.gelu, 12),
        (lambda x: x * torch.sigmoid(x), 24),
        (lambda x: x * torch.ones(3, 4, device="meta"), 12),
        (lambda x: x.pow(2), 12),
        (lambda x: functional.layer_norm(x, [4]), 12 + 2 * 3),
        (lambda x: x.to(torch.bfloat16), 0),
    ],
)
def test_operators_save_what_their_derivative_needs(function: Callable[[Tensor], Tensor], elements: int) -> None:
    x = active(3, 4)
    assert held(lambda: function(x)) == elements * 4


def test_a_view_saves_all_of_its_storage() -> None:
    x = active(3, 4)
    assert held(lambda: (x + 1).narrow(0, 0, 1).pow(2)) == 12 * 4


def test_what_leads_nowhere_is_not_saved() -> None:
    x = active(3, 4)

    def call() -> Tensor:
        (x + 1).pow(2)
        return x + 2

    assert held(call) == 0
    assert saved(lambda: (x + 1).pow(2)) == 0


def test_views_of_parameters_are_not_counted() -> None:
    weight, x = active(4, 3), active(3, 4)
    assert held(lambda: x @ weight, weight) == 12 * 4
    assert held(lambda: x.t() @ weight.t(), weight) == 12 * 4


def test_a_stand_in_counts_as_what_it_stands_for() -> None:
    x, mask = active(9), torch.empty(100, dtype=torch.bool, device="meta")
    places = stand_in(torch.empty(3, dtype=torch.int64, device="meta"), mask)
    assert held(lambda: torch.ops.aten.index(x, [places])) == 100


def test_experts_save_the_same_with_values_and_without() -> None:
    config = DecoderConfig(hidden_size=8, moe_intermediate_size=6, n_routed_experts=5, num_experts_per_tok=2)

    def found(device: str) -> int:
        torch.manual_seed(0)
        with default_dtype(torch.bfloat16), torch.device(device):
            moe, x = DeepseekV2MoE(config, rows_over(5)).train(), torch.randn(1, 7, 8, requires_grad=True)
        return held(lambda: moe(x), *moe.parameters())

    assert found("cpu") == found("meta") > 0


def test_gradients_are_the_same_as_without() -> None:
    torch.manual_seed(0)
    layer, x = nn.Sequential(nn.Linear(4, 4), nn.SiLU(), nn.Softmax(-1)), torch.randn(3, 4)
    layer(x).square().sum().backward()
    expected = [parameter.grad for parameter in layer.parameters()]
    layer.zero_grad(set_to_none=True)
    with SavedTensors() as found:
        out = layer(x)
    assert found.nbytes > 0
    out.square().sum().backward()
    assert all(torch.equal(a.grad, b) for a, b in zip(layer.parameters(), expected, strict=True))  # type: ignore[arg-type]
