"""What the rules of the model file refuse, and what it warns of: asked at both sides of every edge."""

import re
from collections.abc import Callable, Iterator, Mapping
from random import Random
from typing import Any

from dsocr_symbolic.errors import UserError
from dsocr_symbolic.scenario.checks import check_rules, warnings_of
from dsocr_symbolic.verification.expectations.layout import image_tokens, pages
from dsocr_symbolic.verification.expectations.machine import Fact, network, values

# Rules, by what breaks them: a description, and whether values break it.
Rule = Callable[[Mapping[str, Any]], bool]
_EDGE = 0.001
_BREAKS: tuple[Rule, ...] = (
    lambda v: any(v[side] % (4 * v["sam_patch_size"]) for side in ("base_size", "image_size")),
    lambda v: (v["crop_columns"] == 0) != (v["crop_rows"] == 0),
    lambda v: v["crops"] != v["crop_columns"] * v["crop_rows"],
    lambda v: v["crops"] == 1 or v["crops"] > v["max_crops"],
    lambda v: v["num_experts_per_tok"] > v["n_routed_experts"],
    lambda v: v["first_k_dense_replace"] > v["num_hidden_layers"],
    lambda v: v["hidden_size"] % (2 * v["num_attention_heads"]) != 0,
    lambda v: v["sam_width"] % v["sam_heads"] != 0 or v["clip_width"] % v["clip_heads"] != 0,
    lambda v: v["sam_width"] <= v["sam_heads"],
    lambda v: v["clip_width"] != 4 * v["sam_neck_channels"],
    lambda v: max(v["prefill_experts_hit"], v["decode_experts_hit"]) > v["n_routed_experts"],
    lambda v: v["decode_experts_hit"] < v["num_experts_per_tok"] - _EDGE,
    lambda v: v["prompt_tokens"] > 0 and v["prefill_experts_hit"] < v["num_experts_per_tok"] - _EDGE,
    lambda v: v["prefill_experts_hit"] > v["num_experts_per_tok"] * v["batch"] * v["prompt_tokens"] + _EDGE,
    lambda v: v["decode_experts_hit"] > v["num_experts_per_tok"] * v["batch"] + _EDGE,
    lambda v: v["memory_utilisation"] > 1,
    lambda v: v["logits_of_all"] not in (0, 1),
    lambda v: bool(v["experts_wait"]) and bool(v["prefill_captured"] or v["decode_captured"]),
    lambda v: v["cached_tokens"] > 0 and (v["serves"] != 1 or v["cached_tokens"] >= v["prompt_tokens"]),
    lambda v: v["autocast"] > 0 and max(v["serves"], v["vision_compiled"]) > 0,
    lambda v: v["engine_kernels"] > 0 and v["cache_grows"] > 0,
)
# Settings at both sides of every rule's edge; what is not set follows.
_EDGES: tuple[Mapping[str, Any], ...] = (
    *({side: pixels} for side in ("base_size", "image_size") for pixels in (64, 63, 65, 96, 48, 640, 1000, 256 + 16)),
    *({side: 96, "sam_patch_size": patch} for side in ("base_size", "image_size") for patch in (8, 12, 6, 24, 32)),
    *({"crop_columns": columns, "crop_rows": rows} for columns in range(5) for rows in range(6)),
    *(
        {"max_crops": most, "crop_columns": columns, "crop_rows": rows}
        for most in (2, 6, 12)
        for columns, rows in ((0, 0), (1, 1), (1, 2), (3, 2), (7, 1), (3, 4), (13, 1))
    ),
    *({"logits_of_all": flag} for flag in (0, 0.5, 1, 1.5, 2)),
    *(
        {"experts_wait": waits, "prefill_captured": prefill, "decode_captured": decode}
        for waits in (0, 1)
        for prefill in (0, 1)
        for decode in (0, 1)
    ),
    *({"cached_tokens": held, "serves": serves, "page_tokens": 1} for held in (0, 1, 2) for serves in (0, 1)),
    *({"cached_tokens": held, "serves": 1, "prompt_tokens": 9, "page_tokens": 1} for held in (0, 1, 8, 9, 10)),
    *({"autocast": narrow, flag: on} for narrow in (0, 1) for flag in ("serves", "vision_compiled") for on in (0, 1)),
    *({"engine_kernels": engine, "cache_grows": grows} for engine in (0, 1) for grows in (0, 1)),
    *({"memory_utilisation": share} for share in (0.1, 0.5, 0.999, 1, 1.001, 2)),
    *({"image_tokens": 0, "text_tokens": text} for text in (0, 1, 2)),
    *({"image_tokens": 0, "text_tokens": 0, "prefill_experts_hit": hit} for hit in (0, 0.0005, 1, 6)),
    *({"crop_columns": 2, "crop_rows": rows, "crops": crops} for rows in (0, 1, 2) for crops in (0, 1, 2, 3, 4, 10)),
    *({"crop_columns": 0, "crop_rows": 0, "crops": crops} for crops in (1, 2, 9, 10)),
    *({"n_routed_experts": 8, "num_experts_per_tok": chosen} for chosen in (1, 7, 8, 9, 10)),
    *({"num_hidden_layers": 4, "first_k_dense_replace": dense} for dense in (1, 3, 4, 5, 6)),
    *({"hidden_size": width, "num_attention_heads": heads} for width in (12, 14, 18, 20) for heads in (1, 2, 3, 6, 7)),
    *({"sam_width": width, "sam_heads": heads} for width in (11, 12, 13) for heads in (1, 3, 5, 11, 12)),
    *({"sam_width": heads + 1, "sam_heads": heads} for heads in (1, 2)),
    *(
        {"n_routed_experts": 8, "num_experts_per_tok": chosen, "prefill_experts_hit": 8, "decode_experts_hit": 8}
        for chosen in (8, 9)
    ),
    *({"clip_heads": heads} for heads in (1, 3, 5, 32)),
    *({"sam_neck_channels": neck, "clip_width": width} for neck in (4, 5, 8) for width in (16, 17, 20, 32)),
    *({"prefill_experts_hit": hit} for hit in (5, 5.998, 5.9995, 6, 63.5, 64, 64.0005, 64.5, 65)),
    *(
        {"decode_experts_hit": hit, "batch": batch}
        for hit in (5, 5.998, 5.9995, 6, 6.0005, 6.5, 12, 12.5, 65)
        for batch in (1, 2, 16)
    ),
    *(
        {"prompt_tokens": 1, "prefill_experts_hit": hit, "batch": batch}
        for hit in (6, 6.0005, 6.5, 12, 12.5)
        for batch in (1, 2)
    ),
    *({"prompt_tokens": 2, "prefill_experts_hit": hit} for hit in (11, 12, 12.0005, 12.5, 24)),
    *(
        {"n_routed_experts": 2, "num_experts_per_tok": 1, "decode_experts_hit": hit, "batch": 4}
        for hit in (0.5, 1, 2, 2.0005)
    ),
    *({"n_routed_experts": 2, "num_experts_per_tok": 2, "prefill_experts_hit": hit} for hit in (1, 2, 2.0005, 3)),
    *(
        {"n_routed_experts": 2, "num_experts_per_tok": 3, name: 3}
        for name in ("prefill_experts_hit", "decode_experts_hit")
    ),
)


def rules() -> Iterator[Fact]:
    """Ask at both sides of every edge whether values are refused, and at random pages; and what a switch lifts."""
    random = Random(3)  # noqa: S311 - draws, no secrets
    for settings in (*_EDGES, *({**page, **random.choice(_EDGES)} for page in pages(60, seed=2))):
        scope = _scope(settings)
        yield f"refusal of {settings}", bool(_refusal(scope)), any(broken(scope) for broken in _BREAKS)
        loose = any(broken(scope) for broken in _BREAKS if broken is not _BREAKS[3])
        yield f"refusal of {settings}, any grid", bool(_refusal(scope, "allow_any_grid")), loose
    yield "a switch that lifts nothing", bool(_refusal(_scope({"base_size": 1000}), "another_switch")), True


def _scope(settings: Mapping[str, Any]) -> dict[str, Any]:
    resolver = values(settings)
    return {name: resolver.value(name) for name in network().quantities}


def _refusal(scope: Mapping[str, Any], *waived: str) -> str:
    try:
        check_rules(network().rules, scope, frozenset(waived))
    except UserError as error:
        return str(error)
    return ""


def refusals() -> Iterator[Fact]:
    """State the numbers that refusals name."""
    for side in ("base_size", "image_size"):
        for patch in (8, 16):
            said = _refusal(
                _scope(
                    {side: 1000, "sam_patch_size": patch}
                    if side == "base_size"
                    else {"base_size": 64 * patch, side: 1000, "sam_patch_size": patch}
                )
            )
            yield f"what is said of {side}", f"multiple of {4 * patch}:" in said, True
    # Rules on experts that are hit and on even heads refuse these, too; what is said is the plainer one.
    said = _refusal(_scope({"n_routed_experts": 8, "num_experts_per_tok": 9}))
    yield "what is said of experts", said.startswith("num_experts_per_tok is at most n_routed_experts;"), True
    said = _refusal(_scope({"hidden_size": 20, "num_attention_heads": 3}))
    yield "what is said of heads", said.startswith("num_attention_heads divides hidden_size;"), True
    said = _refusal(_scope({"crop_columns": 3, "crop_rows": 2, "crops": 5}))
    yield "what is said of crops", "crop_columns*crop_rows = 6;" in said, True
    for most in (4, 9):
        said = _refusal(_scope({"crop_columns": 5, "crop_rows": 3, "max_crops": most}))
        yield "what is said of many crops", f"into 2 to {most} crops" in said, True
    said = _refusal(_scope({"sam_neck_channels": 100}))
    yield "what is said of widths", "4*sam_neck_channels = 400:" in said, True
    said = _refusal(_scope({"batch": 3, "prompt_tokens": 2, "prefill_experts_hit": 40}))
    yield "what is said of prefill", "routes 36 rows" in said, True
    said = _refusal(_scope({"batch": 3, "decode_experts_hit": 40}))
    yield "what is said of decode", "routes 18 rows" in said, True


# Settings at both sides of what a warning is of.
_WARNED: tuple[Mapping[str, Any], ...] = (
    *({"engine_kernels": engine} for engine in (0, 1)),
    {},
    *({"prompt_tokens": 8000, "new_tokens": new} for new in (1, 191, 192, 193, 500)),
    *({"max_position_embeddings": most} for most in (100, 794, 795, 796)),
    *({"image_tokens": images} for images in (0, 1, 272, 273, 274)),
    *({"image_tokens": images, "prompt_tokens": 7} for images in (0, 1, 6, 7, 8)),
    *({"prompt_tokens": prompt} for prompt in (0, 1, 272, 273, 274)),
    {"image_tokens": 5, "prompt_tokens": 3, "new_tokens": 9000},
)


def warnings() -> Iterator[Fact]:
    """State what is warned of, and the numbers that are named."""
    for settings in _WARNED:
        v = _scope(settings)
        positions, most = v["prompt_tokens"] + v["new_tokens"], v["max_position_embeddings"]
        images, views = v["image_tokens"], image_tokens(v["base_size"], v["image_size"], 0, 0)
        stated: list[list[Any]] = [
            *([["times of an engine's own kernels are projections"]] if v["engine_kernels"] else []),
            *([["prompt_tokens + new_tokens = ", positions, most]] if positions > most else []),
            *([["image_tokens is ", images, views]] if images not in (0, views) else []),
            *([["the image alone needs ", images, v["prompt_tokens"]]] if v["prompt_tokens"] < images else []),
        ]
        said = warnings_of(network(), v)
        numbers = [[int(number) for number in re.findall(r"\d+", text)] for text in said]
        yield f"warnings at {settings}", numbers, [row[1:] for row in stated]
        begin = [text.startswith(row[0]) for text, row in zip(said, stated, strict=True)]
        yield f"texts of warnings at {settings}", all(begin), True
