"""Stages as calls of layers: what runs, with which symbols and tensors, and what that costs and owns."""

from collections.abc import Iterator, Mapping
from typing import Any

from dsocr_symbolic.algebras import arithmetic
from dsocr_symbolic.language.call import Call
from dsocr_symbolic.language.expression import evaluate, parse
from dsocr_symbolic.language.formula import inputs
from dsocr_symbolic.language.library import load_library
from dsocr_symbolic.network.builder import build_tree
from dsocr_symbolic.network.fold import Fold
from dsocr_symbolic.network.leaves import leaves_of
from dsocr_symbolic.network.node import Node
from dsocr_symbolic.scenario.values import choose, chosen_slots
from dsocr_symbolic.verification.expectations.facts import once, page
from dsocr_symbolic.verification.expectations.machine import Fact, network, values

# Stage -> what it calls; symbols that it does not pass on by their own names.
_CALLS = {
    "vision": "vision_towers",
    "projector": "projector_views",
    "prefill": "$prefill",
    "decode": "$decode",
}


# Stage -> the tensors that it reads, and those that it writes: what flows from one stage to the next.
_TENSORS: Mapping[str, tuple[tuple[tuple[str, ...], ...], tuple[str, ...]]] = {
    "vision": ((("crop_pixels",), ("blank_pixels",), ("global_pixels",)), ("crop_features", "global_features")),
    "projector": ((("crop_features",), ("global_features",)), ("image_embeddings",)),
    "prefill": ((("token_ids",), ("image_embeddings",), ("image_mask",)), ("logits",)),
    "decode": ((("new_token_ids",), ("no_image",), ("no_mask",)), ("new_logits",)),
}

# Stage -> the symbols that it does not take from the network by their own names.
_GIVEN: Mapping[str, tuple[str, ...]] = {
    "vision": ("batch", "weight", "trained", "captured"),
    "projector": ("batch", "weight", "trained", "captured", "base_grid", "crop_grid", "feature_width"),
    "prefill": ("sequence", "past", "cached", "experts_hit", "captured"),
    "decode": ("sequence", "past", "cached", "experts_hit", "captured", "image_tokens"),
}


def _passed(stage: str, point: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return what the model file passes to a stage at its second step, and what is to be passed."""
    call = next(call for call in network().stages if call.name == stage)
    scope = {**point, call.repeat.index or "": 2}
    own = {**point, **_symbols(stage, point, 2)}
    passed = {**call.given, **call.below}
    said = {name: evaluate(formula, scope, arithmetic) for name, formula in passed.items()}
    # What the caller has by another name: which weights learn, and which stages a CUDA graph replays.
    named = {"trained": "trains_encoder", "captured": f"{stage}_captured"}
    return said, {name: own[named.get(name, name)] for name in _GIVEN[stage]}


def _symbols(stage: str, value: Mapping[str, Any], step: int) -> dict[str, Any]:
    """State the symbols of a stage that are not those of the network's own names."""
    cell = 4 * value["sam_patch_size"]
    part = {"weight": value["encoder_weight"], "batch": value["batch"] if value["image_tokens"] else 0}
    match stage:
        case "vision":
            return part
        case "projector":
            grids = {"base_grid": value["base_size"] // cell, "crop_grid": value["image_size"] // cell}
            return {**part, **grids, "feature_width": value["clip_width"] + 4 * value["sam_neck_channels"]}
        case "prefill":
            new = {"sequence": value["prompt_tokens"], "past": 0, "cached": 0}
            # Rows of an expert are those of one where nothing is routed.
            return {**new, "experts_hit": value["prefill_experts_hit"] if value["prompt_tokens"] else 1}
        case "decode":
            new = {"sequence": 1, "past": value["prompt_tokens"] + step - 1, "cached": 1, "image_tokens": 0}
            return {**new, "experts_hit": value["decode_experts_hit"]}
    return {}


# Sizes of which no two are equal, so that one taken for another shows.
_SIZES: Mapping[str, Any] = {
    "hidden_size": 60,
    "num_hidden_layers": 7,
    "first_k_dense_replace": 2,
    "num_attention_heads": 5,
    "intermediate_size": 37,
    "moe_intermediate_size": 23,
    "n_routed_experts": 11,
    "n_shared_experts": 3,
    "num_experts_per_tok": 4,
    "vocab_size": 101,
    "sam_patch_size": 8,
    "sam_width": 54,
    "sam_heads": 6,
    "sam_mlp_width": 67,
    "sam_windowed_blocks": 9,
    "sam_global_blocks": 13,
    "sam_window_size": 3,
    "sam_table_grid": 12,
    "sam_neck_channels": 29,
    "clip_width": 116,
    "clip_heads": 2,
    "clip_mlp_width": 71,
    "clip_layers": 17,
    "clip_table_grid": 19,
    "clip_patch_size": 15,
    "weight": 3,
    "encoder_weight": 5,
    "norm_weight": 7,
    "router_weight": 11,
    # Flags, but told apart: what is passed on as another stage's would show.
    "vision_captured": 31,
    "projector_captured": 41,
    "prefill_captured": 43,
    "decode_captured": 47,
}
_PAGES: tuple[Mapping[str, Any], ...] = (
    {
        "batch": 3,
        "crop_columns": 2,
        "crop_rows": 4,
        "base_size": 160,
        "image_size": 96,
        "text_tokens": 6,
        "new_tokens": 3,
    },
    {"batch": 2, "base_size": 128, "image_size": 224, "text_tokens": 31, "new_tokens": 1, "logits_of_all": 0},
    {"batch": 2, "image_tokens": 0, "text_tokens": 5, "new_tokens": 2},
    {"batch": 2, "image_tokens": 1, "base_size": 128, "text_tokens": 5, "new_tokens": 1},
)
# What has to be there, or a stage does not run.
_NEEDS = {"vision": "image_tokens", "projector": "image_tokens", "prefill": "prompt_tokens", "decode": ""}
_COUNTED = ("forward_tensor_core_flops", "forward_cuda_core_flops", "forward_io_bytes", "operator_launches")
_HELD = ("parameters", "forward_weight_bytes", "forward_kv_cache_bytes")


def stages() -> Iterator[Fact]:
    """Call each stage's layer with what its symbols must be, and compare what it costs and owns, step by step."""
    definition = network()
    yield "stages", {call.name: call.use for call in definition.stages}, _CALLS
    for call in definition.stages:
        yield f"tensors of {call.name}", (call.reads, call.writes), _TENSORS[call.name]
    yield from _guards()
    for settings in _PAGES:
        point = _point({**_SIZES, **settings})
        for stage, use in _CALLS.items():
            yield f"symbols of {stage}", *_passed(stage, point)
            given = _folded(definition, stage, point)
            if not point.get(_NEEDS[stage], 1):
                yield f"{stage} that does not run", {name: given[name] for name in _COUNTED}, dict.fromkeys(_COUNTED, 0)
                there = _alone(use, stage, _point({**_SIZES, "base_size": 128, "image_size": 96}), 1)
                for name in ("parameters", "forward_weight_bytes"):
                    yield f"{name} of {stage} that does not run", given[name], there[name]
                yield f"KV cache of {stage} that does not run", given["forward_kv_cache_bytes"], 0
                continue
            last = settings["new_tokens"] if stage == "decode" else 1
            calls = [_alone(use, stage, point, step) for step in range(1, last + 1)]
            for name in _COUNTED:
                yield f"{name} of {stage}", given[name], sum(call[name] for call in calls)
            for name in _HELD:
                yield f"{name} of {stage}", given[name], calls[-1][name]


def _guards() -> Iterator[Fact]:
    """State when stages run; a prefill of nothing routes nothing, and rows of an expert are then those of one."""
    for images, prompt, hit in ((0, 0, 0), (0, 1, 6), (0, 3, 18), (1, 1, 6), (2, 5, 30), (0, 2, 0)):
        scope = {"image_tokens": images, "prompt_tokens": prompt, "prefill_experts_hit": hit}
        for call in network().stages:
            runs = None if call.when is None else evaluate(call.when, scope, arithmetic)
            yield f"whether {call.name} runs", runs, int(scope[_NEEDS[call.name]] > 0) if _NEEDS[call.name] else None
            if call.name == "prefill":
                given = evaluate(call.given["experts_hit"], scope, arithmetic)
                yield f"experts hit by {prompt} tokens", given, hit if prompt else 1


def trained() -> Iterator[Fact]:
    """State which weights get a gradient: those of the decoder, of the encoder with ``--train all`` alone."""
    for encoder in (0, 1):
        point = page(trains_encoder=encoder)
        for stage in _CALLS:
            stocks = {stock.key: (node, stock) for node in point.nodes(stage) for stock in node.stocks}
            held = sum(stock.weight_bytes for node, stock in stocks.values() if _runs(node, stock.key))
            stated = {"decode": None, "prefill": held}.get(stage, held * encoder)
            yield f"gradients of {stage}", point.given("backward_weight_bytes", stage), stated


def _runs(node: Node, key: str) -> bool:
    """Say whether a weight is one that runs."""
    tensor = node.formula.tensors.get(key.rpartition(".")[2])
    return tensor is None or tensor.runs


def _point(settings: Mapping[str, Any]) -> dict[str, Any]:
    resolver = values(settings)
    known = network().quantities
    return {name: resolver.value(name) for name in known if known[name].group != "machine"}


def _alone(use: str, stage: str, point: Mapping[str, Any], step: int) -> dict[str, Any]:
    """Call a layer by itself."""
    # A stage that is a slot runs what the defaults put there.
    use = chosen_slots(network(), choose(network(), {})).get(use.removeprefix("$"), use)
    formula = load_library()[use]
    own = {**point, **_symbols(stage, point, step)}
    given = {name: parse(name, name) for name in formula.symbols}
    call = Call(name=use, use=use, given=given, reads=tuple((name,) for name in inputs(formula)), skip="")
    return _totals((call,), own)


def _totals(calls: tuple[Call, ...], scope: Mapping[str, Any]) -> dict[str, Any]:
    slots = chosen_slots(network(), choose(network(), {}))
    fold = Fold(leaves_of(build_tree(load_library(), calls, scope, slots, arithmetic), algebra=arithmetic))
    return {name: fold.column(name)[0] for name in (*_COUNTED, *_HELD)}


def _folded(definition: Any, stage: str, point: Mapping[str, Any]) -> dict[str, Any]:
    """Evaluate a stage as the model file has it, one step after the other."""
    call = next(call for call in definition.stages if call.name == stage)
    last = call.repeat.last
    if last is None:
        return _totals((call,), point)
    count = evaluate(last, point, arithmetic)
    steps_ = [_totals((once(call),), {**point, call.repeat.index or "": step}) for step in range(1, count + 1)]
    return {**steps_[-1], **{name: sum(step[name] for step in steps_) for name in _COUNTED}}
