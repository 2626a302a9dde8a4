"""What serving engines say of themselves, read and set beside the formulas."""

import json
from pathlib import Path
from typing import Any

import pytest
from attrs import evolve
from test_cli import assert_refused, dsocr

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.language.lookup import find_definition
from dsocr_symbolic.measurement.comparison.engine import read_engine
from dsocr_symbolic.measurement.comparison.engine_pairs import compare_engine
from dsocr_symbolic.scenario.scenario import make_scenario

# Lines of the form that vLLM and SGLang write.
VLLM = """INFO 05-14 [gpu_model_runner.py:4000] Model loading took 6.2312 GiB memory and 3.512 seconds
(EngineCore pid=1) INFO 05-14 [gpu_model_runner.py:6143] Estimated CUDA graph memory: 0.36 GiB total
(EngineCore pid=1) INFO 05-14 [gpu_worker.py:460] Available KV cache memory: 13.90 GiB
(EngineCore pid=1) INFO 05-14 [kv_cache_utils.py:2146] GPU KV cache size: 242,912 tokens
(EngineCore pid=1) INFO 05-14 [kv_cache_utils.py:2147] Maximum concurrency for 8,192 tokens per request: 29.65x
"""
SGLANG = "[2026-06-28 15:16:45] max_total_num_tokens=2086558, chunked_prefill_size=8192, context_len=8192\n"
RESULT = {
    "backend": "vllm",
    "request_rate": "inf",
    "num_prompts": 100,
    "completed": 100,
    "max_concurrency": 16,
    "duration": 50.0,
    "total_input_tokens": 90_300,
    "total_output_tokens": 62_000,
    "request_throughput": 2.0,
    "request_goodput": None,
    "output_throughput": 1240.0,
    "mean_ttft_ms": 90.5,
    "mean_tpot_ms": 8.1,
    "p99_tpot_ms": 9.9,
    "itls": [[0.01, 0.02]],
}


def written(folder: Path, content: Any, name: str = "engine") -> Path:
    path = folder / name
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")
    return path


def said(path: Path) -> dict[str, float]:
    file = read_engine(path)
    assert file is not None
    return dict(file.said)


@pytest.mark.parametrize(
    ("line", "name", "number"),
    [
        ("GPU KV cache size: 1234 tokens", "tokens", 1234),
        ("GPU KV cache size: 1,234,567 tokens", "tokens", 1_234_567),
        ("max_total_num_tokens=77, chunked_prefill_size=8192", "tokens", 77),
        ("INFO # GPU blocks: 7299, # CPU blocks: 2048", "pages", 7299),
        ("INFO # cuda blocks: 7299, # CPU blocks: 2048", "pages", 7299),
        ("Maximum concurrency for 50000 tokens per request: 2.34x", "longest_requests", 2.34),
    ],
)
def test_each_line_is_read(tmp_path: Path, line: str, name: str, number: float) -> None:
    path = written(tmp_path, f"before\nINFO 05-14 {line}\nafter\n")
    assert said(path)[name] == number


def test_the_last_line_counts(tmp_path: Path) -> None:
    assert said(written(tmp_path, f"GPU KV cache size: 5 tokens\n{VLLM}"))["tokens"] == 242_912


def test_a_log_stands_beside_what_the_formulas_hold(tmp_path: Path) -> None:
    path = written(tmp_path, VLLM)
    words = ("--gpu", "rtx4090", "--max-num-batched-tokens", "2048", "--format", "json")
    found = json.loads(dsocr("compare-measured", str(path), *words).out)
    assert found["told"] == {"max_model_len": 8192, "graph_bytes": round(0.36 * 2**30)}
    lines = {line["name"]: line for line in found["lines"]}
    same = json.loads(
        dsocr("totals", *words, "--max-model-len", "8192", "--set", f"graph_bytes={round(0.36 * 2**30)}").out
    )["memory"]["kv_pool"]
    assert lines["tokens"]["ours"] == same["tokens"]
    assert lines["longest_requests"]["ours"] == same["longest_requests"]
    assert lines["tokens"]["ratio"] == pytest.approx(same["tokens"] / 242_912)
    assert lines["weight_bytes"]["engine"] == pytest.approx(6.2312 * 2**30)
    text = dsocr("compare-measured", str(path), *words[:-2]).out
    assert "242,912" in text
    assert "taken from the engine: max_model_len 8,192" in text


def test_what_the_user_sets_is_not_taken_from_the_engine(tmp_path: Path) -> None:
    path = written(tmp_path, VLLM)
    found = json.loads(dsocr("compare-measured", str(path), "--max-model-len", "4096", "--format", "json").out)
    assert set(found["told"]) == {"graph_bytes"}


def test_a_log_of_sglang(tmp_path: Path) -> None:
    found = json.loads(
        dsocr("compare-measured", str(written(tmp_path, SGLANG)), "--gpu", "h200", "--format", "json").out
    )
    assert [(line["name"], line["engine"]) for line in found["lines"]] == [("tokens", 2_086_558)]


@pytest.mark.parametrize("lines", [1, 2])
def test_a_benchmark_stands_beside_a_server_in_balance(tmp_path: Path, lines: int) -> None:
    content = json.dumps(RESULT)
    path = written(tmp_path, content if lines == 1 else f"{json.dumps({**RESULT, 'mean_tpot_ms': 1})}\n{content}\n")
    served = ("--gpu", "rtxpro6000", "--host", "graph", "--experts", "grouped", "--logits", "last")
    found = json.loads(dsocr("compare-measured", str(path), *served, "--format", "json").out)
    assert found["told"] == {"batch": 16, "new_tokens": 619}
    assert found["ran"]["total_input_tokens"] == 90_300
    ours = {line["name"]: line["ours"] for line in found["lines"]}
    totals = [
        json.loads(
            dsocr("totals", *served, "--set", f"batch={batch}", "--set", "new_tokens=619", "--format", "json").out
        )
        for batch in (16, 1)
    ]
    step, first = totals[0]["total"]["tpot_wall_s"], totals[1]["total"]["ttft_wall_s"]
    assert ours["mean_ttft_ms"] == pytest.approx(1000 * first)
    assert ours["mean_tpot_ms"] == pytest.approx(1000 * (step + 15 * first / 619))
    assert ours["output_throughput"] == pytest.approx(16 * 620 / (16 * first + 619 * step))
    assert ours["request_throughput"] == pytest.approx(ours["output_throughput"] / 620)
    assert ours["p99_tpot_ms"] is None
    assert next(line for line in found["lines"] if line["name"] == "mean_tpot_ms")["engine"] == 8.1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("INFO nothing of use\n", "no line 'GPU KV cache size: N tokens'"),
        ("", "no line"),
        ({"a": 1}, "has none of the keys request_throughput, output_throughput"),
        ({**RESULT, "schema": "x"}, "its schema is 'x'"),
        ({"mean_ttft_ms": "fast"}, "has none of the keys"),
        ("{broken", "is no JSON"),
        (VLLM.replace("8,192", "1,000"), "more than max_model_len = 1000"),
    ],
)
def test_what_cannot_be_compared_is_one_line(tmp_path: Path, content: Any, message: str) -> None:
    assert_refused(dsocr("compare-measured", str(written(tmp_path, content))), message)


def test_options_go_with_their_files(tmp_path: Path) -> None:
    log, measured = written(tmp_path, VLLM), written(tmp_path, {"schema": "dsocr measured 1"}, "measured.json")
    assert_refused(dsocr("compare-measured", str(log), "--predicted", "x.json"), "has no --predicted")
    assert_refused(dsocr("compare-measured", str(measured), "--workload", "base"), "--workload: is of an engine's file")
    scenario = make_scenario(definition=evolve(find_definition("llama"), server=None))
    with pytest.raises(UserError, match="it needs a 'server'"):
        compare_engine(read_engine(log), scenario)
    with pytest.raises(UserError, match="cannot be read"):
        read_engine(tmp_path)
