"""Measure peak memory of the reference network on a GPU, or trace it on tensors without values.

``python tests/measured/measure_memory.py`` prints one JSON object; it needs torch, attrs and this package alone::

    PYTHONPATH=. python tests/measured/measure_memory.py --out memory.json             # a CUDA GPU
    PYTHONPATH=. python tests/measured/measure_memory.py --device meta --out meta.json # the same, traced

Peaks hold what a case makes: its inputs, activations, outputs and the KV cache (said separately), not the weights.
Settings are named as the symbols of the formulas. A case that fails holds the error instead; cases that no longer fit
into the time say so.
"""

import argparse
import gc
import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from traceback import format_exc
from typing import Any

import torch
from attrs import asdict, evolve, field, frozen
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel

from dsocr_symbolic.verification.reference.build import build
from dsocr_symbolic.verification.reference.config import ClipConfig, DecoderConfig, OcrConfig, SamConfig
from dsocr_symbolic.verification.reference.deepseek_ocr import DeepseekOCRForCausalLM, Views
from dsocr_symbolic.verification.reference.deepseek_v2 import MoEGate
from dsocr_symbolic.verification.reference.llama import KeyValueCache
from dsocr_symbolic.verification.reference.memory import allocation_peak
from dsocr_symbolic.verification.reference.saved import SavedTensors

GRIDS = ((0, 0), (2, 1), (2, 2), (3, 2), (3, 3))
"""Crops across and down: 0, 2, 4, 6 and 9 of them."""
TEXT_TOKENS = 10


@frozen(kw_only=True)
class Case:
    """One call.

    Attributes
    ----------
    name : str
        The formula file, or ``prefill`` for the whole network.
    settings : mapping of str to int
        By symbol of the formulas.
    choices : mapping of str to str
        Options of the formulas' choices.
    run : callable
        Makes its inputs, calls, and returns everything that shall live until the end.
    module : nn.Module
        What is called.
    trained : bool
        Whether to count what autograd saves as well.
    """

    name: str
    settings: Mapping[str, int]
    choices: Mapping[str, str] = field(factory=dict)
    run: Callable[[], Any]
    module: nn.Module
    trained: bool = False


@frozen(kw_only=True)
class Run:
    """Where cases run, and on what network."""

    device: str
    config: OcrConfig
    sizes: tuple[int, ...]
    batches: tuple[int, ...]
    crop: int
    base: int
    prompts: tuple[tuple[int, int], ...]
    """Batch and tokens of a decoder layer's calls."""

    def normal(self, *shape: int) -> Tensor:
        """Make random activations in bf16."""
        return torch.randn(*shape, dtype=torch.bfloat16, device=self.device)


def sam_cases(run: Run, network: DeepseekOCRForCausalLM) -> Iterator[Case]:
    """Yield the image encoder at every size and batch."""
    sam = network.model.sam_model

    def call(batch: int, size: int) -> Callable[[], Any]:
        def made() -> Any:
            pixels = run.normal(batch, 3, size, size)
            return pixels, sam(pixels)

        return made

    for size in run.sizes:
        for batch in run.batches:
            settings = {"batch": batch, "image_size": size}
            yield Case(name="vision/image_encoder_vit", settings=settings, run=call(batch, size), module=sam)


def clip_cases(run: Run, network: DeepseekOCRForCausalLM) -> Iterator[Case]:
    """Yield the second tower and the projector on the grids of every size."""
    model, width = network.model, run.config.clip.hidden_size

    def clip(batch: int, grid: int) -> Callable[[], Any]:
        def made() -> Any:
            features = run.normal(batch, width, grid, grid)
            return features, model.vision_model(features)

        return made

    def projector(batch: int, grid: int, both: int) -> Callable[[], Any]:
        def made() -> Any:
            x = run.normal(batch, grid * grid, both)
            return x, model.projector(x)

        return made

    both = width + run.config.sam.out_channels
    for size in run.sizes:
        for batch in run.batches:
            settings = {"batch": batch, "feature_grid": size // 64}
            tower, linear = clip(batch, size // 64), projector(batch, size // 64, both)
            yield Case(name="vision/vit_model", settings=settings, run=tower, module=model.vision_model)
            yield Case(name="vision/mlp_projector", settings=settings, run=linear, module=model.projector)


def layer_cases(run: Run, network: DeepseekOCRForCausalLM, attention: str) -> Iterator[Case]:
    """Yield single blocks and layers, with what autograd saves."""
    model = network.model

    def call(module: nn.Module, *shape: int) -> Callable[[], Any]:
        def made() -> Any:
            x = run.normal(*shape).requires_grad_()
            return x, module(x)

        return made

    def decoder(module: nn.Module, batch: int, tokens: int) -> Callable[[], Any]:
        def made() -> Any:
            x = run.normal(batch, tokens, run.config.decoder.hidden_size).requires_grad_()
            positions = torch.arange(tokens, device=run.device).unsqueeze(0)
            mask = torch.zeros(1, 1, tokens, tokens, dtype=x.dtype, device=run.device) if attention == "eager" else None
            return x, positions, mask, module(x, positions, mask)

        return made

    sam, clip = run.config.sam, run.config.clip
    if attention == "flash":
        windowed = next(block for block in model.sam_model.blocks if block.window_size)
        whole = next(block for block in model.sam_model.blocks if not block.window_size)
        for size, batch in ((run.base, 1), (run.crop, run.batches[-1])):
            grid = size // 16
            for block, window in ((windowed, sam.window_size), (whole, grid)):
                settings = {"batch": batch, "grid": grid, "window": window}
                made = call(block, batch, grid, grid, sam.hidden_size)
                yield Case(name="vision/block", settings=settings, run=made, module=block, trained=True)
            tokens, block = (size // 64) ** 2 + 1, model.vision_model.transformer.layers[0]
            made = call(block, batch, tokens, clip.hidden_size)
            settings = {"batch": batch, "tokens": tokens}
            yield Case(name="vision/notp_transformer_block", settings=settings, run=made, module=block, trained=True)
    for layer, name in ((model.layers[0], "dense"), (model.layers[-1], "moe")):
        for batch, tokens in run.prompts:
            yield Case(
                name=f"decoder/deepseek_v2_decoder_layer {name}",
                settings={"batch": batch, "sequence": tokens, "past": 0, "cached": 0},
                choices={"attention": attention},
                run=decoder(layer, batch, tokens),
                module=layer,
                trained=True,
            )


def prefill_cases(run: Run, network: DeepseekOCRForCausalLM, attention: str) -> Iterator[Case]:
    """Yield pages with few and many crops, with logits of all positions and of the last one."""
    for columns, rows in GRIDS:
        side, grid, crops = run.base // 64, run.crop // 64, columns * rows
        image_tokens = side * (side + 1) + 1 + (rows * grid * (columns * grid + 1) if crops else 0)
        settings = {
            "batch": 1,
            "base_size": run.base,
            "image_size": run.crop,
            "crop_columns": columns,
            "crop_rows": rows,
            "text_tokens": TEXT_TOKENS,
            "image_tokens": image_tokens,
            "prompt_tokens": image_tokens + TEXT_TOKENS,
        }
        for logits in ("all", "last"):
            yield Case(
                name="prefill",
                settings=settings,
                choices={"attention": attention, "logits": logits},
                run=_prefill(run, network, settings, logits),
                module=network,
            )


def _prefill(run: Run, network: DeepseekOCRForCausalLM, s: Mapping[str, int], logits: str) -> Callable[[], Any]:
    def made() -> Any:
        crops = s["crop_columns"] * s["crop_rows"]
        parts = run.normal(crops, 3, run.crop, run.crop) if crops else None
        whole = run.normal(1, 3, run.base, run.base)
        views = Views(whole, parts, max(s["crop_columns"], 1), max(s["crop_rows"], 1))
        tokens = s["prompt_tokens"]
        ids = torch.randint(run.config.decoder.vocab_size, (1, tokens), device=run.device)
        # The image stands behind the first token.
        mask = torch.zeros(1, tokens, dtype=torch.bool, device=run.device)
        mask.narrow(1, 1, s["image_tokens"]).fill_(True)
        cache = KeyValueCache()
        hidden = network.model(ids, cache=cache, images=[views], image_mask=mask)
        scores = network.logits(hidden if logits == "all" else hidden.narrow(1, tokens - 1, 1))
        return whole, parts, ids, mask, cache, scores

    return made


@frozen(kw_only=True)
class CudaPeak:
    """Bytes that a call took on a GPU, beyond what was allocated before.

    Attributes
    ----------
    peak_bytes : int
        Increase of ``max_memory_allocated``.
    requested_bytes : int
        The same of the bytes that tensors asked for, before the allocator rounds to its blocks.
    end_bytes : int
        Increase of ``memory_allocated`` when the call has returned and its result still lives.
    reserved_bytes : int
        Increase of ``max_memory_reserved``: what the allocator took from the device.
    """

    peak_bytes: int
    requested_bytes: int
    end_bytes: int
    reserved_bytes: int


def peak_on_cuda(call: Callable[[], object]) -> CudaPeak:
    """Call a function without gradients on the current GPU and read PyTorch's allocator.

    Call it once before: libraries allocate their workspaces at the first call and keep them.
    """
    cuda = torch.cuda
    gc.collect()
    cuda.synchronize()
    cuda.empty_cache()
    allocated, reserved = cuda.memory_allocated(), cuda.memory_reserved()
    requested = cuda.memory_stats()["requested_bytes.all.current"]
    cuda.reset_peak_memory_stats()
    with torch.no_grad():
        out = call()
    cuda.synchronize()
    peak = CudaPeak(
        peak_bytes=cuda.max_memory_allocated() - allocated,
        requested_bytes=cuda.memory_stats()["requested_bytes.all.peak"] - requested,
        end_bytes=cuda.memory_allocated() - allocated,
        reserved_bytes=cuda.max_memory_reserved() - reserved,
    )
    del out
    return peak


def measure(run: Run, case: Case) -> dict[str, Any]:
    """Run a case once to warm up, and once measured.

    Returns
    -------
    dict
        Bytes, or the error.
    """
    said: dict[str, Any] = {"name": case.name, "settings": dict(case.settings), "choices": dict(case.choices)}
    try:
        try:
            return said | _measured(run, case, _fused(run))
        except RuntimeError as error:
            if "kernel" not in str(error):
                raise
            # No fused kernel takes this call: measure what PyTorch picks then, and say so.
            return said | _measured(run, case, nullcontext()) | {"no_fused_kernel": str(error)}
    except Exception as error:  # noqa: BLE001 - one case may not end the others
        return said | {"error": f"{type(error).__name__}: {error}"[:2000]}
    finally:
        if run.device == "cuda":
            torch.cuda.empty_cache()


def _fused(run: Run) -> AbstractContextManager[None]:
    """Allow the flash and the memory-efficient kernel alone."""
    if run.device != "cuda":
        return nullcontext()
    kernels: AbstractContextManager[None] = sdpa_kernel([SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION])
    return kernels


def _measured(run: Run, case: Case, kernels: AbstractContextManager[None]) -> dict[str, Any]:
    with kernels:
        with torch.no_grad():
            hits, kept = _experts_hit(run, case)
        found = asdict(peak_on_cuda(case.run) if run.device == "cuda" else allocation_peak(case.run))
        found |= {"kv_cache_bytes": kept, "experts_hit": hits}
        if case.trained:
            found["saved_bytes"] = _saved(case.module, case.run)
    return found


def _experts_hit(run: Run, case: Case) -> tuple[list[int] | None, int]:
    """Warm up, and note how many experts each layer's router chose and how large the cache is."""
    hits: list[int] = []

    def note(_: nn.Module, __: Any, out: Any) -> None:
        hits.append(int(out[0].unique().numel()))

    gates = [] if run.device == "meta" else [each for each in case.module.modules() if isinstance(each, MoEGate)]
    hooks = [gate.register_forward_hook(note) for gate in gates]
    try:
        made = case.run()
    finally:
        for hook in hooks:
            hook.remove()
    caches = [each for each in made if isinstance(each, KeyValueCache)]
    return hits or None, sum(cache.nbytes for cache in caches)


def _saved(module: nn.Module, run: Callable[[], Any]) -> int:
    """Count what autograd saves for the layer's backward, in training."""
    module.train()
    try:
        with torch.enable_grad(), SavedTensors(module.parameters()) as saved:
            made = run()
        found = saved.nbytes
        del made
    finally:
        module.eval()
    return found


def cases(run: Run) -> Iterator[Case]:
    """Yield every case, of one network after the other."""
    for attention in ("flash", "eager"):
        decoder = evolve(run.config.decoder, attention=attention)
        network = build(evolve(run.config, decoder=decoder), device=run.device)
        yield from prefill_cases(run, network, attention)
        yield from layer_cases(run, network, attention)
        if attention == "flash":
            yield from clip_cases(run, network)
            yield from sam_cases(run, network)


def tiny() -> OcrConfig:
    """Return a network small enough for a test with values on a CPU."""
    sam = SamConfig(hidden_size=16, num_layers=2, num_heads=2, mlp_size=32, global_layers=(1,), neck_channels=4)
    clip = ClipConfig(hidden_size=16, num_layers=1, num_heads=2, mlp_size=32)
    sizes = {"vocab_size": 32, "hidden_size": 16, "intermediate_size": 24, "moe_intermediate_size": 8}
    decoder = DecoderConfig(**sizes, num_hidden_layers=2, num_attention_heads=2, n_routed_experts=8)
    return OcrConfig(sam=sam, clip=clip, decoder=decoder)


def environment(device: str) -> dict[str, Any]:
    """Say what was measured on."""
    found: dict[str, Any] = {"device": device, "torch": torch.__version__, "gpu": None}
    if device == "cuda":
        properties = torch.cuda.get_device_properties(0)
        found |= {"gpu": properties.name, "gpu_bytes": properties.total_memory, "cuda": torch.version.cuda}
        found["cudnn"] = torch.backends.cudnn.version()
    return found


def main(arguments: list[str] | None = None) -> dict[str, Any]:
    """Measure every case and print the result.

    Returns
    -------
    dict
        What was printed.
    """
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--device", choices=("cuda", "cpu", "meta"), default="cuda")
    parser.add_argument("--out", type=Path, help="written after every case: what was measured survives a time limit")
    parser.add_argument("--seconds", type=float, default=170.0, help="start no case after so many")
    parser.add_argument("--tiny", action="store_true", help="a small network, for tests")
    given = parser.parse_args(arguments)
    torch.manual_seed(0)
    if given.tiny:
        prompts = ((1, 13), (2, 7))
        run = Run(device=given.device, config=tiny(), sizes=(128,), batches=(2,), crop=64, base=128, prompts=prompts)
    else:
        sizes, batches = (512, 640, 1024, 1280), tuple(range(1, 10))
        prompts = ((1, 913), (2, 283))
        run = Run(
            device=given.device, config=OcrConfig(), sizes=sizes, batches=batches, crop=640, base=1024, prompts=prompts
        )
    began = time.monotonic()
    found: dict[str, Any] = {**environment(run.device), "finished": False, "cases": []}
    try:
        for case in cases(run):
            if time.monotonic() - began > given.seconds:
                left_out = {"name": case.name, "settings": dict(case.settings), "choices": dict(case.choices)}
                found["cases"].append(left_out | {"error": "no time left"})
                continue
            found["cases"].append(measure(run, case))
            _write(given.out, found)
            sys.stderr.write(f"{time.monotonic() - began:6.1f} s  {case.name} {dict(case.settings)}\n")
    except Exception:  # noqa: BLE001 - what was measured before is worth keeping
        found["error"] = format_exc()
    found |= {"finished": "error" not in found, "seconds": round(time.monotonic() - began, 1)}
    _write(given.out, found)
    sys.stdout.write(json.dumps(found, indent=1) + "\n")
    return found


def _write(path: Path | None, found: Mapping[str, Any]) -> None:
    if path is not None:
        path.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
