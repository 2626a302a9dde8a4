"""Tokens of a page and experts that are hit, said once more: by laying a page out, and token by token."""

from collections.abc import Iterator
from random import Random

from dsocr_symbolic.verification.expectations.sizes import FRACTIONS, Fact, network, values


def image_tokens(base_size: int, image_size: int, columns: int, rows: int, patch: int = 16) -> int:
    """Lay an image out row by row, as the network's processor does: features, a newline a row, one separator."""

    def side(pixels: int) -> int:
        return len(range(0, pixels // patch, 4))

    layout = []
    for _ in range(rows * side(image_size) if columns * rows else 0):
        layout += ["feature"] * (columns * side(image_size)) + ["newline"]
    for _ in range(side(base_size)):
        layout += ["feature"] * side(base_size) + ["newline"]
    return len([*layout, "separator"])


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
    yield "derived symbols", known, {"crops", "image_tokens", "prompt_tokens", *FRACTIONS}
    for page in [{}, *pages(12)]:
        for experts, chosen in ((64, 6), (8, 2), (16, 16)):
            resolver = values({**page, "n_routed_experts": experts, "num_experts_per_tok": chosen})
            sizes = (resolver.value(name) for name in ("base_size", "image_size", "crop_columns", "crop_rows"))
            tokens = image_tokens(*sizes)
            prompt = tokens + resolver.value("text_tokens")
            batch = resolver.value("batch")
            yield "crops", resolver.value("crops"), resolver.value("crop_columns") * resolver.value("crop_rows")
            yield f"image_tokens of {page}", resolver.value("image_tokens"), tokens
            yield f"prompt_tokens of {page}", resolver.value("prompt_tokens"), prompt
            for name, routed in (("prefill_experts_hit", batch * prompt), ("decode_experts_hit", batch)):
                stated = hit(experts, chosen, routed)
                yield f"{name} of {page}", abs(resolver.value(name) - stated) < 1e-6 * stated, True
    finer = values({"sam_patch_size": 8, "crop_columns": 2, "crop_rows": 1})
    yield "image_tokens of finer patches", finer.value("image_tokens"), image_tokens(1024, 640, 2, 1, patch=8)
