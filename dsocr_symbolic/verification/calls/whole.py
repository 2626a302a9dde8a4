"""One call of the whole network: the prefill of a page with its head, at published widths."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from dsocr_symbolic.verification.calls.bench import Bench, Subject
from dsocr_symbolic.verification.reference.config import ClipConfig, DecoderConfig, OcrConfig, SamConfig
from dsocr_symbolic.verification.reference.deepseek_ocr import DeepseekOCRForCausalLM, Views
from dsocr_symbolic.verification.reference.llama import KeyValueCache

WHOLE = "prefill of the network"
"""Stands for a formula file's name: the stages of the model up to decode."""


def page_settings(columns: int, rows: int, *, base_size: int = 1024, image_size: int = 640) -> dict[str, int]:
    """Set up a page of one request, on a network with as few layers of each kind as show every lifetime.

    Parameters
    ----------
    columns, rows : int
        Crops across and down, 0 for a page that is not cut.
    base_size, image_size : int
        Sides of the global view and of a crop in pixels.

    Returns
    -------
    dict of str to int
        The model's workload and its numbers of layers.
    """
    side, grid = base_size // 64, image_size // 64
    crops = columns * rows
    image_tokens = side * (side + 1) + 1 + (rows * grid * (columns * grid + 1) if crops else 0)
    return {
        "batch": 1,
        "base_size": base_size,
        "image_size": image_size,
        "crop_columns": columns,
        "crop_rows": rows,
        "text_tokens": 10,
        "image_tokens": image_tokens,
        "prompt_tokens": image_tokens + 10,
        "prefill_experts_hit": 64,
        "sam_windowed_blocks": 2,
        "sam_global_blocks": 1,
        "clip_layers": 2,
        "num_hidden_layers": 3,
    }


def whole_prefill(bench: Bench, s: Mapping[str, Any], attention: str, logits: str) -> Subject:
    """Call the network on pages, with logits of all positions or of the last one.

    Parameters
    ----------
    bench : Bench
        Makes the tensors.
    s : mapping of str to int
        What :func:`page_settings` gives, with any batch.
    attention : str
        ``flash`` or ``eager``.
    logits : str
        ``all`` or ``last``.

    Returns
    -------
    Subject
        The call.
    """
    layers = (s["sam_windowed_blocks"], s["sam_global_blocks"], s["clip_layers"], s["num_hidden_layers"])
    network = _network(bench.device, attention, layers)
    columns, rows, batch = s["crop_columns"], s["crop_rows"], s["batch"]
    base, tile, tokens = s["base_size"], s["image_size"], s["prompt_tokens"]
    crops = bench.constant(columns * rows, 3, tile, tile) if columns else None
    views = Views(bench.constant(1, 3, base, base), crops, max(columns, 1), max(rows, 1))
    ids, mask = bench.empty(batch, tokens, size=8), bench.empty(batch, tokens, size=1)
    cache = KeyValueCache()

    def call() -> Tensor:
        hidden = network.model(ids, cache=cache, images=[views] * batch, image_mask=mask)
        return network.logits(hidden if logits == "all" else hidden.narrow(1, tokens - 1, 1))

    return Subject(owner=network, call=call, cache=cache)


@lru_cache(maxsize=4)
def _network(device: str, attention: Any, layers: tuple[int, int, int, int]) -> DeepseekOCRForCausalLM:
    """Make a network once; windowed blocks come first, as many layers are dense as the published network has."""
    windowed, whole, clip, decoder = layers
    config = OcrConfig(
        sam=SamConfig(num_layers=windowed + whole, global_layers=tuple(range(windowed, windowed + whole))),
        clip=ClipConfig(num_layers=clip),
        decoder=DecoderConfig(num_hidden_layers=decoder, attention=attention),
    )
    made = Bench("autocast" if torch.device(device).type == "cuda" else "plain").module(
        lambda: DeepseekOCRForCausalLM(config)
    )
    assert isinstance(made, DeepseekOCRForCausalLM)  # noqa: S101 - what was just made
    return made
