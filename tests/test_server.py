"""What a server holds: memory that it takes, less weights, its largest forward and graphs, in pages; preemption."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import evaluate_model
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from test_cli import assert_refused, dsocr

from dsocr_symbolic import load_model
from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.evaluation.answer import scenario_program
from dsocr_symbolic.evaluation.program import run_program
from dsocr_symbolic.language.expression import evaluate
from dsocr_symbolic.language.files.server_file import load_server
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.questions.capacity import KvPool, kv_pool
from dsocr_symbolic.scenario.scenario import make_scenario, scenario_values

GIB = 2**30
COMPILER = {"kernels": "compiler"}
# A served router's weights are kept in fp32.
ROUTERS = 11 * 64 * 1280 * 2
SERVED = ("--kernels", "compiler")
WEIGHTS = 6_672_212_480
# Keys and values of one token: 2 x 12 layers x 1280 wide x 2 bytes.
TOKEN = 61_440


def pool(workload: str = "gundam", gpu: str = "rtx5090", choices: dict[str, str] | None = None, **given: Any) -> KvPool:
    scenario = make_scenario(
        definition=default_definition(None), workload=workload, gpu=gpu, settings=given, choices=choices
    )
    found = kv_pool(scenario, run_program(scenario_program(scenario), scenario_values(scenario).numbers))
    assert found is not None
    return found


def test_a_pool_of_8_gib_holds_98_2_requests() -> None:
    usual = pool()
    memory = WEIGHTS + usual.activation_bytes + 8 * GIB
    made = pool(process_memory=memory, memory_utilisation=1)
    assert made.bytes == 8 * GIB
    assert made.pages == 8 * GIB // (16 * TOKEN) == 8738
    assert made.tokens == 8738 * 16
    # 903 + 512 tokens are 89 pages.
    assert made.request_pages == 89
    assert made.requests == pytest.approx(8738 / 89, rel=1e-15)
    assert made.largest_batch == 98
    text = dsocr("totals", "--set", f"process_memory={memory}", "--memory-utilisation", "1").out
    assert "139,808 tokens in 8,738 pages of 16, 98.2 requests of 903 + 512 tokens" in " ".join(text.split())


@settings(deadline=None, max_examples=25)
@given(
    page=st.integers(1, 300),
    new=st.integers(1, 3000),
    share=st.floats(0.2, 1),
    graphs=st.integers(0, 3 * 10**9),
    cached=st.integers(0, 4),
)
def test_pages_are_whole(page: int, new: int, share: float, graphs: int, cached: int) -> None:
    assume(cached * page < 903)
    given_here = {"page_tokens": page, "new_tokens": new, "memory_utilisation": share, "graph_bytes": graphs}
    made = pool(chunk_tokens=903, cached_tokens=cached * page, choices=COMPILER, **given_here)
    assert made.pages is not None
    assert made.tokens == made.pages * page
    assert made.bytes == math.floor(made.memory_bytes - WEIGHTS - ROUTERS - made.activation_bytes - graphs)
    assert made.pages * page * TOKEN <= max(0, made.bytes) < (made.pages + 1) * page * TOKEN
    assert made.request_pages == -(-(903 + new - cached * page) // page)
    assert made.requests == pytest.approx(max(0, made.pages - cached) / made.request_pages)
    assert made.largest_batch == max(0, made.pages - cached) // made.request_pages
    assert made.longest_requests == pytest.approx(made.pages / -(-(903 + new) // page))


def test_a_server_is_told_how_much_it_may_take() -> None:
    usual = pool()
    assert pool(max_num_seqs=7).requests == pool(max_num_seqs=7).largest_batch == 7
    assert pool(max_num_batched_tokens=2048).chunk == 2048
    assert pool(max_num_batched_tokens=512).chunk == 512
    assert pool(max_num_batched_tokens=4096, chunk_tokens=1024).chunk == 1024
    assert pool(max_model_len=4096).longest_requests == pytest.approx(usual.pages / 256)
    text = " ".join(dsocr("totals", "--max-model-len", "4096").out.split())
    assert f"requests of max_model_len = 4,096 tokens: {usual.pages / 256:.2f}" in text
    assert pool(graph_bytes=10**9).bytes == usual.bytes - 10**9
    assert "CUDA graphs of a server: their memory is not known" in text
    assert "CUDA graphs 1 GB" in " ".join(dsocr("totals", "--set", "graph_bytes=1e9").out.split())


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        (("--gpu-memory-utilization", "0.8"), ("--set", "memory_utilisation=0.8")),
        (("--kv-cache-dtype", "fp8"), ("--kv-dtype", "fp8")),
        (("--kv-cache-dtype", "fp8_e4m3"), ("--kv-dtype", "fp8")),
        (("--kv-cache-dtype", "auto"), ()),
        (("--max-num-seqs", "9"), ("--set", "max_num_seqs=9")),
        (("--max-num-batched-tokens", "2048"), ("--set", "max_num_batched_tokens=2048")),
        (("--block-size", "32"), ("--page-tokens", "32")),
    ],
)
def test_a_server_s_words_are_understood(theirs: tuple[str, ...], ours: tuple[str, ...]) -> None:
    def held(*arguments: str) -> Any:
        return json.loads(dsocr("totals", "--format", "json", *arguments).out)["memory"]["kv_pool"]

    assert held(*theirs) == held(*ours)


@pytest.mark.parametrize("verb", [("solve", "batch", "kv_pool_requests >= batch"), ("tree",)])
def test_every_verb_understands_them(verb: tuple[str, ...]) -> None:
    words = ("--max-num-seqs", "64", "--max-num-batched-tokens", "2048", "--kv-cache-dtype", "fp8")
    more = ("--max-model-len", "8192", "--gpu-memory-utilization", "0.9")
    answer = dsocr(*verb, *words, *more, "--gpu", "rtx4090")
    assert (answer.status, answer.err) == (0, "")


# metrics


def test_metrics_are_what_totals_say() -> None:
    found = json.loads(dsocr("totals", "--format", "json", "--set", "batch=300", "--set", "new_tokens_spread=150").out)
    held, total = found["memory"]["kv_pool"], found["total"]
    for name in ("tokens", "pages", "requests"):
        assert total[f"kv_pool_{name}"] == held[name]
    assert total["preempted_share"] == held["preempted_share"] > 0
    assert found["stages"]["prefill"]["kv_pool_tokens"] is None
    assert "'server'" in found["null_because"]["kv_pool_tokens"]
    assert found["server"]["page_tokens"] == 16


def test_arrays_are_what_single_points_are() -> None:
    metrics = ("kv_pool_tokens", "kv_pool_requests", "preempted_share")
    shares, batches = np.array([0.5, 0.9, 0.2]), np.array([200, 280, 3])
    function = load_model().compile(metrics, over=["memory_utilisation", "batch"], settings=SPREAD, by="total")
    found = function(memory_utilisation=shares, batch=batches)
    for place, (share, batch) in enumerate(zip(shares, batches, strict=True)):
        made = pool(memory_utilisation=float(share), batch=int(batch), **SPREAD)
        assert found["kv_pool_tokens"]["total"][place] == made.tokens
        assert found["kv_pool_requests"]["total"][place] == pytest.approx(made.requests)
        assert found["preempted_share"]["total"][place] == pytest.approx(made.preempted_share, abs=1e-9)


def test_solve_finds_where_the_pool_ends() -> None:
    text = dsocr("solve", "new_tokens", "kv_pool_requests >= 100").out
    last = int(text.split(" = ")[1].split(":")[0])
    kept, broken = (pool(new_tokens=new).requests for new in (last, last + 1))
    assert kept is not None
    assert broken is not None
    assert broken < 100 <= kept


# preemption


SPREAD = {"new_tokens_spread": 150}


def simulated(requests: int, prompt: int, mean: float, spread: float, pages: int) -> float:
    """Let requests end and others begin, a token a step; return the share of them that does not fit, the last first."""
    random = np.random.default_rng(20261130)

    def lengths(count: int) -> Any:
        return np.maximum(1, np.rint(random.normal(mean, spread, count)))

    length = lengths(requests)
    age = np.floor(random.uniform(0, 1, requests) * length)
    shares = []
    for step in range(40_000):
        age += 1
        ended = age > length
        if ended.any():
            length[ended], age[ended] = lengths(int(ended.sum())), 1
        if step > 4 * mean and step % 50 == 0:
            taken = np.ceil((prompt + age) / 16)
            freed = np.cumsum(taken[np.argsort(age, kind="stable")])
            beyond = taken.sum() - pages
            shares.append((np.searchsorted(freed, beyond) + 1) / requests if beyond > 0 else 0)
    return float(np.mean(shares))


@pytest.mark.parametrize(("batch", "room"), [(100, 0.95), (100, 0.99), (300, 0.9), (300, 1.0)])
def test_what_must_be_evicted_is_what_a_simulation_evicts(batch: int, room: float) -> None:
    mean, spread = 512, 150
    # The pool holds this share of what the requests hold on average.
    running = (mean**2 + spread**2) / (2 * mean)
    tokens = round(room * batch * (903 + running + 7.5))
    memory = WEIGHTS + pool().activation_bytes + tokens // 16 * 16 * TOKEN
    made = pool(process_memory=memory, memory_utilisation=1, batch=batch, **SPREAD)
    assert made.pages == tokens // 16
    stated = simulated(batch, 903, mean, spread, tokens // 16)
    assert made.preempted_share == pytest.approx(stated, rel=0.12, abs=0.002)


def test_nothing_is_evicted_of_few_and_all_where_there_is_no_pool() -> None:
    assert pool(batch=10, **SPREAD).preempted_share == pytest.approx(0, abs=1e-12)
    assert pool(process_memory=7e9, **SPREAD).preempted_share == 1
    shares = [pool(batch=batch, **SPREAD).preempted_share for batch in range(200, 600, 25)]
    assert shares == sorted(shares)  # type: ignore[type-var]
    assert "must be evicted at a moment" in " ".join(dsocr("totals", "--set", "batch=400").out.split())


def test_the_normal_tail_is_that_of_erfc() -> None:
    formulas = load_server().holds
    for margin in np.linspace(-6, 6, 241):
        scope: dict[str, Any] = {"margin": float(margin)}
        for name in ("away", "density", "step", "tail", "overflow"):
            scope[name] = evaluate(formulas[name], scope, arithmetic)
        assert scope["overflow"] == pytest.approx(math.erfc(margin / 2**0.5) / 2, abs=7.5e-8)


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
    assert usual.pages is not None
    assert pool(batch=8).requests == pytest.approx(usual.requests)
    narrow = pool(choices={"kv-dtype": "fp8"})
    assert narrow.pages == pytest.approx(2 * usual.pages, abs=1)
    assert narrow.requests == pytest.approx(narrow.pages / 89)
    assert pool(prompt_tokens=0, new_tokens=0).requests is None
    # Experts that are set as hit are of the workload's own forward, not of a chunk.
    assert pool(prefill_experts_hit=60, chunk_tokens=16).bytes == pytest.approx(usual.bytes, rel=1e-3)


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
        (("--memory-utilisation", "nan"), "is not a number"),
        (("--gpu-memory-utilization", "x"), "memory_utilisation: 'x' is not a number that can be read"),
        (("--memory-utilisation", "0.5", "--set", "memory_utilisation=0.5"), "give one of them"),
        (("--max-num-seqs", "4", "--set", "max_num_seqs=4"), "--max-num-seqs and --set max_num_seqs: give one"),
        (("--set", "chunk_tokens=0"), "chunk_tokens: 0 is less than 1"),
        (("--max-num-batched-tokens", "0"), "max_num_batched_tokens: 0 is not greater than 0"),
        (("--max-num-batched-tokens", "64", "--set", "chunk_tokens=128"), "a chunk is at most max_num_batched_tokens"),
        ((*SERVED, "--set", "cached_tokens=100"), "cached_tokens are whole pages of 16 tokens"),
        ((*SERVED, "--set", "cached_tokens=1600"), "cached_tokens is less than prompt_tokens = 903"),
        (("--max-model-len", "1000"), "prompt_tokens + new_tokens = 1415 is more than max_model_len = 1000"),
        (("--max-num-seqs", "4", "--set", "batch=5"), "batch is at most max_num_seqs = 4"),
        (("--page-tokens", "1.5"), "page_tokens: 1.5 is not a whole number"),
        (("--set", "new_tokens_spread=600"), "new_tokens_spread is at most new_tokens = 512"),
        (("--kv-cache-dtype", "fp9"), "did you mean fp8?"),
        (("--host", "graph"), "no CUDA graph captures it: add --experts grouped"),
    ],
)
def test_wrong_options_are_one_line(options: tuple[str, ...], message: str) -> None:
    assert_refused(dsocr("totals", *options), message)


NEEDS = "is a symbol of formulas/server.yaml: it needs a 'server'"


@pytest.mark.parametrize(
    "words",
    [
        ("totals", "--max-num-seqs", "4"),
        ("totals", "--memory-utilisation", "0.5"),
        ("totals", "--set", "page_tokens=8"),
        ("solve", "page_tokens", "batch >= 2"),
        ("solve", "batch", "batch <= max_num_seqs"),
        ("sweep", "--vary", "page_tokens=1,2", "--metric", "parameters"),
        ("compare", "page_tokens=8", "batch=2"),
    ],
)
def test_a_network_without_a_server_says_so(tmp_path: Path, words: tuple[str, ...]) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("extends: llama\nsummary: no server\nserver: null\n", encoding="utf-8")
    assert_refused(dsocr(*words, "--model", str(path)), NEEDS)


def test_it_has_no_metrics_of_one_either(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("extends: llama\nsummary: no server\nserver: null\n", encoding="utf-8")
    found = json.loads(dsocr("totals", "--model", str(path), "--format", "json").out)
    assert (found["memory"]["kv_pool"], found["server"], found["total"]["kv_pool_tokens"]) == (None, None, None)
    assert_refused(dsocr("solve", "batch", "kv_pool_tokens >= 10", "--model", str(path)), "has a 'server'")


def test_a_server_may_be_wrong_in_a_model_file(tmp_path: Path) -> None:
    text = Path(default_definition(None).file).read_text(encoding="utf-8")
    path = tmp_path / "mine.yaml"
    path.write_text(text.replace("prompt_tokens: chunk_tokens", "prompt_tokens: chunk_token"), encoding="utf-8")
    assert_refused(dsocr("totals", "--model", str(path)), "server: forward: unknown symbol 'chunk_token'")
