"""Both sides of every regime boundary, worked out from lists of operators and what modules own."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.language.expression import evaluate
from dsocr_symbolic.language.files.bounds_file import BoundsFile, load_bounds
from dsocr_symbolic.verification.expectations.facts import Facts, machines, on, page
from dsocr_symbolic.verification.expectations.machine import Fact, network

_EXPERTS, _ATTEND = "decode/layers.1-11/mlp/experts", "self_attn/attend"
_FREE = frozenset({"allow_any_grid"})
Sides = Callable[[Facts, Mapping[str, Any]], tuple[Any, Any]]


def _products(point: Facts, *parts: str) -> Any:
    return sum(launch[0] * launch[1] for launch in point.launches(*parts))


def _seconds(point: Facts, machine: Mapping[str, Any], part: str) -> tuple[Any, Any]:
    """Return how long Tensor Cores and DRAM take for a part, each at the rate that is reached."""
    tensor_cores = _products(point, part) / machine["tensor_core_peak"] / machine["compute_efficiency"]
    moved = point.given("forward_fused_io_bytes", part)
    return tensor_cores, moved / machine["memory_bandwidth"] / machine["bandwidth_efficiency"]


def _weights(point: Facts, part: str) -> Any:
    return point.given("forward_weight_bytes", part)


def _read(point: Facts, machine: Mapping[str, Any]) -> tuple[Any, Any]:
    """Of the weights a decode step reads neither the table of tokens nor experts that nobody chose."""
    untouched = _weights(point, _EXPERTS) * (machine["n_routed_experts"] - machine["decode_experts_hit"])
    held = _weights(point, "decode") - _weights(point, "decode/embed_tokens")
    return point.given("forward_kv_cache_bytes", "decode"), held - untouched / machine["n_routed_experts"]


def _attention(point: Facts, _: Mapping[str, Any]) -> tuple[Any, Any]:
    attends = [f"prefill/layers.{layers}/{_ATTEND}" for layers in ("0", "1-11")]
    inside = _products(point, *attends)
    return inside, _products(point, "prefill") - inside


# Boundary -> the symbol that moves, what is set and lifted for it, both sides, and what is told besides.
_CONDITIONS: Mapping[str, tuple[str, Mapping[str, Any], frozenset[str], Sides, tuple[str, ...]]] = {
    "experts_compute_bound": ("batch", {}, frozenset(), lambda p, m: _seconds(p, m, _EXPERTS), ("rows_per_expert",)),
    "decode_compute_bound": ("batch", {}, frozenset(), lambda p, m: _seconds(p, m, "decode"), ()),
    "prefill_compute_bound": ("prompt_tokens", {}, frozenset(), lambda p, m: _seconds(p, m, "prefill"), ()),
    "cache_passes_weights_read": ("prompt_tokens", {}, frozenset(), _read, ("context",)),
    "cache_passes_weights_held": (
        *("batch", {}, frozenset()),
        lambda p, _: (p.given("forward_kv_cache_bytes"), _weights(p, "")),
        (),
    ),
    "attention_passes_linear": ("prompt_tokens", {}, frozenset(), _attention, ()),
    "vision_passes_prefill_flops": (
        *("crop_columns", {"crop_rows": 1}, _FREE),
        lambda p, _: (_products(p, "vision"), _products(p, "prefill")),
        ("crops", "prompt_tokens"),
    ),
    "vision_passes_prefill_time": (
        *("crop_columns", {"crop_rows": 1}, _FREE),
        lambda p, _: (p.given("roofline_s", "vision"), p.given("roofline_s", "prefill")),
        ("crops", "prompt_tokens"),
    ),
}


def _told(machine: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "rows_per_expert": machine["batch"] * machine["num_experts_per_tok"] / machine["decode_experts_hit"],
        "context": machine["image_tokens"] + machine["text_tokens"] + machine["new_tokens"],
        "crops": machine["crop_columns"] * machine["crop_rows"],
        "prompt_tokens": machine["image_tokens"] + machine["text_tokens"],
    }


def conditions() -> Iterator[Fact]:
    """Compare both sides of every condition up to what multiplies both, what it sets and tells; and ridge points."""
    known: BoundsFile = load_bounds(network())
    yield "conditions", set(known.conditions), set(_CONDITIONS)
    yield "ridge points", set(known.ridge_points), {"tensor_cores", "cuda_cores"}
    whole = page()
    for machine in machines()[:3]:
        point = on(whole, machine)
        m = point.numbers
        bytes_per_s = m["bandwidth_efficiency"] * m["memory_bandwidth"]
        for name, peak in (("tensor_cores", "tensor_core_peak"), ("cuda_cores", "cuda_core_peak")):
            ridge = evaluate(known.ridge_points[name].value, m, arithmetic)
            yield f"ridge point of {name}", ridge, m["compute_efficiency"] * m[peak] / bytes_per_s
        for name, (vary, settings, waived, sides, tells) in _CONDITIONS.items():
            condition = known.conditions[name]
            yield (
                f"what {name} varies",
                (condition.vary, condition.settings, condition.waived),
                (vary, settings, waived),
            )
            terms = {
                word: sum(point.given(term.metric, path) for path in term.paths)
                for word, term in condition.terms.items()
            }
            left, right = (evaluate(side, {**m, **terms}, arithmetic) for side in (condition.left, condition.right))
            ours, theirs = sides(point, m)
            yield f"sides of {name}", left * theirs, ours * right
            yield f"sense of {name}", (left > 0, left > right), (ours > 0, ours > theirs)
            told = {word: evaluate(formula, m, arithmetic) for word, formula in condition.tells.items()}
            yield f"what {name} tells", told, {word: _told(m)[word] for word in tells}
