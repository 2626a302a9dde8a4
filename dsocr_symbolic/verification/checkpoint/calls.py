"""Every layer of the checkpoint's own network, called on tensors without values.

Left out, and why: text alone through the outermost class, which sums the pixels of an image that is not there;
its decoder and its head are called instead, and in decode the class itself. What the code asks of a machine is
answered by ``host``: the flash kernel is one operator there, as on a GPU.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from importlib import import_module
from itertools import product
from pathlib import Path

from torch import nn

from dsocr_symbolic.verification.calls.bench import Bench
from dsocr_symbolic.verification.calls.counted import Counted
from dsocr_symbolic.verification.calls.requirements import require_transformers_for_checkpoint
from dsocr_symbolic.verification.checkpoint.code import load
from dsocr_symbolic.verification.checkpoint.decoder import decoder_calls, feed_forward_calls, layer_calls
from dsocr_symbolic.verification.checkpoint.network import Network, build_network, cached_bytes, call_settings
from dsocr_symbolic.verification.checkpoint.snapshot import Snapshot, read_snapshot
from dsocr_symbolic.verification.checkpoint.vision import clip_calls, sam_calls


def checkpoint_counts(folder: Path) -> Iterator[Counted]:
    """Run the checkpoint's own modules on tensors without values, and count them.

    This executes the folder's code: ask first.

    Parameters
    ----------
    folder : Path
        A local snapshot; it needs no weights.

    Returns
    -------
    iterator of Counted
        One by one, in plain bf16 and under autocast.

    Raises
    ------
    UserError
        If the folder is no checkpoint of this network, or a library is missing or of another release.
    """
    snapshot = read_snapshot(folder)
    require_transformers_for_checkpoint()
    return _counts(snapshot)


def load_network(folder: Path) -> nn.Module:
    """Make the checkpoint's own network without values.

    This executes the folder's code: ask first.

    Parameters
    ----------
    folder : Path
        A local snapshot; it needs no weights.

    Returns
    -------
    nn.Module
        The outermost class, on the meta device.

    Raises
    ------
    UserError
        If the folder is no checkpoint of this network, or a library is missing or of another release.
    """
    snapshot = read_snapshot(folder)
    require_transformers_for_checkpoint()
    from dsocr_symbolic.verification.checkpoint.calls import network_module

    return network_module(snapshot)


def _counts(snapshot: Snapshot) -> Iterator[Counted]:
    from dsocr_symbolic.verification.checkpoint.calls import calls

    yield from calls(snapshot)


_IMAGES = {
    "flash": ((1, 512, 640, 0, 0), (1, 1024, 640, 2, 1), (2, 640, 640, 0, 0), (2, 1280, 640, 1, 3)),
    "eager": ((1, 1024, 640, 3, 2),),
}
"""Samples, side of the global view, side of a crop, crops across and down."""


def network_module(snapshot: Snapshot) -> nn.Module:
    """Load the code and make the network without values."""
    with _quiet():
        network, _ = load(snapshot)
        return Bench("plain").module(partial(build_network, network, snapshot.config, "flash"))


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the library's advice to the owners of the code."""
    logging = import_module("transformers.utils.logging")
    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def calls(snapshot: Snapshot) -> Iterator[Counted]:
    """Load the code and call every layer.

    Parameters
    ----------
    snapshot : Snapshot
        What was read, and may be run.

    Yields
    ------
    Counted
        Each call's counts, in plain bf16 and under autocast, with both kernels of the decoder.
    """
    with _quiet():
        network, decoder = load(snapshot)
        for precision, kind in product(("plain", "autocast"), ("eager", "flash")):
            bench = Bench(precision)
            with bench.context():
                made = bench.module(partial(build_network, network, snapshot.config, kind))
                given = Network(bench=bench, kind=kind, module=made, decoder=decoder, sizes=snapshot.constants)
                if kind == "flash":
                    yield from sam_calls(given)
                    yield from clip_calls(given)
                    yield from feed_forward_calls(given)
                yield from layer_calls(given)
                yield from decoder_calls(given)
                yield from _whole_calls(given)


def _whole_calls(network: Network) -> Iterator[Counted]:
    bench, module = network.bench, network.module
    for batch, base, crop, across, down in _IMAGES[network.kind]:
        crops, side, grid = across * down, base // 64, crop // 64
        image_tokens = side * (side + 1) + 1 + (grid * down * (grid * across + 1) if crops else 0)
        tokens = image_tokens + 10
        cuts = bench.empty(crops, 3, crop, crop) if crops else bench.empty(1, 3, base, base)
        given = {
            "images": batch * [(cuts, bench.empty(1, 3, base, base))],
            "images_seq_mask": bench.empty(batch, tokens, size=1),
            "images_spatial_crop": batch * [(across, down)],
            "past_key_values": network.cache(batch, 0, 0),
        }
        hit = network.hits(batch * tokens)[-1]
        settings = {"batch": batch, "base_size": base, "image_size": crop, "crop_columns": across, "crop_rows": down}
        settings |= {"image_tokens": image_tokens, "prompt_tokens": tokens, "prefill_experts_hit": hit}
        yield network.count(
            "core/deepseek_ocr_model",
            settings,
            module.model,
            partial(module.model, bench.empty(batch, tokens, size=8), use_cache=True, **given),
            hit=hit,
            tokens=batch * tokens,
            # Is there an image, and for every sample: are there crops?
            reads=(1.0, *batch * (float(crops > 0),)),
            kv_bytes=partial(cached_bytes, given["past_key_values"]),
        )
    model = module.model
    owner = nn.ModuleList([model.embed_tokens, model.layers, model.norm, module.lm_head])
    for batch, past in ((1, 1), (6, 512)):
        cache, hit = network.cache(batch, past, network.sizes["num_hidden_layers"]), network.hits(batch)[-1]
        settings = call_settings(batch, 1, past) | {"image_tokens": 0, "experts_hit": hit}
        call = partial(module, bench.empty(batch, 1, size=8), past_key_values=cache, use_cache=True)
        kv_bytes = partial(cached_bytes, cache)
        yield network.count("core/language_model", settings, owner, call, hit=hit, tokens=batch, kv_bytes=kv_bytes)
