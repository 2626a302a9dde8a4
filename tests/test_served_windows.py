"""Windows as servers run them: pages are read as far as a window shows them, chunk by chunk."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dsocr_symbolic.evaluation.answer import answer
from dsocr_symbolic.language.lookup import default_definition
from dsocr_symbolic.scenario.scenario import make_scenario

PAGE = 16
SEEDS = 3 * 8
"""Bytes that the attention of all tokens hands out besides, for a dropout that there is not."""
PROMPTS = st.fixed_dictionaries(
    {
        "prompt_tokens": st.integers(1, 700),
        "chunk_tokens": st.integers(1, 300),
        "cached_tokens": st.integers(0, 20).map(lambda pages: PAGE * pages),
        "sliding_window": st.integers(2, 400),
        "batch": st.integers(1, 3),
        "new_tokens": st.integers(1, 40),
    }
).filter(lambda each: each["cached_tokens"] < each["prompt_tokens"])


def _served(model: str, given_: dict[str, int], **choices: str) -> Any:
    definition = default_definition(model)
    asked = {name: value for name, value in given_.items() if name in definition.quantities}
    return answer(make_scenario(definition=definition, settings=asked, choices={"execution": "served", **choices}))


def _chunks(asked: dict[str, int]) -> list[tuple[int, int]]:
    """Return of each chunk how many tokens lie before it, and how many it has."""
    first, found = asked["cached_tokens"], []
    while first < asked["prompt_tokens"]:
        size = min(asked["chunk_tokens"], asked["prompt_tokens"] - first)
        found.append((first, size))
        first += size
    return found


def _hidden(asked: dict[str, int]) -> tuple[int, int, int]:
    """Return keys that a window hides in prefill, those times queries, and those that it hides in decode."""
    most = asked["sliding_window"] - 1
    hidden = [(max(0, before - most), size) for before, size in _chunks(asked)]
    steps = [max(0, asked["prompt_tokens"] + step - most) for step in range(asked["new_tokens"])]
    return sum(keys for keys, _ in hidden), sum(keys * size for keys, size in hidden), sum(steps)


@settings(max_examples=12, deadline=None)
@given(asked=PROMPTS)
@pytest.mark.parametrize(
    ("model", "with_window", "without"),
    [
        ("mistral", {"window": "sliding"}, {"window": "all-tokens"}),
        ("mixtral", {"window": "sliding"}, {"window": "all-tokens"}),
        ("qwen2", {"layers": "mixed"}, {"layers": "alike"}),
        ("qwen3", {"layers": "mixed", "kernels": "fused"}, {"layers": "alike", "kernels": "fused"}),
    ],
)
def test_chunks_meet_what_a_window_shows(
    model: str, with_window: dict[str, str], without: dict[str, str], asked: dict[str, int]
) -> None:
    some = {} if "window" in with_window else {"sliding_layers": 5, "use_sliding_window": 1}
    near, every = _served(model, {**asked, **some}, **with_window), _served(model, asked, **without)
    numbers = near.values.numbers
    layers = 5 if some else numbers["num_hidden_layers"]
    keys, pairs, steps = _hidden(asked)
    width, kv_width = (numbers[name] * numbers["head_dim"] for name in ("num_attention_heads", "num_key_value_heads"))
    calls = {"prefill": len(_chunks(asked)), "decode": asked["new_tokens"]}
    for stage, hidden, met in (("prefill", keys, pairs), ("decode", steps, steps)):
        mine, all_of_them = near.stages[stage], every.stages[stage]
        flops = all_of_them["forward_tensor_core_flops"] - mine["forward_tensor_core_flops"]
        assert flops == pytest.approx(4 * layers * asked["batch"] * width * met, rel=1e-12, abs=1)
        read = all_of_them["forward_io_bytes"] - mine["forward_io_bytes"]
        counted = layers * (2 * asked["batch"] * kv_width * numbers["kv"] * hidden + SEEDS * calls[stage])
        assert read == pytest.approx(counted, rel=1e-9, abs=1)


def test_no_layer_in_a_window_is_every_layer_without_one() -> None:
    asked = {"prompt_tokens": 500, "new_tokens": 9, "sliding_layers": 0}
    mixed, alike = _served("qwen2", asked, layers="mixed"), _served("qwen2", asked, layers="alike")
    # Whether the first layer's input is held beside a layer is not the same where layers are two groups: a tensor of
    # hidden states, and what a pool has room for beside it.
    for name, value in alike.total.items():
        if name.startswith(("kv_pool", "forward_activation", "peak_memory")):
            continue
        assert mixed.total[name] == (pytest.approx(value) if isinstance(value, float) else value), name


@pytest.mark.parametrize("model", ["qwen2", "qwen3", "mistral", "mixtral", "gemma3_text", "deepseek_v2"])
def test_what_no_gpu_ran_is_said_to_be_a_projection(model: str) -> None:
    said = " ".join(_served(model, {}).values.warnings)
    assert "a compiler's kernels are projections" in said
    engine = " ".join(_served(model, {}, kernels="fused").values.warnings)
    assert "an engine's own kernels are projections" in engine
    assert "a compiler's kernels" not in engine
