"""Whole networks against transformers: every number that a model file claims, at odd sizes and at published ones."""

import json
from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch", reason="counting needs PyTorch")
pytest.importorskip("transformers", reason="networks are built by transformers")

from attrs import evolve  # noqa: E402
from test_cli import dsocr  # noqa: E402
from torch.utils.flop_counter import FlopCounterMode  # noqa: E402

from dsocr_symbolic.evaluation.answer import answer  # noqa: E402
from dsocr_symbolic.language.lookup import find_definition  # noqa: E402
from dsocr_symbolic.scenario.configs import find_network  # noqa: E402
from dsocr_symbolic.scenario.scenario import make_scenario  # noqa: E402
from dsocr_symbolic.verification.calls.comparison import FUNCTION_COSTS  # noqa: E402
from dsocr_symbolic.verification.networks.comparison import across_edges, compared, networks_file, summed_up  # noqa: E402
from dsocr_symbolic.verification.networks.oracle import build  # noqa: E402
from dsocr_symbolic.verification.reference.trace import OperatorTrace  # noqa: E402

ROOT = Path(__file__).parent.parent.parent
CONFIGS = [(name, config) for name, configs in networks_file().networks.items() for config in configs]
# Across the edge of the windows, and with several requests.
WORKLOADS = [(2, 5, 3), (1, 3, 6)]


@pytest.mark.parametrize(("name", "config"), CONFIGS, ids=[f"{name}, {config.name}" for name, config in CONFIGS])
def test_every_number_that_a_file_claims_is_counted(name: str, config: Any, tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(dict(config.values)))
    assert find_network(path).name == name
    backward = config.backward and name in ("llama", "qwen3_moe")
    counts = list(compared(find_definition(name), path, config.name, WORKLOADS, backward=backward))
    assert [count for count in counts if not count.agrees] == []
    assert {"forward_tensor_core_flops", "forward_io_bytes", "parameters"} <= {count.metric for count in counts}
    exact = [count for count in counts if count.metric != "forward_activation_bytes"]
    assert all(count.exact for count in exact)


def test_every_network_is_proven_in_fp32() -> None:
    proven = {name for name, config in CONFIGS if "float32" in config.values.values()}
    assert proven == {*networks_file().networks}


@pytest.mark.parametrize(("heads", "kv_heads"), [(5, 1), (1, 1), (4, 2)])
@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_a_gradient_step_of_heads_that_share_keys_agrees(heads: int, kv_heads: int, dtype: str, tmp_path: Path) -> None:
    sizes = {"hidden_size": 20, "head_dim": 6, "num_hidden_layers": 2, "intermediate_size": 13, "vocab_size": 50}
    shared = {"num_attention_heads": heads, "num_key_value_heads": kv_heads, "dtype": dtype}
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"model_type": "llama", **sizes, **shared}))
    workloads = [(batch, tokens, 0) for batch in (1, 2, 8) for tokens in (1, 5)]
    counts = list(compared(find_definition("llama"), path, "shared", workloads))
    assert [count for count in counts if not count.exact] == []
    assert {count.stage for count in counts if count.metric == "backward_io_bytes"} == {"prefill"}


def test_a_user_s_window_is_crossed(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    sizes = next(config.values for name, config in CONFIGS if name == "mistral")
    path.write_text(json.dumps({**sizes, "sliding_window": 1000}))
    definition = find_definition("mistral")
    edges = across_edges(definition, path)
    assert edges[-2:] == ((1, 998, 4), (2, 1001, 2))
    assert [
        count for count in compared(definition, path, "window", edges[-2:], backward=False) if not count.agrees
    ] == []


@pytest.mark.parametrize("name", ["llama-3.1-8b", "mixtral-8x7b", "deepseek-v2-lite"])
def test_published_networks_agree_at_large_sizes(name: str) -> None:
    path = ROOT / "examples" / f"{name}.json"
    counts = list(compared(find_network(path), path, name, [(8, 8192, 1)], backward=False))
    assert [count for count in counts if not count.exact] == []


def test_a_number_that_is_one_off_is_seen() -> None:
    path = ROOT / "examples" / "llama-3.1-8b.json"
    (count, *others) = compared(find_network(path), path, "llama", [(1, 1, 0)], backward=False)
    wrong = evolve(count, formula=count.formula + 1)
    assert not wrong.agrees
    rows = summed_up([wrong, *others])["llama"]["metrics"]
    assert rows[count.metric]["differing"] == 1


def test_the_command_compares_one_network(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    name, config = CONFIGS[0]
    path.write_text(json.dumps(dict(config.values)))
    found = dsocr("verify", "--config", str(path))
    assert found.status == 0
    assert f"{name}: " in found.out
    assert "1 config compared, 0 differ" in found.out
    assert dsocr("verify", "--model", "deepseek-ocr").status == 2


def test_absorbed_latent_attention_gives_the_same_result_in_the_products_that_are_counted(tmp_path: Path) -> None:
    config = next(config for name, config in CONFIGS if name == "deepseek_v2")
    network = build(find_definition("deepseek_v2"), config.values)
    sizes = network.config
    heads, rank, rope = sizes.num_attention_heads, sizes.kv_lora_rank, sizes.qk_rope_head_dim
    nope, width, batch, keys = sizes.qk_nope_head_dim, sizes.v_head_dim, 2, 7
    torch.manual_seed(3)
    expand = torch.randn(heads, nope + width, rank, dtype=torch.float64)
    q_nope, q_rope = (torch.randn(batch, heads, keys, size, dtype=torch.float64) for size in (nope, rope))
    latents, k_rope = (torch.randn(batch, keys, size, dtype=torch.float64) for size in (rank, rope))
    to_keys, to_values = expand[:, :nope], expand[:, nope:]
    mask = torch.full((keys, keys), float("-inf"), dtype=torch.float64).triu(1)

    def softened(scores: Any) -> Any:
        return torch.softmax(scores + mask, -1)

    all_keys = torch.einsum("btr,hnr->bhtn", latents, to_keys)
    scores = q_nope @ all_keys.transpose(2, 3) + q_rope @ k_rope.unsqueeze(1).transpose(2, 3)
    expanded = softened(scores) @ torch.einsum("btr,hvr->bhtv", latents, to_values)

    with FlopCounterMode(display=False) as counter:
        absorbed = torch.bmm(q_nope.transpose(0, 1).reshape(heads, batch * keys, nope), to_keys)
        queries = torch.cat([absorbed.view(heads, batch, keys, rank).transpose(0, 1), q_rope], -1)
        met = torch.cat([latents, k_rope], -1).transpose(1, 2)
        raw = torch.bmm(queries.reshape(batch, heads * keys, rank + rope), met).view(batch, heads, keys, keys)
        summed = torch.bmm(softened(raw).reshape(batch, heads * keys, keys), latents)
        rows = summed.view(batch, heads, keys, rank).transpose(0, 1).reshape(heads, batch * keys, rank)
        result = torch.bmm(rows, to_values.transpose(1, 2)).view(heads, batch, keys, width).transpose(0, 1)
    assert torch.allclose(result, expanded)

    path = tmp_path / "config.json"
    path.write_text(json.dumps(dict(config.values)))
    scenario = make_scenario(
        definition=find_definition("deepseek_v2"),
        config=path,
        choices={"attention": "absorbed"},
        settings={"batch": batch, "prompt_tokens": keys},
    )
    flops = {node.row.path: node.metrics["forward_tensor_core_flops"] for node in answer(scenario).nodes}
    part = "prefill/model/layers.dense/self_attn"
    counted = sum(flops[f"{part}/{name}"] for name in ("absorb", "product", "values", "expand"))
    assert counted == counter.get_total_flops()


def test_the_decoder_of_the_second_deepseek_ocr_is_counted_without_its_head(tmp_path: Path) -> None:
    from transformers import DynamicCache
    from transformers.models.deepseek_ocr2 import configuration_deepseek_ocr2, modeling_deepseek_ocr2

    sizes = {"hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 6, "intermediate_size": 40}
    experts = {"moe_intermediate_size": 10, "n_routed_experts": 8, "num_experts_per_tok": 3, "n_shared_experts": 2}
    kinds = ["dense", "sparse", "sparse"]
    raw = {"model_type": "deepseek_ocr2_text", "vocab_size": 50, "mlp_layer_types": kinds, **sizes, **experts}
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"model_type": "deepseek_ocr2", "text_config": raw}))
    definition = find_network(path)
    assert definition.name == "deepseek_ocr2_text"
    settings = {"batch": 2, "prompt_tokens": 5, "new_tokens": 2, **FUNCTION_COSTS}
    ours = {
        node.row.path: node.metrics
        for node in answer(make_scenario(definition=definition, config=path, settings=settings)).nodes
    }
    with torch.device("meta"), torch.no_grad():
        config = configuration_deepseek_ocr2.DeepseekOcr2TextConfig.from_dict(raw)
        model = modeling_deepseek_ocr2.DeepseekOcr2TextModel._from_config(
            config, dtype=torch.bfloat16, attn_implementation="eager"
        ).eval()
        model.set_experts_implementation("batched_mm")
        cache, totals = DynamicCache(config=config), []
        for tokens in (5, 1, 1):
            with OperatorTrace() as trace:
                model(input_ids=torch.empty(2, tokens, dtype=torch.long), cache=cache, use_cache=True)
            totals.append(trace.total)
    for stage, counted in (("prefill", totals[:1]), ("decode", totals[1:])):
        numbers = ours[f"{stage}/model"]
        assert numbers["forward_tensor_core_flops"] == sum(each.tensor_core_flops for each in counted)
        assert numbers["forward_cuda_core_flops"] == sum(each.cuda_core_flops for each in counted)
        assert numbers["forward_io_bytes"] == sum(each.io_bytes for each in counted)
        assert numbers["operator_launches"] == sum(each.launches for each in counted)
    assert ours["prefill/model"]["parameters"] == sum(parameter.numel() for parameter in model.parameters())
    kept = sum(tensor.nbytes for layer in cache.layers for tensor in (layer.keys, layer.values))
    assert ours["decode"]["forward_kv_cache_bytes"] == kept
