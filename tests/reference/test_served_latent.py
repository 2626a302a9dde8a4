"""DeepSeek-V2 as servers run it: transformers' results, and every launch and byte that the formulas say."""

import json
from collections import Counter
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import pytest

torch = pytest.importorskip("torch", reason="counting needs PyTorch")
transformers = pytest.importorskip("transformers", reason="networks are built by transformers")

from hypothesis import Phase, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402

from dsocr_symbolic.evaluation.answer import answer  # noqa: E402
from dsocr_symbolic.language.lookup import find_definition  # noqa: E402
from dsocr_symbolic.scenario.scenario import make_scenario  # noqa: E402
from dsocr_symbolic.verification.calls.comparison import FUNCTION_COSTS  # noqa: E402
from dsocr_symbolic.verification.networks.oracle import build  # noqa: E402
from dsocr_symbolic.verification.reference.deepseek_v2 import balanced_rows  # noqa: E402
from dsocr_symbolic.verification.reference.trace import OperatorTrace, Traffic  # noqa: E402
from dsocr_symbolic.verification.served.gemma import Kernels, step_places  # noqa: E402
from dsocr_symbolic.verification.served.latent import LAUNCHED, PLAIN, ServedLatentDecoder  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

# A grouped product wants rows of 16 bytes.
SIZES = {
    "model_type": "deepseek_v2",
    "hidden_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 6,
    "num_key_value_heads": 6,
    "intermediate_size": 40,
    "vocab_size": 50,
    "first_k_dense_replace": 1,
    "moe_intermediate_size": 16,
    "n_routed_experts": 8,
    "num_experts_per_tok": 3,
    "n_shared_experts": 2,
    "kv_lora_rank": 9,
    "q_lora_rank": None,
    "qk_nope_head_dim": 5,
    "qk_rope_head_dim": 4,
    "v_head_dim": 3,
}
GROUPED = {
    **SIZES,
    "q_lora_rank": 7,
    "n_group": 4,
    "topk_group": 2,
    "topk_method": "group_limited_greedy",
    "attention_bias": True,
    "mlp_bias": True,
    "routed_scaling_factor": 16.0,
}
CONFIGS = {"direct queries": SIZES, "narrow queries, groups, biases": GROUPED}
KERNELS = {"compiler": Kernels(by_name=LAUNCHED), "fused": Kernels(by_name=LAUNCHED, engine=True)}
# fp32, sums in another order.
CLOSE = {"rtol": 1e-4, "atol": 1e-4}
BATCH, TOKENS = 2, 11
METRICS = ("forward_tensor_core_flops", "forward_io_bytes", "operator_launches")
# One formula stands for a norm and for the one that a router reads as well.
ALIAS = {"widened_add_rms_norm": "fused_add_rms_norm", "compiled_widened_norm": "compiled_residual_norm"}


@pytest.fixture(scope="module", params=CONFIGS.values(), ids=CONFIGS)
def network(request: pytest.FixtureRequest) -> Any:
    torch.manual_seed(0)
    # With values, complex numbers want even strides.
    sizes = {**request.param, "kv_lora_rank": 10, "qk_nope_head_dim": 6}
    made = transformers.DeepseekV2ForCausalLM(transformers.DeepseekV2Config(**sizes)).float().eval()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return made


@torch.no_grad()
@pytest.mark.parametrize("cuts", [(11,), (3, 8), (1, 10), (5, 1, 1, 1, 3)])
@pytest.mark.parametrize("kind", KERNELS)
@pytest.mark.parametrize("by_name", [LAUNCHED, PLAIN], ids=["kernels", "steps"])
def test_logits_are_those_of_transformers(network: Any, cuts: tuple[int, ...], kind: str, by_name: Any) -> None:
    ids = torch.randint(SIZES["vocab_size"], (BATCH, TOKENS), generator=torch.Generator().manual_seed(1))
    expected = network(ids).logits
    served = ServedLatentDecoder(network, positions=32)
    pages, past = served.new_pages(BATCH, TOKENS), 0
    kernels = Kernels(by_name=by_name, engine=KERNELS[kind].engine)
    for tokens in cuts:
        places = step_places(pages[0], BATCH, tokens, past)
        rows = served.embed(ids[:, past : past + tokens].reshape(-1))
        normed = served(rows, pages, past, kernels=kernels, places=places)
        past += tokens
        torch.testing.assert_close(served.logits(normed, BATCH), expected[:, past - 1], **CLOSE)


def _hit(experts: int, chosen: int, tokens: int) -> Fraction:
    """Return the distinct experts that so many tokens choose on average."""
    return experts * (1 - (1 - Fraction(chosen, experts)) ** tokens)


def _counted(
    served: Any, kernels: Kernels, sizes: dict[str, Any], workload: dict[str, int]
) -> dict[str, dict[str, Counter[str]]]:
    """Trace every forward without values: by stage and operator, with the experts that are hit on average."""
    batch, prompt = workload["batch"], workload["prompt_tokens"]
    prefix, chunk, new = workload["cached_tokens"], workload["chunk_tokens"], workload["new_tokens"]
    cuts = [("prefill", past, min(chunk, prompt - past)) for past in range(prefix, prompt, chunk)]
    steps = [("decode", prompt + step, 1) for step in range(new)]
    experts, chosen = sizes["n_routed_experts"], sizes["num_experts_per_tok"]
    sparse = sizes["num_hidden_layers"] - sizes["first_k_dense_replace"]
    one = 3 * sizes["hidden_size"] * sizes["moe_intermediate_size"] * 2
    stages: dict[str, dict[str, Counter[str]]] = {}

    def add(stage: str, trace: OperatorTrace) -> dict[str, Counter[str]]:
        sums = stages.setdefault(stage, {})
        for name, traffic in trace.by_operator.items():
            sums.setdefault(ALIAS.get(name, name), Counter()).update(_numbers(traffic))
        return sums

    for stage, past, tokens in [*cuts, *steps]:
        pages = served.new_pages(batch, past + tokens)
        places = step_places(pages[0], batch, tokens, past)
        rows = torch.empty(batch * tokens, sizes["hidden_size"], dtype=torch.bfloat16, device="meta")
        with OperatorTrace() as trace:
            normed = served(rows, pages, past, kernels=kernels, places=places)
            if past + tokens >= prompt:
                served.logits(normed, batch)
        sums = add(stage, trace)
        rows_hit = sum(each > 0 for each in balanced_rows(batch * tokens, chosen, experts))
        more: Any = (_hit(experts, chosen, batch * tokens) - rows_hit) * one * sparse
        sums["_grouped_mm"]["forward_io_bytes"] += more
    # Tokens of a prompt are looked up at once.
    for stage, tokens in (("prefill", prompt - prefix), *(("decode", 1) for _ in steps)):
        ids = torch.empty(batch * tokens, dtype=torch.int64, device="meta")
        with OperatorTrace() as trace:
            served.embed(ids)
        add(stage, trace)
    return stages


def _numbers(traffic: Traffic) -> dict[str, int]:
    counts = (traffic.tensor_core_flops, traffic.io_bytes, traffic.launches, traffic.cuda_core_flops)
    return dict(zip((*METRICS, "cuda"), counts, strict=True))


@pytest.mark.parametrize("kind", KERNELS)
@pytest.mark.parametrize("sizes", CONFIGS.values(), ids=CONFIGS)
@settings(max_examples=5, deadline=None, phases=(Phase.generate,))
@given(
    batch=st.integers(1, 3),
    prompt=st.integers(1, 14),
    chunk=st.integers(1, 14),
    prefix=st.integers(0, 9),
    new=st.integers(0, 5),
)
def test_every_launch_and_byte_is_counted(  # noqa: PLR0917
    tmp_path_factory: Any, kind: str, sizes: dict[str, Any], batch: int, prompt: int, chunk: int, prefix: int, new: int
) -> None:
    workload = {
        "batch": batch,
        "prompt_tokens": prompt,
        "new_tokens": new,
        "cached_tokens": min(prefix, prompt - 1),
        "chunk_tokens": min(chunk, prompt),
    }
    definition = find_definition("deepseek_v2")
    path: Path = tmp_path_factory.mktemp("latent") / "config.json"
    path.write_text(json.dumps(sizes))
    scenario = make_scenario(
        definition=definition,
        config=path,
        choices={"execution": "served", "kernels": kind},
        settings={**workload, "page_tokens": 1, **FUNCTION_COSTS},
    )
    found = answer(scenario)
    served = ServedLatentDecoder(build(definition, sizes), routing=balanced_rows)
    kernels = KERNELS[kind]
    launched = _counted(served, kernels, sizes, workload)
    plain = _counted(served, Kernels(by_name=PLAIN, engine=kernels.engine), sizes, workload)
    for stage, operators in launched.items():
        ours: dict[str, dict[str, Any]] = {}
        for node in found.nodes:
            if node.row.stage == stage and node.row.aten and node.metrics["operator_launches"]:
                sums = ours.setdefault(node.row.aten, dict.fromkeys(METRICS, 0))
                for metric in METRICS:
                    sums[metric] += node.metrics[metric]
        # Of averages alone, which are no whole numbers.
        hit = float(operators["_grouped_mm"].pop("forward_io_bytes"))
        assert float(ours["_grouped_mm"].pop("forward_io_bytes")) == pytest.approx(hit, rel=1e-12)
        operators["_grouped_mm"]["forward_io_bytes"] = ours["_grouped_mm"]["forward_io_bytes"] = 0
        assert ours == {name: {metric: sums[metric] for metric in METRICS} for name, sums in operators.items()}
        flops = sum(sums["cuda"] for sums in plain[stage].values())
        assert found.stages[stage]["forward_cuda_core_flops"] == flops
    assert found.total["parameters"] == sum(parameter.numel() for parameter in served.parameters())
    assert found.total["forward_weight_bytes"] == sum(parameter.nbytes for parameter in served.parameters())
    if new:
        width = sizes["kv_lora_rank"] + sizes["qk_rope_head_dim"]
        held = sizes["num_hidden_layers"] * batch * (prompt + new) * width * 2
        assert found.total["forward_kv_cache_bytes"] == held
