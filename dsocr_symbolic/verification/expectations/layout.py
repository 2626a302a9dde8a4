"""Tokens of a page and experts that are hit, said once more: by laying a page out, and token by token."""

from collections.abc import Iterator, Mapping
from fractions import Fraction
from random import Random
from typing import Any

from dsocr_symbolic.verification.expectations.machine import Fact, network, values
from dsocr_symbolic.verification.expectations.sizes import FRACTIONS


def laid_out(base_size: int, image_size: int, columns: int, rows: int, patch: int = 16) -> list[str]:
    """Lay an image out row by row, as the network's processor does: features, a newline a row, one separator."""

    def side(pixels: int) -> int:
        return len(range(0, pixels // patch, 4))

    layout = []
    for _ in range(rows * side(image_size) if columns * rows else 0):
        layout += ["feature"] * (columns * side(image_size)) + ["newline"]
    for _ in range(side(base_size)):
        layout += ["feature"] * side(base_size) + ["newline"]
    return [*layout, "separator"]


def image_tokens(base_size: int, image_size: int, columns: int, rows: int, patch: int = 16) -> int:
    """Count the tokens of an image."""
    return len(laid_out(base_size, image_size, columns, rows, patch))


def hit(experts: int, chosen: int, tokens: int) -> float:
    """Expect how many distinct experts tokens hit: each token hits of the untouched ones the share it chooses."""
    touched = 0.0
    for _ in range(tokens):
        touched += (experts - touched) * chosen / experts
    return touched


def pages(count: int, seed: int = 0) -> Iterator[dict[str, int]]:
    """Draw pages: views, grids of crops, text and batches."""
    random = Random(seed)  # noqa: S311 - draws, no secrets
    for _ in range(count):
        columns, rows = random.choice([(0, 0), (1, 2), (2, 1), (3, 2), (2, 4), (1, 9)])
        yield {
            "batch": random.randint(1, 5),
            "text_tokens": random.randint(0, 30),
            "new_tokens": random.randint(1, 4),
            "base_size": 64 * random.randint(1, 20),
            "image_size": 64 * random.randint(1, 12),
            "crop_columns": columns,
            "crop_rows": rows,
        }


def derived() -> Iterator[Fact]:
    """Work out what follows from a page another way: by laying it out, and token by token."""
    known = set(network().derived)
    tokens = {"view_tokens", "image_tokens", "prompt_tokens", "vision_tokens", "compression"}
    yield "derived symbols", known, {"crops", *tokens, *FRACTIONS}
    fractions = {name for name in known if network().quantities[name].real}
    yield "derived symbols that are no whole numbers", fractions, {"compression", *FRACTIONS}
    # Without an image, without a prompt, and of an image that has more or fewer tokens than its views.
    # Grids that no rule allows without a word, and the smallest view, whose image is one token.
    odd: list[dict[str, int]] = [{"crop_rows": 3}, {"crop_columns": 1, "crop_rows": 1}, {"base_size": 64}]
    for page in [
        {},
        *odd,
        *pages(12),
        *({**page, **_WITHOUT[place % len(_WITHOUT)]} for place, page in enumerate(pages(10, seed=5))),
    ]:
        for experts, chosen in ((64, 6), (8, 2), (16, 16)):
            resolver = values({**page, "n_routed_experts": experts, "num_experts_per_tok": chosen})
            sizes = [resolver.value(name) for name in ("base_size", "image_size", "crop_columns", "crop_rows")]
            yield from _of_page(page, resolver, laid_out(*sizes))
            routed = resolver.value("batch")
            for name, count in (
                ("prefill_experts_hit", routed * resolver.value("prompt_tokens")),
                ("decode_experts_hit", routed),
            ):
                stated = hit(experts, chosen, count)
                yield f"{name} of {page}", abs(resolver.value(name) - stated) <= 1e-6 * stated, True
                yield f"fewest {name}", resolver.value(f"fewest_{name}"), chosen if count else 0
                said = values({**page, name: 2 * chosen})
                yield f"{name} that somebody sets", said.value(f"fewest_{name}"), 2 * chosen
    for patch, columns, rows in ((8, 2, 1), (32, 3, 2)):
        finer = {"sam_patch_size": patch, "crop_columns": columns, "crop_rows": rows, "base_size": 1280}
        yield from _of_page(finer, values(finer), laid_out(1280, 640, columns, rows, patch))


_WITHOUT: tuple[Mapping[str, int], ...] = (
    {"image_tokens": 0},
    {"image_tokens": 0, "text_tokens": 0},
    {"image_tokens": 7},
    {"prompt_tokens": 30},
    {"image_tokens": 1},
    {"prompt_tokens": 1},
)


def _of_page(page: Mapping[str, int], resolver: Any, layout: list[str]) -> Iterator[Fact]:
    """State what follows from the views of a page."""
    images = page.get("image_tokens", len(layout))
    prompt = page.get("prompt_tokens", images + resolver.value("text_tokens"))
    features = layout.count("feature") if images else 0
    new = resolver.value("new_tokens")
    stated = {
        "crops": resolver.value("crop_columns") * resolver.value("crop_rows"),
        "view_tokens": len(layout),
        "image_tokens": images,
        "prompt_tokens": prompt,
        "chunk_tokens": prompt,
        "vision_tokens": features,
        "compression": Fraction(new, features) if features else 0,
    }
    for name, value in stated.items():
        yield f"{name} of {page}", resolver.value(name), value
