"""Tensor Core FLOPs of the reference network against the published anchors, forward and backward."""

from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="the reference network needs torch (the rest of the package does not)")

from torch.utils.flop_counter import FlopCounterMode, flop_registry  # noqa: E402

from dsocr_symbolic.verification.reference.build import build  # noqa: E402
from dsocr_symbolic.verification.reference.config import DecoderConfig, OcrConfig  # noqa: E402
from dsocr_symbolic.verification.reference.deepseek_ocr import DeepseekOCRForCausalLM, Views  # noqa: E402
from dsocr_symbolic.verification.reference.llama import KeyValueCache  # noqa: E402
from dsocr_symbolic.verification.reference.trace import OperatorTrace  # noqa: E402

ROPE_PER_TOKEN = 128


class Flops(torch.utils._python_dispatch.TorchDispatchMode):
    """PyTorch's own formulas without its tree of modules, which takes most of the time."""

    def __init__(self) -> None:
        super().__init__()
        self.by_kind: Counter[str] = Counter()

    def __torch_dispatch__(self, operator: Any, _: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = operator(*args, **(kwargs or {}))
        kind = operator._overloadpacket
        if kind in flop_registry:
            self.by_kind[str(kind).removeprefix("aten.")] += flop_registry[kind](
                *args, **(kwargs or {}), out_val=result
            )
        return result

    @property
    def total(self) -> int:
        return sum(self.by_kind.values())


@pytest.fixture(scope="module", params=["flash", "eager"])
def network(request: pytest.FixtureRequest) -> DeepseekOCRForCausalLM:
    return build(OcrConfig(decoder=DecoderConfig(attention=request.param)))


@pytest.fixture(scope="module")
def vision() -> torch.nn.Module:
    return build().model


def empty(*shape: int, grad: bool = False) -> torch.Tensor:
    return torch.empty(*shape, dtype=torch.bfloat16, device="meta", requires_grad=grad)


def count(call: Callable[..., torch.Tensor], *args: torch.Tensor, **kwargs: object) -> Flops:
    with torch.no_grad(), Flops() as counter:
        call(*args, **kwargs)
    return counter


def backward(call: Callable[[], torch.Tensor]) -> int:
    out = call()
    with Flops() as counter:
        out.sum().backward()
    return counter.total


def test_the_counter_is_that_of_pytorch(vision: torch.nn.Module) -> None:
    pixels = empty(1, 3, 128, 128)
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        vision.vision_features(pixels)
    whole = counter.get_flop_counts()["Global"]
    assert count(vision.vision_features, pixels).by_kind == {
        str(kind).removeprefix("aten."): flops for kind, flops in whole.items()
    }


@pytest.mark.parametrize(
    ("side", "sam", "clip", "projector"),
    [(640, 325_620_793_344, 62_004_756_480, 524_288_000), (1024, 976_909_172_736, 161_715_683_328, 1_342_177_280)],
)
def test_vision_anchors(vision: torch.nn.Module, side: int, sam: int, clip: int, projector: int) -> None:
    grid = side // 64
    assert count(vision.sam_model, empty(1, 3, side, side)).total == sam
    assert count(vision.vision_model, empty(1, 1024, grid, grid)).total == clip
    assert count(vision.projector, empty(1, grid**2, 2048)).total == projector
    assert count(vision.vision_features, empty(1, 3, side, side)).total == sam + clip + projector


def test_sam_anchors_by_kind(vision: torch.nn.Module) -> None:
    assert count(vision.sam_model, empty(1, 3, 1024, 1024)).by_kind == {
        "addmm": 726_134_685_696,
        "_scaled_dot_product_efficient_attention": 229_761_220_608,
        "convolution": 16_106_127_360,
        "bmm": 4_907_139_072,
    }


def test_vision_is_linear_in_crops(vision: torch.nn.Module) -> None:
    one, nine = (count(vision.vision_features, empty(n, 3, 640, 640)).total for n in (1, 9))
    assert nine == 9 * one


def test_prefill_anchors(network: DeepseekOCRForCausalLM) -> None:
    assert count(network.model, inputs_embeds=empty(1, 512, 1280)).total == 434_530_680_832
    assert count(network.logits, empty(1, 512, 1280)).total == 512 * 330_956_800


def test_layer_anchors(network: DeepseekOCRForCausalLM) -> None:
    dense, routed = network.model.layers[0], network.model.layers[1]
    with OperatorTrace(routed) as trace, torch.no_grad():
        routed.mlp(empty(1, 512, 1280))
    assert trace.total.tensor_core_flops == 512 * 55_214_080
    assert trace.under("mlp.gate").tensor_core_flops == 512 * 163_840
    assert trace.under("mlp.shared_experts").tensor_core_flops == 512 * 13_762_560
    assert trace.under("mlp.experts").tensor_core_flops == 512 * 6 * 6_881_280
    assert count(dense.mlp, empty(1, 512, 1280)).total == 512 * 52_592_640
    positions = torch.arange(512, device="meta").unsqueeze(0)
    attention = count(dense.self_attn, empty(3, 512, 1280), positions).total
    assert attention == 3 * 512 * 13_107_200 + 4 * 3 * 512 * 512 * 1280 + 128 * 512


def test_decode_anchors(network: DeepseekOCRForCausalLM) -> None:
    cache = KeyValueCache()
    for layer in range(12):
        cache.update(layer, empty(1, 10, 512, 128), empty(1, 10, 512, 128))
    assert count(network.model, inputs_embeds=empty(1, 1, 1280), cache=cache).total == 848_754_176
    assert cache.tokens == 513


@pytest.mark.parametrize("side", [640, 1024])
def test_vision_backward_is_twice_forward_and_two_and_a_half_times_in_attention(
    vision: torch.nn.Module, side: int
) -> None:
    grid = side // 64
    patches = 2 * (side // 16) ** 2 * 768 * 3 * 16**2
    forward = count(vision.sam_model, empty(1, 3, side, side)).by_kind
    attention = forward["_scaled_dot_product_efficient_attention"]
    expected = 2 * sum(forward.values()) + attention // 2 - patches
    assert backward(lambda: vision.sam_model(empty(1, 3, side, side))) == expected
    forward = count(vision.vision_model, empty(1, 1024, grid, grid)).by_kind
    attention = forward["_scaled_dot_product_flash_attention"]
    features = empty(1, 1024, grid, grid, grad=True)
    assert backward(lambda: vision.vision_model(features)) == 2 * sum(forward.values()) + attention // 2


# One layer of each kind, and one more: all further ones are like these.
LAYERS = 3


@pytest.mark.parametrize("attention", ["flash", "eager"])
def test_decoder_backward(attention: Any) -> None:
    network = build(OcrConfig(decoder=DecoderConfig(num_hidden_layers=LAYERS, attention=attention)))
    forward = count(network, inputs_embeds=empty(2, 96, 1280)).total
    scores = LAYERS * 4 * 2 * 96 * 96 * 1280
    fused = network.config.decoder.attention == "flash"
    expected = 2 * (forward - LAYERS * ROPE_PER_TOKEN * 96) + (scores // 2 if fused else 0)
    prompt = empty(2, 96, 1280, grad=True)
    network.train()
    assert count(network, inputs_embeds=empty(2, 96, 1280)).total == forward
    assert backward(lambda: network(inputs_embeds=prompt)) == expected


@pytest.mark.parametrize("whole_network", [True, False])
def test_every_parameter_that_runs_and_is_trained_receives_a_gradient(*, whole_network: bool) -> None:
    network = build(OcrConfig(decoder=DecoderConfig(num_hidden_layers=LAYERS))).train()
    network.model.trains_encoder = whole_network
    ids = torch.empty(1, 120, dtype=torch.int64, device="meta")
    whole, mask = empty(1, 3, 640, 640), torch.empty(1, 120, dtype=torch.bool, device="meta")
    network(ids, images=[Views(whole)], image_mask=mask).sum().backward()
    without = [name for name, parameter in network.named_parameters() if parameter.grad is None]
    never = ["model.vision_model.embeddings.patch_embedding.weight"]
    parts = (
        "model.sam_model.",
        "model.vision_model.",
        "model.projector.",
        "model.image_newline",
        "model.view_seperator",
    )
    frozen = [name for name, _ in network.named_parameters() if name.startswith(parts)]
    assert sorted(without) == sorted(never if whole_network else frozen)
