"""Gemma 3 as servers run it: transformers' results, and every launch and byte that the formulas say."""

import json
from collections import Counter
from collections.abc import Iterator
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
from dsocr_symbolic.verification.reference.trace import OperatorTrace, Traffic  # noqa: E402
from dsocr_symbolic.verification.served.gemma import PLAIN, Kernels, ServedGemma, step_places  # noqa: E402

if TYPE_CHECKING:
    from pathlib import Path

SIZES = {
    "model_type": "gemma3_text",
    "hidden_size": 24,
    "head_dim": 8,
    "num_hidden_layers": 7,
    "num_attention_heads": 6,
    "num_key_value_heads": 2,
    "intermediate_size": 40,
    "vocab_size": 50,
    "sliding_window": 4,
}
MIXED = {
    **SIZES,
    "num_hidden_layers": 3,
    "attention_bias": True,
    "num_key_value_heads": 3,
    "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
}
BATCH, TOKENS = 2, 11
KERNELS = {"compiler": Kernels(), "fused": Kernels(engine=True)}
# Norms leave queries, keys and values apart; formulas have them side by side.
PARTED = {"parted_rotary": "compiled_rotary", "parted_rotary_and_cache": "rotary_and_cache"}
# fp32, sums in another order.
CLOSE = {"rtol": 1e-5, "atol": 1e-5}


@pytest.fixture(scope="module", params=[SIZES, MIXED], ids=["the usual pattern", "layer by layer"])
def network(request: pytest.FixtureRequest) -> Any:
    torch.manual_seed(0)
    made = transformers.Gemma3ForCausalLM(transformers.Gemma3TextConfig(**request.param)).float().eval()
    for parameter in made.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    return made


@torch.no_grad()
@pytest.mark.parametrize("cuts", [(11,), (3, 8), (6, 5), (1, 10), (5, 1, 1, 1, 3), (2, 2, 2, 2, 3)])
@pytest.mark.parametrize("kernels", KERNELS.values(), ids=KERNELS)
@pytest.mark.parametrize("plain", [False, True])
def test_logits_are_those_of_transformers(network: Any, cuts: tuple[int, ...], kernels: Kernels, plain: bool) -> None:
    ids = torch.randint(SIZES["vocab_size"], (BATCH, TOKENS), generator=torch.Generator().manual_seed(1))
    expected = network(ids).logits
    served = ServedGemma(network, positions=32)
    pages, past = served.new_pages(BATCH, TOKENS), 0
    if plain:
        kernels = Kernels(by_name=PLAIN, engine=kernels.engine)
    for tokens in cuts:
        places = step_places(pages[0], BATCH, tokens, past)
        normed = served(ids[:, past : past + tokens], pages, past, kernels=kernels, places=places)
        past += tokens
        torch.testing.assert_close(served.logits(normed, BATCH), expected[:, past - 1], **CLOSE)


def _forwards(prompt: int, chunk: int, prefix: int, new: int) -> Iterator[tuple[str, int, int, bool]]:
    """Yield stage, past and new tokens of each forward, and whether logits follow."""
    for past in range(prefix, prompt, chunk):
        tokens = min(chunk, prompt - past)
        yield "prefill", past, tokens, past + tokens == prompt
    for step in range(new):
        yield "decode", prompt + step, 1, True


def _counted(served: ServedGemma, kernels: Kernels, batch: int, forwards: Any) -> dict[str, dict[str, Traffic]]:
    """Trace every forward without values: by stage and operator."""
    stages: dict[str, dict[str, Traffic]] = {}
    for stage, past, tokens, scored in forwards:
        pages = served.new_pages(batch, past + tokens)
        places = step_places(pages[0], batch, tokens, past)
        ids = torch.empty(batch, tokens, dtype=torch.int64, device="meta")
        with OperatorTrace() as trace:
            normed = served(ids, pages, past, kernels=kernels, places=places)
            if scored:
                served.logits(normed, batch)
        sums = stages.setdefault(stage, {})
        for name, traffic in trace.by_operator.items():
            sums.setdefault(PARTED.get(name, name), Traffic()).add(traffic)
    return stages


@pytest.mark.parametrize("kind", KERNELS)
@pytest.mark.parametrize("sizes", [SIZES, MIXED], ids=["the usual pattern", "layer by layer"])
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
    prefix = min(prefix, prompt - 1)
    chunk = min(chunk, prompt)
    definition = find_definition("gemma3_text")
    path: Path = tmp_path_factory.mktemp("gemma") / "config.json"
    path.write_text(json.dumps(sizes))
    workload = {
        "batch": batch,
        "prompt_tokens": prompt,
        "new_tokens": new,
        "cached_tokens": prefix,
        "chunk_tokens": chunk,
        "page_tokens": 1,
    }
    scenario = make_scenario(
        definition=definition,
        config=path,
        choices={"execution": "served", "kernels": kind},
        settings={**workload, **FUNCTION_COSTS},
    )
    found = answer(scenario)
    served = ServedGemma(build(definition, sizes))
    kernels, forwards = KERNELS[kind], list(_forwards(prompt, chunk, prefix, new))
    launched = _counted(served, kernels, batch, forwards)
    plain = _counted(served, Kernels(by_name=PLAIN, engine=kernels.engine), batch, forwards)
    for stage, operators in launched.items():
        ours: dict[str, Counter[str]] = {}
        for node in found.nodes:
            if node.row.stage == stage and node.row.aten and node.metrics["operator_launches"]:
                sums = ours.setdefault(node.row.aten, Counter())
                for metric in ("forward_tensor_core_flops", "forward_io_bytes", "operator_launches"):
                    sums[metric] += node.metrics[metric]
        theirs = {
            name: Counter(
                forward_tensor_core_flops=traffic.tensor_core_flops,
                forward_io_bytes=traffic.io_bytes,
                operator_launches=traffic.launches,
            )
            for name, traffic in operators.items()
        }
        different = {
            name: (ours.get(name), theirs.get(name)) for name in {*ours, *theirs} if ours.get(name) != theirs.get(name)
        }
        assert different == {}
        flops = sum(traffic.cuda_core_flops for traffic in plain[stage].values())
        assert found.stages[stage]["forward_cuda_core_flops"] == flops
    assert found.total["parameters"] == sum(parameter.numel() for parameter in served.parameters())
    assert found.total["forward_weight_bytes"] == sum(parameter.nbytes for parameter in served.parameters())
    if new:
        # What the last step could see, itself among it; a prompt in chunks holds no one state.
        windows: Any = [layer.window for layer in served.layers]
        seen = sum(min(prompt + new, window or prompt + new) for window in windows)
        width = sizes["num_key_value_heads"] * sizes["head_dim"]
        assert found.total["forward_kv_cache_bytes"] == batch * seen * 2 * width * 2
