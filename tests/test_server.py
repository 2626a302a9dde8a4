"""What a server has for its KV cache: memory that it takes, less weights and the activations of its largest forward."""

import json
from pathlib import Path
from typing import Any

import pytest
from conftest import evaluate_model
from test_cli import assert_refused, dsocr

from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.questions.capacity import KvPool, fit
from dsocr_symbolic.scenario.scenario import make_scenario

GIB = 2**30
WEIGHTS = 6_672_212_480
# Keys and values of one token: 2 x 12 layers x 1280 wide x 2 bytes.
TOKEN = 61_440


def pool(workload: str = "gundam", gpu: str = "rtx5090", choices: dict[str, str] | None = None, **given: Any) -> KvPool:
    scenario = make_scenario(
        definition=default_definition(None), workload=workload, gpu=gpu, settings=given, choices=choices
    )
    kv_pool = fit(scenario).kv_pool
    assert kv_pool is not None
    return kv_pool


def test_a_pool_of_8_gib_holds_98_8_requests() -> None:
    usual = pool()
    memory = WEIGHTS + usual.activation_bytes + 8 * GIB
    made = pool(process_memory=memory, memory_utilisation=1)
    assert made.bytes == 8 * GIB
    assert made.requests == pytest.approx(8 * GIB / (TOKEN * (903 + 512)), rel=1e-15)
    assert made.tokens == 8 * GIB // TOKEN
    text = dsocr("totals", "--set", f"process_memory={memory}", "--memory-utilisation", "1").out
    assert "98.8 requests of 903 + 512 tokens" in " ".join(text.split())


def test_memory_is_a_share_of_what_a_process_gets(tmp_path: Path) -> None:
    usual = pool()
    usable = default_usable()
    assert usual.memory_bytes == pytest.approx(0.9 * usable)
    assert usual.bytes == int(usual.memory_bytes - WEIGHTS - usual.activation_bytes)
    assert pool(memory_utilisation=0.5).memory_bytes == pytest.approx(0.5 * usable)
    assert pool(process_memory=20e9).memory_bytes == pytest.approx(18e9)
    numbers = {
        **{key: {"value": 100, "source": "made up"} for key in ("tensor_bf16_tflops", "cuda_fp32_tflops")},
        "memory_bandwidth_gb_per_s": {"value": 1000, "source": "made up"},
        "usable_memory_gib": {"value": 32, "source": "made up"},
        "process_memory_gib": {"value": 30, "source": "made up"},
    }
    path = tmp_path / "made.yaml"
    path.write_text(json.dumps({"title": "made up", "numbers": numbers}))
    assert pool(gpu=str(path), memory_utilisation=1).memory_bytes == 30 * GIB


def default_usable() -> Any:
    return evaluate_model().values.numbers["process_memory"]


@pytest.mark.parametrize("workload", ["tiny", "gundam"])
@pytest.mark.parametrize("chunk", [None, 64, 8192])
def test_activations_are_those_of_one_chunk_of_one_request(workload: str, chunk: int | None) -> None:
    numbers = evaluate_model(workload).values.numbers
    tokens = numbers["prompt_tokens"] if chunk is None else chunk
    forward = evaluate_model(workload, {"prompt_tokens": tokens, "logits_of_all": 0})
    stages = [metrics["peak_memory_bytes"] - metrics["forward_kv_cache_bytes"] for metrics in forward.stages.values()]
    given = {} if chunk is None else {"chunk_tokens": chunk}
    made = pool(workload, batch=7, **given)
    assert made.activation_bytes == max(stages) - WEIGHTS
    assert made.chunk == tokens
    assert made.request == (numbers["prompt_tokens"], 512)


def test_what_a_request_keeps_decides_how_many_there_are() -> None:
    usual = pool()
    assert usual.requests is not None
    assert pool(batch=8).requests == pytest.approx(usual.requests)
    narrow = pool(choices={"kv-dtype": "fp8"})
    assert narrow.requests == pytest.approx(2 * usual.requests * narrow.bytes / usual.bytes)
    assert pool(prompt_tokens=0, new_tokens=0).requests is None
    # Experts that are set as hit are of the workload's own forward, not of a chunk.
    assert pool(prefill_experts_hit=60, chunk_tokens=1).bytes == pytest.approx(usual.bytes, rel=1e-3)


def test_no_pool_is_said_with_its_numbers() -> None:
    made = pool(process_memory=7e9)
    assert made.bytes < 0
    assert (made.requests, made.tokens) == (0, 0)
    text = " ".join(dsocr("totals", "--set", "process_memory=7e9").out.split())
    assert "KV pool of a server: none; weights 6.672 GB and activations 555.6 MB" in text
    assert "alone do not fit the 6.3 GB that it takes" in text


def test_json_and_markdown_have_it() -> None:
    memory = json.loads(dsocr("totals", "--format", "json").out)["memory"]
    assert memory["kv_pool"]["requests"] == pool().requests
    assert {"bytes", "tokens", "requests"} <= memory["kv_pool"].keys()
    assert "requests of 903 + 512 tokens" in dsocr("totals", "--format", "markdown").out


def test_a_layer_alone_has_none_and_says_why() -> None:
    document = json.loads(dsocr("totals", "--layer", "language_model", "--format", "json").out)
    assert document["memory"]["kv_pool"] is None
    assert document["null_because"]["kv_pool"]
    assert "KV pool" not in dsocr("totals", "--layer", "language_model").out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--memory-utilisation", "0"), "not greater than 0"),
        (("--memory-utilisation", "1.5"), "memory_utilisation is at most 1"),
        (("--memory-utilisation", "nan"), "nan is not a number"),
        (("--memory-utilisation", "x"), "not a valid"),
        (("--memory-utilisation", "0.5", "--set", "memory_utilisation=0.5"), "give one of them"),
        (("--set", "chunk_tokens=0"), "chunk_tokens: 0 is less than 1"),
    ],
)
def test_wrong_options_are_one_line(options: tuple[str, ...], message: str) -> None:
    assert_refused(dsocr("totals", *options), message)


def test_a_server_may_be_wrong_in_a_model_file(tmp_path: Path) -> None:
    text = Path(default_definition(None).file).read_text(encoding="utf-8")
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace("requests: Max(0, bytes)", "requests: Max(0, byts)"), encoding="utf-8")
    assert_refused(dsocr("totals", "--model", str(path)), "server: requests: unknown symbol 'byts'")
