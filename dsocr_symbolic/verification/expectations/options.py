"""What each option puts in: bytes of elements, flags, formulas of slots, stages that a CUDA graph replays."""

from collections.abc import Iterator

from dsocr_symbolic.scenario.values import choose, chosen_slots
from dsocr_symbolic.verification.expectations.machine import PEAKS, Fact, network, values
from dsocr_symbolic.verification.expectations.sizes import BLOCKS, BYTES, PARTS, RATES, WIDER


def options() -> Iterator[Fact]:
    """State what each option puts in: bytes of elements, flags, formulas of slots."""
    definition = network()
    dtypes = {"weight-dtype": "weight", "activation-dtype": "activation", "kv-dtype": "kv"}
    widths = {"weight-dtype": (*BYTES, *BLOCKS), "activation-dtype": tuple(PEAKS), "kv-dtype": ("bf16", "fp32", "fp8")}
    for choice, symbol in dtypes.items():
        yield f"options of {choice}", set(definition.choices[choice].options), set(widths[choice])
        for dtype in widths[choice]:
            # What another symbol's default says too is still the option's own word.
            says, parts = definition.choices[choice].options[dtype], PARTS if dtype in BLOCKS else ()
            yield f"symbols of {choice} {dtype}", {*says.symbols}, {symbol, *parts}
            yield f"rates of {choice} {dtype}", {*says.gpu}, {*RATES} if choice == "activation-dtype" else set()
            yield f"{choice} {dtype}", values({}, **{choice: dtype}).value(symbol), {**BYTES, **BLOCKS}[dtype]
    for dtype in widths["weight-dtype"]:
        resolver = values({}, weight_dtype=dtype)
        for name in PARTS:
            yield f"{name} of {dtype}", resolver.value(name), BYTES.get(dtype, WIDER[name].itemsize)
    flags = {
        "logits": ("logits_of_all", {"all": 1, "last": 0}),
        "precision": ("autocast", {"plain": 0, "autocast": 1}),
        "train": ("trains_encoder", {"decoder": 0, "all": 1}),
        "cache": ("cache_grows", {"grown": 1, "paged": 0}),
        "vision": ("vision_compiled", {"eager": 0, "compiled": 1}),
    }
    for choice, (symbol, stated) in flags.items():
        yield f"options of {choice}", set(definition.choices[choice].options), set(stated)
        for option, flag in stated.items():
            yield f"symbols of {choice} {option}", {*definition.choices[choice].options[option].symbols}, {symbol}
            yield f"{choice} {option}", values({}, **{choice: option}).value(symbol), flag
    yield from _launching()
    for kernels, (serves, engine) in {"eager": (0, 0), "compiler": (1, 0), "fused": (1, 1)}.items():
        resolver = values({}, kernels=kernels, cache="paged")
        found = {symbol: resolver.value(symbol) for symbol in ("serves", "engine_kernels")}
        yield f"kernels {kernels}", found, {"serves": serves, "engine_kernels": engine}
    slots = _slots()
    for choice, fillings in slots.items():
        yield f"options of {choice}", set(definition.choices[choice].options), set(fillings)
        for option, filling in fillings.items():
            chosen = chosen_slots(definition, choose(definition, {choice: option}))
            yield f"{choice} {option}", {slot: chosen.get(slot) for slot in filling}, filling


# Stages that a CUDA graph replays, by what is chosen.
_CAPTURED = {
    "eager": (),
    "graph": ("vision", "projector", "prefill", "decode"),
    "graph-vision": ("vision", "projector"),
    "graph-decode": ("decode",),
}


def _launching() -> Iterator[Fact]:
    """State which stages a graph replays, and that the loop over experts waits for the host."""
    definition = network()
    stages = _CAPTURED["graph"]
    yield "options of host", set(definition.choices["host"].options), set(_CAPTURED)
    for option, replayed in _CAPTURED.items():
        said = definition.choices["host"].options[option].symbols
        yield f"symbols of host {option}", {*said}, {"captured", *(f"{stage}_captured" for stage in stages)}
        resolver = values({}, host=option)
        yield f"host {option}", resolver.value("captured"), int(bool(replayed))
        for stage in stages:
            yield f"host {option}: {stage}", resolver.value(f"{stage}_captured"), int(stage in replayed)
    for option, waits in {"loop": 1, "grouped": 0}.items():
        yield f"symbols of experts {option}", {*definition.choices["experts"].options[option].symbols}, {"experts_wait"}
        yield f"experts {option}", values({}, experts=option).value("experts_wait"), waits


def _slots() -> dict[str, dict[str, dict[str, str]]]:
    """Return the formulas that options put into slots, by choice and option."""
    steps = {"tables": "table_group", "prefill": "served_prefill"}
    steps["decode"] = "served_language_model"
    return {
        "attention": {
            "flash": {
                "attention": "llama_flash_attention2",
                "attention_mask": "no_mask",
                "served_attend": "attend_grouped",
            },
            "eager": {
                "attention": "llama_attention",
                "attention_mask": "causal_mask",
                "served_attend": "attend_eager",
            },
        },
        "experts": {
            "loop": {"experts": "experts_loop", "served_products": "experts_loop"},
            "grouped": {"experts": "experts_grouped", "served_products": "grouped_products"},
        },
        "cache": {
            "grown": {"cache": "grown_cache", "served_cache": "page_append"},
            "paged": {"cache": "written_cache", "served_cache": "page_write"},
        },
        "vision": {
            "eager": {"sam_tower": "image_encoder_vit", "clip_tower": "vit_model"},
            "compiled": {"sam_tower": "served_sam", "clip_tower": "served_clip"},
        },
        "kernels": {
            "eager": {"prefill": "language_model", "decode": "language_model"},
            "compiler": {
                **steps,
                "plain_norm": "compiled_norm",
                "expert_rows": "row_group",
                "residual_norm": "residual_norm_group",
                "next_norm": "next_norm_group",
                "order": "sort_group",
                "routed_norm": "routed_norm_group",
                "gate": "compiled_gate",
                "rotary": "rotary_group",
                "choose": "choose_steps",
                "combine": "combine_compiled",
            },
            "fused": {
                **steps,
                "plain_norm": "engine_norm",
                "expert_rows": "engine_rows",
                "residual_norm": "engine_residual_norm",
                "next_norm": "next_norm_engine",
                "order": "sort",
                "routed_norm": "routed_norm_engine",
                "gate": "engine_gate",
                "rotary": "rotary_write",
                "served_cache": "page_written",
                "choose": "topk_softmax",
                "combine": "weighted_expert_sum",
            },
        },
    }
