"""Evaluate another network made of our layers, and count it by hand. Run: python reuse_layers.py.

``other_network/`` is laid out like the repository: a model file and one layer that calls ours. DSOCR_PATH names it.
"""

import json
from pathlib import Path

from dsocr_command import check, dsocr

FOLDER = Path(__file__).resolve().parent / "other_network"
MODEL = "small-llama"
# Sizes of the model file, once more: width, layers, heads, MLP, vocabulary, prompt, batch.
WIDTH, LAYERS, HEADS, MLP, VOCABULARY, PROMPT, BATCH = 256, 2, 4, 688, 1000, 64, 3


def main() -> None:
    """Ask by the command line and compare with sums that a person can follow."""
    there = {"DSOCR_PATH": str(FOLDER)}
    listed = dsocr("models", **there)
    check(MODEL in listed.stdout, f"{MODEL} is listed beside our own networks")
    asked = dsocr("totals", "--model", MODEL, "--set", f"batch={BATCH}", "--format", "json", **there)
    check(asked.returncode == 0, f"it is evaluated {asked.stderr.strip()}")
    data = json.loads(asked.stdout)
    compare(data["stages"]["prefill"])
    check(data["total"]["ttft_s"] == data["stages"]["prefill"]["roofline_s"], "its own latencies hold")
    files = {node["layer"] for node in data["nodes"]}
    reused = sorted(each for each in files if each.split("/")[0] in ("decoder", "llama", "core"))
    check(len(reused) > 0, f"layers of ours in it: {', '.join(reused)}")
    tree = dsocr("tree", "--model", MODEL, "--depth", "2", **there)
    check(tree.returncode == 0 and "layers" in tree.stdout, "it has a tree")
    print(tree.stdout)


def compare(prefill: dict[str, float]) -> None:
    """Count one forward of the prompt by hand."""
    tokens = BATCH * PROMPT
    projections = LAYERS * 4 * 2 * tokens * WIDTH * WIDTH
    mlps = LAYERS * 3 * 2 * tokens * WIDTH * MLP
    scores_and_values = LAYERS * 2 * 2 * BATCH * PROMPT * PROMPT * WIDTH
    rotary = LAYERS * PROMPT * WIDTH // HEADS
    head = 2 * tokens * WIDTH * VOCABULARY
    flops = projections + mlps + scores_and_values + rotary + head
    check(prefill["forward_tensor_core_flops"] == flops, f"{flops} FLOPs on Tensor Cores, as counted by hand")
    layer = 4 * WIDTH * WIDTH + 3 * WIDTH * MLP + 2 * WIDTH
    parameters = LAYERS * layer + WIDTH + 2 * VOCABULARY * WIDTH
    check(prefill["parameters"] == parameters, f"{parameters} parameters, as counted by hand")
    cache = 2 * LAYERS * tokens * WIDTH * 2
    check(prefill["forward_kv_cache_bytes"] == cache, f"{cache} bytes of KV cache, as counted by hand")


if __name__ == "__main__":
    main()
