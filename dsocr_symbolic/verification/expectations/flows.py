"""What flows between calls: whatever one takes or gives is as large as what stands behind the name."""

from collections.abc import Iterator, Mapping
from typing import Any

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.language.formula import Library
from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.network.builder import build_tree
from dsocr_symbolic.network.node import Node, Port, walk
from dsocr_symbolic.scenario.values import choose, chosen_slots
from dsocr_symbolic.verification.expectations.facts import once
from dsocr_symbolic.verification.expectations.machine import Fact, network, values

# Pages, and choices: crops, one view, several requests, a position table that is stretched, no image, narrow formats.
_PAGES: tuple[tuple[Mapping[str, Any], Mapping[str, str]], ...] = (
    ({"batch": 1, "crop_columns": 2, "crop_rows": 1, "text_tokens": 7}, {}),
    (
        {"base_size": 1280, "image_size": 512, "crop_columns": 3, "crop_rows": 2, "text_tokens": 5},
        {"attention": "eager", "precision": "autocast", "logits": "last"},
    ),
    ({"batch": 3, "base_size": 512, "text_tokens": 3}, {"experts": "grouped", "attention": "eager"}),
    (
        {"base_size": 640, "image_size": 320, "crop_columns": 1, "crop_rows": 3, "text_tokens": 3},
        {"precision": "autocast"},
    ),
    ({"batch": 2, "image_tokens": 0, "text_tokens": 9}, {}),
    ({"crop_columns": 2, "crop_rows": 1, "text_tokens": 7}, {"weight-dtype": "fp8"}),
    ({"text_tokens": 7}, {"weight-dtype": "q8_0"}),
    ({"text_tokens": 7}, {"kv-dtype": "fp8", "attention": "eager"}),
    ({"text_tokens": 7}, {"kv-dtype": "fp8"}),
    # As servers run it: more and fewer rows of experts than a compiler sorts in one block, chunks behind a prefix.
    ({"base_size": 512, "crop_columns": 2, "crop_rows": 1, "text_tokens": 7}, {"execution": "served"}),
    ({"base_size": 512, "image_tokens": 0, "text_tokens": 9}, {"execution": "served"}),
    (
        {"batch": 2, "image_tokens": 0, "text_tokens": 60, "chunk_tokens": 14, "cached_tokens": 16},
        {"execution": "served"},
    ),
    ({"base_size": 640, "text_tokens": 9}, {"execution": "served", "kernels": "fused"}),
)
# Calls that read a part of what they are handed, or read it again: a third of what a product of three made, one page of
# a batch, the rows of one expert, one position, half a head. Everything else is read and written whole.
_PARTS = {
    "attend_eager": {"mask"},
    "clip_vision_embeddings": {"features"},
    "clone": {"x"},
    "concatenate": {"x"},
    "concatenate_mixed": {"left", "right"},
    "conv2d": {"x"},
    "deepseek_v2_decoder_layer": {"mask"},
    "experts_grouped": {"places"},
    "experts_loop": {"counts"},
    "image_encoder_vit": {"pixels"},
    "image_layout": {"global_features"},
    "integer_sum": {"x"},
    "item": {"x"},
    "linear": {"x"},
    "linear_no_bias": {"x"},
    "llama_attention": {"mask"},
    "lm_head": {"x"},
    "masked_scatter": {"mask", "values", "x"},
    "matmul": {"a"},
    "mlp_projector": {"x"},
    "mm": {"a"},
    "neg": {"x"},
    "patch_embed": {"pixels"},
    "preprocess": {"blank", "pixels"},
    "scatter": {"x"},
    "sdpa_flash": {"q", "k", "v"},
    "sdpa_masked": {"q", "k", "v"},
    "sum": {"x"},
    "vision_view": {"blank"},
    "vit_model": {"features"},
}
# By choice: what a server's calls read in part, and weights, and a cache, in another format than activations: what is
# widened or narrowed inside the kernel that takes it.
_WIDENED = {
    # Chunks of a prompt, what the kernels of the one or of the other do not need, sums that are read for every row.
    "execution": {
        "attend_grouped": {"k", "v"},
        "compiled_norm": {"x"},
        "engine_rows": {"attended", "scale", "x"},
        "next_norm_engine": {"attended", "x"},
        "normalise_group": {"attended"},
        "partial_moments_group": {"attended"},
        "query_group": {"q"},
        "residuals_group": {"attended"},
        "rotary_group": {"places"},
        "routed_norm_engine": {"attended", "x"},
        "row_group": {"normed", "scale"},
        "sdpa_grouped": {"k", "v"},
        "served_attention": {"mask"},
        "served_dense_layer": {"mask", "x"},
        "served_experts": {"root"},
        "served_layers": {"x"},
        "served_moe": {"root"},
        "served_sparse_layer": {"mask"},
        "tower_norm": {"attended"},
        "tower_norm_group": {"attended"},
        "weighted_add_group": {"y"},
    },
    "weight-dtype": {
        "native_layer_norm": {"weight", "bias"},
        "gather": {"rows"},
        "cast": {"x"},
        "add": {"right"},
        "multiply_row": {"left"},
        "abs_pos": {"y"},
    },
    "kv-dtype": {
        "attend_eager": {"k", "v"},
        "attend_flash": {"k", "v"},
        "matmul": {"b"},
        "append_cache": {"x"},
    },
}


def sizes(library: Library | None = None) -> Iterator[Fact]:
    """Compare what every call of the network declares of a tensor with what made it, at some pages."""
    parts: dict[str, dict[str, set[str]]] = {"": {}, **{choice: {} for choice in _WIDENED}}
    for page, options in _PAGES:
        narrow = next((choice for choice in _WIDENED if choice in options), "")
        for node in _calls(page, options, library or load_library()):
            name, known = node.formula.name, _PARTS.get(node.formula.name, set())
            odd = {port.name for port in node.inputs if not _is_whole(port, outside=True)}
            odd |= {port.name for port in node.outputs if not _is_whole(port, outside=False)}
            allowed = known | _WIDENED.get(narrow, {}).get(name, set())
            yield f"what {'/'.join(node.path)} reads or writes in part, {page}", odd - allowed, set()
            kind, beyond = (narrow, odd - known) if narrow else ("", odd)
            if beyond:
                parts[kind].setdefault(name, set()).update(beyond)
    yield "what is read in part", parts, {"": _PARTS, **_WIDENED}


def _calls(page: Mapping[str, Any], options: Mapping[str, str], library: Library) -> Iterator[Node]:
    definition = network()
    resolver = values({**page, "new_tokens": 1}, **options)
    given = {name: resolver.value(name) for name, known in definition.quantities.items() if known.group != "machine"}
    slots = chosen_slots(definition, choose(definition, options))
    tree = build_tree(library, tuple(map(once, definition.stages)), {**given, "step": 1}, slots, arithmetic)
    return (node for node in walk(tree) if node.calls)


def _is_whole(port: Port, *, outside: bool) -> bool:
    behind = port.outside if outside else port.inside
    there: Any = sum(condition * storage.size for condition, storage in behind)
    size: Any = port.size
    # Rows of an expert are an expectation, whose last digit hangs on the order of sums.
    return bool(abs(there - size) <= abs(size) * 10**-9)
