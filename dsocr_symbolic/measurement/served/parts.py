"""Parts of the served network as calls to measure; inputs are random and the same every time.

Every request has its own run of pages. A prompt's pages are empty; a chunk's and a decoded token's hold random values.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from dsocr_symbolic.errors import UserError, check_known
from dsocr_symbolic.measurement.components import Prepared, TimedCase
from dsocr_symbolic.measurement.kernels import MeasuredKernel
from dsocr_symbolic.measurement.served.network import ServedCache
from dsocr_symbolic.verification.served.decoder import step_places
from dsocr_symbolic.verification.served.experts import ServedRouter
from dsocr_symbolic.verification.served.pages import new_pages

PARTS: Mapping[str, tuple[str, ...]] = {
    "served_sam": ("batch", "image_size"),
    "served_clip": ("batch", "feature_grid"),
    "served_prefill": ("batch", "sequence"),
    "served_chunk": ("batch", "sequence", "past"),
    "served_decode": ("batch", "past"),
}
"""Settings of every part, as those of :data:`~dsocr_symbolic.measurement.components.COMPONENTS`."""
MODES = ("eager", "graph")
PAGE_TOKENS = 16


def check_served(case: TimedCase) -> None:
    """Refuse a case that names what a server does not have, or lacks a setting."""
    check_known([case.component], PARTS, "measured case", "component")
    where = f"measured case '{case.label}'"
    check_known([case.mode], MODES, where, "mode")
    needed = PARTS[case.component]
    check_known(case.settings, needed, where, "setting")
    if missing := [name for name in needed if name not in case.settings]:
        raise UserError(f"{where}: no value for {', '.join(missing)}: give {', '.join(needed)}")
    if wrong := [name for name in needed if case.settings[name] < 1]:
        raise UserError(f"{where}: {wrong[0]} must be at least 1: raise it")


def make_served(case: TimedCase, cache: ServedCache) -> Prepared:
    """Prepare a case; its first call compiles what it meets for the first time."""
    check_served(case)
    tower = case.component in {"served_sam", "served_clip"}
    call, hits = _tower(case, cache) if tower else _step(case, cache)
    return Prepared(call=call, before=_nothing, whole=call, modules={}, experts_hit=hits)


def _nothing() -> None:
    """Leave everything as it is: a step writes the same slots each time."""


def _tower(case: TimedCase, cache: ServedCache) -> tuple[Callable[[], Tensor], Callable[[], list[int]]]:
    model, s = cache.towers(), case.settings
    config, device = cache.plain.config, cache.plain.device
    generator = torch.Generator(device).manual_seed(0)
    sam = case.component == "served_sam"
    side = s["image_size"] if sam else s["feature_grid"]
    channels = config.sam.in_channels if sam else config.clip.hidden_size
    x = torch.randn(s["batch"], channels, side, side, dtype=torch.bfloat16, device=device, generator=generator)

    @torch.no_grad()
    def call() -> Tensor:
        out: Tensor = model.sam_model(x) if sam else model.vision_model(x)
        return out

    return call, list


def _step(case: TimedCase, cache: ServedCache) -> tuple[Callable[[], Tensor], Callable[[], list[int]]]:
    (decoder, calls), s, device = cache.decoder(), case.settings, cache.plain.device
    batch, tokens, past = s["batch"], s.get("sequence", 1), s.get("past", 0)
    generator = torch.Generator(device).manual_seed(0)
    pages = new_pages(
        decoder.config,
        requests=batch,
        tokens=past + tokens,
        page_tokens=PAGE_TOKENS,
        device=device,
        dtype=torch.bfloat16,
    )
    for kept in pages if past else []:
        kept.normal_(generator=generator)
    ids = torch.randint(decoder.config.vocab_size, (batch, tokens), device=device, generator=generator)
    places = step_places(pages[0], ids, past)

    def call() -> Tensor:
        out: Tensor = decoder(ids, pages, past, places=places, calls=calls)
        return out

    def hits() -> list[int]:
        found: list[int] = []

        def note(_: nn.Module, __: Any, out: Any) -> None:
            found.append(int(out[0].unique().numel()))

        hooks = [each.register_forward_hook(note) for each in decoder.modules() if isinstance(each, ServedRouter)]
        try:
            # Uncompiled, for a compiled graph runs no hooks.
            decoder(ids, pages, past, places=places)
        finally:
            for hook in hooks:
                hook.remove()
        return found

    return call, hits


def by_name(kernels: Sequence[MeasuredKernel]) -> list[dict[str, Any]]:
    """Return how often each kernel ran and how long, by name and in the order of their first run."""
    found: dict[str, dict[str, Any]] = {}
    for kernel in kernels:
        entry = found.setdefault(kernel.name, {"name": kernel.name, "kernels": 0, "seconds": 0.0})
        entry["kernels"] += 1
        entry["seconds"] += kernel.seconds
    return list(found.values())
