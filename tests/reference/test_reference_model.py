"""Names, parameters, values and cache of the reference network."""

import hashlib
import time
from collections.abc import Iterator

import pytest

torch = pytest.importorskip("torch", reason="the reference network needs torch (the rest of the package does not)")

from dsocr_symbolic.verification.reference.build import build  # noqa: E402
from dsocr_symbolic.verification.reference.config import ClipConfig, DecoderConfig, OcrConfig, SamConfig  # noqa: E402
from dsocr_symbolic.verification.reference.deepseek_ocr import DeepseekOCRForCausalLM, Views  # noqa: E402
from dsocr_symbolic.verification.reference.deepseek_v2 import DeepseekV2MoE, balanced_rows, rows_over  # noqa: E402
from dsocr_symbolic.verification.reference.llama import KeyValueCache  # noqa: E402

CHECKPOINT_NAMES_SHA256 = "c3bd0ecd3dacf3b8d6bc9a086ae866572e5653437df4ac7d4c4bb6da954331c9"
MLP = ("gate_proj", "up_proj", "down_proj")


@pytest.fixture(scope="module")
def network() -> DeepseekOCRForCausalLM:
    start = time.perf_counter()
    model = build()
    print(f"full-size reference built on the meta device in {time.perf_counter() - start:.2f} s")  # noqa: T201
    return model


def small(attention: str) -> DeepseekOCRForCausalLM:
    """Build a network of the same structure that runs on a CPU in milliseconds."""
    torch.manual_seed(0)
    config = OcrConfig(
        sam=SamConfig(
            hidden_size=16,
            num_layers=2,
            num_heads=2,
            mlp_size=32,
            window_size=3,
            global_layers=(1,),
            table_grid=8,
            neck_channels=4,
        ),
        clip=ClipConfig(image_size=28, hidden_size=16, num_layers=2, num_heads=2, mlp_size=32),
        decoder=DecoderConfig(
            vocab_size=50,
            hidden_size=16,
            intermediate_size=24,
            moe_intermediate_size=8,
            num_hidden_layers=3,
            num_attention_heads=2,
            n_routed_experts=5,
            num_experts_per_tok=2,
            attention=attention,
        ),
    )
    model = build(config, device="cpu", dtype=torch.float32)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return model


def checkpoint_names() -> Iterator[str]:
    yield from ("lm_head.weight", "model.embed_tokens.weight", "model.norm.weight")
    yield from ("model.image_newline", "model.view_seperator")
    yield from (f"model.projector.layers.{kind}" for kind in ("weight", "bias"))
    for layer in range(12):
        at = f"model.layers.{layer}"
        yield from (f"{at}.{norm}.weight" for norm in ("input_layernorm", "post_attention_layernorm"))
        yield from (f"{at}.self_attn.{name}_proj.weight" for name in "qkvo")
        if layer == 0:
            yield from (f"{at}.mlp.{name}.weight" for name in MLP)
        else:
            yield f"{at}.mlp.gate.weight"
            yield from (f"{at}.mlp.shared_experts.{name}.weight" for name in MLP)
            yield from (f"{at}.mlp.experts.{expert}.{name}.weight" for expert in range(64) for name in MLP)
    sam, clip = "model.sam_model", "model.vision_model"
    yield from (f"{sam}.{name}" for name in ("pos_embed", "patch_embed.proj.weight", "patch_embed.proj.bias"))
    yield from (f"{sam}.{name}.weight" for name in ("neck.0", "neck.1", "neck.2", "neck.3", "net_2", "net_3"))
    yield from (f"{sam}.{name}.bias" for name in ("neck.1", "neck.3"))
    for block in range(12):
        at = f"{sam}.blocks.{block}"
        yield from (f"{at}.attn.rel_pos_{axis}" for axis in "hw")
        modules = ("norm1", "norm2", "attn.qkv", "attn.proj", "mlp.lin1", "mlp.lin2")
        yield from (f"{at}.{module}.{kind}" for module in modules for kind in ("weight", "bias"))
    yield from (f"{clip}.pre_layrnorm.{kind}" for kind in ("weight", "bias"))
    yield from (f"{clip}.embeddings.{table}_embedding.weight" for table in ("patch", "position"))
    yield f"{clip}.embeddings.class_embedding"
    for layer in range(24):
        at = f"{clip}.transformer.layers.{layer}"
        modules = ("layer_norm1", "layer_norm2", "self_attn.qkv_proj", "self_attn.out_proj", "mlp.fc1", "mlp.fc2")
        yield from (f"{at}.{module}.{kind}" for module in modules for kind in ("weight", "bias"))


def test_tensor_names_are_the_checkpoints(network: DeepseekOCRForCausalLM) -> None:
    names = sorted(network.state_dict())
    assert len(names) == 2710
    assert names == sorted(checkpoint_names())
    assert hashlib.sha256("\n".join(names).encode()).hexdigest() == CHECKPOINT_NAMES_SHA256


def test_parameters_are_the_checkpoints(network: DeepseekOCRForCausalLM) -> None:
    def count(module: torch.nn.Module) -> int:
        return sum(parameter.numel() for parameter in module.parameters())

    model = network.model
    assert count(network) == 3_336_106_240
    assert sum(parameter.nbytes for parameter in network.parameters()) == 6_672_212_480
    assert count(model.sam_model) == 95_569_152
    assert count(model.vision_model) == 303_177_728
    assert count(model.vision_model.embeddings.patch_embedding) == 602_112
    assert count(model.projector) == 2_622_720
    assert model.image_newline.numel() == model.view_seperator.numel() == 1_280
    assert count(model.embed_tokens) == count(network.lm_head) == 165_478_400
    assert [count(layer) for layer in model.layers] == [32_852_480] + 11 * [233_720_320]
    assert count(model.norm) == 1_280


def test_positions_stay_wide_in_a_narrow_network(network: DeepseekOCRForCausalLM) -> None:
    assert network.model.layers[0].self_attn.rotary_emb.inv_freq.dtype == torch.float32
    assert {parameter.dtype for parameter in network.parameters()} == {torch.bfloat16}


def test_cache_holds_61440_bytes_per_token(network: DeepseekOCRForCausalLM) -> None:
    cache = KeyValueCache()
    prompt = torch.empty(2, 7, 1280, dtype=torch.bfloat16, device="meta")
    with torch.no_grad():
        network.model(inputs_embeds=prompt, cache=cache)
        assert (cache.tokens, cache.nbytes) == (7, 61_440 * 2 * 7)
        network.model(torch.empty(2, 1, dtype=torch.int64, device="meta"), cache=cache)
    assert (cache.tokens, cache.nbytes) == (8, 61_440 * 2 * 8)


@pytest.mark.parametrize(
    ("columns", "rows", "tokens"), [(2, 1, 483), (1, 2, 493), (3, 2, 893), (2, 3, 903), (3, 3, 1203)]
)
def test_an_image_becomes_the_known_number_of_tokens(
    network: DeepseekOCRForCausalLM, columns: int, rows: int, tokens: int
) -> None:
    whole = torch.empty(1, 3, 1024, 1024, dtype=torch.bfloat16, device="meta")
    crops = torch.empty(columns * rows, 3, 640, 640, dtype=torch.bfloat16, device="meta")
    with torch.no_grad():
        assert network.model.image_tokens(Views(whole, crops, columns, rows)).shape == (tokens, 1280)


@pytest.mark.parametrize(("side", "tokens"), [(512, 73), (640, 111), (1024, 273), (1280, 421)])
def test_a_single_view_becomes_the_known_number_of_tokens(
    network: DeepseekOCRForCausalLM, side: int, tokens: int
) -> None:
    whole = torch.empty(1, 3, side, side, dtype=torch.bfloat16, device="meta")
    with torch.no_grad():
        assert network.model.image_tokens(Views(whole)).shape == (tokens, 1280)


def test_whole_network_runs_on_the_meta_device(network: DeepseekOCRForCausalLM) -> None:
    whole = torch.empty(1, 3, 640, 640, dtype=torch.bfloat16, device="meta")
    ids = torch.empty(1, 121, dtype=torch.int64, device="meta")
    mask = torch.empty(1, 121, dtype=torch.bool, device="meta")
    with torch.no_grad():
        logits = network(ids, images=[Views(whole)], image_mask=mask)
    assert (logits.shape, logits.dtype) == ((1, 121, 129280), torch.float32)


def test_balanced_rows_hit_as_many_experts_as_they_can() -> None:
    assert balanced_rows(1, 6, 64) == [1] * 6 + [0] * 58
    assert balanced_rows(100, 6, 64) == [10] * 24 + [9] * 40
    assert rows_over(7)(2, 6, 64)[:8] == [2, 2, 2, 2, 2, 1, 1, 0]
    with pytest.raises(ValueError, match="cannot hit 5 experts"):
        rows_over(5)(2, 6, 64)


@pytest.mark.parametrize("attention", ["eager", "flash"])
def test_steps_with_a_cache_give_the_logits_of_one_pass(attention: str) -> None:
    network = small(attention)
    ids = torch.randint(0, 50, (2, 6))
    cache = KeyValueCache()
    with torch.no_grad():
        together = network(ids)
        steps = [network(part, cache=cache) for part in ids.split([4, 1, 1], dim=1)]
    torch.testing.assert_close(torch.cat(steps, dim=1), together, rtol=1e-4, atol=1e-5)


def test_eager_and_flash_agree() -> None:
    eager, flash = small("eager"), small("flash")
    flash.load_state_dict(eager.state_dict())
    pixels, crops = torch.randn(1, 3, 128, 128), torch.randn(2, 3, 64, 64)
    mask = torch.zeros(1, 13, dtype=torch.bool)
    mask[0, 1:11] = True
    ids = torch.randint(0, 50, (1, 13))
    with torch.no_grad():
        views = Views(pixels, crops, columns=2)
        one = eager(ids, images=[views], image_mask=mask)
        other = flash(ids, images=[views], image_mask=mask)
    torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-5)


def test_training_and_inference_branches_of_the_experts_agree() -> None:
    layer = small("flash").model.layers[1].mlp
    assert isinstance(layer, DeepseekV2MoE)
    x = torch.randn(2, 4, 16)
    inferred = layer(x)
    trained = layer.train()(x)
    torch.testing.assert_close(trained, inferred, rtol=1e-4, atol=1e-5)
    trained.sum().backward()
    assert layer.gate.weight.grad is not None


def test_flash_refuses_many_queries_to_a_cache() -> None:
    network, cache = small("flash"), KeyValueCache()
    ids = torch.randint(0, 50, (1, 3))
    network(ids, cache=cache)
    with pytest.raises(NotImplementedError, match="eager"):
        network(ids, cache=cache)


def test_ambiguous_inputs_are_refused() -> None:
    model = small("flash").model
    ids, embeds = torch.zeros(1, 2, dtype=torch.int64), torch.zeros(1, 2, 16)
    for arguments in ({}, {"input_ids": ids, "inputs_embeds": embeds}):
        with pytest.raises(ValueError, match="input_ids"):
            model(**arguments)
    with pytest.raises(ValueError, match="image_mask"):
        model(ids, images=[Views(torch.zeros(1, 3, 64, 64))])
